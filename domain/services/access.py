"""Keeps the directory in memory, as fresh as the feed of revisions, so that knowing who asks costs no I/O."""

import asyncio
from collections.abc import Mapping, Sequence
from typing import TypeVar

from domain.access.credentials import Credential
from domain.access.directory import AccessDirectory
from domain.access.members import Member
from domain.access.principals import Principal
from domain.access.roles import Role
from domain.clock import now_ms
from domain.errors import UnauthenticatedError
from domain.model.projects import Environment, Project
from domain.ports import ACCESS_SCOPE, E, Store

T = TypeVar("T", Project, Environment, Credential, Member, Role)

_ATTEMPTS = 5


class AccessService:
    """The directory of this process. SnapshotService refreshes it when its revision grows, here or elsewhere.

    Attributes:
        changes: How often it was replaced; what was answered by another directory is not answered by this one.
    """

    def __init__(self, store: Store) -> None:
        self.changes = 0
        self._store = store
        self._directory: AccessDirectory | None = None
        self._lock = asyncio.Lock()

    async def directory(self) -> AccessDirectory:
        """Return the directory as it is known here; it is loaded if it never was.

        Raises:
            UnavailableError: It is not loaded, and the store cannot be reached.
        """
        return self._directory or await self.refresh(0)

    async def latest(self) -> AccessDirectory:
        """Return the directory as it is in the store now.

        Raises:
            UnavailableError: The store cannot be reached.
        """
        return await self.refresh(await self._revision())

    def now(self, principal: Principal) -> Principal:
        """Return a principal with what he may do by the directory as it is known here now.

        Raises:
            UnauthenticatedError: What he showed opens nothing any more.
        """
        if principal.credential is None or self._directory is None:
            return principal
        known = self._directory.principal(principal.credential.id, now_ms())
        if known is None:
            raise UnauthenticatedError("this access token or SDK key is not known here (any more)")
        return known

    async def refresh(self, revision: int) -> AccessDirectory:
        """Return the directory at a revision or later, loading it if need be.

        Raises:
            UnavailableError: The store cannot be reached.
        """
        async with self._lock:
            if self._directory is None or self._directory.revision < revision:
                self._directory = await self._load()
                self.changes += 1
            return self._directory

    async def _load(self) -> AccessDirectory:
        """Read everything, again if it changed meanwhile: the revision is never later than what was read."""
        for _ in range(_ATTEMPTS):
            revision = await self._revision()
            directory = await self._read(revision)
            if await self._revision() == revision:
                break
        return directory

    async def _revision(self) -> int:
        return (await self._store.revisions()).get(ACCESS_SCOPE, 0)

    async def _read(self, revision: int) -> AccessDirectory:
        projects = await self._store.list_all(Project, "")
        environments = await self._of(Environment, [project.key for project in projects])
        return AccessDirectory(
            revision=revision,
            projects=_by_id(projects),
            environments=_by_id(environments),
            credentials=_by_id(await self._of(Credential, ["", *(place.id for place in environments)])),
            members=_by_id(await self._store.list_all(Member, "")),
            roles=_by_id(await self._store.list_all(Role, "")),
        )

    async def _of(self, entity_type: type[E], scopes: Sequence[str]) -> list[E]:
        return [entity for scope in scopes for entity in await self._store.list_all(entity_type, scope)]


def _by_id(entities: Sequence[T]) -> Mapping[str, T]:
    return {entity.id: entity for entity in entities}
