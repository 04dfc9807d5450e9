"""What domain.ports.LoadingCache says holds in memory alone, and with Redis behind it."""

import asyncio
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from dataclasses import replace
from typing import Any, TypeAlias

import pytest

from domain.clock import now_ms
from domain.ports import CacheStatistics, Computed, LoadingCache
from storage.cache import ENTRY_BYTES, MemoryCache
from tests.storage.caches import Machine, Work, get, started

Make: TypeAlias = Callable[[], LoadingCache[Any]]


@pytest.fixture(params=["memory", "redis"])
async def make(request: pytest.FixtureRequest) -> AsyncIterator[Make]:
    if request.param == "memory":
        yield lambda: MemoryCache(max_entries=1_000, max_bytes=1_000_000)
        return
    machine = Machine(request.getfixturevalue("redis_server").url)
    yield lambda: machine.cache
    await machine.close()


@pytest.fixture
def cache(make: Make) -> LoadingCache[str]:
    return make()


def counts_of(cache: LoadingCache[str]) -> CacheStatistics:
    return replace(cache.statistics, shared=None)


async def test_work_is_done_once_and_for_the_missing_keys_only(cache: LoadingCache[str]) -> None:
    work = Work()
    assert await get(cache, work, "a", "b") == ["a1", "b1"]
    assert await get(cache, work, "a", "c", "b") == ["a1", "c2", "b1"]
    assert work.runs == [["a", "b"], ["c"]]
    counts = CacheStatistics(entries=3, bytes=3 * ENTRY_BYTES, hits=2, misses=3, evictions=0)
    assert counts_of(cache) == counts


async def test_none_is_a_value(make: Make) -> None:
    cache: LoadingCache[None] = make()
    runs = 0

    async def work(keys: Sequence[str]) -> Mapping[str, Computed[None]]:
        nonlocal runs
        runs += 1
        return {key: Computed(value=None, size=0) for key in keys}

    assert [await cache.get_or_compute(["a"], work) for _ in range(2)] == [{"a": None}] * 2
    assert runs == 1


async def test_a_value_is_gone_at_its_end(cache: LoadingCache[str], monkeypatch: pytest.MonkeyPatch) -> None:
    now = now_ms()
    for module in ("storage.cache", "storage.shared_cache"):
        monkeypatch.setattr(f"{module}.now_ms", lambda: now)
    work = Work(valid_until_ms=now + 10)
    await get(cache, work, "a")
    now += 9
    assert await get(cache, work, "a") == ["a1"]
    now += 1
    assert await get(cache, work, "a") == ["a2"]
    assert cache.statistics.entries == cache.statistics.bytes == 0  # over before it was kept


async def test_all_who_ask_at_a_time_wait_for_one_run(cache: LoadingCache[str]) -> None:
    work = Work()
    work.may_end.clear()
    waiting = [asyncio.create_task(get(cache, work, "a", "b")) for _ in range(100)]
    await started(work)
    more = asyncio.create_task(get(cache, work, "b", "c"))
    await started(work)
    work.may_end.set()
    assert await asyncio.gather(*waiting) == [["a1", "b1"]] * 100
    assert await more == ["b1", "c2"]
    assert work.runs == [["a", "b"], ["c"]]


async def test_a_caller_that_gives_up_stops_nobody_elses_work(cache: LoadingCache[str]) -> None:
    work = Work()
    work.may_end.clear()
    first, second = (asyncio.create_task(get(cache, work, "a")) for _ in range(2))
    await started(work)
    first.cancel()
    with pytest.raises(asyncio.CancelledError):
        await first
    work.may_end.set()
    assert await second == ["a1"]


async def test_a_failure_reaches_all_who_wait_and_is_not_kept(cache: LoadingCache[str]) -> None:
    work = Work()
    work.fault = ValueError("broken")
    failed = await asyncio.gather(*(get(cache, work, "a") for _ in range(3)), return_exceptions=True)
    assert failed == [work.fault] * 3
    work.fault = None
    assert await get(cache, work, "a") == ["a2"]


async def test_it_works_where_aiocache_is_turned_off(
    cache: LoadingCache[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("AIOCACHE_DISABLE", "1")
    work = Work()
    assert [await get(cache, work, "a", "b") for _ in range(2)] == [["a1", "b1"], ["a2", "b2"]]
