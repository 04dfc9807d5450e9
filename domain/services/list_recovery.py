"""Cleans up after crashes: changes of large lists that lost their process, and what is left of gone lists."""

import asyncio
import contextlib
import logging
import random
import time

from domain.errors import UnavailableError
from domain.ports import Store
from domain.services.gone_lists import discard_gone_lists
from domain.services.list_changes import ListChanges
from domain.services.syncs import SyncService

_log = logging.getLogger(__name__)
_LOOK_SECONDS = 2.0
"""How often it is looked whether a change has lost its process: one question, and nothing is found as a rule."""
_SWEEP_SECONDS = 3_600.0
"""How often it is looked for what nothing refers to any more, from the start on."""


class ListRecoveryService:
    """Cleans up, each thing once, however many processes do so."""

    def __init__(self, store: Store, changes: ListChanges, syncs: SyncService) -> None:
        self._store = store
        self._changes = changes
        self._syncs = syncs
        self._next_sweep = time.monotonic()

    async def run(self) -> None:
        """Clean up until cancelled; what fails is tried again."""
        while True:
            try:
                with contextlib.suppress(UnavailableError):  # what follows the store says so
                    await self.clean_up()
            except Exception:  # noqa: BLE001 - whatever it is, other lists must not wait for a restart
                _log.exception("cleaning up large lists failed, trying again")
            # Processes that look at different moments seldom meet over the same change.
            await asyncio.sleep(_LOOK_SECONDS * random.uniform(0.5, 1.5))  # noqa: S311 - spreads tries, keeps no secret

    async def clean_up(self) -> None:
        """Undo what lost its process; if it is time, forget what nothing refers to any more.

        Raises:
            UnavailableError: The store cannot be reached.
        """
        await self._changes.recover()
        if time.monotonic() >= self._next_sweep:
            await discard_gone_lists(self._store)
            await self._syncs.forget_applied()
            self._next_sweep = time.monotonic() + _SWEEP_SECONDS
