"""Cached memberships are the memberships: asked once, never older than a change, never kept when in doubt."""

import asyncio
from collections.abc import Collection, Mapping
from typing import Any

import pytest

from domain.access.principals import Principal
from domain.evaluation.results import BigSegmentsStatus
from domain.json import Json
from domain.keys import EnvironmentRef
from domain.model.segments import Segment
from domain.services import patience
from domain.services.evaluation import Basis, Caller, EvaluationService, Where
from domain.services.setup import PRODUCTION
from domain.services.snapshots import SnapshotService
from tests.domain.services.conftest import FickleStore, evaluation_of
from tests.domain.services.served import ADA, WHERE, a_flag, put, served
from tests.domain.services.waiting import eventually


class CountingStore:
    """The store with its questions about members counted; a thing of the test, not of the service."""

    def __init__(self, store: FickleStore) -> None:
        self.store = store
        self.asked: list[set[str]] = []
        self.lists: list[set[str]] = []
        self.pings = 0
        self.seconds = 0.0

    async def members_among(self, generations: Mapping[str, int], keys: Collection[str]) -> Any:
        self.asked.append(set(keys))
        self.lists.append({list_id.split("/")[2] for list_id in generations})
        await asyncio.sleep(self.seconds)
        return await self.store.members_among(generations, keys)

    async def ping(self) -> None:
        self.pings += 1
        await self.store.ping()


@pytest.fixture
def counting(fickle: FickleStore) -> CountingStore:
    return CountingStore(fickle)


@pytest.fixture
def evaluation(counting: CountingStore, snapshots: SnapshotService) -> EvaluationService:
    return evaluation_of(counting, snapshots)


async def fill(store: FickleStore, key: str, *members: str) -> None:
    segment = await store.get(Segment, f"{PRODUCTION}/{key}")
    await store.add_members(segment.list_id, 1, members)


async def test_lists_are_asked_once_for_each_context_and_not_again(
    evaluation: EvaluationService, counting: CountingStore, snapshots: SnapshotService, owner: Principal
) -> None:
    await put(snapshots, owner, a_flag("f", segment="beta"), a_flag("g", segment="vip"), lists=("beta", "vip"))
    await fill(counting.store, "beta", "ada", "bob")
    contexts: list[Json] = [{"kind": "user", "key": key} for key in ("ada", "bob", "cy")]
    for _ in range(2):
        batch = await evaluation.evaluate_batch(Caller(owner, 100), WHERE, contexts)
        assert [served(result) for result in batch.results] == [
            {"f": True, "g": False},
            {"f": True, "g": False},
            {"f": False, "g": False},
        ]
        one = await evaluation.evaluate(Caller(owner, 1), WHERE, "f", ADA)
        assert (one.value, one.reason.big_segments_status) == (True, BigSegmentsStatus.HEALTHY)
    await evaluation.evaluate_batch(Caller(owner, 100), WHERE, [ADA, {"kind": "user", "key": "dee"}])
    assert counting.asked == [{"ada", "bob", "cy"}, {"ada"}, {"dee"}], "one flag alone asks for its list alone"


async def test_only_lists_are_asked_for_that_the_flags_reach(
    evaluation: EvaluationService, counting: CountingStore, snapshots: SnapshotService, owner: Principal
) -> None:
    """A thousand lists that other flags use, or none, would be asked for each context of each request."""
    flags = [a_flag("f", segment="beta"), a_flag("g", segment="vip")]
    await put(snapshots, owner, *flags, lists=("beta", "idle", "vip"))
    await fill(counting.store, "vip", "ada")
    answers = [(await evaluation.evaluate(Caller(owner, 1), WHERE, key, ADA)).value for key in ("f", "g")]
    both = await evaluation.evaluate_flags(Caller(owner, 2), WHERE, ADA)
    assert (answers, served(both)) == ([False, True], {"f": False, "g": True})
    await evaluation.segment_memberships(Caller(owner, 3), WHERE, ADA)
    assert counting.lists == [{"beta"}, {"vip"}, {"beta", "vip"}, {"beta", "idle", "vip"}]


