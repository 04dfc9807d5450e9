"""Rotating SDK keys. A secret is shown once, in the answer that made it."""

from typing import Annotated

import strawberry

from domain.access.credentials import CredentialKind
from domain.access.seen import SeenSdkKey
from domain.services.grace import GRACE_DAYS_LIMIT
from domain.services.sdk_keys import SdkKeyWithSecret
from gql.context import Info
from gql.environment_ref import EnvironmentRefInput
from gql.sdk_keys import SdkKeyView


@strawberry.input(description="Which SDK key of an environment is to be another one.")
class RotateSdkKeyInput:
    """Input for the rotation of an SDK key."""

    environment: EnvironmentRefInput = strawberry.field(description="Where.")
    kind: CredentialKind = strawberry.field(description="Whether it is for servers or for clients.")
    grace_period_seconds: int = strawberry.field(
        default=0, description=f"How long the key that there was works still: {GRACE_DAYS_LIMIT} days at most."
    )
    comment: str = strawberry.field(default="", description="Why, for the audit log.")


async def _key_with_secret(root: strawberry.Parent[SdkKeyWithSecret]) -> SeenSdkKey:
    """Return the key when its secret is answered: what is asked of the key takes none of that one's room."""
    return root.sdk_key


@strawberry.type(description="A new SDK key.")
class RotateSdkKeyPayload:
    """View of domain.services.sdk_keys.SdkKeyWithSecret."""

    sdk_key = strawberry.field(
        resolver=_key_with_secret,
        graphql_type=SdkKeyView | None,
        description="The key; null where a part of it that was asked for fails: the secret stays.",
    )
    secret: str = strawberry.field(description="Its secret, which is shown this once.")


@strawberry.type
class SdkKeysMutation:
    """The mutation of SDK keys."""

    @strawberry.mutation(
        graphql_type=RotateSdkKeyPayload | None,
        description="Give an environment another SDK key of a kind, its first one too. The one that it had works "
        "until the grace period ends.",
    )
    async def rotate_sdk_key(
        self,
        info: Info,
        input: Annotated[RotateSdkKeyInput, strawberry.argument(description="Which.")],  # noqa: A002 - GraphQL's name
    ) -> SdkKeyWithSecret:
        """Ask the SDK key service."""
        return await info.context.services.sdk_keys.rotate(
            info.context.principal,
            input.environment.to_domain(),
            input.kind,
            grace_ms=input.grace_period_seconds * 1000,
            comment=input.comment,
        )
