"""Answers what may be done, by whom and why; it changes nothing and permits nothing: the gate does."""

import asyncio
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol, TypeAlias

from domain.access.actions import ACTIONS, AccountAction, MemberAction, TokenAction
from domain.access.credentials import Credential
from domain.access.directory import AccessDirectory
from domain.access.members import Member
from domain.access.policies import Effect, NewStatement, Policy, Statement, parse_policy
from domain.access.principals import Permission, Principal
from domain.access.resources import ACCOUNT, Level, Resource, parse_resource, resource_of, says_tags
from domain.access.rights import Allowance
from domain.access.roles import BasePermissions, Role
from domain.access.seen import SeenMember, SeenToken
from domain.access.sight import AccessSight
from domain.access.suggestions import suggestions
from domain.clock import now_ms
from domain.errors import InputPath, InvalidInputError, Violation
from domain.evaluation.usage import EnvironmentSegment
from domain.instructions.limits import too_many
from domain.keys import EnvironmentRef
from domain.model.flags import EnvironmentFlag
from domain.model.projects import Project
from domain.pages import Page, PageRequest, cut_page
from domain.services.catalog import EnvironmentCatalog
from domain.services.snapshots import SnapshotService

REQUESTS_LIMIT = 100
"""How many actions on resources are asked for at once."""
REQUEST_CHARACTERS_LIMIT = 20_000
"""How long the names of these resources may be together: each may bear a hundred tags that policies look at."""


class _Tagged(Protocol):
    @property
    def tags(self) -> tuple[str, ...]: ...


CatalogThing: TypeAlias = Project | EnvironmentCatalog | EnvironmentFlag | EnvironmentSegment


@dataclass(frozen=True, slots=True)
class PermissionRequest:
    """An action on a thing, both as policies name them, of which somebody asks whether it is allowed."""

    action: str
    resource: str


@dataclass(frozen=True, slots=True)
class PermissionDecision:
    """The answer to a request.

    Attributes:
        resource: The thing with its tags, as it was judged.
    """

    action: str
    resource: str
    allowed: bool


@dataclass(frozen=True, slots=True)
class SimulatedDecision(PermissionDecision):
    """The answer that a policy gives to a request.

    Attributes:
        effect: What the statement that decides does; None if none is about it, so that it is denied.
        statement: The statement that decides, of the policy or of its base permissions.
        statement_index: Its place in the policy; None for a base permission's.
    """

    effect: Effect | None
    statement: Statement | None
    statement_index: int | None


@dataclass(frozen=True, slots=True)
class PermissionHolder:
    """Somebody who has a permission, as another one sees him.

    Attributes:
        principal: Who has it.
        permission: Which.
        sight: What the other one sees.
    """

    principal: Principal
    permission: Permission
    sight: AccessSight

    @property
    def actor(self) -> str:
        """The name that the audit log gives him."""
        return self.principal.actor

    @property
    def allowed_by(self) -> list[Allowance]:
        """What allows it: of each policy that does the first such statement; none of a role that is not seen."""
        return [
            allowance
            for rights in self.principal.rights
            for allowance in rights.allowances(self.permission.action, self.permission.resource)
            if self.sight.sees_policy(allowance.policy)
        ]

    @property
    def member(self) -> SeenMember | None:
        """The member, if it is one."""
        member = self.principal.member
        return None if member is None else SeenMember(member, self.sight)

    @property
    def service_token(self) -> SeenToken | None:
        """The service's access token, if it is one."""
        token = self.principal.credential
        return None if token is None else SeenToken(token, self.sight)


