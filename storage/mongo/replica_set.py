"""Atomicity where the server has transactions: each commit is one, each read of several documents too.

A transaction that loses a race is repeated in bounded time; so is a commit whose outcome got lost on the way.
"""

import asyncio
import random
import time
from collections.abc import AsyncGenerator, Awaitable, Callable, Mapping
from typing import TypeVar, cast

from pymongo.errors import PyMongoError

from domain.commits import Commit
from storage.mongo.client import Connected, Database, Session, begin_transaction, is_duplicate
from storage.mongo.layout import REVISIONS, apply, by_collection, plan, read_revisions
from storage.mongo.standalone import JOURNAL, Standalone

T = TypeVar("T")
RETRY_SECONDS = 5.0
AWAIT_MS = 250
"""How long the server holds a change stream's question when nothing changes; a feed takes as long to close."""


class ReplicaSet:
    """Implements storage.mongo.store.Deployment."""

    def __init__(self, connected: Connected) -> None:
        self._connected = connected
        self._client = connected.client
        self._database: Database = connected.database

    async def start(self) -> None:
        """Finish what was left half done while the server was a standalone one."""
        if JOURNAL in await self._database.list_collection_names():
            await Standalone(self._connected).settle()

    async def settle(self) -> None:
        """Nothing is ever half done."""

    async def commit(self, commit: Commit) -> Mapping[str, int]:
        """Apply a commit in a transaction."""

        async def work(session: Session) -> dict[str, int]:
            revisions, writes = await plan(self._database, commit, session)
            for collection, group in by_collection(writes).items():
                await apply(self._database, collection, group, session)
            return revisions

        return await self._transaction(work)

    async def read(self, read: Callable[[Session | None], Awaitable[T]]) -> T:
        """Read several documents at one instant."""
        return await self._transaction(read)

    async def watch(self) -> AsyncGenerator[Mapping[str, int], None]:
        """Yield all revisions, then each that grows; the stream opens before they are read: none is missed."""
        pipeline = [{"$match": {"ns.coll": REVISIONS, "operationType": {"$in": ["insert", "replace"]}}}]
        stream = self._database.watch(pipeline, max_await_time_ms=AWAIT_MS)
        async with stream:
            seen = await read_revisions(self._database, None)
            yield dict(seen)
            while cast("bool", stream.alive):  # a property, whatever Motor's type stub says
                # A question is never given up half way: closing a stream while a thread waits on it is not safe.
                question = asyncio.ensure_future(stream.try_next())
                try:
                    event = await asyncio.shield(question)
                except asyncio.CancelledError:
                    await asyncio.wait([question])
                    question.exception()
                    raise
                if event is None:
                    continue
                scope, revision = event["fullDocument"]["_id"], event["fullDocument"]["version"]
                if revision > seen.get(scope, 0):
                    seen[scope] = revision
                    yield {scope: revision}

    async def _transaction(self, work: Callable[[Session], Awaitable[T]]) -> T:
        give_up = time.monotonic() + RETRY_SECONDS
        pause = 0.002
        while True:
            try:
                async with await self._client.start_session() as session, begin_transaction(session):
                    result = await work(session)
                    await _commit(session, give_up)
                    return result
            except PyMongoError as error:
                transient = error.has_error_label("TransientTransactionError") or is_duplicate(error)
                if not transient or time.monotonic() > give_up:
                    raise
            await asyncio.sleep(random.uniform(pause / 2, pause))  # noqa: S311 - spreads retries, keeps no secret
            pause = min(pause * 2, 0.2)


async def _commit(session: Session, give_up: float) -> None:
    while True:
        try:
            await session.commit_transaction()
        except PyMongoError as error:
            if not error.has_error_label("UnknownTransactionCommitResult") or time.monotonic() > give_up:
                raise
            await asyncio.sleep(0.02)
        else:
            return
