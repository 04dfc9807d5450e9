"""Access tokens with roles, written into the store as another process of the service would."""

import asyncio
import secrets
import time
from collections.abc import Sequence

import httpx

from domain.access.credentials import Credential, CredentialKind, hash_secret, new_secret
from domain.access.policies import NewStatement, parse_policy
from domain.access.principals import OPERATOR
from domain.access.roles import BasePermissions, BaseRole, Grants, Role
from domain.ports import Save
from domain.services.access_editing import AccessEdit, AccessEditor
from domain.services.snapshots import SnapshotService
from storage import open_store
from tests.servers import Server


def a_token_with(
    server: Server, policy: Sequence[NewStatement] = (), *, base: BaseRole = BaseRole.NO_ACCESS
) -> str:
    """Make a service token whose role has a policy, and no other permissions but a base role's."""
    secret = new_secret(CredentialKind.ACCESS_TOKEN)
    name = secrets.token_hex(4)
    role = Role(key=name, base_permissions=BasePermissions.NO_ACCESS, policy=parse_policy(policy))
    token = Credential(
        id=hash_secret(secret),
        kind=CredentialKind.ACCESS_TOKEN,
        name=name,
        grants=Grants(base_role=base, custom_roles=(name,)),
    )

    async def write() -> None:
        store = await open_store(server.store)
        edit = AccessEdit(
            action="createAccessToken",
            resource="service-token/*",
            decide=lambda _directory: [Save(role, None), Save(token, None)],
        )
        await AccessEditor(SnapshotService(store)).edit(OPERATOR, edit)
        await store.close()

    asyncio.run(write())
    give_up = time.monotonic() + 5
    headers = {"Authorization": f"Bearer {secret}"}
    while time.monotonic() < give_up:
        if (
            server.client.post("/graphql", json={"query": "{ __typename }"}, headers=headers).status_code
            == httpx.codes.OK
        ):
            return secret
        time.sleep(0.02)
    raise AssertionError("the token is not known")
