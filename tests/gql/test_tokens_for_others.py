"""Tokens that somebody makes for another member, who has no other way to his first, over HTTP."""

import secrets
from collections.abc import Iterator
from typing import Any

import pytest

from domain.access.actions import TokenAction
from domain.access.members import Member
from domain.access.roles import BasePermissions, BaseRole, Grants, ProjectGrant, ProjectRole, Role
from tests.domain.access.builders import a_policy, allow
from tests.gql.api import denied
from tests.gql.grants import a_token, a_token_with, change, store_access
from tests.servers import Server

VIEWING = [allow("proj/*", actions=["viewProject"]), allow("member/*", actions=["viewMember"])]
LISTED = "{ accessTokens { totalCount nodes { name managesTokens } } }"
READS = [{"effect": "ALLOW", "resources": ["proj/*"], "actions": ["viewProject"]}]


@pytest.fixture(scope="module")
def service(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    with Server(f"sqlite:///{tmp_path_factory.mktemp('others')}/x.db") as running:
        yield running


@pytest.fixture
def member(service: Server) -> str:
    """A member who may view a project, by his email, which is his id too."""
    email = f"{secrets.token_hex(4)}@acme.com"
    viewer = Grants(project_roles=(ProjectGrant("default", ProjectRole.VIEWER),))
    store_access(service, Member(id=email, email=email, grants=viewer))
    return email


def made(service: Server, token: str | None = None, **wish: Any) -> tuple[str, dict[str, Any]]:
    """Make a token; return its secret, and what shows it."""
    asked = "secret accessToken { id name baseRole managesTokens }"
    answer = change(service, "createAccessToken", asked, token=token, **wish)["createAccessToken"]
    return answer["secret"], answer["accessToken"]


def names(service: Server, token: str) -> list[str]:
    return [node["name"] for node in service.post(LISTED, token=token)["accessTokens"]["nodes"]]


def a_maker(service: Server, kind: str) -> str | None:
    if kind == "owner":
        return None
    if kind == "admin":
        return a_token_with(service, base=BaseRole.ADMIN)
    if kind == "admin's token from an owner":
        email = f"{secrets.token_hex(4)}@acme.com"
        assert not change(service, "createMember", "member { id }", email=email, baseRole="ADMIN").errors
        return made(service, name="admin's", memberEmail=email)[0]
    assert kind == "manager"
    return a_token_with(service, [*VIEWING, allow("member/*:token/*")])


MAKERS = ["owner", "admin", "admin's token from an owner", "manager"]


@pytest.mark.parametrize("kind", MAKERS)
def test_its_holder_manages_the_tokens_of_his_own(service: Server, member: str, kind: str) -> None:
    first, token = made(service, a_maker(service, kind), name="first", memberEmail=member)
    second, other = made(service, first, name="second")
    assert (other["baseRole"], other["managesTokens"]) == (token["baseRole"], token["managesTokens"])
    assert names(service, second) == ["first", "second"]
    ids = {"first": {"accessTokenId": token["id"]}, "second": {"accessTokenId": other["id"]}}
    renamed = change(service, "updateAccessToken", "accessToken { name }", token=first, **ids["second"], name="b")
    assert renamed["updateAccessToken"]["accessToken"] == {"name": "b"}
    reset = change(service, "resetAccessToken", "secret", token=first, **ids["first"])["resetAccessToken"][
        "secret"
    ]
    assert names(service, reset) == ["b", "first"]
    assert not change(service, "deleteAccessToken", "__typename", token=reset, **ids["second"]).errors
    assert names(service, reset) == ["first"]
    can = 'query ($r: String!) { viewer { can(action: "resetAccessToken", resource: $r) } }'
    assert service.post(can, token=reset, r=f"member/{member}:token/x")["viewer"] == {"can": True}
    assert service.post(can, token=reset, r="member/other@acme.com:token/x")["viewer"] == {"can": False}


@pytest.mark.parametrize("kind", MAKERS)
def test_it_gains_later_what_its_maker_has_and_nothing_else(service: Server, member: str, kind: str) -> None:
    maker = a_maker(service, kind)
    first = made(service, maker, name="first", memberEmail=member)[0]
    own = a_token(service, name="own", member_id=member)
    where = service.post("{ viewer { accessToken { accessTokenId: id } } }", token=own)["viewer"]["accessToken"]
    reset = change(service, "resetAccessToken", "secret", token=first, **where)["resetAccessToken"]["secret"]
    opened = [first, reset, made(service, first, name="heir")[0], made(service, reset, name="heir's")[0]]
    assert not change(service, "assignRoles", "member { id }", memberEmail=member, baseRole="WRITER").errors
    for number, secret in enumerate(opened):
        done = change(service, "createProject", "project { id }", token=secret, name=f"{kind} {number}")
        assert done.code == "FORBIDDEN" if kind == "manager" else not done.errors
    assert not change(service, "assignRoles", "member { id }", memberEmail=member, baseRole="OWNER").errors
    for number, secret in enumerate(opened):
        new = {"email": f"{number}.{member}", "baseRole": "OWNER"}
        done = change(service, "createMember", "member { id }", token=secret, **new)
        assert not done.errors if kind == "owner" else done.code == "FORBIDDEN"
    assert not change(service, "assignRoles", "member { id }", memberEmail=member, baseRole="NO_ACCESS").errors
    for secret in opened:
        assert "createProject proj/x" in denied(
            change(service, "createProject", "project { id }", token=secret, name="x")
        )


def test_who_may_only_make_tokens_does_not_get_to_delete_any_by_one_that_he_makes(
    service: Server, member: str
) -> None:
    actions = ["viewAccessToken", "createAccessToken", "resetAccessToken"]
    maker = a_token_with(service, [*VIEWING, allow("member/*:token/*", actions=actions)])
    secret, token = made(service, maker, name="made", memberEmail=member)
    assert not token["managesTokens"]
    assert (
        change(service, "deleteAccessToken", "__typename", token=secret, accessTokenId=token["id"]).code
        == "NOT_FOUND"
    )
    managing = made(service, a_maker(service, "manager"), name="managing", memberEmail=member)[1]
    refused = change(service, "resetAccessToken", "secret", token=maker, accessTokenId=managing["id"])
    lacked = {action for action in TokenAction if action not in actions}
    assert {name.partition(" ")[0] for name in denied(refused)} == lacked


def test_it_does_not_manage_the_tokens_that_its_member_gets_with_another_base_role(
    service: Server, member: str
) -> None:
    first = made(service, a_maker(service, "manager"), name="first", memberEmail=member)[0]
    assert not change(service, "assignRoles", "member { id }", memberEmail=member, baseRole="OWNER").errors
    owners = made(service, name="owner's", memberEmail=member)[1]
    assert names(service, first) == []
    refused = change(service, "deleteAccessToken", "__typename", token=first, accessTokenId=owners["id"])
    assert refused.code == "NOT_FOUND"


@pytest.mark.parametrize("own", [{"baseRole": "READER"}, {"policy": READS}])
def test_one_that_is_restricted_on_purpose_manages_none(service: Server, member: str, own: dict[str, Any]) -> None:
    for maker, whose in ((None, {"memberEmail": member}), (made(service, name="o", memberEmail=member)[0], {})):
        secret, token = made(service, maker, name="part", **whose, **own)
        assert not token["managesTokens"]
        assert names(service, secret) == []
        assert change(service, "createAccessToken", "secret", token=secret, name="x").code == "FORBIDDEN"


def test_a_role_in_use_names_the_tokens_that_have_it_as_far_as_one_may_view_them(service: Server) -> None:
    role = Role(key="pinned", base_permissions=BasePermissions.NO_ACCESS, policy=a_policy(*VIEWING))
    kit = Member(id="kit", email="kit@acme.com", grants=Grants(custom_roles=("pinned",)))
    store_access(service, role, kit)
    manager = a_token_with(service, [*VIEWING, allow("member/*:token/*")])
    token = made(service, manager, name="kit's laptop", memberEmail="kit@acme.com")[1]
    assert not change(service, "assignRoles", "member { id }", memberEmail="kit@acme.com", customRoles=[]).errors
    used = {
        "kind": "accessToken",
        "key": token["id"],
        "environment": None,
        "archived": False,
        "name": "kit's laptop",
    }
    refused = change(service, "deleteRole", "__typename", roleKey="pinned")
    assert refused.errors[0]["extensions"]["users"] == [{**used, "member": "kit@acme.com"}]
    assert 'accessToken "kit\'s laptop" of kit@acme.com' in refused.errors[0]["message"]
    blind = a_token_with(service, [allow("role/*"), allow("member/*:token/*", actions=["viewAccessToken"])])
    refused = change(service, "deleteRole", "__typename", token=blind, roleKey="pinned")
    assert refused.errors[0]["extensions"]["users"] == [{**used, "member": None}]
    assert "kit@acme.com" not in str(refused.response.json())
