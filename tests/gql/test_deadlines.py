import asyncio
from typing import Any

import pytest

from gql.deadlines import within


async def steps(count: int, seen: list[str]) -> str:
    """Wait so many times, and tell what came."""
    try:
        for _ in range(count):
            await asyncio.sleep(0.001)
    except BaseException as error:
        seen.append(type(error).__name__)
        raise
    return "done"


@pytest.mark.parametrize("count", [0, 1, 5])
async def test_what_is_done_in_time_is_returned(count: int) -> None:
    assert await within(5, steps(count, [])) == "done"


async def test_what_is_done_at_once_costs_no_timer(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: Any) -> None:
        raise AssertionError

    monkeypatch.setattr(asyncio, "timeout", refuse)
    assert await within(5, steps(0, [])) == "done"


async def test_what_takes_too_long_is_given_up_and_can_clean_up() -> None:
    seen: list[str] = []
    with pytest.raises(TimeoutError):
        await within(0.02, steps(10_000, seen))
    assert seen == ["CancelledError"]


async def test_work_that_outlives_its_cancellation_may_still_return() -> None:
    async def stubborn() -> str:
        try:
            await asyncio.sleep(5)
        except asyncio.CancelledError:
            await asyncio.sleep(0.001)
        return "done"

    # As with asyncio.timeout: what returns in spite of it is returned, and the task goes on.
    task = asyncio.create_task(within(5, stubborn()))
    await asyncio.sleep(0.01)
    task.cancel()
    assert await task == "done"


async def test_who_cancels_from_outside_is_no_timeout() -> None:
    seen: list[str] = []
    task = asyncio.create_task(within(5, steps(10_000, seen)))
    await asyncio.sleep(0.01)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert seen == ["CancelledError"]


@pytest.mark.parametrize("count", [0, 2])
async def test_what_fails_fails_as_it_did(count: int) -> None:
    async def failing() -> None:
        await steps(count, [])
        raise KeyError("x")

    with pytest.raises(KeyError):
        await within(5, failing())


async def test_tasks_within_tasks_are_awaited() -> None:
    async def several() -> list[str]:
        return await asyncio.gather(*(steps(n, []) for n in range(4)))

    assert await within(5, several()) == ["done"] * 4
