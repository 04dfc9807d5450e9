"""The store with each question to it timed, whatever the adapter."""

import time
from collections.abc import Awaitable, Callable, Mapping
from functools import partial
from inspect import iscoroutinefunction
from typing import Any, Protocol, cast

from domain.commits import Commit
from domain.errors import DomainError, UnavailableError
from domain.ports import Store


class StoreMeter(Protocol):
    """Who is told of questions to the store."""

    def count_store_call(self, method: str, seconds: float, *, failed: bool) -> None:
        """Take note of a question: which, how long it took, and whether the store failed at it."""

    def count_commit(self, commit: Commit) -> None:
        """Take note of a commit that holds."""


def metered(store: Store, meter: StoreMeter) -> Store:
    """Return the store with a meter before it."""
    return cast("Store", _MeteredStore(store, meter))


class _MeteredStore:
    """Implements domain.ports.Store: each method is that of the store, and is timed if it is awaited."""

    def __init__(self, store: Store, meter: StoreMeter) -> None:
        self._store = store
        self._meter = meter

    def __getattr__(self, name: str) -> Any:  # noqa: ANN401 - whatever the store has
        method = getattr(self._store, name)
        if iscoroutinefunction(method):
            method = partial(self._timed, name, method)
        setattr(self, name, method)  # found at once from now on
        return method

    async def commit(self, commit: Commit) -> Mapping[str, int]:
        revisions: Mapping[str, int] = await self._timed("commit", self._store.commit, commit)
        self._meter.count_commit(commit)
        return revisions

    async def _timed(
        self, name: str, method: Callable[..., Awaitable[Any]], *args: object, **options: object
    ) -> Any:  # noqa: ANN401 - as the method
        began = time.perf_counter()
        try:
            answer = await method(*args, **options)
        except Exception as error:
            failed = isinstance(error, UnavailableError) or not isinstance(error, DomainError)
            self._meter.count_store_call(name, time.perf_counter() - began, failed=failed)
            raise
        self._meter.count_store_call(name, time.perf_counter() - began, failed=False)
        return answer
