"""Scheduled removals are cleaned up once, whoever looks, and whatever the store does meanwhile."""

import asyncio
from typing import cast

import pytest

from domain.access.principals import Principal
from domain.clock import now_ms
from domain.instructions.segments import ScheduleRemoval
from domain.model.changes import AuditEntry, EntryFilter
from domain.model.segments import Segment, TargetList
from domain.ports import Store
from domain.services import removals
from domain.services.editing import EnvironmentEditor, NamedInstruction
from domain.services.import_plan import ImportMode, ImportOutcome
from domain.services.imports import ImportReport, ImportService
from domain.services.removals import RemovalService
from domain.services.segments import SegmentEdit, SegmentService
from domain.services.setup import PRODUCTION
from domain.services.snapshots import SnapshotService
from domain.services.target_limit import TargetLimit
from tests.domain.services.conftest import FickleStore
from tests.domain.services.test_snapshots import eventually

SOON_MS = 300


async def import_beta(store: Store, snapshots: SnapshotService, owner: Principal) -> ImportReport:
    data = {"segments": {"beta": {"included": ["ada", "bob"]}}}
    return await ImportService(store, snapshots).import_flag_data(owner, PRODUCTION, data, ImportMode.MERGE)


@pytest.fixture
async def moment(store: Store, snapshots: SnapshotService, owner: Principal) -> int:
    """A segment with ada, who is to be removed at this moment, soon, and bob, who stays."""
    await import_beta(store, snapshots, owner)
    at_ms = now_ms() + SOON_MS
    schedule = ScheduleRemoval(TargetList.INCLUDED, "user", ["ada"], at_ms)
    edit = SegmentEdit(segment_key="beta", instructions=[NamedInstruction("scheduleRemoval", schedule)])
    service = SegmentService(store, EnvironmentEditor(store, snapshots), TargetLimit(10))
    await service.update(owner, PRODUCTION, edit)
    return at_ms


async def after(moment: int) -> None:
    await asyncio.sleep((moment - now_ms() + 1) / 1000)
    assert now_ms() >= moment


async def entries(store: Store) -> list[AuditEntry]:
    return await store.list_entries(None, first=10, wanted=EntryFilter(action="removeExpiredTargets"))


async def test_those_who_clean_up_at_the_same_time_write_once(
    store: Store, snapshots: SnapshotService, moment: int
) -> None:
    others = [SnapshotService(store) for _ in range(3)]
    for other in others:
        await other.get(PRODUCTION)  # the clean-up of any of them is decided on what was there before
    services = [RemovalService(each, EnvironmentEditor(store, each)) for each in (snapshots, *others)]
    await asyncio.gather(*(service.clean_up() for service in services))
    assert await entries(store) == []
    await after(moment)
    await asyncio.gather(*(service.clean_up() for service in services))
    assert [entry.actor for entry in await entries(store)] == ["system"]
    beta = await store.get(Segment, f"{PRODUCTION}/beta")
    assert (beta.included, beta.removals, beta.version) == (("bob",), (), 3)


async def test_clean_up_outlasts_the_store(
    fickle: FickleStore,
    snapshots: SnapshotService,
    moment: int,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    monkeypatch.setattr(removals, "_LOOK_SECONDS", 0.01)

    async def complained_again() -> bool:
        return caplog.text.count("not cleaned up yet") > 1

    async def count() -> int:
        return len(await entries(fickle.store))

    fickle.is_away = True
    editor = EnvironmentEditor(cast("Store", fickle), snapshots)
    running = asyncio.create_task(RemovalService(snapshots, editor).run())
    await after(moment)
    await eventually(complained_again, expected=True)
    fickle.fault = ValueError("odd")
    fickle.is_away = False
    await eventually(count, 1)
    await asyncio.sleep(0.1)  # it looks again, and finds nothing to do
    assert await count() == 1
    running.cancel()
    await asyncio.wait([running])
    assert running.cancelled()


async def test_an_import_adds_a_target_anew_whose_removal_has_come(
    store: Store, snapshots: SnapshotService, owner: Principal, moment: int
) -> None:
    """Were its removal kept, the next clean-up would take away what the import was told to bring."""
    await after(moment)
    [item] = (await import_beta(store, snapshots, owner)).items
    assert item.outcome is ImportOutcome.UPDATED
    await RemovalService(snapshots, EnvironmentEditor(store, snapshots)).clean_up()
    beta = await store.get(Segment, f"{PRODUCTION}/beta")
    assert (beta.included, beta.removals) == (("ada", "bob"), ())
    assert await entries(store) == []
