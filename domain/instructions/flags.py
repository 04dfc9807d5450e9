"""Instructions for a flag's targeting in one environment (LaunchDarkly semantics 3.2)."""

import secrets
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import TypeAlias

from domain.errors import InvalidInputError, Violation
from domain.instructions.clauses import EditScope, check_clauses, refusal
from domain.instructions.rules import (
    AddClauses,
    AddValues,
    RemoveClauses,
    RemoveRules,
    RemoveValues,
    ReorderRules,
    UpdateClause,
    change_rule,
    rule_index,
)
from domain.instructions.segments import TargetAction
from domain.model.contexts import is_context_kind
from domain.model.references import parse_attribute
from domain.model.targeting import (
    DEFAULT_CONTEXT_KIND,
    FULL_WEIGHT,
    FlagRule,
    Prerequisite,
    Target,
    Targeting,
    VariationOrRollout,
)

Path = tuple[str | int, ...]


@dataclass(frozen=True, slots=True)
class TurnOn:
    """Turn targeting on or off."""

    on: bool

    def apply(self, targeting: Targeting, _scope: EditScope) -> Targeting:
        """Return the targeting, on or off."""
        return replace(targeting, on=self.on)


@dataclass(frozen=True, slots=True)
class EditFlagTargets:
    """Add, remove or replace the keys of one context kind that are served one variation."""

    action: TargetAction
    variation: int
    context_kind: str
    keys: Sequence[str]

    def apply(self, targeting: Targeting, scope: EditScope) -> Targeting:
        """Return the targeting with the keys; one that another variation has is refused."""
        _check_variation(self.variation, scope, ("variation",))
        if not is_context_kind(self.context_kind):
            raise refusal(("contextKind",), "is not a context kind")
        if "" in self.keys:
            raise refusal(("keys", [*self.keys].index("")), "a key is not empty")
        targets = _ordered(targeting)
        place = (self.context_kind, self.variation)
        before = dict.fromkeys(targets.get(place, ()))
        if self.action is TargetAction.REMOVE:
            after = [key for key in before if key not in set(self.keys)]
        else:
            kept = before if self.action is TargetAction.ADD else {}
            after = list(kept | dict.fromkeys(self.keys))
        others = {
            key: variation
            for (kind, variation), keys in targets.items()
            if kind == self.context_kind and variation != self.variation
            for key in keys
        }
        found = [
            Violation(("keys",), f"{key!r} is targeted by variation {others[key]} already")
            for key in after
            if key in others and key not in before
        ]
        if found:
            raise InvalidInputError(found)
        if after == list(before):
            return targeting
        return _with_targets(targeting, targets | {place: tuple(after)})


@dataclass(frozen=True, slots=True)
class AddFlagRule:
    """Add a rule, last or before another."""

    rule: FlagRule
    before_rule: str | None = None

    def apply(self, targeting: Targeting, scope: EditScope) -> Targeting:
        """Return the targeting with the rule, which gets an id."""
        found = check_clauses(self.rule.clauses, scope.segments, ("clauses",))
        if not self.rule.clauses:
            found.append(Violation(("clauses",), "a rule needs at least one clause"))
        found += check_serves(self.rule.serves, scope, ("serve",))
        if found:
            raise InvalidInputError(found)
        rules = list(targeting.rules)
        index = (
            len(rules) if self.before_rule is None else rule_index(targeting, self.before_rule, ("beforeRuleId",))
        )
        rules.insert(index, replace(self.rule, id=secrets.token_hex(8)))
        return replace(targeting, rules=tuple(rules))


@dataclass(frozen=True, slots=True)
class UpdateFlagRule:
    """Change a rule's description or what it serves; what is None stays."""

    rule: str
    description: str | None = None
    serves: VariationOrRollout | None = None

    def apply(self, targeting: Targeting, scope: EditScope) -> Targeting:
        """Return the targeting with the rule changed."""
        if self.serves is not None and (found := check_serves(self.serves, scope, ("serve",))):
            raise InvalidInputError(found)

        def change(rule: FlagRule) -> FlagRule:
            return replace(
                rule,
                description=rule.description if self.description is None else self.description,
                serves=self.serves or rule.serves,
            )

        return change_rule(targeting, self.rule, change)


@dataclass(frozen=True, slots=True)
class UpdateFallthrough:
    """Change what is served when nothing else matches."""

    serves: VariationOrRollout

    def apply(self, targeting: Targeting, scope: EditScope) -> Targeting:
        """Return the targeting with the default rule."""
        if found := check_serves(self.serves, scope, ()):
            raise InvalidInputError(found)
        return replace(targeting, fallthrough=self.serves)


@dataclass(frozen=True, slots=True)
class UpdateOffVariation:
    """Change what is served when off; None is the caller's default."""

    variation: int | None

    def apply(self, targeting: Targeting, scope: EditScope) -> Targeting:
        """Return the targeting with the off variation."""
        if self.variation is not None:
            _check_variation(self.variation, scope, ("variation",))
        return replace(targeting, off_variation=self.variation)


