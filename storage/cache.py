"""What the caches keep values in: this process's memory, and Redis; over aiocache, which nothing else imports.

Keys name all that a value depends on, the revision included, so nothing is ever invalidated: what nobody asks for
any more is the first to go.
"""

import asyncio
import logging
import time
from collections import OrderedDict
from collections.abc import Awaitable, Callable, Iterable, Mapping, Sequence
from functools import partial
from typing import Any, Generic, TypeVar

from aiocache import SimpleMemoryCache

from domain.clock import now_ms
from domain.errors import InvalidInputError, Violation
from domain.ports import CacheStatistics, Compute, Computed, V

T = TypeVar("T")

_log = logging.getLogger(__name__)

REDIS_SCHEMES = ("redis://", "rediss://", "unix://")
REDIS_SECONDS = 0.05
"""How long a request waits for Redis, which answers in a fraction of a millisecond where it pays at all."""
FAILURES_IN_A_ROW = 3
SLOW_SHARE = 0.4
"""An answer that takes more of the time that Redis has is of use, but counts as a failure: stores are quicker."""
RETRY_SECONDS = 0.5
_CONNECT_SECONDS = 1.0
_CONNECTIONS = 16
_KEYS_AT_A_TIME = 1_000

ENTRY_BYTES = 300
"""What an entry takes beside its value: its key, its box, its place in the order: 235 as measured."""


class MemoryCache(SimpleMemoryCache, Generic[V]):  # type: ignore[misc]  # aiocache has no types
    """A bounded cache: the values used longest ago go first, and work is done once for all who wait for it.

    aiocache's own memory has no bound, sets a timer for each value with an end, forgets to stop them in `clear`,
    and takes None for a miss. Its methods that delete, count, lock, or change an end are not supported.
    """

    def __init__(self, *, max_entries: int, max_bytes: int) -> None:
        super().__init__(timeout=None)  # a timeout costs a task each call, and memory does not hang
        self._cache: OrderedDict[str, Computed[V]] = OrderedDict()
        self._flights: dict[str, asyncio.Task[Mapping[str, Computed[V]]]] = {}
        self._max_entries = max_entries
        self._max_bytes = max_bytes
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
        """Return the values of keys; do the work for those that are not there, as LoadingCache says."""
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
        flight = asyncio.create_task(self._compute(keys, compute))
        self._flights.update(dict.fromkeys(keys, flight))

        def land(_flight: asyncio.Task[Mapping[str, Computed[V]]]) -> None:
            for key in keys:
                del self._flights[key]
            if not flight.cancelled():
                flight.exception()  # seen, though all who waited may have given up

        flight.add_done_callback(land)

    async def _compute(self, keys: Sequence[str], compute: Compute[V]) -> Mapping[str, Computed[V]]:
        computed = await compute(keys)
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

    def _remove(self, key: str) -> None:
        box = self._cache.pop(key, None)
        if box is not None:
            self._bytes -= ENTRY_BYTES + box.size


