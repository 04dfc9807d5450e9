"""Instructions for segments: details, individual targets, rules and clauses (LaunchDarkly semantics 3.1)."""

import secrets
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from enum import Enum
from typing import TypeAlias

from domain.errors import InvalidInputError, Violation
from domain.instructions.clauses import check_clause, check_clauses
from domain.json import Json, same_json
from domain.keys import key_violation
from domain.model.contexts import is_context_kind
from domain.model.references import parse_attribute
from domain.model.segments import Segment, SegmentRule, SegmentTarget
from domain.model.targeting import DEFAULT_CONTEXT_KIND, FULL_WEIGHT, Clause


class TargetList(Enum):
    """Which of a segment's two lists of individual targets."""

    INCLUDED = "INCLUDED"
    EXCLUDED = "EXCLUDED"


@dataclass(frozen=True, slots=True)
class EditScope:
    """What an edit may refer to: the keys of the environment's segments."""

    segments: frozenset[str]


@dataclass(frozen=True, slots=True)
class UpdateName:
    """Change the name."""

    name: str

    def apply(self, segment: Segment, _scope: EditScope) -> Segment:
        """Return the segment with the name."""
        if not self.name.strip():
            raise _refusal((), "a name is needed")
        return replace(segment, name=self.name)


@dataclass(frozen=True, slots=True)
class UpdateDescription:
    """Change the description."""

    description: str

    def apply(self, segment: Segment, _scope: EditScope) -> Segment:
        """Return the segment with the description."""
        return replace(segment, description=self.description)


@dataclass(frozen=True, slots=True)
class AddTags:
    """Add tags."""

    tags: Sequence[str]

    def apply(self, segment: Segment, _scope: EditScope) -> Segment:
        """Return the segment with the tags."""
        if found := [v for index, tag in enumerate(self.tags) if (v := key_violation(tag, (index,)))]:
            raise InvalidInputError(found)
        return replace(segment, tags=tuple(sorted({*segment.tags, *self.tags})))


@dataclass(frozen=True, slots=True)
class RemoveTags:
    """Remove tags; those that are not there do not matter."""

    tags: Sequence[str]

    def apply(self, segment: Segment, _scope: EditScope) -> Segment:
        """Return the segment without the tags."""
        return replace(segment, tags=tuple(sorted({*segment.tags} - {*self.tags})))


class TargetAction(Enum):
    """What becomes of one context kind's keys in a list."""

    ADD = "ADD"
    REMOVE = "REMOVE"
    REPLACE = "REPLACE"


@dataclass(frozen=True, slots=True)
class EditTargets:
    """Add, remove or replace individual targets of one context kind; replacing by nothing clears them."""

    action: TargetAction
    list: TargetList
    context_kind: str
    keys: Sequence[str]

    def apply(self, segment: Segment, _scope: EditScope) -> Segment:
        """Return the segment with the list edited."""
        if segment.unbounded:
            raise _refusal((), "a large list has no individual targets")
        if not is_context_kind(self.context_kind):
            raise _refusal(("contextKind",), "is not a context kind")
        if "" in self.keys:
            raise _refusal(("keys", [*self.keys].index("")), "a key is not empty")
        return _edit_targets(segment, self)


@dataclass(frozen=True, slots=True)
class AddRule:
    """Add a rule, last or before another."""

    rule: SegmentRule
    before_rule: str | None = None

    def apply(self, segment: Segment, scope: EditScope) -> Segment:
        """Return the segment with the rule, which gets an id."""
        if found := _check_rule(self.rule, scope):
            raise InvalidInputError(found)
        rules = list(segment.rules)
        index = len(rules) if self.before_rule is None else _index(segment, self.before_rule, ("beforeRuleId",))
        rules.insert(index, replace(self.rule, id=secrets.token_hex(8)))
        return replace(segment, rules=tuple(rules))


@dataclass(frozen=True, slots=True)
class RemoveRules:
    """Remove rules; those that are not there do not matter."""

    rules: Sequence[str]

    def apply(self, segment: Segment, _scope: EditScope) -> Segment:
        """Return the segment without the rules."""
        names = rule_names(segment)
        kept = [rule for name, rule in zip(names, segment.rules, strict=True) if name not in self.rules]
        return replace(segment, rules=tuple(kept))


