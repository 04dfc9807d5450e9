"""Instructions for segments: details, individual targets, rules and clauses (LaunchDarkly semantics 3.1)."""

from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass, replace
from enum import Enum
from typing import TypeAlias

from domain.errors import InvalidInputError, Violation, quoted
from domain.instructions.clauses import EditScope, check_clauses, refusal
from domain.instructions.details import (
    AddTags,
    RemoveTags,
    UpdateDescription,
    UpdateName,
    description_violations,
)
from domain.instructions.rules import (
    AddClauses,
    AddValues,
    RemoveClauses,
    RemoveRules,
    RemoveValues,
    ReorderRules,
    UpdateClause,
    change_rule,
    with_rule,
)
from domain.keys import context_key_problem
from domain.model.attribute_references import parse_attribute
from domain.model.contexts import is_context_kind
from domain.model.segments import ScheduledRemoval, Segment, SegmentRule, SegmentTarget, TargetList
from domain.model.targeting import DEFAULT_CONTEXT_KIND, FULL_WEIGHT


class TargetAction(Enum):
    """What becomes of one context kind's keys in a list."""

    ADD = "ADD"
    REMOVE = "REMOVE"
    REPLACE = "REPLACE"


@dataclass(frozen=True, slots=True)
class EditTargets:
    """Add, remove or replace individual targets of one context kind; replacing by nothing clears them.

    Attributes:
        remove_at_ms: When the keys that are given are to be removed again, in epoch milliseconds.
    """

    action: TargetAction
    list: TargetList
    context_kind: str
    keys: Sequence[str]
    remove_at_ms: int | None = None

    def apply(self, segment: Segment, scope: EditScope) -> Segment:
        """Return the segment with the list edited."""
        if segment.sync_source is not None:
            raise refusal((), f"{segment.sync_source.integration} owns this list: it is read-only here")
        if segment.unbounded:
            raise refusal((), "a large list has no individual targets")
        known = segment.target_keys(self.list).get(self.context_kind, ())
        if found := target_violations(self.action, self.context_kind, self.keys, known):
            raise InvalidInputError(found)
        edited = _edit_targets(segment, self).with_removals_of_targets()
        if self.remove_at_ms is None:
            return edited
        schedule = ScheduleRemoval(self.list, self.context_kind, self.keys, self.remove_at_ms)
        return schedule.apply(edited, scope)


def takes_away(action: TargetAction, keys: Sequence[str]) -> bool:
    """Tell whether an edit brings no target: it removes some, or replaces all by nothing."""
    return action is TargetAction.REMOVE or (action is TargetAction.REPLACE and not keys)


def target_violations(
    action: TargetAction, context_kind: str, keys: Sequence[str], known: Collection[str]
) -> list[Violation]:
    """Return what is wrong with individual targets of one kind; those that an import brought may stay, or go."""
    found: list[Violation] = []
    if not is_context_kind(context_kind) and not (known and takes_away(action, keys)):
        found.append(Violation(("contextKind",), "is not a context kind"))
    if action is not TargetAction.REMOVE:
        found += [
            Violation(("keys", index), problem)
            for index, key in enumerate(keys)
            if key not in known and (problem := context_key_problem(key))
        ]
    return found


@dataclass(frozen=True, slots=True)
class ScheduleRemoval:
    """Let individual targets be removed at a moment, in place of another one if there is one."""

    list: TargetList
    context_kind: str
    keys: Sequence[str]
    at_ms: int

    def apply(self, segment: Segment, scope: EditScope) -> Segment:
        """Return the segment with the removals."""
        known = segment.target_keys(self.list).get(self.context_kind, ())
        found = [
            Violation(("keys", index), f"{quoted(key)} is no such target")
            for index, key in enumerate(self.keys)
            if key not in known
        ]
        if self.at_ms <= scope.now_ms:
            found.append(Violation(("removeAt",), "is not in the future"))
        if found:
            raise InvalidInputError(found)
        others = CancelRemoval(self.list, self.context_kind, self.keys).apply(segment, scope).removals
        added = [
            ScheduledRemoval(self.list, self.context_kind, key, self.at_ms) for key in dict.fromkeys(self.keys)
        ]
        return replace(segment, removals=tuple(sorted((*others, *added), key=lambda removal: removal.sort_key)))


@dataclass(frozen=True, slots=True)
class CancelRemoval:
    """Let individual targets stay; those that are not to be removed do not matter."""

    list: TargetList
    context_kind: str
    keys: Sequence[str]

    def apply(self, segment: Segment, _scope: EditScope) -> Segment:
        """Return the segment without the removals."""
        cancelled = {(self.list, self.context_kind, key) for key in self.keys}
        return replace(segment, removals=tuple(r for r in segment.removals if r.target not in cancelled))