@dataclass(frozen=True, slots=True)
class AddPrerequisites:
    """Add prerequisites; one on a flag that is one already takes its place."""

    prerequisites: Sequence[Prerequisite]

    def apply(self, targeting: Targeting, _scope: EditScope) -> Targeting:
        """Return the targeting with the prerequisites."""
        by_key = {
            prerequisite.key: prerequisite for prerequisite in (*targeting.prerequisites, *self.prerequisites)
        }
        return replace(targeting, prerequisites=tuple(by_key.values()))


@dataclass(frozen=True, slots=True)
class RemovePrerequisites:
    """Remove prerequisites, by flag; those that are not there do not matter."""

    keys: Sequence[str]

    def apply(self, targeting: Targeting, _scope: EditScope) -> Targeting:
        """Return the targeting without the prerequisites."""
        return replace(
            targeting, prerequisites=tuple(p for p in targeting.prerequisites if p.key not in self.keys)
        )


FlagInstruction: TypeAlias = (
    TurnOn
    | EditFlagTargets
    | AddFlagRule
    | RemoveRules
    | ReorderRules
    | UpdateFlagRule
    | AddClauses
    | RemoveClauses
    | UpdateClause
    | AddValues
    | RemoveValues
    | UpdateFallthrough
    | UpdateOffVariation
    | AddPrerequisites
    | RemovePrerequisites
)


def check_serves(serves: VariationOrRollout, scope: EditScope, path: Path) -> list[Violation]:
    """Return everything that is wrong with what a rule or the default rule is to serve."""
    if serves.variation is not None:
        return _variation_violations(serves.variation, scope, (*path, "variation"))
    rollout = serves.rollout
    if rollout is None:
        return [Violation(path, "needs a variation or a rollout")]
    place = (*path, "rollout")
    found = [
        violation
        for index, share in enumerate(rollout.variations)
        for violation in _variation_violations(share.variation, scope, (*place, "variations", index, "variation"))
    ]
    found += [
        Violation((*place, "variations", index, "weight"), "is negative")
        for index, share in enumerate(rollout.variations)
        if share.weight < 0
    ]
    if (total := sum(share.weight for share in rollout.variations)) != FULL_WEIGHT:
        found.append(Violation((*place, "variations"), f"the weights add up to {total}, not to {FULL_WEIGHT}"))
    if rollout.context_kind is not None and not is_context_kind(rollout.context_kind):
        found.append(Violation((*place, "contextKind"), "is not a context kind"))
    if rollout.bucket_by is not None and parse_attribute(rollout.bucket_by, rollout.context_kind) is None:
        found.append(Violation((*place, "bucketBy"), "is not an attribute or a reference to one"))
    return found


def _variation_violations(index: int, scope: EditScope, path: Path) -> list[Violation]:
    if 0 <= index < scope.variation_count:
        return []
    return [Violation(path, f"the flag has no variation {index}, only 0 to {scope.variation_count - 1}")]


def _check_variation(index: int, scope: EditScope, path: Path) -> None:
    if found := _variation_violations(index, scope, path):
        raise InvalidInputError(found)


_Targets: TypeAlias = dict[tuple[str, int], tuple[str, ...]]
"""Keys by context kind and variation, in the order they are tried."""


def _ordered(targeting: Targeting) -> _Targets:
    """Read both lists of targets as one, as evaluation does (semantics 2.2): the first place of a key holds."""
    entries: list[tuple[str, int, Sequence[str]]]
    if targeting.context_targets:
        users: dict[int, tuple[str, ...]] = {}
        for target in targeting.targets:
            users.setdefault(target.variation, target.values)
        entries = []
        for target in targeting.context_targets:
            kind = target.context_kind or DEFAULT_CONTEXT_KIND
            is_placeholder = kind == DEFAULT_CONTEXT_KIND and not target.values
            values = users.get(target.variation, ()) if is_placeholder else target.values
            entries.append((kind, target.variation, values))
    else:
        entries = [(DEFAULT_CONTEXT_KIND, target.variation, target.values) for target in targeting.targets]
    found: dict[tuple[str, int], dict[str, None]] = {}
    seen: set[tuple[str, str]] = set()
    for kind, variation, keys in entries:
        place = found.setdefault((kind, variation), {})
        place.update({key: None for key in keys if (kind, key) not in seen})
        seen.update((kind, key) for key in keys)
    return {place: tuple(keys) for place, keys in found.items()}


def _with_targets(targeting: Targeting, targets: _Targets) -> Targeting:
    """Write targets as LaunchDarkly does: users in a list of their own, with placeholders where kinds mix."""
    users = [
        Target(variation=variation, values=keys)
        for (kind, variation), keys in targets.items()
        if kind == DEFAULT_CONTEXT_KIND and keys
    ]
    if not any(keys for (kind, _), keys in targets.items() if kind != DEFAULT_CONTEXT_KIND):
        return replace(targeting, targets=tuple(users), context_targets=())
    if targeting.context_targets:
        # Users that no placeholder makes count stay as they are.
        users += [t for t in targeting.targets if (DEFAULT_CONTEXT_KIND, t.variation) not in targets]
    contexts = [
        Target(
            variation=variation,
            values=() if kind == DEFAULT_CONTEXT_KIND else keys,
            context_kind=kind,
        )
        for (kind, variation), keys in targets.items()
        # An empty entry for users keeps their place in the order.
        if keys or kind == DEFAULT_CONTEXT_KIND
    ]
    return replace(targeting, targets=tuple(users), context_targets=tuple(contexts))
