"""Which flags, segments, projects and environments are wanted of a list."""

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from typing import Protocol, TypeVar

from domain.evaluation.snapshot import Snapshot
from domain.evaluation.usage import EnvironmentSegment
from domain.model.flags import EnvironmentFlag
from domain.model.projects import Environment, Project
from domain.model.segments import SegmentKind

Place = TypeVar("Place", Project, Environment)


@dataclass(frozen=True, slots=True, kw_only=True)
class FlagFilter:
    """Which flags are wanted; None means that the property does not matter.

    Attributes:
        query: A part of the key or name, in any case.
        tags: At least one of these.
        deprecated: If False, what is archived passes all the same: it was often deprecated before.
        uses_segment: Refers to this segment, directly or through others.
    """

    query: str | None = None
    tags: Collection[str] | None = None
    on: bool | None = None
    archived: bool | None = None
    deprecated: bool | None = None
    uses_segment: str | None = None

    def select(self, snapshot: Snapshot) -> list[EnvironmentFlag]:
        """Return the flags that pass, by key."""
        using = None if self.uses_segment is None else snapshot.usage.flags_using(self.uses_segment)
        return [
            flag
            for flag in snapshot.flags.values()
            if _speaks_of(flag, self.query, self.tags)
            and self.on in {None, flag.on}
            and self.archived in {None, flag.archived}
            and (self.deprecated in {None, flag.deprecated} or (flag.archived and not self.deprecated))
            and (using is None or flag.key in using)
        ]


@dataclass(frozen=True, slots=True, kw_only=True)
class SegmentFilter:
    """Which segments are wanted; None means that the property does not matter.

    Attributes:
        query: A part of the key or name, in any case.
        tags: At least one of these.
        used: Whether a flag, archived ones included, or another segment names it, so that it cannot be deleted.
    """

    query: str | None = None
    tags: Collection[str] | None = None
    kinds: Collection[SegmentKind] | None = None
    used: bool | None = None

    def select(self, snapshot: Snapshot) -> list[EnvironmentSegment]:
        """Return the segments that pass, by key."""
        return [
            segment
            for segment in snapshot.segments.values()
            if _speaks_of(segment, self.query, self.tags)
            and (self.kinds is None or segment.kind in self.kinds)
            and self.used in {None, segment.is_used}
        ]


@dataclass(frozen=True, slots=True, kw_only=True)
class PlaceFilter:
    """Which projects or environments are wanted; None means that the property does not matter.

    Attributes:
        query: A part of the key or name, in any case.
        tags: At least one of these.
    """

    query: str | None = None
    tags: Collection[str] | None = None

    def select(self, places: Sequence[Place]) -> list[Place]:
        """Return those that pass."""
        return [place for place in places if _speaks_of(place, self.query, self.tags)]


class _Tagged(Protocol):
    @property
    def key(self) -> str: ...

    @property
    def name(self) -> str: ...

    @property
    def tags(self) -> tuple[str, ...]: ...


def _speaks_of(thing: _Tagged, query: str | None, tags: Collection[str] | None) -> bool:
    text = (query or "").casefold()
    return (text in thing.key.casefold() or text in thing.name.casefold()) and (
        tags is None or not set(tags).isdisjoint(thing.tags)
    )
