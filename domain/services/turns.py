"""Long work in turns: the event loop goes round in between, so that others are answered, and time limits hold."""

import asyncio
from time import perf_counter

TURN_SECONDS = 0.01


class Turns:
    """Tells long work when to let others have their turn. Short work pays for a look at the clock."""

    __slots__ = ("_ends",)

    def __init__(self) -> None:
        self._ends = perf_counter() + TURN_SECONDS

    @property
    def is_over(self) -> bool:
        """Whether this turn has been long enough."""
        return perf_counter() > self._ends

    async def next(self) -> None:
        """Let all others go on that can, then begin another turn."""
        await asyncio.sleep(0)
        self._ends = perf_counter() + TURN_SECONDS