class PermissionService:
    """Answers from the directory that the gate goes by.

    Args:
        snapshots: What is in each environment, with the directory.
        suggests: Whether it says which actions somebody may have meant.
    """

    def __init__(self, snapshots: SnapshotService, *, suggests: bool) -> None:
        self._snapshots = snapshots
        self._access = snapshots.access
        self._suggests = suggests

    def sight(self, principal: Principal) -> AccessSight:
        """Return the directory as it is known here, as somebody sees it."""
        return AccessSight(self._access.known, principal, self._access.uses)

    def actions_on(self, principal: Principal, thing: CatalogThing) -> list[str]:
        """Return all that somebody may do now to a thing that he sees, as it is, in the order of ACTIONS.

        Raises:
            UnauthenticatedError: What he showed opens nothing any more.
        """
        resource = _resource_of(thing, self._access.known)
        return [] if resource is None else self._access.now(principal).actions_on(resource)

    async def can(self, principal: Principal, request: PermissionRequest) -> bool:
        """Tell whether somebody may do something.

        Raises:
            InvalidInputError: There is no such action, or the resource is none.
            UnavailableError: The store cannot be reached.
        """
        asked = await self._permission(principal, request, ())
        return (await self._access.directory()).can(principal, asked)

    async def decisions(
        self, principal: Principal, requests: Sequence[PermissionRequest]
    ) -> list[PermissionDecision]:
        """Tell whether somebody may do each of several things.

        Raises:
            InvalidInputError: With every violation.
            UnavailableError: The store cannot be reached.
        """
        wanted = await self._permissions(principal, requests)
        directory = await self._access.directory()
        return [
            PermissionDecision(asked.action, str(asked.resource), directory.can(principal, asked))
            for asked in wanted
        ]

    async def who_can(
        self, principal: Principal, request: PermissionRequest, page: PageRequest
    ) -> Page[PermissionHolder]:
        """Page through the members and service tokens that may do something, by their names in the audit log.

        Whom the principal may not view is not among them; of custom roles that he may not view nothing is said.

        Raises:
            ForbiddenError: The principal may not ask this.
            InvalidInputError: There is no such action, or the resource is none.
            NotFoundError: The project that it is in does not exist for the principal; one to be created need not.
            DomainError: As `Principal.authorize` and the store say.
        """
        principal.authorize(AccountAction.WHO_CAN, resource_of(ACCOUNT))
        asked = await self._permission(principal, request, ())
        if asked.needs_sight:
            await self._access.require_sight(principal, asked.resource.levels[0].key)
        sight = self.sight(principal)
        able = [
            PermissionHolder(holder, asked, sight)
            for holder in sight.directory.holders(now_ms())
            if sight.directory.can(holder, asked) and _sees(principal, holder.credential or holder.member)
        ]
        return cut_page(able, page, lambda holder: holder.actor)

    async def simulate(
        self,
        principal: Principal,
        statements: Sequence[NewStatement],
        base: BasePermissions,
        requests: Sequence[PermissionRequest],
    ) -> list[SimulatedDecision]:
        """Tell what a custom role would allow that had a policy, and nothing else that its holder may have.

        Raises:
            ForbiddenError: The principal may not ask this.
            InvalidInputError: With every violation, of the policy as it is read for a role.
            DomainError: As `Principal.authorize` and the store say.
        """
        principal.authorize(AccountAction.SIMULATE_POLICY, resource_of(ACCOUNT))
        policy = parse_policy(statements, suggestions=suggestions(wanted=self._suggests))
        whole = Role(key="", base_permissions=base, policy=policy).whole_policy
        found: list[SimulatedDecision] = []
        for asked in await self._permissions(principal, requests):
            await asyncio.sleep(0)  # a long policy takes a while, and others are served meanwhile
            found.append(_simulated(asked, policy, whole))
        return found

    async def _permissions(self, principal: Principal, requests: Sequence[PermissionRequest]) -> list[Permission]:
        if len(requests) > REQUESTS_LIMIT:
            message = f"has {len(requests)} entries, and {REQUESTS_LIMIT} are the most"
            raise InvalidInputError([Violation(("requests",), message)])
        characters = sum(len(request.resource) for request in requests)
        if found := too_many("characters of resources", characters, REQUEST_CHARACTERS_LIMIT, ("requests",)):
            raise InvalidInputError(found)
        permissions: list[Permission] = []
        violations: list[Violation] = []
        for index, request in enumerate(requests):
            try:
                permissions.append(await self._permission(principal, request, ("requests", index)))
            except InvalidInputError as error:
                violations += error.violations
        if violations:
            raise InvalidInputError(violations)
        return permissions

    async def _permission(self, principal: Principal, request: PermissionRequest, path: InputPath) -> Permission:
        """Read a request. Levels that say nothing of tags get those that they have, where he may view them."""
        named = parse_resource(request.resource, (*path, "resource"))
        if (action := request.action) not in ACTIONS[named.type]:
            raise InvalidInputError([Violation((*path, "action"), self._no_action(action, named.type))])
        known = await self._known_levels(principal, named)
        is_said = says_tags(request.resource)
        levels = [
            known[depth] if depth < len(known) and not is_said[depth] else level
            for depth, level in enumerate(named.levels)
        ]
        return Permission(action, Resource(tuple(levels)))

    async def _known_levels(self, principal: Principal, named: Resource) -> tuple[Level, ...]:
        """Return a thing's levels as they are, from the outermost on, as far as somebody may view them."""
        directory = await self._access.directory()
        match named.levels:
            case (Level("proj", project), Level("env", key), *inner):
                return await self._levels_in(principal, EnvironmentRef(project, key), inner)
            case (Level("proj", project), *_):
                found = directory.project(project)
                return found.levels if found is not None and principal.may_view(found) else ()
            case (Level("member", email), *_):
                member = directory.member_with(email)
                return member.resource.levels if member is not None and _sees(principal, member) else ()
            case (Level("service-token", id_),):
                services = (token for token in directory.secrets_of(id_) if token.is_of_service)
                return next((token.resource(None).levels for token in services if _sees(principal, token)), ())
        return ()

    async def _levels_in(
        self, principal: Principal, ref: EnvironmentRef, inner: Sequence[Level]
    ) -> tuple[Level, ...]:
        directory = await self._access.directory()
        project, environment = directory.project(ref.project), directory.environment(ref)
        if project is None or not principal.may_view(project):
            return ()
        if environment is None:
            return project.levels
        for level in inner:
            snapshot = await self._snapshots.get(ref)
            things: Mapping[str, _Tagged] = snapshot.flags if level.type == "flag" else snapshot.segments
            if (thing := things.get(level.key)) is not None:
                return environment.child(level.type, level.key, thing.tags).levels
        return environment.levels

    def _no_action(self, action: str, type_name: str) -> str:
        message = f"{action[:60]!r} is no action on things of the type {type_name!r}"
        return message + suggestions(wanted=self._suggests).among(action, ACTIONS[type_name])