async def test_ten_at_a_time_ask_the_store_once(
    evaluation: EvaluationService, counting: CountingStore, snapshots: SnapshotService, owner: Principal
) -> None:
    await put(snapshots, owner, a_flag("f", segment="beta"), lists=("beta",))
    await asyncio.gather(*(evaluation.evaluate(Caller(owner, 1), WHERE, "f", ADA) for _ in range(10)))
    assert counting.asked == [{"ada"}]


async def test_a_list_that_is_made_again_with_the_same_generation_is_asked_again(
    evaluation: EvaluationService, counting: CountingStore, snapshots: SnapshotService, owner: Principal
) -> None:
    await put(snapshots, owner, a_flag("f", segment="beta"), lists=("beta",))
    await fill(counting.store, "beta", "ada")
    assert (await evaluation.evaluate(Caller(owner, 1), WHERE, "f", ADA)).value is True
    await put(snapshots, owner)
    await put(snapshots, owner, a_flag("f", segment="beta"), lists=("beta",))
    assert (await evaluation.evaluate(Caller(owner, 1), WHERE, "f", ADA)).value is False


async def test_lists_of_one_key_and_revision_in_two_environments_are_told_apart(
    evaluation: EvaluationService, counting: CountingStore, snapshots: SnapshotService, owner: Principal
) -> None:
    test = EnvironmentRef(PRODUCTION.project, "test")
    flag = a_flag("f", segment="beta")
    await put(snapshots, owner, flag, lists=("beta",))
    await put(snapshots, owner, flag, lists=("beta",), environment=test)  # which tells production of it too
    await put(snapshots, owner, flag, a_flag("g"), lists=("beta",), environment=test)
    await fill(counting.store, "beta", "ada")
    for _ in range(2):
        answers = [
            await evaluation.evaluate_flags(Caller(owner, 2), Where(environment), ADA)
            for environment in (PRODUCTION, test)
        ]
        assert answers[0].revision == answers[1].revision
        assert [served(answer)["f"] for answer in answers] == [True, False]


async def test_what_was_answered_while_the_lists_were_away_is_not_kept(
    evaluation: EvaluationService, counting: CountingStore, snapshots: SnapshotService, owner: Principal
) -> None:
    await put(snapshots, owner, a_flag("f", segment="beta"), a_flag("plain"), lists=("beta",))
    await fill(counting.store, "beta", "ada")

    async def is_away() -> bool:
        return snapshots.is_store_away

    counting.store.is_away = True
    caller = Caller(owner, 1_000)
    away = await evaluation.evaluate_flags(caller, WHERE, ADA)
    assert served(away) == {"f": False, "plain": True}
    assert away.evaluations[0].reason.big_segments_status is BigSegmentsStatus.STORE_ERROR
    assert caller.basis is None
    counting.store.is_away = False
    await eventually(is_away, expected=False)
    back = await evaluation.evaluate_flags(caller, WHERE, ADA)
    assert served(back) == {"f": True, "plain": True}
    assert caller.basis == Basis(PRODUCTION, back.revision, None)


async def test_a_store_that_is_known_to_be_away_is_not_asked_and_what_is_cached_is_answered(
    evaluation: EvaluationService, counting: CountingStore, snapshots: SnapshotService, owner: Principal
) -> None:
    await put(snapshots, owner, a_flag("f", segment="beta"), lists=("beta",))
    await fill(counting.store, "beta", "ada", "bob")

    async def ask(key: str) -> tuple[Json, BigSegmentsStatus | None]:
        answer = await evaluation.evaluate(Caller(owner, 1), WHERE, "f", {"kind": "user", "key": key})
        return answer.value, answer.reason.big_segments_status

    async def is_away() -> bool:
        return snapshots.is_store_away

    assert await ask("ada") == (True, BigSegmentsStatus.HEALTHY)
    counting.store.is_away = True
    await eventually(is_away, expected=True)
    asked = len(counting.asked)
    assert await ask("bob") == (False, BigSegmentsStatus.STORE_ERROR)
    assert await ask("ada") == (True, BigSegmentsStatus.HEALTHY)
    assert len(counting.asked) == asked
    counting.store.is_away = False
    await eventually(is_away, expected=False)
    assert await ask("bob") == (True, BigSegmentsStatus.HEALTHY)


