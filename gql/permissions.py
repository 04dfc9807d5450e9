"""Permissions: what is asked of them, and the roots for those who give them."""

from typing import Annotated

import strawberry

from domain.access.policies import Effect
from domain.access.rights import PolicySource
from domain.access.roles import BasePermissions
from domain.pages import Page
from domain.services.permissions import REQUESTS_LIMIT, PermissionHolder, PermissionRequest, SimulatedDecision
from gql.access_tokens import AccessTokenView
from gql.connections import After, Connection, First, page_request
from gql.context import Info
from gql.enums import register_enum
from gql.members import MemberView
from gql.role_edits import StatementInput
from gql.roles import StatementView

register_enum(
    PolicySource,
    "Where somebody has a policy from.",
    {
        PolicySource.BASE_ROLE: "From the base role.",
        PolicySource.CUSTOM_ROLE: "From a custom role: its own policy, and then its base permissions.",
        PolicySource.PROJECT_ROLE: "From a role in a project.",
        PolicySource.ACCESS_TOKEN: "It is the access token's own.",
        PolicySource.MEMBERSHIP: "From being a member, who may have access tokens.",
    },
)

Action = Annotated[str, strawberry.argument(description="The action, as policies name it: `updateRules`.")]
Thing = Annotated[
    str,
    strawberry.argument(
        description="One thing, as policies name it, without `*`: `proj/shop:env/production:segment/eap-a`. Where "
        "nothing follows a key, the tags count that the thing has now, if it is there and you may view it; "
        "`eap-a;beta` gives it others, `eap-a;` none."
    ),
]


@strawberry.input(name="PermissionRequest", description="An action on a thing that may be allowed.")
class PermissionRequestInput:
    """Input for domain.services.permissions.PermissionRequest."""

    action: str = strawberry.field(description="The action, as policies name it: `updateRules`.")
    resource: str = strawberry.field(
        description="One thing, as policies name it, without `*`. Where nothing follows a key, the tags count "
        "that the thing has now, if it is there and you may view it; `eap-a;beta` gives it others, `eap-a;` none."
    )

    def to_domain(self) -> PermissionRequest:
        """Convert to the domain's request."""
        return PermissionRequest(self.action, self.resource)


Requests = Annotated[
    list[PermissionRequestInput],
    strawberry.argument(description=f"Up to {REQUESTS_LIMIT} actions, each on a thing."),
]


@strawberry.type(name="GrantedPolicy", description="A policy, and where somebody has it from.")
class GrantedPolicyView:
    """View of domain.access.rights.GrantedPolicy."""

    source: PolicySource = strawberry.field(description="Where it is from.")
    role: str | None = strawberry.field(
        description="The role that it is of: a custom role's key, or the name of a base or project role; null if "
        "it is of none."
    )
    project: str | None = strawberry.field(description="The key of the project that a project role is for.")
    statements: list[StatementView] = strawberry.field(
        description="What it says: one that denies beats any that allows."
    )


@strawberry.type(name="Allowance", description="What allows somebody something.")
class AllowanceView:
    """View of domain.access.rights.Allowance."""

    policy: GrantedPolicyView = strawberry.field(description="The policy.")
    statement: StatementView = strawberry.field(description="Its first statement that allows it.")


@strawberry.type(name="PermissionDecision", description="Whether an action on a thing is allowed.")
class PermissionDecisionView:
    """View of domain.services.permissions.PermissionDecision."""

    action: str = strawberry.field(description="The action.")
    resource: str = strawberry.field(description="The thing, with the tags that counted.")
    allowed: bool = strawberry.field(description="Whether it is allowed.")


@strawberry.type(
    name="SimulatedDecision", description="Whether a policy allows an action on a thing, and what decides that."
)
class SimulatedDecisionView(PermissionDecisionView):
    """View of domain.services.permissions.SimulatedDecision."""

    effect: Effect | None = strawberry.field(
        description="What the statement that decides does; null if none is about it, so that it is denied."
    )
    statement_index: int | None = strawberry.field(
        description="Its place in the policy, from 0; null if a base permission decides, or nothing."
    )
    statement: StatementView | None = strawberry.field(
        description="The statement that decides, of the policy or of its base permissions."
    )


@strawberry.type(name="PermissionHolder", description="A member or a service token that may do something.")
class PermissionHolderView:
    """View of domain.services.permissions.PermissionHolder."""

    actor: str = strawberry.field(
        description="The name in the audit log: `member/` and the email, or `token/` and the token's name."
    )
    member: MemberView | None = strawberry.field(description="The member; null if it is a service token.")
    service_token: AccessTokenView | None = strawberry.field(
        description="The service token; null if it is a member."
    )
    allowed_by: list[AllowanceView] = strawberry.field(
        description="What allows it, of each policy that does; without custom roles that you may not view."
    )


@strawberry.type
class PermissionsQuery:
    """The roots of permissions."""

    @strawberry.field(
        graphql_type=Connection[PermissionHolderView],
        description="The members and service tokens that may do something and may view the project that it is in, "
        "by the names that the audit log gives them; without those that you may not view. Needs `whoCan`, and of "
        "what is in a project that you may view it.",
    )
    async def who_can(
        self, info: Info, action: Action, resource: Thing, first: First = None, after: After = None
    ) -> Page[PermissionHolder]:
        """Ask the permission service."""
        caller = info.context
        return await caller.services.permissions.who_can(
            caller.principal, PermissionRequest(action, resource), page_request(first, after)
        )

    @strawberry.field(
        graphql_type=list[SimulatedDecisionView],
        description="Try a custom role's policy out: what it would allow somebody who has nothing else, in the "
        "order of the requests. A policy that a role could not have is refused likewise. To do anything in a "
        "project takes `viewProject` on it beside, from this role or another one. Needs `simulatePolicy`.",
    )
    async def simulate_policy(
        self,
        info: Info,
        policy: Annotated[list[StatementInput], strawberry.argument(description="The policy.")],
        requests: Requests,
        base_permissions: Annotated[
            BasePermissions, strawberry.argument(description="What the role allows beside.")
        ] = BasePermissions.READER,
    ) -> list[SimulatedDecision]:
        """Ask the permission service."""
        return await info.context.services.permissions.simulate(
            info.context.principal,
            [statement.to_domain() for statement in policy],
            base_permissions,
            [request.to_domain() for request in requests],
        )
