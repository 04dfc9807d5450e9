"""Large lists: their members change one generation after the other, from files or key by key.

A change is written under a generation that nobody reads yet; one commit then makes it the segment's. Whatever
does not come that far is discarded, at the latest when the next change begins. So a list is never half changed.
"""

import asyncio
import contextlib
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Collection, Iterable, Sequence
from dataclasses import dataclass, replace
from typing import IO

from domain.access.principals import Principal
from domain.clock import now_ms
from domain.errors import (
    AlreadyExistsError,
    DomainError,
    ForbiddenError,
    InUseError,
    InvalidInputError,
    LimitExceededError,
    NotFoundError,
    Violation,
)
from domain.evaluation.snapshot import Snapshot
from domain.evaluation.usage import EnvironmentSegment
from domain.keys import EnvironmentRef
from domain.model.lists import ListChange, ListChangeState, ListCounts, ListMode
from domain.model.segments import Segment
from domain.pages import Page, PageRequest, page_bounds, page_of
from domain.ports import Commit, Delete, KeySpool, Save, Store
from domain.services.editing import Edit, EnvironmentEditor, Snapshots, resource
from domain.services.list_files import FileReading, member_key_problem, read_list_file
from domain.services.snapshots import SnapshotService

CHUNK = 10_000
"""How many members are written, or read, at a time."""
KEYS_LIMIT = 1_000
"""How many keys one mutation may name; more belong in a file."""
CHANGES_KEPT = 100
"""How many changes of a list are remembered."""
UPLOAD_SECONDS = 3_600
"""How long a file may be awaited."""
_BEAT_SECONDS = 2.0
_DEAD_SECONDS = 10.0
"""How long after its last beat a change is taken for dead: less than the patience of syncs that wait for it."""


@dataclass(frozen=True, slots=True)
class ChangedList:
    """A segment after a change of its list, the change, and the revision that has it."""

    segment: EnvironmentSegment
    change: ListChange
    revision: int


@dataclass(frozen=True, slots=True, kw_only=True)
class NewListChange:
    """A change to be made from a file.

    Attributes:
        acknowledge_removal: Whether it may remove most of a list that flags use.
    """

    segment_key: str
    mode: ListMode
    acknowledge_removal: bool = False
    comment: str = ""
    message_id: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Sync:
    """What a tool says of a list that it owns.

    Attributes:
        joined: Keys that are in.
        left: Keys that are out.
        skipped: People of whom it gave no key.
    """

    segment_key: str
    joined: frozenset[str]
    left: frozenset[str]
    skipped: int = 0
    message_id: str = ""


