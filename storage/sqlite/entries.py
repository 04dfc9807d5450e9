"""The audit log in the file: entries, and an index of what each touched."""

import asyncio
from collections.abc import Collection, Sequence
from typing import Any

import aiosqlite

from domain.commits import Commit
from domain.model.changes import EntryFilter, first_entry_id
from storage.codec import encode_text
from storage.commits import entry_of
from storage.sqlite.connection import fetch

_ENTRIES = "SELECT id FROM entries WHERE {conditions}"
# CROSS JOIN keeps SQLite from looking through the entries for those that touched the subject.
_ENTRIES_ON = (
    "SELECT id FROM entry_subjects CROSS JOIN entries ON id = entry WHERE subject = :{name} AND {conditions}"
)
_INSERT = """
INSERT INTO entries (id, scope, document, actor, action) VALUES (:id, :scope, :document, :actor, :action)
"""
_PAGE = """
SELECT document FROM ({ids} ORDER BY id DESC LIMIT :first) JOIN entries USING (id) ORDER BY id DESC
"""
_LATEST = "SELECT {number} AS number, id FROM ({ids} ORDER BY id DESC LIMIT :first)"
DOCUMENTS = "SELECT id, document FROM entries WHERE id IN (SELECT value FROM json_each(:ids))"
_SIDE_BY_SIDE = 250


def entries_query(
    scope: str | None, wanted: EntryFilter, *, first: int, before: str
) -> tuple[str, dict[str, Any]]:
    """Return the statement for a page of entries, with its parameters. Each condition is met by an index."""
    parameters: dict[str, Any] = {"first": first}
    conditions = ["1"]
    for condition, name, value in (
        ("id < :before", "before", before or None),
        ("id >= :since", "since", None if wanted.since_ms is None else first_entry_id(wanted.since_ms)),
        ("id < :until", "until", None if wanted.until_ms is None else first_entry_id(wanted.until_ms)),
        ("scope = :scope", "scope", scope),
        ("actor = :actor", "actor", wanted.actor),
        ("action = :action", "action", wanted.action),
    ):
        if value is not None:
            conditions.append(condition)
            parameters[name] = value
    joined = " AND ".join(conditions)
    if wanted.subjects is None:
        return _PAGE.format(ids=_ENTRIES.format(conditions=joined)), parameters
    subjects = {f"subject{n}": subject for n, subject in enumerate(sorted(set(wanted.subjects)))}
    since = {
        f"since_{name}": first_entry_id(wanted.subjects_since_ms[subject])
        for name, subject in subjects.items()
        if subject in wanted.subjects_since_ms
    }
    on_one = [
        _ENTRIES_ON.format(name=name, conditions=joined + f" AND id >= :since_{name}" * (f"since_{name}" in since))
        for name in subjects
    ]
    return _PAGE.format(ids=_union(on_one)), {**parameters, **subjects, **since}


def latest_query(subjects: Sequence[Collection[str]], *, first: int, before: str) -> tuple[str, dict[str, Any]]:
    """Return the statement for the newest entries on each set of subjects, as pairs of its place and an id."""
    names = {
        subject: f"subject{n}" for n, subject in enumerate(sorted({one for some in subjects for one in some}))
    }
    condition = "id < :before" if before else "1"
    parts = [
        _LATEST.format(
            number=number,
            ids=_union([_ENTRIES_ON.format(name=names[one], conditions=condition) for one in sorted(set(some))]),
        )
        for number, some in enumerate(subjects)
    ]
    statement = f"{' UNION ALL '.join(parts)} ORDER BY number, id DESC"
    return statement, {"first": first, "before": before, **{name: one for one, name in names.items()}}


def _union(statements: list[str]) -> str:
    """Join statements, however many: SQLite takes a few hundred side by side."""
    if not statements:
        return _ENTRIES.format(conditions="0")
    groups = [statements[start : start + _SIDE_BY_SIDE] for start in range(0, len(statements), _SIDE_BY_SIDE)]
    if len(groups) == 1:
        return " UNION ".join(statements)
    return " UNION ".join(f"SELECT id FROM ({' UNION '.join(group)})" for group in groups)  # noqa: S608 - statements of ours


async def write_entry(writer: aiosqlite.Connection, commit: Commit, revisions: dict[str, int]) -> None:
    """Write a commit's entry, if it has one, within its transaction."""
    entry = entry_of(commit, revisions)
    if entry is None:
        return
    # An import of thousands of flags touches as many; in a thread, evaluations go on meanwhile.
    document, subjects = await asyncio.to_thread(lambda: (encode_text(entry), sorted(commit.subjects)))
    await fetch(
        writer,
        _INSERT,
        {
            "id": entry.id,
            "scope": entry.scope,
            "document": document,
            "actor": entry.actor,
            "action": entry.action,
        },
    )
    touched = [(subject, entry.id) for subject in subjects]
    await writer.executemany("INSERT INTO entry_subjects (subject, entry) VALUES (?, ?)", touched)
