"""The memory cache: bounded, single-flight, and true to what it is given; where aiocache's own is not."""

import asyncio

from domain.clock import now_ms
from domain.ports import Computed
from storage.cache import ENTRY_BYTES, MemoryCache
from tests.storage.caches import Work, get, started


def a_cache(*, max_entries: int = 1_000, max_bytes: int = 1_000_000) -> MemoryCache[str]:
    return MemoryCache(max_entries=max_entries, max_bytes=max_bytes)


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
