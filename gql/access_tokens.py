"""Access tokens: secrets that open what their holder may do."""

from datetime import datetime
from typing import Annotated

import strawberry

from domain.access.roles import BaseRole
from domain.access.seen import SeenToken
from domain.pages import Page
from domain.services.access_tokens import TokenFilter
from gql.audit import AuditEntryConnection, access_token_history
from gql.connections import After, Connection, First, page_request
from gql.context import Info
from gql.members import MemberView
from gql.nodes import Node, global_id
from gql.roles import ProjectGrantView, RoleKey, RoleView, StatementView


def _token_id(root: strawberry.Parent[SeenToken]) -> strawberry.ID:
    return global_id("AccessToken", root.id)


@strawberry.type(
    name="AccessToken",
    description="A secret that opens what a member may do, or a service. A member's may do no more than the "
    "member, and only what its own roles and policy allow together, if it has any.",
)
class AccessTokenView(Node):
    """View of domain.access.seen.SeenToken."""

    id: strawberry.ID = strawberry.field(resolver=_token_id, description="The global id.")
    resource: str = strawberry.field(
        description="Its name in policies, as `can` and `whoCan` take it: `service-token/…`, or "
        "`member/ann@acme.com:token/…`, with `*` for a member whom you may not view."
    )
    name: str = strawberry.field(description="Its name.")
    is_service: bool = strawberry.field(description="Whether it is a service's, and no member's.")
    member: MemberView | None = strawberry.field(
        description="Whose it is; null for a service's, and if you may not view the member."
    )
    base_role: BaseRole | None = strawberry.field(
        description="What it may do everywhere; null if it has no roles of its own."
    )
    custom_roles: list[RoleView] = strawberry.field(description="Its own custom roles.")
    project_roles: list[ProjectGrantView] = strawberry.field(description="Its own roles in projects.")
    policy: list[StatementView] | None = strawberry.field(
        description="What it may do beside its roles; null if it has no policy."
    )
    manages_tokens: bool = strawberry.field(
        description="Whether it may manage all tokens of its member, though it has roles of its own: somebody "
        "else made it for him, and did not say which. It does so while the member has the same base role as it."
    )
    created_at: datetime | None = strawberry.field(description="When it was created; null if that is not known.")
    expires_at: datetime | None = strawberry.field(
        description="From when on it opens nothing; null if it does not expire."
    )
    previous_secret_expires_at: datetime | None = strawberry.field(
        description="Until when a secret that was replaced opens it still; null if none does."
    )
    last_used_at: datetime | None = strawberry.field(
        description="When it was last shown, to about two minutes; null if it never was."
    )
    version: int = strawberry.field(description="Grows with every change.")
    history = strawberry.field(
        resolver=access_token_history,
        graphql_type=AuditEntryConnection,
        description="What changed it or its secrets, newest first; for whoever sees all of the audit log.",
    )

    @classmethod
    def is_type_of(cls, obj: object, _info: object) -> bool:
        """Tell whether an object that `node` found is shown by this view."""
        return isinstance(obj, SeenToken)


@strawberry.type
class AccessTokensQuery:
    """The root of access tokens."""

    @strawberry.field(graphql_type=Connection[AccessTokenView], description="The access tokens, by name.")
    async def access_tokens(  # noqa: PLR0913 - GraphQL's arguments
        self,
        info: Info,
        *,
        first: First = None,
        after: After = None,
        is_service: Annotated[
            bool | None, strawberry.argument(description="Only services' tokens, or only members'.")
        ] = None,
        member_email: Annotated[str | None, strawberry.argument(description="Only this member's tokens.")] = None,
        role: RoleKey = None,
    ) -> Page[SeenToken]:
        """Ask the access token service."""
        caller = info.context
        wanted = TokenFilter(is_service=is_service, member_email=member_email, role=role)
        return await caller.services.access_tokens.tokens(caller.principal, wanted, page_request(first, after))
