"""Access tokens with roles, written into the store as another process of the service would."""

import asyncio
import secrets
import time
from collections.abc import Sequence
from typing import Any

import httpx

from domain.access.credentials import Credential, CredentialKind, hash_secret, new_secret
from domain.access.policies import NewStatement, parse_policy
from domain.access.principals import OPERATOR
from domain.access.roles import BasePermissions, BaseRole, Grants, Role
from domain.commits import Entity, Save
from domain.services.access_editing import AccessEdit, AccessEditor
from domain.services.edits import Decision
from domain.services.snapshots import SnapshotService
from storage import open_store
from tests.servers import Answer, Server


def a_token_with(
    server: Server, policy: Sequence[NewStatement] = (), *, base: BaseRole = BaseRole.NO_ACCESS
) -> str:
    """Make a service token whose role has a policy, and no other permissions but a base role's."""
    name = secrets.token_hex(4)
    role = Role(key=name, base_permissions=BasePermissions.NO_ACCESS, policy=parse_policy(policy))
    store_access(server, role)
    return a_token(server, name=name, grants=Grants(base_role=base, custom_roles=(name,)))


def a_token(server: Server, **properties: Any) -> str:
    """Make an access token, and return its secret when it is known."""
    secret = new_secret(CredentialKind.ACCESS_TOKEN)
    store_access(server, Credential(id=hash_secret(secret), kind=CredentialKind.ACCESS_TOKEN, **properties))
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


def change(server: Server, mutation: str, answer: str, *, token: Any = None, **wish: Any) -> Answer:
    """Run a mutation; `answer` is what is asked of its payload."""
    kind = f"{mutation[0].upper()}{mutation[1:]}Input"
    query = f"mutation ($i: {kind}!) {{ {mutation}(input: $i) {{ {answer} }} }}"
    return server.post(query, token=token, i=wish)


def entries_of(server: Server, action: str) -> list[dict[str, Any]]:
    """Return the entries of the audit log of one action, newest first."""
    query = """query ($a: String!) { auditLog(action: $a) { nodes { actor resource comment
      changes { kind entityId versionBefore versionAfter fields { path before after } } } } }"""
    nodes: list[dict[str, Any]] = server.post(query, a=action)["auditLog"]["nodes"]
    return nodes


def store_access(server: Server, *entities: Entity) -> None:
    """Write new members, roles and credentials."""

    async def write() -> None:
        store = await open_store(server.store)
        edit = AccessEdit(
            action="test",
            resource="acct",
            decide=lambda _sight: Decision([Save(entity, None) for entity in entities], None),
        )
        await AccessEditor(SnapshotService(store)).edit(OPERATOR, edit)
        await store.close()

    asyncio.run(write())
