"""Creating, changing and deleting custom roles."""

from typing import Annotated

import strawberry

from domain.access.policies import Effect, NewStatement
from domain.access.roles import BasePermissions, BaseRole, ProjectGrant, ProjectRole
from domain.access.seen import SeenRole
from domain.services.grants import NewGrants
from domain.services.roles import NewRole, RoleEdit
from gql.context import Info
from gql.nodes import global_id
from gql.roles import RoleView


@strawberry.input(
    name="PolicyStatementInput",
    description="Allows or denies actions on resources: exactly one of `resources` and `notResources` is given, "
    "and one of `actions` and `notActions`.",
)
class StatementInput:
    """Input for domain.access.policies.NewStatement."""

    effect: Effect = strawberry.field(description="Whether it allows or denies.")
    resources: list[str] | None = strawberry.field(
        default=None, description="What it is about: `proj/*:env/production:segment/eap-*;tag`."
    )
    not_resources: list[str] | None = strawberry.field(
        default=None, description="It is about everything that none of these names."
    )
    actions: list[str] | None = strawberry.field(
        default=None, description="Actions, with `*` for any characters: `update*`."
    )
    not_actions: list[str] | None = strawberry.field(
        default=None, description="It is about all actions but these."
    )

    def to_domain(self) -> NewStatement:
        """Convert to the domain's statement."""
        return NewStatement(
            effect=self.effect,
            resources=self.resources,
            not_resources=self.not_resources,
            actions=self.actions,
            not_actions=self.not_actions,
        )


def policy_to_domain(policy: list[StatementInput] | None) -> list[NewStatement] | None:
    """Convert a policy, if there is one."""
    return None if policy is None else [statement.to_domain() for statement in policy]


@strawberry.input(name="ProjectRoleGrantInput", description="A role in a project.")
class ProjectGrantInput:
    """Input for domain.access.roles.ProjectGrant."""

    project: str = strawberry.field(description="The project's key.")
    role: ProjectRole = strawberry.field(description="The role.")

    def to_domain(self) -> ProjectGrant:
        """Convert to the domain's grant."""
        return ProjectGrant(self.project, self.role)


@strawberry.input
class GrantsInput:
    """Input for domain.services.grants.NewGrants: the fields of all that gives roles."""

    base_role: BaseRole | None = strawberry.field(
        default=None,
        description="What is allowed everywhere; null leaves it as it is: for something new, nothing.",
    )
    custom_roles: list[str] | None = strawberry.field(
        default=None, description="The keys of all custom roles; null leaves them as they are."
    )
    project_roles: list[ProjectGrantInput] | None = strawberry.field(
        default=None, description="All roles in projects; null leaves them as they are."
    )

    def grants(self) -> NewGrants:
        """Convert to the domain's wish."""
        return NewGrants(
            base_role=self.base_role,
            custom_roles=self.custom_roles,
            project_roles=None
            if self.project_roles is None
            else [grant.to_domain() for grant in self.project_roles],
        )


@strawberry.input(description="A custom role to create.")
class CreateRoleInput:
    """Input for domain.services.roles.NewRole."""

    name: str = strawberry.field(description="The name that people read.")
    key: str | None = strawberry.field(
        default=None, description="The key; null derives it from the name. It never changes."
    )
    description: str = strawberry.field(default="", description="What it is for.")
    base_permissions: BasePermissions = strawberry.field(
        default=BasePermissions.READER, description="What it allows beside its policy."
    )
    policy: list[StatementInput] = strawberry.field(description="The statements of its policy.")
    comment: str = strawberry.field(default="", description="Why, for the audit log.")

    def to_domain(self) -> NewRole:
        """Convert to the domain's wish."""
        return NewRole(
            name=self.name,
            key=self.key,
            description=self.description,
            base_permissions=self.base_permissions,
            policy=[statement.to_domain() for statement in self.policy],
        )


