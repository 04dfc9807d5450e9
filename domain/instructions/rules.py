"""Instructions for what the rules of segments and flags have alike: their order and their clauses.

A rule is called by its id, or by `#` and its place where it has none of its own (see `rule_names`).
"""

import json
import secrets
from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from itertools import islice
from typing import Any, TypeAlias, TypeVar

from domain.errors import VIOLATIONS_LIMIT, InputPath, InvalidInputError, Violation, quoted
from domain.instructions.clauses import EditScope, check_clause, check_clauses, refusal
from domain.instructions.limits import CLAUSES_LIMIT, RULES_LIMIT, VALUES_LIMIT, too_many
from domain.json import Json
from domain.model.segments import Segment, SegmentRule
from domain.model.targeting import Clause, FlagRule, Targeting

Ruled = TypeVar("Ruled", Segment, Targeting)
Rule: TypeAlias = SegmentRule | FlagRule

_PLACE = "#"
_PLACES_TOLD = 10


@dataclass(frozen=True, slots=True)
class RemoveRules:
    """Remove rules; ids that no rule has do not matter, but places do."""

    rules: Sequence[str]

    def apply(self, thing: Ruled, _scope: EditScope) -> Ruled:
        """Return it without the rules."""
        names, removed = rule_names(thing), set(self.rules)
        known, ids = set(names), {rule.id for rule in thing.rules}
        wrong = (
            Violation((index,), no_such_rule(thing, name))
            for index, name in enumerate(self.rules)
            if name not in known and (name in ids or name.startswith(_PLACE))
        )
        if found := list(islice(wrong, VIOLATIONS_LIMIT + 1)):
            raise InvalidInputError(found)
        kept = [rule for name, rule in zip(names, thing.rules, strict=True) if name not in removed]
        return replace(thing, rules=tuple(kept))


@dataclass(frozen=True, slots=True)
class ReorderRules:
    """Put the rules into another order."""

    rules: Sequence[str]

    def apply(self, thing: Ruled, _scope: EditScope) -> Ruled:
        """Return it with its rules in the order given, which must name each exactly once."""
        names = rule_names(thing)
        if sorted(self.rules) != sorted(names):
            raise refusal((), f"must name each of the rules once: {', '.join(names)}")
        by_name = dict(zip(names, thing.rules, strict=True))
        return replace(thing, rules=tuple(by_name[name] for name in self.rules))


@dataclass(frozen=True, slots=True)
class AddClauses:
    """Add clauses to a rule."""

    rule: str
    clauses: Sequence[Clause]

    def apply(self, thing: Ruled, scope: EditScope) -> Ruled:
        """Return it with the clauses."""
        if found := check_clauses(self.clauses, scope, ("clauses",)):
            raise InvalidInputError(found)

        def change(rule: Rule) -> Rule:
            clauses = (*rule.clauses, *self.clauses)
            if found := too_many("clauses", len(clauses), CLAUSES_LIMIT, ("clauses",)):
                raise InvalidInputError(found)
            return replace(rule, clauses=clauses)

        return change_rule(thing, self.rule, change)


@dataclass(frozen=True, slots=True)
class RemoveClauses:
    """Remove clauses from a rule, by their places."""

    rule: str
    indexes: Sequence[int]

    def apply(self, thing: Ruled, _scope: EditScope) -> Ruled:
        """Return it without the clauses; one at least must stay, since none would match everybody."""

        def change(rule: Rule) -> Rule:
            removed = set(self.indexes)
            if found := [
                violation
                for place, index in enumerate(self.indexes)
                for violation in _index_violations(rule, index, ("clauseIndexes", place))
            ]:
                raise InvalidInputError(found)
            kept = tuple(clause for index, clause in enumerate(rule.clauses) if index not in removed)
            if not kept:
                raise refusal(("clauseIndexes",), "a rule without clauses would match everybody: remove the rule")
            return replace(rule, clauses=kept)

        return change_rule(thing, self.rule, change)


@dataclass(frozen=True, slots=True)
class UpdateClause:
    """Put another clause into one's place."""

    rule: str
    index: int
    clause: Clause

    def apply(self, thing: Ruled, scope: EditScope) -> Ruled:
        """Return it with the clause."""
        if found := check_clause(self.clause, scope, ("clause",)):
            raise InvalidInputError(found)
        return _change_clause(thing, self.rule, self.index, lambda _old: self.clause)


@dataclass(frozen=True, slots=True)
class AddValues:
    """Add values to a clause; those that are there stay once."""

    rule: str
    index: int
    values: Sequence[Json]

    def apply(self, thing: Ruled, scope: EditScope) -> Ruled:
        """Return it with the values."""
        _check_count(self.values)

        def change(clause: Clause) -> Clause:
            new: tuple[Json, ...] = _without(self.values, clause.values)
            values = (*clause.values, *new)
            found = check_clause(replace(clause, values=new), scope, ()) if new else []
            found += too_many("values", len(values), VALUES_LIMIT, ("values",), before=len(clause.values))
            if found:
                raise InvalidInputError(found)
            return replace(clause, values=values)

        return _change_clause(thing, self.rule, self.index, change)


