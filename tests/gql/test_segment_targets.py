"""Synced segments: what external tools send, and what they are answered."""

import concurrent.futures
import json
import socket
import time
from typing import Any

import pytest

from tests.gql.conftest import data_of
from tests.gql.lists import create, edit, look, start, target, value
from tests.gql.syncs import PATH, a_batch, once_it_has, say, send, synced
from tests.servers import TOKEN, Server

SEGMENT = """query ($key: String!) { environment(project: "default", key: "production") { segment(key: $key) {
  name kind memberCount largeList { memberKind syncSource { integration cohortId cohortUrl }
    imports { state counts { added removed skipped } } } } } }"""


def test_the_first_sync_creates_the_segment_and_later_ones_change_it(server: Server) -> None:
    assert send(server, "amplitude", a_batch("c1", {"ann": True, "bob": True, None: True})).status_code == 204
    found = server.post(SEGMENT, key="amplitude-c1")["environment"]["segment"]
    assert (found["name"], found["kind"], found["memberCount"]) == ("Cohort c1", "SYNCED", 2)
    assert found["largeList"] == {
        "memberKind": "user",
        "syncSource": {"integration": "amplitude", "cohortId": "c1", "cohortUrl": "https://x.test/c"},
        "imports": [{"state": "COMPLETED", "counts": {"added": 2, "removed": 0, "skipped": 1}}],
    }
    target(server, "on-a-cohort", "amplitude-c1")
    assert value(server, "on-a-cohort", {"kind": "user", "key": "bob"}) is True
    assert send(server, "amplitude", a_batch("c1", {"bob": False, "cat": True})).status_code == 204
    assert value(server, "on-a-cohort", {"kind": "user", "key": "bob"}) is False
    assert look(server, "amplitude-c1", "cat")["hasMember"]


def test_one_batch_may_hold_several_cohorts_and_another_kind(server: Server) -> None:
    body = a_batch("s1", {"acme": True}, contextKind="org")
    body["batch"] += a_batch("s2", {"zeta": True})["batch"]
    assert send(server, "segment-audiences", body).status_code == 204
    assert look(server, "segment-audiences-s1", "acme")["memberKind"] == "org"
    assert look(server, "segment-audiences-s2", "zeta")["hasMember"]


def test_cohorts_whose_ids_give_the_same_key_have_segments_of_their_own(server: Server) -> None:
    body = a_batch("a b", {"ann": True, "bob": True})
    body["batch"] += a_batch("a-b", {"cat": True})["batch"]
    assert [send(server, "alike", body).status_code for _ in range(2)] == [204, 204]
    first, second = synced(server, "alike").items()
    assert first == ("alike-a-b", ("a b", 2))
    assert (second[0][:10], len(second[0]), second[1]) == ("alike-a-b-", 18, ("a-b", 1))

    delete = """mutation { deleteSegment(input: {environment: {project: "default", environment: "production"},
      segmentKey: "alike-a-b"}) { revision } }"""
    assert server.post(delete)["deleteSegment"]
    assert send(server, "alike", a_batch("a-b", {"dan": True})).status_code == 204
    assert synced(server, "alike") == {second[0]: ("a-b", 2)}, (
        "a segment keeps its cohort, and a cohort its segment"
    )


def test_a_cohort_with_a_long_id_or_the_name_of_another_segment_is_taken_in(server: Server) -> None:
    create(server, "given-c")
    body = a_batch("c", {"ann": True})
    body["batch"] += a_batch("x" * 255, {"bob": True})["batch"] + a_batch("x" * 256, {"cat": True})["batch"]
    assert send(server, "given", body).status_code == 204
    found = synced(server, "given")
    assert [source[0][:3] for source in found.values()] == ["c", "xxx", "xxx"]
    assert [len(key) for key in found] == [len("given-c") + 9, 256, 256]
    assert look(server, "given-c")["memberCount"] == 0


def test_a_message_of_too_many_cohorts_changes_nothing(server: Server) -> None:
    body = a_batch("c0", {"ann": True})
    body["batch"] += [person for n in range(1, 101) for person in a_batch(f"c{n}", {"ann": True})["batch"]]
    refused = send(server, "many", body)
    assert (refused.status_code, "101 cohorts" in refused.text) == (400, True)
    assert synced(server, "many") == {}


