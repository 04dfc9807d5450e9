"""A store before one of whose calls something else is done."""

from collections.abc import Awaitable, Callable
from typing import Any

from domain.ports import Store


class Interposed:
    """A store before one of whose calls something else is done, once."""

    def __init__(self, store: Store, name: str, meanwhile: Callable[[], Awaitable[object]]) -> None:
        self._store = store
        self._name = name
        self._meanwhile: Callable[[], Awaitable[object]] | None = meanwhile

    def __getattr__(self, name: str) -> Any:
        async def call(*arguments: Any, **options: Any) -> Any:
            if name == self._name and self._meanwhile is not None:
                meanwhile, self._meanwhile = self._meanwhile, None
                await meanwhile()
            return await getattr(self._store, name)(*arguments, **options)

        return call
