"""The store for all who ask it on somebody's behalf: while it is known to be away, nobody waits for it in vain."""

from collections.abc import Awaitable, Callable
from functools import partial
from inspect import iscoroutinefunction
from typing import Any, cast

from domain.errors import UnavailableError
from domain.ports import Store


def asked_store(store: Store, is_away: Callable[[], bool]) -> Store:
    """Return the store, which refuses questions while it is away. Feeds go on: they find out that it is back."""
    return cast("Store", _AskedStore(store, is_away))


class _AskedStore:
    """Implements domain.ports.Store: each method is that of the store."""

    def __init__(self, store: Store, is_away: Callable[[], bool]) -> None:
        self._store = store
        self._is_away = is_away

    def __getattr__(self, name: str) -> Any:  # noqa: ANN401 - whatever the store has
        method = getattr(self._store, name)
        if iscoroutinefunction(method):
            method = partial(self._ask, method)
        setattr(self, name, method)  # found at once from now on
        return method

    async def _ask(self, method: Callable[..., Awaitable[Any]], *args: object, **options: object) -> Any:  # noqa: ANN401 - as the method
        if self._is_away():
            message = "the store is away"
            raise UnavailableError(message)
        return await method(*args, **options)
