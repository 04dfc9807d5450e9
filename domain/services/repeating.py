"""What a process does again and again, beside what it is asked for."""

import asyncio
import logging
import random
from collections.abc import Awaitable, Callable
from typing import NoReturn

from domain.errors import UnavailableError

_log = logging.getLogger(__name__)


async def repeat(work: Callable[[], Awaitable[None]], every_seconds: float, failure: str) -> NoReturn:
    """Do something at once, and again and again until cancelled; what fails is tried again.

    Args:
        work: What is done.
        every_seconds: How long it is waited between.
        failure: What the log says when it fails. While the store is away, what follows the store says so.
    """
    while True:
        try:
            await work()
        except UnavailableError:
            pass
        except Exception:  # noqa: BLE001 - whatever it is, what comes later must not wait for a restart
            _log.exception("%s, trying again", failure)
        # Processes that look at different moments seldom meet over the same thing.
        await asyncio.sleep(every_seconds * random.uniform(0.5, 1.5))  # noqa: S311 - spreads tries, keeps no secret