@dataclass(frozen=True, slots=True)
class AddRule:
    """Add a rule, last or before another."""

    rule: SegmentRule
    before_rule: str | None = None

    def apply(self, segment: Segment, scope: EditScope) -> Segment:
        """Return the segment with the rule, which gets an id."""
        if found := _check_rule(self.rule, scope):
            raise InvalidInputError(found)
        return with_rule(segment, self.rule, self.before_rule)


@dataclass(frozen=True, slots=True)
class UpdateRule:
    """Change a rule's description or its share of those that match; what is None stays, except the weight."""

    rule: str
    description: str | None = None
    rollout: SegmentRule | None = None
    """Its weight, bucket_by and rollout_context_kind hold."""

    def apply(self, segment: Segment, _scope: EditScope) -> Segment:
        """Return the segment with the rule changed."""
        if found := description_violations(self.description or "", ("description",)):
            raise InvalidInputError(found)

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
            if found := _check_rollout(rule):
                raise InvalidInputError(found)
            return rule

        return change_rule(segment, self.rule, change)


SegmentInstruction: TypeAlias = (
    UpdateName
    | UpdateDescription
    | AddTags
    | RemoveTags
    | EditTargets
    | ScheduleRemoval
    | CancelRemoval
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


def conflicting_targets(segment: Segment) -> set[tuple[str, str]]:
    """Return the contexts that are both included and excluded, by kind and key."""
    excluded = segment.target_keys(TargetList.EXCLUDED)
    included = segment.target_keys(TargetList.INCLUDED) if excluded else {}
    return {(kind, key) for kind in included for key in included[kind] & excluded.get(kind, set())}


def _check_rule(rule: SegmentRule, scope: EditScope) -> list[Violation]:
    found = description_violations(rule.description, ("description",))
    found += check_clauses(rule.clauses, scope, ("clauses",))
    if not rule.clauses:
        found.append(Violation(("clauses",), "a rule needs at least one clause"))
    return found + _check_rollout(rule)


def _check_rollout(rule: SegmentRule) -> list[Violation]:
    found: list[Violation] = []
    if rule.weight is not None and not 0 <= rule.weight <= FULL_WEIGHT:
        found.append(Violation(("rollout", "weight"), f"is from 0 to {FULL_WEIGHT} (thousandths of a percent)"))
    if rule.rollout_context_kind is not None and not is_context_kind(rule.rollout_context_kind):
        found.append(Violation(("rollout", "contextKind"), "is not a context kind"))
    if rule.bucket_by is not None and parse_attribute(rule.bucket_by, rule.rollout_context_kind) is None:
        found.append(Violation(("rollout", "bucketBy"), "is not an attribute or a reference to one"))
    return found


def _edit_targets(segment: Segment, edit: EditTargets) -> Segment:
    """Edit one kind's keys: users stand in a list of their own (LaunchDarkly semantics 1.2)."""
    users, contexts = (
        ("included", "included_contexts")
        if edit.list is TargetList.INCLUDED
        else ("excluded", "excluded_contexts")
    )
    others: dict[str, tuple[str, ...]] = {}
    for target in getattr(segment, contexts):  # an import may bring several entries of a kind
        kind = target.context_kind or DEFAULT_CONTEXT_KIND
        others[kind] = (*others.get(kind, ()), *target.values)
    changes: dict[str, object] = {}
    if edit.context_kind == DEFAULT_CONTEXT_KIND:
        changes[users] = _edited(getattr(segment, users), edit)
        # Entries of kind user beside the list of users hold in contexts of several kinds only: none gains by it.
        edit = edit if edit.action is TargetAction.REMOVE else replace(edit, keys=())
    others[edit.context_kind] = _edited(others.get(edit.context_kind, ()), edit)
    targets = tuple(SegmentTarget(context_kind=kind, values=keys) for kind, keys in others.items() if keys)
    return replace(segment, **changes, **{contexts: targets})  # type: ignore[arg-type]  # names of its own fields


def _edited(before: Iterable[str], edit: EditTargets) -> tuple[str, ...]:
    keys = dict.fromkeys(before)
    if edit.action is TargetAction.REMOVE:
        removed = set(edit.keys)
        return tuple(key for key in keys if key not in removed)
    if edit.action is TargetAction.REPLACE:
        keys = {}
    return tuple(keys | dict.fromkeys(edit.keys))
