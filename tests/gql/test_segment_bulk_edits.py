"""Editing many individual targets of a segment at once, over HTTP."""

from typing import Any

import pytest

from tests.gql.segments import PRODUCTION, bulk_edit, create, targets, violations
from tests.servers import Server

KEYS = [f"u{n}" for n in range(15_001)]


pytestmark = pytest.mark.usefixtures("empty", "segment")


@pytest.fixture
def segment(server: Server) -> None:
    create(server, "s")


def edited(*arguments: Any, **properties: Any) -> tuple[list[str], tuple[int, int, int]]:
    payload = bulk_edit(*arguments, **properties)["bulkEditSegmentTargets"]
    counts = payload["counts"]
    return targets(payload["segment"]), (counts["added"], counts["removed"], counts["unchanged"])


def test_targets_are_added_removed_and_replaced_and_counted(server: Server) -> None:
    assert edited(server, "ADD", ["b", "a", "a"]) == (["user:a", "user:b"], (2, 0, 0))
    assert edited(server, "ADD", ["b", "c"]) == (["user:a", "user:b", "user:c"], (1, 0, 1))
    assert edited(server, "REMOVE", ["a", "nobody"]) == (["user:b", "user:c"], (0, 1, 1))
    assert edited(server, "ADD", ["b"], contextKind="org") == (["org:b", "user:b", "user:c"], (1, 0, 0))
    assert edited(server, "REPLACE", ["c", "d"]) == (["org:b", "user:c", "user:d"], (1, 1, 1))
    assert edited(server, "REPLACE", []) == (["org:b"], (0, 2, 0))


def test_everything_wrong_with_the_targets_is_listed_at_once(server: Server) -> None:
    answer = bulk_edit(server, "ADD", ["", "a", " ", "n\0l", "x" * 1_025], contextKind="a b")
    assert violations(answer) == [
        ("input.contextKind", "is not a context kind"),
        ("input.keys.0", "is blank"),
        ("input.keys.2", "is blank"),
        ("input.keys.3", "holds a NUL"),
        ("input.keys.4", "has more than 1024 characters"),
    ]


def test_what_an_import_brought_may_stay_or_go(server: Server) -> None:
    server.import_flags({"segments": {"s": {"key": "s", "included": [" ", "a"]}}})
    assert edited(server, "REPLACE", [" ", "b"]) == (["user: ", "user:b"], (1, 1, 1))
    assert edited(server, "REMOVE", [" "]) == (["user:b"], (0, 1, 0))


def test_an_edit_is_one_version_with_one_entry_and_one_without_effect_is_none(server: Server) -> None:
    first = bulk_edit(server, "ADD", ["a"], "EXCLUDED", comment="too early")["bulkEditSegmentTargets"]
    again = bulk_edit(server, "ADD", ["a"], "EXCLUDED", expectedVersion=2)["bulkEditSegmentTargets"]
    assert targets(first["segment"], "excluded") == ["user:a"]
    assert (first["segment"]["version"], again["segment"]["version"]) == (2, 2)
    assert first["revision"] == again["revision"]
    query = """{ environment(project: "default", key: "production") { segment(key: "s") {
      history(first: 2) { nodes { action comment summary } } } } }"""
    last, before = server.post(query)["environment"]["segment"]["history"]["nodes"]
    assert (last["action"], last["comment"]) == ("bulkEditSegmentTargets", "too early")
    assert last["summary"] == {"action": "ADD", "list": "EXCLUDED", "contextKind": "user"}
    assert before["action"] == "createSegment"


def test_what_update_segment_refuses_is_refused(server: Server) -> None:
    bulk_edit(server, "ADD", ["ada", "bob"])
    ((path, message),) = violations(bulk_edit(server, "ADD", ["ada", "cleo"], "EXCLUDED"))
    assert (path, "user:ada" in message, "cleo" in message) == ("input.keys", True, False)
    assert [path for path, _ in violations(bulk_edit(server, "ADD", ["a", ""]))] == ["input.keys.1"]
    assert [path for path, _ in violations(bulk_edit(server, "ADD", [], contextKind="multi"))] == [
        "input.contextKind"
    ]
    assert bulk_edit(server, "ADD", ["x"], expectedVersion=1).code == "VERSION_CONFLICT"
    assert bulk_edit(server, "ADD", ["x"], segmentKey="gone").code == "NOT_FOUND"
    limited = bulk_edit(server, "ADD", KEYS)
    assert limited.code == "LIMIT_EXCEEDED"
    assert limited.errors[0]["extensions"]["setting"] == "EARLYBIRD_MAX_TARGETS"
    assert edited(server, "ADD", []) == (["user:ada", "user:bob"], (0, 0, 0))
    assert edited(server, "REPLACE", KEYS[:15_000])[1] == (15_000, 2, 0)


def test_a_large_list_has_no_individual_targets(server: Server) -> None:
    create(server, "big", largeList={})
    assert bulk_edit(server, "ADD", ["x"], segmentKey="big").code == "BAD_USER_INPUT"


def test_an_sdk_key_edits_nothing(secrets: tuple[Server, dict[str, str]]) -> None:
    server, printed = secrets
    query = """mutation ($i: BulkEditSegmentTargetsInput!) { bulkEditSegmentTargets(input: $i) { revision } }"""
    wish = {"environment": PRODUCTION, "segmentKey": "s", "list": "INCLUDED", "action": "ADD", "keys": ["x"]}
    key = next(value for name, value in printed.items() if "server SDK key" in name)
    assert server.post(query, i=wish, token=key).code == "FORBIDDEN"
