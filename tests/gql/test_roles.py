"""Custom roles over HTTP: what they say, and who sees them."""

from collections.abc import Iterator
from typing import Any

import pytest

from domain.access.members import Member
from domain.access.policies import Effect, NewStatement
from domain.access.roles import BasePermissions, BaseRole, Grants, Role
from tests.domain.access.builders import a_policy, allow
from tests.gql.api import denied, node_id, violations
from tests.gql.grants import a_token_with, change, entries_of, store_access
from tests.servers import Answer, Server

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


BY_NAME = {"effect": "ALLOW", "resources": ["proj/*:env/*:segment/eap-*"], "actions": ["*"]}
BY_TAG = {"effect": "ALLOW", "resources": ["proj/*:env/*:segment/*;eap"], "actions": ["*"]}


def test_a_role_is_created_changed_and_deleted(service: Server) -> None:
    new = {"name": "By tag", "description": "d", "policy": [BY_TAG], "comment": "new"}
    made = change(service, "createRole", f"role {{ {ROLE} }}", **new)["createRole"]["role"]
    assert (made["key"], made["basePermissions"], made["version"]) == ("by-tag", "READER", 1)
    assert made["policy"] == [{**BY_TAG, "notActions": None, "notResources": None}]
    assert change(service, "createRole", "role { id }", **new).code == "ALREADY_EXISTS"
    edit = {"roleKey": "by-tag", "policy": [BY_NAME], "basePermissions": "NO_ACCESS", "expectedVersion": 1}
    changed = change(service, "updateRole", f"role {{ {ROLE} }}", **edit)["updateRole"]["role"]
    assert changed == {
        **made,
        "policy": [{**BY_NAME, "notActions": None, "notResources": None}],
        "basePermissions": "NO_ACCESS",
        "version": 2,
    }
    assert change(service, "updateRole", "role { id }", **edit).code == "VERSION_CONFLICT"
    same = {**edit, "expectedVersion": 2}
    assert change(service, "updateRole", "role { version }", **same)["updateRole"]["role"] == {"version": 2}
    deleted = change(service, "deleteRole", "deletedRoleId", roleKey="by-tag")["deleteRole"]
    assert deleted == {"deletedRoleId": made["id"]}
    assert change(service, "updateRole", "role { id }", roleKey="by-tag").code == "NOT_FOUND"
    [entry] = entries_of(service, "updateRole")
    assert (entry["actor"], entry["resource"]) == ("token/first-owner", "role/by-tag")
    assert [field["path"] for field in entry["changes"][0]["fields"]] == [
        "basePermissions",
        "policy[0].resources",
    ]
    assert [len(entries_of(service, action)) for action in ("createRole", "deleteRole")] == [1, 1]


def test_a_policy_is_refused_with_the_place_of_every_fault(service: Server) -> None:
    policy = [
        BY_NAME,
        {"effect": "ALLOW", "resources": ["proj/*", "flag/*", "proj/a b"], "actions": ["viewProject"]},
        {"effect": "DENY", "resources": ["proj/*"], "actions": ["updateOn", "nope"]},
        {"effect": "DENY", "actions": []},
    ]
    paths = [
        ["input", "policy", 1, "resources", 1],
        ["input", "policy", 1, "resources", 2],
        ["input", "policy", 2, "actions", 0],
        ["input", "policy", 2, "actions", 1],
        ["input", "policy", 3],
        ["input", "policy", 3, "actions"],
    ]
    new = change(service, "createRole", "role { id }", name=" ", key="a b", description="d" * 4097, policy=policy)
    assert violations(new) == [["input", "key"], ["input", "name"], ["input", "description"], *paths]
    assert violations(change(service, "updateRole", "role { id }", roleKey="other", policy=policy)) == paths
    large = [{**BY_NAME, "resources": [f"proj/{number}" for number in range(100)]}] * 5
    assert not change(service, "createRole", "role { id }", name="large", policy=large).errors
    larger = change(service, "updateRole", "role { id }", roleKey="large", policy=[*large, BY_NAME])
    assert violations(larger) == [["input", "policy"]]


def test_a_role_that_somebody_has_is_not_deleted_and_its_users_are_named(service: Server) -> None:
    store_access(service, Role(key="used"), Member(email="ann@acme.com", grants=Grants(custom_roles=("used",))))
    service_token = {"name": "used-token", "isService": True, "customRoles": ["used"]}
    made = change(service, "createAccessToken", "accessToken { id }", **service_token)["createAccessToken"]
    refused = change(service, "deleteRole", "deletedRoleId", roleKey="used")
    assert refused.code == "IN_USE"
    user = {"environment": None, "archived": False}
    assert refused.errors[0]["extensions"]["users"] == [
        {**user, "kind": "member", "key": "ann@acme.com"},
        {**user, "kind": "accessToken", "key": made["accessToken"]["id"], "name": "used-token", "member": None},
    ]
    blind = a_token_with(service, [allow("role/*", actions=["viewRole", "deleteRole"])])
    unseen = change(service, "deleteRole", "deletedRoleId", token=blind, roleKey="used")
    assert (unseen.code, unseen.errors[0]["extensions"]["users"]) == ("IN_USE", [])
    idle = a_token_with(service, [allow("role/*", actions=["viewRole"])])
    assert denied(change(service, "deleteRole", "deletedRoleId", token=idle, roleKey="used")) == {
        "deleteRole role/used"
    }


