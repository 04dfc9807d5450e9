"""Atomicity on one server without transactions: a journal, whose one document every commit passes through.

The document says who writes: `idle`, `preparing` (writes are being staged, nothing has changed) or `committed`
(they hold, and are being applied). Its change to `committed` is the commit; before it a commit can be dropped,
after it anybody can finish it, for the staged writes say all, and each is harmless to repeat (layout.py).
Whoever meets a turn that has outlived its lease, by the server's own clock, drops or finishes it. The holder
renews the lease while it works; by its own clock, it sends nothing that could be under way at its end. Readers
wait while a commit is being applied and read again if one began meanwhile, so they see half of none.
"""

import asyncio
import contextlib
import time
from collections.abc import AsyncGenerator, AsyncIterator, Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import Any, TypeVar

import pymongo
from pymongo import ReturnDocument
from pymongo.errors import DuplicateKeyError, PyMongoError

from domain.commits import Commit
from domain.errors import UnavailableError
from storage.mongo.client import Connected, Session
from storage.mongo.layout import StoredWrite, apply, by_collection, plan, read_revisions

T = TypeVar("T")
LEASE_SECONDS = 10.0
"""How long a writer that vanished can hold others up."""
WRITE_SECONDS = 3.0
"""How long one of a turn's writes may take, and how long before the lease's end the last may be sent."""
CHUNK = 200
"""How many documents one write has: few enough for WRITE_SECONDS."""
PATIENCE_SECONDS = 15.0
"""How long to wait for others: long enough to outlast a lease."""
POLL_SECONDS = 0.005
FEED_SECONDS = 0.05
OPTIMISTIC_READS = 3
"""Reads that a commit disturbed before the reader takes a turn itself."""

JOURNAL = "journal"
_STAGED = "staged"


@dataclass(slots=True)
class _Turn:
    """The right to write.

    Attributes:
        number: Grows with every turn; the journal's document names the one that holds.
        batch: The turn that staged the writes: an earlier one when its commit is being finished for it.
        commits: How many commits there were before it.
        ends: When to send nothing more, on this process's monotonic clock.
    """

    number: int
    batch: int
    commits: int
    ends: float


