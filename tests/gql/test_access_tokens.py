"""Access tokens over HTTP: what is shown of them, and to whom."""

from collections.abc import Iterator
from typing import Any

import pytest

from domain.access.credentials import Credential, CredentialKind
from domain.access.members import Member
from domain.access.roles import BaseRole, Grants, ProjectGrant, ProjectRole, Role
from tests.domain.access.builders import a_policy, allow
from tests.gql.grants import a_token, a_token_with, store_access
from tests.gql.test_members import node_id
from tests.servers import Server

TOKEN = """id name isService member { email } baseRole customRoles { key } projectRoles { project role }
  policy { effect actions resources } createdAt expiresAt version"""
TOKENS = f"""query ($s: Boolean, $m: String, $r: String) {{
  accessTokens(isService: $s, memberEmail: $m, role: $r) {{ totalCount nodes {{ {TOKEN} }} }} }}"""


@pytest.fixture(scope="module")
def service(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """A service with a token of each kind, beside the owner's."""
    folder = tmp_path_factory.mktemp("tokens")
    with Server(f"sqlite:///{folder}/earlybird.db") as running:
        ann = Member(id="ann", email="ann@acme.com", grants=Grants(base_role=BaseRole.READER))
        store_access(running, ann, Role(key="eap"))
        a_token(running, name="laptop", public_id="laptop-id", member_id="ann")
        grants = Grants(custom_roles=("eap",), project_roles=(ProjectGrant("default", ProjectRole.MAINTAINER),))
        policy = a_policy(allow("proj/*", actions=["viewProject"]))
        properties = {"public_id": "ci-id", "created_ms": 0, "expires_ms": 4_000_000_000_000}
        a_token(running, name="CI", grants=grants, policy=policy, **properties)
        a_token(running, name="old", public_id="ci-id", superseded=True, grants=grants)
        orphan = Credential(id="-", kind=CredentialKind.ACCESS_TOKEN, name="orphan", member_id="gone")
        store_access(running, orphan)
        yield running


def listed(service: Server, token: str | None = None, **variables: Any) -> Any:
    found = service.post(TOKENS, token=token, **variables)["accessTokens"]
    assert found["totalCount"] == len(found["nodes"])
    return found["nodes"]


def names(nodes: list[dict[str, Any]]) -> list[str]:
    return [node["name"] for node in nodes]


def test_an_owner_sees_tokens_with_all_but_their_secrets(service: Server) -> None:
    ci, first, laptop = listed(service)
    assert ci == {
        "id": node_id("AccessToken", "ci-id"),
        "name": "CI",
        "isService": True,
        "member": None,
        "baseRole": "NO_ACCESS",
        "customRoles": [{"key": "eap"}],
        "projectRoles": [{"project": "default", "role": "MAINTAINER"}],
        "policy": [{"effect": "ALLOW", "actions": ["viewProject"], "resources": ["proj/*"]}],
        "createdAt": "1970-01-01T00:00:00+00:00",
        "expiresAt": "2096-10-02T07:06:40+00:00",
        "version": 1,
    }
    assert (first["name"], first["baseRole"]) == ("first-owner", "OWNER")
    assert laptop | {"id": ""} == {
        "id": "",
        "name": "laptop",
        "isService": False,
        "member": {"email": "ann@acme.com"},
        "baseRole": None,
        "customRoles": [],
        "projectRoles": [],
        "policy": None,
        "createdAt": None,
        "expiresAt": None,
        "version": 1,
    }
    node = f"query ($i: ID!) {{ node(id: $i) {{ ... on AccessToken {{ {TOKEN} }} }} }}"
    assert service.post(node, i=ci["id"])["node"] == ci


def test_tokens_are_filtered(service: Server) -> None:
    assert names(listed(service, s=True)) == ["CI", "first-owner"]
    assert names(listed(service, s=False)) == ["laptop"]
    assert names(listed(service, m="ANN@acme.com")) == ["laptop"]
    assert names(listed(service, m="nobody@acme.com")) == []
    assert names(listed(service, r="eap")) == ["CI"]


def test_one_sees_the_tokens_that_one_may_view_and_members_always_their_own(service: Server) -> None:
    own = a_token(service, name="own", member_id="ann")
    assert names(listed(service, own)) == ["laptop", "own"]
    viewing = a_token_with(service, [allow("service-token/*;no_access", actions=["viewAccessToken"])])
    assert "first-owner" not in names(listed(service, viewing))
    assert listed(service, viewing, s=False) == []
    [ci] = [node for node in listed(service, viewing) if node["name"] == "CI"]
    assert (ci["customRoles"], ci["projectRoles"]) == ([], [])
    query = "query ($i: ID!) { node(id: $i) { id } }"
    assert service.post(query, token=viewing, i=node_id("AccessToken", "laptop-id")).data == {"node": None}
    laptop = a_token_with(service, [allow("member/*:token/*", actions=["viewAccessToken"])])
    assert {node["member"] and node["member"]["email"] for node in listed(service, laptop)} == {None}