def test_the_record_of_a_sync_adds_up_as_that_of_a_file(server: Server) -> None:
    query = """{ environment(project: "default", key: "production") { segment(key: "%s") { largeList {
        imports { state counts { lines added already removed duplicates malformed skipped
          malformedLines { line message } } } } } } }"""
    names = ["ann", "bob", "ann", "n\0l", None, "cat", "x" * 1_025]
    people = [a_batch("q1", {name: name != "cat"})["batch"][0] for name in names]
    body = {"environmentId": "default/production", "batch": [*people, people[5], people[0] | {"value": False}]}
    assert send(server, "amplitude", body).status_code == 204
    counts = {"lines": 9, "added": 1, "already": 0, "removed": 0, "duplicates": 3, "malformed": 2, "skipped": 1}
    lines = [(4, "its key holds a NUL"), (7, "its key has more than 1024 characters")]
    told = {"malformedLines": [{"line": line, "message": message} for line, message in lines]}
    found = server.post(query % "amplitude-q1")["environment"]["segment"]
    assert found["largeList"]["imports"] == [{"state": "COMPLETED", "counts": counts | told}]
    say(server, "q2", "m", names)
    once_it_has(server, "amplitude-q2", 1)
    found = server.post(query % "amplitude-q2")["environment"]["segment"]
    counts |= {"lines": 7, "added": 3, "duplicates": 1}
    assert found["largeList"]["imports"] == [{"state": "COMPLETED", "counts": counts | told}]


def test_a_webhook_of_nobody_has_its_record(server: Server) -> None:
    say(server, "nobody", "m", [])
    assert once_it_has(server, "amplitude-nobody", 1)["memberCount"] == 0


def test_a_batch_with_a_cohort_that_cannot_be_taken_in_changes_nothing(server: Server) -> None:
    assert send(server, "whole", a_batch("users", {"ann": True})).status_code == 204
    body = a_batch("new", {"acme": True}, contextKind="org")
    body["batch"] += a_batch("users", {"zeta": True})["batch"]
    refused = send(server, "whole", body)
    assert (refused.status_code, refused.json()["errors"][0]["extensions"]["code"]) == (400, "BAD_USER_INPUT")
    assert synced(server, "whole") == {"whole-users": ("users", 1)}


def test_amplitudes_webhook_is_taken_once(server: Server) -> None:
    people: list[str | None] = ["ann", None]
    say(server, "w1", "m1", people)
    say(server, "w1", "m2", people, is_in=False)
    say(server, "w1", "m1", people)
    say(server, "w1", "m3", ["bob"])
    found = once_it_has(server, "amplitude-w1", 3)
    assert (found["hasMember"], found["memberCount"]) == (False, 1), "m1 came again, after m2"
    counts = [change["counts"]["removed"] for change in found["imports"]]
    assert counts == [0, 1, 0]


def test_a_message_is_not_applied_again_to_a_segment_that_was_deleted(server: Server) -> None:
    say(server, "w2", "m1", ["ann"])
    once_it_has(server, "amplitude-w2", 1)
    delete_segment(server, "amplitude-w2")
    say(server, "w2", "m1", ["ann"])
    say(server, "w2", "m2", ["bob"])
    found = once_it_has(server, "amplitude-w2", 1)
    assert (found["hasMember"], found["memberCount"]) == (False, 1)


def test_messages_without_an_id_are_all_applied_in_their_order(server: Server) -> None:
    for is_in in (True, False, True, False):
        say(server, "w3", None, ["ann"], is_in=is_in)
    found = once_it_has(server, "amplitude-w3", 4)
    assert [change["counts"]["added"] for change in found["imports"]] == [0, 1, 0, 1]


def test_a_large_message_is_applied_as_a_whole(server: Server) -> None:
    say(server, "w4", "m1", [f"user-{number:06}" for number in range(50_000)])
    assert once_it_has(server, "amplitude-w4", 1)["memberCount"] == 50_000


def test_a_webhook_that_cannot_be_applied_is_refused_at_once(server: Server) -> None:
    where = "?environmentId=default/production"
    message = {"cohort_id": "w5", "in_cohort": True, "users": [{"user_id": "ann"}]}
    assert send(server, "a b", message, query=where).status_code == 400
    malformed: list[Any] = [[{"user_id": 7}], ["ann"], {}]
    for users in malformed:
        assert send(server, "amplitude", message | {"users": users}, query=where).status_code == 400
    assert send(server, "amplitude", message).status_code == 400
    assert send(server, "amplitude", message, query="?environmentId=default/nowhere").status_code == 404
    assert send(server, "amplitude", a_batch("w5", {"acme": True}, contextKind="org")).status_code == 204
    assert send(server, "amplitude", message, query=where).status_code == 400


