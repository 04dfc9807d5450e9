"""Names the states of environments so that no other state, of this store or of another one, has the same name.

A revision alone does not: another store counts from 1 too, and so does one that was put back from a copy. The
audit entry that made a revision does: its id is random, and it is committed with the change.
"""

import secrets

from domain.evaluation.snapshot import Snapshot
from domain.model.changes import EntryFilter
from domain.ports import Store
from domain.services.patience import Patience

_LATEST = 20
"""How many entries are looked through: those of an environment's last revisions, by the clocks of all machines."""


class HistoryService:
    """The names of what this process serves, each asked for once."""

    def __init__(self, store: Store, patience: Patience) -> None:
        self._store = store
        self._patience = patience
        self._names: dict[str, tuple[int, str]] = {}

    async def name(self, snapshot: Snapshot) -> str:
        """Return the name of a state: the same in all processes, or one of its own where its entry is not found.

        Raises:
            UnavailableError: The store does not answer.
        """
        environment, revision = str(snapshot.environment), snapshot.revision
        known = self._names.get(environment)
        if known is not None and known[0] == revision:
            return known[1]
        # An edit of another environment may have revised this one.
        wanted = EntryFilter(subjects={f"environment/{environment}", f"revision/{environment}"})
        entries = await self._patience.wait_for(
            lambda: self._store.list_entries(None, first=_LATEST, wanted=wanted)
        )
        made_it = (entry.id for entry in entries if entry.revisions.get(environment) == revision)
        name = next(made_it, None) or secrets.token_hex()
        latest = self._names.get(environment)  # others may have asked meanwhile
        if latest is None or latest[0] < revision:
            self._names[environment] = latest = revision, name
        return latest[1] if latest[0] == revision else name
