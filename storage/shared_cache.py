"""A cache that several processes share, on any number of machines: each one's memory, and Redis behind it.

A value from Redis is looked at again before it is believed: what cannot be read, or is past its end, is not there.
"""

import asyncio
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Generic

import orjson

from domain.clock import now_ms
from domain.evaluation.results import BigSegmentsStatus
from domain.evaluation.subject import Membership
from domain.json import Json
from domain.ports import CacheStatistics, Compute, Computed, LoadingCache, SharedStatistics, V
from storage.cache import RedisTexts

KEPT_MS = 3_600_000
"""How long a value stays in Redis, unless it ends sooner: nobody asks for one of an overtaken revision."""
_LARGEST = 1 << 30
"""More bytes no value has that memory could keep."""
WRITES_UNDER_WAY = 100
"""How many writes may wait for Redis; what comes beyond is not shared."""


@dataclass(frozen=True, slots=True)
class Codec(Generic[V]):
    """How a value is written as JSON, and read.

    Attributes:
        decode: Raises ValueError or TypeError for JSON that it did not write.
    """

    encode: Callable[[V], Json]
    decode: Callable[[Json], V]


class SharedCache(Generic[V]):
    """A domain.ports.LoadingCache before another one. Redis is read where memory misses, and written beside.

    Keys must be the same in every process that means the same, and never for another store.
    """

    def __init__(self, memory: LoadingCache[V], redis: RedisTexts, *, unit: str, codec: Codec[V]) -> None:
        self._memory = memory
        self._redis = redis
        self._unit = unit
        self._codec = codec
        self._writes: set[asyncio.Task[None]] = set()
        self._hits = self._misses = self._write_failures = 0

    @property
    def statistics(self) -> CacheStatistics:
        """How both did so far."""
        shared = SharedStatistics(
            hits=self._hits,
            misses=self._misses,
            write_failures=self._write_failures,
            away_seconds=self._redis.away_seconds,
        )
        return replace(self._memory.statistics, shared=shared)

    async def get_or_compute(self, keys: Sequence[str], compute: Compute[V]) -> Mapping[str, V]:
        """Return the values of keys; do the work for those that are neither here nor in Redis."""

        async def read_or_compute(missing: Sequence[str]) -> Mapping[str, Computed[V]]:
            found = await self._read(missing)
            rest = [key for key in missing if key not in found]
            if rest:
                computed = await compute(rest)
                self._share(computed)
                found.update(computed)
            return found

        return await self._memory.get_or_compute(keys, read_or_compute)

    async def _read(self, keys: Sequence[str]) -> dict[str, Computed[V]]:
        texts = await self._redis.read([self._name(key) for key in keys])
        boxes = {key: self._decoded(texts.get(self._name(key))) for key in keys}
        found = {key: box for key, box in boxes.items() if box is not None}
        self._hits += len(found)
        self._misses += len(keys) - len(found)
        return found

    def _share(self, computed: Mapping[str, Computed[V]]) -> None:
        """Write values to Redis while others go on; those with an end each for its own time."""
        if self._redis.away_seconds is not None or len(self._writes) >= WRITES_UNDER_WAY:
            return
        now = now_ms()
        times: dict[int, dict[str, bytes]] = {}
        for key, box in computed.items():
            ttl_ms = KEPT_MS if box.valid_until_ms is None else min(KEPT_MS, box.valid_until_ms - now)
            if ttl_ms > 0:
                times.setdefault(ttl_ms, {})[self._name(key)] = self._encoded(box)
        for ttl_ms, texts in times.items():
            write = asyncio.create_task(self._write(texts, ttl_ms))
            self._writes.add(write)
            write.add_done_callback(self._writes.discard)

    async def _write(self, texts: Mapping[str, bytes], ttl_ms: int) -> None:
        self._write_failures += len(texts) - await self._redis.write(texts, ttl_ms)

    def _name(self, key: str) -> str:
        return f"{self._unit}:{key}"

    def _encoded(self, box: Computed[V]) -> bytes:
        return orjson.dumps([box.valid_until_ms, box.size, self._codec.encode(box.value)])

    def _decoded(self, text: bytes | None) -> Computed[V] | None:
        if text is None:
            return None
        try:
            valid_until_ms, size, value = orjson.loads(text)
            box = Computed(value=self._codec.decode(value), size=size, valid_until_ms=valid_until_ms)
            is_over = box.valid_until_ms is not None and box.valid_until_ms <= now_ms()
            is_good = isinstance(size, int) and 0 <= size <= _LARGEST and not is_over
        except (ValueError, TypeError):
            return None
        return box if is_good else None


def _encode_membership(membership: Membership) -> Json:
    return [membership.status.value, dict(membership.listed)]


def _decode_membership(value: Json) -> Membership:
    match value:
        case [status, dict(listed)] if all(isinstance(is_in, bool) for is_in in listed.values()):
            return Membership(BigSegmentsStatus(status), listed)
    message = "this is no membership"
    raise ValueError(message)


MEMBERSHIPS = Codec(_encode_membership, _decode_membership)