def test_a_message_that_breaks_off_is_a_line_of_the_log_and_nothing_else(server: Server) -> None:
    head = f"POST {PATH}broken HTTP/1.1\r\nHost: x\r\nX-Request-Id: broken-off\r\nAuthorization: {TOKEN}\r\n"
    with socket.create_connection(("127.0.0.1", server.port), timeout=10) as connection:
        connection.sendall(f"{head}Content-Length: 99\r\n\r\n{{".encode())
        time.sleep(0.2)
    deadline = time.monotonic() + 5
    while not (told := [line for line in server.output().splitlines() if "broken-off" in line]):
        assert time.monotonic() < deadline
        time.sleep(0.02)
    [line] = map(json.loads, told)
    assert (line["event"], line["level"], line["status"]) == ("request", "info", 499)
    assert "ClientDisconnect" not in server.output()


@pytest.mark.parametrize("url", ["javascript:alert(1)", "//x.test", "ftp://x.test", "http://[x"])
def test_only_links_that_lead_somewhere_are_kept(server: Server, url: str) -> None:
    body = a_batch("u1", {"ann": True})
    body["batch"][0]["cohortUrl"] = url
    refused = send(server, "links", body)
    assert (refused.status_code, "cohortUrl" in refused.text) == (400, True)
    assert synced(server, "links") == {}


def test_what_is_said_of_a_cohort_need_not_be_said_with_its_last_person(server: Server) -> None:
    body = a_batch("said", {"ann": True, "bob": True, "cat": True, "dan": True})
    first, second, third, last = body["batch"]
    first |= {"cohortUrl": "https://x.test/first", "cohortName": "First"}
    second |= {"cohortUrl": "https://x.test/second", "cohortName": "Second"}
    del third["cohortUrl"], third["cohortName"]
    last |= {"cohortUrl": "", "cohortName": ""}
    assert send(server, "amplitude", body).status_code == 204
    found = server.post(SEGMENT, key="amplitude-said")["environment"]["segment"]
    url = found["largeList"]["syncSource"]["cohortUrl"]
    assert (found["name"], url) == ("Second", "https://x.test/second")


def test_a_batch_of_nobody_is_refused_in_plain_words(server: Server) -> None:
    refused = send(server, "amplitude", {"environmentId": "default/production", "batch": []})
    assert refused.json()["errors"][0]["message"] == "batch: needs at least one member"


@pytest.mark.parametrize("text", ["x" * 257, "   ", "n\0l"])
def test_what_a_tool_calls_things_is_refused_whole_where_it_is_no_name(server: Server, text: str) -> None:
    body = a_batch("good", {"ann": True})
    long_url = f"https://x.test/{'x' * 2_048}"
    body["batch"].append(
        {"userId": "ann", "cohortId": text, "cohortName": text, "cohortUrl": long_url, "value": True}
    )
    refused = send(server, "texts", body)
    places = [violation["path"] for violation in refused.json()["errors"][0]["extensions"]["violations"]]
    assert (refused.status_code, places) == (400, [["cohortId"], ["cohortName"], ["cohortUrl"]])
    message: dict[str, Any] = {"cohort_id": text, "cohort_name": text, "message_id": text, "in_cohort": True}
    message["users"] = [{"user_id": "ann"}]
    refused = send(server, "texts", message, query="?environmentId=default/production")
    places = [violation["path"] for violation in refused.json()["errors"][0]["extensions"]["violations"]]
    assert (refused.status_code, places) == (400, [["messageId"], ["cohortId"], ["cohortName"]])
    assert synced(server, "texts") == {}


