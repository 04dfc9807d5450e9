"""SDK keys over HTTP: what is shown of them, and to whom."""

import time
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from domain.access.credentials import hash_secret
from tests.domain.access.builders import allow
from tests.gql.api import denied, violations
from tests.gql.grants import a_token_with, change, entries_of
from tests.servers import Server

KEYS = """query ($p: String!) { environment(project: $p, key: "production") {
  sdkKeys { id kind name createdAt expiresAt lastUsedAt } } }"""
NEW_KEYS = """mutation ($i: CreateProjectInput!) { createProject(input: $i) {
  sdkKeys { environmentKey kind secret } } }"""
CREATE_PROJECT = "mutation ($i: CreateProjectInput!) { createProject(input: $i) { sdkKeys { secret } } }"


def keys_of(server: Server, project: str, token: str | None = None) -> Any:
    return server.post(KEYS, token=token, p=project)["environment"]["sdkKeys"]


def test_an_environment_shows_its_keys_but_not_their_secrets(server: Server) -> None:
    assert keys_of(server, "default") == []
    assert not server.post(CREATE_PROJECT, i={"name": "keys"}).errors
    found = keys_of(server, "keys")
    assert [(key["kind"], key["name"], key["expiresAt"]) for key in found] == [
        ("SERVER_SDK_KEY", "production-server", None),
        ("CLIENT_SDK_KEY", "production-client", None),
    ]
    assert all(key["createdAt"].startswith("20") for key in found)
    node = "query ($i: ID!) { node(id: $i) { ... on SdkKey { name } } }"
    assert server.post(node, i=found[1]["id"])["node"] == {"name": "production-client"}


def test_keys_of_a_project_that_one_may_not_view_are_not_there(server: Server) -> None:
    assert not server.post(CREATE_PROJECT, i={"name": "hidden keys"}).errors
    [key, _] = keys_of(server, "hidden-keys")
    blind = a_token_with(server, [allow("proj/default", actions=["viewProject"])])
    assert keys_of(server, "default", blind) == []
    node = "query ($i: ID!) { node(id: $i) { id } }"
    assert server.post(node, token=blind, i=key["id"]).data == {"node": None}


def rotate(server: Server, project: str, **wish: Any) -> Any:
    place = {"project": project, "environment": "production"}
    answer = "sdkKey { id kind name expiresAt } secret"
    return change(server, "rotateSdkKey", answer, environment=place, **wish)


def evaluates(server: Server, secret: str) -> bool:
    answer = server.evaluate("f", {"kind": "user", "key": "ann"}, e=None, token=secret)
    assert not answer.errors or answer.code == "UNAUTHENTICATED"
    return not answer.errors


@pytest.mark.parametrize("kind", ["SERVER_SDK_KEY", "CLIENT_SDK_KEY"])
def test_a_key_is_rotated_and_the_one_before_works_until_its_grace_period_ends(server: Server, kind: str) -> None:
    project = f"rotated-{kind}".lower().replace("_", "-")
    created = server.post(NEW_KEYS, i={"name": project})["createProject"]["sdkKeys"]
    first = next(k["secret"] for k in created if (k["kind"], k["environmentKey"]) == (kind, "production"))
    others = [k["secret"] for k in created if k["secret"] != first]
    rotated = rotate(server, project, kind=kind, gracePeriodSeconds=3600, comment="leaked")["rotateSdkKey"]
    assert (rotated["sdkKey"]["kind"], rotated["sdkKey"]["expiresAt"]) == (kind, None)
    keys = [key for key in keys_of(server, project) if key["kind"] == kind]
    assert (keys[0]["id"], keys[0]["expiresAt"]) == (rotated["sdkKey"]["id"], None)
    left = datetime.fromisoformat(keys[1]["expiresAt"]) - datetime.now(UTC)
    assert timedelta(minutes=59) < left <= timedelta(hours=1)
    assert evaluates(server, first)
    assert evaluates(server, rotated["secret"])
    again = rotate(server, project, kind=kind, gracePeriodSeconds=4)["rotateSdkKey"]
    assert all(evaluates(server, secret) for secret in (first, rotated["secret"], again["secret"]))
    deadline = time.monotonic() + 20
    while evaluates(server, rotated["secret"]):
        assert time.monotonic() < deadline
        time.sleep(0.05)
    assert [evaluates(server, secret) for secret in (first, rotated["secret"], again["secret"])] == [
        False,
        False,
        True,
    ]
    last = rotate(server, project, kind=kind)["rotateSdkKey"]
    assert not evaluates(server, again["secret"])
    assert [key["id"] for key in keys_of(server, project) if key["kind"] == kind] == [last["sdkKey"]["id"]]
    assert all(evaluates(server, secret) for secret in (last["secret"], *others))


