"""Long evaluations let others have their turn, and stay at one revision; large contexts count for several."""

import asyncio
from typing import Self

import pytest

from domain.access.principals import Principal
from domain.errors import LimitExceededError
from domain.json import Json
from domain.services import turns
from domain.services.evaluation import Caller, EvaluationService
from domain.services.snapshots import SnapshotService
from tests.domain.services.conftest import FickleStore, evaluation_of
from tests.domain.services.served import ADA, WHERE, a_flag, put, served


@pytest.fixture
def evaluation(fickle: FickleStore, snapshots: SnapshotService) -> EvaluationService:
    return evaluation_of(fickle, snapshots)


@pytest.fixture
def restless(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(turns, "TURN_SECONDS", 0.0)


class Rounds:
    """Counts how often the event loop goes round while something is done."""

    async def __aenter__(self) -> Self:
        self.count = 0
        self._counting = asyncio.create_task(self._go())
        return self

    async def __aexit__(self, *_: object) -> None:
        self._counting.cancel()

    async def _go(self) -> None:
        while True:
            self.count += 1
            await asyncio.sleep(0)


@pytest.mark.usefixtures("restless")
async def test_a_batch_lets_others_have_their_turn_for_each_context(
    evaluation: EvaluationService, snapshots: SnapshotService, owner: Principal
) -> None:
    await put(snapshots, owner, a_flag("f"))
    async with Rounds() as rounds:
        await evaluation.evaluate_batch(Caller(owner, 1_000), WHERE, [ADA] * 100)
    assert rounds.count >= 300  # to read, to evaluate, and to answer


@pytest.mark.usefixtures("restless")
async def test_one_context_and_many_flags_do_too(
    evaluation: EvaluationService, snapshots: SnapshotService, owner: Principal
) -> None:
    await put(snapshots, owner, *(a_flag(f"f{n:03}") for n in range(200)))
    async with Rounds() as rounds:
        answer = await evaluation.evaluate_flags(Caller(owner, 1_000), WHERE, ADA)
    assert list(served(answer)) == [f"f{n:03}" for n in range(200)]
    assert rounds.count >= 3


@pytest.mark.usefixtures("restless")
async def test_a_batch_is_answered_at_one_revision_whatever_changes_meanwhile(
    evaluation: EvaluationService, snapshots: SnapshotService, owner: Principal
) -> None:
    await put(snapshots, owner, a_flag("f", served="before"))
    contexts: list[Json] = [{"kind": "user", "key": f"user-{n}"} for n in range(5_000)]
    batch = asyncio.create_task(evaluation.evaluate_batch(Caller(owner, 10_000), WHERE, contexts))
    await put(snapshots, owner, a_flag("f", served="after"))
    assert not batch.done()
    answer = await batch
    assert {result.revision for result in answer.results} == {answer.revision}
    assert {str(served(result)) for result in answer.results} == {"{'f': 'before'}"}


async def test_a_context_counts_once_for_each_kilobyte(
    evaluation: EvaluationService, snapshots: SnapshotService, owner: Principal
) -> None:
    await put(snapshots, owner, a_flag("f"), a_flag("g"))
    usual: Json = {"kind": "user", "key": "ada", "notes": "x" * 1_001}
    longer: Json = {"kind": "user", "key": "ada", "notes": "x" * 1_002}
    groups: Json = {"kind": "user", "key": "ada", "groups": ["a"] * 3_000}

    async def cost(*contexts: Json) -> int:
        with pytest.raises(LimitExceededError) as refused:
            await evaluation.evaluate_batch(Caller(owner, len(contexts) * 2), WHERE, contexts)
        details = refused.value.details
        assert details["setting"] == "EARLYBIRD_MAX_BATCH_EVALUATIONS"
        return int(str(details["actual"]))

    await evaluation.evaluate_batch(Caller(owner, 2), WHERE, [usual])
    assert await cost(longer) == 4
    assert await cost(usual, groups) == 4 + 2 * 5
    counted: list[int] = []
    await evaluation.evaluate_flags(Caller(owner, 12, count=counted.append), WHERE, groups)
    assert counted == [2]  # what is metered is evaluations
    with pytest.raises(LimitExceededError):
        await evaluation.evaluate_flags(Caller(owner, 11), WHERE, groups)
    with pytest.raises(LimitExceededError):
        await evaluation.evaluate(Caller(owner, 5), WHERE, "f", groups)