def test_a_sync_is_one_entry_of_the_audit_log_whatever_it_changes(server: Server) -> None:
    query = """{ environment(project: "default", key: "production") { segment(key: "amplitude-e1") {
        version name history(first: 9) { nodes { action summary } }
        largeList { generation previousGeneration } } } }"""
    send(server, "amplitude", a_batch("e1", {"ann": True}))
    send(server, "amplitude", a_batch("e1", {"bob": True, "ann": False}))
    renamed = a_batch("e1", {"bob": True})
    renamed["batch"][0]["cohortName"] = "Renamed"
    send(server, "amplitude", renamed)
    segment = server.post(query)["environment"]["segment"]
    assert (segment["name"], segment["version"]) == ("Renamed", 3)
    assert segment["largeList"] == {"generation": 2, "previousGeneration": 1}, "the members stay who they are"
    entries = segment["history"]["nodes"]
    assert [entry["action"] for entry in entries] == ["syncSegment"] * 3
    keys = [(entry["summary"].get("addedKeys"), entry["summary"].get("removedKeys")) for entry in entries]
    assert keys == [(None, None), (["bob"], ["ann"]), (["ann"], [])]


def test_a_webhook_may_be_of_another_kind_than_users(server: Server) -> None:
    where = "?environmentId=default/production"
    message = {"in_cohort": True, "users": [{"user_id": "acme"}]}
    by_url = send(server, "kinds", message | {"cohort_id": "url"}, query=f"{where}&contextKind=org")
    by_body = send(server, "kinds", message | {"cohort_id": "body", "contextKind": "org"}, query=where)
    both = message | {"cohort_id": "both", "contextKind": "team"}
    answers = [by_url, by_body, send(server, "kinds", both, query=f"{where}&contextKind=org")]
    assert [answer.status_code for answer in answers] == [204] * 3
    kinds = [once_it_has(server, f"kinds-{name}", 1)["memberKind"] for name in ("url", "body", "both")]
    assert kinds == ["org", "org", "team"]
    for wrong in ("a b", ""):
        body = message | {"cohort_id": "wrong"}
        assert send(server, "kinds", body, query=f"{where}&contextKind={wrong}").status_code == 400
        assert send(server, "kinds", body | {"contextKind": wrong}, query=where).status_code == 400
    assert set(synced(server, "kinds")) == {"kinds-url", "kinds-body", "kinds-both"}


def test_a_message_is_applied_again_in_another_environment_that_has_the_name(server: Server) -> None:
    look_up = """{ environment(project: "again", key: "production") { segment(key: "amplitude-c") {
        memberCount } } }"""
    message = {"cohort_id": "c", "in_cohort": True, "message_id": "m1", "users": [{"user_id": "ann"}]}
    for _ in range(2):
        create_project = 'mutation { createProject(input: {name: "again"}) { project { key } } }'
        assert not server.post(create_project).errors
        where = "?environmentId=again/production"
        assert send(server, "amplitude", message, query=where).status_code == 204
        deadline = time.monotonic() + 10
        while (server.post(look_up)["environment"]["segment"] or {}).get("memberCount") != 1:
            assert time.monotonic() < deadline
            time.sleep(0.05)
        assert not server.post('mutation { deleteProject(input: {project: "again"}) { deletedProjectId } }').errors


def delete_segment(server: Server, key: str) -> None:
    delete = """mutation ($key: String!) { deleteSegment(input: {environment: {project: "default",
      environment: "production"}, segmentKey: $key}) { revision } }"""
    assert server.post(delete, key=key)["deleteSegment"]


def test_a_sync_that_changes_nothing_has_a_record_but_no_revision(server: Server) -> None:
    revision = '{ environment(project: "default", key: "production") { revision } }'
    assert send(server, "amplitude", a_batch("n1", {"ann": False})).status_code == 204
    assert look(server, "amplitude-n1")["generation"] == 1, "the tool has said that nobody is in"
    assert send(server, "amplitude", a_batch("n1", {"ann": True})).status_code == 204
    before = server.post(revision)["environment"]
    assert send(server, "amplitude", a_batch("n1", {"ann": True, "bob": False})).status_code == 204
    assert server.post(revision)["environment"] == before
    found = look(server, "amplitude-n1")
    assert (found["generation"], found["memberCount"], len(found["imports"])) == (2, 1, 3)


