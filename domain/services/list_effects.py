"""What a change of a large list does when it takes effect, and what is kept and told of it."""

from collections.abc import Callable
from dataclasses import dataclass, replace

from domain.clock import now_ms
from domain.commits import Save
from domain.errors import NotFoundError
from domain.evaluation.snapshot import Snapshot
from domain.evaluation.usage import EnvironmentSegment
from domain.model.lists import ListChange, ListChangeState, ListCounts
from domain.model.segments import Segment
from domain.services.edits import resource
from domain.services.running_changes import RunningChange


@dataclass(frozen=True, slots=True)
class ChangedList:
    """A segment after a change of its list, the change, and the revision that has it."""

    segment: EnvironmentSegment
    change: ListChange
    revision: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Effect:
    """What a change does when it takes effect.

    Attributes:
        counts: What it did.
        next_state: Returns its segment with it.
        is_unchanged: Whether the members are who they were, and only what is said of them changes.
        check: Refuses it, by a DomainError, in an environment where it must not take effect.
    """

    counts: ListCounts
    next_state: Callable[[Segment], Segment]
    is_unchanged: bool = False
    check: Callable[[Snapshot], None] | None = None


def next_generation(change: ListChange, counts: ListCounts) -> Callable[[Segment], Segment]:
    """Return what makes a change's generation that of its segment."""

    def step(current: Segment) -> Segment:
        return replace(
            current,
            generation=change.generation,
            list_size=current.list_size + counts.added - counts.removed,
            previous_generation=current.generation,
            previous_list_size=current.list_size,
        )

    return step


def change_resource(change: ListChange) -> str:
    """Name a change's segment in the words of policies."""
    return resource(change.environment, "segment", change.segment_key)


def check_same_list(segment: Segment, change: ListChange) -> None:
    """Refuse a segment whose list is not the one that a change is of.

    Raises:
        NotFoundError: It has another list.
    """
    if segment.list_id != change.scope:
        raise NotFoundError("large list", change.scope)


def list_in(snapshot: Snapshot, change: ListChange) -> Segment:
    """Return the list that a change is of.

    Raises:
        NotFoundError: It is gone.
    """
    found = snapshot.segments.get(change.segment_key)
    if found is None or not found.segment.unbounded:
        raise NotFoundError("large list", change.segment_key)
    check_same_list(found.segment, change)
    return found.segment


def completed(change: ListChange, counts: ListCounts, *, is_unchanged: bool) -> ListChange:
    """Return a change that is over, and did what it was for."""
    return replace(
        change,
        state=ListChangeState.COMPLETED,
        counts=counts,
        finished_ms=now_ms(),
        is_unchanged=is_unchanged,
        version=change.version + 1,
    )


def applied(running: RunningChange) -> list[Save]:
    """Return the record that a change's message was applied, if it is of one."""
    return [] if running.applies is None else [Save(running.applies, None)]


def summary_of(running: RunningChange, counts: ListCounts) -> dict[str, object]:
    """Return what the audit log tells of a change: also the keys, if they are few."""
    change = running.change
    summary: dict[str, object] = {
        "import": change.id,
        "mode": change.mode.value,
        "added": counts.added,
        "removed": counts.removed,
    }
    if running.keys_are_told(counts):
        summary |= {"addedKeys": sorted(running.joined), "removedKeys": sorted(running.left)}
    return summary
