"""The viewer: who asks, and what he may do."""

import strawberry

from domain.access.principals import Principal, PrincipalKind
from domain.access.seen import SeenMember, SeenSdkKey, SeenToken
from domain.services.permissions import PermissionDecision, PermissionRequest
from gql.access_tokens import AccessTokenView
from gql.context import Info
from gql.enums import register_enum
from gql.members import MemberView
from gql.permissions import Action, GrantedPolicyView, PermissionDecisionView, Requests, Thing
from gql.sdk_keys import SdkKeyView

register_enum(
    PrincipalKind,
    "What the viewer is, by the secret of the request.",
    {
        PrincipalKind.MEMBER: "A member, by an access token of his.",
        PrincipalKind.SERVICE_TOKEN: "A service, by an access token of its own.",
        PrincipalKind.SDK_KEY: "An application, by an SDK key: it only evaluates.",
        PrincipalKind.ANONYMOUS: "Nobody known: the request has no secret.",
    },
    name="ViewerKind",
)


async def _can(root: strawberry.Parent[Principal], info: Info, action: Action, resource: Thing) -> bool:
    return await info.context.services.permissions.can(root, PermissionRequest(action, resource))


async def _decisions(
    root: strawberry.Parent[Principal], info: Info, requests: Requests
) -> list[PermissionDecision]:
    return await info.context.services.permissions.decisions(root, [asked.to_domain() for asked in requests])


def _member(root: strawberry.Parent[Principal], info: Info) -> SeenMember | None:
    return info.context.services.permissions.sight(root).own_member


def _access_token(root: strawberry.Parent[Principal], info: Info) -> SeenToken | None:
    return info.context.services.permissions.sight(root).own_token


def _sdk_key(root: strawberry.Parent[Principal], info: Info) -> SeenSdkKey | None:
    return info.context.services.permissions.sight(root).own_sdk_key


@strawberry.type(name="EnvironmentName", description="An environment's full name.")
class EnvironmentNameView:
    """View of domain.keys.EnvironmentRef."""

    project: str = strawberry.field(description="The project's key.")
    environment: str = strawberry.field(description="The environment's key.")


@strawberry.type(
    name="Rights", description="Policies, of which any may allow something: the most permissive wins."
)
class RightsView:
    """View of domain.access.rights.Rights."""

    granted: list[GrantedPolicyView] = strawberry.field(
        name="policies", description="The policies, of the base role first, then custom and project roles."
    )


@strawberry.type(name="Viewer", description="Who asks, and what he may do.")
class ViewerView:
    """View of domain.access.principals.Principal."""

    actor: str = strawberry.field(
        description="The name in the audit log: `member/` and the email, `token/` and the token's name (SDK keys "
        "have names too), or `anonymous`."
    )
    kind: PrincipalKind = strawberry.field(description="What the viewer is.")
    member = strawberry.field(
        resolver=_member, graphql_type=MemberView | None, description="The member, if the viewer is one."
    )
    access_token = strawberry.field(
        resolver=_access_token,
        graphql_type=AccessTokenView | None,
        description="The access token of the request, if it has one.",
    )
    sdk_key = strawberry.field(
        resolver=_sdk_key, graphql_type=SdkKeyView | None, description="The SDK key of the request, if it has one."
    )
    evaluates_only_in: EnvironmentNameView | None = strawberry.field(
        description="The environment that an SDK key implies; null for anybody else."
    )
    rights: list[RightsView] = strawberry.field(
        description="What the viewer may do is what each of these allows: of a member's token that is restricted, "
        "the member's and the token's own. Where there are none, as for SDK keys, it is nothing."
    )
    can = strawberry.field(
        resolver=_can,
        graphql_type=bool,
        description="Whether the viewer may do something, and may view the project that it is in.",
    )
    decisions = strawberry.field(
        resolver=_decisions,
        graphql_type=list[PermissionDecisionView],
        description="Whether the viewer may do each of several things, as `can` tells of one; in their order.",
    )


@strawberry.type
class ViewerQuery:
    """The root of the viewer."""

    @strawberry.field(
        graphql_type=ViewerView, description="Who asks, and what he may do; whatever the request's secret."
    )
    def viewer(self, info: Info) -> Principal:
        """Return who is asking."""
        return info.context.principal
