"""What every change of a large list passes through: it claims the next generation, and takes effect or is undone.

A change is written under a generation that nobody reads yet; one commit then makes it the segment's. Whatever
does not come that far is discarded, at the latest when the next change begins. So a list is never half changed.
"""

import asyncio
import contextlib
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from dataclasses import dataclass, replace

from domain.access.actions import SegmentAction
from domain.access.principals import Principal
from domain.clock import now_ms
from domain.errors import (
    AlreadyExistsError,
    DomainError,
    InUseError,
    InvalidInputError,
    NotFoundError,
    UsedBy,
    Violation,
)
from domain.evaluation.snapshot import Snapshot
from domain.evaluation.usage import EnvironmentSegment
from domain.keys import EnvironmentRef
from domain.model.lists import ListChange, ListChangeState, ListCounts, ListMode
from domain.model.segments import Segment
from domain.ports import Commit, Delete, Save, Store
from domain.services.access import Wanted
from domain.services.editing import Edit, EnvironmentEditor, Snapshots, resource
from domain.services.list_files import FileReading
from domain.services.snapshots import SnapshotService

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


class RunningChange:
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

    async def during(self, work: Awaitable[None]) -> None:
        """Wait for what may take long, and tell meanwhile that its process is alive.

        Raises:
            DomainError: As `alive` and the work say.
        """
        task = asyncio.ensure_future(work)
        try:
            while not task.done():
                await asyncio.wait({task}, timeout=_BEAT_SECONDS)
                await self.alive()
        except BaseException:
            await asyncio.wait({task})  # the list, the file and the spool are in its hands
            raise
        await task


