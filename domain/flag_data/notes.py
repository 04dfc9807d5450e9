"""What is to be noted of flags and segments that are read: what was ignored, and what is kept but cannot work."""

from collections import Counter
from collections.abc import Sequence

from domain.errors import quoted
from domain.evaluation.operators import OPERATORS, is_usable
from domain.flag_data.properties import Properties
from domain.instructions.rules import rule_names
from domain.model.segments import SegmentRule
from domain.model.targeting import FULL_WEIGHT, Clause, FlagRule, Targeting, VariationOrRollout


def notes_of_item(item: Properties, known: frozenset[str], clauses: Sequence[Clause]) -> tuple[str, ...]:
    """Note under what key an item stands, what it has that nobody reads, and what its clauses can never match."""
    ignored = item.ignored(known)
    unknown = sorted({clause.op for clause in clauses} - OPERATORS)
    name, key = item.path[-1], item.values.get("key")
    return (
        *([f"it stands under {name!r}, but is {key!r} by its key"] if key and key != name else ()),
        *(f"ignored the property {name!r}" for name in ignored),
        *(f"kept the operator {name!r}, which is unknown and never matches" for name in unknown),
        *(
            f"kept the value {quoted(value)} of {clause.op}, which never matches"
            for clause in clauses
            for value in clause.values
            if not is_usable(clause.op, value)
        ),
    )


def notes_of_ids(rules: Sequence[FlagRule | SegmentRule]) -> tuple[str, ...]:
    """Note where rules share an id, so that it names none of them in an edit."""
    return tuple(
        f"kept {count} rules with the id {quoted(id_)}: edits call each by its place, as in '#0'"
        for id_, count in Counter(rule.id for rule in rules).items()
        if id_ and count > 1
    )


def notes_of_serving(targeting: Targeting, count: int) -> tuple[str, ...]:
    """Note what a flag with so many variations serves otherwise than it seems, or not at all."""
    named = zip(rule_names(targeting), targeting.rules, strict=True)
    rules = [(f"rule {quoted(name)}", rule.serves) for name, rule in named]
    serving = [*rules, ("the fallthrough", targeting.fallthrough)]
    return (
        *_missing_variations(targeting, rules, count),
        *(
            f"{what} serves nothing: the flag is malformed for whoever gets there"
            for what, serves in serving
            if targeting.on and not serves.shares
        ),
        *_uneven_rollouts(serving),
    )


def _missing_variations(
    targeting: Targeting, rules: Sequence[tuple[str, VariationOrRollout]], count: int
) -> list[str]:
    """Note where a flag names variations that it does not have: what would be served them is malformed."""
    off = () if targeting.off_variation is None else (targeting.off_variation,)
    named = [
        *((name, serves.places) for name, serves in rules),
        *(("a target", {target.variation}) for target in (*targeting.targets, *targeting.context_targets)),
        ("the fallthrough", targeting.fallthrough.places),
        ("offVariation", off),
    ]
    return [
        f"kept the variation {place} of {what}, which does not exist"
        for what, places in named
        for place in sorted(places)
        if not 0 <= place < count
    ]


def _uneven_rollouts(serving: Sequence[tuple[str, VariationOrRollout]]) -> list[str]:
    """Note which rollouts do not add up, and who gets the rest (semantics 2.6)."""
    notes = []
    for what, serves in serving:
        shares = serves.rollout.variations if serves.rollout and serves.variation is None else ()
        total = sum(share.weight for share in shares)
        if shares and total != FULL_WEIGHT:
            rest = (
                f"the last, variation {shares[-1].variation}, gets the rest"
                if total < FULL_WEIGHT
                else "what is beyond that gets nobody"
            )
            notes.append(f"the weights of {what} add up to {total}, not {FULL_WEIGHT}: {rest}")
    return notes
