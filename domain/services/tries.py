"""Trying again what others' changes came between."""

import asyncio
import random
import time

from domain.errors import UnavailableError

_PATIENCE_SECONDS = 10.0
_PAUSE_SECONDS = 0.02


class Tries:
    """The tries of one change."""

    def __init__(self, what: str) -> None:
        self._what = what
        self._give_up: float | None = None

    async def next(self) -> None:
        """Let the first try begin at once, and each other one after a moment.

        Raises:
            UnavailableError: The tries have taken too long.
        """
        if self._give_up is None:
            self._give_up = time.monotonic() + _PATIENCE_SECONDS
            return
        await asyncio.sleep(random.uniform(0, _PAUSE_SECONDS))  # noqa: S311 - spreads tries, keeps no secret
        if time.monotonic() > self._give_up:
            message = f"others kept changing {self._what} for {_PATIENCE_SECONDS:g} s; nothing was stored"
            raise UnavailableError(message)
