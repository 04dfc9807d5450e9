"""The Store over one SQLite file: a connection that writes, a few that read, one per feed.

Every read is one statement, so it sees one instant; every commit is one transaction that nobody else can enter.
"""

import asyncio
import itertools
from collections.abc import AsyncGenerator, Callable, Collection, Coroutine, Mapping, Sequence
from pathlib import Path
from typing import Any, TypeVar

import aiosqlite
import orjson

from domain.commits import Commit, E, kind_of
from domain.errors import NotFoundError, UnavailableError
from domain.keys import EnvironmentRef
from domain.model.changes import AuditEntry, EntryFilter
from domain.model.lists import ListChange
from domain.model.seen_contexts import EVERY_CONTEXT, ContextFilter, SeenContext
from domain.ports import EVERY_ENTRY, EnvironmentState
from storage.codec import EnvironmentDecoder, decode_entries, decode_text, encode_text
from storage.commits import CommitQueue, Row, check_versions, grown, rows_of
from storage.sqlite import contexts as seen_contexts
from storage.sqlite import members
from storage.sqlite.connection import connect, create_schema, fetch, identity, sqlite_errors, transaction
from storage.sqlite.entries import DOCUMENTS, entries_query, latest_query, write_entry

T = TypeVar("T")

READERS = 3
FEED_SECONDS = 0.03
"""How often a feed asks whether the file changed; the question takes microseconds."""

_PAGE = """
SELECT document FROM entities WHERE kind = :kind AND scope = :scope AND id > :after ORDER BY id LIMIT :first
"""
_ENVIRONMENT = """
SELECT 'revision', revision FROM revisions WHERE scope = :environment
UNION ALL SELECT kind, document FROM entities WHERE kind = 'flag' AND scope = :project
UNION ALL SELECT kind, document FROM entities WHERE kind IN ('targeting', 'segment') AND scope = :environment
"""
_VERSIONS = """
SELECT entities.kind, entities.id, version FROM json_each(:rows) AS wanted
JOIN entities ON entities.kind = wanted.value ->> 0 AND entities.id = wanted.value ->> 1
"""
_SAVE = """
INSERT INTO entities (kind, id, scope, version, document) VALUES (?, ?, ?, ?, ?)
ON CONFLICT (kind, id) DO UPDATE
SET scope = excluded.scope, version = excluded.version, document = excluded.document
"""
_REVISE = """
INSERT INTO revisions (scope, revision) VALUES (?, ?)
ON CONFLICT (scope) DO UPDATE SET revision = excluded.revision
"""


