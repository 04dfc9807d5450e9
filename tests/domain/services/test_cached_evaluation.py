"""Cached answers are the answers: the same as fresh ones, never older than a change, never kept when in doubt."""

import asyncio
from collections.abc import Collection, Mapping
from typing import TYPE_CHECKING, Any, cast

import pytest

from domain.access.credentials import Credential, CredentialKind
from domain.access.principals import Principal
from domain.evaluation.results import BigSegmentsStatus
from domain.json import Json
from domain.model.segments import Segment
from domain.services.contexts import ContextService
from domain.services.evaluation import WORTH_KEEPING, Caller, ContextEvaluations, EvaluationService, Where
from domain.services.import_plan import ImportMode
from domain.services.imports import ImportService
from domain.services.memberships import MembershipService
from domain.services.setup import PRODUCTION
from domain.services.snapshots import SnapshotService
from storage.cache import MemoryCache
from tests.domain.services.conftest import FickleStore, evaluation_of
from tests.domain.services.test_snapshots import eventually

if TYPE_CHECKING:
    from domain.ports import Store

ADA: Json = {"kind": "user", "key": "ada"}
WHERE = Where(PRODUCTION)


class CountingStore:
    """The store with its questions about members counted; a thing of the test, not of the service."""

    def __init__(self, store: FickleStore) -> None:
        self.store = store
        self.asked: list[set[str]] = []

    async def members_among(self, generations: Mapping[str, int], keys: Collection[str]) -> Any:
        self.asked.append(set(keys))
        return await self.store.members_among(generations, keys)


@pytest.fixture
def counting(fickle: FickleStore) -> CountingStore:
    return CountingStore(fickle)


@pytest.fixture
def evaluation(counting: CountingStore, snapshots: SnapshotService) -> EvaluationService:
    return evaluation_of(counting, snapshots)


def a_flag(key: str, *, served: Json = True, segment: str | None = None, **more: Json) -> dict[str, Any]:
    clause = {"attribute": "", "op": "segmentMatch", "values": [segment]}
    rules = [{"clauses": [clause], "variation": 0}] if segment else []
    fallthrough = {"variation": 1 if segment else 0}
    return {
        "key": key,
        "on": True,
        "variations": [served, False],
        "rules": rules,
        "fallthrough": fallthrough,
        **more,
    }


def a_list(key: str) -> dict[str, Any]:
    return {"key": key, "unbounded": True, "generation": 1}


async def put(
    snapshots: SnapshotService, owner: Principal, *flags: dict[str, Any], lists: tuple[str, ...] = ()
) -> None:
    data = {"flags": {f["key"]: f for f in flags}, "segments": {key: a_list(key) for key in lists}}
    imports = ImportService(snapshots._store, snapshots)  # noqa: SLF001 - the same store, behind the same door
    await imports.import_flag_data(owner, PRODUCTION, data, ImportMode.REPLACE)


async def fill(store: FickleStore, key: str, *members: str) -> None:
    segment = await store.get(Segment, f"{PRODUCTION}/{key}")
    await store.add_members(segment.list_id, 1, members)


def served(answer: ContextEvaluations) -> dict[str, Json]:
    return {evaluation.flag_key: evaluation.value for evaluation in answer.evaluations}


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
    assert counting.asked == [{"ada", "bob", "cy"}, {"dee"}]


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


async def test_what_was_answered_while_the_lists_were_away_is_not_kept(
    evaluation: EvaluationService, counting: CountingStore, snapshots: SnapshotService, owner: Principal
) -> None:
    await put(snapshots, owner, a_flag("f", segment="beta"), a_flag("plain"), lists=("beta",))
    await fill(counting.store, "beta", "ada")
    counting.store.is_away = True
    away = await evaluation.evaluate_flags(Caller(owner, 100), WHERE, ADA)
    assert served(away) == {"f": False, "plain": True}
    assert away.evaluations[0].reason.big_segments_status is BigSegmentsStatus.STORE_ERROR
    counting.store.is_away = False
    assert served(await evaluation.evaluate_flags(Caller(owner, 100), WHERE, ADA)) == {"f": True, "plain": True}


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


