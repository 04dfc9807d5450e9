"""Limits of time on what is mostly done at once: only what has to wait costs a timer."""

import asyncio
from collections.abc import Coroutine, Generator
from functools import partial
from types import coroutine
from typing import Any, TypeVar

T = TypeVar("T")


async def within(seconds: float, work: Coroutine[Any, Any, T]) -> T:
    """Await work for at most so long.

    Raises:
        TimeoutError: It was given up.
    """
    try:
        awaited = work.send(None)
    except StopIteration as done:
        result: T = done.value
        return result
    async with asyncio.timeout(seconds):
        return await go_on(work, awaited)


@coroutine
def go_on(work: Coroutine[Any, Any, T], awaited: Any) -> Generator[Any, None, T]:  # noqa: ANN401 - the event loop's own
    """Go on with work that has begun, and waits for something."""
    while True:
        try:
            yield awaited
        except BaseException as error:  # noqa: BLE001 - whatever it is, it is the work's
            step = partial(work.throw, error)
        else:
            step = partial(work.send, None)
        try:
            awaited = step()
        except StopIteration as done:
            result: T = done.value
            return result
