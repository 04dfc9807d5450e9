"""Looks after credentials in the background: stores when they were used, removes secrets that were replaced."""

import asyncio
import contextlib

from domain.access.principals import SYSTEM
from domain.access.resources import ACCOUNT
from domain.access.sight import AccessSight
from domain.access.uses import CredentialUse
from domain.clock import now_ms
from domain.commits import Commit, Delete, Save
from domain.errors import AlreadyExistsError, VersionConflictError
from domain.keys import EnvironmentRef
from domain.ports import Store
from domain.services.access import AccessService
from domain.services.access_editing import AccessEdit, AccessEditor
from domain.services.edits import Decision
from domain.services.repeating import repeat

_STORE_SECONDS = 60.0
_SWEEP_SECONDS = 3600.0
_FAILURE = "looking after credentials failed"


class CredentialUpkeep:
    """Keeps what belongs to credentials in order, however many processes do so."""

    def __init__(self, store: Store, access: AccessService, editor: AccessEditor) -> None:
        self._store = store
        self._access = access
        self._editor = editor

    async def run(self) -> None:
        """Store uses about each minute, and remove replaced secrets each hour, until cancelled."""
        async with asyncio.TaskGroup() as group:
            group.create_task(repeat(self.store_uses, _STORE_SECONDS, _FAILURE))
            group.create_task(repeat(self.sweep, _SWEEP_SECONDS, _FAILURE))

    async def store_uses(self) -> None:
        """Store the uses that were met and are not stored yet, and learn what other processes have stored.

        If another process does so at this moment, or the store is away, they are kept for the next time.

        Raises:
            DomainError: As the store says.
        """
        uses = self._access.uses
        stored = {use.id: use for use in await self._store.list_all(CredentialUse, "")}
        # Asked after the uses: what has one, and is not here now, is gone.
        known = {credential.public_id for credential in (await self._access.latest()).credentials.values()}
        uses.know(stored.values(), known)
        writes: list[Save | Delete] = [Delete(use) for use in stored.values() if use.id not in known]
        for public_id, at_ms in uses.later():
            before = stored[public_id].version if public_id in stored else 0
            use = CredentialUse(id=public_id, at_ms=at_ms, version=before + 1)
            writes.append(Save(use, before or None))
        if writes:
            with contextlib.suppress(AlreadyExistsError, VersionConflictError):
                await self._store.commit(Commit(writes=tuple(writes), entry=None))

    async def sweep(self) -> None:
        """Remove the secrets that were replaced and whose grace period is over.

        Raises:
            DomainError: As `AccessEditor.edit` says.
        """
        credentials = (await self._access.latest()).credentials.values()
        expired = [c for c in credentials if c.superseded and c.is_expired(now_ms())]
        for environment in dict.fromkeys(credential.environment for credential in expired):
            await self._editor.edit(SYSTEM, _removal(environment))


def _removal(environment: EnvironmentRef | None) -> AccessEdit[None]:
    """Return the edit that removes replaced secrets: the SDK keys of an environment, or (None) access tokens."""

    def decide(sight: AccessSight) -> Decision[None]:
        credentials = [c for c in sight.directory.credentials.values() if c.environment == environment]
        return Decision([Delete(c) for c in credentials if c.superseded and c.is_expired(now_ms())])

    name = ACCOUNT if environment is None else environment.resource
    return AccessEdit(
        action="removeExpiredSecrets",
        resource=name,
        scope="" if environment is None else str(environment),
        decide=decide,
    )
