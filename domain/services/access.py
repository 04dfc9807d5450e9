"""The gate: who exists for whom, and who may change what, by the directory that this process has in memory.

The directory is as fresh as the feed of revisions, so that knowing who asks, and what he may do, costs no I/O.
"""

import asyncio
import time
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import TypeVar

from domain.access.actors import seen_actors
from domain.access.credentials import Credential
from domain.access.directory import AccessDirectory
from domain.access.members import Member
from domain.access.needs import Change, Surroundings, needs
from domain.access.principals import Permission, Principal
from domain.access.resources import ACCOUNT, resource_of
from domain.access.roles import Role
from domain.access.sight import AccessSight
from domain.access.uses import CredentialUses
from domain.clock import now_ms
from domain.commits import ACCESS_SCOPE, E, Entity
from domain.errors import NotFoundError, UnauthenticatedError, UnavailableError
from domain.keys import EnvironmentRef
from domain.model.changes import AuditEntry
from domain.model.flags import Flag
from domain.model.lists import ListChange
from domain.model.projects import Environment, Project
from domain.ports import Store

T = TypeVar("T", Project, Environment, Credential, Member, Role)
C = TypeVar("C", AuditEntry, ListChange)

_ATTEMPTS = 5
LOOKS_A_SECOND = 10
_LOOK_SECONDS = 1.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Wanted:
    """What somebody wants to do in a project.

    Attributes:
        environments: Where; but for those that are created.
        flags: The flags that it is about, as they are, by id.
        uses: Actions on things as they are, which need permission too.
    """

    environments: Collection[EnvironmentRef]
    changes: Sequence[Change]
    flags: Mapping[str, Flag] = field(default_factory=dict)
    uses: Sequence[tuple[str, Entity]] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class SeenProjects:
    """Which projects exist for somebody who wants to do something to the service.

    Attributes:
        created_ms: When they were created, by key: what is older is of others that had their keys.
        sees_all: Whether he may do it, and they are all that there are: what is left of projects that are gone,
            and what is of none, is for him.
    """

    created_ms: Mapping[str, int]
    sees_all: bool

    def includes(self, project: str | None) -> bool:
        """Tell whether he sees something of a project, or (None) all of the service."""
        return self.sees_all or project in self.created_ms

    def since_ms(self, project: str) -> int:
        """Return from when on he sees what was done in a project."""
        return 0 if self.sees_all else self.created_ms.get(project, 0)