def _resource_of(thing: CatalogThing, directory: AccessDirectory) -> Resource | None:
    """Return a thing as policies name it; None if it, or what it is in, is gone since."""
    match thing:
        case Project():
            return directory.project(thing.key)
        case EnvironmentCatalog():
            return directory.environment(thing.environment.ref)
        case EnvironmentFlag():
            place = directory.environment(thing.environment)
            return place and place.child("flag", thing.key, thing.tags)
        case EnvironmentSegment():
            place = directory.environment(thing.segment.environment)
            return place and place.child("segment", thing.key, thing.tags)


def _sees(principal: Principal, whom: Member | Credential | None) -> bool:
    """Tell whether somebody may view a member, or a service token; everybody sees himself."""
    match whom:
        case Member():
            return whom == principal.member or principal.may(MemberAction.VIEW, whom.resource)
        case Credential():
            return whom == principal.credential or principal.may(TokenAction.VIEW, whom.resource(None))
    return False


def _simulated(asked: Permission, policy: Policy, whole: Policy) -> SimulatedDecision:
    decision = whole.decide(asked.action, asked.resource)
    at = decision.statement
    return SimulatedDecision(
        asked.action,
        str(asked.resource),
        decision.allows,
        effect=decision.effect,
        statement=None if at is None else whole.statements[at],
        statement_index=at if at is not None and at < len(policy.statements) else None,
    )
