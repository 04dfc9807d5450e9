"""Access tokens over HTTP: what is shown of them and to whom, and how they come, change and go."""

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from domain.access.credentials import Credential, CredentialKind, hash_secret
from domain.access.members import Member
from domain.access.roles import BaseRole, Grants, ProjectGrant, ProjectRole, Role
from tests.domain.access.builders import a_policy, allow
from tests.gql.api import denied, node_id, violations
from tests.gql.grants import a_token, a_token_with, change, entries_of, store_access
from tests.gql.tokens import (
    MADE,
    TOKEN,
    VIEW,
    listed,
    lives,
    made,
    member_id,
    names,
    once_it_is_dead,
    sees_project,
)
from tests.servers import Server

NOTHING: dict[str, list[str]] = {"resources": [], "notResources": [], "actions": [], "notActions": []}


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


def test_a_member_makes_tokens_that_may_do_no_more_than_he(service: Server) -> None:
    own = a_token(service, name="ann's first", member_id="ann")
    whole = made(service, own, name="whole")
    assert (whole["accessToken"]["member"], whole["accessToken"]["policy"]) == ({"email": "ann@acme.com"}, None)
    assert sees_project(service, whole["secret"])
    part = made(service, own, name="part", policy=[{**VIEW, "resources": ["proj/other"]}])
    assert not sees_project(service, part["secret"])
    more = made(service, own, name="more", baseRole="OWNER")
    refused = change(service, "createProject", "project { id }", token=more["secret"], name="p")
    assert refused.code == "FORBIDDEN"
    wider = change(service, "createAccessToken", "secret", token=part["secret"], name="wider")
    assert wider.code == "FORBIDDEN"  # it may not make tokens
    making = [{"effect": "ALLOW", "resources": ["member/*:token/*"], "actions": ["*"]}]
    maker = made(service, own, name="maker", policy=making)["secret"]
    assert made(service, maker, name="likewise")["accessToken"]["policy"] == making
    wider = change(service, "createAccessToken", "secret", token=maker, name="wider", baseRole="READER")
    assert "viewProject proj/*" in denied(wider)
    assert not change(service, "createAccessToken", "secret", token=maker, name="same", policy=making).errors


def test_a_service_token_may_do_what_its_roles_and_policy_allow_until_it_expires(service: Server) -> None:
    soon = datetime.now(UTC) + timedelta(seconds=5)
    wish = {"name": "robot", "isService": True, "policy": [VIEW], "expiresAt": soon.isoformat()}
    robot = made(service, **wish)
    token = robot["accessToken"]
    assert (token["isService"], token["member"], token["baseRole"], token["version"]) == (True, None, None, 1)
    assert datetime.fromisoformat(token["createdAt"]) <= datetime.now(UTC)
    assert sees_project(service, robot["secret"])
    assert change(service, "createAccessToken", "secret", **wish).code == "ALREADY_EXISTS"
    once_it_is_dead(service, robot["secret"])
    assert "robot" in names(listed(service))


def test_what_is_wrong_with_a_token_is_told_at_once(service: Server) -> None:
    faults = {
        "name": " ",
        "isService": True,
        "customRoles": ["nope"],
        "policy": [{"effect": "ALLOW", "resources": ["nope"], "actions": ["*"]}],
        "expiresAt": "2020-01-01T00:00:00Z",
    }
    assert violations(change(service, "createAccessToken", "secret", **faults)) == [
        ["input", "name"],
        ["input", "expiresAt"],
        ["input", "customRoles", 0],
        ["input", "policy", 0, "resources", 0],
    ]
    for wish, path in (
        ({"isService": True}, "isService"),
        ({"isService": True, "memberEmail": "ann@acme.com"}, "memberEmail"),
        ({}, "memberEmail"),  # the first owner is nobody
    ):
        answer = change(service, "createAccessToken", "secret", name="x", **wish)
        assert violations(answer) == [["input", path]]
    nobody = change(service, "createAccessToken", "secret", name="x", memberEmail="nobody@acme.com")
    assert nobody.code == "NOT_FOUND"


