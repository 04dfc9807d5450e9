"""The memory cache: bounded, single-flight, and true to what it is given; where aiocache's own is not."""

import asyncio
from collections.abc import Mapping, Sequence

import pytest

from domain.clock import now_ms
from domain.ports import Cache, CacheStatistics, Compute, Computed
from storage.cache import ENTRY_BYTES, MemoryCache


class Work:
    """Work that can be counted, held up, and made to fail. The value of a key is the key, and which run it was."""

    def __init__(self, *, size: int = 0, valid_until_ms: int | None = None) -> None:
        self.runs: list[list[str]] = []
        self.size = size
        self.valid_until_ms = valid_until_ms
        self.may_end = asyncio.Event()
        self.may_end.set()
        self.begun = asyncio.Semaphore(0)
        self.fault: Exception | None = None

    async def __call__(self, keys: Sequence[str]) -> Mapping[str, Computed[str]]:
        self.runs.append(list(keys))
        self.begun.release()
        run = len(self.runs)
        await self.may_end.wait()
        if self.fault is not None:
            raise self.fault
        return {
            key: Computed(value=f"{key}{run}", size=self.size, valid_until_ms=self.valid_until_ms) for key in keys
        }


def a_cache(*, max_entries: int = 1_000, max_bytes: int = 1_000_000) -> MemoryCache[str]:
    return MemoryCache(max_entries=max_entries, max_bytes=max_bytes)


async def get(cache: Cache[str], work: Compute[str], *keys: str) -> list[str]:
    found = await cache.get_or_compute(keys, work)
    return [found[key] for key in keys]


async def started(work: Work) -> None:
    """Return when one more run has begun."""
    async with asyncio.timeout(5):
        await work.begun.acquire()


async def test_work_is_done_once_and_for_the_missing_keys_only() -> None:
    cache, work = a_cache(), Work()
    assert await get(cache, work, "a", "b") == ["a1", "b1"]
    assert await get(cache, work, "a", "c", "b") == ["a1", "c2", "b1"]
    assert work.runs == [["a", "b"], ["c"]]
    counts = CacheStatistics(entries=3, bytes=3 * ENTRY_BYTES, hits=2, misses=3, evictions=0)
    assert cache.statistics == counts


async def test_what_is_kept_is_found_and_counted() -> None:
    cache = a_cache()
    assert await cache.find("a") is None
    kept = Computed(value="A", size=7)
    await cache.keep("a", kept)
    assert await cache.find("a") is kept
    assert cache.statistics == CacheStatistics(entries=1, bytes=ENTRY_BYTES + 7, hits=1, misses=1, evictions=0)
    await cache.keep("a", Computed(value="A", size=7, valid_until_ms=now_ms()))
    assert await cache.find("a") is None


async def test_none_is_a_value() -> None:
    cache = MemoryCache[None](max_entries=10, max_bytes=10_000)
    runs = 0

    async def work(keys: Sequence[str]) -> Mapping[str, Computed[None]]:
        nonlocal runs
        runs += 1
        return {key: Computed(value=None, size=0) for key in keys}

    assert [await cache.get_or_compute(["a"], work) for _ in range(2)] == [{"a": None}] * 2
    assert runs == 1


async def test_what_was_used_longest_ago_goes_first() -> None:
    cache, work = a_cache(max_entries=2), Work()
    for key in ("a", "b", "a", "c"):
        await get(cache, work, key)
    assert await get(cache, work, "a", "c") == ["a1", "c3"]
    assert await get(cache, work, "b") == ["b4"]
    assert cache.statistics.entries == 2
    assert cache.statistics.evictions == 2


async def test_bytes_are_bounded_and_counted_right_whatever_comes_and_goes() -> None:
    size = ENTRY_BYTES + 200
    cache, work = a_cache(max_bytes=3 * size), Work(size=200)
    for key in "abcdeab":
        await get(cache, work, key)
    assert cache.statistics.bytes == 3 * size
    await cache.set("a", Computed(value="less", size=100))
    assert cache.statistics.bytes == 3 * size - 100
    await cache.delete("a")
    assert cache.statistics.bytes == 2 * size
    assert cache.statistics.entries == 2


async def test_a_value_that_exceeds_the_bound_is_handed_out_but_drives_nothing_out() -> None:
    cache, work = a_cache(max_bytes=10_000), Work()
    await get(cache, work, "small")
    assert await get(cache, Work(size=10_000), "large") == ["large1"]
    assert await get(cache, work, "small") == ["small1"]
    assert cache.statistics.entries == 1


async def test_a_cache_without_room_keeps_nothing() -> None:
    cache, work = a_cache(max_entries=0), Work()
    assert [await get(cache, work, "a") for _ in range(2)] == [["a1"], ["a2"]]
    assert cache.statistics.entries == cache.statistics.bytes == 0


async def test_a_value_is_gone_at_its_end(monkeypatch: pytest.MonkeyPatch) -> None:
    now = now_ms()
    monkeypatch.setattr("storage.cache.now_ms", lambda: now)
    cache, work = a_cache(), Work(valid_until_ms=now + 10)
    await get(cache, work, "a")
    now += 9
    assert await get(cache, work, "a") == ["a1"]
    now += 1
    assert await get(cache, work, "a") == ["a2"]
    assert cache.statistics.entries == cache.statistics.bytes == 0  # over before it was kept


async def test_all_who_ask_at_a_time_wait_for_one_run() -> None:
    cache, work = a_cache(), Work()
    work.may_end.clear()
    waiting = [asyncio.create_task(get(cache, work, "a", "b")) for _ in range(100)]
    await started(work)
    more = asyncio.create_task(get(cache, work, "b", "c"))
    await started(work)
    work.may_end.set()
    assert await asyncio.gather(*waiting) == [["a1", "b1"]] * 100
    assert await more == ["b1", "c2"]
    assert work.runs == [["a", "b"], ["c"]]


async def test_a_caller_that_gives_up_stops_nobody_elses_work() -> None:
    cache, work = a_cache(), Work()
    work.may_end.clear()
    first, second = (asyncio.create_task(get(cache, work, "a")) for _ in range(2))
    await started(work)
    first.cancel()
    with pytest.raises(asyncio.CancelledError):
        await first
    work.may_end.set()
    assert await second == ["a1"]


async def test_a_failure_reaches_all_who_wait_and_is_not_kept() -> None:
    cache, work = a_cache(), Work()
    work.fault = ValueError("broken")
    failed = await asyncio.gather(*(get(cache, work, "a") for _ in range(3)), return_exceptions=True)
    assert failed == [work.fault] * 3
    work.fault = None
    assert await get(cache, work, "a") == ["a2"]


async def test_what_was_begun_before_a_clear_is_not_kept_after_it() -> None:
    cache, work = a_cache(), Work()
    work.may_end.clear()
    waiting = asyncio.create_task(get(cache, work, "a"))
    await started(work)
    await cache.clear()
    work.may_end.set()
    assert await waiting == ["a1"]
    assert await get(cache, work, "a") == ["a2"]


async def test_it_sets_no_timers_so_none_fires_after_a_clear() -> None:
    cache = a_cache()
    await get(cache, Work(valid_until_ms=now_ms() + 20), "a")
    await cache.clear()
    work = Work()
    await get(cache, work, "a")
    await asyncio.sleep(0.05)
    assert await get(cache, work, "a") == ["a1"]


async def test_it_works_where_aiocache_is_turned_off(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AIOCACHE_DISABLE", "1")
    cache, work = a_cache(), Work()
    assert [await get(cache, work, "a", "b") for _ in range(2)] == [["a1", "b1"], ["a2", "b2"]]
