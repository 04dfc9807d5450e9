"""Changes of large lists whose process is slow, dead, or told twice to stop."""

import asyncio
import gc
from dataclasses import dataclass, replace
from types import SimpleNamespace
from typing import Any, cast

import pytest

from domain.access.principals import ANONYMOUS, Principal
from domain.clock import now_ms
from domain.commits import Commit, Delete, Save
from domain.errors import NotFoundError, UnauthenticatedError
from domain.model.lists import ListChange, ListChangeState, ListMode
from domain.model.segments import Segment
from domain.ports import Store
from domain.services import list_changes as changes_module
from domain.services import running_changes as running_module
from domain.services.cohorts import CohortMembers, CohortMessage
from domain.services.editing import EnvironmentEditor
from domain.services.edits import Decision, Edit, Snapshots
from domain.services.list_changes import ListChanges
from domain.services.lists import ListService
from domain.services.running_changes import RunningChange
from domain.services.segments import NewSegment, SegmentService
from domain.services.setup import PRODUCTION
from domain.services.snapshots import SnapshotService
from domain.services.syncs import SyncService
from domain.services.target_limit import TargetLimit
from storage.key_spool import TemporaryKeySpool
from tests.domain.services.conftest import FickleStore

BETA = f"{PRODUCTION}/amplitude-beta"
MANY_BEATS = 10
"""More than a small change has other occasions for."""


@dataclass
class Services:
    lists: ListService
    syncs: SyncService


@pytest.fixture
def services(fickle: FickleStore, snapshots: SnapshotService) -> Services:
    store = cast("Store", fickle)
    editor = EnvironmentEditor(store, snapshots)
    changes = ListChanges(store, snapshots, editor)
    lists = ListService(store, snapshots, changes, TemporaryKeySpool, max_removal_percent=50)
    return Services(lists, SyncService(store, snapshots, changes))


def joins(*keys: str) -> CohortMessage:
    members = [CohortMembers(user_keys=[k], cohort_id="beta", cohort_name="Beta", is_member=True) for k in keys]
    return CohortMessage(integration="amplitude", members=members)


async def test_cohorts_that_want_the_same_key_at_the_same_time_all_have_their_segment(
    services: Services, store: Store, owner: Principal
) -> None:
    messages = [
        CohortMessage(
            integration="amplitude",
            members=[CohortMembers(user_keys=["ann"], cohort_id=cohort_id, cohort_name="", is_member=True)],
        )
        for cohort_id in ("a b", "a-b", "a/b")
    ]
    await asyncio.gather(*[services.syncs.take_in(owner, PRODUCTION, message) for message in messages])
    segments = await store.list_all(Segment, str(PRODUCTION))
    assert {s.sync_source.cohort_id for s in segments if s.sync_source} == {"a b", "a-b", "a/b"}
    assert [segment.list_size for segment in segments] == [1, 1, 1]


async def test_a_cohort_whose_key_another_segment_takes_in_the_midst_of_a_sync_gets_another_one(
    services: Services, store: Store, snapshots: SnapshotService, owner: Principal, monkeypatch: pytest.MonkeyPatch
) -> None:
    segments = SegmentService(store, EnvironmentEditor(store, snapshots), TargetLimit(10))
    begin = ListChanges.begin
    keys = []

    async def begin_late(changes: ListChanges, *arguments: Any) -> RunningChange:
        keys.append(arguments[2].segment_key)
        if len(keys) == 1:
            await segments.delete(owner, PRODUCTION, "amplitude-beta")
            await segments.create(owner, PRODUCTION, NewSegment(name="mine", key="amplitude-beta"))
        return await begin(changes, *arguments)

    await services.syncs.take_in(owner, PRODUCTION, joins("ann"))
    monkeypatch.setattr(ListChanges, "begin", begin_late)
    await services.syncs.take_in(owner, PRODUCTION, joins("bob"))
    assert (keys[0], len(keys)) == ("amplitude-beta", 2)
    sizes = {segment.key: segment.list_size for segment in await store.list_all(Segment, str(PRODUCTION))}
    assert sizes == {keys[0]: 0, keys[1]: 1}


async def changes_of(store: Store) -> list[ListChange]:
    return await store.list_all(ListChange, (await store.get(Segment, BETA)).list_id)


async def left_running(services: Services, store: Store, owner: Principal) -> ListChange:
    """Leave the list as a process does that dies in the middle of its second sync."""
    await services.syncs.take_in(owner, PRODUCTION, joins("ann"))
    (done,) = await changes_of(store)
    killed = replace(
        done,
        generation=done.generation + 1,
        state=ListChangeState.RUNNING,
        beat_ms=now_ms(),
        finished_ms=None,
        version=1,
    )
    await store.commit(Commit(writes=(Save(killed, None),), entry=None))
    await store.add_members(killed.scope, killed.generation, ["half"])
    return killed


