"""Scheduled removals are cleaned up once, whoever looks, and whatever the store does meanwhile."""

import asyncio
from collections.abc import Awaitable, Callable
from typing import cast

import pytest

from domain.access.principals import Principal
from domain.clock import now_ms
from domain.instructions.segments import EditTargets, ScheduleRemoval, TargetAction
from domain.model.changes import AuditEntry, EntryFilter
from domain.model.segments import Segment, TargetList
from domain.ports import Store
from domain.services import removals
from domain.services.editing import EnvironmentEditor
from domain.services.edits import NamedInstruction
from domain.services.evaluation import Caller, Where
from domain.services.import_plan import ImportMode, ImportOutcome
from domain.services.imports import ImportReport, ImportService
from domain.services.removals import RemovalService
from domain.services.segments import SegmentBulkEdit, SegmentEdit, SegmentService, TargetCounts
from domain.services.setup import PRODUCTION
from domain.services.snapshots import SnapshotService
from domain.services.target_limit import TargetLimit
from tests.domain.services.conftest import FickleStore, evaluation_of
from tests.domain.services.waiting import eventually

SOON_MS = 300


async def import_beta(store: Store, snapshots: SnapshotService, owner: Principal) -> ImportReport:
    data = {"segments": {"beta": {"included": ["ada", "bob"]}}}
    return await ImportService(store, EnvironmentEditor(store, snapshots)).import_flag_data(
        owner, PRODUCTION, data, ImportMode.MERGE
    )


@pytest.fixture
async def moment(store: Store, snapshots: SnapshotService, owner: Principal) -> int:
    """A segment with ada, who is to be removed at this moment, soon, and bob, who stays."""
    await import_beta(store, snapshots, owner)
    at_ms = now_ms() + SOON_MS
    schedule = ScheduleRemoval(TargetList.INCLUDED, "user", ["ada"], at_ms)
    edit = SegmentEdit(segment_key="beta", instructions=[NamedInstruction("scheduleRemoval", schedule)])
    await segments_of(store, snapshots).update(owner, PRODUCTION, edit)
    return at_ms


async def after(moment: int) -> None:
    await asyncio.sleep((moment - now_ms() + 1) / 1000)
    assert now_ms() >= moment


def segments_of(store: Store, snapshots: SnapshotService) -> SegmentService:
    return SegmentService(store, EnvironmentEditor(store, snapshots), TargetLimit(10))


def targets(entry: AuditEntry) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """Return who came by a change of one list, and who went."""
    [change] = entry.changes
    [changed] = change.targets
    return changed.added, changed.removed


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


async def test_what_is_told_of_segments_holds_until_anybody_is_removed(
    store: Store, snapshots: SnapshotService, owner: Principal, moment: int
) -> None:
    """A segment that is answered counts its members, of whom the context is none."""
    caller = Caller(owner, 10)
    asked = {"kind": "user", "key": "cy"}
    for end in (moment, None):
        await evaluation_of(store, snapshots).segment_memberships(caller, Where(PRODUCTION), asked)
        assert caller.basis is not None
        assert caller.basis.valid_until_ms == end
        await after(moment)


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


ADD_ADA = EditTargets(TargetAction.ADD, TargetList.INCLUDED, "user", ["ada"])


async def update(store: Store, snapshots: SnapshotService, owner: Principal) -> None:
    edit = SegmentEdit(segment_key="beta", instructions=[NamedInstruction("addTargets", ADD_ADA)])
    await segments_of(store, snapshots).update(owner, PRODUCTION, edit)


async def edit_in_bulk(store: Store, snapshots: SnapshotService, owner: Principal) -> None:
    edit = SegmentBulkEdit(segment_key="beta", targets=ADD_ADA)
    edited = await segments_of(store, snapshots).bulk_edit(owner, PRODUCTION, edit)
    assert edited.counts == TargetCounts(added=1, removed=0, unchanged=0)


async def import_over(store: Store, snapshots: SnapshotService, owner: Principal) -> None:
    [item] = (await import_beta(store, snapshots, owner)).items
    assert item.outcome is ImportOutcome.UPDATED


@pytest.mark.parametrize("edit", [update, edit_in_bulk, import_over])
async def test_an_edit_after_the_moment_has_the_system_remove_first_and_tells_of_itself_only(
    store: Store,
    snapshots: SnapshotService,
    owner: Principal,
    moment: int,
    edit: Callable[[Store, SnapshotService, Principal], Awaitable[None]],
) -> None:
    """Were the removal kept, the next clean-up would take away what the edit was told to bring."""
    await after(moment)
    await edit(store, snapshots, owner)
    await RemovalService(snapshots, EnvironmentEditor(store, snapshots)).clean_up()
    beta = await store.get(Segment, f"{PRODUCTION}/beta")
    assert (sorted(beta.included), beta.removals) == (["ada", "bob"], ())
    newest, removal, *_ = await store.list_entries(None, first=3)
    assert (removal.actor, removal.action) == ("system", "removeExpiredTargets")
    assert [targets(entry) for entry in (removal, newest)] == [((), ("ada",)), (("ada",), ())]
    assert newest.actor == owner.actor
    assert newest.changes[0].fields == ()


async def test_a_deletion_after_the_moment_removes_those_who_were_left(
    store: Store, snapshots: SnapshotService, owner: Principal, moment: int
) -> None:
    await after(moment)
    await segments_of(store, snapshots).delete(owner, PRODUCTION, "beta")
    newest, removal, *_ = await store.list_entries(None, first=3)
    assert [targets(entry) for entry in (removal, newest)] == [((), ("ada",)), ((), ("bob",))]


async def test_an_edit_before_the_moment_leaves_the_removal_to_come(
    store: Store, snapshots: SnapshotService, owner: Principal, moment: int
) -> None:
    edit = SegmentEdit(segment_key="beta", instructions=[NamedInstruction("addTargets", ADD_ADA)])
    await segments_of(store, snapshots).update(owner, PRODUCTION, edit)
    assert now_ms() < moment
    assert (await store.get(Segment, f"{PRODUCTION}/beta")).version == 2
    assert await entries(store) == []
