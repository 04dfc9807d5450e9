"""What every change of a large list passes through: it claims the next generation, and takes effect or is undone.

A change is written under a generation that nobody reads yet; one commit then makes it the segment's. Whatever
does not come that far is discarded, at the latest when the next change begins. So a list is never half changed.
"""

import asyncio
import contextlib
import random
import time
from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass, replace
from weakref import WeakValueDictionary

from domain.access.actions import SegmentAction
from domain.access.needs import Change
from domain.access.principals import Principal
from domain.clock import now_ms
from domain.commits import Commit, Delete, Save, kind_of
from domain.errors import (
    AlreadyExistsError,
    DomainError,
    InUseError,
    InvalidInputError,
    NotFoundError,
    UnavailableError,
    UsedBy,
    VersionConflictError,
    Violation,
)
from domain.evaluation.snapshot import Snapshot
from domain.keys import EnvironmentRef
from domain.model.lists import START_IMPORT, ListChange, ListChangeState, ListCounts, ListMode
from domain.model.segments import Segment
from domain.model.syncs import AppliedSync
from domain.ports import Store
from domain.services.access import Wanted
from domain.services.editing import EnvironmentEditor
from domain.services.edits import Decision, Edit, Snapshots, check_comment
from domain.services.list_effects import (
    ChangedList,
    Effect,
    applied,
    change_resource,
    check_same_list,
    completed,
    list_in,
    summary_of,
)
from domain.services.list_undoing import undo
from domain.services.running_changes import RunningChange, SignsOfLife, why_dead
from domain.services.snapshots import SnapshotService

CHANGES_KEPT = 100
"""How many changes of a list are remembered."""
PATIENCE_SECONDS = 15.0
"""How long a change waits for its turn: longer than it takes until another one's process is taken for dead."""
SYNC = "syncSegment"
"""What a tool does that owns a list."""
_PAUSE_SECONDS = 0.05


@dataclass(frozen=True, slots=True, kw_only=True)
class NewListChange:
    """A change to be made.

    Attributes:
        action: What asks for it, in the API's word.
        acknowledge_removal: Whether it may remove most of a list that flags use.
        creates: The segment that it makes, if there is none yet.
        applies: The message that it applies, if it is one that may come again.
    """

    segment_key: str
    mode: ListMode
    action: str = START_IMPORT
    acknowledge_removal: bool = False
    comment: str = ""
    creates: Segment | None = None
    applies: AppliedSync | None = None