class SqliteStore:
    """Implements domain.ports.Store."""

    def __init__(self, path: Path, writer: aiosqlite.Connection, readers: list[aiosqlite.Connection]) -> None:
        self._path = path
        self._file = identity(path)
        self._writer = writer
        self._readers = readers
        self._next_reader = itertools.cycle(readers)
        self._commits = CommitQueue()
        self._decoder = EnvironmentDecoder()
        self._closed = False

    @classmethod
    async def open(cls, path: Path) -> "SqliteStore":
        """Open the file, or create it and the directories above it.

        Raises:
            UnavailableError: The file cannot be used.
            InvalidInputError: A newer Earlybird wrote it.
        """
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            message = f"the store's directory cannot be made: {error}"
            raise UnavailableError(message) from error
        opened: list[aiosqlite.Connection] = []
        try:
            opened.append(await connect(path, reads_only=False))
            await create_schema(opened[0])
            for _ in range(READERS):
                opened.append(await connect(path))  # noqa: PERF401 - what is open must be known if the next fails
        except BaseException:
            for connection in opened:
                await connection.close()
            raise
        return cls(path, opened[0], opened[1:])

    async def find(self, entity_type: type[E], entity_id: str) -> E | None:
        """See Store.find."""
        rows = await self._read(
            "SELECT document FROM entities WHERE kind = :kind AND id = :id",
            {"kind": kind_of(entity_type), "id": entity_id},
        )
        return decode_text(entity_type, rows[0][0]) if rows else None

    async def get(self, entity_type: type[E], entity_id: str) -> E:
        """See Store.get."""
        found = await self.find(entity_type, entity_id)
        if found is None:
            raise NotFoundError(kind_of(entity_type), entity_id)
        return found

    async def list_page(self, entity_type: type[E], scope: str, *, first: int, after: str = "") -> list[E]:
        """See Store.list_page."""
        wanted = {"kind": kind_of(entity_type), "scope": scope, "after": after, "first": first}
        rows = await self._read(_PAGE, wanted)
        # There may be thousands of them, or one with a million keys; in a thread, evaluations go on meanwhile.
        return await asyncio.to_thread(lambda: [decode_text(entity_type, document) for (document,) in rows])

    async def list_all(self, entity_type: type[E], scope: str) -> list[E]:
        """See Store.list_all."""
        return await self.list_page(entity_type, scope, first=-1)  # a negative LIMIT is none

    async def load_environment(self, environment: EnvironmentRef) -> EnvironmentState:
        """See Store.load_environment."""
        wanted = {"environment": str(environment), "project": environment.project}
        rows = await self._read(_ENVIRONMENT, wanted)
        # A thousand flags take tens of milliseconds to decode; in a thread, evaluations go on meanwhile.
        return await asyncio.to_thread(self._environment_of, environment, rows)

    async def commit(self, commit: Commit) -> Mapping[str, int]:
        """See Store.commit."""
        rows, saves = await asyncio.to_thread(_rows_and_saves, commit)  # as above
        return await self._commit(lambda: self._write(commit, rows, saves))

    async def revisions(self) -> Mapping[str, int]:
        """See Store.revisions."""
        return dict(await self._read("SELECT scope, revision FROM revisions", {}))

    async def watch_revisions(self) -> AsyncGenerator[Mapping[str, int], None]:
        """See Store.watch_revisions. `data_version` counts the commits of all other connections to the file."""
        self._check()
        connection = await connect(self._path)
        try:
            seen: dict[str, int] = {}
            last_version: int | None = None
            while True:
                self._check()
                with sqlite_errors():
                    [(version,)] = await fetch(connection, "PRAGMA data_version")
                    if version == last_version:
                        await asyncio.sleep(FEED_SECONDS)
                        continue
                    current = dict(await fetch(connection, "SELECT scope, revision FROM revisions"))
                news = {scope: revision for scope, revision in current.items() if revision > seen.get(scope, 0)}
                if news or last_version is None:
                    yield news
                seen, last_version = current, version
        finally:
            await connection.close()

    async def list_entries(
        self, scope: str | None, *, first: int, before: str = "", wanted: EntryFilter = EVERY_ENTRY
    ) -> list[AuditEntry]:
        """See Store.list_entries."""
        if wanted.subjects is not None and not wanted.subjects:
            return []
        rows = await self._read(*entries_query(scope, wanted, first=first, before=before))
        return await decode_entries(document for (document,) in rows)

    async def latest_entries(
        self, subjects: Sequence[Collection[str]], *, first: int, before: str = ""
    ) -> list[list[AuditEntry]]:
        """See Store.latest_entries."""
        if not subjects:
            return []
        found = await self._read(*latest_query(subjects, first=first, before=before))
        ids = orjson.dumps(sorted({entry_id for _, entry_id in found})).decode()
        rows = await self._read(DOCUMENTS, {"ids": ids})
        entries = {entry.id: entry for entry in await decode_entries(document for _, document in rows)}
        latest: list[list[AuditEntry]] = [[] for _ in subjects]
        for number, entry_id in found:
            latest[number].append(entries[entry_id])
        return latest

    async def add_members(self, list_id: str, generation: int, keys: Collection[str]) -> None:
        """See Store.add_members."""
        await self._commit(lambda: members.add(self._writer, list_id, generation, list(keys)))

    async def remove_members(self, list_id: str, generation: int, keys: Collection[str]) -> None:
        """See Store.remove_members."""
        await self._commit(lambda: members.remove(self._writer, list_id, generation, list(keys)))

    async def discard_members(self, list_id: str, generation: int | None) -> None:
        """See Store.discard_members."""
        kept = -1 if generation is None else generation
        while await self._commit(lambda: members.discard_some(self._writer, list_id, kept)):
            pass

    async def purge_members(self, list_id: str, generation: int) -> None:
        """See Store.purge_members."""
        while await self._commit(lambda: members.purge_some(self._writer, list_id, generation)):
            pass

    async def list_members(self, list_id: str, generation: int, *, first: int, after: str = "") -> list[str]:
        """See Store.list_members."""
        wanted = {"list": list_id, "generation": generation, "first": first, "after": after}
        return [key for (key,) in await self._read(members.LIST, wanted)]

    async def list_ids(self) -> list[str]:
        """See Store.list_ids."""
        return [list_id for (list_id,) in await self._read(members.LIST_IDS, {})]

    async def list_open_changes(self) -> list[ListChange]:
        """See Store.list_open_changes."""
        return [decode_text(ListChange, document) for (document,) in await self._read(members.OPEN_CHANGES, {})]

    async def members_among(
        self, generations: Mapping[str, int], keys: Collection[str]
    ) -> frozenset[tuple[str, str]]:
        """See Store.members_among."""
        wanted = {"generations": members.as_json(dict(generations)), "keys": members.as_json(list(keys))}
        return frozenset((list_id, key) for list_id, key in await self._read(members.AMONG, wanted))

    async def remember_contexts(self, contexts: Collection[SeenContext]) -> None:
        """See Store.remember_contexts."""
        await self._commit(lambda: seen_contexts.remember(self._writer, contexts))

    async def list_contexts(
        self, environment: EnvironmentRef, wanted: ContextFilter = EVERY_CONTEXT, *, first: int, after: str = ""
    ) -> list[SeenContext]:
        """See Store.list_contexts."""
        rows = await self._read(*seen_contexts.list_query(environment, wanted, first=first, after=after))
        return [decode_text(SeenContext, document) for (document,) in rows]

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
        asked = {"keys": members.as_json(list(keys)), "emails": members.as_json(list(emails))}
        wanted = {"environment": str(environment), "kind": kind, "per_email": per_email, **asked}
        return [decode_text(SeenContext, text) for (text,) in await self._read(seen_contexts.AMONG, wanted)]

    async def count_contexts(
        self, environment: EnvironmentRef, kind: str, *, emails: Collection[str]
    ) -> Mapping[str, int]:
        """See Store.count_contexts."""
        wanted = {"environment": str(environment), "kind": kind, "emails": members.as_json(list(emails))}
        return {str(email): int(count) for email, count in await self._read(seen_contexts.COUNT, wanted)}

    async def forget_contexts(self, environment: EnvironmentRef | None, *, before_ms: int | None = None) -> None:
        """See Store.forget_contexts."""
        while await self._commit(lambda: seen_contexts.forget_some(self._writer, environment, before_ms)):
            pass

    async def ping(self) -> None:
        """See Store.ping."""
        await self._read("PRAGMA schema_version", {})

    async def close(self) -> None:
        """See Store.close. A feed ends, and closes its connection, when it next looks."""
        if not self._closed:
            self._closed = True
            await self._commits.drain()
            for connection in (*self._readers, self._writer):
                await connection.close()

    def _environment_of(self, environment: EnvironmentRef, rows: list[tuple[Any, ...]]) -> EnvironmentState:
        by_kind: dict[str, list[Any]] = {"revision": [], "flag": [], "targeting": [], "segment": []}
        for kind, value in rows:
            by_kind[kind].append(value)
        return self._decoder.decode(
            environment,
            by_kind["revision"][0] if by_kind["revision"] else 0,
            flags=by_kind["flag"],
            targetings=by_kind["targeting"],
            segments=by_kind["segment"],
        )

    def _check(self) -> None:
        if self._closed:
            message = "the store is closed"
            raise UnavailableError(message)
        self._check_file()

    def _check_file(self) -> None:
        """Refuse to work on a file that is not at its path any more: what is written there would be lost.

        It stays open, so that no other file can have its identity meanwhile.
        """
        if identity(self._path) != self._file:
            message = (
                "the store's file was removed or replaced while it was in use: "
                "put it back, or start the service again to use what is there now"
            )
            raise UnavailableError(message)

    async def _read(self, sql: str, parameters: Mapping[str, Any]) -> list[tuple[Any, ...]]:
        self._check_file()
        with sqlite_errors():
            return await fetch(next(self._next_reader), sql, parameters)

    async def _commit(self, work: Callable[[], Coroutine[Any, Any, T]]) -> T:
        """Do something in one transaction, which holds only if the file is still there then."""
        self._check_file()
        with sqlite_errors():
            done = await self._commits.run(work)
        self._check_file()
        return done

    async def _write(self, commit: Commit, rows: list[Row], saves: list[tuple[Any, ...]]) -> Mapping[str, int]:
        writer = self._writer
        async with transaction(writer):
            wanted = orjson.dumps([(row.kind, row.id) for row in rows]).decode()
            stored = await fetch(writer, _VERSIONS, {"rows": wanted})
            revisions = grown(commit, dict(await fetch(writer, "SELECT scope, revision FROM revisions")))
            check_versions(rows, {(kind, id_): version for kind, id_, version in stored})
            deletes = [(row.kind, row.id) for row in rows if row.entity is None]
            await writer.executemany(_SAVE, saves)
            await writer.executemany("DELETE FROM entities WHERE kind = ? AND id = ?", deletes)
            await writer.executemany(_REVISE, list(revisions.items()))
            await write_entry(writer, commit, revisions)
        return revisions


def _rows_and_saves(commit: Commit) -> tuple[list[Row], list[tuple[Any, ...]]]:
    rows = rows_of(commit)
    return rows, [
        (row.kind, row.id, row.entity.scope, row.entity.version, encode_text(row.entity))
        for row in rows
        if row.entity is not None
    ]
