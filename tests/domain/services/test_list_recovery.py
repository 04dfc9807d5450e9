"""What crashes leave of changes of large lists, and who clears it away; two processes at a time."""

import asyncio
import time
from collections.abc import Callable
from dataclasses import replace
from types import SimpleNamespace
from typing import cast

import pytest

from domain.access.principals import Principal
from domain.clock import now_ms
from domain.commits import Commit, Save
from domain.errors import InUseError, InvalidInputError, UnavailableError
from domain.model.lists import START_IMPORT, ListChange, ListChangeState, ListCounts, ListMode
from domain.model.segments import Segment
from domain.ports import Store
from domain.services import running_changes as running_module
from domain.services.gone_lists import discard_gone_lists
from domain.services.list_changes import NewListChange
from domain.services.list_undoing import undo
from domain.services.running_changes import save_change
from domain.services.segments import NewSegment
from domain.services.setup import PRODUCTION
from tests.domain.services.interposed import Interposed
from tests.domain.services.list_processes import KEPT_HERE, SYNCED, DyingStore, Process, members, message


@pytest.fixture
def here(store: Store, owner: Principal) -> Process:
    del owner  # the store must be set up
    return Process(store)


async def left_open(
    store: Store, here: Process, owner: Principal, state: ListChangeState, seconds_ago: float = 0
) -> ListChange:
    """Leave a list as a process does that died so long ago by its clock."""
    new = NewSegment(name="beta", list_context_kind="user")
    await here.segments.create(owner, PRODUCTION, new)
    await here.lists.edit_keys(owner, PRODUCTION, "beta", ListMode.MERGE, ["ann"])
    segment = await store.get(Segment, KEPT_HERE)
    [done] = await store.list_all(ListChange, segment.list_id)
    beat_ms = now_ms() - int(seconds_ago * 1000)
    left = replace(done, generation=2, state=state, beat_ms=beat_ms, finished_ms=None, version=1)
    await store.commit(Commit(writes=(Save(left, None),), entry=None))
    await store.add_members(left.scope, left.generation, ["half"])
    return left


@pytest.fixture
def let_pass(monkeypatch: pytest.MonkeyPatch) -> Callable[[float], None]:
    """What lets so many seconds pass by the clock of this process."""

    def let(seconds: float) -> None:
        monkeypatch.setattr(running_module, "time", SimpleNamespace(monotonic=lambda: time.monotonic() + seconds))

    return let


@pytest.mark.parametrize(
    "case",
    [
        ("RUNNING", 0, 11, "FAILED"),
        ("RUNNING", -60, 11, "FAILED"),
        ("CANCELLING", 0, 11, "CANCELLED"),
        ("WAITING", 3_601, 0, "FAILED"),
        ("RUNNING", 0, 9, "RUNNING"),
        ("RUNNING", 60, 9, "RUNNING"),
        ("WAITING", 3_500, 60, "WAITING"),
    ],
)
async def test_a_change_that_lost_its_process_is_undone_and_no_other_whatever_the_clock_of_that(
    here: Process,
    store: Store,
    owner: Principal,
    let_pass: Callable[[float], None],
    case: tuple[str, float, float, str],
) -> None:
    state, seconds_ago, passed, after = case
    left = await left_open(store, here, owner, ListChangeState[state], seconds_ago)
    await here.recovery.clean_up()
    let_pass(passed)
    await here.recovery.clean_up()
    found = await store.get(ListChange, left.id)
    assert found.state.name == after
    is_undone = state != after
    assert found.is_open is not is_undone
    rows = await store.list_members(left.scope, left.generation, first=9)
    assert rows == (["ann"] if is_undone else ["ann", "half"])
    assert await store.list_open_changes() == ([] if is_undone else [left])


async def test_a_change_that_beats_is_not_undone(
    here: Process, store: Store, owner: Principal, let_pass: Callable[[float], None]
) -> None:
    left = await left_open(store, here, owner, ListChangeState.RUNNING)
    for seconds in (0, 9, 18, 27):
        let_pass(seconds)
        await here.recovery.clean_up()
        left = await save_change(store, left)
    assert await store.list_open_changes() == [left]


