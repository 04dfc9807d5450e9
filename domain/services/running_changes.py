"""A change of a large list under way: how far it is, and whether its process is alive."""

import asyncio
import contextlib
import time
from collections.abc import AsyncIterator, Awaitable, Iterable, Sequence
from dataclasses import dataclass, replace

from domain.clock import now_ms
from domain.commits import Commit, Save
from domain.errors import DomainError
from domain.model.changes import AuditEntry
from domain.model.lists import ListChange, ListChangeState, ListCounts
from domain.model.segments import Segment
from domain.model.syncs import AppliedSync
from domain.ports import Store
from domain.services.list_files import FileReading

_UPLOAD_SECONDS = 3_600
"""How long a file may be awaited."""
KEYS_TOLD = 100
"""How many keys a change tells one by one, if it changes no more."""
_BEAT_SECONDS = 2.0
_DEAD_SECONDS = 10.0
"""How long after its last sign of life a change is taken for dead: less than the patience of who waits for it."""


class RunningChange:
    """A change under way: tells the store from time to time that its process is alive, and how far it is.

    Args:
        store: Where it is told.
        change: The change as it is stored.
        creates: The segment that the change makes, if there is none yet.
        applies: The message that it applies, if it is one that may come again.
    """

    def __init__(
        self,
        store: Store,
        change: ListChange,
        *,
        creates: Segment | None = None,
        applies: AppliedSync | None = None,
    ) -> None:
        self._store = store
        self._last = time.monotonic()
        self._beat = asyncio.Lock()
        self._is_ending = False
        self.change = change
        self.creates = creates
        self.applies = applies
        self.reading = FileReading()
        self.added = 0
        self.already = 0
        self.removed = 0
        self.joined: list[str] = []
        self.left: list[str] = []

    @property
    def counts(self) -> ListCounts:
        """What was read and written so far."""
        return replace(self.reading.counts, added=self.added, already=self.already, removed=self.removed)

    def note(self, *, joined: Sequence[str] = (), left: Sequence[str] = ()) -> None:
        """Remember which keys joined and left: the first of them."""
        self.joined += joined[: KEYS_TOLD - len(self.joined)]
        self.left += left[: KEYS_TOLD - len(self.left)]

    def keys_are_told(self, counts: ListCounts) -> bool:
        """Tell whether all that joined and left are remembered, and they are few."""
        told = (len(self.joined), len(self.left))
        return told == (counts.added, counts.removed) and 0 < sum(told) <= KEYS_TOLD

    async def alive(self) -> None:
        """Write it down, if it is time.

        Raises:
            VersionConflictError: The change was cancelled.
        """
        if self._is_ending or time.monotonic() - self._last < _BEAT_SECONDS:
            return
        async with self._beat:
            told = replace(self.change, counts=self.counts, beat_ms=now_ms())
            self.change = await save_change(self._store, told)
            self._last = time.monotonic()

    @contextlib.asynccontextmanager
    async def staying_alive(self) -> AsyncIterator[None]:
        """Tell that its process is alive while it waits for its end, until `end` is called."""
        beating = asyncio.create_task(self._beat_on())
        try:
            yield
        finally:
            beating.cancel()
            await asyncio.wait({beating})

    async def end(self) -> ListChange:
        """Tell nothing more, and return the change as it is stored now."""
        self._is_ending = True
        async with self._beat:  # what is being told is stored
            return self.change

    async def _beat_on(self) -> None:
        while not self._is_ending:
            await asyncio.sleep(_BEAT_SECONDS)
            with contextlib.suppress(DomainError):  # if it was cancelled, its end fails
                await self.alive()

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


async def save_change(store: Store, change: ListChange, entry: AuditEntry | None = None) -> ListChange:
    """Store how far a change has come, and return it so; with an entry of the audit log if somebody did that.

    Raises:
        VersionConflictError: It is not what it was any more.
    """
    saved = replace(change, version=change.version + 1)
    await store.commit(Commit(writes=(Save(saved, change.version),), entry=entry))
    return saved


@dataclass(frozen=True, slots=True)
class _Sign:
    version: int
    since: float
    is_another: bool


class SignsOfLife:
    """What this process saw of open changes, by its own clock alone: that of another machine may go wrong."""

    def __init__(self) -> None:
        self._signs: dict[str, _Sign] = {}

    def is_dead(self, change: ListChange) -> bool:
        """Tell whether nobody is at work on an open change any more, or its file is awaited in vain.

        It is alive when it is first seen.
        """
        sign = self._see(change)
        if change.state is ListChangeState.WAITING:
            return is_overdue(change)
        return change.version == sign.version and time.monotonic() - sign.since > _DEAD_SECONDS

    def is_alive(self, change: ListChange) -> bool:
        """Tell whether an open change is known not to be dead: it changed since it was first seen."""
        return change.state is ListChangeState.WAITING or self._see(change).is_another

    def begin(self, change: ListChange) -> None:
        """Take note of a change that this process began: when it is next seen otherwise, it is alive."""
        self._see(change)

    def keep(self, changes: Iterable[ListChange]) -> None:
        """Forget all other changes."""
        self._signs = {change.id: self._see(change) for change in changes}

    def _see(self, change: ListChange) -> _Sign:
        sign = self._signs.get(change.id)
        if sign is None or change.version > sign.version:
            sign = _Sign(change.version, time.monotonic(), is_another=sign is not None)
            self._signs[change.id] = sign
        return sign


def is_overdue(change: ListChange) -> bool:
    """Tell whether the file of a change that waits for it is awaited in vain."""
    return now_ms() - change.beat_ms > _UPLOAD_SECONDS * 1_000


def why_dead(change: ListChange) -> str:
    """Return why a dead change fails."""
    if change.state is ListChangeState.WAITING:
        return f"its file was not there after {_UPLOAD_SECONDS // 60} minutes"
    return "the process that made it is gone"
