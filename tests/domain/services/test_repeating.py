"""What goes on beside requests outlasts whatever fails."""

import asyncio
import logging
from typing import Any

import pytest

from domain.errors import UnavailableError
from domain.services import syncs
from domain.services.editing import EnvironmentEditor
from domain.services.list_changes import ListChanges
from domain.services.repeating import repeat
from domain.services.snapshots import SnapshotService
from domain.services.syncs import SyncService
from tests.domain.services.conftest import FickleStore
from tests.domain.services.waiting import eventually


async def test_what_fails_is_told_and_tried_again_and_a_store_that_is_away_is_told_elsewhere(
    caplog: pytest.LogCaptureFixture,
) -> None:
    faults = [ValueError("odd"), UnavailableError("away")]
    done = asyncio.Event()

    async def work() -> None:
        if faults:
            raise faults.pop()
        done.set()

    repeating = asyncio.create_task(repeat(work, 0, "working failed"))
    async with asyncio.timeout(5):
        await done.wait()
    repeating.cancel()
    assert [(record.levelno, record.message) for record in caplog.records] == [
        (logging.ERROR, "working failed, trying again")
    ]


async def test_a_fault_does_not_end_syncs(
    fickle: FickleStore, snapshots: SnapshotService, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(syncs, "_LOOK_SECONDS", 0.01)
    store: Any = fickle
    changes = ListChanges(store, snapshots, EnvironmentEditor(store, snapshots))
    running = asyncio.create_task(SyncService(store, snapshots, changes).run())
    fickle.fault = ValueError("what is stored cannot be read")

    async def was_met() -> bool:
        return fickle.fault is None

    await eventually(was_met, expected=True)
    await asyncio.wait([running], timeout=0.1)
    assert not running.done()
    running.cancel()