async def test_a_second_import_is_refused_once_the_first_is_seen_to_beat(
    here: Process, store: Store, owner: Principal
) -> None:
    left = await left_open(store, here, owner, ListChangeState.RUNNING)
    left = await save_change(store, replace(left, action=START_IMPORT))
    new = NewListChange(segment_key="beta", mode=ListMode.MERGE)
    starting = asyncio.create_task(here.lists.start(owner, PRODUCTION, new))
    await asyncio.wait({starting}, timeout=0.3)
    assert not starting.done(), "its process may be gone"
    await save_change(store, left)
    with pytest.raises(InUseError):
        await starting


async def test_several_processes_undo_a_change_once(
    here: Process, store: Store, owner: Principal, let_pass: Callable[[float], None]
) -> None:
    left = await left_open(store, here, owner, ListChangeState.RUNNING)
    processes = [Process(store) for _ in range(4)]
    for seconds in (0, 11):
        let_pass(seconds)
        await asyncio.gather(*[process.recovery.clean_up() for process in processes])
    found = await store.get(ListChange, left.id)
    steps = 2  # it is being undone, and it is undone
    assert (found.state, found.version) == (ListChangeState.FAILED, left.version + steps)


async def test_what_nobody_cancelled_has_failed_though_its_undoing_is_cut_short(
    here: Process, store: Store, owner: Principal, let_pass: Callable[[float], None]
) -> None:
    left = await left_open(store, here, owner, ListChangeState.RUNNING)
    dying = Process(DyingStore(store, "discard_members"))
    await dying.recovery.clean_up()
    let_pass(11)
    with pytest.raises(UnavailableError):
        await dying.recovery.clean_up()
    undoing = await store.get(ListChange, left.id)
    assert undoing.state is ListChangeState.CANCELLING
    await here.recovery.clean_up()
    let_pass(22)
    await here.recovery.clean_up()
    found = await store.get(ListChange, left.id)
    assert (found.state, found.error) == (ListChangeState.FAILED, "the process that made it is gone")


@pytest.mark.parametrize("state", [ListChangeState.WAITING, ListChangeState.RUNNING])
async def test_whoever_cancels_an_import_at_the_same_time_learns_that_it_is_cancelled(
    here: Process, store: Store, owner: Principal, state: ListChangeState
) -> None:
    left = await left_open(store, here, owner, state)
    there = Process(store)
    cancels = [process.lists.cancel(owner, left.id) for process in (here, there) * 4]
    for answer in await asyncio.gather(*cancels, return_exceptions=True):
        if isinstance(answer, ListChange):
            assert answer.state in {ListChangeState.CANCELLING, ListChangeState.CANCELLED}
        else:
            assert (type(answer), "this import is CANCELLED" in str(answer)) == (InvalidInputError, True)


async def test_an_import_that_gives_a_sign_of_life_meanwhile_is_cancelled(
    here: Process, store: Store, owner: Principal
) -> None:
    left = await left_open(store, here, owner, ListChangeState.RUNNING)

    async def beat() -> None:
        await save_change(store, replace(left, beat_ms=now_ms()))

    cancelled = await Process(Interposed(store, "commit", beat)).lists.cancel(owner, left.id)
    assert cancelled.state is ListChangeState.CANCELLING
    assert await store.get(ListChange, left.id) == cancelled


async def test_an_import_that_takes_effect_meanwhile_is_over(
    here: Process, store: Store, owner: Principal
) -> None:
    left = await left_open(store, here, owner, ListChangeState.RUNNING)

    async def complete() -> None:
        await save_change(store, replace(left, state=ListChangeState.COMPLETED, finished_ms=now_ms()))

    with pytest.raises(InvalidInputError, match="this import is COMPLETED"):
        await Process(Interposed(store, "commit", complete)).lists.cancel(owner, left.id)


