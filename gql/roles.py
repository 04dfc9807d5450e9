"""Custom roles, and the roles that come with the service."""

from typing import Annotated

import strawberry

from domain.access.policies import Effect, Statement
from domain.access.roles import BasePermissions, BaseRole, ProjectRole
from domain.access.seen import SeenRole
from domain.pages import Page
from gql.audit import AuditEntryConnection, role_history
from gql.connections import After, Connection, First, Query, page_request
from gql.context import Info
from gql.enums import register_enum
from gql.nodes import Node, global_id

register_enum(
    Effect,
    "What a statement of a policy does.",
    {
        Effect.ALLOW: "It allows the actions.",
        Effect.DENY: "It denies them, whatever other statements of the policy allow.",
    },
)
register_enum(
    BasePermissions,
    "What a custom role allows beside its policy.",
    {BasePermissions.READER: "What a reader may.", BasePermissions.NO_ACCESS: "Nothing."},
)
register_enum(
    BaseRole,
    "What somebody may do everywhere.",
    {
        BaseRole.NO_ACCESS: "Nothing.",
        BaseRole.READER: "View projects, members and custom roles.",
        BaseRole.WRITER: "What a reader may, and everything to projects and what is in them.",
        BaseRole.ADMIN: "Everything, but to owners.",
        BaseRole.OWNER: "Everything.",
    },
)
register_enum(
    ProjectRole,
    "What somebody may do in one project.",
    {
        ProjectRole.VIEWER: "View it.",
        ProjectRole.DEVELOPER: "Change flags and segments, but neither delete nor archive any.",
        ProjectRole.MAINTAINER: "Everything to flags and segments.",
        ProjectRole.PROJECT_ADMIN: "Everything to the project and what is in it.",
    },
)


@strawberry.type(name="ProjectRoleGrant", description="A role in a project.")
class ProjectGrantView:
    """View of domain.access.roles.ProjectGrant."""

    project: str = strawberry.field(description="The project's key.")
    role: ProjectRole = strawberry.field(description="The role.")


def _resources(root: strawberry.Parent[Statement]) -> list[str] | None:
    return list(root.resources) or None


def _not_resources(root: strawberry.Parent[Statement]) -> list[str] | None:
    return list(root.not_resources) or None


def _actions(root: strawberry.Parent[Statement]) -> list[str] | None:
    return list(root.actions) or None


def _not_actions(root: strawberry.Parent[Statement]) -> list[str] | None:
    return list(root.not_actions) or None


@strawberry.type(name="PolicyStatement", description="Allows or denies actions on resources.")
class StatementView:
    """View of domain.access.policies.Statement."""

    effect: Effect = strawberry.field(description="Whether it allows or denies.")
    resources = strawberry.field(
        resolver=_resources,
        graphql_type=list[str] | None,
        description="What it is about, `proj/*:env/production:segment/eap-*;tag`; null if `notResources` says so.",
    )
    not_resources = strawberry.field(
        resolver=_not_resources,
        graphql_type=list[str] | None,
        description="It is about everything that none of these names.",
    )
    actions = strawberry.field(
        resolver=_actions,
        graphql_type=list[str] | None,
        description="Actions, with `*` for any characters; null if `notActions` says so.",
    )
    not_actions = strawberry.field(
        resolver=_not_actions, graphql_type=list[str] | None, description="It is about all actions but these."
    )


def _role_id(root: strawberry.Parent[SeenRole]) -> strawberry.ID:
    return global_id("Role", root.id)


@strawberry.type(
    name="Role",
    description="A custom role. A deny beats an allow within it; of several roles the most permissive wins.",
)
class RoleView(Node):
    """View of domain.access.seen.SeenRole."""

    id: strawberry.ID = strawberry.field(resolver=_role_id, description="The global id.")
    resource: str = strawberry.field(
        description="Its name in policies, as `can` and `whoCan` take it: `role/eap-editors`."
    )
    key: str = strawberry.field(description="Its key.")
    name: str = strawberry.field(description="Its name.")
    description: str = strawberry.field(description="What it is for.")
    base_permissions: BasePermissions = strawberry.field(description="What it allows beside its policy.")
    policy: list[StatementView] = strawberry.field(description="The statements of its policy.")
    version: int = strawberry.field(description="Grows with every change.")
    history = strawberry.field(
        resolver=role_history,
        graphql_type=AuditEntryConnection,
        description="What changed it, newest first; for whoever sees all of the audit log.",
    )

    @classmethod
    def is_type_of(cls, obj: object, _info: object) -> bool:
        """Tell whether an object that `node` found is shown by this view."""
        return isinstance(obj, SeenRole)


RoleKey = Annotated[str | None, strawberry.argument(description="Only what has the custom role of this key.")]


@strawberry.type
class RolesQuery:
    """The roots of custom roles."""

    @strawberry.field(graphql_type=RoleView | None, description="A custom role, by key; null if there is none.")
    async def role(
        self, info: Info, key: Annotated[str, strawberry.argument(description="The role's key.")]
    ) -> SeenRole | None:
        """Ask the role service."""
        return await info.context.services.roles.role(info.context.principal, key)

    @strawberry.field(graphql_type=Connection[RoleView], description="The custom roles, by key.")
    async def roles(
        self, info: Info, *, first: First = None, after: After = None, query: Query = None
    ) -> Page[SeenRole]:
        """Ask the role service."""
        caller = info.context
        return await caller.services.roles.roles(caller.principal, query, page_request(first, after))
