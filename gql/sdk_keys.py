"""SDK keys: secrets that open evaluation in an environment."""

from datetime import datetime

import strawberry

from domain.access.credentials import CredentialKind
from domain.access.seen import SeenSdkKey
from domain.services.catalog import EnvironmentCatalog
from gql.audit import AuditEntryConnection, sdk_key_history
from gql.context import Info
from gql.enums import register_enum
from gql.nodes import Node, global_id

register_enum(
    CredentialKind,
    "What an SDK key opens.",
    {
        CredentialKind.SERVER_SDK_KEY: "Evaluation in one environment.",
        CredentialKind.CLIENT_SDK_KEY: "Evaluation in one environment, of flags that clients may see.",
    },
    name="SdkKeyKind",
    hidden={CredentialKind.ACCESS_TOKEN},
)


def _key_id(root: strawberry.Parent[SeenSdkKey]) -> strawberry.ID:
    return global_id("SdkKey", root.id)


@strawberry.type(name="SdkKey", description="A secret that opens evaluation in an environment.")
class SdkKeyView(Node):
    """View of domain.access.seen.SeenSdkKey."""

    id: strawberry.ID = strawberry.field(resolver=_key_id, description="The global id.")
    kind: CredentialKind = strawberry.field(description="Whether it is for servers or for clients.")
    name: str = strawberry.field(description="Its name.")
    created_at: datetime | None = strawberry.field(description="When it was created; null if that is not known.")
    expires_at: datetime | None = strawberry.field(
        description="From when on it opens nothing, since another one has taken its place; null for that one."
    )
    last_used_at: datetime | None = strawberry.field(
        description="When it was last shown, to about two minutes; null if it never was."
    )
    history = strawberry.field(
        resolver=sdk_key_history,
        graphql_type=AuditEntryConnection,
        description="What changed it, newest first.",
    )

    @classmethod
    def is_type_of(cls, obj: object, _info: object) -> bool:
        """Tell whether an object that `node` found is shown by this view."""
        return isinstance(obj, SeenSdkKey)


async def environment_sdk_keys(root: strawberry.Parent[EnvironmentCatalog], info: Info) -> list[SeenSdkKey]:
    """Ask the SDK key service for those of an environment."""
    return await info.context.services.sdk_keys.sdk_keys(info.context.principal, root.environment.ref)
