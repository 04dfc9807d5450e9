"""Members over HTTP: who sees whom."""

import base64
from collections.abc import Iterator
from typing import Any

import pytest

from domain.access.members import Member
from domain.access.roles import BaseRole, Grants, ProjectGrant, ProjectRole, Role
from tests.domain.access.builders import a_policy, allow, deny
from tests.gql.grants import a_token, a_token_with, store_access
from tests.servers import Server

MEMBER = """id email name baseRole version customRoles { key } projectRoles { project role }
  accessTokens { totalCount nodes { name isService member { email } } }"""
MEMBERS = (
    f"query ($q: String, $r: String) {{ members(query: $q, role: $r) {{ totalCount nodes {{ {MEMBER} }} }} }}"
)


@pytest.fixture(scope="module")
def service(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """A service with two members, of which one has roles and a token."""
    folder = tmp_path_factory.mktemp("members")
    with Server(f"sqlite:///{folder}/earlybird.db") as running:
        roles = [Role(key=key, policy=a_policy(allow("proj/*"))) for key in ("eap", "hidden")]
        grants = Grants(
            base_role=BaseRole.WRITER,
            custom_roles=("eap", "hidden", "gone"),
            project_roles=(ProjectGrant("default", ProjectRole.VIEWER), ProjectGrant("gone", ProjectRole.VIEWER)),
        )
        ann = Member(id="ann", email="Ann@acme.com", name="Ann", grants=grants)
        store_access(running, *roles, ann, Member(id="bob", email="bob@acme.com", name="Bob"))
        a_token(running, name="laptop", member_id="ann")
        yield running


def listed(service: Server, token: str | None = None, **variables: Any) -> Any:
    return service.post(MEMBERS, token=token, **variables)["members"]


def node_id(type_name: str, entity_id: str) -> str:
    return base64.urlsafe_b64encode(f"{type_name}:{entity_id}".encode()).decode()


def test_an_owner_sees_members_with_their_roles_and_tokens(service: Server) -> None:
    found = listed(service)
    assert found["totalCount"] == 2
    assert found["nodes"][0] == {
        "id": node_id("Member", "ann"),
        "email": "Ann@acme.com",
        "name": "Ann",
        "baseRole": "WRITER",
        "version": 1,
        "customRoles": [{"key": "eap"}, {"key": "hidden"}],
        "projectRoles": [{"project": "default", "role": "VIEWER"}],
        "accessTokens": {
            "totalCount": 1,
            "nodes": [{"name": "laptop", "isService": False, "member": {"email": "Ann@acme.com"}}],
        },
    }
    assert [node["email"] for node in listed(service, q="BO")["nodes"]] == ["bob@acme.com"]
    assert [node["email"] for node in listed(service, r="eap")["nodes"]] == ["Ann@acme.com"]
    query = "query ($e: String!, $i: ID!) { member(email: $e) { name } node(id: $i) { ... on Member { name } } }"
    both = service.post(query, e=" ANN@ACME.COM", i=node_id("Member", "ann"))
    assert both.data == {"member": {"name": "Ann"}, "node": {"name": "Ann"}}
    assert service.post(query, e="eve@acme.com", i=node_id("Member", "eve")).data == {"member": None, "node": None}


def test_pages_of_members_follow_their_emails(service: Server) -> None:
    query = """query ($a: String) { members(first: 1, after: $a) { nodes { name }
      pageInfo { hasNextPage endCursor } } }"""
    first = service.post(query)["members"]
    assert (first["nodes"], first["pageInfo"]["hasNextPage"]) == ([{"name": "Ann"}], True)
    second = service.post(query, a=first["pageInfo"]["endCursor"])["members"]
    assert (second["nodes"], second["pageInfo"]["hasNextPage"]) == ([{"name": "Bob"}], False)


def test_what_one_may_not_view_of_members_is_not_there(service: Server) -> None:
    blind = a_token_with(
        service,
        [
            allow("member/*", actions=["viewMember"]),
            deny("member/bob@acme.com", actions=["*"]),
            allow("role/eap", actions=["viewRole"]),
        ],
    )
    [ann] = listed(service, blind)["nodes"]
    assert (ann["email"], ann["customRoles"], ann["projectRoles"]) == ("Ann@acme.com", [{"key": "eap"}], [])
    assert ann["accessTokens"] == {"totalCount": 0, "nodes": []}
    assert listed(service, blind)["totalCount"] == 1
    assert listed(service, blind, r="hidden") == {"totalCount": 0, "nodes": []}
    query = 'query ($i: ID!) { member(email: "bob@acme.com") { name } node(id: $i) { id } }'
    assert service.post(query, token=blind, i=node_id("Member", "bob")).data == {"member": None, "node": None}


@pytest.mark.parametrize("root", ["members", "roles", "accessTokens"])
def test_who_shows_nothing_or_may_nothing_sees_nobody(service: Server, root: str) -> None:
    query = f"{{ {root} {{ totalCount }} }}"
    assert service.post(query, token="").code == "UNAUTHENTICATED"
    assert service.post(query, token=a_token_with(service))[root] == {"totalCount": 0}
