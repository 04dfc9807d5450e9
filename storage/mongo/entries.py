"""The audit log's documents: beside the entry what it is found by."""

from collections.abc import Collection, Sequence
from typing import Any

from domain.commits import Commit
from domain.model.changes import AuditEntry, EntryFilter, first_entry_id
from storage.codec import Document, decode
from storage.mongo.client import Database

ENTRIES = "entries"
INDEXES = (
    [("subjects", 1), ("_id", 1)],
    [("actor", 1), ("_id", 1)],
    [("action", 1), ("_id", 1)],
)


def found_by(entry: AuditEntry, commit: Commit) -> Document:
    """Return the fields that an entry is found by."""
    return {"actor": entry.actor, "action": entry.action, "subjects": sorted(commit.subjects)}


def entries_query(scope: str | None, wanted: EntryFilter, *, before: str) -> dict[str, Any]:
    """Return the query for entries."""
    query: dict[str, Any] = {
        name: value
        for name, value in (("scope", scope), ("actor", wanted.actor), ("action", wanted.action))
        if value is not None
    }
    if wanted.subjects is not None:
        query["subjects"] = {"$in": sorted(set(wanted.subjects))}
    ends = [before] if before else []
    if wanted.until_ms is not None:
        ends.append(first_entry_id(wanted.until_ms))
    ids = {"$lt": min(ends)} if ends else {}
    if wanted.since_ms is not None:
        ids["$gte"] = first_entry_id(wanted.since_ms)
    if wanted.subjects and wanted.subjects_since_ms:
        subjects = query.pop("subjects")["$in"]
        # Each has all conditions on the id, so that the index answers in the order of ids.
        query["$or"] = [
            {"subjects": subject, "_id": {**ids, "$gte": max(_since(subject, wanted), ids.get("$gte", ""))}}
            for subject in subjects
        ]
        return query
    return {**query, "_id": ids} if ids else query


def _since(subject: str, wanted: EntryFilter) -> str:
    return first_entry_id(wanted.subjects_since_ms.get(subject, 0))


def latest_pipeline(subjects: Sequence[Collection[str]], *, first: int, before: str) -> list[dict[str, Any]]:
    """Return the pipeline for the newest entries on each set of subjects: its place, and an entry's id."""
    parts: list[list[dict[str, Any]]] = [
        [
            {"$match": entries_query(None, EntryFilter(subjects=some), before=before)},
            {"$sort": {"_id": -1}},
            {"$limit": first},
            {"$project": {"number": {"$literal": number}}},
        ]
        for number, some in enumerate(subjects)
    ]
    beside = [{"$unionWith": {"coll": ENTRIES, "pipeline": part}} for part in parts[1:]]
    return [*parts[0], *beside]


async def index_older_entries(database: Database) -> None:
    """Give entries of schema version 1 what they are found by; of what they touched, what their scope says."""
    entries = database[ENTRIES]
    async for row in entries.find({"subjects": {"$exists": False}}):
        entry = decode(AuditEntry, row["document"])
        places = [f"environment/{entry.scope}"] if "/" in entry.scope else []
        places += [f"project/{entry.scope.partition('/')[0]}"] if entry.scope else []
        known = {"actor": entry.actor, "action": entry.action, "subjects": places}
        await entries.update_one({"_id": row["_id"]}, {"$set": known})