@dataclass(frozen=True, slots=True)
class ReorderRules:
    """Put the rules into another order."""

    rules: Sequence[str]

    def apply(self, segment: Segment, _scope: EditScope) -> Segment:
        """Return the segment with its rules in the order given, which must name each exactly once."""
        names = rule_names(segment)
        if sorted(self.rules) != sorted(names):
            raise _refusal((), f"must name each of the rules once: {', '.join(names)}")
        return replace(segment, rules=tuple(segment.rules[names.index(name)] for name in self.rules))


@dataclass(frozen=True, slots=True)
class UpdateRule:
    """Change a rule's description or its share of those that match; what is None stays, except the weight."""

    rule: str
    description: str | None = None
    rollout: SegmentRule | None = None
    """Its weight, bucket_by and rollout_context_kind hold."""

    def apply(self, segment: Segment, _scope: EditScope) -> Segment:
        """Return the segment with the rule changed."""

        def change(rule: SegmentRule) -> SegmentRule:
            if self.description is not None:
                rule = replace(rule, description=self.description)
            if self.rollout is not None:
                rule = replace(
                    rule,
                    weight=self.rollout.weight,
                    bucket_by=self.rollout.bucket_by,
                    rollout_context_kind=self.rollout.rollout_context_kind,
                )
            return rule

        return _change_rule(segment, self.rule, change)


@dataclass(frozen=True, slots=True)
class AddClauses:
    """Add clauses to a rule."""

    rule: str
    clauses: Sequence[Clause]

    def apply(self, segment: Segment, scope: EditScope) -> Segment:
        """Return the segment with the clauses."""
        if found := check_clauses(self.clauses, scope.segments, ("clauses",)):
            raise InvalidInputError(found)
        return _change_rule(segment, self.rule, lambda rule: replace(rule, clauses=(*rule.clauses, *self.clauses)))


@dataclass(frozen=True, slots=True)
class RemoveClauses:
    """Remove clauses from a rule, by their places."""

    rule: str
    indexes: Sequence[int]

    def apply(self, segment: Segment, _scope: EditScope) -> Segment:
        """Return the segment without the clauses; one at least must stay, since none would match everybody."""

        def change(rule: SegmentRule) -> SegmentRule:
            for index in self.indexes:
                _check_index(rule, index, ("clauseIndexes",))
            kept = tuple(clause for index, clause in enumerate(rule.clauses) if index not in self.indexes)
            if not kept:
                raise _refusal(("clauseIndexes",), "a rule without clauses would match everybody: remove the rule")
            return replace(rule, clauses=kept)

        return _change_rule(segment, self.rule, change)


@dataclass(frozen=True, slots=True)
class UpdateClause:
    """Put another clause into one's place."""

    rule: str
    index: int
    clause: Clause

    def apply(self, segment: Segment, scope: EditScope) -> Segment:
        """Return the segment with the clause."""
        if found := check_clause(self.clause, scope.segments, ("clause",)):
            raise InvalidInputError(found)
        return _change_clause(segment, self.rule, self.index, lambda _old: self.clause)


@dataclass(frozen=True, slots=True)
class AddValues:
    """Add values to a clause; those that are there stay once."""

    rule: str
    index: int
    values: Sequence[Json]

    def apply(self, segment: Segment, scope: EditScope) -> Segment:
        """Return the segment with the values."""

        def change(clause: Clause) -> Clause:
            new = [v for v in self.values if not any(same_json(v, old) for old in clause.values)]
            changed = replace(clause, values=(*clause.values, *new))
            if found := check_clause(replace(clause, values=tuple(new)), scope.segments, ()) if new else []:
                raise InvalidInputError(found)
            return changed

        return _change_clause(segment, self.rule, self.index, change)


@dataclass(frozen=True, slots=True)
class RemoveValues:
    """Remove values from a clause; those that are not there do not matter."""

    rule: str
    index: int
    values: Sequence[Json]

    def apply(self, segment: Segment, _scope: EditScope) -> Segment:
        """Return the segment without the values; one at least must stay."""

        def change(clause: Clause) -> Clause:
            kept = tuple(old for old in clause.values if not any(same_json(old, v) for v in self.values))
            if not kept:
                raise _refusal(("values",), "a clause needs at least one value: remove the clause")
            return replace(clause, values=kept)

        return _change_clause(segment, self.rule, self.index, change)


SegmentInstruction: TypeAlias = (
    UpdateName
    | UpdateDescription
    | AddTags
    | RemoveTags
    | EditTargets
    | AddRule
    | RemoveRules
    | ReorderRules
    | UpdateRule
    | AddClauses
    | RemoveClauses
    | UpdateClause
    | AddValues
    | RemoveValues
)


