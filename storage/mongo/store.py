"""The Store over MongoDB: what is the same on every deployment; how a commit is atomic is the deployment's."""

import asyncio
from collections.abc import AsyncGenerator, Awaitable, Callable, Collection, Iterator, Mapping, Sequence
from contextlib import aclosing, contextmanager
from operator import itemgetter
from typing import Any, Protocol, TypeVar

import orjson

from domain.commits import Commit, E, kind_of
from domain.errors import NotFoundError, UnavailableError
from domain.keys import EnvironmentRef
from domain.model.changes import AuditEntry, EntryFilter
from domain.model.flags import Flag
from domain.model.lists import ListChange
from domain.model.seen_contexts import EVERY_CONTEXT, ContextFilter, SeenContext
from domain.model.segments import Segment
from domain.model.targeting import Targeting
from domain.ports import EVERY_ENTRY, EnvironmentState
from storage.codec import EnvironmentDecoder, decode, decode_entries
from storage.commits import CommitQueue
from storage.mongo.client import Connected, Session, connect, driver_errors
from storage.mongo.contexts import Contexts
from storage.mongo.entries import ENTRIES, entries_query, latest_pipeline
from storage.mongo.layout import create_collections, read_revisions
from storage.mongo.members import Members
from storage.mongo.replica_set import ReplicaSet
from storage.mongo.standalone import LEASE_SECONDS, Standalone

T = TypeVar("T")


class Deployment(Protocol):
    """How several documents change, and are read, at one instant. Methods raise the driver's errors."""

    async def start(self) -> None:
        """Put right what a crash left behind."""

    async def settle(self) -> None:
        """Wait until no commit is half applied."""

    async def commit(self, commit: Commit) -> Mapping[str, int]:
        """Apply a commit; see Store.commit."""

    async def read(self, read: Callable[[Session | None], Awaitable[T]]) -> T:
        """Return what `read`, which may be called again, reads at one instant."""

    def watch(self) -> AsyncGenerator[Mapping[str, int], None]:
        """Yield revisions; see Store.watch_revisions."""