def test_nobody_writes_a_role_that_allows_more_than_his_own(service: Server) -> None:
    writing = a_token_with(
        service,
        [
            allow("role/*", actions=["viewRole", "createRole", "updatePolicy", "updateName"]),
            allow("proj/*:env/*:segment/eap-*"),
        ],
    )
    inside = {**BY_NAME, "resources": ["proj/shop:env/*:segment/eap-x*", "proj/*:env/*:segment/eap-*;tag"]}
    without = {"basePermissions": "NO_ACCESS"}
    made = change(service, "createRole", "role { key }", token=writing, name="inside", policy=[inside], **without)
    assert not made.errors
    outside = {**BY_NAME, "resources": ["proj/*:env/*:segment/eap*"], "actions": ["updateName"]}
    for name, wish in (("createRole", {"name": "x", **without}), ("updateRole", {"roleKey": "inside"})):
        refused = change(service, name, "role { key }", token=writing, policy=[outside], **wish)
        assert denied(refused) == {"updateName proj/*:env/*:segment/eap*"}
    reader = change(service, "createRole", "role { key }", token=writing, name="y", policy=[inside])
    assert "viewProject proj/*" in denied(reader)
    renamed = change(service, "updateRole", "role { name }", token=writing, roleKey="eap-editors", name="Renamed")
    assert renamed["updateRole"]["role"] == {"name": "Renamed"}


def test_an_admin_cannot_write_a_role_that_makes_owners(service: Server) -> None:
    admin = a_token_with(service, base=BaseRole.ADMIN)
    owning = {"effect": "ALLOW", "resources": ["member/*"], "actions": ["updateRole"]}
    assert denied(change(service, "createRole", "role { key }", token=admin, name="o", policy=[owning])) == {
        "updateRole member/*"
    }
    but = {"effect": "DENY", "resources": ["proj/secret"], "actions": ["*"]}
    every = {"effect": "ALLOW", "resources": ["proj/*", "role/*", "member/*;writer"], "actions": ["view*"]}
    assert not change(service, "createRole", "role { key }", token=admin, name="v", policy=[every, but]).errors


@pytest.mark.parametrize(("name", "policy"), [("by-name", BY_NAME), ("by-tag", BY_TAG)])
def test_the_guide_s_role_is_made_given_and_used_over_the_api_and_holds_at_once(
    service: Server, name: str, policy: dict[str, Any]
) -> None:
    place = {"project": "default", "environment": "test"}
    for key, tags in ((f"eap-{name}", ["eap"]), (f"other-{name}", [])):
        new = change(service, "createSegment", "revision", environment=place, name=key, tags=tags)
        assert not new.errors
    role = change(service, "createRole", "role { key version }", name=f"Guide {name}", policy=[policy])
    member = {"email": f"{name}@acme.com", "customRoles": [role["createRole"]["role"]["key"]]}
    assert not change(service, "createMember", "member { id }", **member).errors
    token = {"name": "laptop", "memberEmail": member["email"]}
    secret = change(service, "createAccessToken", "secret", **token)["createAccessToken"]["secret"]

    def rename(key: str, to: str) -> Answer:
        wish = {"environment": place, "segmentKey": key, "instructions": [{"updateName": to}]}
        return change(service, "updateSegment", "revision", token=secret, **wish)

    assert not rename(f"eap-{name}", "mine").errors
    assert rename(f"other-{name}", "not mine").code == "FORBIDDEN"
    empty = {"roleKey": member["customRoles"][0], "policy": []}
    assert not change(service, "updateRole", "role { version }", **empty).errors
    assert rename(f"eap-{name}", "no more").code == "FORBIDDEN"


@pytest.mark.parametrize(
    ("wish", "path"),
    [
        ({"name": "Owner"}, ["input", "name"]),
        ({"name": "x", "key": "OWNER"}, ["input", "key"]),
        ({"name": "x", "key": "reader"}, ["input", "key"]),
        ({"name": "No access"}, ["input", "name"]),
        ({"name": "x", "key": "No_Access"}, ["input", "key"]),
    ],
)
def test_no_custom_role_is_called_as_a_base_role(service: Server, wish: dict[str, str], path: list[str]) -> None:
    refused = change(service, "createRole", "__typename", policy=[], **wish)
    assert refused.code == "BAD_USER_INPUT"
    [violation] = refused.errors[0]["extensions"]["violations"]
    assert violation["path"] == path
    assert violation["message"].endswith("is a base role")


def test_who_sees_some_of_a_role_s_holders_learns_that_there_are_others(service: Server) -> None:
    grants = Grants(custom_roles=("shared",))
    members = [Member(id=name, email=f"{name}@acme.com", grants=grants) for name in ("seen", "unseen")]
    store_access(service, Role(key="shared"), *members)
    everything = [allow("role/*"), allow("member/seen@*", actions=["viewMember"])]
    told = change(
        service, "deleteRole", "__typename", token=a_token_with(service, everything), roleKey="shared"
    ).errors[0]
    assert told["message"] == "role 'shared' is used by member 'seen@acme.com' and others that you may not view"
    assert [user["key"] for user in told["extensions"]["users"]] == ["seen@acme.com"]
    told = change(service, "deleteRole", "__typename", roleKey="shared").errors[0]
    assert told["message"].endswith("member 'seen@acme.com', member 'unseen@acme.com'")