@strawberry.input(description="Changes of a custom role, all or none; what is null stays as it is.")
class UpdateRoleInput:
    """Input for domain.services.roles.RoleEdit."""

    role_key: str = strawberry.field(description="The role's key.")
    name: str | None = strawberry.field(default=None, description="Another name.")
    description: str | None = strawberry.field(default=None, description="Another description.")
    base_permissions: BasePermissions | None = strawberry.field(
        default=None, description="What it allows beside its policy."
    )
    policy: list[StatementInput] | None = strawberry.field(
        default=None, description="The statements of its policy, in the place of those that it has."
    )
    expected_version: int | None = strawberry.field(
        default=None, description="The version you saw; another one is refused. Null takes any."
    )
    comment: str = strawberry.field(default="", description="Why, for the audit log.")

    def to_domain(self) -> RoleEdit:
        """Convert to the domain's wish."""
        return RoleEdit(
            name=self.name,
            description=self.description,
            base_permissions=self.base_permissions,
            policy=policy_to_domain(self.policy),
            expected_version=self.expected_version,
            comment=self.comment,
        )


@strawberry.input(description="A custom role to delete.")
class DeleteRoleInput:
    """Input for the deletion of a custom role."""

    role_key: str = strawberry.field(description="The role's key.")
    expected_version: int | None = strawberry.field(
        default=None, description="The version you saw; another one is refused. Null takes any."
    )
    comment: str = strawberry.field(default="", description="Why, for the audit log.")


def _role(root: strawberry.Parent[SeenRole]) -> SeenRole:
    return root


@strawberry.type(description="A created custom role.")
class CreateRolePayload:
    """View of domain.access.seen.SeenRole."""

    role = strawberry.field(resolver=_role, graphql_type=RoleView | None, description="The role.")


@strawberry.type(description="A changed custom role.")
class UpdateRolePayload:
    """View of domain.access.seen.SeenRole."""

    role = strawberry.field(resolver=_role, graphql_type=RoleView | None, description="The role after the change.")


def _deleted_id(root: strawberry.Parent[str]) -> strawberry.ID:
    return global_id("Role", root)


@strawberry.type(description="A deleted custom role.")
class DeleteRolePayload:
    """View of the id that a role had."""

    deleted_role_id: strawberry.ID = strawberry.field(
        resolver=_deleted_id, description="The global id that it had."
    )


@strawberry.type
class RolesMutation:
    """The mutations of custom roles."""

    @strawberry.mutation(
        graphql_type=CreateRolePayload | None,
        description="Create a custom role. It can allow no more than you may do yourself.",
    )
    async def create_role(
        self,
        info: Info,
        input: Annotated[CreateRoleInput, strawberry.argument(description="The role.")],  # noqa: A002 - GraphQL's name
    ) -> SeenRole:
        """Ask the role service."""
        return await info.context.services.roles.create(info.context.principal, input.to_domain(), input.comment)

    @strawberry.mutation(
        graphql_type=UpdateRolePayload | None,
        description="Change a custom role. Whoever has it may do what it says from then on.",
    )
    async def update_role(
        self,
        info: Info,
        input: Annotated[UpdateRoleInput, strawberry.argument(description="The changes.")],  # noqa: A002 - GraphQL's name
    ) -> SeenRole:
        """Ask the role service."""
        return await info.context.services.roles.update(info.context.principal, input.role_key, input.to_domain())

    @strawberry.mutation(
        graphql_type=DeleteRolePayload | None,
        description="Delete a custom role. One that members or access tokens have is refused, and they are named.",
    )
    async def delete_role(
        self,
        info: Info,
        input: Annotated[DeleteRoleInput, strawberry.argument(description="Which.")],  # noqa: A002 - GraphQL's name
    ) -> str:
        """Ask the role service."""
        return await info.context.services.roles.delete(
            info.context.principal,
            input.role_key,
            expected_version=input.expected_version,
            comment=input.comment,
        )
