"""Segments: named audiences of one environment (LaunchDarkly semantics 1.2)."""

import secrets
from bisect import bisect_right
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from enum import Enum
from functools import cached_property
from typing import overload

from domain.clock import moment
from domain.keys import EnvironmentRef
from domain.model.targeting import DEFAULT_CONTEXT_KIND, Clause


class SegmentKind(Enum):
    """How a segment gets its members."""

    RULE_BASED = "RULE_BASED"
    INDIVIDUAL_TARGETS = "INDIVIDUAL_TARGETS"
    LARGE_LIST = "LARGE_LIST"
    SYNCED = "SYNCED"


class TargetList(Enum):
    """Which of a segment's two lists of individual targets."""

    INCLUDED = "INCLUDED"
    EXCLUDED = "EXCLUDED"


@dataclass(frozen=True, slots=True, kw_only=True)
class SegmentTarget:
    """Context keys of one kind that are in (or out) by name."""

    context_kind: str | None = None
    values: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class TargetedContext:
    """One individually targeted context.

    Attributes:
        remove_at: The moment from which on it is a target no more; None if it stays.
    """

    context_kind: str
    key: str
    remove_at: datetime | None = None

    @property
    def sort_key(self) -> str:
        """Order by kind, then key; kinds hold no character below the separator's."""
        return f"{self.context_kind}\0{self.key}"


class Targets(Sequence[TargetedContext]):
    """One list of individual targets, by kind and key. Each is made when it is looked at: there may be many."""

    def __init__(self, keys_by_kind: Mapping[str, set[str]], moments: Mapping[tuple[str, str], datetime]) -> None:
        self._kinds = tuple(kind for kind in sorted(keys_by_kind) for _ in keys_by_kind[kind])
        self._keys = tuple(key for kind in sorted(keys_by_kind) for key in sorted(keys_by_kind[kind]))
        self._moments = moments

    def __len__(self) -> int:
        return len(self._keys)

    @overload
    def __getitem__(self, index: int) -> TargetedContext: ...

    @overload
    def __getitem__(self, index: slice) -> Sequence[TargetedContext]: ...

    def __getitem__(self, index: int | slice) -> TargetedContext | Sequence[TargetedContext]:
        if isinstance(index, slice):
            return [self[place] for place in range(*index.indices(len(self)))]
        target = self._kinds[index], self._keys[index]
        return TargetedContext(*target, self._moments.get(target))


@dataclass(frozen=True, slots=True)
class ScheduledRemoval:
    """The moment (epoch milliseconds) from which on a context is no target of a list any more."""

    target_list: TargetList
    context_kind: str
    key: str
    at_ms: int

    @property
    def target(self) -> tuple[TargetList, str, str]:
        """The target that is removed: its list, context kind and key."""
        return self.target_list, self.context_kind, self.key

    @property
    def remove_at(self) -> datetime:
        """The moment as a date and time."""
        return moment(self.at_ms)

    @property
    def sort_key(self) -> str:
        """Order by moment, then target."""
        return f"{self.at_ms:015}\0{self.target_list.value}\0{self.context_kind}\0{self.key}"


@dataclass(frozen=True, slots=True, kw_only=True)
class SegmentRule:
    """ANDed clauses; `weight` (thousandths of a percent) takes a share of those that match, None all."""

    id: str = ""
    description: str = ""
    clauses: tuple[Clause, ...] = ()
    weight: int | None = None
    bucket_by: str | None = None
    rollout_context_kind: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class SyncSource:
    """The external tool that owns a segment's list.

    Attributes:
        integration: The tool's name.
        cohort_id: What the tool calls the list.
        cohort_url: Where the tool shows it; "" if it did not say.
    """

    integration: str
    cohort_id: str
    cohort_url: str = ""


