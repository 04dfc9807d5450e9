"""Creating, changing and deleting members, and giving them roles."""

from typing import Annotated

import strawberry

from domain.access.seen import SeenMember
from domain.services.members import MemberEdit, NewMember
from gql.context import Info
from gql.members import MemberView
from gql.nodes import global_id
from gql.role_edits import GrantsInput


@strawberry.input(description="A member to create.")
class CreateMemberInput(GrantsInput):
    """Input for domain.services.members.NewMember."""

    email: str = strawberry.field(
        description="The email, which is kept in lower case; no two members have the same."
    )
    name: str = strawberry.field(default="", description="The name.")
    comment: str = strawberry.field(default="", description="Why, for the audit log.")

    def to_domain(self) -> NewMember:
        """Convert to the domain's wish."""
        return NewMember(email=self.email, name=self.name, grants=self.grants())


@strawberry.input(description="Changes of a member's details; what is null stays as it is.")
class UpdateMemberInput:
    """Input for domain.services.members.MemberEdit."""

    member_email: str = strawberry.field(description="The email that the member has.")
    email: str | None = strawberry.field(default=None, description="Another email, which is kept in lower case.")
    name: str | None = strawberry.field(default=None, description="Another name.")
    expected_version: int | None = strawberry.field(
        default=None, description="The version you saw; another one is refused. Null takes any."
    )
    comment: str = strawberry.field(default="", description="Why, for the audit log.")

    def to_domain(self) -> MemberEdit:
        """Convert to the domain's wish."""
        return MemberEdit(
            email=self.email, name=self.name, expected_version=self.expected_version, comment=self.comment
        )


@strawberry.input(
    description="A member's roles: those that are given take the place of those of their kind that you may view; "
    "the others stay."
)
class AssignRolesInput(GrantsInput):
    """Input for domain.services.members.MemberEdit."""

    member_email: str = strawberry.field(description="The member's email.")
    expected_version: int | None = strawberry.field(
        default=None, description="The version you saw; another one is refused. Null takes any."
    )
    comment: str = strawberry.field(default="", description="Why, for the audit log.")

    def to_domain(self) -> MemberEdit:
        """Convert to the domain's wish."""
        return MemberEdit(grants=self.grants(), expected_version=self.expected_version, comment=self.comment)


@strawberry.input(description="A member to delete.")
class DeleteMemberInput:
    """Input for the deletion of a member."""

    member_email: str = strawberry.field(description="The member's email.")
    expected_version: int | None = strawberry.field(
        default=None, description="The version you saw; another one is refused. Null takes any."
    )
    comment: str = strawberry.field(default="", description="Why, for the audit log.")


def _member(root: strawberry.Parent[SeenMember]) -> SeenMember:
    return root


@strawberry.type(description="A created member.")
class CreateMemberPayload:
    """View of domain.access.seen.SeenMember."""

    member = strawberry.field(resolver=_member, graphql_type=MemberView | None, description="The member.")


@strawberry.type(description="A changed member.")
class UpdateMemberPayload:
    """View of domain.access.seen.SeenMember."""

    member = strawberry.field(
        resolver=_member, graphql_type=MemberView | None, description="The member after the change."
    )


@strawberry.type(description="A member with other roles.")
class AssignRolesPayload:
    """View of domain.access.seen.SeenMember."""

    member = strawberry.field(
        resolver=_member, graphql_type=MemberView | None, description="The member after the change."
    )


def _deleted_id(root: strawberry.Parent[str]) -> strawberry.ID:
    return global_id("Member", root)


@strawberry.type(description="A deleted member.")
class DeleteMemberPayload:
    """View of the id that a member had."""

    deleted_member_id: strawberry.ID = strawberry.field(
        resolver=_deleted_id, description="The global id that the member had."
    )


@strawberry.type
class MembersMutation:
    """The mutations of members."""

    @strawberry.mutation(
        graphql_type=CreateMemberPayload | None,
        description="Create a member, who can be given no more than you may do yourself.",
    )
    async def create_member(
        self,
        info: Info,
        input: Annotated[CreateMemberInput, strawberry.argument(description="The member.")],  # noqa: A002 - GraphQL's name
    ) -> SeenMember:
        """Ask the member service."""
        return await info.context.services.members.create(info.context.principal, input.to_domain(), input.comment)

    @strawberry.mutation(graphql_type=UpdateMemberPayload | None, description="Change a member's email and name.")
    async def update_member(
        self,
        info: Info,
        input: Annotated[UpdateMemberInput, strawberry.argument(description="The changes.")],  # noqa: A002 - GraphQL's name
    ) -> SeenMember:
        """Ask the member service."""
        return await info.context.services.members.update(
            info.context.principal, input.member_email, input.to_domain()
        )

    @strawberry.mutation(
        graphql_type=AssignRolesPayload | None,
        description="Give a member other roles, which can allow no more than you may do yourself.",
    )
    async def assign_roles(
        self,
        info: Info,
        input: Annotated[AssignRolesInput, strawberry.argument(description="The roles.")],  # noqa: A002 - GraphQL's name
    ) -> SeenMember:
        """Ask the member service."""
        return await info.context.services.members.assign_roles(
            info.context.principal, input.member_email, input.to_domain()
        )

    @strawberry.mutation(
        graphql_type=DeleteMemberPayload | None, description="Delete a member with all of the access tokens."
    )
    async def delete_member(
        self,
        info: Info,
        input: Annotated[DeleteMemberInput, strawberry.argument(description="Which.")],  # noqa: A002 - GraphQL's name
    ) -> str:
        """Ask the member service."""
        return await info.context.services.members.delete(
            info.context.principal,
            input.member_email,
            expected_version=input.expected_version,
            comment=input.comment,
        )