class ListChanges:
    """Takes changes of large lists from their claim to their effect, or back.

    Args:
        store: Where members are kept.
        snapshots: What is served.
        editor: Makes the edits that let a generation take effect.
    """

    def __init__(self, store: Store, snapshots: SnapshotService, editor: EnvironmentEditor) -> None:
        self._store = store
        self._snapshots = snapshots
        self._access = snapshots.access
        self._editor = editor

    async def find(
        self, principal: Principal, action: str, environment: EnvironmentRef, key: str
    ) -> tuple[Snapshot, Segment]:
        """Return a large list as the store has it now.

        Raises:
            NotFoundError: There is no such large list.
            DomainError: As `AccessService.require_sight` and `SnapshotService.refresh` say.
        """
        await self._access.require_sight(principal, environment, action)
        # Not older than the store: what was discarded must not be taken for the list.
        revision = (await self._store.revisions()).get(str(environment), 0)
        snapshot = await self._snapshots.refresh(environment, revision)
        found = snapshot.segments.get(key)
        if found is None or not found.segment.unbounded:
            raise NotFoundError("large list", key)
        return snapshot, found.segment

    async def find_of(self, change: ListChange, principal: Principal, action: str) -> tuple[Snapshot, Segment]:
        """Return the list that a change is of, as the store has it now.

        Raises:
            NotFoundError: It is gone, even if its segment has another one.
            DomainError: As `find` says.
        """
        snapshot, segment = await self.find(principal, action, change.environment, change.segment_key)
        _check_same_list(segment, change)
        return snapshot, segment

    async def authorize(self, principal: Principal, change: ListChange) -> None:
        """Refuse to go on with a change, or to cancel it, to whoever may not change its list now.

        Raises:
            DomainError: As `find_of` and `AccessService.authorize` say.
        """
        _, segment = await self.find_of(change, principal, "startSegmentImport")
        await self._authorize(principal, segment)

    async def _authorize(self, principal: Principal, segment: Segment) -> None:
        uses = [(SegmentAction.UPDATE_INCLUDED, segment)]
        await self._access.authorize(principal, Wanted(environments=[segment.environment], changes=[], uses=uses))

    async def begin(
        self,
        principal: Principal,
        environment: EnvironmentRef,
        new: NewListChange,
        state: ListChangeState,
        *,
        is_sync: bool = False,
    ) -> ListChange:
        """Claim the list's next generation; clear away what earlier changes left.

        Raises:
            InUseError: Another change of the list is under way.
            InvalidInputError: A tool owns the list.
            DomainError: As `find` and `AccessService.authorize` say.
        """
        _, segment = await self.find(principal, "startSegmentImport", environment, new.segment_key)
        if segment.sync_source is not None and not is_sync:
            message = f"{segment.sync_source.integration} owns this list: it is read-only here"
            raise InvalidInputError([Violation(("input", "segmentKey"), message)])
        await self._authorize(principal, segment)
        changes = await self._store.list_all(ListChange, segment.list_id)
        last = changes[-1] if changes else None
        if last is not None and last.is_open:
            if not is_dead(last):
                raise InUseError("segment", new.segment_key, [UsedBy("import", last.id, str(environment))])
            last = await self._abandon(last, "the process that made it is gone", last.counts) or last
        current = segment.generation
        change = ListChange(
            environment=environment,
            segment_key=new.segment_key,
            list_uid=segment.list_uid,
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
            raise InUseError("segment", new.segment_key, [UsedBy("import", change.id, str(environment))]) from None
        running = RunningChange(self._store, change)
        try:
            # Only now does nobody else change it: what took effect meanwhile must not be taken for left over.
            _, segment = await self.find_of(change, principal, "startSegmentImport")
            current = segment.generation
            if current is None or (last is not None and last.generation != current and not last.is_unchanged):
                await running.during(self._store.discard_members(segment.list_id, current))
            if segment.previous_generation is not None:
                await running.during(self._store.purge_members(segment.list_id, segment.previous_generation))
        except DomainError as error:
            await self._abandon(change, error.message, change.counts)
            raise
        return running.change

    @contextlib.asynccontextmanager
    async def running(
        self,
        principal: Principal,
        environment: EnvironmentRef,
        new: NewListChange,
        *,
        is_sync: bool = False,
    ) -> AsyncIterator[RunningChange]:
        """Begin a change that needs no upload; undo it if what follows fails.

        Raises:
            DomainError: As `begin` says.
        """
        change = await self.begin(principal, environment, new, ListChangeState.RUNNING, is_sync=is_sync)
        running = RunningChange(self._store, change)
        async with self.undone_on_error(running):
            yield running

    @contextlib.asynccontextmanager
    async def undone_on_error(self, running: RunningChange) -> AsyncIterator[None]:
        """Leave nothing behind of a change that fails; its record says why."""
        try:
            yield
        except BaseException as error:
            message = error.message if isinstance(error, DomainError) else "it was interrupted"
            with contextlib.suppress(DomainError):
                # Shielded: a client that hangs up must not leave the list claimed.
                await asyncio.shield(self._abandon(running.change, message, running.counts))
            raise

    async def take_effect(
        self,
        principal: Principal,
        running: RunningChange,
        action: str,
        counts: ListCounts,
        next_state: Callable[[Segment], Segment],
    ) -> ChangedList:
        """Let a change take effect: its generation, its record and the audit log's entry are one commit.

        Raises:
            NotFoundError: The list is gone.
            VersionConflictError: The change was cancelled.
            DomainError: As `EnvironmentEditor.edit` says.
        """
        change = running.change
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
            _check_same_list(before, change)
            after = replace(next_state(before), version=before.version + 1)
            return [Save(after, before.version), Save(done, change.version)]

        edit = Edit(
            action=action,
            resource=change_resource(change),
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
        running.change = done
        return ChangedList(snapshot.segments[key], done, snapshot.revision)

    async def complete_unchanged(
        self, principal: Principal, running: RunningChange, action: str, counts: ListCounts
    ) -> ChangedList:
        """Complete a change that found nothing to change: only its record says that it was.

        Raises:
            VersionConflictError: The change was cancelled.
            DomainError: As `find` says.
        """
        change = running.change
        snapshot, segment = await self.find_of(change, principal, action)
        done = replace(
            change, state=ListChangeState.COMPLETED, counts=counts, finished_ms=now_ms(), is_unchanged=True
        )
        running.change = await self.save(done)
        return ChangedList(snapshot.segments[segment.key], running.change, snapshot.revision)

    async def save(self, change: ListChange) -> ListChange:
        """Store how far a change has come, and return it so.

        Raises:
            VersionConflictError: It is not what it was any more.
        """
        saved = replace(change, version=change.version + 1)
        await self._store.commit(Commit(writes=(Save(saved, change.version),), entry=None))
        return saved

    async def _abandon(self, change: ListChange, error: str, counts: ListCounts) -> ListChange | None:
        """Undo a change that did not take effect, and give the list free; None if it did, or others undo it."""
        stored = await self._store.get(ListChange, change.id)
        if not stored.is_open:
            return None
        is_cancelled = stored.state is ListChangeState.CANCELLING
        # This makes a commit that is still under way, and would let it take effect, fail.
        undoing = await self.save(replace(stored, state=ListChangeState.CANCELLING, beat_ms=now_ms()))
        segment = await self._store.find(Segment, change.segment_id)
        running = RunningChange(self._store, undoing)
        # Still beating: whoever took it for dead would write what is discarded here.
        kept = segment.generation if segment is not None and segment.list_id == change.scope else None
        await running.during(self._store.discard_members(change.scope, kept))
        return await self.save(
            replace(
                running.change,
                state=ListChangeState.CANCELLED if is_cancelled else ListChangeState.FAILED,
                error=None if is_cancelled else error,
                counts=counts,
                finished_ms=now_ms(),
            )
        )


def _check_same_list(segment: Segment, change: ListChange) -> None:
    if segment.list_id != change.scope:
        raise NotFoundError("large list", change.scope)


def change_resource(change: ListChange) -> str:
    """Name a change's segment in the words of policies."""
    return resource(change.environment, "segment", change.segment_key)


def is_dead(change: ListChange) -> bool:
    """Tell whether nobody is at work on an open change any more, or its file is awaited in vain."""
    patience = UPLOAD_SECONDS if change.state is ListChangeState.WAITING else _DEAD_SECONDS
    return now_ms() - change.beat_ms > patience * 1_000
