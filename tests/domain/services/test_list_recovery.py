"""What crashes leave of changes of large lists, and who clears it away; two processes at a time."""

import asyncio
import time
from collections.abc import Awaitable, Callable
from dataclasses import replace
from types import SimpleNamespace
from typing import Any, cast

import pytest

from domain.access.principals import ANONYMOUS, Principal
from domain.access.roles import BaseRole, Grants
from domain.clock import now_ms
from domain.commits import Commit, Delete, Save
from domain.errors import ForbiddenError, InUseError, InvalidInputError, UnauthenticatedError, UnavailableError
from domain.model.lists import START_IMPORT, ListChange, ListChangeState, ListCounts, ListMode
from domain.model.segments import Segment
from domain.model.syncs import ACCEPTED_SYNCS, APPLIED_SYNCS, AcceptedSync, AppliedSync
from domain.ports import Store
from domain.services import running_changes as running_module
from domain.services import syncs as syncs_module
from domain.services.cohorts import CohortMembers, CohortMessage
from domain.services.editing import EnvironmentEditor
from domain.services.environments import EnvironmentService
from domain.services.gone_lists import discard_gone_lists
from domain.services.list_changes import ListChanges, NewListChange
from domain.services.list_members import write_joined_and_left
from domain.services.list_recovery import ListRecoveryService
from domain.services.list_undoing import undo
from domain.services.lists import ListService
from domain.services.places import NewPlace
from domain.services.running_changes import save_change
from domain.services.segments import NewSegment, SegmentService
from domain.services.setup import PRODUCTION
from domain.services.snapshots import SnapshotService
from domain.services.syncs import SyncService
from domain.services.target_limit import TargetLimit
from storage.key_spool import TemporaryKeySpool
from tests.domain.access.builders import a_policy, allow, rights_of
from tests.domain.services.interposed import Interposed

KEPT_HERE = f"{PRODUCTION}/beta"
SYNCED = f"{PRODUCTION}/amplitude-c"


class Process:
    """The services that change lists and clean up, as one process has them."""

    def __init__(self, store: Any) -> None:
        snapshots = SnapshotService(store)
        editor = EnvironmentEditor(store, snapshots)
        self.segments = SegmentService(store, editor, TargetLimit(10))
        changes = ListChanges(store, snapshots, editor)
        self.lists = ListService(store, snapshots, changes, TemporaryKeySpool, max_removal_percent=50)
        self.syncs = SyncService(store, snapshots, changes)
        self.recovery = ListRecoveryService(store, changes, self.syncs)


class DyingStore:
    """A store that does something of a test's after the first call of a method, or else is gone from then on."""

    def __init__(self, store: Store, name: str, then: Callable[[], Awaitable[None]] | None = None) -> None:
        self._store = store
        self._name = name
        self._then = then or self._die
        self._is_dead = False

    def __getattr__(self, name: str) -> Any:
        async def call(*arguments: Any, **options: Any) -> Any:
            if self._is_dead:
                raise UnavailableError("the process is dead")
            result = await getattr(self._store, name)(*arguments, **options)
            if name == self._name:
                self._name = ""
                await self._then()
            return result

        return call

    async def _die(self) -> None:
        self._is_dead = True
        raise UnavailableError("the process is dead")


@pytest.fixture
def here(store: Store, owner: Principal) -> Process:
    del owner  # the store must be set up
    return Process(store)


def message(*keys: str, message_id: str = "", is_member: bool = True) -> CohortMessage:
    members = [CohortMembers(user_keys=[key], cohort_id="c", cohort_name="", is_member=is_member) for key in keys]
    return CohortMessage(integration="amplitude", members=members, message_id=message_id)


async def members(store: Store, segment_id: str) -> list[str]:
    segment = await store.get(Segment, segment_id)
    assert segment.generation is not None
    return await store.list_members(segment.list_id, segment.generation, first=99)


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


async def test_what_one_process_accepted_another_applies(here: Process, store: Store, owner: Principal) -> None:
    for number, is_member in enumerate([True, False, True]):
        sent = message("ann", message_id=str(number), is_member=is_member)
        await here.syncs.accept(owner, PRODUCTION, sent)
    await here.syncs.accept(owner, PRODUCTION, message("bob", message_id="3"))
    assert await store.find(Segment, SYNCED) is None
    await asyncio.gather(*[Process(store).syncs.apply_accepted() for _ in range(3)])
    assert await store.list_all(AcceptedSync, ACCEPTED_SYNCS) == []
    changes = await store.list_all(ListChange, (await store.get(Segment, SYNCED)).list_id)
    assert [(change.message_id, change.state.name) for change in changes] == [
        (str(number), "COMPLETED") for number in range(4)
    ]
    assert {change.actor for change in changes} == {owner.actor}
    assert await members(store, SYNCED) == ["ann", "bob"]


