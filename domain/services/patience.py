"""Waits for the store on behalf of answers that can do without it: no longer than it shows signs of life."""

import asyncio
import logging
from collections.abc import Awaitable, Callable, Coroutine
from typing import Any, TypeVar

from domain.errors import UnavailableError

T = TypeVar("T")

_log = logging.getLogger(__name__)

_SILENT = "the store does not answer"

LOOK_SECONDS = 0.5
"""How long an answer may take before the store is asked whether it lives; many questions need longer."""
LIFE_SECONDS = 1.0
"""How long it may take to say so. A driver's own time-outs are ten times as long: writes must outlast more."""


class Patience:
    """Waits for a store. Once it did not answer at all, nobody waits until it does; that is looked for beside."""

    def __init__(self, ping: Callable[[], Awaitable[None]]) -> None:
        """Take what returns, or raises UnavailableError."""
        self._ping = ping
        self._look: asyncio.Task[bool] | None = None
        self._revival: asyncio.Task[None] | None = None

    async def wait_for(self, ask: Callable[[], Coroutine[Any, Any, T]]) -> T:
        """Ask the store something, and wait as long as it lives.

        Raises:
            UnavailableError: It gives no sign of life, or did not lately.
        """
        if self._revival is not None:
            raise UnavailableError(_SILENT)
        asking = asyncio.create_task(ask())
        try:
            while not (await asyncio.wait([asking], timeout=LOOK_SECONDS))[0]:
                if not await self._lives() and not asking.done():
                    self._give_up()
                    raise UnavailableError(_SILENT)
            return asking.result()
        finally:
            asking.cancel()

    def _give_up(self) -> None:
        if self._revival is None:
            _log.warning("the store does not answer, not asking it for answers that can do without it")
            self._revival = asyncio.create_task(self._wait_for_life())

    async def _lives(self) -> bool:
        """Look whether it lives, once for all who wait at the time."""
        if self._look is None or self._look.done():
            self._look = asyncio.create_task(self._answers())
        return await asyncio.shield(self._look)

    async def _answers(self) -> bool:
        try:
            async with asyncio.timeout(LIFE_SECONDS):
                await self._ping()
        except Exception:  # noqa: BLE001 - whatever it is, it is no sign of life
            return False
        return True

    async def _wait_for_life(self) -> None:
        while True:
            await asyncio.sleep(LOOK_SECONDS)
            if await self._lives():
                _log.warning("the store answers again, asking it for all answers")
                self._revival = None
                return
