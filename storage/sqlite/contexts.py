"""Contexts that were met: one row each, with what they are found by."""

import asyncio
from collections.abc import Collection
from typing import Any

import aiosqlite

from domain.keys import EnvironmentRef
from domain.model.seen_contexts import ContextFilter, SeenContext
from storage.codec import encode_text
from storage.sqlite.connection import fetch, transaction
from storage.sqlite.members import as_json

_CHUNK = 5_000
_REMEMBER = """
INSERT INTO contexts (environment, kind, key, email, search, last_seen, document) VALUES (?, ?, ?, ?, ?, ?, ?)
ON CONFLICT (environment, kind, key) DO UPDATE SET
  email = excluded.email, search = excluded.search, last_seen = excluded.last_seen, document = excluded.document
"""
_LIST = """
SELECT document FROM contexts WHERE environment = :environment AND (kind, key) > (:kind, :key)
AND (:kinds IS NULL OR kind IN (SELECT value FROM json_each(:kinds))) AND instr(search, :query)
ORDER BY kind, key LIMIT :first
"""
# Left alone, SQLite would look through all contexts of the kind for each email.
AMONG = """
SELECT document FROM json_each(:keys) AS asked
CROSS JOIN contexts ON environment = :environment AND kind = :kind AND contexts.key = asked.value
UNION SELECT document FROM json_each(:emails) AS asked
CROSS JOIN contexts ON environment = :environment AND kind = :kind AND contexts.key IN (
  SELECT key FROM contexts INDEXED BY contexts_by_email
  WHERE environment = :environment AND kind = :kind AND email = asked.value ORDER BY key LIMIT :per_email)
"""
COUNT = """
SELECT asked.value, (
  SELECT count(*) FROM contexts INDEXED BY contexts_by_email
  WHERE environment = :environment AND kind = :kind AND email = asked.value)
FROM json_each(:emails) AS asked
"""
_FORGET = """
DELETE FROM contexts WHERE (environment, kind, key) IN (
  SELECT environment, kind, key FROM contexts
  WHERE {condition} LIMIT :chunk)
"""


async def remember(writer: aiosqlite.Connection, contexts: Collection[SeenContext]) -> None:
    """See Store.remember_contexts."""
    rows = await asyncio.to_thread(_rows, contexts)
    async with transaction(writer):
        await writer.executemany(_REMEMBER, rows)


def list_query(
    environment: EnvironmentRef, wanted: ContextFilter, *, first: int, after: str
) -> tuple[str, dict[str, Any]]:
    """Return the statement for a page of contexts, with its parameters."""
    kind, _, key = after.partition("\n")
    return _LIST, {
        "environment": str(environment),
        "kind": kind,
        "key": key,
        "kinds": None if wanted.kinds is None else as_json(list(wanted.kinds)),
        "query": wanted.folded_query,
        "first": first,
    }


async def forget_some(
    writer: aiosqlite.Connection, environment: EnvironmentRef | None, before_ms: int | None
) -> bool:
    """Do a part of Store.forget_contexts that holds nobody up for long; tell whether there is more."""
    conditions = {"environment = :environment": environment, "last_seen < :before": before_ms}
    condition = " AND ".join(text for text, value in conditions.items() if value is not None) or "1"
    wanted = {"environment": str(environment), "before": before_ms, "chunk": _CHUNK}
    async with transaction(writer):
        await fetch(writer, _FORGET.format(condition=condition), wanted)
        [(deleted,)] = await fetch(writer, "SELECT changes()")
    return bool(deleted)


def _rows(contexts: Collection[SeenContext]) -> list[tuple[Any, ...]]:
    return [
        (
            str(context.environment),
            context.kind,
            context.key,
            context.folded_email,
            context.search_text,
            context.last_seen_ms,
            encode_text(context),
        )
        for context in contexts
    ]