def of_cohorts(*cohorts: str) -> CohortMessage:
    members = [CohortMembers(user_keys=["ann"], cohort_id=c, cohort_name="", is_member=True) for c in cohorts]
    return CohortMessage(integration="amplitude", members=members)


async def test_a_batch_of_several_cohorts_is_applied_by_another_process_if_its_own_dies(
    here: Process, store: Store, owner: Principal
) -> None:
    with pytest.raises(UnavailableError):
        await Process(DyingStore(store, "add_members")).syncs.take_in(owner, PRODUCTION, of_cohorts("a", "b"))
    await store.commit(Commit(writes=tuple(map(Delete, await store.list_open_changes())), entry=None))
    await here.syncs.apply_accepted()
    assert [await members(store, f"{PRODUCTION}/amplitude-{cohort}") for cohort in "ab"] == [["ann"], ["ann"]]


async def test_a_batch_of_several_cohorts_is_applied_in_the_name_of_its_token_and_forgotten(
    here: Process, store: Store, owner: Principal
) -> None:
    await here.syncs.take_in(owner, PRODUCTION, of_cohorts("a", "b"))
    entries = await store.list_entries(str(PRODUCTION), first=2)
    assert [(entry.actor, entry.access_token) for entry in entries] == [(owner.actor, owner.acting_token)] * 2
    assert await store.list_all(AcceptedSync, ACCEPTED_SYNCS) == []


async def test_no_batch_overtakes_what_was_accepted_of_its_cohort(
    here: Process, store: Store, owner: Principal
) -> None:
    await here.syncs.accept(owner, PRODUCTION, of_cohorts("other"))
    await here.syncs.accept(owner, PRODUCTION, message("ann", "bob"))
    await here.syncs.take_in(owner, PRODUCTION, message("ann", is_member=False))
    assert await members(store, SYNCED) == ["bob"]
    [waiting] = await store.list_all(AcceptedSync, ACCEPTED_SYNCS)
    assert waiting.source.cohort_id == "other", "nobody waits for other cohorts"


async def test_a_message_that_another_one_made_impossible_is_recorded_and_no_answer_to_others(
    here: Process, store: Store, owner: Principal
) -> None:
    await here.syncs.accept(owner, PRODUCTION, replace(message("acme", message_id="1"), context_kind="org"))
    await here.syncs.accept(owner, PRODUCTION, message("ann", message_id="2"))
    both = [CohortMembers(user_keys=["b"], cohort_id=c, cohort_name="", is_member=True) for c in ("c", "other")]
    await here.syncs.take_in(
        owner, PRODUCTION, CohortMessage(integration="amplitude", members=both, context_kind="org")
    )
    assert await members(store, SYNCED) == ["acme", "b"]
    changes = await store.list_all(ListChange, (await store.get(Segment, SYNCED)).list_id)
    assert [change.state.name for change in changes] == ["COMPLETED", "FAILED", "COMPLETED"]
    assert "members of the kind 'org'" in (changes[1].error or "")
    assert {change.actor for change in changes} == {owner.actor}


async def test_a_batch_is_not_acknowledged_though_another_process_refused_it_first(
    here: Process, store: Store, owner: Principal
) -> None:
    """Its cohort got members of another kind, by a message that was kept just before."""
    await here.syncs.accept(owner, PRODUCTION, replace(message("acme", message_id="1"), context_kind="org"))

    late = Process(DyingStore(store, "commit", then=here.syncs.apply_accepted))
    with pytest.raises(UnavailableError, match="as a whole"):
        await late.syncs.take_in(owner, PRODUCTION, of_cohorts("c", "other"))


