"""What tests of caches do with them."""

import asyncio
import uuid
from collections.abc import Mapping, Sequence
from typing import Any

from domain.json import Json
from domain.ports import Compute, Computed, LoadingCache
from storage.cache import MemoryCache, RedisTexts
from storage.shared_cache import Codec, SharedCache


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


async def get(cache: LoadingCache[str], work: Compute[str], *keys: str) -> list[str]:
    found = await cache.get_or_compute(keys, work)
    return [found[key] for key in keys]


async def started(work: Work) -> None:
    """Return when one more run has begun."""
    async with asyncio.timeout(5):
        await work.begun.acquire()


PATIENT_SECONDS = 5.0
"""What a test waits for a Redis that is well, on a busy machine."""


class Machine:
    """A cache of any JSON, as one process has it; those of one namespace share what is in Redis."""

    def __init__(
        self, url: str, namespace: str | None = None, *, max_entries: int = 1_000, seconds: float = PATIENT_SECONDS
    ) -> None:
        self.namespace = namespace or uuid.uuid4().hex
        self.texts = RedisTexts(url, namespace=self.namespace, seconds=seconds)
        memory = MemoryCache[Any](max_entries=max_entries, max_bytes=1_000_000)
        self.cache: SharedCache[Any] = SharedCache(memory, self.texts, unit="unit", codec=Codec(_itself, _itself))

    async def written(self) -> None:
        """Return when nothing is on its way to Redis."""
        await asyncio.gather(*self.cache._writes)  # noqa: SLF001 - there is no other way to see them

    async def close(self) -> None:
        await self.texts.close()


def _itself(value: Json) -> Json:
    return value