class MongoStore:
    """Implements domain.ports.Store."""

    def __init__(self, connected: Connected, deployment: Deployment) -> None:
        self._client = connected.client
        self._database = connected.database
        self._deployment = deployment
        self._commits = CommitQueue()
        self._decoder = EnvironmentDecoder()
        self._members = Members(connected.database)
        self._contexts = Contexts(connected.database)
        self._closed = False

    @classmethod
    async def open(cls, url: str, *, lease_seconds: float = LEASE_SECONDS) -> "MongoStore":
        """Connect, create what is missing and finish what a crash left half done.

        Args:
            url: `mongodb://…` or `mongodb+srv://…`, with the database's name as its path.
            lease_seconds: How long a writer that vanished can hold others up, on a standalone server.

        Raises:
            InvalidInputError: The URL is malformed.
            UnavailableError: No server answers.
        """
        connected = await connect(url)
        deployment: Deployment = (
            ReplicaSet(connected)
            if connected.has_transactions
            else Standalone(connected, lease_seconds=lease_seconds)
        )
        try:
            with driver_errors():
                await create_collections(connected.database)
                await Members(connected.database).create_indexes()
                await Contexts(connected.database).create_indexes()
                await deployment.start()
        except BaseException:
            connected.client.close()
            raise
        return cls(connected, deployment)

    async def find(self, entity_type: type[E], entity_id: str) -> E | None:
        """See Store.find."""
        with self._working():
            await self._deployment.settle()
            found = await self._database[kind_of(entity_type)].find_one({"_id": entity_id})
        return decode(entity_type, found["document"]) if found else None

    async def get(self, entity_type: type[E], entity_id: str) -> E:
        """See Store.get."""
        found = await self.find(entity_type, entity_id)
        if found is None:
            raise NotFoundError(kind_of(entity_type), entity_id)
        return found

    async def list_page(self, entity_type: type[E], scope: str, *, first: int, after: str = "") -> list[E]:
        """See Store.list_page."""
        found = await self._find_many(kind_of(entity_type), {"scope": scope, "_id": {"$gt": after}}, first=first)
        return await _decoded(entity_type, found)

    async def list_all(self, entity_type: type[E], scope: str) -> list[E]:
        """See Store.list_all."""
        return await _decoded(entity_type, await self._find_many(kind_of(entity_type), {"scope": scope}))

    async def load_environment(self, environment: EnvironmentRef) -> EnvironmentState:
        """See Store.load_environment."""
        scope = str(environment)

        async def read(session: Session | None) -> tuple[int, list[Any], list[Any], list[Any]]:
            revisions = await read_revisions(self._database, session, frozenset({scope}))
            return (
                revisions.get(scope, 0),
                await self._documents(kind_of(Flag), {"scope": environment.project}, session),
                await self._documents(kind_of(Targeting), {"scope": scope}, session),
                await self._documents(kind_of(Segment), {"scope": scope}, session),
            )

        with self._working():
            found = await self._deployment.read(read)
        # A thousand flags take tens of milliseconds to decode; in a thread, evaluations go on meanwhile.
        return await asyncio.to_thread(self._environment_of, environment, *found)

    async def commit(self, commit: Commit) -> Mapping[str, int]:
        """See Store.commit."""
        with self._working():
            return await self._commits.run(lambda: self._deployment.commit(commit))

    async def revisions(self) -> Mapping[str, int]:
        """See Store.revisions."""
        with self._working():
            return await self._deployment.read(lambda session: read_revisions(self._database, session))

    async def watch_revisions(self) -> AsyncGenerator[Mapping[str, int], None]:
        """See Store.watch_revisions."""
        with self._working():
            async with aclosing(self._deployment.watch()) as feed:
                async for news in feed:
                    yield news
        message = "the store (MongoDB) ended the feed"
        raise UnavailableError(message)

    async def list_entries(
        self, scope: str | None, *, first: int, before: str = "", wanted: EntryFilter = EVERY_ENTRY
    ) -> list[AuditEntry]:
        """See Store.list_entries."""
        query = entries_query(scope, wanted, before=before)
        found = await self._find_many(ENTRIES, query, first=first, order=-1)
        return await decode_entries(found)

    async def latest_entries(
        self, subjects: Sequence[Collection[str]], *, first: int, before: str = ""
    ) -> list[list[AuditEntry]]:
        """See Store.latest_entries."""
        if not subjects or first == 0:
            return [[] for _ in subjects]
        pipeline = latest_pipeline(subjects, first=first, before=before)

        async def read(session: Session | None) -> tuple[list[Any], list[Any]]:
            entries = self._database[ENTRIES]
            found = await entries.aggregate(pipeline, session=session).to_list(None)
            wanted = {"_id": {"$in": sorted({row["_id"] for row in found})}}
            return found, await entries.find(wanted, {"document": 1}, session=session).to_list(None)

        with self._working():
            found, rows = await self._deployment.read(read)
        entries = {entry.id: entry for entry in await decode_entries(row["document"] for row in rows)}
        latest: list[list[AuditEntry]] = [[] for _ in subjects]
        for row in sorted(found, key=itemgetter("_id"), reverse=True):
            latest[row["number"]].append(entries[row["_id"]])
        return latest

    async def add_members(self, list_id: str, generation: int, keys: Collection[str]) -> None:
        """See Store.add_members."""
        with self._working():
            await self._members.add(list_id, generation, keys)

    async def remove_members(self, list_id: str, generation: int, keys: Collection[str]) -> None:
        """See Store.remove_members."""
        with self._working():
            await self._members.remove(list_id, generation, keys)

    async def discard_members(self, list_id: str, generation: int | None) -> None:
        """See Store.discard_members."""
        with self._working():
            await self._members.discard(list_id, -1 if generation is None else generation)

    async def purge_members(self, list_id: str, generation: int) -> None:
        """See Store.purge_members."""
        with self._working():
            await self._members.purge(list_id, generation)

    async def list_members(self, list_id: str, generation: int, *, first: int, after: str = "") -> list[str]:
        """See Store.list_members."""
        with self._working():
            return await self._members.list_keys(list_id, generation, first=first, after=after)

    async def list_ids(self) -> list[str]:
        """See Store.list_ids."""
        with self._working():
            changed = await self._database[kind_of(ListChange)].distinct("scope")
            return sorted({*await self._members.list_ids(), *map(str, changed)})

    async def list_open_changes(self) -> list[ListChange]:
        """See Store.list_open_changes."""
        found = await self._find_many(kind_of(ListChange), {"document.finished_ms": None})
        return [decode(ListChange, document) for document in found]

    async def members_among(
        self, generations: Mapping[str, int], keys: Collection[str]
    ) -> frozenset[tuple[str, str]]:
        """See Store.members_among."""
        with self._working():
            return await self._members.among(generations, keys)

    async def remember_contexts(self, contexts: Collection[SeenContext]) -> None:
        """See Store.remember_contexts."""
        with self._working():
            await self._contexts.remember(contexts)

    async def list_contexts(
        self, environment: EnvironmentRef, wanted: ContextFilter = EVERY_CONTEXT, *, first: int, after: str = ""
    ) -> list[SeenContext]:
        """See Store.list_contexts."""
        with self._working():
            return await self._contexts.list_page(environment, wanted, first=first, after=after)

    async def contexts_among(
        self,
        environment: EnvironmentRef,
        kind: str,
        *,
        keys: Collection[str],
        emails: Collection[str],
        per_email: int,
    ) -> list[SeenContext]:
        """See Store.contexts_among."""
        with self._working():
            return await self._contexts.among(environment, kind, keys=keys, emails=emails, per_email=per_email)

    async def count_contexts(
        self, environment: EnvironmentRef, kind: str, *, emails: Collection[str]
    ) -> Mapping[str, int]:
        """See Store.count_contexts."""
        with self._working():
            return await self._contexts.count(environment, kind, emails)

    async def forget_contexts(self, environment: EnvironmentRef | None, *, before_ms: int | None = None) -> None:
        """See Store.forget_contexts."""
        with self._working():
            await self._contexts.forget(environment, before_ms)

    async def ping(self) -> None:
        """See Store.ping."""
        with self._working():
            await self._client.admin.command("ping")

    async def close(self) -> None:
        """See Store.close."""
        if not self._closed:
            self._closed = True
            await self._commits.drain()
            await asyncio.to_thread(self._client.close)  # says goodbye to the server

    def _environment_of(
        self,
        environment: EnvironmentRef,
        revision: int,
        flags: list[Any],
        targetings: list[Any],
        segments: list[Any],
    ) -> EnvironmentState:
        return self._decoder.decode(
            environment,
            revision,
            flags=map(orjson.dumps, flags),
            targetings=map(orjson.dumps, targetings),
            segments=map(orjson.dumps, segments),
        )

    @contextmanager
    def _working(self) -> Iterator[None]:
        if self._closed:
            message = "the store is closed"
            raise UnavailableError(message)
        with driver_errors():
            yield

    async def _find_many(
        self, collection: str, wanted: Mapping[str, Any], *, first: int | None = None, order: int = 1
    ) -> list[Any]:
        """Return documents by id, at one instant; all of them without `first`."""
        if first == 0:
            return []
        with self._working():
            return await self._deployment.read(
                lambda session: self._documents(collection, wanted, session, first=first, order=order)
            )

    async def _documents(
        self,
        collection: str,
        wanted: Mapping[str, Any],
        session: Session | None,
        *,
        first: int | None = None,
        order: int = 1,
    ) -> list[Any]:
        cursor = self._database[collection].find(wanted, {"document": 1}, session=session)
        found = await cursor.sort("_id", order).limit(first or 0).to_list(None)
        return [row["document"] for row in found]


async def _decoded(value_type: type[T], documents: list[Any]) -> list[T]:
    """Decode documents in a thread: there may be thousands, or one with a million keys; evaluations go on."""
    return await asyncio.to_thread(lambda: [decode(value_type, document) for document in documents])
