"""Connections to the file: settings, schema, and SQLite's errors as the domain's.

The file is in WAL mode, every commit is synced in full, each connection waits for others. Only SQL of SQLite 3.40.
"""

import asyncio
import contextlib
import sqlite3
import time
from collections.abc import AsyncIterator, Iterator, Mapping
from pathlib import Path
from typing import Any

import aiosqlite

from domain.errors import InvalidInputError, UnavailableError, Violation

BUSY_SECONDS = 5.0
"""How long a statement waits for another process's write."""

_VERSION_1 = """
CREATE TABLE entities (
  kind TEXT NOT NULL, id TEXT NOT NULL, scope TEXT NOT NULL, version INTEGER NOT NULL, document TEXT NOT NULL,
  PRIMARY KEY (kind, id)
) STRICT;
CREATE INDEX entities_by_scope ON entities (kind, scope, id);
CREATE TABLE revisions (scope TEXT NOT NULL PRIMARY KEY, revision INTEGER NOT NULL) STRICT, WITHOUT ROWID;
CREATE TABLE entries (id TEXT NOT NULL PRIMARY KEY, scope TEXT NOT NULL, document TEXT NOT NULL) STRICT;
CREATE INDEX entries_by_scope ON entries (scope, id);
"""
_VERSION_2 = """
CREATE TABLE members (
  list TEXT NOT NULL, key TEXT NOT NULL, since INTEGER NOT NULL, until INTEGER,
  PRIMARY KEY (list, key, since)
) STRICT, WITHOUT ROWID;
CREATE INDEX members_that_left ON members (list, until) WHERE until IS NOT NULL;
"""
# Of what an older entry touched, only its environment and project are known.
_VERSION_3 = """
ALTER TABLE entries ADD COLUMN actor TEXT NOT NULL DEFAULT '';
ALTER TABLE entries ADD COLUMN action TEXT NOT NULL DEFAULT '';
UPDATE entries SET actor = document ->> 'actor', action = document ->> 'action';
CREATE INDEX entries_by_actor ON entries (actor, id);
CREATE INDEX entries_by_action ON entries (action, id);
CREATE TABLE entry_subjects (
  subject TEXT NOT NULL, entry TEXT NOT NULL, PRIMARY KEY (subject, entry)
) STRICT, WITHOUT ROWID;
INSERT INTO entry_subjects SELECT 'environment/' || scope, id FROM entries WHERE scope LIKE '%/%';
INSERT INTO entry_subjects
SELECT 'project/' || substr(scope, 1, instr(scope || '/', '/') - 1), id FROM entries WHERE scope <> '';
"""
_VERSION_4 = """
CREATE TABLE contexts (
  environment TEXT NOT NULL, kind TEXT NOT NULL, key TEXT NOT NULL,
  email TEXT, search TEXT NOT NULL, last_seen INTEGER NOT NULL, document TEXT NOT NULL,
  PRIMARY KEY (environment, kind, key)
) STRICT, WITHOUT ROWID;
CREATE INDEX contexts_by_email ON contexts (environment, kind, email);
CREATE INDEX contexts_by_age ON contexts (last_seen);
"""
_VERSION_5 = """
CREATE INDEX open_list_changes ON entities (id)
WHERE kind = 'listchange' AND document ->> 'finished_ms' IS NULL;
"""
_STEPS = (_VERSION_1, _VERSION_2, _VERSION_3, _VERSION_4, _VERSION_5)
"""What makes each version of the schema out of the one before; new ones are put at the end."""
SCHEMA_VERSION = len(_STEPS)


def identity(path: Path) -> tuple[int, int] | None:
    """Tell one file from all others that are there at the time; None if there is none at the path."""
    try:
        found = path.stat()
    except OSError:
        return None
    return found.st_dev, found.st_ino


@contextlib.contextmanager
def sqlite_errors() -> Iterator[None]:
    """Turn SQLite's errors into the domain's: locked, full, damaged; or no database at all."""
    try:
        yield
    except sqlite3.Error as error:
        if getattr(error, "sqlite_errorcode", None) == sqlite3.SQLITE_NOTADB:
            raise InvalidInputError([Violation(("url",), "the store's file is no SQLite database")]) from error
        message = f"the store (SQLite) cannot do this now: {error}"
        raise UnavailableError(message) from error


async def fetch(
    connection: aiosqlite.Connection, sql: str, parameters: Mapping[str, Any] | None = None
) -> list[tuple[Any, ...]]:
    """Run one statement and return all of its rows.

    Raises:
        UnavailableError: The connection is closed.
    """
    try:
        return [tuple(row) for row in await connection.execute_fetchall(sql, parameters or {})]
    except UnicodeError:
        raise  # it is a ValueError too
    except ValueError as error:  # aiosqlite's word for a closed connection
        message = "the store is closed"
        raise UnavailableError(message) from error


async def connect(path: Path, *, reads_only: bool = True) -> aiosqlite.Connection:
    """Open a connection in autocommit mode.

    Raises:
        UnavailableError: The file cannot be opened, or is no database.
    """
    with sqlite_errors():
        connection = aiosqlite.connect(path, timeout=BUSY_SECONDS, isolation_level=None)
        try:
            await connection
        except sqlite3.Error:
            # Its thread still tells this loop that it ends: with a traceback, if the loop is closed by then.
            await asyncio.to_thread(connection._thread.join)  # noqa: SLF001 - there is no other way to see it
            raise
        try:
            if reads_only:
                await fetch(connection, "PRAGMA query_only = ON")
            else:
                await _enter_wal(connection)
                await fetch(connection, "PRAGMA synchronous = FULL")
        except BaseException:
            await connection.close()
            raise
        return connection


async def _enter_wal(connection: aiosqlite.Connection) -> None:
    """Switch the file to WAL, for good. SQLite does not wait for others that do so now; we do."""
    give_up = time.monotonic() + BUSY_SECONDS
    while True:
        try:
            await fetch(connection, "PRAGMA journal_mode = WAL")
        except sqlite3.OperationalError:
            if time.monotonic() > give_up:
                raise
            await asyncio.sleep(0.02)
        else:
            return


@contextlib.asynccontextmanager
async def transaction(connection: aiosqlite.Connection) -> AsyncIterator[None]:
    """Hold the file's write lock; commit at the end, roll back on any error."""
    await fetch(connection, "BEGIN IMMEDIATE")
    try:
        yield
        await fetch(connection, "COMMIT")
    except BaseException:
        if connection.in_transaction:
            await fetch(connection, "ROLLBACK")
        raise


async def create_schema(connection: aiosqlite.Connection) -> None:
    """Create the tables in a new file; bring an older one up to date, step by step.

    Raises:
        InvalidInputError: A newer Earlybird wrote the file.
    """
    with sqlite_errors():
        async with transaction(connection):
            [(version,)] = await fetch(connection, "PRAGMA user_version")
            if version > SCHEMA_VERSION:
                message = (
                    f"the store's file has schema version {version}, written by a newer Earlybird; "
                    f"this one knows {SCHEMA_VERSION}"
                )
                raise InvalidInputError([Violation(("url",), message)])
            for step in _STEPS[version:]:
                for statement in step.split(";"):
                    await fetch(connection, statement)
            if version < SCHEMA_VERSION:
                await fetch(connection, f"PRAGMA user_version = {SCHEMA_VERSION}")
