"""Scheduled removal over HTTP: exact in evaluation, then cleaned up once."""

import json
import time
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from tests.gql.conftest import a_flag, a_rule_on_segments, data_of
from tests.gql.moments import in_seconds, same_moment
from tests.servers import Answer, Server

PLACE = {"project": "default", "environment": "production"}
ADA = {"kind": "user", "key": "ada"}
UPDATE = """mutation ($input: UpdateSegmentInput!) { updateSegment(input: $input) { segment { version memberCount
    included { nodes { contextKind key removeAt } } excluded { nodes { contextKind key removeAt } }
    scheduledRemovals { totalCount nodes { list contextKind key removeAt } } } } }"""
SEGMENT = """{ environment(project: "default", key: "production") { segment(key: "beta") {
    version memberCount included { nodes { key } } scheduledRemovals { nodes { key } } } } }"""


@pytest.fixture
def two(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Server, Server]]:
    """Two services on one store."""
    store = f"sqlite:///{tmp_path_factory.mktemp('removals')}/earlybird.db"
    with Server(store) as first, Server(store) as second:
        yield first, second


@pytest.fixture
def beta(server: Server) -> Server:
    flag = a_flag("f", rules=[a_rule_on_segments("beta", variation=0)], fallthrough={"variation": 1})
    server.import_flags(data_of(flag, segments=({"key": "beta", "included": ["ada", "bob"]},)))
    return server


def edit(server: Server, *instructions: dict[str, Any], **options: Any) -> Answer:
    return server.post(
        UPDATE, input={"environment": PLACE, "segmentKey": "beta", "instructions": list(instructions), **options}
    )


def targets(*keys: str, target_list: str = "INCLUDED", **more: Any) -> dict[str, Any]:
    return {"list": target_list, "keys": list(keys), **more}


def test_a_removal_is_scheduled_with_the_add_changed_listed_and_cancelled(beta: Server) -> None:
    soon, later = in_seconds(3600), in_seconds(7200)
    segment = edit(beta, {"addTargets": targets("cy", "ada", removeAt=soon)})["updateSegment"]["segment"]
    assert segment["memberCount"] == 3
    assert [(t["key"], t["removeAt"] is not None) for t in segment["included"]["nodes"]] == [
        ("ada", True),
        ("bob", False),
        ("cy", True),
    ]
    changed = edit(beta, {"scheduleRemoval": targets("ada", removeAt=later)})["updateSegment"]["segment"]
    listed = changed["scheduledRemovals"]["nodes"]
    assert [(r["list"], r["contextKind"], r["key"]) for r in listed] == [
        ("INCLUDED", "user", "cy"),
        ("INCLUDED", "user", "ada"),
    ]
    assert same_moment(listed[0]["removeAt"], soon)
    assert same_moment(listed[1]["removeAt"], later)
    again = edit(beta, {"scheduleRemoval": targets("ada", removeAt=later)})["updateSegment"]["segment"]
    assert again["version"] == changed["version"]
    cancelled = edit(beta, {"cancelRemoval": targets("ada", "bob")})["updateSegment"]["segment"]
    assert [r["key"] for r in cancelled["scheduledRemovals"]["nodes"]] == ["cy"]
    gone = edit(beta, {"removeTargets": targets("cy")})["updateSegment"]["segment"]
    assert (gone["memberCount"], gone["scheduledRemovals"]["totalCount"]) == (2, 0)
    log = beta.post("""{ environment(project: "default", key: "production") { segment(key: "beta") {
        history(first: 4) { nodes { changes { fields { path before after } } } } } } }""")
    nodes = log["environment"]["segment"]["history"]["nodes"]
    paths = [[field["path"] for field in node["changes"][0]["fields"]] for node in nodes]
    assert paths[1:3] == [["removals.INCLUDED user:ada"], ["removals.INCLUDED user:ada"]]


def test_what_cannot_be_scheduled_is_refused_with_every_violation(beta: Server) -> None:
    wish = {"scheduleRemoval": targets("ada", "nobody", "bob", target_list="EXCLUDED", removeAt=in_seconds(-1))}
    violations = edit(beta, wish).errors[0]["extensions"]["violations"]
    place = ["input", "instructions", 0, "scheduleRemoval"]
    assert [violation["path"] for violation in violations] == [
        [*place, "keys", 0],
        [*place, "keys", 1],
        [*place, "keys", 2],
        [*place, "removeAt"],
    ]
    assert edit(beta, {"addTargets": targets("x", removeAt=in_seconds(-60))}).code == "BAD_USER_INPUT"
    assert edit(beta, {"addTargets": targets("x", removeAt="2099-01-01T00:00:00")}).code == "BAD_USER_INPUT"
    assert beta.post(SEGMENT)["environment"]["segment"]["memberCount"] == 2