class ListService:
    """Changes and reads large lists.

    Args:
        store: Where members are kept.
        snapshots: What is served.
        editor: Makes the edits that let a generation take effect.
        new_spool: Makes what sorts the keys of a file.
        max_removal_percent: How much of a list that flags use may go without `acknowledge_removal`.
    """

    def __init__(
        self,
        store: Store,
        snapshots: SnapshotService,
        editor: EnvironmentEditor,
        new_spool: Callable[[], KeySpool],
        *,
        max_removal_percent: int,
    ) -> None:
        self._store = store
        self._snapshots = snapshots
        self._editor = editor
        self._new_spool = new_spool
        self._max_removal_percent = max_removal_percent

    async def start(self, principal: Principal, environment: EnvironmentRef, new: NewListChange) -> ListChange:
        """Begin a change from a file, which is to be uploaded within an hour.

        Raises:
            NotFoundError: There is no such large list.
            InUseError: Another change of the list is under way.
            DomainError: As `Principal.require_management` and `SnapshotService.get` say.
        """
        return await self._begin(principal, environment, new, ListChangeState.WAITING)

    async def upload(self, principal: Principal, change_id: str, file: IO[bytes]) -> ChangedList:
        """Make a change from its file.

        Raises:
            NotFoundError: There is no such change.
            ForbiddenError: Somebody else began it.
            InvalidInputError: It is not waiting for a file any more, or the file has no key at all.
            LimitExceededError: It would remove too much of a list that flags use.
            VersionConflictError: It was cancelled meanwhile.
            DomainError: As the store says.
        """
        waiting = await self._store.get(ListChange, change_id)
        principal.require_management("startSegmentImport", _resource(waiting))
        if waiting.actor != principal.actor:
            message = "only who began an import may upload its file"
            raise ForbiddenError(message, action="uploadSegmentImport", resource=_resource(waiting))
        if waiting.state is not ListChangeState.WAITING or _is_dead(waiting):
            raise InvalidInputError([Violation(("id",), "this import does not wait for a file (any more)")])
        beat = _Beat(self._store, await self._save(replace(waiting, state=ListChangeState.RUNNING)))
        spool = self._new_spool()
        try:
            async with self._undone_on_error(beat):
                await self._beating(beat, asyncio.to_thread(read_list_file, file, spool, beat.reading))
                if beat.reading.lines == beat.reading.malformed:
                    message = "the file has no key, and an import never empties a list"
                    raise InvalidInputError([Violation(("file",), message)])
                return await self._apply(principal, beat, spool.chunks(CHUNK))
        finally:
            await asyncio.to_thread(spool.close)

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
            if (problem := member_key_problem(key))
        ]:
            raise InvalidInputError(found)
        new = NewListChange(segment_key=segment_key, mode=mode, acknowledge_removal=True, comment=comment)
        change = await self._begin(principal, environment, new, ListChangeState.RUNNING)
        beat = _Beat(self._store, change)
        beat.reading.lines = len(keys)
        beat.reading.duplicates = len(keys) - len(set(keys))
        async with self._undone_on_error(beat):
            return await self._apply(principal, beat, [sorted(set(keys))])

    async def sync(self, principal: Principal, environment: EnvironmentRef, sync: Sync) -> ChangedList | None:
        """Do as the tool says that owns a list; None if it said so before (by the message's id).

        Raises:
            InUseError: Another sync of the list is under way.
            DomainError: As `EnvironmentEditor.edit` says.
        """
        id_ = f"{environment}/{sync.segment_key}"
        if sync.message_id:
            done = await self._store.list_all(ListChange, id_)
            if any(
                change.message_id == sync.message_id and change.state is ListChangeState.COMPLETED
                for change in done
            ):
                return None
        new = NewListChange(segment_key=sync.segment_key, mode=ListMode.MERGE, message_id=sync.message_id)
        change = await self._begin(principal, environment, new, ListChangeState.RUNNING, is_sync=True)
        beat = _Beat(self._store, change)
        async with self._undone_on_error(beat):
            _, segment = await self._find(principal, "syncSegment", environment, sync.segment_key)
            joined: list[str] = []
            left: list[str] = []
            for keys in _chunks(sorted(sync.joined | sync.left)):
                there = await self._members_among(segment, keys)
                joining = [key for key in keys if key in sync.joined and key not in there]
                leaving = [key for key in keys if key in sync.left and key in there]
                await self._beating(beat, self._store.add_members(id_, change.generation, joining))
                await self._beating(beat, self._store.remove_members(id_, change.generation, leaving))
                joined += joining
                left += leaving
            counts = ListCounts(
                lines=len(sync.joined) + len(sync.left) + sync.skipped,
                added=len(joined),
                already=len(sync.joined) - len(joined),
                removed=len(left),
                skipped=sync.skipped,
            )
            step = _next_generation(change.generation, added=len(joined), removed=len(left))
            return await self._take_effect(principal, beat, "syncSegment", counts, step)

    async def restore(
        self, principal: Principal, environment: EnvironmentRef, segment_key: str, comment: str = ""
    ) -> ChangedList:
        """Let the list be again what it was before its last change. The one that is undone is gone.

        Raises:
            NotFoundError: There is no such large list.
            InvalidInputError: The list before is not kept.
            InUseError: A change of the list is under way.
            DomainError: As `EnvironmentEditor.edit` says.
        """
        new = NewListChange(segment_key=segment_key, mode=ListMode.MERGE, comment=comment)
        snapshot, segment = await self._find(principal, "restoreSegmentMembers", environment, segment_key)
        del snapshot
        if segment.previous_generation is None:
            raise InvalidInputError([Violation(("input", "segmentKey"), "the list before is not kept")])
        change = await self._begin(principal, environment, new, ListChangeState.RUNNING)
        beat = _Beat(self._store, change)
        async with self._undone_on_error(beat):
            counts = ListCounts(
                added=max(0, segment.previous_list_size - segment.list_size),
                removed=max(0, segment.list_size - segment.previous_list_size),
            )
            return await self._take_effect(principal, beat, "restoreSegmentMembers", counts, _restored)

    async def cancel(self, principal: Principal, change_id: str) -> ListChange:
        """Cancel a change that has not taken effect.

        Raises:
            NotFoundError: There is no such change.
            InvalidInputError: It is over.
        """
        change = await self._store.get(ListChange, change_id)
        principal.require_management("cancelSegmentImport", _resource(change))
        if not change.is_open:
            raise InvalidInputError([Violation(("input", "importId"), f"this import is {change.state.value}")])
        if change.state is ListChangeState.WAITING:
            return await self._save(replace(change, state=ListChangeState.CANCELLED, finished_ms=now_ms()))
        if change.state is ListChangeState.RUNNING:  # its process looks here every two seconds, and undoes it
            return await self._save(replace(change, state=ListChangeState.CANCELLING))
        return change

    async def change(self, principal: Principal, change_id: str) -> ListChange | None:
        """Find a change.

        Raises:
            DomainError: As `Principal.require_management` says.
        """
        found = await self._store.find(ListChange, change_id)
        principal.require_management("viewSegment", "proj/*" if found is None else _resource(found))
        return found

    async def changes(self, principal: Principal, segment_id: str) -> list[ListChange]:
        """Return the last changes of a list, newest first.

        Raises:
            DomainError: As `Principal.require_management` says.
        """
        principal.require_management("viewSegment", segment_id)
        return list(reversed(await self._store.list_all(ListChange, segment_id)))

    async def members(self, principal: Principal, segment: Segment, request: PageRequest) -> Page[str]:
        """Page through a list's keys, in order.

        Raises:
            InvalidInputError: As `domain.pages` says.
            DomainError: As `Principal.require_management` says.
        """
        principal.require_management("viewSegment", segment.id)
        first, after = page_bounds(request)
        keys: list[str] = []
        if segment.generation is not None:
            keys = await self._store.list_members(
                segment.id, segment.generation, first=first + 1, after=after or ""
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
            DomainError: As `Principal.require_management` says.
        """
        principal.require_management("viewSegment", segment.id)
        if not segment.unbounded or segment.generation is None or member_key_problem(key):
            return False
        return bool(await self._store.members_among({segment.id: segment.generation}, [key]))

    async def export(
        self, principal: Principal, environment: EnvironmentRef, segment_key: str
    ) -> AsyncIterator[list[str]]:
        """Yield all keys of a list as it is now, in order, in chunks.

        Raises:
            NotFoundError: There is no such large list.
            DomainError: As `Principal.require_management` says.
        """
        _, segment = await self._find(principal, "exportSegmentMembers", environment, segment_key)
        return self._chunks(segment)

    async def _chunks(self, segment: Segment) -> AsyncIterator[list[str]]:
        after = ""
        while segment.generation is not None:
            keys = await self._store.list_members(segment.id, segment.generation, first=CHUNK, after=after)
            if not keys:
                return
            yield keys
            after = keys[-1]

    async def _find(
        self, principal: Principal, action: str, environment: EnvironmentRef, key: str
    ) -> tuple[Snapshot, Segment]:
        principal.require_management(action, resource(environment, "segment", key))
        # Not older than the store: what was discarded must not be taken for the list.
        revision = (await self._store.revisions()).get(str(environment), 0)
        snapshot = await self._snapshots.refresh(environment, revision)
        found = snapshot.segments.get(key)
        if found is None or not found.segment.unbounded:
            raise NotFoundError("large list", key)
        return snapshot, found.segment

    async def _begin(
        self,
        principal: Principal,
        environment: EnvironmentRef,
        new: NewListChange,
        state: ListChangeState,
        *,
        is_sync: bool = False,
    ) -> ListChange:
        """Claim the list's next generation; clear away what earlier changes left."""
        _, segment = await self._find(principal, "startSegmentImport", environment, new.segment_key)
        if segment.sync_source is not None and not is_sync:
            message = f"{segment.sync_source.integration} owns this list: it is read-only here"
            raise InvalidInputError([Violation(("input", "segmentKey"), message)])
        changes = await self._store.list_all(ListChange, segment.id)
        last = changes[-1] if changes else None
        if last is not None and last.is_open:
            if not _is_dead(last):
                raise InUseError("segment", new.segment_key, [("import", last.id)])
            last = await self._abandon(last, "the process that made it is gone", last.counts) or last
        current = segment.generation
        change = ListChange(
            environment=environment,
            segment_key=new.segment_key,
            generation=max(last.generation if last else 0, current or 0) + 1,
            mode=new.mode,
            state=state,
            actor=principal.actor,
            comment=new.comment,
            message_id=new.message_id,
            acknowledge_removal=new.acknowledge_removal,
            beat_ms=now_ms(),
        )
        forgotten = [Delete(old) for old in changes[: max(0, len(changes) - CHANGES_KEPT)]]
        try:
            await self._store.commit(Commit(writes=(Save(change, None), *forgotten), entry=None))
        except AlreadyExistsError:
            raise InUseError("segment", new.segment_key, [("import", change.id)]) from None
        beat = _Beat(self._store, change)
        try:
            # Only now does nobody else change it: what took effect meanwhile must not be taken for left over.
            _, segment = await self._find(principal, "startSegmentImport", environment, new.segment_key)
            current = segment.generation
            if current is None or (last is not None and last.generation != current):
                await self._beating(beat, self._store.discard_members(segment.id, current))
            if segment.previous_generation is not None:
                await self._beating(beat, self._store.purge_members(segment.id, segment.previous_generation))
        except DomainError as error:
            await self._abandon(change, error.message, change.counts)
            raise
        return beat.change

    async def _apply(self, principal: Principal, beat: "_Beat", chunks: Iterable[list[str]]) -> ChangedList:
        """Write what changes under the new generation, then let it take effect."""
        change = beat.change
        snapshot, segment = await self._find(
            principal, "startSegmentImport", change.environment, change.segment_key
        )
        added = already = removed = 0
        after = ""
        iterator = iter(chunks)
        while chunk := await asyncio.to_thread(next, iterator, None):
            there = await self._members_among(segment, chunk)
            if change.mode is ListMode.REMOVE:
                await self._store.remove_members(segment.id, change.generation, there)
                removed += len(there)
            else:
                if change.mode is ListMode.OVERWRITE:
                    removed += await self._remove_between(segment, beat, after, chunk)
                new = [key for key in chunk if key not in there]
                await self._store.add_members(segment.id, change.generation, new)
                added += len(new)
                already += len(there)
            after = chunk[-1]
            await beat.alive()
        if change.mode is ListMode.OVERWRITE:
            removed += await self._remove_between(segment, beat, after, [])
        self._guard(snapshot, segment, removed, change)
        counts = replace(beat.counts, added=added, already=already, removed=removed)
        step = _next_generation(change.generation, added=added, removed=removed)
        return await self._take_effect(principal, beat, "importSegmentMembers", counts, step)

    async def _members_among(self, segment: Segment, keys: Collection[str]) -> frozenset[str]:
        if segment.generation is None:
            return frozenset()
        found = await self._store.members_among({segment.id: segment.generation}, keys)
        return frozenset(key for _, key in found)

    async def _remove_between(self, segment: Segment, beat: "_Beat", after: str, kept: list[str]) -> int:
        """Remove the members after a key that are not among those kept, up to the last of these."""
        removed = 0
        keep = frozenset(kept)
        while segment.generation is not None:
            page = await self._store.list_members(segment.id, segment.generation, first=CHUNK, after=after)
            reached = [key for key in page if not kept or key <= kept[-1]]
            gone = [key for key in reached if key not in keep]
            if gone:
                await self._store.remove_members(segment.id, beat.change.generation, gone)
            removed += len(gone)
            await beat.alive()
            if len(reached) < CHUNK:
                break
            after = reached[-1]
        return removed

    def _guard(self, snapshot: Snapshot, segment: Segment, removed: int, change: ListChange) -> None:
        percent = 100 * removed // max(1, segment.list_size)
        is_used = bool(snapshot.usage.flags_using(segment.key))
        if is_used and percent > self._max_removal_percent and not change.acknowledge_removal:
            raise LimitExceededError(
                f"percent of the members removed ({removed} of {segment.list_size}) from a list that flags use "
                "(acknowledgeRemoval lets it happen)",
                setting="EARLYBIRD_MAX_REMOVAL_PERCENT",
                limit=self._max_removal_percent,
                actual=percent,
            )

    async def _take_effect(
        self,
        principal: Principal,
        beat: "_Beat",
        action: str,
        counts: ListCounts,
        next_state: Callable[[Segment], Segment],
    ) -> ChangedList:
        change = beat.change
        ref, key = change.environment, change.segment_key
        done = replace(
            change,
            state=ListChangeState.COMPLETED,
            counts=counts,
            finished_ms=now_ms(),
            version=change.version + 1,
        )

        def decide(snapshots: Snapshots) -> Sequence[Save | Delete]:
            found = snapshots[ref].segments.get(key)
            if found is None or not found.segment.unbounded:
                raise NotFoundError("large list", key)
            before = found.segment
            after = replace(next_state(before), version=before.version + 1)
            return [Save(after, before.version), Save(done, change.version)]

        edit = Edit(
            action=action,
            resource=_resource(change),
            scope=str(ref),
            decide=decide,
            comment=change.comment,
            summary={
                "import": change.id,
                "mode": change.mode.value,
                "added": counts.added,
                "removed": counts.removed,
            },
        )
        snapshot = await self._editor.edit(principal, ref, edit)
        beat.change = done
        return ChangedList(snapshot.segments[key], done, snapshot.revision)

    @contextlib.asynccontextmanager
    async def _undone_on_error(self, beat: "_Beat") -> AsyncIterator[None]:
        """Leave nothing behind of a change that fails; its record says why."""
        try:
            yield
        except BaseException as error:
            message = error.message if isinstance(error, DomainError) else "it was interrupted"
            with contextlib.suppress(DomainError):
                # Shielded: a client that hangs up must not leave the list claimed.
                await asyncio.shield(self._abandon(beat.change, message, beat.counts))
            raise

    async def _abandon(self, change: ListChange, error: str, counts: ListCounts) -> ListChange | None:
        """Undo a change that did not take effect, and give the list free; None if it did, or others undo it."""
        stored = await self._store.get(ListChange, change.id)
        if not stored.is_open:
            return None
        is_cancelled = stored.state is ListChangeState.CANCELLING
        # This makes a commit that is still under way, and would let it take effect, fail.
        undoing = await self._save(replace(stored, state=ListChangeState.CANCELLING, beat_ms=now_ms()))
        segment = await self._store.find(Segment, change.scope)
        beat = _Beat(self._store, undoing)
        # Still beating: whoever took it for dead would write what is discarded here.
        discarding = self._store.discard_members(change.scope, segment.generation if segment else None)
        await self._beating(beat, discarding)
        return await self._save(
            replace(
                beat.change,
                state=ListChangeState.CANCELLED if is_cancelled else ListChangeState.FAILED,
                error=None if is_cancelled else error,
                counts=counts,
                finished_ms=now_ms(),
            )
        )

    async def _save(self, change: ListChange) -> ListChange:
        saved = replace(change, version=change.version + 1)
        await self._store.commit(Commit(writes=(Save(saved, change.version),), entry=None))
        return saved

    async def _beating(self, beat: "_Beat", work: Awaitable[None]) -> None:
        """Wait for what may take long, and tell meanwhile that its process is alive."""
        task = asyncio.ensure_future(work)
        try:
            while not task.done():
                await asyncio.wait({task}, timeout=_BEAT_SECONDS)
                await beat.alive()
        except BaseException:
            await asyncio.wait({task})  # the list, the file and the spool are in its hands
            raise
        await task


class _Beat:
    """A change under way: tells the store from time to time that its process is alive, and how far it is."""

    def __init__(self, store: Store, change: ListChange) -> None:
        self._store = store
        self._last = time.monotonic()
        self.change = change
        self.reading = FileReading()

    @property
    def counts(self) -> ListCounts:
        """What was read so far."""
        reading = self.reading
        return ListCounts(
            lines=reading.lines,
            duplicates=reading.duplicates,
            malformed=reading.malformed,
            malformed_lines=tuple(reading.malformed_lines),
        )

    async def alive(self) -> None:
        """Write it down, if it is time.

        Raises:
            VersionConflictError: The change was cancelled.
        """
        if time.monotonic() - self._last < _BEAT_SECONDS:
            return
        before = self.change
        beat = replace(before, counts=self.counts, beat_ms=now_ms(), version=before.version + 1)
        await self._store.commit(Commit(writes=(Save(beat, before.version),), entry=None))
        self.change = beat
        self._last = time.monotonic()


def _chunks(keys: Sequence[str]) -> Iterable[Sequence[str]]:
    return (keys[start : start + CHUNK] for start in range(0, len(keys), CHUNK))


def _next_generation(generation: int, *, added: int, removed: int) -> Callable[[Segment], Segment]:
    def step(current: Segment) -> Segment:
        return replace(
            current,
            generation=generation,
            list_size=current.list_size + added - removed,
            previous_generation=current.generation,
            previous_list_size=current.list_size,
        )

    return step


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


def _resource(change: ListChange) -> str:
    return resource(change.environment, "segment", change.segment_key)


def _is_dead(change: ListChange) -> bool:
    patience = UPLOAD_SECONDS if change.state is ListChangeState.WAITING else _DEAD_SECONDS
    return now_ms() - change.beat_ms > patience * 1_000