async def test_a_sync_outwaits_the_process_that_died_in_the_one_before(
    services: Services, store: Store, owner: Principal, monkeypatch: pytest.MonkeyPatch
) -> None:
    passed = 0.0

    def uniform(*_bounds: float) -> float:
        nonlocal passed
        passed += 0.5
        return 0.0

    await left_running(services, store, owner)
    for module in (changes_module, running_module):
        monkeypatch.setattr(module, "time", SimpleNamespace(monotonic=lambda: passed))
    monkeypatch.setattr(changes_module, "random", SimpleNamespace(uniform=uniform))
    await services.syncs.take_in(owner, PRODUCTION, joins("bob"))
    assert passed > 4, "a process may beat as seldom as that, and must not be taken for dead"
    first, second, third = await changes_of(store)
    assert [change.state.name for change in (first, second, third)] == ["COMPLETED", "FAILED", "COMPLETED"]
    assert await store.list_members(third.scope, third.generation, first=9) == ["ann", "bob"]


async def test_a_change_that_takes_long_beats_while_it_clears_writes_and_undoes(
    services: Services, store: Store, owner: Principal, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whoever took it for dead would write into a list that it still works on."""
    killed = await left_running(services, store, owner)
    monkeypatch.setattr(running_module, "_BEAT_SECONDS", 0.0)
    monkeypatch.setattr(running_module, "_DEAD_SECONDS", 0.05)
    await services.syncs.take_in(owner, PRODUCTION, joins("bob"))
    _, undone, done = await changes_of(store)
    begun_and_over = 2
    assert undone.version > killed.version + begun_and_over
    assert done.version > begun_and_over + 1, "it beat for adding, and for removing"


async def test_a_change_beats_while_it_waits_for_its_turn_to_take_effect(
    store: Store, snapshots: SnapshotService, owner: Principal, monkeypatch: pytest.MonkeyPatch
) -> None:
    editor = EnvironmentEditor(store, snapshots)
    syncs = SyncService(store, snapshots, ListChanges(store, snapshots, editor))
    await syncs.take_in(owner, PRODUCTION, joins("ann"))
    monkeypatch.setattr(running_module, "_BEAT_SECONDS", 0.01)
    begun, over = asyncio.Event(), asyncio.Event()

    async def decide(_: Snapshots) -> Decision[None]:
        begun.set()
        await over.wait()
        return Decision()

    long = Edit(action="updateFlag", resource="r", scope=str(PRODUCTION), decide=decide)
    editing = asyncio.create_task(editor.edit(owner, PRODUCTION, long))
    await begun.wait()
    syncing = asyncio.create_task(syncs.take_in(owner, PRODUCTION, joins("bob")))
    versions: set[int] = set()
    for _ in range(200):
        await asyncio.sleep(0.02)
        versions |= {change.version for change in await store.list_open_changes()}
        if len(versions) > MANY_BEATS:
            break
    over.set()
    await asyncio.gather(editing, syncing)
    assert len(versions) > MANY_BEATS
    assert [change.state.name for change in await changes_of(store)] == ["COMPLETED", "COMPLETED"]


async def test_the_last_changes_of_a_list_are_remembered(
    services: Services, store: Store, owner: Principal, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(changes_module, "CHANGES_KEPT", 3)
    for number in range(5):
        await services.syncs.take_in(owner, PRODUCTION, joins(f"user-{number}"))
    assert [change.generation for change in await changes_of(store)] == [3, 4, 5]


async def test_a_change_that_is_cancelled_twice_stays_with_the_process_that_undoes_it(
    services: Services, store: Store, owner: Principal
) -> None:
    killed = await left_running(services, store, owner)
    for _ in range(2):
        change = await services.lists.cancel(owner, killed.id)
        assert (change.state, change.is_open) == (ListChangeState.CANCELLING, True)
    entries = await store.list_entries(str(PRODUCTION), first=9)
    assert [entry.action for entry in entries].count("cancelSegmentImport") == 1, "the second changed nothing"


async def test_no_lock_is_kept_of_lists_that_are_not_there(services: Services, owner: Principal) -> None:
    def locks() -> int:
        gc.collect()
        return sum(isinstance(found, asyncio.Lock) for found in gc.get_objects())

    before = locks()
    for caller, error in ((ANONYMOUS, UnauthenticatedError), (owner, NotFoundError)):
        for number in range(3):
            with pytest.raises(error):
                await services.lists.edit_keys(caller, PRODUCTION, f"invented-{number}", ListMode.MERGE, ["ann"])
    assert locks() == before


@pytest.mark.parametrize(("is_recorded", "added", "removed"), [(True, 3, 1), (False, 2, 0)])
async def test_what_is_restored_counts_who_comes_back_and_who_goes_if_the_last_change_is_recorded(  # noqa: PLR0913, PLR0917 - fixtures
    services: Services,
    store: Store,
    snapshots: SnapshotService,
    owner: Principal,
    is_recorded: bool,
    added: int,
    removed: int,
) -> None:
    segments = SegmentService(store, EnvironmentEditor(store, snapshots), TargetLimit(10))
    await segments.create(owner, PRODUCTION, NewSegment(name="kept", list_context_kind="user"))
    for keys in (["ann", "bob", "cy"], ["dan"]):
        changed = await services.lists.edit_keys(owner, PRODUCTION, "kept", ListMode.OVERWRITE, keys)
    if not is_recorded:  # a hundred changes that came to nothing have taken its place
        await store.commit(Commit(writes=(Delete(changed.change),), entry=None))
    restored = await services.lists.restore(owner, PRODUCTION, "kept")
    counts = restored.change.counts
    assert (counts.added, counts.removed) == (added, removed)
