"""What both adapters make of a commit: rows with the versions they rest on, checked the same way.

Whatever is stored passes `check_versions` while the adapter keeps every other writer out of what it read.
"""

import asyncio
from collections.abc import Callable, Coroutine, Iterable, Mapping
from dataclasses import dataclass, replace
from typing import Any, TypeVar

from domain.commits import Commit, Save, kind_of
from domain.errors import (
    AlreadyExistsError,
    RevisionConflictError,
    UnavailableError,
    VersionConflictError,
)
from domain.model.changes import AuditEntry

T = TypeVar("T")
QUEUE_SECONDS = 10.0
"""How long a commit waits for those of its own process before it."""


@dataclass(frozen=True, slots=True)
class Row:
    """One entity's place in a store and what a commit makes of it.

    Attributes:
        expected: The version that must be stored now; None if nothing may be.
        entity: What to store; None to remove.
    """

    kind: str
    id: str
    expected: int | None
    entity: Any | None


def rows_of(commit: Commit) -> list[Row]:
    """Return a commit's rows, one per write."""
    return [
        Row(kind_of(type(write.entity)), write.entity.id, write.expected_version, write.entity)
        if isinstance(write, Save)
        else Row(kind_of(type(write.entity)), write.entity.id, write.entity.version, None)
        for write in commit.writes
    ]


def check_versions(rows: Iterable[Row], stored: Mapping[tuple[str, str], int]) -> None:
    """Compare what a commit expects with the versions stored now, by kind and id.

    Raises:
        AlreadyExistsError: Something to be created is there.
        VersionConflictError: Something is not at the version expected (or gone).
    """
    for row in rows:
        actual = stored.get((row.kind, row.id))
        if actual == row.expected:
            continue
        if row.expected is None:
            raise AlreadyExistsError(row.kind, row.id)
        raise VersionConflictError(row.kind, row.id, expected=row.expected, actual=actual)


def grown(commit: Commit, revisions: Mapping[str, int]) -> dict[str, int]:
    """Return the revisions that a commit produces, by scope, from those that are stored now.

    Raises:
        RevisionConflictError: One that the commit is based on has grown.
    """
    for scope, expected in commit.based_on.items():
        if (actual := revisions.get(scope, 0)) != expected:
            raise RevisionConflictError(scope, expected=expected, actual=actual)
    return {scope: revisions.get(scope, 0) + 1 for scope in sorted(commit.revise)}


def entry_of(commit: Commit, revisions: Mapping[str, int]) -> AuditEntry | None:
    """Return the audit entry as it is stored, if there is one."""
    return commit.entry and replace(commit.entry, revisions=revisions)


class CommitQueue:
    """Runs one commit at a time, each to its end even when its caller is cancelled."""

    def __init__(self) -> None:
        self._lock = asyncio.Lock()
        self._running: set[asyncio.Task[Any]] = set()

    async def run(self, work: Callable[[], Coroutine[Any, Any, T]]) -> T:
        """Run `work` in its turn.

        Raises:
            UnavailableError: The turn did not come within QUEUE_SECONDS.
        """
        task = asyncio.create_task(self._in_turn(work))
        self._running.add(task)
        task.add_done_callback(self._running.discard)
        return await asyncio.shield(task)

    async def drain(self) -> None:
        """Wait for what is running."""
        await asyncio.gather(*self._running, return_exceptions=True)

    async def _in_turn(self, work: Callable[[], Coroutine[Any, Any, T]]) -> T:
        try:
            async with asyncio.timeout(QUEUE_SECONDS):
                await self._lock.acquire()
        except TimeoutError:
            message = f"the store did not get to this commit within {QUEUE_SECONDS:g} s; nothing was changed"
            raise UnavailableError(message) from None
        try:
            return await work()
        finally:
            self._lock.release()
