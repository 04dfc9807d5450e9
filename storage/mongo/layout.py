"""Where things are: one collection per class of entities, `revisions`, `entries`, and a commit's writes to them.

Each document is {_id, scope, version, document}; a revision is {_id: scope, version}. Every write names the
version that it replaces, so that repeating it changes nothing.
"""

import asyncio
import contextlib
from collections import defaultdict
from collections.abc import Mapping
from typing import Any, TypeAlias

import bson
from pymongo import DeleteOne, ReplaceOne
from pymongo.errors import BulkWriteError, CollectionInvalid, DuplicateKeyError, OperationFailure

from domain.commits import Commit, Entity, kind_of
from domain.errors import InvalidInputError, Violation
from domain.model.changes import AuditEntry
from domain.model.lists import ListChange
from storage.codec import KINDS, Document, encode
from storage.commits import Row, check_versions, entry_of, grown, rows_of
from storage.mongo.client import Database, Session, is_duplicate
from storage.mongo.entries import ENTRIES, INDEXES, found_by, index_older_entries

REVISIONS = "revisions"
SCHEMA_VERSION = 2
_SCHEMA = "schema"
_NAMESPACE_EXISTS = 48
_LARGEST_DOCUMENT = 16 * 1024 * 1024 - 16 * 1024
"""The server's limit, less what a staged write (standalone.py) wraps around it."""

Operation: TypeAlias = ReplaceOne[dict[str, Any]] | DeleteOne
StoredWrite: TypeAlias = dict[str, Any]
"""{collection, id, expected, document}: expected is the version it replaces or None, document None removes."""


async def create_collections(database: Database) -> None:
    """Create collections and indexes that are not there.

    Raises:
        InvalidInputError: A newer Earlybird wrote the database.
    """
    await _check_schema(database)
    for name in (*KINDS, ENTRIES):
        await database[name].create_index([("scope", 1), ("_id", 1)])
    await database[kind_of(ListChange)].create_index([("document.finished_ms", 1)])
    for index in INDEXES:
        await database[ENTRIES].create_index(index)
    try:
        await database.create_collection(REVISIONS)
    except CollectionInvalid:
        pass
    except OperationFailure as error:
        if error.code != _NAMESPACE_EXISTS:
            raise


async def _check_schema(database: Database) -> None:
    with contextlib.suppress(DuplicateKeyError):  # two processes may start at once
        await database[_SCHEMA].update_one(
            {"_id": _SCHEMA}, {"$setOnInsert": {"version": SCHEMA_VERSION}}, upsert=True
        )
    schema = await database[_SCHEMA].find_one({"_id": _SCHEMA})
    version = schema["version"] if schema else SCHEMA_VERSION
    if version > SCHEMA_VERSION:
        message = (
            f"the database has schema version {version}, written by a newer Earlybird; "
            f"this one knows {SCHEMA_VERSION}"
        )
        raise InvalidInputError([Violation(("url",), message)])
    if version < SCHEMA_VERSION:
        await index_older_entries(database)
        await database[_SCHEMA].update_one({"_id": _SCHEMA}, {"$max": {"version": SCHEMA_VERSION}})


def stored(value: Entity | AuditEntry, **beside: Any) -> Document:  # noqa: ANN401 - of JSON types
    """Return what is stored for an entity or an audit entry, with what else it is to be found by.

    Raises:
        InvalidInputError: It is larger than the server's documents can be.
    """
    document = {"_id": value.id, "scope": value.scope, "version": value.version, "document": encode(value)}
    document |= beside
    if len(bson.encode(document)) > _LARGEST_DOCUMENT:
        message = f"{kind_of(type(value))} {value.id} is larger than a MongoDB document can be (16 MB)"
        raise InvalidInputError([Violation((), message)])
    return document


async def read_revisions(
    database: Database, session: Session | None, scopes: frozenset[str] | None = None
) -> dict[str, int]:
    """Read revisions by scope: of some scopes, or of all."""
    wanted = {} if scopes is None else {"_id": {"$in": sorted(scopes)}}
    found = await database[REVISIONS].find(wanted, session=session).to_list(None)
    return {document["_id"]: document["version"] for document in found}


async def plan(
    database: Database, commit: Commit, session: Session | None = None
) -> tuple[dict[str, int], list[StoredWrite]]:
    """Check a commit against what is stored; return its new revisions and everything that it writes.

    Raises:
        AlreadyExistsError: Something to be created is there.
        VersionConflictError: Something is not at the version expected.
    """
    rows = rows_of(commit)
    ids: dict[str, list[str]] = defaultdict(list)
    for row in rows:
        ids[row.kind].append(row.id)
    versions: dict[tuple[str, str], int] = {}
    for kind, wanted in ids.items():
        cursor = database[kind].find({"_id": {"$in": wanted}}, {"version": 1}, session=session)
        for found in await cursor.to_list(None):
            versions[kind, found["_id"]] = found["version"]
    before = await read_revisions(database, session, commit.revise) if commit.revise else {}
    revisions = grown(commit, before)
    check_versions(rows, versions)
    writes = await asyncio.to_thread(_writes, rows)  # there may be thousands; evaluations go on meanwhile
    writes += [
        _write(REVISIONS, scope, before.get(scope), {"_id": scope, "version": revision})
        for scope, revision in revisions.items()
    ]
    if (entry := entry_of(commit, revisions)) is not None:
        document = await asyncio.to_thread(lambda: stored(entry, **found_by(entry, commit)))
        writes.append(_write(ENTRIES, entry.id, None, document))
    return revisions, writes


async def apply(
    database: Database, collection: str, writes: list[StoredWrite], session: Session | None = None
) -> None:
    """Make a commit's writes to one collection; outside of a transaction, what is done already stays as it is."""
    operations = [_operation(write) for write in writes]
    try:
        await database[collection].bulk_write(operations, ordered=session is not None, session=session)
    except BulkWriteError as error:
        if session is not None or not is_duplicate(error):
            raise


def by_collection(writes: list[StoredWrite]) -> Mapping[str, list[StoredWrite]]:
    """Group writes by their collection, in the order of the first of each."""
    groups: dict[str, list[StoredWrite]] = defaultdict(list)
    for write in writes:
        groups[write["collection"]].append(write)
    return groups


def _writes(rows: list[Row]) -> list[StoredWrite]:
    return [_write(row.kind, row.id, row.expected, stored(row.entity) if row.entity else None) for row in rows]


def _write(collection: str, id_: str, expected: int | None, document: Document | None) -> StoredWrite:
    return {"collection": collection, "id": id_, "expected": expected, "document": document}


def _operation(write: StoredWrite) -> Operation:
    document: Document | None = write["document"]
    if document is None:
        return DeleteOne({"_id": write["id"], "version": write["expected"]})
    if write["expected"] is None:
        return ReplaceOne({"_id": write["id"], "version": document["version"]}, document, upsert=True)
    return ReplaceOne({"_id": write["id"], "version": write["expected"]}, document)
