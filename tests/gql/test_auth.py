"""Who may do what with which secret."""

import base64
from pathlib import Path
from typing import Any

import httpx
import pytest

from tests.servers import Server

ADA = {"kind": "user", "key": "ada"}
ALL = "query ($c: JSON!) { evaluateFlags(context: $c) { evaluations { flagKey } } }"
PROJECTS = "{ projects { nodes { key } } }"

Secrets = tuple[Server, dict[str, str]]


def keys_of(answer: Any) -> set[str]:
    return {e["flagKey"] for e in answer["evaluateFlags"]["evaluations"]}


def test_the_secrets_of_a_new_service_are_printed_once(secrets: Secrets) -> None:
    _, printed = secrets
    assert sorted(printed) == [
        "client SDK key, production",
        "client SDK key, test",
        "owner token",
        "server SDK key, production",
        "server SDK key, test",
    ]


def test_a_server_key_implies_its_environment_and_sees_every_flag(secrets: Secrets) -> None:
    server, printed = secrets
    key = printed["server SDK key, production"]
    assert server.evaluate("search-engine", ADA, e=None, token=key)["evaluate"]["variationIndex"] in {0, 1}
    assert {"search-engine", "new-dashboard"} <= keys_of(server.post(ALL, token=key, c=ADA))
    assert keys_of(server.post(ALL, token=printed["server SDK key, test"], c=ADA)) == set()


def test_a_client_key_sees_only_flags_for_clients(secrets: Secrets) -> None:
    server, printed = secrets
    key = printed["client SDK key, production"]
    seen = keys_of(server.post(ALL, token=key, c=ADA))
    assert "new-dashboard" in seen
    assert not seen & {"search-engine", "offline-mode", "support-email"}
    hidden = server.evaluate("search-engine", ADA, e=None, token=key)["evaluate"]
    assert (hidden["value"], hidden["reason"]["errorKind"]) == (None, "FLAG_NOT_FOUND")
    named = 'query ($c: JSON!) { evaluateFlags(context: $c, flagKeys: ["search-engine"]) { evaluations { value reason { errorKind } } } }'
    assert server.post(named, token=key, c=ADA)["evaluateFlags"]["evaluations"] == [
        {"value": None, "reason": {"errorKind": "FLAG_NOT_FOUND"}}
    ]


def test_a_client_key_cannot_probe_hidden_flags_by_their_tags(secrets: Secrets) -> None:
    server, printed = secrets
    query = "query ($c: JSON!, $k: [String!], $t: [String!]) { evaluateFlags(context: $c, flagKeys: $k, tags: $t) { evaluations { flagKey } } }"
    key = printed["client SDK key, production"]
    for flag_keys in (["search-engine", "nobody-knows", "new-dashboard"], None):
        answer = server.post(query, token=key, c=ADA, k=flag_keys, t=["search", "dashboard"])
        assert keys_of(answer) - {"dashboard-layout"} == {"new-dashboard"}


def test_a_hidden_prerequisite_still_counts_for_a_client_key(secrets: Secrets) -> None:
    server, printed = secrets
    context = {**ADA, "eap-opt-in": ["eap2"]}
    answer = server.evaluate("dashboard-layout", context, e=None, token=printed["client SDK key, production"])
    assert answer["evaluate"]["reason"]["kind"] == "RULE_MATCH"


def test_a_client_key_learns_nothing_of_segments(secrets: Secrets) -> None:
    server, printed = secrets
    query = "query ($c: JSON!) { segmentMemberships(context: $c) { isMember } }"
    assert server.post(query, token=printed["client SDK key, production"], c=ADA).code == "FORBIDDEN"
    assert server.post(query, token=printed["server SDK key, production"], c=ADA)["segmentMemberships"]


def test_an_sdk_key_reaches_no_other_environment(secrets: Secrets) -> None:
    server, printed = secrets
    for environment in ("test", "nowhere"):
        ref = {"project": "default", "environment": environment}
        answer = server.evaluate("a", ADA, e=ref, token=printed["server SDK key, production"])
        assert answer.code == "FORBIDDEN"
        assert answer.errors[0]["message"] == "this SDK key evaluates in default/production only"
        assert answer.errors[0]["extensions"]["denied"] == []  # evaluating is no action of policies