class Standalone:
    """Implements storage.mongo.store.Deployment."""

    def __init__(self, connected: Connected, *, lease_seconds: float = LEASE_SECONDS) -> None:
        self._client = connected.client
        self._database = connected.database
        self._journal = connected.database[JOURNAL]
        self._staged = connected.database[_STAGED]
        self._lease_seconds = lease_seconds

    async def start(self) -> None:
        """Create the journal; drop or finish what a writer that is gone left behind."""
        idle = {"state": "idle", "turn": 0, "batch": 0, "commits": 0}
        with contextlib.suppress(DuplicateKeyError):  # two processes may start at once
            await self._journal.update_one({"_id": JOURNAL}, {"$setOnInsert": idle}, upsert=True)
        await self._staged.create_index("batch")
        await self._end_if_expired(await self._read_journal())

    async def settle(self) -> None:
        """Wait until no commit is half applied."""
        await self._settled()

    async def commit(self, commit: Commit) -> Mapping[str, int]:
        """Apply a commit: stage, commit, make the writes, clear."""
        async with self._turn() as turn:
            revisions, writes = await plan(self._database, commit)
            staged = [{"_id": f"{turn.batch}/{n}", "batch": turn.batch, **write} for n, write in enumerate(writes)]
            for chunk in _chunks(staged):
                async with self._in_time(turn):
                    await self._staged.insert_many(chunk)
            change = {"$set": {"state": "committed"}, "$inc": {"commits": 1}}
            if not await self._change_journal(turn, "preparing", change):
                message = "another process took this one's turn to write; nothing was changed"
                raise UnavailableError(message)
            await self._finish(turn, writes)
        return revisions

    async def read(self, read: Callable[[Session | None], Awaitable[T]]) -> T:
        """Read several documents at one instant: between two commits."""
        for _ in range(OPTIMISTIC_READS):
            before = await self._settled()
            result = await read(None)
            if (await self._read_journal())["commits"] == before["commits"]:
                return result
        async with self._turn() as turn:
            result = await read(None)
            if (await self._read_journal())["commits"] == turn.commits:
                return result
        message = "the store changed too often to be read at one instant"
        raise UnavailableError(message)

    async def watch(self) -> AsyncGenerator[Mapping[str, int], None]:
        """Yield all revisions, then those that grew, by looking twenty times a second."""
        seen: dict[str, int] = {}
        commits: int | None = None
        while True:
            journal = await self._read_journal()
            if journal["commits"] == commits:
                await asyncio.sleep(FEED_SECONDS)
                continue
            current = await self.read(lambda session: read_revisions(self._database, session))
            news = {scope: revision for scope, revision in current.items() if revision > seen.get(scope, 0)}
            if news or commits is None:
                yield news
            seen, commits = current, journal["commits"]

    @contextlib.asynccontextmanager
    async def _turn(self) -> AsyncIterator[_Turn]:
        """Take a turn to write, and give it back unless a commit has to be finished first."""
        turn = await self._take()
        try:
            yield turn
        except BaseException:
            with contextlib.suppress(PyMongoError, UnavailableError):
                await self._change_journal(turn, "preparing", {"$set": {"state": "idle"}})
            raise
        else:
            await self._change_journal(turn, "preparing", {"$set": {"state": "idle"}})

    async def _take(self) -> _Turn:
        give_up = time.monotonic() + PATIENCE_SECONDS
        while time.monotonic() < give_up:
            journal = await self._read_journal()
            if journal["state"] == "idle":
                turn = await self._lease(journal, {"state": "preparing", "batch": journal["turn"] + 1})
                if turn:
                    return turn
            elif not await self._end_if_expired(journal):
                await asyncio.sleep(POLL_SECONDS)
        message = f"other writers kept the store busy for {PATIENCE_SECONDS:g} s; nothing was changed"
        raise UnavailableError(message)

    async def _lease(self, journal: Mapping[str, Any], change: Mapping[str, Any]) -> _Turn | None:
        """Make the turn after `journal`'s ours; None if another process was faster."""
        ends = self._lease_end()
        number = journal["turn"] + 1
        with pymongo.timeout(WRITE_SECONDS):
            taken = await self._journal.find_one_and_update(
                {"_id": JOURNAL, "turn": journal["turn"], "state": journal["state"]},
                {
                    "$set": {**change, "turn": number, "lease_ms": int(self._lease_seconds * 1000)},
                    "$currentDate": {"taken": True},
                },
                return_document=ReturnDocument.AFTER,
            )
        return _Turn(number, taken["batch"], taken["commits"], ends) if taken else None

    async def _settled(self) -> Mapping[str, Any]:
        """Return the journal's document, at a time when no commit is half applied."""
        give_up = time.monotonic() + PATIENCE_SECONDS
        while time.monotonic() < give_up:
            journal = await self._read_journal()
            if journal["state"] != "committed":
                return journal
            if not await self._end_if_expired(journal):
                await asyncio.sleep(POLL_SECONDS)
        message = f"a change to the store was not finished within {PATIENCE_SECONDS:g} s"
        raise UnavailableError(message)

    async def _end_if_expired(self, journal: Mapping[str, Any]) -> bool:
        """Drop or finish the turn in `journal` if its writer is gone; tell whether it was."""
        if journal["state"] == "idle":
            return False
        # The server's clock on both sides: machines need not agree on the time.
        now = (await self._client.admin.command("hello"))["localTime"]
        if now < journal["taken"] + timedelta(milliseconds=journal["lease_ms"]):
            return False
        turn = await self._lease(journal, {})
        if turn is None:
            return True
        if journal["state"] == "committed":
            await self._finish(turn, await self._staged.find({"batch": turn.batch}).to_list(None))
        else:
            await self._change_journal(turn, "preparing", {"$set": {"state": "idle"}})
        return True

    async def _finish(self, turn: _Turn, writes: list[StoredWrite]) -> None:
        """Make a commit's writes and end its turn; if this fails, whoever comes after the lease does."""
        for collection, group in by_collection(writes).items():
            for chunk in _chunks(group):
                async with self._in_time(turn):
                    await apply(self._database, collection, chunk)
        async with self._in_time(turn):
            await self._staged.delete_many({"batch": {"$lte": turn.batch}})
        await self._change_journal(turn, "committed", {"$set": {"state": "idle"}})

    async def _change_journal(self, turn: _Turn, state: str, change: Mapping[str, Any]) -> bool:
        """Change the journal's document if the turn is still ours; tell whether it was."""
        async with self._in_time(turn):
            done = await self._journal.update_one({"_id": JOURNAL, "turn": turn.number, "state": state}, change)
        return done.matched_count == 1

    @contextlib.asynccontextmanager
    async def _in_time(self, turn: _Turn) -> AsyncIterator[None]:
        """Do one write within the lease, which is renewed before it runs out."""
        left = turn.ends - time.monotonic()
        with pymongo.timeout(WRITE_SECONDS):
            if 0 <= left < self._lease_seconds / 4:
                ends = self._lease_end()
                ours = {"_id": JOURNAL, "turn": turn.number}
                renewed = await self._journal.update_one(ours, {"$currentDate": {"taken": True}})
                left = 0 if renewed.matched_count else -1
                turn.ends = ends
            if left < 0:
                message = "the store's turn to write ran out; whether the change holds is not known"
                raise UnavailableError(message)
            yield

    def _lease_end(self) -> float:
        """Return when a turn that begins now may send its last write."""
        return time.monotonic() + self._lease_seconds - min(WRITE_SECONDS, self._lease_seconds / 2)

    async def _read_journal(self) -> Mapping[str, Any]:
        document = await self._journal.find_one({"_id": JOURNAL})
        if document is None:
            message = "the store's journal is gone; start again"
            raise UnavailableError(message)
        return document


def _chunks(items: list[StoredWrite]) -> Sequence[list[StoredWrite]]:
    return [items[begin : begin + CHUNK] for begin in range(0, len(items), CHUNK)]
