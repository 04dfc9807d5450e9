"""Cleans up after crashes: changes of large lists that lost their process, and what is left of gone lists."""

import time

from domain.ports import Store
from domain.services.gone_lists import discard_gone_lists
from domain.services.list_changes import ListChanges
from domain.services.repeating import repeat
from domain.services.syncs import SyncService

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
        await repeat(self.clean_up, _LOOK_SECONDS, "cleaning up large lists failed")

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
