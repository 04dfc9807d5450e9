"""Roles: named policies. Those that come with the service are written in the language of the others."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from enum import Enum
from functools import cache, lru_cache

from domain.access.policies import Effect, NewStatement, Policy, parse_policy
from domain.access.resources import RESOURCE_TYPES, Resource, resource_of
from domain.access.rights import GrantedPolicy, PolicySource, Rights


class BaseRole(Enum):
    """What somebody may do everywhere."""

    NO_ACCESS = "NO_ACCESS"
    READER = "READER"
    WRITER = "WRITER"
    ADMIN = "ADMIN"
    OWNER = "OWNER"


class ProjectRole(Enum):
    """What somebody may do in one project."""

    VIEWER = "VIEWER"
    DEVELOPER = "DEVELOPER"
    MAINTAINER = "MAINTAINER"
    PROJECT_ADMIN = "PROJECT_ADMIN"


class BasePermissions(Enum):
    """What a custom role allows beside what its policy says."""

    READER = "READER"
    NO_ACCESS = "NO_ACCESS"


def _allow(*resources: str, actions: Sequence[str] = ("*",)) -> NewStatement:
    return NewStatement(effect=Effect.ALLOW, resources=resources, actions=actions)


EVERYTHING = tuple(
    ":".join(f"{level}/*" if level != "acct" else level for level in t.split(":")) for t in RESOURCE_TYPES
)
"""Specifiers that name all resources, one for each type."""
_READING = (
    _allow("proj/*", actions=["viewProject"]),
    _allow("member/*", actions=["viewMember"]),
    _allow("role/*", actions=["viewRole"]),
)
_BASE_ROLES: Mapping[BaseRole, Sequence[NewStatement]] = {
    BaseRole.NO_ACCESS: (),
    BaseRole.READER: _READING,
    BaseRole.WRITER: (*_READING, _allow(*(name for name in EVERYTHING if name.startswith("proj/")))),
    BaseRole.ADMIN: (
        _allow(*EVERYTHING),
        # A member's resource, and a service token's, bears its base role as a tag: owners are made by owners.
        NewStatement(
            effect=Effect.DENY,
            resources=["member/*;owner", "member/*;owner:token/*", "service-token/*;owner"],
            not_actions=["viewMember", "viewAccessToken"],
        ),
    ),
    BaseRole.OWNER: (_allow(*EVERYTHING),),
}
_FLAGS_AND_SEGMENTS = ("proj/{project}:env/*:flag/*", "proj/{project}:env/*:segment/*")
_VIEWING = _allow("proj/{project}", actions=["viewProject"])
_PROJECT_ROLES: Mapping[ProjectRole, Sequence[NewStatement]] = {
    ProjectRole.VIEWER: (_VIEWING,),
    ProjectRole.DEVELOPER: (
        _VIEWING,
        NewStatement(
            effect=Effect.ALLOW,
            resources=_FLAGS_AND_SEGMENTS,
            not_actions=["deleteFlag", "deleteSegment", "updateGlobalArchived"],
        ),
    ),
    ProjectRole.MAINTAINER: (_VIEWING, _allow(*_FLAGS_AND_SEGMENTS, "proj/{project}:context-kind/*")),
    ProjectRole.PROJECT_ADMIN: (
        _allow("proj/{project}", "proj/{project}:env/*", *_FLAGS_AND_SEGMENTS, "proj/{project}:context-kind/*"),
    ),
}


@cache
def base_role_policy(role: BaseRole) -> Policy:
    """Return what a base role allows."""
    return parse_policy(_BASE_ROLES[role])


@lru_cache(maxsize=1_000)
def project_role_policy(role: ProjectRole, project: str) -> Policy:
    """Return what a project role allows in a project; its key has no character with a meaning in specifiers."""
    return parse_policy(
        [
            NewStatement(
                effect=statement.effect,
                resources=[name.replace("{project}", project) for name in statement.resources or ()],
                actions=statement.actions,
                not_actions=statement.not_actions,
            )
            for statement in _PROJECT_ROLES[role]
        ]
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class Role:
    """A custom role."""

    key: str
    name: str = ""
    description: str = ""
    base_permissions: BasePermissions = BasePermissions.READER
    policy: Policy = Policy()
    version: int = 1

    @property
    def id(self) -> str:
        """Identify the role: its key."""
        return self.key

    @property
    def scope(self) -> str:
        """Roles stand under nothing."""
        return ""

    @property
    def resource(self) -> Resource:
        """The role as policies name it."""
        return resource_of("role", self.key)

    @property
    def whole_policy(self) -> Policy:
        """What it allows in all. It is one policy: what it denies, its base permissions do not give back."""
        base = BaseRole.READER if self.base_permissions is BasePermissions.READER else BaseRole.NO_ACCESS
        return Policy((*self.policy.statements, *base_role_policy(base).statements))

    @property
    def granted(self) -> GrantedPolicy:
        """What it allows whoever has it."""
        return GrantedPolicy(source=PolicySource.CUSTOM_ROLE, role=self.key, policy=self.whole_policy)


@dataclass(frozen=True, slots=True)
class ProjectGrant:
    """A role in a project."""

    project: str
    role: ProjectRole

    @property
    def granted(self) -> GrantedPolicy:
        """What it allows."""
        return GrantedPolicy(
            source=PolicySource.PROJECT_ROLE,
            role=self.role.value,
            project=self.project,
            policy=project_role_policy(self.role, self.project),
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Grants:
    """The roles of a member or of an access token.

    Attributes:
        custom_roles: Keys of custom roles; one that is gone allows nothing.
    """

    base_role: BaseRole = BaseRole.NO_ACCESS
    custom_roles: tuple[str, ...] = ()
    project_roles: tuple[ProjectGrant, ...] = ()

    def rights(self, custom_roles: Mapping[str, Role]) -> Rights:
        """Return what the roles allow together."""
        base = GrantedPolicy(
            source=PolicySource.BASE_ROLE, role=self.base_role.value, policy=base_role_policy(self.base_role)
        )
        custom = [custom_roles[key].granted for key in self.custom_roles if key in custom_roles]
        return Rights((base, *custom, *(grant.granted for grant in self.project_roles)))

    def without_project(self, key: str) -> "Grants":
        """Return them without those in a project."""
        return replace(self, project_roles=tuple(grant for grant in self.project_roles if grant.project != key))

    @property
    def resource_tag(self) -> str:
        """The tag that the resource of whoever has them bears: its base role."""
        return self.base_role.value.lower()


OWNER_GRANTS = Grants(base_role=BaseRole.OWNER)