@dataclass(frozen=True, kw_only=True)  # without slots: what is worth computing once is kept
class Segment:
    """An audience. Any rule that matches makes a member; individual targets win over rules.

    Attributes:
        unbounded: A large list: `included` and `excluded` are ignored, members are looked up.
        list_uid: Tells its large list from any other that a segment with its key ever had; "" for those that are
            older than such ids.
        generation: Which list of members holds; None means that none was ever loaded.
        list_size: How many members that list has.
        previous_generation: The list before it, while it can still be restored.
        previous_list_size: How many members that one has.
        sync_source: The tool that owns the list, which is then read-only here.
        removals: Which individual targets are removed when, by moment; each is a target, and has one removal at
            most.
    """

    environment: EnvironmentRef
    key: str
    version: int = 1
    name: str = ""
    description: str = ""
    tags: tuple[str, ...] = ()
    included: tuple[str, ...] = ()
    excluded: tuple[str, ...] = ()
    included_contexts: tuple[SegmentTarget, ...] = ()
    excluded_contexts: tuple[SegmentTarget, ...] = ()
    rules: tuple[SegmentRule, ...] = ()
    salt: str = ""
    unbounded: bool = False
    unbounded_context_kind: str | None = None
    list_uid: str = ""
    generation: int | None = None
    list_size: int = 0
    previous_generation: int | None = None
    previous_list_size: int = 0
    sync_source: SyncSource | None = None
    removals: tuple[ScheduledRemoval, ...] = ()

    def at(self, now_ms: int) -> "Segment":
        """Return the segment as it is at a moment: without the targets that were to be removed by then."""
        passed = bisect_right(self.removals, now_ms, key=lambda removal: removal.at_ms)
        if not passed:
            return self
        left = self._left.get(passed)
        if left is None:
            left = self._without(self.removals[:passed])
            self._left.clear()  # its moments will have passed too
            self._left[passed] = left
        return left

    @cached_property
    def _left(self) -> dict[int, "Segment"]:
        """Keep what was left last, by how many removals had passed."""
        return {}

    def _without(self, removals: Sequence[ScheduledRemoval]) -> "Segment":
        gone = {removal.target for removal in removals}

        def kept(target_list: TargetList, kind: str | None, keys: tuple[str, ...]) -> tuple[str, ...]:
            return tuple(key for key in keys if (target_list, kind or DEFAULT_CONTEXT_KIND, key) not in gone)

        def kept_contexts(
            target_list: TargetList, targets: tuple[SegmentTarget, ...]
        ) -> tuple[SegmentTarget, ...]:
            left = (replace(t, values=kept(target_list, t.context_kind, t.values)) for t in targets)
            return tuple(target for target in left if target.values)

        return replace(
            self,
            included=kept(TargetList.INCLUDED, None, self.included),
            excluded=kept(TargetList.EXCLUDED, None, self.excluded),
            included_contexts=kept_contexts(TargetList.INCLUDED, self.included_contexts),
            excluded_contexts=kept_contexts(TargetList.EXCLUDED, self.excluded_contexts),
            removals=self.removals[len(removals) :],
        )

    def with_removals_of_targets(self) -> "Segment":
        """Return the segment without the removals of what is no target."""
        if not self.removals:
            return self
        keys = {target_list: self.target_keys(target_list) for target_list in TargetList}
        left = (r for r in self.removals if r.key in keys[r.target_list].get(r.context_kind, ()))
        return replace(self, removals=tuple(left))

    @property
    def id(self) -> str:
        """Identify the segment: `project/environment/segment`."""
        return f"{self.environment}/{self.key}"

    @property
    def scope(self) -> str:
        """Name what it is listed under: its environment."""
        return str(self.environment)

    @property
    def kind(self) -> SegmentKind:
        """How it gets its members: a list that is looked up, rules, or individual targets only."""
        if self.unbounded:
            return SegmentKind.LARGE_LIST if self.sync_source is None else SegmentKind.SYNCED
        has_targets = self.included or self.excluded or self.included_contexts or self.excluded_contexts
        return SegmentKind.INDIVIDUAL_TARGETS if has_targets and not self.rules else SegmentKind.RULE_BASED

    @property
    def member_kind(self) -> str:
        """The context kind of a large list's members."""
        return self.unbounded_context_kind or DEFAULT_CONTEXT_KIND

    @property
    def has_members(self) -> bool:
        """Whether a large list of members is, or was, kept here for it."""
        return self.list_size > 0 or self.previous_generation is not None

    @property
    def list_id(self) -> str:
        """Name what its large list is kept under: `project/environment/segment/uid`."""
        return list_id_of(self.id, self.list_uid)

    @property
    def list_reference(self) -> str:
        """Name the list of members that holds: `key.gN` (LaunchDarkly semantics 2.7)."""
        return f"{self.key}.g{self.generation}"

    @cached_property
    def included_targets(self) -> Targets:
        """The contexts that are in by name, each once, by kind and key."""
        return self._targets(TargetList.INCLUDED)

    @cached_property
    def excluded_targets(self) -> Targets:
        """The contexts that are out by name, each once, by kind and key."""
        return self._targets(TargetList.EXCLUDED)

    @property
    def target_count(self) -> int:
        """The number of individual targets of both lists."""
        return sum(len(keys) for each in TargetList for keys in self.target_keys(each).values())

    @cached_property
    def member_count(self) -> int:
        """The number of contexts that are in by name, or by the large list."""
        if self.unbounded:
            return self.list_size
        return sum(map(len, self.target_keys(TargetList.INCLUDED).values()))

    def target_keys(self, target_list: TargetList) -> dict[str, set[str]]:
        """Return the keys that a list targets, by context kind: what is cheap to ask of thousands.

        Entries of kind user beside the list of users are none: they target no user alone (semantics 2.9).
        """
        users, contexts = (
            (self.included, self.included_contexts)
            if target_list is TargetList.INCLUDED
            else (self.excluded, self.excluded_contexts)
        )
        keys: dict[str, set[str]] = {DEFAULT_CONTEXT_KIND: set(users)} if users else {}
        for target in contexts:
            if target.context_kind not in {None, "", DEFAULT_CONTEXT_KIND}:
                keys.setdefault(target.context_kind, set()).update(target.values)
        return keys

    def _targets(self, target_list: TargetList) -> Targets:
        moments = {(r.context_kind, r.key): r.remove_at for r in self.removals if r.target_list is target_list}
        return Targets(self.target_keys(target_list), moments)


def new_list_uid() -> str:
    """Make what tells a large list from all others."""
    return secrets.token_hex(8)


def list_id_of(segment_id: str, list_uid: str) -> str:
    """Name what a segment's large list is kept under."""
    return f"{segment_id}/{list_uid}" if list_uid else segment_id


def segment_id_of(list_id: str) -> str:
    """Return the id of the segment that a large list is, or was, of."""
    return "/".join(list_id.split("/")[:3])