async def status_of(evaluation: EvaluationService, owner: Principal, key: str) -> BigSegmentsStatus | None:
    answer = await evaluation.evaluate(Caller(owner, 1), WHERE, "f", {"kind": "user", "key": key})
    return answer.reason.big_segments_status


async def test_nobody_waits_long_for_a_store_that_stopped_answering_and_the_next_not_at_all(
    evaluation: EvaluationService, counting: CountingStore, snapshots: SnapshotService, owner: Principal
) -> None:
    await put(snapshots, owner, a_flag("f", segment="beta"), lists=("beta",))
    counting.store.is_hanging = True
    async with asyncio.timeout(patience.LOOK_SECONDS + patience.LIFE_SECONDS + 1):
        assert await status_of(evaluation, owner, "ada") is BigSegmentsStatus.STORE_ERROR
    async with asyncio.timeout(patience.LOOK_SECONDS):
        for key in ("ada", "bob", "cy"):
            assert await status_of(evaluation, owner, key) is BigSegmentsStatus.STORE_ERROR
    assert counting.asked == [{"ada"}]
    counting.store.is_hanging = False
    await eventually(lambda: status_of(evaluation, owner, "ada"), BigSegmentsStatus.HEALTHY)


async def test_a_store_that_takes_its_time_but_lives_is_waited_for(
    evaluation: EvaluationService, counting: CountingStore, snapshots: SnapshotService, owner: Principal
) -> None:
    await put(snapshots, owner, a_flag("f", segment="beta"), lists=("beta",))
    counting.seconds = patience.LOOK_SECONDS * 2.5
    assert await status_of(evaluation, owner, "ada") is BigSegmentsStatus.HEALTHY


async def test_those_who_wait_at_one_time_look_once_for_signs_of_life(
    evaluation: EvaluationService, counting: CountingStore, snapshots: SnapshotService, owner: Principal
) -> None:
    await put(snapshots, owner, a_flag("f", segment="beta"), lists=("beta",))
    counting.seconds = patience.LOOK_SECONDS * 1.5
    statuses = await asyncio.gather(*(status_of(evaluation, owner, f"u{number}") for number in range(50)))
    assert set(statuses) == {BigSegmentsStatus.HEALTHY}
    assert 1 <= counting.pings < len(statuses)


async def test_what_the_store_cannot_tell_of_some_contexts_spoils_no_others(
    evaluation: EvaluationService, counting: CountingStore, snapshots: SnapshotService, owner: Principal
) -> None:
    await put(snapshots, owner, a_flag("f", segment="beta"), lists=("beta",))
    await fill(counting.store, "beta", "ada", "bob")
    assert await status_of(evaluation, owner, "ada") is BigSegmentsStatus.HEALTHY
    counting.store.is_hanging = True
    contexts: list[Json] = [{"kind": "user", "key": key} for key in ("bob", "ada")]
    for _ in range(2):
        caller = Caller(owner, 2)
        batch = await evaluation.evaluate_batch(caller, WHERE, contexts)
        answers = [result.evaluations[0] for result in batch.results]
        assert [(answer.value, answer.reason.big_segments_status) for answer in answers] == [
            (False, BigSegmentsStatus.STORE_ERROR),
            (True, BigSegmentsStatus.HEALTHY),
        ]
        assert caller.basis is None
