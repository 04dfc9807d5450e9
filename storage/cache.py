"""The caches: in this process's memory, over aiocache, which nothing else imports.

Keys name all that a value depends on, the revision included, so nothing is ever invalidated: what nobody asks for
any more is the first to go.
"""

import asyncio
from collections import OrderedDict
from collections.abc import Iterable, Mapping, Sequence
from typing import Generic

from aiocache import SimpleMemoryCache

from domain.clock import now_ms
from domain.ports import CacheStatistics, Compute, Computed, V

ENTRY_BYTES = 300
"""What an entry takes beside its value: its key, its box, its place in the order: 235 as measured."""


class MemoryCache(SimpleMemoryCache, Generic[V]):  # type: ignore[misc]  # aiocache has no types
    """A bounded cache: the values used longest ago go first, and work is done once for all who wait for it.

    aiocache's own memory has no bound, sets a timer for each value with an end, forgets to stop them in `clear`,
    and takes None for a miss. Its methods that count, lock, or change a value's end are not supported here.
    """

    def __init__(self, *, max_entries: int, max_bytes: int) -> None:
        super().__init__(timeout=None)  # a timeout costs a task each call, and memory does not hang
        self._cache: OrderedDict[str, Computed[V]] = OrderedDict()
        self._flights: dict[str, asyncio.Task[Mapping[str, Computed[V]]]] = {}
        self._max_entries = max_entries
        self._max_bytes = max_bytes
        self._epoch = 0
        self._bytes = self._hits = self._misses = self._evictions = 0

    @property
    def statistics(self) -> CacheStatistics:
        """How it did so far."""
        return CacheStatistics(
            entries=len(self._cache),
            bytes=self._bytes,
            hits=self._hits,
            misses=self._misses,
            evictions=self._evictions,
        )

    async def find(self, key: str) -> Computed[V] | None:
        """Return what was kept, unless it had to go or is past its end."""
        box = await self._get(key)  # not `get`, whose hooks and timers cost more than many an answer
        self._hits += box is not None
        return box

    async def keep(self, key: str, computed: Computed[V]) -> None:
        """Keep a value until its end, or until others need the room."""
        self._misses += 1
        await self._set(key, computed)

    async def get_or_compute(self, keys: Sequence[str], compute: Compute[V]) -> Mapping[str, V]:
        """Return the values of keys; do the work for those that are not there, as domain.ports.Cache says."""
        found: list[Computed[V] | None] = await self.multi_get(keys)
        # AIOCACHE_DISABLE=1 finds nothing at all, not even a miss for each key.
        values = {key: box.value for key, box in zip(keys, found, strict=False) if box is not None}
        missing = [key for key in keys if key not in values]
        self._hits += len(keys) - len(missing)
        self._misses += len(missing)
        if missing:
            grounded = [key for key in missing if key not in self._flights]
            if grounded:
                self._start(grounded, compute)
            for flight in {self._flights[key] for key in missing}:
                # Shielded: others may wait for it too.
                values.update((key, box.value) for key, box in (await asyncio.shield(flight)).items())
        return {key: values[key] for key in keys}

    def _start(self, keys: Sequence[str], compute: Compute[V]) -> None:
        flight = asyncio.create_task(self._compute(keys, compute, self._epoch))
        self._flights.update(dict.fromkeys(keys, flight))

        def land(_flight: asyncio.Task[Mapping[str, Computed[V]]]) -> None:
            for key in keys:
                del self._flights[key]
            if not flight.cancelled():
                flight.exception()  # seen, though all who waited may have given up

        flight.add_done_callback(land)

    async def _compute(self, keys: Sequence[str], compute: Compute[V], epoch: int) -> Mapping[str, Computed[V]]:
        computed = await compute(keys)
        if epoch == self._epoch:  # what was begun before a `clear` is not kept after it
            await self.multi_set(computed.items())
        return computed

    async def _get(self, key: str, *_: object, **__: object) -> Computed[V] | None:
        box = self._cache.get(key)
        if box is None:
            return None
        if _is_over(box):
            self._remove(key)
            return None
        self._cache.move_to_end(key)
        return box

    async def _multi_get(self, keys: Iterable[str], *_: object, **__: object) -> list[Computed[V] | None]:
        return [await self._get(key) for key in keys]

    async def _set(self, key: str, value: Computed[V], *_: object, **__: object) -> bool:
        self._remove(key)
        if _is_over(value) or ENTRY_BYTES + value.size > self._max_bytes or not self._max_entries:
            return False
        self._cache[key] = value
        self._bytes += ENTRY_BYTES + value.size
        while len(self._cache) > self._max_entries or self._bytes > self._max_bytes:
            self._remove(next(iter(self._cache)))
            self._evictions += 1
        return True

    async def _delete(self, key: str, *_: object, **__: object) -> int:
        return self._remove(key)

    async def _clear(self, *_: object, **__: object) -> bool:
        self._epoch += 1
        self._cache.clear()
        self._bytes = 0
        return True

    def _remove(self, key: str) -> int:
        box = self._cache.pop(key, None)
        if box is None:
            return 0
        self._bytes -= ENTRY_BYTES + box.size
        return 1


def _is_over(box: Computed[V]) -> bool:
    return box.valid_until_ms is not None and box.valid_until_ms <= now_ms()
