"""Members: the people who may do something here."""

from typing import TYPE_CHECKING, Annotated

import strawberry

from domain.access.roles import BaseRole
from domain.access.seen import SeenMember, SeenToken
from domain.pages import Page, cut_page
from domain.services.members import MemberFilter
from gql.audit import AuditEntryConnection, member_history
from gql.connections import After, Connection, First, page_request
from gql.context import Info
from gql.nodes import Node, global_id
from gql.roles import ProjectGrantView, RoleKey, RoleView

if TYPE_CHECKING:
    from gql.access_tokens import AccessTokenView

AccessTokenRef = Annotated["AccessTokenView", strawberry.lazy("gql.access_tokens")]


def _member_id(root: strawberry.Parent[SeenMember]) -> strawberry.ID:
    return global_id("Member", root.id)


def _access_tokens(
    root: strawberry.Parent[SeenMember], first: First = None, after: After = None
) -> Page[SeenToken]:
    return cut_page(root.tokens, page_request(first, after), lambda token: token.sort_key)


@strawberry.type(name="Member", description="A person who may do something here.")
class MemberView(Node):
    """View of domain.access.seen.SeenMember."""

    id: strawberry.ID = strawberry.field(resolver=_member_id, description="The global id.")
    resource: str = strawberry.field(
        description="The member's name in policies, as `can` and `whoCan` take it: `member/ann@acme.com`."
    )
    email: str = strawberry.field(description="The email, in lower case; no two members have the same.")
    name: str = strawberry.field(description="The name.")
    base_role: BaseRole = strawberry.field(description="What the member may do everywhere.")
    custom_roles: list[RoleView] = strawberry.field(description="The custom roles.")
    project_roles: list[ProjectGrantView] = strawberry.field(description="The roles in projects.")
    version: int = strawberry.field(description="Grows with every change.")
    access_tokens = strawberry.field(
        resolver=_access_tokens,
        graphql_type=Connection[AccessTokenRef],
        description="The member's access tokens, by name.",
    )
    history = strawberry.field(
        resolver=member_history,
        graphql_type=AuditEntryConnection,
        description="What changed the member, newest first; for whoever sees all of the audit log.",
    )

    @classmethod
    def is_type_of(cls, obj: object, _info: object) -> bool:
        """Tell whether an object that `node` found is shown by this view."""
        return isinstance(obj, SeenMember)


@strawberry.type
class MembersQuery:
    """The roots of members."""

    @strawberry.field(graphql_type=MemberView | None, description="A member, by email; null if there is none.")
    async def member(
        self, info: Info, email: Annotated[str, strawberry.argument(description="The email, in any case.")]
    ) -> SeenMember | None:
        """Ask the member service."""
        return await info.context.services.members.member(info.context.principal, email)

    @strawberry.field(graphql_type=Connection[MemberView], description="The members, by email.")
    async def members(
        self,
        info: Info,
        *,
        first: First = None,
        after: After = None,
        query: Annotated[
            str | None, strawberry.argument(description="A part of the email or name, in any case.")
        ] = None,
        role: RoleKey = None,
    ) -> Page[SeenMember]:
        """Ask the member service."""
        caller = info.context
        wanted = MemberFilter(query=query, role=role)
        return await caller.services.members.members(caller.principal, wanted, page_request(first, after))
