"""Custom roles over HTTP: what they say, and who sees them."""

from collections.abc import Iterator

import pytest

from domain.access.policies import Effect, NewStatement
from domain.access.roles import BasePermissions, Role
from tests.domain.access.builders import a_policy, allow
from tests.gql.grants import a_token_with, store_access
from tests.gql.test_members import node_id
from tests.servers import Server

ROLE = """id key name description basePermissions version
  policy { effect actions notActions resources notResources }"""


@pytest.fixture(scope="module")
def service(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """A service with the guide's role, and another one."""
    folder = tmp_path_factory.mktemp("roles")
    with Server(f"sqlite:///{folder}/earlybird.db") as running:
        but = NewStatement(effect=Effect.DENY, not_resources=["proj/*"], not_actions=["view*"])
        eap = Role(
            key="eap-editors",
            name="EAP editors",
            description="By name",
            base_permissions=BasePermissions.NO_ACCESS,
            policy=a_policy(allow("proj/*:env/*:segment/eap-*"), but),
        )
        store_access(running, eap, Role(key="other", name="Other"))
        yield running


def test_an_owner_sees_roles_with_their_policies(service: Server) -> None:
    found = service.post(f'{{ roles(query: "EAP ED") {{ totalCount nodes {{ {ROLE} }} }} }}')["roles"]
    role = {
        "id": node_id("Role", "eap-editors"),
        "key": "eap-editors",
        "name": "EAP editors",
        "description": "By name",
        "basePermissions": "NO_ACCESS",
        "version": 1,
        "policy": [
            {
                "effect": "ALLOW",
                "actions": ["*"],
                "notActions": None,
                "resources": ["proj/*:env/*:segment/eap-*"],
                "notResources": None,
            },
            {
                "effect": "DENY",
                "actions": None,
                "notActions": ["view*"],
                "resources": None,
                "notResources": ["proj/*"],
            },
        ],
    }
    assert found == {"totalCount": 1, "nodes": [role]}
    query = (
        f'query ($i: ID!) {{ role(key: "eap-editors") {{ {ROLE} }} node(id: $i) {{ ... on Role {{ {ROLE} }} }} }}'
    )
    assert service.post(query, i=role["id"]).data == {"role": role, "node": role}


def test_a_role_that_one_may_not_view_is_not_there(service: Server) -> None:
    blind = a_token_with(service, [allow("role/other", actions=["viewRole"])])
    query = """query ($i: ID!) { roles { totalCount nodes { key } } role(key: "eap-editors") { key }
      node(id: $i) { id } }"""
    assert service.post(query, token=blind, i=node_id("Role", "eap-editors")).data == {
        "roles": {"totalCount": 1, "nodes": [{"key": "other"}]},
        "role": None,
        "node": None,
    }