def test_whoever_is_shown_a_secret_has_what_it_opens(service: Server) -> None:
    store_access(service, Member(id="boss", email="boss@acme.com", grants=Grants(base_role=BaseRole.OWNER)))
    a_token(service, name="boss's", public_id="boss-id", member_id="boss")
    managing = [
        allow("member/*", actions=["viewMember"]),
        allow("member/*:token/*"),
        allow("service-token/*"),
        allow("role/*", actions=["viewRole"]),
    ]
    manager = a_token_with(service, managing)
    for wish in (
        {"memberEmail": "ann@acme.com"},
        {"isService": True, "baseRole": "OWNER"},
        {"isService": True, "customRoles": ["eap"]},
        {"isService": True, "policy": [VIEW]},
    ):
        assert denied(change(service, "createAccessToken", "secret", token=manager, name="x", **wish))
    for token_id in ("ci-id", "boss-id"):
        token = {"accessTokenId": node_id("AccessToken", token_id)}
        assert denied(change(service, "resetAccessToken", "secret", token=manager, **token))
    given = {
        "memberEmail": "boss@acme.com",
        "policy": [{**VIEW, "resources": ["role/*"], "actions": ["viewRole"]}],
    }
    assert made(service, manager, name="for boss", **given)["accessToken"]["member"] == {"email": "boss@acme.com"}
    admin = a_token_with(service, base=BaseRole.ADMIN)
    assert not change(
        service, "createAccessToken", "secret", token=admin, name="y", memberEmail="ann@acme.com"
    ).errors
    owning = change(service, "createAccessToken", "secret", token=admin, name="z", memberEmail="boss@acme.com")
    assert {action.partition(" ")[0] for action in denied(owning)} == {"createAccessToken"}


def test_a_token_is_renamed_reset_and_deleted(service: Server) -> None:
    token = made(service, name="first name", isService=True, policy=[VIEW])
    where = {"accessTokenId": token["accessToken"]["id"]}
    wish = {**where, "name": "CI"}
    assert change(service, "updateAccessToken", "accessToken { name }", **wish).code == "ALREADY_EXISTS"
    wish = {**where, "name": "second name", "expectedVersion": 1}
    renamed = change(service, "updateAccessToken", f"accessToken {{ {TOKEN} }}", **wish)
    expected = {**token["accessToken"], "name": "second name", "version": 2}
    assert renamed["updateAccessToken"]["accessToken"] == expected
    assert change(service, "updateAccessToken", "accessToken { id }", **wish).code == "VERSION_CONFLICT"
    reset = change(service, "resetAccessToken", MADE, **where, gracePeriodSeconds=3600)["resetAccessToken"]
    assert reset["accessToken"] == {**expected, "version": 3}
    assert all(sees_project(service, secret) for secret in (token["secret"], reset["secret"]))
    again = change(service, "resetAccessToken", MADE, **where, gracePeriodSeconds=4)["resetAccessToken"]
    secrets = [token["secret"], reset["secret"], again["secret"]]
    assert [lives(service, secret) for secret in secrets] == [True, True, True]
    once_it_is_dead(service, reset["secret"])
    assert [lives(service, secret) for secret in secrets] == [False, False, True]
    soon = (datetime.now(UTC) + timedelta(seconds=4)).isoformat()
    wish = {**where, "gracePeriodSeconds": 7200, "expiresAt": soon}
    brief = change(service, "resetAccessToken", MADE, **wish)["resetAccessToken"]["secret"]
    secrets = [again["secret"], brief]
    assert [lives(service, secret) for secret in secrets] == [True, True]
    once_it_is_dead(service, brief)
    assert [lives(service, secret) for secret in secrets] == [False, False]
    wish = {**where, "expiresAt": (datetime.now(UTC) + timedelta(hours=1)).isoformat()}
    last = change(service, "resetAccessToken", MADE, **wish)["resetAccessToken"]
    assert [lives(service, secret) for secret in (again["secret"], last["secret"])] == [False, True]
    assert [node["id"] for node in listed(service) if node["name"] == "second name"] == [where["accessTokenId"]]
    deleted = change(service, "deleteAccessToken", "deletedAccessTokenId", **where)["deleteAccessToken"]
    assert deleted == {"deletedAccessTokenId": where["accessTokenId"]}
    assert not lives(service, last["secret"])
    for name in ("deleteAccessToken", "resetAccessToken"):
        assert change(service, name, "__typename", **where).code == "NOT_FOUND"
    assert change(service, "deleteAccessToken", "__typename", accessTokenId="nope").code == "BAD_USER_INPUT"
    member = node_id("Member", "ann")
    assert change(service, "deleteAccessToken", "__typename", accessTokenId=member).code == "NOT_FOUND"