def test_an_environment_without_keys_gets_its_first_by_rotation(server: Server) -> None:
    assert [key for key in keys_of(server, "default") if key["kind"] == "CLIENT_SDK_KEY"] == []
    rotated = rotate(server, "default", kind="CLIENT_SDK_KEY")["rotateSdkKey"]
    assert rotated["secret"].startswith("eb_client_")
    assert keys_of(server, "default")[0]["lastUsedAt"] is None
    assert evaluates(server, rotated["secret"])
    assert keys_of(server, "default")[0]["lastUsedAt"] is not None
    [entry] = [e for e in entries_of(server, "rotateSdkKey") if e["resource"] == "proj/default:env/production"]
    told = str(entry)
    assert [(c["kind"], c["entityId"]) for c in entry["changes"]] == [
        ("credential", "default/production/production-client")
    ]
    assert rotated["secret"] not in told
    assert hash_secret(rotated["secret"]) not in told


def test_what_is_no_rotation_is_refused(server: Server) -> None:
    wrong = rotate(server, "default", kind="SERVER_SDK_KEY", gracePeriodSeconds=-1)
    assert violations(wrong) == [["input", "gracePeriodSeconds"]]
    assert violations(rotate(server, "default", kind="ACCESS_TOKEN")) == [["i", "kind"]]
    long = rotate(server, "default", kind="SERVER_SDK_KEY", gracePeriodSeconds=90 * 86_400 + 1)
    assert violations(long) == [["input", "gracePeriodSeconds"]]
    assert rotate(server, "nowhere", kind="SERVER_SDK_KEY").code == "NOT_FOUND"
    blind = a_token_with(server, [allow("proj/*:env/*")])
    assert rotate(server, "default", kind="SERVER_SDK_KEY", token=blind).code == "NOT_FOUND"
    viewing = a_token_with(server, [allow("proj/*", actions=["viewProject"])])
    for kind, action in (("SERVER_SDK_KEY", "updateApiKey"), ("CLIENT_SDK_KEY", "updateMobileKey")):
        assert denied(rotate(server, "default", kind=kind, token=viewing)) == {
            f"{action} proj/default:env/production"
        }


def test_a_key_that_is_made_while_its_environment_is_deleted_opens_no_later_one(server: Server) -> None:
    place = {"project": "default", "environment": "brief"}
    for _ in range(5):
        new = change(server, "createEnvironment", "environment { id }", project="default", name="brief")
        assert not new.errors
        with ThreadPoolExecutor(4) as pool:
            rotating = [pool.submit(rotate_in, server, place) for _ in range(3)]
            deleted = pool.submit(change, server, "deleteEnvironment", "deletedEnvironmentId", environment=place)
        assert not deleted.result().errors
        secrets = [r.result()["rotateSdkKey"]["secret"] for r in rotating if not r.result().errors]
        again = change(server, "createEnvironment", "environment { id }", project="default", name="brief")
        assert not again.errors
        assert not any(evaluates(server, secret) for secret in secrets)
        gone = change(server, "deleteEnvironment", "deletedEnvironmentId", environment=place)
        assert not gone.errors


def rotate_in(server: Server, place: dict[str, str]) -> Any:
    return change(server, "rotateSdkKey", "secret", environment=place, kind="SERVER_SDK_KEY")
