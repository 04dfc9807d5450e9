"""What takes a moment to be followed, waited for."""

import asyncio
from collections.abc import Awaitable, Callable


async def eventually(ask: Callable[[], Awaitable[object]], expected: object) -> None:
    """Wait until the answer is the expected one: a change made elsewhere takes a moment to be followed."""
    async with asyncio.timeout(5):
        while await ask() != expected:  # noqa: ASYNC110 - what happens elsewhere sets no event of ours
            await asyncio.sleep(0.01)
