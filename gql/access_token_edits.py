"""Creating, renaming, resetting and deleting access tokens. A secret is shown once, in the answer that made it."""

from datetime import datetime
from typing import Annotated

import strawberry

from domain.access.seen import SeenToken
from domain.errors import NotFoundError
from domain.services.access_tokens import NewToken, TokenReset, TokenWithSecret
from domain.services.grace import GRACE_DAYS_LIMIT
from gql.access_tokens import AccessTokenView
from gql.context import Info
from gql.moments import epoch_ms_or_none
from gql.nodes import global_id, read_global_id
from gql.role_edits import GrantsInput, StatementInput, policy_to_domain


@strawberry.input(
    description="An access token to create. Roles of its own, or a policy, limit a member's token; without any it "
    "may do what the member may, or has the limits of the token that makes it. A service's may do what they allow."
)
class CreateAccessTokenInput(GrantsInput):
    """Input for domain.services.access_tokens.NewToken."""

    name: str = strawberry.field(
        description="The name; no two services' tokens have the same, in any case. A service's has no `:;*,`, and "
        "nothing that is not seen."
    )
    is_service: bool = strawberry.field(default=False, description="Whether it is a service's, and no member's.")
    member_email: str | None = strawberry.field(
        default=None,
        description="Whose it is to be; null makes it your own, unless it is a service's. Another member's "
        "without roles and policy of its own may do what the member may, now and later, if you are an owner, or "
        "(but for what only owners may) an admin. If you are neither, it has the roles that the member has now, "
        "and gains none that he is given later.",
    )
    policy: list[StatementInput] | None = strawberry.field(
        default=None, description="What it may do, in the place of roles: some statement allows something."
    )
    expires_at: datetime | None = strawberry.field(
        default=None,
        description="From when on it opens nothing: no later than the secret of the request. Null makes it end as "
        "that does, or never.",
    )
    comment: str = strawberry.field(default="", description="Why, for the audit log.")

    def to_domain(self) -> NewToken:
        """Convert to the domain's wish."""
        return NewToken(
            name=self.name,
            is_service=self.is_service,
            member_email=self.member_email,
            grants=self.grants(),
            policy=policy_to_domain(self.policy),
            expires_ms=epoch_ms_or_none(self.expires_at),
        )


@strawberry.input
class AccessTokenInput:
    """The fields that the changes of an access token have."""

    access_token_id: strawberry.ID = strawberry.field(description="The token's global id.")
    expected_version: int | None = strawberry.field(
        default=None, description="The version you saw; another one is refused. Null takes any."
    )
    comment: str = strawberry.field(default="", description="Why, for the audit log.")

    def token_id(self) -> str:
        """Convert the id.

        Raises:
            InvalidInputError: It is none of ours.
            NotFoundError: It is no access token's.
        """
        type_name, token_id = read_global_id(self.access_token_id, ("input", "accessTokenId"))
        if type_name != "AccessToken":
            raise NotFoundError("access token", token_id)
        return token_id


@strawberry.input(description="Another name for an access token.")
class UpdateAccessTokenInput(AccessTokenInput):
    """Input for the name of an access token."""

    name: str = strawberry.field(
        description="The name; no two services' tokens have the same, in any case. A service's has no `:;*,`, and "
        "nothing that is not seen."
    )


@strawberry.input(description="An access token that is to get another secret.")
class ResetAccessTokenInput(AccessTokenInput):
    """Input for domain.services.access_tokens.TokenReset."""

    grace_period_seconds: int = strawberry.field(
        default=0,
        description=f"How long the secret that it has opens it still: {GRACE_DAYS_LIMIT} days at most, and no "
        "longer than the new one.",
    )
    expires_at: datetime | None = strawberry.field(
        default=None,
        description="When the token expires from now on: no later than the secret of the request. Null leaves "
        "that as it is, unless it would be later.",
    )

    def to_domain(self) -> TokenReset:
        """Convert to the domain's wish."""
        return TokenReset(
            grace_ms=self.grace_period_seconds * 1000,
            expires_ms=epoch_ms_or_none(self.expires_at),
            expected_version=self.expected_version,
            comment=self.comment,
        )


