"""Files of imports that are still to come in when their import begins to run."""

import asyncio
from collections.abc import Awaitable, Callable
from typing import TypeAlias

from domain.errors import ImportOverError, Violation
from domain.model.lists import ListChange, ListChangeState
from domain.services.running_changes import RunningChange

Receive: TypeAlias = Callable[[], Awaitable[None]]
"""Fills a file with what comes in."""

_LOOK_SECONDS = 1.0


async def let_come(running: RunningChange, receive: Receive) -> None:
    """Receive a file, and tell meanwhile that the change is alive; stop if it is not any more.

    Raises:
        VersionConflictError: It was cancelled.
        DomainError: As `receive` says.
    """
    receiving = asyncio.ensure_future(receive())
    try:
        while not receiving.done():
            await asyncio.wait({receiving}, timeout=_LOOK_SECONDS)
            await running.alive()
        await receiving
    finally:
        receiving.cancel()
        await asyncio.wait({receiving})


def takes_no_file(change: ListChange) -> ImportOverError:
    """Return why an import refuses its file."""
    why = {
        ListChangeState.WAITING: "has waited for its file for too long",
        ListChangeState.RUNNING: "has its file already",
        ListChangeState.COMPLETED: "is complete",
        ListChangeState.FAILED: f"has failed: {change.error}",
    }.get(change.state, "was cancelled")
    return ImportOverError([Violation(("id",), why)], message=f"the import {why}")