def rule_names(segment: Segment) -> list[str]:
    """Return what each rule is called: its id, or `#` and its place where it has none."""
    return [rule.id or f"#{index}" for index, rule in enumerate(segment.rules)]


def conflicting_targets(segment: Segment) -> list[str]:
    """Return the contexts that are both included and excluded, as `kind:key`."""
    excluded = set(segment.excluded_targets)
    return [f"{c.context_kind}:{c.key}" for c in segment.included_targets if c in excluded]


def _refusal(path: tuple[str | int, ...], message: str) -> InvalidInputError:
    return InvalidInputError([Violation(path, message)])


def _check_rule(rule: SegmentRule, scope: EditScope) -> list[Violation]:
    found = check_clauses(rule.clauses, scope.segments, ("clauses",))
    if not rule.clauses:
        found.append(Violation(("clauses",), "a rule needs at least one clause"))
    return found + _check_rollout(rule)


def _check_rollout(rule: SegmentRule) -> list[Violation]:
    found: list[Violation] = []
    if rule.weight is not None and not 0 <= rule.weight <= FULL_WEIGHT:
        found.append(Violation(("weight",), f"is from 0 to {FULL_WEIGHT} (thousandths of a percent)"))
    if rule.rollout_context_kind is not None and not is_context_kind(rule.rollout_context_kind):
        found.append(Violation(("rolloutContextKind",), "is not a context kind"))
    if rule.bucket_by is not None and parse_attribute(rule.bucket_by, rule.rollout_context_kind) is None:
        found.append(Violation(("bucketBy",), "is not an attribute or a reference to one"))
    return found


def _index(segment: Segment, name: str, path: tuple[str | int, ...]) -> int:
    names = rule_names(segment)
    if name not in names:
        raise _refusal(path, f"there is no rule {name!r}")
    return names.index(name)


def _check_index(rule: SegmentRule, index: int, path: tuple[str | int, ...]) -> None:
    if not 0 <= index < len(rule.clauses):
        raise _refusal(path, f"the rule has no clause {index}")


def _change_rule(segment: Segment, name: str, change: Callable[[SegmentRule], SegmentRule]) -> Segment:
    index = _index(segment, name, ("ruleId",))
    changed = change(segment.rules[index])
    if found := _check_rollout(changed):
        raise InvalidInputError(found)
    return replace(segment, rules=(*segment.rules[:index], changed, *segment.rules[index + 1 :]))


def _change_clause(segment: Segment, name: str, index: int, change: Callable[[Clause], Clause]) -> Segment:
    def change_rule(rule: SegmentRule) -> SegmentRule:
        _check_index(rule, index, ("clauseIndex",))
        clauses = list(rule.clauses)
        clauses[index] = change(clauses[index])
        return replace(rule, clauses=tuple(clauses))

    return _change_rule(segment, name, change_rule)


def _edit_targets(segment: Segment, edit: EditTargets) -> Segment:
    """Edit one kind's keys: users stand in a list of their own (LaunchDarkly semantics 1.2)."""
    users, contexts = (
        ("included", "included_contexts")
        if edit.list is TargetList.INCLUDED
        else ("excluded", "excluded_contexts")
    )
    others = {target.context_kind or DEFAULT_CONTEXT_KIND: target.values for target in getattr(segment, contexts)}
    if edit.context_kind == DEFAULT_CONTEXT_KIND:
        # Entries of kind user beside the list of users are folded into it.
        before = (*getattr(segment, users), *others.pop(DEFAULT_CONTEXT_KIND, ()))
        after = _edited(before, edit)
        changes: dict[str, object] = {users: after}
    else:
        after = _edited(others.get(edit.context_kind, ()), edit)
        others[edit.context_kind] = after
        changes = {}
    targets = tuple(SegmentTarget(context_kind=kind, values=keys) for kind, keys in others.items() if keys)
    return replace(segment, **changes, **{contexts: targets})  # type: ignore[arg-type]  # names of its own fields


def _edited(before: Iterable[str], edit: EditTargets) -> tuple[str, ...]:
    keys = dict.fromkeys(before)
    if edit.action is TargetAction.REMOVE:
        return tuple(key for key in keys if key not in set(edit.keys))
    if edit.action is TargetAction.REPLACE:
        keys = {}
    return tuple(keys | dict.fromkeys(edit.keys))
