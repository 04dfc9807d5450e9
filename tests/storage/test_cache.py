"""The memory cache: bounded, single-flight, and true to what it is given; where aiocache's own is not."""

from domain.clock import now_ms
from domain.ports import CacheStatistics, Computed
from storage.cache import ENTRY_BYTES, MemoryCache
from tests.storage.caches import Work, get


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
    await cache.keep("a", Computed(value="less", size=100))
    assert cache.statistics.bytes == 3 * size - 100
    await cache.keep("a", Computed(value="over", size=100, valid_until_ms=now_ms()))
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


async def test_what_is_kept_is_found_until_its_end_and_counted() -> None:
    cache = a_cache()
    assert await cache.find("a") is None
    kept = Computed(value="A", size=7)
    await cache.keep("a", kept)
    assert await cache.find("a") is kept
    counts = CacheStatistics(entries=1, bytes=ENTRY_BYTES + 7, hits=1, misses=1, evictions=0)
    assert cache.statistics == counts
    await cache.keep("a", Computed(value="A", size=7, valid_until_ms=now_ms()))
    assert await cache.find("a") is None