@dataclass(frozen=True, slots=True)
class RemoveValues:
    """Remove values from a clause; those that are not there do not matter."""

    rule: str
    index: int
    values: Sequence[Json]

    def apply(self, thing: Ruled, _scope: EditScope) -> Ruled:
        """Return it without the values; one at least must stay."""
        _check_count(self.values)

        def change(clause: Clause) -> Clause:
            kept = _without(clause.values, self.values)
            if not kept:
                raise refusal(("values",), "a clause needs at least one value: remove the clause")
            return replace(clause, values=kept)

        return _change_clause(thing, self.rule, self.index, change)


def rule_names(thing: Segment | Targeting) -> list[str]:
    """Return what each rule is called: its id, or `#` and its place where that does not name it alone."""
    rules: Sequence[Rule] = thing.rules
    ids = Counter(rule.id for rule in rules)
    return [
        rule.id if rule.id and ids[rule.id] == 1 and not rule.id.startswith(_PLACE) else f"{_PLACE}{index}"
        for index, rule in enumerate(rules)
    ]


def no_such_rule(thing: Segment | Targeting, name: str) -> str:
    """Return what is wrong with a name that no rule is called by; the id of several names none of them."""
    rules: Sequence[Rule] = thing.rules
    places = [f"{_PLACE}{index}" for index, rule in enumerate(rules) if rule.id == name]
    if not name or not places:
        return f"there is no rule {quoted(name)}"
    more = ", …" if len(places) > _PLACES_TOLD else ""
    told = ", ".join(places[:_PLACES_TOLD]) + more
    return f"{quoted(name)} names no rule, though it is the id of some: call each by its place ({told})"


def with_rule(thing: Ruled, rule: Rule, before_rule: str | None) -> Ruled:
    """Return the thing with one more rule of its kind, which gets an id, last or before another.

    Raises:
        InvalidInputError: There is no such other rule, or there are too many.
    """
    if found := too_many("rules", len(thing.rules) + 1, RULES_LIMIT, ()):
        raise InvalidInputError(found)
    rules: list[Any] = list(thing.rules)
    index = len(rules) if before_rule is None else rule_index(thing, before_rule, ("beforeRuleId",))
    rules.insert(index, replace(rule, id=secrets.token_hex(8)))
    return replace(thing, rules=tuple(rules))


def rule_index(thing: Ruled, name: str, path: InputPath) -> int:
    """Return the place of a rule, by its name.

    Raises:
        InvalidInputError: There is none, at `path`.
    """
    names = rule_names(thing)
    if name not in names:
        raise refusal(path, no_such_rule(thing, name))
    return names.index(name)


def _check_count(values: Sequence[Json]) -> None:
    """Refuse at once what would take long to compare."""
    if found := too_many("values", len(values), VALUES_LIMIT, ("values",)):
        raise InvalidInputError(found)


def _index_violations(rule: Rule, index: int, path: InputPath) -> list[Violation]:
    return [] if 0 <= index < len(rule.clauses) else [Violation(path, f"the rule has no clause {index}")]


def change_rule(thing: Ruled, name: str, change: Callable[[Any], Rule]) -> Ruled:
    """Return the thing with one of its rules changed; `change` is given a rule of the thing's kind.

    Raises:
        InvalidInputError: There is no such rule, or as `change` says.
    """
    index = rule_index(thing, name, ("ruleId",))
    rules: list[Any] = list(thing.rules)
    rules[index] = change(rules[index])
    return replace(thing, rules=tuple(rules))


def _change_clause(thing: Ruled, name: str, index: int, change: Callable[[Clause], Clause]) -> Ruled:
    def change_clause(rule: Rule) -> Rule:
        if found := _index_violations(rule, index, ("clauseIndex",)):
            raise InvalidInputError(found)
        clauses = list(rule.clauses)
        clauses[index] = change(clauses[index])
        return replace(rule, clauses=tuple(clauses))

    return change_rule(thing, name, change_clause)


def _without(values: Iterable[Json], others: Iterable[Json]) -> tuple[Json, ...]:
    """Return values, each once, that are not among others; as for the operator `in`, 1 and 1.0 are one value."""
    seen = {_identity(value) for value in others}
    kept: list[Json] = []
    for value in values:
        if (identity := _identity(value)) not in seen:
            seen.add(identity)
            kept.append(value)
    return tuple(kept)


def _identity(value: Json) -> object:
    if isinstance(value, int | float) and not isinstance(value, bool):
        return float(value)
    return json.dumps(value, sort_keys=True)