def test_the_list_is_read_only_here(server: Server) -> None:
    send(server, "amplitude", a_batch("r1", {"ann": True}))
    assert edit(server, "addSegmentMembers", "amplitude-r1", ["x"]).code == "BAD_USER_INPUT"
    assert start(server, "amplitude-r1").code == "BAD_USER_INPUT"
    update = """mutation ($i: [SegmentInstruction!]!) { updateSegment(input: {environment: {project: "default",
      environment: "production"}, segmentKey: "amplitude-r1", instructions: $i}) { segment { tags } } }"""
    clause = {"attribute": "email", "op": "contains", "values": ["x"]}
    tagged = server.post(update, i=[{"addTags": ["eap"]}])
    assert tagged["updateSegment"]["segment"]["tags"] == ["eap"]
    for instruction in ({"addRule": {"clauses": [clause]}}, {"updateName": "Mine"}):
        refused = server.post(update, i=[instruction])
        assert "its name and rules are read-only here" in str(refused.errors), "the next sync would take it back"
    refused = server.post(update, i=[{"addTargets": {"list": "INCLUDED", "keys": ["x"]}}])
    assert "amplitude owns this list: it is read-only here" in str(refused.errors)


def test_an_import_of_flag_data_leaves_what_is_read_only(server: Server) -> None:
    send(server, "amplitude", a_batch("r2", {"ann": True}))
    create(server, "r3")
    query = """{ environment(project: "default", key: "production") { a: segment(key: "amplitude-r2") { ...S }
      b: segment(key: "r3") { ...S } } }
      fragment S on Segment { name kind memberCount rules { id } included { totalCount } }"""
    before = server.post(query)["environment"]
    clause = {"contextKind": "user", "attribute": "email", "op": "contains", "values": ["x"]}
    rules = [{"id": "r", "clauses": [clause]}]
    given = {
        "included": ["bob"],
        "excluded": ["ann"],
        "excludedContexts": [{"contextKind": "org", "values": ["x"]}],
    }
    synced_too = {
        "key": "amplitude-r2",
        "name": "Mine",
        "unbounded": False,
        "rules": rules,
        "salt": "other",
        **given,
    }
    data = data_of(segments=(synced_too, {"key": "r3", "unbounded": True, **given}))
    items = server.import_flags(data, mode="MERGE")["importFlagData"]["items"]
    assert server.post(query)["environment"] == before
    assert {item["key"]: item["outcome"] for item in items}["amplitude-r2"] == "UNCHANGED"
    notes = {item["key"]: " ".join(item["notes"]) for item in items}
    targets, owned = "no individual targets: those given were refused", "name and rules are read-only here"
    assert (targets in notes["r3"], owned in notes["r3"]) == (True, False)
    assert (targets in notes["amplitude-r2"], owned in notes["amplitude-r2"]) == (True, True)


@pytest.mark.parametrize(
    ("body", "status"),
    [
        ({"environmentId": "default/nowhere", "batch": [{"cohortId": "c", "userId": "a", "value": True}]}, 404),
        ({"environmentId": "nowhere", "batch": [{"cohortId": "c", "userId": "a", "value": True}]}, 404),
        ({"environmentId": "default/production", "batch": [{"cohortId": "c", "userId": "a"}]}, 400),
        ({"environmentId": "default/production", "batch": []}, 400),
        ({"environmentId": "default/production"}, 400),
        ([], 400),
        ({"environmentId": "default/production", "batch": [{"cohortId": "c" * 4_200_000, "value": True}]}, 413),
        (
            {
                "environmentId": "default/production",
                "contextKind": "a b",
                "batch": [{"cohortId": "c", "value": True}],
            },
            400,
        ),
    ],
)
def test_what_cannot_be_taken_in_is_refused_as_a_whole(server: Server, body: Any, status: int) -> None:
    assert send(server, "refused", body).status_code == status
    assert server.post(SEGMENT, key="refused-c")["environment"]["segment"] is None


def test_tools_can_check_their_credentials(server: Server) -> None:
    assert send(server, "amplitude", a_batch("c", {"a": True}), token="wrong").status_code == 401
    versions = server.client.get("/api/v2/versions", headers={"Authorization": TOKEN})
    assert versions.json()["latestVersion"] in versions.json()["validVersions"]
    assert server.client.get("/api/v2/versions").status_code == 401
    head = {"Authorization": TOKEN}
    assert server.client.head("/sdk/goals/default/production", headers=head).status_code == 200
    assert server.client.head("/sdk/goals/default/nowhere", headers=head).status_code == 404


def test_messages_at_the_same_time_are_all_taken_in(server: Server) -> None:
    with concurrent.futures.ThreadPoolExecutor(8) as pool:
        bodies = [a_batch("p1", {f"u{n}": True}) for n in range(24)]
        answers = list(pool.map(lambda body: send(server, "amplitude", body).status_code, bodies))
    assert answers == [204] * 24
    assert look(server, "amplitude-p1")["memberCount"] == 24