def test_each_change_of_a_token_needs_its_own_action_and_leaves_its_entry_without_the_secret(
    service: Server,
) -> None:
    token = made(service, name="told", isService=True, policy=[VIEW], comment="c")
    where = {"accessTokenId": token["accessToken"]["id"]}
    public_id = entries_of(service, "createAccessToken")[0]["resource"].partition("/")[2]
    viewing = allow("service-token/*", actions=["viewAccessToken"])
    idle = a_token_with(service, [viewing, allow("proj/default", actions=["viewProject"])])
    resource = f"service-token/{public_id};no_access"
    attempts: list[tuple[str, dict[str, Any], str]] = [
        ("updateAccessToken", {"name": "n"}, "updateAccessTokenName"),
        ("resetAccessToken", {"gracePeriodSeconds": 60}, "resetAccessToken"),
        ("resetAccessToken", {}, "resetAccessToken"),
        ("deleteAccessToken", {}, "deleteAccessToken"),
    ]
    for name, wish, action in attempts:
        answer = change(service, name, "__typename", token=idle, **where, **wish)
        assert denied(answer) == {f"{action} {resource}"}
    secrets = [token["secret"]]
    for name, wish, _ in attempts:
        is_reset = name == "resetAccessToken"
        done = change(service, name, "secret" if is_reset else "__typename", **where, **wish)[name]
        secrets += [done["secret"]] if is_reset else []
    log = service.output()
    for name in ("createAccessToken", "updateAccessToken", "resetAccessToken", "deleteAccessToken"):
        entry = entries_of(service, name)[0]
        assert entry["resource"] == f"service-token/{public_id}"
        assert {change["kind"] for change in entry["changes"]} == {"credential"}
        for secret in secrets:
            assert secret not in str(entry) + log
            assert hash_secret(secret) not in str(entry) + log


def test_a_token_made_for_another_member_gains_nothing_that_its_maker_has_not(service: Server) -> None:
    change(service, "createMember", "member { id }", email="zoe@acme.com", baseRole="READER")
    own = a_token(service, name="zoe's own", member_id=member_id(service, "zoe@acme.com"))
    admin = a_token_with(service, base=BaseRole.ADMIN)
    zoe = {"memberEmail": "zoe@acme.com"}
    forged = made(service, admin, name="for zoe", **zoe)
    assert forged["accessToken"]["baseRole"] == "ADMIN"
    reset = {"accessTokenId": made(service, own, name="zoe's second")["accessToken"]["id"]}
    shown = change(service, "resetAccessToken", MADE, token=admin, **reset)["resetAccessToken"]
    all_of_it = [{"effect": "ALLOW", "resources": ["member/*"], "actions": ["*"]}]
    for wish in ({"baseRole": "OWNER"}, {"policy": all_of_it}):
        assert denied(change(service, "createAccessToken", "secret", token=admin, name="sleeper", **zoe, **wish))
    heir = made(service, forged["secret"], name="heir")["secret"]
    change(service, "assignRoles", "member { id }", **zoe, baseRole="OWNER")
    for secret, is_owner in ((own, True), (forged["secret"], False), (shown["secret"], False), (heir, False)):
        new = {"email": f"{is_owner}@acme.com", "baseRole": "OWNER"}
        answer = change(service, "createMember", "member { id }", token=secret, **new)
        assert not answer.errors if is_owner else answer.code == "FORBIDDEN"
        assert sees_project(service, secret)
    change(service, "assignRoles", "member { id }", **zoe, baseRole="NO_ACCESS")
    assert not sees_project(service, forged["secret"])


