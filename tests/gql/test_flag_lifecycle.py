"""Flags that are not to be used any more, over HTTP: deprecated, and restored."""

from typing import Any

import pytest

from tests.gql.conftest import a_flag, data_of
from tests.gql.flags import ADA, create, mutate
from tests.servers import Server

pytestmark = pytest.mark.usefixtures("empty")


def change(server: Server, mutation: str, key: str) -> list[dict[str, Any]]:
    answer = mutate(server, mutation, "flags { deprecated projectVersion }", project="default", flagKey=key)
    flags: list[dict[str, Any]] = answer[mutation]["flags"]
    return flags


def listed(server: Server, arguments: str = "") -> str:
    query = f"""{{ environment(project: "default", key: "production") {{ flags{arguments} {{ nodes {{ key }} }} }} }}"""
    return "".join(flag["key"] for flag in server.post(query)["environment"]["flags"]["nodes"])


def test_a_deprecated_flag_evaluates_as_before_and_is_restored(server: Server) -> None:
    server.import_flags(data_of(a_flag("f")))
    before = server.evaluate("f", ADA)["evaluate"]
    assert change(server, "deprecateFlag", "f") == [{"deprecated": True, "projectVersion": 2}]
    assert server.evaluate("f", ADA)["evaluate"] == before
    everything = "query ($c: JSON!, $e: EnvironmentRef) { evaluateFlags(context: $c, environment: $e) { evaluations { flagKey } } }"
    production = {"project": "default", "environment": "production"}
    assert server.post(everything, c=ADA, e=production)["evaluateFlags"]["evaluations"] == [{"flagKey": "f"}]
    assert change(server, "restoreDeprecatedFlag", "f") == [{"deprecated": False, "projectVersion": 3}]


def test_what_is_deprecated_already_or_is_not_stays_as_it_is(server: Server) -> None:
    create(server, "f")
    newest = "{ auditLog(first: 1) { nodes { action changes { fields { path before after } } } } }"
    assert change(server, "restoreDeprecatedFlag", "f")[0]["projectVersion"] == 1
    for _ in range(2):
        assert change(server, "deprecateFlag", "f") == [{"deprecated": True, "projectVersion": 2}] * 2
    [entry] = server.post(newest)["auditLog"]["nodes"]
    fields = [{"path": "deprecated", "before": False, "after": True}]
    assert entry == {"action": "deprecateFlag", "changes": [{"fields": fields}]}


def test_lists_hide_deprecated_flags_unless_they_are_asked_for_them(server: Server) -> None:
    for key in "abcd":
        create(server, key)
    for key in "bd":
        change(server, "deprecateFlag", key)
    for key in "cd":
        mutate(server, "archiveFlag", "__typename", project="default", flagKey=key)
    assert listed(server) == "a"
    assert listed(server, "(deprecated: true)") == "b"
    assert listed(server, "(deprecated: null)") == "ab"
    assert listed(server, "(archived: true)") == "cd", "though d was deprecated before"
    assert listed(server, "(archived: true, deprecated: true)") == "d"
    assert listed(server, "(archived: null)") == "acd"
    assert listed(server, "(archived: null, deprecated: null)") == "abcd"


def test_an_import_leaves_a_flag_deprecated(server: Server) -> None:
    server.import_flags(data_of(a_flag("f")))
    change(server, "deprecateFlag", "f")
    server.import_flags(data_of(a_flag("f", on=False)))
    assert listed(server, "(deprecated: true)") == "f"
    assert server.evaluate("f", ADA)["evaluate"]["reason"]["kind"] == "OFF"
