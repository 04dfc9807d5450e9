"""What changed members, custom roles, access tokens and SDK keys, over HTTP: each by its id, for whoever may know it."""

import base64
from collections.abc import Iterator
from typing import Any

import pytest

from domain.access.credentials import hash_secret
from domain.access.roles import BaseRole
from tests.domain.access.builders import allow, deny
from tests.gql.api import node_id
from tests.gql.grants import a_token_with, change
from tests.servers import Answer, Server

ENTRIES = "nodes { action changes { kind entityId versionBefore versionAfter fields { path before after } } }"
LOG = f"query ($i: ID!, $f: Int) {{ auditLog(nodeId: $i, first: $f) {{ {ENTRIES} }} }}"
VIEWING = allow("proj/*", actions=["viewProject"])
AUDITING = allow("acct", actions=["viewAuditLog"])


@pytest.fixture(scope="module")
def service(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    with Server(f"sqlite:///{tmp_path_factory.mktemp('history')}/earlybird.db") as running:
        yield running


def log(service: Server, node: str, token: str | None = None) -> list[dict[str, Any]]:
    nodes: list[dict[str, Any]] = service.post(LOG, token=token, i=node)["auditLog"]["nodes"]
    return nodes


def actions(entries: list[dict[str, Any]]) -> list[str]:
    return [entry["action"] for entry in entries]


def done(answer: Answer) -> Any:
    assert not answer.errors
    [payload] = (answer.data or {}).values()
    return payload


def a_member(service: Server, email: str) -> str:
    return str(done(change(service, "createMember", "member { id }", email=email))["member"]["id"])


def a_member_token(service: Server, email: str, name: str) -> dict[str, Any]:
    wish = {"name": name, "memberEmail": email}
    payload: dict[str, Any] = done(change(service, "createAccessToken", "accessToken { id } secret", **wish))
    return payload


def a_project(service: Server, name: str) -> list[str]:
    """Create a project, and return the ids of the SDK keys of its production: the server's, the client's."""
    done(change(service, "createProject", "project { id }", name=name))
    query = 'query ($p: String!) { environment(project: $p, key: "production") { sdkKeys { id } } }'
    return [key["id"] for key in service.post(query, p=name)["environment"]["sdkKeys"]]


def test_a_member_has_a_history_that_no_later_one_of_his_email_shares(service: Server) -> None:
    first = a_member(service, "joe@acme.com")
    done(change(service, "assignRoles", "member { id }", memberEmail="joe@acme.com", baseRole="READER"))
    query = f'{{ member(email: "joe@acme.com") {{ history {{ {ENTRIES} }} }} }}'
    entries = service.post(query)["member"]["history"]["nodes"]
    assert actions(entries) == ["assignRoles", "createMember"]
    [changed] = entries[0]["changes"]
    assert changed["fields"] == [{"path": "baseRole", "before": "NO_ACCESS", "after": "READER"}]
    token = a_member_token(service, "joe@acme.com", "laptop")["accessToken"]["id"]
    done(change(service, "deleteMember", "deletedMemberId", memberEmail="joe@acme.com"))
    second = a_member(service, "joe@acme.com")
    assert actions(log(service, first)) == ["deleteMember", "assignRoles", "createMember"]
    assert actions(log(service, second)) == ["createMember"]
    [[gone], _, _] = [entry["changes"] for entry in log(service, first)]
    assert (gone["kind"], gone["versionAfter"]) == ("member", None)
    assert actions(log(service, token)) == ["deleteMember", "createAccessToken"]
    assert [c["entityId"] for entry in log(service, token) for c in entry["changes"]] == ["laptop", "laptop"]


def test_a_role_has_a_history_that_begins_with_its_creation(service: Server) -> None:
    for number in range(2):
        role = done(change(service, "createRole", "role { id }", name="fleeting", policy=[]))["role"]
        done(change(service, "updateRole", "role { id }", roleKey="fleeting", description=f"no. {number}"))
        found = service.post(f'{{ role(key: "fleeting") {{ history {{ {ENTRIES} }} }} }}')["role"]["history"]
        assert actions(found["nodes"]) == ["updateRole", "createRole"]
        done(change(service, "deleteRole", "deletedRoleId", roleKey="fleeting"))
    assert len(log(service, role["id"])) == 6, "in the log is what had its key before, too"


def test_an_access_token_has_the_history_of_all_its_secrets_and_of_no_other_token_of_its_name(
    service: Server,
) -> None:
    for email in ("ann@acme.com", "bob@acme.com"):
        a_member(service, email)
    anns, bobs = (a_member_token(service, f"{who}@acme.com", "same name") for who in ("ann", "bob"))
    token = anns["accessToken"]["id"]
    reset = {"accessTokenId": token, "gracePeriodSeconds": 3600}
    second = done(change(service, "resetAccessToken", "secret", **reset))["secret"]
    done(change(service, "updateAccessToken", "accessToken { id }", accessTokenId=token, name="other name"))
    query = f"query ($i: ID!) {{ node(id: $i) {{ ... on AccessToken {{ history {{ {ENTRIES} }} }} }} }}"
    entries = service.post(query, i=token)["node"]["history"]["nodes"]
    assert actions(entries) == ["updateAccessToken", "resetAccessToken", "createAccessToken"]
    renamed, replaced, created = (entry["changes"] for entry in entries)
    assert [c["entityId"] for c in renamed] == ["other name"] * 2, "the secret that was replaced has the name too"
    assert [(c["versionBefore"], c["versionAfter"]) for c in replaced] == [(None, 2), (1, 2)]
    assert [field["path"] for field in replaced[1]["fields"]] == ["expiresAt", "superseded"]
    assert len(created) == 1
    assert log(service, token) == entries
    assert actions(log(service, bobs["accessToken"]["id"])) == ["createAccessToken"]
    for secret in (anns["secret"], bobs["secret"], second):
        assert secret not in str(entries)
        assert hash_secret(secret) not in str(entries)
    done(change(service, "deleteAccessToken", "deletedAccessTokenId", accessTokenId=token))
    assert actions(log(service, token)) == ["deleteAccessToken", *actions(entries)]


def test_an_sdk_key_has_a_history_for_whoever_views_its_project(service: Server) -> None:
    server_key, client_key = a_project(service, "audited")
    place = {"project": "audited", "environment": "production"}
    wish = {"environment": place, "kind": "SERVER_SDK_KEY", "gracePeriodSeconds": 60}
    later = done(change(service, "rotateSdkKey", "sdkKey { id }", **wish))["sdkKey"]["id"]
    viewer = a_token_with(service, [VIEWING, deny("proj/default")])
    stranger = a_token_with(service, [VIEWING, deny("proj/audited")])
    told = {server_key: ["rotateSdkKey", "createProject"], client_key: ["createProject"], later: ["rotateSdkKey"]}
    query = """{ environment(project: "audited", key: "production") {
      sdkKeys { id history(first: 5) { nodes { action changes { entityId } } } } } }"""
    for token in (None, viewer):
        keys = service.post(query, token=token)["environment"]["sdkKeys"]
        assert {key["id"]: actions(key["history"]["nodes"]) for key in keys} == told
        assert all(len(entry["changes"]) == 1 for key in keys for entry in key["history"]["nodes"])
        assert {key: actions(log(service, key, token)) for key in told} == told
    assert [log(service, key, stranger) for key in told] == [[]] * 3
    done(change(service, "rotateSdkKey", "secret", environment=place, kind="CLIENT_SDK_KEY"))
    assert actions(log(service, client_key)) == ["rotateSdkKey", "createProject"]
    assert log(service, client_key, viewer) == [], "of which project it was, nobody knows any more"


def test_who_may_not_view_a_thing_or_not_all_of_the_log_sees_none_of_its_entries(service: Server) -> None:
    member = a_member(service, "eve@acme.com")
    token = a_member_token(service, "eve@acme.com", "eve's")["accessToken"]["id"]
    role = done(change(service, "createRole", "role { id }", name="eve's", policy=[]))["role"]["id"]
    a_project(service, "unseen")
    views = allow("member/*", "member/*:token/*", "role/*", actions=["view*"])
    auditor = a_token_with(service, [VIEWING, AUDITING, views])
    blind = a_token_with(service, [VIEWING, AUDITING])
    viewer = a_token_with(service, [VIEWING, views])
    of_some_projects = a_token_with(service, [VIEWING, AUDITING, views, deny("proj/unseen")])
    for node in (member, token, role):
        assert log(service, node, auditor) == log(service, node) != []
        assert [log(service, node, other) for other in (blind, viewer, of_some_projects)] == [[]] * 3
    histories = '{ member(email: "eve@acme.com") { history { nodes { id } } accessTokens { nodes { history { nodes { id } } } } } }'
    seen = service.post(histories, token=viewer)["member"]
    assert (seen["history"]["nodes"], seen["accessTokens"]["nodes"]) == ([], [{"history": {"nodes": []}}])
    assert service.post(histories, token=auditor)["member"]["history"]["nodes"]


def test_the_id_of_one_kind_with_the_name_of_another_opens_nothing(service: Server) -> None:
    a_member(service, "kim@acme.com")
    token = a_member_token(service, "kim@acme.com", "kim's")["accessToken"]["id"]
    public_id = base64.urlsafe_b64decode(token).decode().partition(":")[2]
    blind = a_token_with(service, [VIEWING, AUDITING])
    for type_name in ("AccessToken", "SdkKey", "Member", "Role"):
        assert log(service, node_id(type_name, public_id), blind) == []
    assert service.post(LOG, i=node_id("SegmentImport", "x")).code == "BAD_USER_INPUT"


def test_a_reader_and_who_shows_nothing_learn_nothing_of_tokens(service: Server) -> None:
    [first] = service.post("{ accessTokens(isService: true, first: 1) { nodes { id } } }")["accessTokens"]["nodes"]
    assert log(service, first["id"])
    assert log(service, first["id"], a_token_with(service, base=BaseRole.READER)) == []
    assert service.post(LOG, token="", i=first["id"]).code == "UNAUTHENTICATED"
