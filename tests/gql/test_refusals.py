"""Refusals name only what the caller may view, over HTTP; of the rest they say that there is more."""

import json
from collections.abc import Iterator

import pytest

from domain.access.credentials import Credential, CredentialKind
from domain.access.members import Member
from domain.access.roles import BasePermissions, BaseRole, Grants, ProjectGrant, ProjectRole, Role
from tests.domain.access.builders import a_policy, allow, deny
from tests.gql.api import denied
from tests.gql.grants import a_token, a_token_with, change, store_access
from tests.servers import Answer, Server

MANAGING = [allow("member/*"), allow("member/*:token/*"), allow("service-token/*")]
ANN = {"memberEmail": "ann@acme.com"}
ROLES = "member { customRoles { key } projectRoles { project role } }"
VIEWER = {"project": "zebra", "role": "VIEWER"}
DEVELOPER = {"project": "default", "role": "DEVELOPER"}
HIDDEN = ("zebra", "zrole", "zpolicy", "owner2")


@pytest.fixture(scope="module")
def service(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """A service with a member who has a role in the project `zebra` and a custom role, and with a second owner."""
    with Server(f"sqlite:///{tmp_path_factory.mktemp('refusals')}/x.db") as running:
        assert not change(running, "createProject", "project { id }", name="zebra").errors
        policy = a_policy(allow("proj/zpolicy*:env/*"))
        zrole = Role(key="zrole", base_permissions=BasePermissions.NO_ACCESS, policy=policy)
        grants = Grants(custom_roles=("zrole",), project_roles=(ProjectGrant("zebra", ProjectRole.VIEWER),))
        owner = Member(id="owner2", email="owner2@acme.com", grants=Grants(base_role=BaseRole.OWNER))
        token = Credential(
            id="x", kind=CredentialKind.ACCESS_TOKEN, name="o", public_id="o-id", member_id="owner2"
        )
        store_access(running, zrole, Member(id="ann", email="ann@acme.com", grants=grants), owner, token)
        yield running


@pytest.fixture(scope="module")
def manager(service: Server) -> str:
    """A token that may do everything to members and tokens, and view neither a project nor a role."""
    return a_token_with(service, MANAGING)


def names_nothing_hidden(answer: Answer) -> bool:
    return not any(name in json.dumps(answer.response.json()) for name in HIDDEN)


def test_what_a_token_would_give_is_not_told_of_roles_and_projects_that_one_may_not_view(
    service: Server, manager: str
) -> None:
    refused = change(service, "createAccessToken", "secret", token=manager, name="x", **ANN)
    assert denied(refused) == set()
    message = "you may not give what you may not do yourself: what you may not view"
    assert refused.errors[0]["message"] == message
    assert names_nothing_hidden(refused)
    half = a_token_with(service, [*MANAGING, allow("role/*", actions=["viewRole"])])
    refused = change(service, "createAccessToken", "secret", token=half, name="x", **ANN)
    assert all("zpolicy" in lack for lack in denied(refused))
    assert refused.errors[0]["message"].endswith(" and what you may not view")
    assert "zebra" not in str(refused.response.json())
    told = change(service, "createAccessToken", "secret", token=manager, name="x", **ANN, baseRole="READER")
    assert "viewProject proj/*" in denied(told)
    assert "may not view" not in told.errors[0]["message"]


def test_roles_that_one_may_not_view_stay_and_need_nothing(service: Server, manager: str) -> None:
    both = {"customRoles": [{"key": "zrole"}], "projectRoles": [VIEWER]}
    member = (
        'query { member(email: "ann@acme.com") { version customRoles { key } projectRoles { project role } } }'
    )
    before = service.post(member)["member"]
    none = change(service, "assignRoles", ROLES, token=manager, **ANN, customRoles=[], projectRoles=[])
    assert none["assignRoles"]["member"] == {"customRoles": [], "projectRoles": []}
    assert service.post(member)["member"] == before == {**both, "version": before["version"]}
    giving = a_token_with(
        service,
        [*MANAGING, allow("proj/default"), allow("proj/default:env/*:flag/*", "proj/default:env/*:segment/*")],
    )
    more = change(service, "assignRoles", ROLES, token=giving, **ANN, projectRoles=[DEVELOPER])
    assert more["assignRoles"]["member"] == {"customRoles": [], "projectRoles": [DEVELOPER]}
    assert service.post(member)["member"]["projectRoles"] == [VIEWER, DEVELOPER]
    less = change(service, "assignRoles", ROLES, **ANN, projectRoles=[VIEWER])
    assert less["assignRoles"]["member"] == both


def test_whose_a_token_is_is_told_to_nobody_who_may_not_view_the_member(service: Server) -> None:
    viewing = a_token_with(service, [allow("member/*:token/*", actions=["viewAccessToken"])])
    listed = "query ($m: String) { accessTokens(memberEmail: $m) { totalCount nodes { id resource } } }"
    [token] = service.post(listed, token=viewing)["accessTokens"]["nodes"]
    assert token["resource"] == "member/*:token/o-id"
    assert service.post(listed, token=viewing, m="owner2@acme.com")["accessTokens"]["totalCount"] == 0
    where = {"accessTokenId": token["id"]}
    for mutation, wish, action in (
        ("updateAccessToken", {"name": "n"}, "updateAccessTokenName"),
        ("deleteAccessToken", {}, "deleteAccessToken"),
    ):
        refused = change(service, mutation, "__typename", token=viewing, **where, **wish)
        assert denied(refused) == {f"{action} member/*:token/o-id"}
        assert names_nothing_hidden(refused)
    all_but_owners = [*MANAGING, deny("member/*;owner:token/*", actions=["delete*"])]
    refused = change(
        service, "deleteAccessToken", "__typename", token=a_token_with(service, all_but_owners), **where
    )
    assert denied(refused) == {"deleteAccessToken member/owner2@acme.com;owner:token/o-id"}


def test_everybody_sees_himself_and_his_tokens(service: Server) -> None:
    store_access(service, Member(id="sam", email="Sam@acme.com"))
    own = a_token(service, name="sam's", public_id="sam-id", member_id="sam")
    query = """{ member(email: "sam@acme.com") { resource } members { totalCount }
      accessTokens(memberEmail: "SAM@acme.com") { nodes { resource member { email } } } }"""
    resource = "member/sam@acme.com"
    assert service.post(query, token=own).data == {
        "member": {"resource": resource},
        "members": {"totalCount": 1},
        "accessTokens": {"nodes": [{"resource": f"{resource}:token/sam-id", "member": {"email": "Sam@acme.com"}}]},
    }


def test_things_are_asked_about_by_the_names_that_they_tell(service: Server) -> None:
    query = (
        """{ members { nodes { resource } } roles { nodes { resource } } accessTokens { nodes { resource } } }"""
    )
    told = service.post(query)
    found = [node["resource"] for kind in ("members", "roles", "accessTokens") for node in told[kind]["nodes"]]
    assert {"member/ann@acme.com", "role/zrole", "member/owner2@acme.com:token/o-id"} <= set(found)
    actions = {"member": "updateEmail", "role": "deleteRole", "service-token": "resetAccessToken"}
    asked = [
        {"action": "resetAccessToken" if ":token/" in one else actions[one.partition("/")[0]], "resource": one}
        for one in found
    ]
    decisions = "query ($r: [PermissionRequest!]!) { viewer { decisions(requests: $r) { resource allowed } } }"
    by_admin = service.post(decisions, token=a_token_with(service, base=BaseRole.ADMIN), r=asked)
    allowed = {one["resource"]: one["allowed"] for one in by_admin["viewer"]["decisions"]}
    assert {name for name, is_allowed in allowed.items() if not is_allowed} == {
        name for name in allowed if ";owner" in name
    }
    assert len([name for name in allowed if ";owner" in name]) == 3