async def test_a_change_that_fails_while_it_is_cancelled_gives_its_list_free(
    here: Process, store: Store, owner: Principal
) -> None:
    left = await left_open(store, here, owner, ListChangeState.RUNNING)
    interposed = Interposed(store, "commit", lambda: here.lists.cancel(owner, left.id))
    await undo(cast("Store", interposed), left, "it failed", ListCounts())
    assert (await store.get(ListChange, left.id)).state is ListChangeState.CANCELLED
    assert await store.list_open_changes() == []
    assert await store.list_members(left.scope, left.generation, first=9) == ["ann"]


async def test_keys_wait_for_the_turn_of_a_change_that_takes_no_file(
    here: Process, store: Store, owner: Principal
) -> None:
    await here.segments.create(owner, PRODUCTION, NewSegment(name="beta", list_context_kind="user"))
    there = Process(store)
    keys = [f"key-{number:02}" for number in range(24)]
    edits = [
        process.lists.edit_keys(owner, PRODUCTION, "beta", ListMode.MERGE, [key])
        for key, process in zip(keys, [here, there] * 12, strict=True)
    ]
    await asyncio.gather(*edits)
    assert await members(store, KEPT_HERE) == keys


async def test_an_import_waits_until_the_one_before_is_undone(
    here: Process, store: Store, owner: Principal, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(running_module, "_DEAD_SECONDS", 0.2)
    left = await left_open(store, here, owner, ListChangeState.CANCELLING)
    started = await here.lists.start(owner, PRODUCTION, NewListChange(segment_key="beta", mode=ListMode.MERGE))
    assert started.generation == left.generation + 1
    assert (await store.get(ListChange, left.id)).state is ListChangeState.CANCELLED


async def test_a_first_sync_that_is_cut_short_leaves_nothing(
    here: Process, store: Store, owner: Principal, let_pass: Callable[[float], None]
) -> None:
    dying = DyingStore(store, "add_members")
    with pytest.raises(UnavailableError):
        await Process(dying).syncs.take_in(owner, PRODUCTION, message("ann"))
    assert await store.find(Segment, SYNCED) is None, "no reader sees a segment without its members"
    for seconds in (0, 11):
        let_pass(seconds)
        await here.recovery.clean_up()
    assert (await store.list_ids(), await store.list_open_changes()) == ([], [])


async def test_a_first_sync_under_way_is_not_swept(store: Store, owner: Principal) -> None:
    watched = DyingStore(store, "add_members", lambda: discard_gone_lists(store))
    await Process(watched).syncs.take_in(owner, PRODUCTION, message("ann"))
    await discard_gone_lists(store)
    assert await members(store, SYNCED) == ["ann"]


async def test_what_a_deletion_that_was_cut_short_left_is_forgotten(
    here: Process, store: Store, owner: Principal, let_pass: Callable[[float], None]
) -> None:
    left = await left_open(store, here, owner, ListChangeState.RUNNING)
    dying = DyingStore(store, "commit")
    with pytest.raises(UnavailableError):
        await Process(dying).segments.delete(owner, PRODUCTION, "beta")
    assert await store.list_ids() == [left.scope]
    for seconds in (0, 11):
        let_pass(seconds)
        await here.recovery.clean_up()
    assert await store.list_ids() == []


async def test_an_import_of_a_segment_that_is_made_again_goes_to_nobody(
    here: Process, store: Store, owner: Principal
) -> None:
    new = NewSegment(name="beta", list_context_kind="user")
    await here.segments.create(owner, PRODUCTION, new)
    first = await here.lists.start(owner, PRODUCTION, NewListChange(segment_key="beta", mode=ListMode.MERGE))
    await here.segments.delete(owner, PRODUCTION, "beta")
    await here.segments.create(owner, PRODUCTION, replace(new, list_context_kind="org"))
    again = await here.lists.start(owner, PRODUCTION, NewListChange(segment_key="beta", mode=ListMode.MERGE))
    assert first.id != again.id
    assert await store.find(ListChange, first.id) is None
    assert (again.action, again.generation) == (START_IMPORT, 1)
