"""Large lists: filled from files or key by key, kept by tools, restored, exported and read.

What each change of a list passes through, so that it is never half changed, is in `list_changes`.
"""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Callable, Iterable, Sequence
from dataclasses import replace
from typing import IO

from domain.access.principals import Principal
from domain.clock import now_ms
from domain.commits import kind_of
from domain.errors import (
    ForbiddenError,
    InvalidInputError,
    NotFoundError,
    VersionConflictError,
    Violation,
)
from domain.evaluation.snapshot import Snapshot
from domain.keys import EnvironmentRef, context_key_problem
from domain.model.changes import AuditEntry
from domain.model.lists import ListChange, ListChangeState, ListCounts, ListMode
from domain.model.segments import Segment
from domain.pages import Page, PageRequest, page_bounds, page_of
from domain.ports import KeySpool, Store
from domain.services.list_changes import ListChanges, NewListChange
from domain.services.list_effects import ChangedList, Effect, change_resource, next_generation
from domain.services.list_files import FileReading, read_list_file
from domain.services.list_guard import ListLoss, check_losses
from domain.services.list_members import CHUNK, write_keys
from domain.services.list_uploads import Receive, let_come, takes_no_file
from domain.services.running_changes import RunningChange, is_overdue, save_change
from domain.services.snapshots import SnapshotService
from domain.services.tries import Tries

KEYS_LIMIT = 1_000
"""How many keys one mutation may name; more belong in a file."""