def test_the_audit_log_names_the_token_that_acted_to_whoever_may_view_it(service: Server) -> None:
    change(service, "createMember", "member { id }", email="kim@acme.com", baseRole="WRITER")
    token = made(service, name="kim's?", memberEmail="kim@acme.com")
    assert not change(service, "createProject", "project { id }", token=token["secret"], name="by kim").errors
    query = '{ auditLog(project: "by-kim") { nodes { actor accessToken { id name } } } }'
    seen = {"actor": "member/kim@acme.com", "accessToken": {"id": token["accessToken"]["id"], "name": "kim's?"}}
    assert service.post(query)["auditLog"]["nodes"] == [seen]
    assert service.post(query, token=token["secret"])["auditLog"]["nodes"] == [seen]
    reader = a_token_with(service, base=BaseRole.READER)
    assert service.post(query, token=reader)["auditLog"]["nodes"] == [{**seen, "accessToken": None}]
    where = {"accessTokenId": token["accessToken"]["id"]}
    change(service, "deleteAccessToken", "deletedAccessTokenId", **where)
    assert service.post(query)["auditLog"]["nodes"] == [seen]
    assert service.post(query, token=reader)["auditLog"]["nodes"] == [{**seen, "accessToken": None}]


@pytest.mark.parametrize(
    "name", ["first-owner\u200b", " sp ", "a\nb", "a;owner", "a:b", "a*", "a,b", "a\xa0b", "Command-Line"]
)
def test_no_service_s_token_has_a_name_that_reads_as_another_in_the_log(service: Server, name: str) -> None:
    new = change(service, "createAccessToken", "secret", name=name, isService=True, policy=[VIEW])
    assert violations(new) == [["input", "name"]]
    where = {"accessTokenId": node_id("AccessToken", "ci-id")}
    assert violations(change(service, "updateAccessToken", "__typename", **where, name=name)) == [
        ["input", "name"]
    ]


def test_names_of_services_tokens_are_the_same_in_any_case(service: Server) -> None:
    new = change(service, "createAccessToken", "secret", name="First-Owner", isService=True, policy=[VIEW])
    assert new.code == "ALREADY_EXISTS"
    where = {"accessTokenId": node_id("AccessToken", "ci-id")}
    assert change(service, "updateAccessToken", "__typename", **where, name="FIRST-OWNER").code == "ALREADY_EXISTS"
    for name in ("ci", "CI"):
        assert not change(service, "updateAccessToken", "__typename", **where, name=name).errors


@pytest.mark.parametrize("whose", [{"isService": True}, {"memberEmail": "ann@acme.com"}])
@pytest.mark.parametrize(
    ("own", "place"),
    [
        ({"policy": [VIEW], "baseRole": "READER"}, ["policy"]),
        ({"policy": [VIEW], "customRoles": ["eap"]}, ["policy"]),
        ({"policy": [{**VIEW, "effect": "DENY"}]}, ["policy"]),
        ({"policy": []}, ["policy"]),
        ({"policy": [{**VIEW, "resources": ["proj"]}]}, ["policy", 0, "resources", 0]),
    ],
)
def test_a_token_has_roles_or_a_policy_that_allows_something(
    service: Server, whose: dict[str, Any], own: dict[str, Any], place: list[str | int]
) -> None:
    new = change(service, "createAccessToken", "secret", name="both", **whose, **own)
    assert violations(new) == [["input", *place]]


@pytest.mark.parametrize(
    ("wish", "told"),
    [
        (
            {"baseRole": "READER", "expiresAt": "2999-01-01T00:00:00Z"},
            {
                "baseRole": "READER",
                "customRoles": [],
                "projectRoles": [],
                "expiresAt": "2999-01-01T00:00:00+00:00",
            },
        ),
        (
            {"policy": [{"effect": "ALLOW", "resources": ["proj/*"], "actions": ["viewProject"]}]},
            {"policy": [{**NOTHING, "effect": "ALLOW", "resources": ["proj/*"], "actions": ["viewProject"]}]},
        ),
    ],
)
def test_the_log_tells_of_tokens_in_the_names_of_the_schema(
    service: Server, wish: dict[str, Any], told: dict[str, Any]
) -> None:
    new = {"name": "told", "isService": True, **wish}
    made = change(service, "createAccessToken", "accessToken { id }", **new)["createAccessToken"]
    [changed] = entries_of(service, "createAccessToken")[0]["changes"]
    fields = {field["path"]: field["after"] for field in changed["fields"]}
    assert fields == {"kind": "ACCESS_TOKEN", "name": "told", **told}
    query = '{ __type(name: "AccessToken") { fields { name } } }'
    assert told.keys() <= {field["name"] for field in service.post(query)["__type"]["fields"]}
    assert not change(service, "deleteAccessToken", "__typename", accessTokenId=made["accessToken"]["id"]).errors