@pytest.mark.parametrize(
    "moment",
    ["2099-01-01T00:00:00", "9999-12-31T23:59:59-14:00", "0001-01-01T00:00:00+14:00", "soon", 4_070_908_800],
)
def test_what_is_no_moment_is_refused_where_it_stands(beta: Server, moment: object) -> None:
    (error,) = edit(
        beta, {"clearTargets": {"list": "EXCLUDED"}}, {"addTargets": targets("x", removeAt=moment)}
    ).errors
    assert error["extensions"]["code"] == "BAD_USER_INPUT"
    assert ".instructions[1].addTargets.removeAt: " in error["message"]
    written = beta.post(f"{{ auditLog(since: {json.dumps(moment)}) {{ nodes {{ id }} }} }}")
    assert written.code == "GRAPHQL_VALIDATION_FAILED"
    assert beta.post(SEGMENT)["environment"]["segment"]["memberCount"] == 2


@pytest.mark.parametrize(
    ("given", "kept"),
    [
        ("9999-12-31T23:59:59.999999Z", "9999-12-31T23:59:59.999000+00:00"),
        ("2301-02-03T04:05:06.007+02:00", "2301-02-03T02:05:06.007000+00:00"),
    ],
)
def test_a_moment_is_kept_to_the_millisecond(beta: Server, given: str, kept: str) -> None:
    segment = edit(beta, {"scheduleRemoval": targets("ada", removeAt=given)})["updateSegment"]["segment"]
    assert segment["scheduledRemovals"]["nodes"][0]["removeAt"] == kept


def test_evaluation_is_exact_and_says_until_when_it_holds(beta: Server) -> None:
    at = in_seconds(0.6)
    edit(beta, {"scheduleRemoval": targets("ada", removeAt=at)})
    query = """query ($e: EnvironmentRef, $c: JSON!) { evaluateFlags(environment: $e, context: $c) {
        validUntil evaluations { value } }
        evaluateBatch(environment: $e, contexts: [{kind: "user", key: "bob"}, $c]) { validUntil results { validUntil } } }"""
    ends = datetime.fromisoformat(at)
    answers: list[tuple[bool, bool, bool]] = []
    while (begun := datetime.now(UTC)) < ends + timedelta(seconds=0.2):
        answer = beta.post(query, e=PLACE, c=ADA)
        value = answer["evaluateFlags"]["evaluations"][0]["value"]
        until = answer["evaluateFlags"]["validUntil"]
        batch = answer["evaluateBatch"]
        done = datetime.now(UTC)
        if done < ends:
            assert same_moment(until, at)
            assert same_moment(batch["validUntil"], at)
            assert [result["validUntil"] is None for result in batch["results"]] == [True, False]
        if begun >= ends:
            assert until is None
        answers.append((begun >= ends, done < ends, value))
    assert {value for _, before, value in answers if before} == {True}
    assert {value for after, _, value in answers if after} == {False}


def test_a_removed_target_is_shown_exported_and_edited_as_gone_at_once(beta: Server) -> None:
    edit(beta, {"scheduleRemoval": targets("ada", removeAt=in_seconds(0.15))})
    time.sleep(0.2)
    segment = beta.post(SEGMENT)["environment"]["segment"]
    assert (segment["memberCount"], segment["included"]["nodes"]) == (1, [{"key": "bob"}])
    excluded = edit(beta, {"addTargets": targets("ada", target_list="EXCLUDED")})["updateSegment"]["segment"]
    assert [target["key"] for target in excluded["excluded"]["nodes"]] == ["ada"]
    assert excluded["scheduledRemovals"]["totalCount"] == 0


def test_an_import_keeps_the_removals_of_what_it_still_targets(beta: Server) -> None:
    edit(beta, {"scheduleRemoval": targets("ada", "bob", removeAt=in_seconds(3600))})
    beta.import_flags(data_of(segments=({"key": "beta", "included": ["ada", "cy"]},)))
    segment = beta.post(SEGMENT)["environment"]["segment"]
    assert segment["scheduledRemovals"]["nodes"] == [{"key": "ada"}]


def test_two_processes_clean_up_once_in_the_name_of_the_system(two: tuple[Server, Server]) -> None:
    first, second = two
    first.import_flags(data_of(segments=({"key": "beta", "included": ["ada", "bob", "cy"]},)))
    version = edit(first, {"scheduleRemoval": targets("ada", "cy", removeAt=in_seconds(0.3))})["updateSegment"][
        "segment"
    ]["version"]
    log = """{ auditLog(action: "removeExpiredTargets") { nodes { actor resource
        changes { versionBefore versionAfter targets { list removed } } } } }"""
    deadline = time.monotonic() + 10
    while not first.post(log)["auditLog"]["nodes"]:
        assert time.monotonic() < deadline
        time.sleep(0.05)
    time.sleep(2)  # the other one has looked too
    expected = {
        "actor": "system",
        "resource": "proj/default:env/production:segment/beta",
        "changes": [
            {
                "versionBefore": version,
                "versionAfter": version + 1,
                "targets": [{"list": "included", "removed": ["ada", "cy"]}],
            }
        ],
    }
    assert second.post(log)["auditLog"]["nodes"] == [expected]