class ListService:
    """Changes and reads large lists.

    Args:
        store: Where members are kept.
        snapshots: What is served.
        changes: What changes of lists pass through.
        new_spool: Makes what sorts the keys of a file.
        max_removal_percent: How much of a list that flags use may go without `acknowledge_removal`.
    """

    def __init__(
        self,
        store: Store,
        snapshots: SnapshotService,
        changes: ListChanges,
        new_spool: Callable[[], KeySpool],
        *,
        max_removal_percent: int,
    ) -> None:
        self._store = store
        self._access = snapshots.access
        self._changes = changes
        self._new_spool = new_spool
        self._max_removal_percent = max_removal_percent

    async def start(self, principal: Principal, environment: EnvironmentRef, new: NewListChange) -> ListChange:
        """Begin a change from a file, which is to be uploaded within an hour.

        Raises:
            NotFoundError: There is no such segment.
            InUseError: Another import of the list is under way.
            InvalidInputError: The segment is no large list, or a tool's.
            DomainError: As `ListChanges.begin` says.
        """
        return (await self._changes.begin(principal, environment, new, ListChangeState.WAITING)).change

    async def upload(
        self, principal: Principal, change_id: str, file: IO[bytes], receive: Receive | None = None
    ) -> ChangedList:
        """Make a change from its file.

        Args:
            principal: Who began the change.
            change_id: Which change.
            file: Keys, as `read_list_file` reads them.
            receive: Fills the file first; it is stopped if the change is cancelled meanwhile.

        Raises:
            NotFoundError: There is no such change.
            ForbiddenError: Somebody else began it.
            ImportOverError: It is not waiting for a file any more, or was cancelled meanwhile.
            InvalidInputError: The file has no key at all.
            LimitExceededError: It would remove too much of a list that flags use.
            DomainError: As the store and `receive` say.
        """
        waiting = await self._get(principal, change_id)
        if waiting.owner != principal.id:
            raise ForbiddenError("only who began an import may upload its file: the member, or the service")
        if waiting.state is not ListChangeState.WAITING or is_overdue(waiting):
            raise takes_no_file(waiting)
        await self._changes.authorize(principal, waiting)
        try:
            claimed = replace(waiting, state=ListChangeState.RUNNING, beat_ms=now_ms())
            running = RunningChange(self._store, await save_change(self._store, claimed))
            return await self._upload(principal, running, file, receive)
        except VersionConflictError as error:
            if error.details["kind"] != kind_of(ListChange):
                raise
            raise takes_no_file(await self._get(principal, change_id)) from None

    async def edit_keys(  # noqa: PLR0913, PLR0917 - what a mutation names
        self,
        principal: Principal,
        environment: EnvironmentRef,
        segment_key: str,
        mode: ListMode,
        keys: Sequence[str],
        comment: str = "",
    ) -> ChangedList:
        """Add keys to a list, or remove them.

        Raises:
            InvalidInputError: A key is malformed.
            LimitExceededError: More keys than one mutation may name.
            DomainError: As `start` says.
        """
        if len(keys) > KEYS_LIMIT:
            message = f"{len(keys)} keys: at most {KEYS_LIMIT} at once; more belong in a file (startSegmentImport)"
            raise InvalidInputError([Violation(("input", "keys"), message)])
        if found := [
            Violation(("input", "keys", index), problem)
            for index, key in enumerate(keys)
            if (problem := context_key_problem(key))
        ]:
            raise InvalidInputError(found)
        action = "removeSegmentMembers" if mode is ListMode.REMOVE else "addSegmentMembers"
        new = NewListChange(
            segment_key=segment_key, mode=mode, action=action, acknowledge_removal=True, comment=comment
        )
        async with self._changes.running(principal, environment, new) as running:
            running.reading.lines = len(keys)
            running.reading.duplicates = len(keys) - len(set(keys))
            return await self._apply(principal, running, [sorted(set(keys))])

    async def restore(
        self,
        principal: Principal,
        environment: EnvironmentRef,
        segment_key: str,
        *,
        acknowledge_removal: bool = False,
        comment: str = "",
    ) -> ChangedList:
        """Let the list be again what it was before its last change. The one that is undone is gone.

        Raises:
            NotFoundError: There is no such segment.
            InvalidInputError: It is no large list, or the list before is not kept.
            InUseError: A change of the list is under way.
            LimitExceededError: It would remove too much of a list that flags use.
            DomainError: As `EnvironmentEditor.edit` says.
        """
        action = "restoreSegmentMembers"
        new = NewListChange(
            segment_key=segment_key,
            mode=ListMode.RESTORE,
            action=action,
            acknowledge_removal=acknowledge_removal,
            comment=comment,
        )
        segment = await self._changes.find_named(principal, environment, segment_key)
        if segment.previous_generation is None:
            raise InvalidInputError([Violation(("input", "segmentKey"), "the list before is not kept")])
        async with self._changes.running(principal, environment, new) as running:
            snapshot, segment = await self._changes.find_of(running.change, principal)
            counts = await self._counts_of_restoring(segment, running.change)
            self._guard(snapshot, segment, counts.removed, running.change)
            return await self._changes.take_effect(principal, running, Effect(counts=counts, next_state=_restored))

    async def _counts_of_restoring(self, segment: Segment, change: ListChange) -> ListCounts:
        """Count what the last change did the other way round; if its record is gone, by how the size changes."""
        undone = await self._store.find(ListChange, replace(change, generation=segment.generation or 0).id)
        if undone is not None:
            return ListCounts(added=undone.counts.removed, removed=undone.counts.added)
        grown = segment.previous_list_size - segment.list_size
        return ListCounts(added=max(0, grown), removed=max(0, -grown))

    async def cancel(self, principal: Principal, change_id: str) -> ListChange:
        """Cancel a change that has not taken effect.

        Raises:
            NotFoundError: There is no such change.
            InvalidInputError: It is over.
            DomainError: As `ListChanges.authorize` says.
        """
        tries = Tries(f"the import {change_id}")
        while True:
            await tries.next()
            change = await self._get(principal, change_id)
            if not change.is_open:
                raise InvalidInputError([Violation(("input", "importId"), f"this import is {change.state.value}")])
            await self._changes.authorize(principal, change)
            if change.state is ListChangeState.CANCELLING:
                return self._access.with_seen_actors(principal, [change])[0]
            with contextlib.suppress(VersionConflictError):  # it has come further meanwhile: look again
                cancelled = await save_change(self._store, _cancelled(change), _cancellation(principal, change))
                return self._access.with_seen_actors(principal, [cancelled])[0]

    async def change(self, principal: Principal, change_id: str) -> ListChange | None:
        """Find a change, with its actor as the principal sees him.

        Raises:
            DomainError: As `AccessService.sees` says.
        """
        found = await self._find(principal, change_id)
        return None if found is None else self._access.with_seen_actors(principal, [found])[0]

    async def _find(self, principal: Principal, change_id: str) -> ListChange | None:
        principal.require_management()
        found = await self._store.find(ListChange, change_id)
        if found is None or not await self._access.sees(principal, found.environment):
            return None
        return found

    async def changes(self, principal: Principal, segment: Segment) -> list[ListChange]:
        """Return the last changes of a list, newest first, with their actors as the principal sees them.

        Raises:
            DomainError: As `AccessService.sees` says.
        """
        await self._access.require_sight(principal, segment.environment)
        changes = await self._store.list_all(ListChange, segment.list_id)
        return self._access.with_seen_actors(principal, changes[::-1])

    async def members(self, principal: Principal, segment: Segment, request: PageRequest) -> Page[str]:
        """Page through a list's keys, in order.

        Raises:
            InvalidInputError: As `domain.pages` says.
            DomainError: As `AccessService.sees` says.
        """
        await self._access.require_sight(principal, segment.environment)
        first, after = page_bounds(request)
        keys: list[str] = []
        if segment.generation is not None:
            keys = await self._store.list_members(
                segment.list_id, segment.generation, first=first + 1, after=after or ""
            )
        return page_of(
            keys[:first],
            str,
            has_next_page=len(keys) > first,
            has_previous_page=after is not None,
            total_count=segment.member_count,
        )

    async def has_member(self, principal: Principal, segment: Segment, key: str) -> bool:
        """Tell whether a list has a key.

        Raises:
            DomainError: As `AccessService.sees` says.
        """
        await self._access.require_sight(principal, segment.environment)
        if not segment.unbounded or segment.generation is None or context_key_problem(key):
            return False
        return bool(await self._store.members_among({segment.list_id: segment.generation}, [key]))

    async def export(
        self, principal: Principal, environment: EnvironmentRef, segment_key: str
    ) -> AsyncIterator[list[str]]:
        """Yield all keys of a list as it is now, in order, in chunks.

        Raises:
            NotFoundError: There is no such large list.
            VersionConflictError: It was deleted, or changed again and again, while it was read.
            DomainError: As `AccessService.sees` says.
        """
        _, segment = await self._changes.find(principal, environment, segment_key)
        return self._chunks(segment)

    async def _get(self, principal: Principal, change_id: str) -> ListChange:
        found = await self._find(principal, change_id)
        if found is None:
            raise NotFoundError("import", change_id)
        return found

    async def _chunks(self, segment: Segment) -> AsyncIterator[list[str]]:
        after = ""
        while segment.generation is not None:
            keys = await self._store.list_members(segment.list_id, segment.generation, first=CHUNK, after=after)
            await self._check_kept(segment, segment.generation)
            if not keys:
                return
            yield keys
            after = keys[-1]

    async def _check_kept(self, segment: Segment, generation: int) -> None:
        """Refuse what was read of a generation that may have been discarded meanwhile."""
        found = await self._store.find(Segment, segment.id)
        if found is None or found.list_id != segment.list_id:
            raise VersionConflictError("large list", segment.list_id, expected=generation, actual=None)
        if generation not in {found.generation, found.previous_generation}:
            raise VersionConflictError("large list", segment.list_id, expected=generation, actual=found.generation)

    async def _upload(
        self, principal: Principal, running: RunningChange, file: IO[bytes], receive: Receive | None
    ) -> ChangedList:
        spool = self._new_spool()
        try:
            async with self._changes.undone_on_error(running):
                if receive is not None:
                    await let_come(running, receive)
                await running.during(asyncio.to_thread(read_list_file, file, spool, running.reading))
                if running.reading.lines == running.reading.malformed:
                    raise _no_key(running.reading)
                return await self._apply(principal, running, spool.chunks(CHUNK))
        finally:
            await asyncio.to_thread(spool.close)

    async def _apply(
        self, principal: Principal, running: RunningChange, chunks: Iterable[list[str]]
    ) -> ChangedList:
        """Write what changes under the new generation, then let it take effect."""
        change = running.change
        snapshot, segment = await self._changes.find_of(change, principal)
        counts = await write_keys(self._store, segment, running, chunks)
        if counts.change_nothing:
            return await self._changes.complete_unchanged(principal, running, counts)
        self._guard(snapshot, segment, counts.removed, change)
        effect = Effect(counts=counts, next_state=next_generation(change, counts))
        return await self._changes.take_effect(principal, running, effect)

    def _guard(self, snapshot: Snapshot, segment: Segment, removed: int, change: ListChange) -> None:
        if not change.acknowledge_removal and snapshot.usage.flags_using(segment.key):
            check_losses([ListLoss(segment.key, removed, segment.list_size)], self._max_removal_percent)


def _cancelled(change: ListChange) -> ListChange:
    if change.state is ListChangeState.WAITING:
        return replace(change, state=ListChangeState.CANCELLED, finished_ms=now_ms())
    return replace(change, state=ListChangeState.CANCELLING)  # its process looks every two seconds, and undoes it


def _cancellation(principal: Principal, change: ListChange) -> AuditEntry:
    return AuditEntry(
        actor=principal.actor,
        access_token=principal.acting_token,
        action="cancelSegmentImport",
        resource=change_resource(change),
        scope=str(change.environment),
        summary={"import": change.id},
    )


def _no_key(reading: FileReading) -> InvalidInputError:
    message = "the file has no key, and an import never empties a list"
    if reading.malformed_lines:
        first = reading.malformed_lines[0]
        message += f"; of line {first.line}: {first.message}"
    return InvalidInputError([Violation(("file",), message)])


def _restored(current: Segment) -> Segment:
    if current.previous_generation is None:
        raise InvalidInputError([Violation(("input", "segmentKey"), "the list before is not kept")])
    return replace(
        current,
        generation=current.previous_generation,
        list_size=current.previous_list_size,
        previous_generation=None,
        previous_list_size=0,
    )