@pytest.mark.parametrize("kind", ["server", "client"])
def test_an_sdk_key_may_only_evaluate(secrets: Secrets, kind: str) -> None:
    server, printed = secrets
    key = printed[f"{kind} SDK key, production"]
    assert server.post(PROJECTS, token=key).code == "FORBIDDEN"
    assert server.import_flags({"flagValues": {"a": 1}}, token=key).code == "FORBIDDEN"
    production = {"environment": {"project": "default", "environment": "production"}}
    wishes: dict[str, dict[str, Any]] = {
        "createFlag": {"project": "default", "name": "?"},
        "createSegment": {**production, "name": "?"},
        "updateFlagTargeting": {**production, "flagKey": "gone", "instructions": []},
        "updateSegment": {**production, "segmentKey": "gone", "instructions": []},
        "deleteSegment": {**production, "segmentKey": "gone"},
        "archiveFlag": {"project": "gone", "flagKey": "gone"},
        "restoreFlag": {"project": "gone", "flagKey": "gone"},
        "deprecateFlag": {"project": "gone", "flagKey": "gone"},
        "restoreDeprecatedFlag": {"project": "gone", "flagKey": "gone"},
        "deleteFlag": {"project": "gone", "flagKey": "gone"},
        "createMember": {"email": "ann@acme.com"},
        "updateMember": {"memberEmail": "ann@acme.com", "name": "?"},
        "createRole": {"name": "?", "policy": []},
        "updateRole": {"roleKey": "gone"},
        "createAccessToken": {"name": "?"},
        "rotateSdkKey": {**production, "kind": "SERVER_SDK_KEY"},
    }
    for name, wish in wishes.items():
        title = name[0].upper() + name[1:]
        mutation = f"mutation ($i: {title}Input!) {{ {name}(input: $i) {{ __typename }} }}"
        refused = server.post(mutation, token=key, i=wish)
        assert refused.code == "FORBIDDEN"
        assert refused.errors[0]["message"] == "an SDK key may only evaluate"  # no policy could let it do more
        assert refused.errors[0]["extensions"]["denied"] == []
        assert server.post(mutation, token="", i=wish).code == "UNAUTHENTICATED"


def test_the_other_ways_in_are_closed_to_sdk_keys_too(secrets: Secrets) -> None:
    server, printed = secrets
    bearer = {"Authorization": f"Bearer {printed['server SDK key, production']}"}
    import_id = base64.urlsafe_b64encode(b"SegmentImport:default/production/list/0000000001").decode()
    for method, path in (
        ("GET", "/segment-exports/default/production/list"),
        ("GET", "/sdk/goals/default/production"),
        ("GET", "/api/v2/versions"),
        ("POST", "/api/v2/segment-targets/amplitude"),
        ("PUT", f"/segment-imports/{import_id}"),
    ):
        answer = server.client.request(method, path, headers=bearer)
        assert answer.status_code == httpx.codes.FORBIDDEN, path
        assert "an SDK key may only evaluate" in answer.text, path


def test_without_a_secret_only_the_schema_is_there(server: Server) -> None:
    assert server.post("{ __typename }", token="")["__typename"] == "Query"
    for answer in (
        server.post(PROJECTS, token=""),
        server.evaluate("a", ADA, token=""),
        server.import_flags({}, token=""),
    ):
        assert answer.code == "UNAUTHENTICATED"


@pytest.mark.parametrize("header", ["Bearer wrong", "Bearer", "Basic YTpi", "wrong", ""])
def test_a_secret_that_is_not_known_is_refused_with_401(server: Server, header: str) -> None:
    response = server.client.post("/graphql", json={"query": "{ __typename }"}, headers={"Authorization": header})
    assert response.status_code == httpx.codes.UNAUTHORIZED
    assert response.headers["www-authenticate"] == "Bearer"
    assert response.json()["errors"][0]["extensions"]["code"] == "UNAUTHENTICATED"


def test_secrets_are_stored_hashed(secrets: Secrets) -> None:
    server, printed = secrets
    stored = b"".join(file.read_bytes() for file in Path(server.store.removeprefix("sqlite:///")).parent.iterdir())
    assert b"first-owner" in stored
    assert not any(secret.encode() in stored for secret in printed.values())