async def test_a_batch_that_cannot_be_applied_yet_is_kept_and_not_acknowledged(
    here: Process, store: Store, owner: Principal, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def fail(*_arguments: object) -> None:
        raise UnavailableError("away")

    monkeypatch.setattr(syncs_module, "write_joined_and_left", fail)
    with pytest.raises(UnavailableError, match="applied later"):
        await here.syncs.take_in(owner, PRODUCTION, of_cohorts("a", "b"))
    monkeypatch.setattr(syncs_module, "write_joined_and_left", write_joined_and_left)
    await here.syncs.apply_accepted()
    assert [await members(store, f"{PRODUCTION}/amplitude-{cohort}") for cohort in "ab"] == [["ann"], ["ann"]]


async def test_of_cohorts_that_would_have_the_same_key_each_needs_permission_for_its_own(
    here: Process, store: Store
) -> None:
    policy = a_policy(allow("proj/*:env/*:segment/amplitude-a-b", "proj/*"))
    narrow = Principal(actor="token/narrow", rights=(rights_of(policy),))
    with pytest.raises(ForbiddenError):
        await here.syncs.take_in(narrow, PRODUCTION, of_cohorts("a b", "a-b"))
    assert await store.list_all(Segment, str(PRODUCTION)) == []
    await here.syncs.take_in(narrow, PRODUCTION, of_cohorts("a b"))


async def test_a_message_that_was_applied_before_the_crash_is_not_applied_again(
    here: Process, store: Store, owner: Principal
) -> None:
    await here.syncs.accept(owner, PRODUCTION, message("ann"))
    [accepted] = await store.list_all(AcceptedSync, ACCEPTED_SYNCS)
    await here.syncs.apply_accepted()
    await here.syncs.take_in(owner, PRODUCTION, message("ann", is_member=False))
    # The process that applied it died before it could say so.
    await store.commit(Commit(writes=(Save(accepted, None),), entry=None))
    await here.syncs.apply_accepted()
    assert await members(store, SYNCED) == []


async def test_a_message_that_fails_keeps_only_its_cohort_waiting(
    here: Process, store: Store, owner: Principal, monkeypatch: pytest.MonkeyPatch
) -> None:
    other = CohortMembers(user_keys=["zoe"], cohort_id="other", cohort_name="", is_member=True)
    await here.syncs.accept(owner, PRODUCTION, message("ann", message_id="1"))
    await here.syncs.accept(owner, PRODUCTION, message("ann", message_id="2", is_member=False))
    await here.syncs.accept(owner, PRODUCTION, CohortMessage(integration="amplitude", members=[other]))

    async def fail(*_arguments: object) -> None:
        raise UnavailableError("away")

    async def fail_first(*arguments: Any) -> Any:
        monkeypatch.setattr(syncs_module, "write_joined_and_left", write_joined_and_left)
        return await fail(*arguments)

    monkeypatch.setattr(syncs_module, "write_joined_and_left", fail_first)
    await here.syncs.apply_accepted()
    assert await store.find(Segment, SYNCED) is None
    assert await members(store, f"{PRODUCTION}/amplitude-other") == ["zoe"]
    await here.syncs.apply_accepted()
    assert await members(store, SYNCED) == []


async def test_what_was_accepted_for_an_environment_is_not_applied_to_the_next_that_has_its_name(
    here: Process, store: Store, owner: Principal
) -> None:
    snapshots = SnapshotService(store)
    environments = EnvironmentService(store, snapshots, EnvironmentEditor(store, snapshots))
    await here.syncs.accept(owner, PRODUCTION, message("ann", message_id="1"))
    await environments.delete(owner, PRODUCTION)
    await environments.create(owner, "default", NewPlace(name="Production"))
    await here.syncs.accept(owner, PRODUCTION, message("bob", message_id="2"))
    await here.syncs.apply_accepted()
    assert await members(store, SYNCED) == ["bob"]
    assert await store.list_all(AcceptedSync, ACCEPTED_SYNCS) == []


async def test_it_is_forgotten_after_a_week_that_a_message_was_applied(
    here: Process, store: Store, owner: Principal, monkeypatch: pytest.MonkeyPatch
) -> None:
    day_ms = 86_400_000
    await here.syncs.take_in(owner, PRODUCTION, message("ann", message_id="1"))
    began = now_ms()
    for days, kept in ((6, 1), (8, 0)):
        monkeypatch.setattr(syncs_module, "now_ms", lambda days=days: began + days * day_ms)
        await here.syncs.forget_applied()
        assert len(await store.list_all(AppliedSync, APPLIED_SYNCS)) == kept


async def test_nothing_is_accepted_of_whoever_may_not_have_it_applied(here: Process, store: Store) -> None:
    with pytest.raises(UnauthenticatedError):
        await here.syncs.accept(ANONYMOUS, PRODUCTION, message("ann"))
    reader = Principal(actor="token/reader", rights=(Grants(base_role=BaseRole.READER).rights({}),))
    with pytest.raises(ForbiddenError):
        await here.syncs.accept(reader, PRODUCTION, message("ann"))
    assert await store.list_all(AcceptedSync, ACCEPTED_SYNCS) == []
