"""Which roles somebody is to have, checked against those that there are."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import TypeVar

from domain.access.credentials import Credential
from domain.access.directory import AccessDirectory
from domain.access.members import Member
from domain.access.policies import NewStatement, Policy, parse_policy
from domain.access.roles import BaseRole, Grants, ProjectGrant
from domain.access.sight import AccessSight
from domain.access.suggestions import Suggestions
from domain.commits import Save
from domain.errors import InvalidInputError, Violation
from domain.instructions.limits import too_many
from domain.services.edits import Writes

R = TypeVar("R", str, ProjectGrant)

GRANTS_LIMIT = 100
"""How many custom roles, and how many project roles, somebody may have."""


@dataclass(frozen=True, slots=True, kw_only=True)
class NewGrants:
    """The roles that somebody is to have; None leaves those that he has."""

    base_role: BaseRole | None = None
    custom_roles: Sequence[str] | None = None
    project_roles: Sequence[ProjectGrant] | None = None

    @property
    def says_nothing(self) -> bool:
        """Whether everything is left as it is."""
        return (self.base_role, self.custom_roles, self.project_roles) == (None, None, None)

    def violations(self, sight: AccessSight) -> list[Violation]:
        """Return what is wrong with it: roles and projects that are not there, for who gives them."""
        custom_roles, project_roles = self.custom_roles or (), self.project_roles or ()
        return [
            *too_many("custom roles", len(custom_roles), GRANTS_LIMIT, ("customRoles",)),
            *too_many("project roles", len(project_roles), GRANTS_LIMIT, ("projectRoles",)),
            *(
                Violation(("customRoles", index), f"there is no custom role {key[:60]!r}")
                for index, key in enumerate(custom_roles)
                if sight.role(key) is None
            ),
            *(
                Violation(("projectRoles", index, "project"), f"there is no project {grant.project[:60]!r}")
                for index, grant in enumerate(project_roles)
                if not sight.sees_project(grant.project)
            ),
        ]

    def applied_to(self, grants: Grants, sight: AccessSight) -> Grants:
        """Return roles with these in the place of those that they replace, each once.

        Those that who looks may not view stay: he did not know of them when he said which there are to be.
        """
        return Grants(
            base_role=grants.base_role if self.base_role is None else self.base_role,
            custom_roles=_replaced(grants.custom_roles, self.custom_roles, sight),
            project_roles=_replaced(grants.project_roles, self.project_roles, sight),
        )


def _replaced(before: tuple[R, ...], wanted: Sequence[R] | None, sight: AccessSight) -> tuple[R, ...]:
    if wanted is None:
        return before
    kept = dict.fromkeys(role for role in before if role in wanted or _is_hidden(role, sight))
    return tuple(kept | dict.fromkeys(wanted))


def _is_hidden(role: str | ProjectGrant, sight: AccessSight) -> bool:
    """Tell whether a role that somebody has, by its key or in a project, is there but not seen."""
    if isinstance(role, str):
        return sight.hides("Role", role)
    return role.project in sight.directory.projects and not sight.sees_project(role.project)


def without_project(directory: AccessDirectory, key: str) -> Writes:
    """Return how members and access tokens lose the roles that they have in a project."""
    return [
        Save(replace(holder, grants=left, version=holder.version + 1), holder.version)
        for holder in _holders(directory)
        if holder.grants is not None and (left := holder.grants.without_project(key)) != holder.grants
    ]


def _holders(directory: AccessDirectory) -> list[Member | Credential]:
    return [*directory.members.values(), *directory.credentials.values()]


def read_policy(statements: Sequence[NewStatement], found: list[Violation], suggestions: Suggestions) -> Policy:
    """Read a policy; add what is wrong with it to what was found."""
    try:
        return parse_policy(statements, suggestions=suggestions)
    except InvalidInputError as error:
        found += error.violations
        return Policy()
