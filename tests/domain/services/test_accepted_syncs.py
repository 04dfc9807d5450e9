"""Messages of cohorts that were accepted: each is applied once, in its order, whatever process dies."""

import asyncio
from dataclasses import replace
from typing import Any

import pytest

from domain.access.principals import ANONYMOUS, Principal
from domain.access.roles import BaseRole, Grants
from domain.clock import now_ms
from domain.commits import Commit, Delete, Save
from domain.errors import ForbiddenError, UnauthenticatedError, UnavailableError
from domain.model.lists import ListChange
from domain.model.segments import Segment
from domain.model.syncs import ACCEPTED_SYNCS, APPLIED_SYNCS, AcceptedSync, AppliedSync
from domain.ports import Store
from domain.services import syncs as syncs_module
from domain.services.cohorts import CohortMembers, CohortMessage
from domain.services.editing import EnvironmentEditor
from domain.services.environments import EnvironmentService
from domain.services.list_members import write_joined_and_left
from domain.services.places import NewPlace
from domain.services.setup import PRODUCTION
from domain.services.snapshots import SnapshotService
from tests.domain.access.builders import a_policy, allow, rights_of
from tests.domain.services.list_processes import SYNCED, DyingStore, Process, members, message


@pytest.fixture
def here(store: Store, owner: Principal) -> Process:
    del owner  # the store must be set up
    return Process(store)


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


async def test_of_several_who_find_a_message_impossible_one_records_it(store: Store, owner: Principal) -> None:
    here = Process(store)
    await here.syncs.accept(owner, PRODUCTION, replace(message("acme", message_id="1"), context_kind="org"))
    await here.syncs.accept(owner, PRODUCTION, message("ann", message_id="2"))
    await asyncio.gather(*[Process(store).syncs.apply_accepted() for _ in range(4)])
    changes = await store.list_all(ListChange, (await store.get(Segment, SYNCED)).list_id)
    assert [change.state.name for change in changes] == ["COMPLETED", "FAILED"]


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
