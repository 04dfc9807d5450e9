"""Members of large lists: one row per key and the generations it is in, from `since` to before `until`."""

import aiosqlite
import orjson

from storage.sqlite.connection import fetch, transaction

_CHUNK = 20_000
_ADD = "INSERT INTO members (list, key, since) VALUES (?, ?, ?) ON CONFLICT DO NOTHING"
_REMOVE = "UPDATE members SET until = ? WHERE list = ? AND key = ? AND until IS NULL"
_DISCARD = """
DELETE FROM members WHERE (list, key, since) IN (
  SELECT list, key, since FROM members WHERE list = :list AND since > :generation LIMIT :chunk)
"""
_REJOIN = """
UPDATE members SET until = NULL WHERE (list, key, since) IN (
  SELECT list, key, since FROM members WHERE list = :list AND until > :generation LIMIT :chunk)
"""
_PURGE = """
DELETE FROM members WHERE (list, key, since) IN (
  SELECT list, key, since FROM members WHERE list = :list AND until <= :generation LIMIT :chunk)
"""
LIST = """
SELECT key FROM members
WHERE list = :list AND key > :after AND since <= :generation AND (until IS NULL OR until > :generation)
ORDER BY key LIMIT :first
"""
LIST_IDS = """
WITH RECURSIVE of_members (found) AS (
  SELECT min(list) FROM members
  UNION ALL SELECT (SELECT min(list) FROM members WHERE list > found) FROM of_members WHERE found IS NOT NULL
), of_changes (found) AS (
  SELECT min(scope) FROM entities WHERE kind = 'listchange'
  UNION ALL SELECT (SELECT min(scope) FROM entities WHERE kind = 'listchange' AND scope > found)
  FROM of_changes WHERE found IS NOT NULL
)
SELECT found FROM of_members WHERE found IS NOT NULL UNION SELECT found FROM of_changes WHERE found IS NOT NULL
"""
OPEN_CHANGES = """
SELECT document FROM entities INDEXED BY open_list_changes
WHERE kind = 'listchange' AND document ->> 'finished_ms' IS NULL
"""
AMONG = """
SELECT list, members.key FROM json_each(:generations) AS wanted
CROSS JOIN json_each(:keys) AS asked
CROSS JOIN members ON list = wanted.key AND members.key = asked.value
WHERE since <= wanted.value AND (until IS NULL OR until > wanted.value)
"""


async def add(writer: aiosqlite.Connection, list_id: str, generation: int, keys: list[str]) -> None:
    """See Store.add_members."""
    async with transaction(writer):
        await writer.executemany(_ADD, [(list_id, key, generation) for key in keys])


async def remove(writer: aiosqlite.Connection, list_id: str, generation: int, keys: list[str]) -> None:
    """See Store.remove_members."""
    async with transaction(writer):
        await writer.executemany(_REMOVE, [(generation, list_id, key) for key in keys])


async def discard_some(writer: aiosqlite.Connection, list_id: str, generation: int) -> bool:
    """Do a part of Store.discard_members that holds nobody up for long; tell whether there is more."""
    wanted = {"list": list_id, "generation": generation, "chunk": _CHUNK}
    async with transaction(writer):
        await fetch(writer, _DISCARD, wanted)
        [(changed,)] = await fetch(writer, "SELECT changes()")
        if not changed:
            await fetch(writer, _REJOIN, wanted)
            [(changed,)] = await fetch(writer, "SELECT changes()")
    return bool(changed)


async def purge_some(writer: aiosqlite.Connection, list_id: str, generation: int) -> bool:
    """Do a part of Store.purge_members; tell whether there is more."""
    async with transaction(writer):
        await fetch(writer, _PURGE, {"list": list_id, "generation": generation, "chunk": _CHUNK})
        [(deleted,)] = await fetch(writer, "SELECT changes()")
    return bool(deleted)


def as_json(value: object) -> str:
    """Hand a list or an object over to SQLite's `json_each`."""
    return orjson.dumps(value).decode()