class _OthersTurnError(UnavailableError):
    """Another change of the list is under way that takes no longer than a request."""


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
        # Changes of this process take turns, so that only other processes are waited for by trying.
        self._turns: WeakValueDictionary[str, asyncio.Lock] = WeakValueDictionary()  # gone with who holds them
        self._signs = SignsOfLife()

    async def find(self, principal: Principal, environment: EnvironmentRef, key: str) -> tuple[Snapshot, Segment]:
        """Return a large list as the store has it now.

        Raises:
            NotFoundError: There is no such large list.
            DomainError: As `AccessService.require_sight` and `SnapshotService.refresh` say.
        """
        snapshot = await self._now(principal, environment)
        found = snapshot.segments.get(key)
        if found is None or not found.segment.unbounded:
            raise NotFoundError("large list", key)
        return snapshot, found.segment

    async def find_named(self, principal: Principal, environment: EnvironmentRef, key: str) -> Segment:
        """Return the large list that a mutation names, as the store has it now.

        Raises:
            NotFoundError: There is no such segment.
            InvalidInputError: It is no large list.
            DomainError: As `find` says.
        """
        snapshot = await self._now(principal, environment)
        found = snapshot.segments.get(key)
        if found is None:
            raise NotFoundError("segment", key)
        if not found.segment.unbounded:
            message = f"the segment {key!r} is no large list: it has rules and individual targets"
            raise InvalidInputError([Violation(("input", "segmentKey"), message)])
        return found.segment

    async def _now(self, principal: Principal, environment: EnvironmentRef) -> Snapshot:
        """Return an environment not older than the store: what was discarded must not be taken for a list."""
        await self._access.require_sight(principal, environment)
        revision = (await self._store.revisions()).get(str(environment), 0)
        return await self._snapshots.refresh(environment, revision)

    async def find_of(self, change: ListChange, principal: Principal) -> tuple[Snapshot, Segment]:
        """Return the list that a change is of, as the store has it now.

        Raises:
            NotFoundError: It is gone, even if its segment has another one.
            DomainError: As `find` says.
        """
        snapshot, segment = await self.find(principal, change.environment, change.segment_key)
        check_same_list(segment, change)
        return snapshot, segment

    async def authorize(self, principal: Principal, change: ListChange) -> None:
        """Refuse to go on with a change, or to cancel it, to whoever may not change its list now.

        Raises:
            DomainError: As `find_of` and `AccessService.authorize` say.
        """
        _, segment = await self.find_of(change, principal)
        await self.authorize_list(principal, segment)

    async def authorize_list(self, principal: Principal, segment: Segment, *, is_new: bool = False) -> None:
        """Refuse to change a list, or to create its segment, to whoever may not.

        Raises:
            DomainError: As `AccessService.authorize` says.
        """
        wanted = Wanted(
            environments=[segment.environment],
            changes=[Change(None, segment)] if is_new else [],
            uses=[] if is_new else [(SegmentAction.UPDATE_INCLUDED, segment)],
        )
        await self._access.authorize(principal, wanted)

    async def begin(
        self,
        principal: Principal,
        environment: EnvironmentRef,
        new: NewListChange,
        state: ListChangeState,
    ) -> RunningChange:
        """Claim the list's next generation, in its turn; clear away what earlier changes left.

        Raises:
            InUseError: An import of the list is under way.
            UnavailableError: Other changes of the list went on and on.
            InvalidInputError: A tool owns the list, or the comment is too long.
            AlreadyExistsError: What it applies was applied before.
            DomainError: As `find`, `find_named` and `authorize_list` say.
        """
        give_up = time.monotonic() + PATIENCE_SECONDS
        while True:
            try:
                return await self._begin(principal, environment, new, state)
            except _OthersTurnError:
                if time.monotonic() > give_up:
                    raise
            await asyncio.sleep(_PAUSE_SECONDS * random.uniform(0.5, 1.5))  # noqa: S311 - spreads tries, keeps no secret

    @contextlib.asynccontextmanager
    async def running(
        self, principal: Principal, environment: EnvironmentRef, new: NewListChange
    ) -> AsyncIterator[RunningChange]:
        """Begin a change that needs no upload; undo it if what follows fails.

        Raises:
            DomainError: As `begin` says.
        """
        await self._access.require_sight(principal, environment)
        turn = self._turns.setdefault(f"{environment}/{new.segment_key}", asyncio.Lock())
        try:
            async with asyncio.timeout(PATIENCE_SECONDS):
                await turn.acquire()
        except TimeoutError:
            raise _others_turn(new.segment_key) from None
        try:
            running = await self.begin(principal, environment, new, ListChangeState.RUNNING)
            async with self.undone_on_error(running):
                yield running
        finally:
            turn.release()

    @contextlib.asynccontextmanager
    async def undone_on_error(self, running: RunningChange) -> AsyncIterator[None]:
        """Leave nothing behind of a change that fails; its record says why."""
        try:
            yield
        except BaseException as error:
            message = error.message if isinstance(error, DomainError) else "it was interrupted"
            with contextlib.suppress(DomainError):
                # Shielded: a client that hangs up must not leave the list claimed.
                await asyncio.shield(undo(self._store, running.change, message, running.counts))
            raise

    async def take_effect(self, principal: Principal, running: RunningChange, effect: Effect) -> ChangedList:
        """Let a change take effect: its generation, its record and the audit log's entry are one commit.

        Raises:
            NotFoundError: The list is gone.
            AlreadyExistsError: The segment that it makes is there, or what it applies was applied before.
            VersionConflictError: The change was cancelled.
            DomainError: As `EnvironmentEditor.edit` says.
        """
        change, counts = running.change, effect.counts
        ref, key = change.environment, change.segment_key

        async def decide(snapshots: Snapshots) -> Decision[ListChange]:
            snapshot = snapshots[ref]
            if effect.check is not None:
                effect.check(snapshot)
            before = running.creates or list_in(snapshot, change)
            after = effect.next_state(before)
            last = await running.end()
            done = completed(last, counts, is_unchanged=effect.is_unchanged)
            records = [Save(done, last.version), *applied(running)]
            if running.creates is not None:
                return Decision([Save(after, None), *records], done)
            # What a tool calls its cohort comes with the members, and needs no permission of its own.
            return Decision(
                records,
                done,
                implied=[Save(replace(after, version=before.version + 1), before.version)],
                uses=[(SegmentAction.UPDATE_INCLUDED, before)],
            )

        edit = Edit(
            action=change.action,
            resource=change_resource(change),
            scope=str(ref),
            decide=decide,
            comment=change.comment,
            summary=summary_of(running, counts),
        )
        async with running.staying_alive():  # it may wait for its turn
            snapshot, done = await self._editor.edit(principal, ref, edit)
        running.change = done
        return ChangedList(snapshot.segments[key], done, snapshot.revision)

    async def complete_unchanged(
        self, principal: Principal, running: RunningChange, counts: ListCounts
    ) -> ChangedList:
        """Complete a change that found nothing to change: only its record says that it was.

        Raises:
            AlreadyExistsError: What it applies was applied before.
            VersionConflictError: The change was cancelled.
            DomainError: As `find` says.
        """
        change = running.change
        snapshot, segment = await self.find_of(change, principal)
        done = completed(change, counts, is_unchanged=True)
        writes = (Save(done, change.version), *applied(running))
        await self._store.commit(Commit(writes=writes, entry=None))
        running.change = done
        return ChangedList(snapshot.segments[segment.key], done, snapshot.revision)

    async def recover(self) -> None:
        """Undo the changes whose processes are gone, each once, however many processes do so.

        Raises:
            UnavailableError: The store cannot be reached.
        """
        changes = await self._store.list_open_changes()
        self._signs.keep(changes)
        for change in changes:
            if self._signs.is_dead(change):
                with contextlib.suppress(NotFoundError, VersionConflictError):  # others were quicker
                    await undo(self._store, change, why_dead(change), change.counts, is_dead=True)

    async def _begin(
        self,
        principal: Principal,
        environment: EnvironmentRef,
        new: NewListChange,
        state: ListChangeState,
    ) -> RunningChange:
        segment = new.creates
        if segment is None and new.action == SYNC:  # one in whose place there is another segment now begins again
            _, segment = await self.find(principal, environment, new.segment_key)
        elif segment is None:
            segment = await self.find_named(principal, environment, new.segment_key)
        if segment.sync_source is not None and new.action != SYNC:
            message = f"{segment.sync_source.integration} owns this list: it is read-only here"
            raise InvalidInputError([Violation(("input", "segmentKey"), message)])
        await self.authorize_list(principal, segment, is_new=new.creates is not None)
        check_comment(new.comment)
        changes = await self._store.list_all(ListChange, segment.list_id)
        last = await self._last_over(changes)
        # Asked after that: the change that applied it was over then, or will have the generation wanted here.
        if new.applies is not None and await self._store.find(AppliedSync, new.applies.id):
            raise AlreadyExistsError(kind_of(AppliedSync), new.applies.id)
        now = now_ms()
        change = ListChange(
            environment=environment,
            segment_key=new.segment_key,
            list_uid=segment.list_uid,
            generation=max(last.generation if last else 0, segment.generation or 0) + 1,
            mode=new.mode,
            state=state,
            actor=principal.actor,
            owner=principal.id,
            action=new.action,
            comment=new.comment,
            message_id=new.applies.message_id if new.applies else "",
            acknowledge_removal=new.acknowledge_removal,
            started_ms=now,
            beat_ms=now,
        )
        forgotten = [Delete(old) for old in changes[: max(0, len(changes) + 1 - CHANGES_KEPT)]]
        try:
            await self._store.commit(Commit(writes=(Save(change, None), *forgotten), entry=None))
        except (AlreadyExistsError, VersionConflictError):
            raise _others_turn(new.segment_key) from None
        self._signs.begin(change)
        running = RunningChange(self._store, change, creates=new.creates, applies=new.applies)
        if new.creates is None:
            await self._clear_away(principal, running, last)
        return running

    async def _last_over(self, changes: Sequence[ListChange]) -> ListChange | None:
        """Return a list's last change, which is over: if its process is gone, it is undone first."""
        last = changes[-1] if changes else None
        if last is None or not last.is_open:
            return last
        if not self._signs.is_dead(last):
            is_import = last.is_from_file and last.state is not ListChangeState.CANCELLING
            if is_import and self._signs.is_alive(last):
                raise InUseError("segment", last.segment_key, [UsedBy("import", last.id, str(last.environment))])
            raise _others_turn(last.segment_key)
        try:
            undone = await undo(self._store, last, why_dead(last), last.counts, is_dead=True)
        except (NotFoundError, VersionConflictError):  # others were quicker
            undone = None
        if undone is None:
            raise _others_turn(last.segment_key)
        return undone

    async def _clear_away(self, principal: Principal, running: RunningChange, last: ListChange | None) -> None:
        change = running.change
        try:
            # Only now does nobody else change it: what took effect meanwhile must not be taken for left over.
            _, segment = await self.find_of(change, principal)
            current = segment.generation
            if current is None or (last is not None and last.generation != current and not last.is_unchanged):
                await running.during(self._store.discard_members(segment.list_id, current))
            if segment.previous_generation is not None:
                await running.during(self._store.purge_members(segment.list_id, segment.previous_generation))
        except DomainError as error:
            await undo(self._store, running.change, error.message, running.counts)
            raise


def _others_turn(segment_key: str) -> _OthersTurnError:
    text = f"other changes of the list {segment_key!r} went on for {PATIENCE_SECONDS:g} s; nothing was changed"
    return _OthersTurnError(text)