class AccessService:
    """The directory of this process, which SnapshotService refreshes when its revision grows, and the gate.

    Attributes:
        changes: How often it was replaced; what was answered by another directory is not answered by this one.
        uses: When credentials were last shown.
    """

    def __init__(self, store: Store, asked: Store | None = None) -> None:
        """Take the store, and the one for what is asked on somebody's behalf, if it is another."""
        self.changes = 0
        self.uses = CredentialUses()
        self._store = store
        self._asked = asked or store
        self._directory: AccessDirectory | None = None
        self._lock = asyncio.Lock()
        self._looks = (0, 0)  # in which second, and how many

    async def directory(self) -> AccessDirectory:
        """Return the directory as it is known here; it is loaded if it never was.

        Raises:
            UnavailableError: It is not loaded, and the store cannot be reached.
        """
        return self._directory or await self.refresh(0)

    @property
    def known(self) -> AccessDirectory:
        """The directory as it is known here; an empty one before it was ever loaded."""
        return self._directory or AccessDirectory()

    async def catch_up(self, places: Sequence[Project | Environment]) -> None:
        """Take in what the store has, if some of it is not known here as it is: others may just have changed it.

        Raises:
            UnavailableError: The store cannot be reached.
        """
        if any(self.known.stored(place) != place for place in places):
            await self.latest()

    def project(self, principal: Principal, key: str) -> Project:
        """Return the project of something that a principal has found, as it is known here: no I/O.

        Raises:
            UnauthenticatedError: No secret was shown.
            ForbiddenError: The credential is an SDK key, which may only evaluate.
            NotFoundError: It does not exist for the principal, or any more.
        """
        principal.require_management()
        if not self.known.shows(key, principal):
            raise NotFoundError("project", key)
        return self.known.projects[key]

    def environment(self, principal: Principal, ref: EnvironmentRef) -> Environment:
        """Return the environment of something that a principal has found, as `project` does.

        Raises:
            NotFoundError: It does not exist for the principal, or any more.
            DomainError: As `project` says.
        """
        self.project(principal, ref.project)
        if (found := self.known.environments.get(str(ref))) is None:
            raise NotFoundError("environment", str(ref))
        return found

    async def principal(self, credential_id: str) -> Principal | None:
        """Return whom a secret opens the service to, by the id of its credential; None if it opens nothing.

        One that is not known here is looked for in the store, where another process may just have put it. That
        is done a few times a second at most, so that invented secrets are no load on the store.

        Raises:
            UnavailableError: The secret, or all of the directory, is not known, and the store cannot be reached.
        """
        directory = self._directory or await self.refresh(0)
        found = directory.principal(credential_id, now_ms())
        if found is None and self._may_look():
            try:
                async with asyncio.timeout(_LOOK_SECONDS):
                    found = (await self.latest()).principal(credential_id, now_ms())
            except TimeoutError as error:
                message = "the store does not tell whether it knows this secret"
                raise UnavailableError(message) from error
        return found

    def _may_look(self) -> bool:
        second = int(time.monotonic())
        if self._looks[0] != second:
            self._looks = (second, 0)
        self._looks = (second, self._looks[1] + 1)
        return self._looks[1] <= LOOKS_A_SECOND

    async def latest(self) -> AccessDirectory:
        """Return the directory as it is in the store now.

        Raises:
            UnavailableError: The store cannot be reached.
        """
        return await self.refresh((await self._asked.revisions()).get(ACCESS_SCOPE, 0))

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

    async def sees(self, principal: Principal, place: EnvironmentRef | str) -> bool:
        """Tell whether a project (by its key), or what is in an environment of it, exists for a principal.

        Args:
            principal: Who asks.
            place: The environment, or the project's key.

        Raises:
            UnauthenticatedError: No secret was shown.
            ForbiddenError: The credential is an SDK key, which may only evaluate.
            UnavailableError: The directory does not know the project, and the store cannot be reached.
        """
        key = place if isinstance(place, str) else place.project
        principal.require_management()
        return (await self._knowing(key)).shows(key, principal)

    async def require_sight(self, principal: Principal, place: EnvironmentRef | str) -> None:
        """Refuse a place that does not exist for a principal, as if there were none.

        Raises:
            NotFoundError: It does not.
            DomainError: As `sees` says.
        """
        if not await self.sees(principal, place):
            raise NotFoundError("project" if isinstance(place, str) else "environment", str(place))

    async def seen_projects(self, principal: Principal, action: str) -> SeenProjects:
        """Return the projects that exist for a principal, who is about to do something to the service.

        Raises:
            DomainError: As `sees` says.
        """
        principal.require_management()
        directory = await self.directory()
        projects = directory.projects
        seen = {key: project.created_ms for key, project in projects.items() if directory.shows(key, principal)}
        sees_all = len(seen) == len(projects) and principal.may(action, resource_of(ACCOUNT))
        return SeenProjects(created_ms=seen, sees_all=sees_all)

    async def sight(self, principal: Principal) -> AccessSight:
        """Return the directory, as it is in the store now, as a principal sees it.

        Raises:
            UnauthenticatedError: No secret was shown, or it opens nothing any more.
            ForbiddenError: The credential is an SDK key, which may only evaluate.
            UnavailableError: The store cannot be reached.
        """
        principal.require_management()
        directory = await self.latest()
        return AccessSight(directory, self.now(principal), self.uses)

    def with_seen_actors(self, principal: Principal, changes: Sequence[C]) -> list[C]:
        """Return changes with their actors as a principal sees them."""
        names = seen_actors((change.actor for change in changes), principal, self.known)
        return [replace(change, actor=names[change.actor]) for change in changes]

    async def authorize(self, principal: Principal, wanted: Wanted) -> None:
        """Refuse changes to whoever lacks any permission that they need, on things as they are and as they become.

        What the principal may do is looked up again: he may have waited for his turn.

        Raises:
            UnauthenticatedError: What he showed opens nothing any more.
            ForbiddenError: With everything that is denied.
            NotFoundError: An environment is gone.
            UnavailableError: The directory does not know an environment, and the store cannot be reached.
        """
        directory = await self.directory()
        if any(str(ref) not in directory.environments for ref in wanted.environments):
            directory = await self.latest()
        for ref in wanted.environments:
            if str(ref) not in directory.environments:
                raise NotFoundError("environment", str(ref))
        # Thousands of changes take a while; evaluations go on meanwhile.
        await asyncio.to_thread(_authorize, self.now(principal), wanted, Surroundings(directory, wanted.flags))

    async def _knowing(self, project: str) -> AccessDirectory:
        """Return a directory that knows a project, if there is one: another process may just have made it."""
        directory = await self.directory()
        if project not in directory.projects and await self._asked.find(Project, project) is not None:
            return await self.latest()
        return directory

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


def _authorize(principal: Principal, wanted: Wanted, before: Surroundings) -> None:
    uses = [Permission(action, resource) for action, thing in wanted.uses for resource in before.resources(thing)]
    principal.authorize_all([*uses, *needs(wanted.changes, before)])


def _by_id(entities: Sequence[T]) -> Mapping[str, T]:
    return {entity.id: entity for entity in entities}