@strawberry.input(description="An access token to delete.")
class DeleteAccessTokenInput(AccessTokenInput):
    """Input for the deletion of an access token."""


async def _token_with_secret(root: strawberry.Parent[TokenWithSecret]) -> SeenToken:
    """Return the token when its secret is answered: what is asked of the token takes none of that one's room."""
    return root.access_token


@strawberry.type(description="A created access token.")
class CreateAccessTokenPayload:
    """View of domain.services.access_tokens.TokenWithSecret."""

    access_token = strawberry.field(
        resolver=_token_with_secret,
        graphql_type=AccessTokenView | None,
        description="The token; null where a part of it that was asked for fails: the secret stays.",
    )
    secret: str = strawberry.field(description="The secret, which is shown this once.")


def _token(root: strawberry.Parent[SeenToken]) -> SeenToken:
    return root


@strawberry.type(description="A renamed access token.")
class UpdateAccessTokenPayload:
    """View of domain.access.seen.SeenToken."""

    access_token = strawberry.field(
        resolver=_token, graphql_type=AccessTokenView | None, description="The token after the change."
    )


@strawberry.type(description="An access token with another secret.")
class ResetAccessTokenPayload:
    """View of domain.services.access_tokens.TokenWithSecret."""

    access_token = strawberry.field(
        resolver=_token_with_secret,
        graphql_type=AccessTokenView | None,
        description="The token; null where a part of it that was asked for fails: the secret stays.",
    )
    secret: str = strawberry.field(description="The new secret, which is shown this once.")


def _deleted_id(root: strawberry.Parent[str]) -> strawberry.ID:
    return global_id("AccessToken", root)


@strawberry.type(description="A deleted access token.")
class DeleteAccessTokenPayload:
    """View of the id that an access token had."""

    deleted_access_token_id: strawberry.ID = strawberry.field(
        resolver=_deleted_id, description="The global id that it had."
    )


@strawberry.type
class AccessTokensMutation:
    """The mutations of access tokens."""

    @strawberry.mutation(
        graphql_type=CreateAccessTokenPayload | None,
        description="Create an access token: your own, another member's or a service's. It can open no more than "
        "you may do yourself, and a member's no more than the member may.",
    )
    async def create_access_token(
        self,
        info: Info,
        input: Annotated[CreateAccessTokenInput, strawberry.argument(description="The token.")],  # noqa: A002 - GraphQL's name
    ) -> TokenWithSecret:
        """Ask the access token service."""
        return await info.context.services.access_tokens.create(
            info.context.principal, input.to_domain(), input.comment
        )

    @strawberry.mutation(
        graphql_type=UpdateAccessTokenPayload | None, description="Give an access token another name."
    )
    async def update_access_token(
        self,
        info: Info,
        input: Annotated[UpdateAccessTokenInput, strawberry.argument(description="The name.")],  # noqa: A002 - GraphQL's name
    ) -> SeenToken:
        """Ask the access token service."""
        return await info.context.services.access_tokens.rename(
            info.context.principal,
            input.token_id(),
            input.name,
            expected_version=input.expected_version,
            comment=input.comment,
        )

    @strawberry.mutation(
        graphql_type=ResetAccessTokenPayload | None,
        description="Give an access token another secret. The one that it has opens nothing any more, or only "
        "until the grace period ends.",
    )
    async def reset_access_token(
        self,
        info: Info,
        input: Annotated[ResetAccessTokenInput, strawberry.argument(description="Which.")],  # noqa: A002 - GraphQL's name
    ) -> TokenWithSecret:
        """Ask the access token service."""
        return await info.context.services.access_tokens.reset(
            info.context.principal, input.token_id(), input.to_domain()
        )

    @strawberry.mutation(
        graphql_type=DeleteAccessTokenPayload | None,
        description="Delete an access token, which opens nothing from then on.",
    )
    async def delete_access_token(
        self,
        info: Info,
        input: Annotated[DeleteAccessTokenInput, strawberry.argument(description="Which.")],  # noqa: A002 - GraphQL's name
    ) -> str:
        """Ask the access token service."""
        return await info.context.services.access_tokens.delete(
            info.context.principal,
            input.token_id(),
            expected_version=input.expected_version,
            comment=input.comment,
        )