class RedisTexts:
    """Texts in a Redis that may be slow, away, or emptied at any time: then there are none, and nobody waits long.

    After some failures in a row it is not asked any more, but for a sign of life from time to time.
    """

    def __init__(self, url: str, *, namespace: str, seconds: float = REDIS_SECONDS) -> None:
        """Take the address, and how long to wait for an answer; it is not connected to before it is asked.

        Raises:
            InvalidInputError: The URL has another form, or the package redis is not installed.
        """
        if not url.startswith(REDIS_SCHEMES):
            raise _refused(f"is none of {', '.join(f'{scheme}…' for scheme in REDIS_SCHEMES)}")
        try:
            from aiocache import RedisCache  # noqa: PLC0415 - only who wants Redis has its driver
            from aiocache.serializers import NullSerializer  # noqa: PLC0415 - beside it
            from redis.asyncio import BlockingConnectionPool  # noqa: PLC0415 - beside it
            from redis.asyncio.retry import Retry  # noqa: PLC0415 - beside it
            from redis.backoff import NoBackoff  # noqa: PLC0415 - beside it
            from redis.exceptions import ResponseError  # noqa: PLC0415 - beside it
        except ImportError as error:
            raise _refused("needs the package redis: install earlybird[redis]") from error

        def pool(**_: object) -> BlockingConnectionPool:
            # RESP2 needs no greeting. Tries and times are ours: those of redis-py rest on wait_for, which costs a
            # task, and in Python 3.11 loses some cancellations.
            options: dict[str, Any] = {"retry": Retry(NoBackoff(), 0), "protocol": 2}
            options |= {"socket_timeout": None, "socket_connect_timeout": None}
            return BlockingConnectionPool.from_url(url, max_connections=_CONNECTIONS, timeout=None, **options)

        try:
            self._redis: Any = RedisCache(  # aiocache has no types
                serializer=NullSerializer(encoding=None),
                namespace=namespace,
                timeout=None,  # a timeout costs a task each call
                connection_pool_class=pool,
            )
        except ValueError as error:
            raise _refused("is no URL of a Redis: redis://user:password@host:port/database") from error
        self._refusal: type[Exception] = ResponseError
        self._refuses_writes = False
        self._seconds = seconds
        self._slow_seconds = seconds * SLOW_SHARE
        self._failures_in_a_row = 0
        self._failed_at = 0.0
        self._away_since: float | None = None
        self._revival: asyncio.Task[None] | None = None

    @property
    def away_seconds(self) -> float | None:
        """How long it has not been asked; None while it is."""
        return None if self._away_since is None else time.monotonic() - self._away_since

    async def read(self, keys: Sequence[str]) -> dict[str, bytes]:
        """Return the texts of those keys that have one, as far as they come in time."""
        found: dict[str, bytes] = {}
        until = self._time_from_now()
        for some in _chunks(keys):
            texts = await self._in_time(partial(self._redis.multi_get, some), until)
            if texts is None:
                break
            found.update((key, text) for key, text in zip(some, texts, strict=False) if text is not None)
        return found

    async def write(self, texts: Mapping[str, bytes], ttl_ms: int) -> int:
        """Keep texts for so many milliseconds, as far as that can be done in time; return how many are kept."""
        kept = 0
        for some in _chunks(list(texts)):
            pairs = [(key, texts[key]) for key in some]
            if await self._in_time(partial(self._set, pairs, ttl_ms / 1_000), self._time_from_now()):
                kept += len(some)
        return kept

    async def look(self) -> None:
        """Find out whether it answers, before anybody asks: if it does not, nobody does until it answers."""
        try:
            await self._ping()
        except Exception as error:  # noqa: BLE001 - whatever it is, it is no answer
            self._go_away(error)

    async def close(self) -> None:
        """Give all connections up; it is not asked any more."""
        self._away_since = time.monotonic()
        if self._revival is not None:
            self._revival.cancel()
        await self._redis.client.aclose()

    async def _set(self, pairs: Sequence[tuple[str, bytes]], ttl: float) -> bool:
        try:
            await self._redis.multi_set(pairs, ttl=ttl)
        except self._refusal as error:  # it is full, or only a replica: what it has can still be read
            if not self._refuses_writes:
                _log.warning("the shared cache takes no values: %s", type(error).__name__)
            self._refuses_writes = True
            return False
        self._refuses_writes = False
        return True

    async def _ping(self) -> None:
        """Ask it for a sign of life.

        Raises:
            TimeoutError: It gives none, or is slow.
        """
        async with asyncio.timeout(_CONNECT_SECONDS):
            await self._redis.client.ping()
            began = time.monotonic()
            await self._redis.client.ping()  # on a connection that is there by now
        if time.monotonic() - began > self._slow_seconds:
            raise TimeoutError

    def _time_from_now(self) -> float:
        return asyncio.get_running_loop().time() + self._seconds

    async def _in_time(self, work: Callable[[], Awaitable[T]], until: float) -> T | None:
        if self._away_since is not None:
            return None
        began = time.monotonic()
        try:
            async with asyncio.timeout_at(until):
                answer = await work()
        except Exception as error:  # noqa: BLE001 - whatever it is, it must not spoil an answer
            self._fail(error, began)
            return None
        if time.monotonic() - began > self._slow_seconds:
            self._fail(TimeoutError("it is slow"), began)
        else:
            self._failures_in_a_row = 0
        return answer

    def _fail(self, error: Exception, began: float) -> None:
        if began < self._failed_at:  # what failed together counts once
            return
        self._failed_at = time.monotonic()
        self._failures_in_a_row += 1
        if self._failures_in_a_row >= FAILURES_IN_A_ROW:
            self._go_away(error)

    def _go_away(self, error: Exception) -> None:
        if self._away_since is None:
            self._away_since = time.monotonic()
            _log.warning("the shared cache is away, answering without it: %s", str(error) or type(error).__name__)
            self._revival = asyncio.create_task(self._wait_for_life())

    async def _wait_for_life(self) -> None:
        while True:
            await asyncio.sleep(RETRY_SECONDS)
            try:
                await self._ping()
            except Exception:  # noqa: BLE001, S112 - away still, for whatever reason
                continue
            _log.warning("the shared cache is back after %.1f s", self.away_seconds)
            self._failures_in_a_row = 0
            self._away_since = None
            return


def _refused(message: str) -> InvalidInputError:
    """Return the error of a URL, which is not repeated: it may hold a password."""
    return InvalidInputError([Violation(("EARLYBIRD_CACHE_URL",), message)])


def _chunks(keys: Sequence[str]) -> Iterable[Sequence[str]]:
    return (keys[start : start + _KEYS_AT_A_TIME] for start in range(0, len(keys), _KEYS_AT_A_TIME))


def _is_over(box: Computed[V]) -> bool:
    return box.valid_until_ms is not None and box.valid_until_ms <= now_ms()
