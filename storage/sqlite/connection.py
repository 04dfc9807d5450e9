"""Connections to the file: settings, schema, and SQLite's errors as the domain's.

Every connection has WAL, full sync and a busy timeout; statements are those of SQLite 3.40.
"""

import contextlib
import sqlite3
from collections.abc import AsyncIterator, Iterator, Mapping
from pathlib import Path
from typing import Any

import aiosqlite

from domain.errors import UnavailableError

SCHEMA_VERSION = 1
BUSY_SECONDS = 5.0
"""How long a statement waits for another process's write."""

_SCHEMA = """
CREATE TABLE entities (
  kind TEXT NOT NULL, id TEXT NOT NULL, scope TEXT NOT NULL, version INTEGER NOT NULL, document TEXT NOT NULL,
  PRIMARY KEY (kind, id)
) STRICT;
CREATE INDEX entities_by_scope ON entities (kind, scope, id);
CREATE TABLE revisions (scope TEXT NOT NULL PRIMARY KEY, revision INTEGER NOT NULL) STRICT, WITHOUT ROWID;
CREATE TABLE entries (id TEXT NOT NULL PRIMARY KEY, scope TEXT NOT NULL, document TEXT NOT NULL) STRICT;
CREATE INDEX entries_by_scope ON entries (scope, id);
"""


@contextlib.contextmanager
def sqlite_errors() -> Iterator[None]:
    """Turn SQLite's errors into UnavailableError: locked, full, damaged, closed."""
    try:
        yield
    except sqlite3.Error as error:
        message = f"the store (SQLite) cannot do this now: {error}"
        raise UnavailableError(message) from error


async def fetch(
    connection: aiosqlite.Connection, sql: str, parameters: Mapping[str, Any] | None = None
) -> list[tuple[Any, ...]]:
    """Run one statement and return all of its rows."""
    return [tuple(row) for row in await connection.execute_fetchall(sql, parameters or {})]


async def connect(path: Path, *, reads_only: bool = True) -> aiosqlite.Connection:
    """Open a connection in autocommit mode.

    Raises:
        UnavailableError: The file cannot be opened, or is no database.
    """
    with sqlite_errors():
        connection = await aiosqlite.connect(path, timeout=BUSY_SECONDS, isolation_level=None)
        try:
            await fetch(connection, "PRAGMA journal_mode = WAL")
            await fetch(connection, "PRAGMA synchronous = FULL")
            if reads_only:
                await fetch(connection, "PRAGMA query_only = ON")
        except BaseException:
            await connection.close()
            raise
        return connection


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
    """Create the tables in a new file.

    Raises:
        UnavailableError: A newer Earlybird wrote the file.
    """
    with sqlite_errors():
        async with transaction(connection):
            [(version,)] = await fetch(connection, "PRAGMA user_version")
            if version > SCHEMA_VERSION:
                message = (
                    f"the store's file has schema version {version}, written by a newer Earlybird; "
                    f"this one knows {SCHEMA_VERSION}"
                )
                raise UnavailableError(message)
            if version == 0:
                for statement in _SCHEMA.split(";"):
                    await fetch(connection, statement)
                await fetch(connection, f"PRAGMA user_version = {SCHEMA_VERSION}")