async def test_answers_that_differ_in_anything_asked_are_kept_apart(
    evaluation: EvaluationService, snapshots: SnapshotService, owner: Principal
) -> None:
    on_one = {"attribute": "n", "op": "in", "values": [1]}
    on_true = {"attribute": "n", "op": "in", "values": [True]}
    await put(
        snapshots,
        owner,
        a_flag("a", tags=["red"], clientSideAvailability={"usingEnvironmentId": True, "usingMobileKey": False}),
        a_flag("b", served="one", rules=[{"clauses": [on_one], "variation": 0}], fallthrough={"variation": 1}),
        a_flag("c", served="true", rules=[{"clauses": [on_true], "variation": 0}], fallthrough={"variation": 1}),
    )
    client = Principal(Credential(id="x", kind=CredentialKind.CLIENT_SDK_KEY, name="x", environment=PRODUCTION))
    for _ in range(2):  # the second time from the cache

        async def ask(context: Json, *asked: list[str] | None, principal: Principal = owner) -> dict[str, Json]:
            return served(await evaluation.evaluate_flags(Caller(principal, 100), WHERE, context, *asked))

        assert await ask(ADA) == {"a": True, "b": False, "c": False}
        assert await ask({"kind": "user", "key": "ada", "n": 1}) == {"a": True, "b": "one", "c": False}
        assert await ask({"kind": "user", "key": "ada", "n": True}) == {"a": True, "b": False, "c": "true"}
        assert await ask({"kind": "org", "key": "ada", "n": 1}) == {"a": True, "b": False, "c": False}
        assert await ask(ADA, principal=client) == {"a": True}
        assert await ask(ADA, ["b", "a"]) == {"b": False, "a": True}
        assert await ask(ADA, ["a", "b"]) == {"a": True, "b": False}
        assert list(await ask(ADA, ["b", "a"])) == ["b", "a"]
        assert await ask(ADA, []) == {}
        assert await ask(ADA, None, ["red"]) == {"a": True}
        assert await ask(ADA, None, []) == {}
        assert await ask(ADA, ["red"]) == {"red": None}


async def test_the_next_answer_after_a_change_knows_of_it(
    evaluation: EvaluationService, snapshots: SnapshotService, owner: Principal
) -> None:
    for number in range(5):
        await put(snapshots, owner, a_flag("f", served=number))
        for _ in range(2):
            answer = await evaluation.evaluate_flags(Caller(owner, 1), WHERE, ADA)
            assert served(answer) == {"f": number}


async def test_repeated_questions_for_many_flags_are_answered_from_the_cache(
    snapshots: SnapshotService, counting: CountingStore, owner: Principal
) -> None:
    answers = MemoryCache[ContextEvaluations](max_entries=10, max_bytes=100_000)
    memberships = MembershipService(
        cast("Store", counting), snapshots, MemoryCache(max_entries=10, max_bytes=1_000)
    )
    contexts = ContextService(cast("Store", counting), retention_days=0, max_entries=1)
    evaluation = EvaluationService(snapshots, memberships, contexts, answers)
    keys = [f"f{number}" for number in range(WORTH_KEEPING)]
    await put(snapshots, owner, *(a_flag(key) for key in keys))
    first, again = [await evaluation.evaluate_flags(Caller(owner, 100), WHERE, ADA) for _ in range(2)]
    assert again is first
    assert (answers.statistics.hits, answers.statistics.misses) == (1, 1)
    first, again = [await evaluation.evaluate_flags(Caller(owner, 100), WHERE, ADA, keys[1:]) for _ in range(2)]
    assert again is not first
    assert (answers.statistics.hits, answers.statistics.misses) == (1, 1)


async def test_a_context_is_remembered_as_it_comes_though_its_answer_was_kept(
    snapshots: SnapshotService, fickle: FickleStore, owner: Principal
) -> None:
    contexts = ContextService(cast("Store", fickle), retention_days=1, max_entries=1)
    memberships = MembershipService(cast("Store", fickle), snapshots, MemoryCache(max_entries=10, max_bytes=1_000))
    answers = MemoryCache[ContextEvaluations](max_entries=10, max_bytes=100_000)
    evaluation = EvaluationService(snapshots, memberships, contexts, answers, worth_keeping=0)
    await put(snapshots, owner, a_flag("f"))
    context = {"kind": "user", "key": "ada", "email": "ada@x.test"}
    for met in (context, {**context, "_meta": {"privateAttributes": ["email"]}}):
        await evaluation.evaluate_flags(Caller(owner, 1), WHERE, met)
        await contexts.flush()
    assert answers.statistics.hits == 1
    (remembered,) = await fickle.store.list_contexts(PRODUCTION, first=10)
    assert remembered.email is None


async def test_a_context_nested_too_deep_for_a_name_is_answered_all_the_same(
    evaluation: EvaluationService, snapshots: SnapshotService, owner: Principal
) -> None:
    await put(snapshots, owner, a_flag("f"))
    deep: Json = []
    for _ in range(5_000):
        deep = [deep]
    answer = await evaluation.evaluate_flags(Caller(owner, 1), WHERE, {"kind": "user", "key": "ada", "deep": deep})
    assert served(answer) == {"f": True}
