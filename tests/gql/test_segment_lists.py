"""Large lists over HTTP: files, single keys, evaluation, and the way back."""

import contextlib
import random
import signal
import sqlite3
import threading
import time
from pathlib import Path
from typing import Any

import httpx
import pytest

from gql.nodes import read_id_of
from tests.gql.conftest import data_of
from tests.gql.lists import EVALUATE, create, delete, edit, load, look, put, start, target, value
from tests.servers import TOKEN, Server


def test_a_file_fills_a_list_and_the_answer_says_what_it_held(server: Server) -> None:
    create(server, "filled")
    text = '﻿ann,Ann,a@x.edu\r\n\r\nbob\n"with ""quotes"", and comma",x\nann\n ,no key\n\xe9\n'.encode()
    report = load(server, "filled", text + b"\xff\xfe\n" + b'"open\n')
    assert report["added"] == report["memberCount"] == 4
    assert (report["lines"], report["duplicates"], report["malformed"]) == (8, 1, 3)
    assert [item["line"] for item in report["malformedLines"]] == [6, 8, 9]
    found = look(server, "filled")
    assert found["hasMember"]
    assert found["members"]["nodes"] == ["ann", "bob", 'with "quotes", and comma']
    assert found["members"]["totalCount"] == 4
    assert found["imports"][0]["state"] == "COMPLETED"


def test_merge_adds_overwrite_replaces_remove_removes(server: Server) -> None:
    create(server, "modes")
    load(server, "modes", "a\nb\nc\n")
    merged = load(server, "modes", "c\nd\n")
    assert (merged["added"], merged["already"], merged["memberCount"]) == (1, 1, 4)
    replaced = load(server, "modes", "0\nb\nx\n", "OVERWRITE")
    assert (replaced["added"], replaced["already"], replaced["removed"]) == (2, 1, 3)
    assert look(server, "modes")["members"]["nodes"] == ["0", "b", "x"]
    removed = load(server, "modes", "b\nnobody\n", "REMOVE")
    assert (removed["removed"], removed["memberCount"]) == (1, 2)


def test_evaluation_knows_the_members_at_once_in_singles_and_batches(server: Server) -> None:
    create(server, "targeted", "org")
    target(server, "on-a-list", "targeted")
    inside, outside = {"kind": "org", "key": "acme"}, {"kind": "user", "key": "acme"}
    assert value(server, "on-a-list", inside) is False
    load(server, "targeted", "acme\n")
    answer = server.post(EVALUATE, key="on-a-list", context=inside)["evaluate"]
    assert answer == {"value": True, "reason": {"kind": "RULE_MATCH", "bigSegmentsStatus": "HEALTHY"}}
    assert value(server, "on-a-list", outside) is False
    batch = server.post(
        """query ($contexts: [JSON!]!) { evaluateBatch(
          environment: {project: "default", environment: "production"}, contexts: $contexts,
          flagKeys: ["on-a-list"]) { results { evaluations { value } } } }""",
        contexts=[inside, outside, {"kind": "org", "key": "x"}, {"bad": 1}, inside],
    )["evaluateBatch"]["results"]
    assert [result["evaluations"][0]["value"] for result in batch] == [True, False, False, None, True]
    edit(server, "removeSegmentMembers", "targeted", ["acme"])
    assert value(server, "on-a-list", inside) is False


def test_single_keys_join_and_leave(server: Server) -> None:
    create(server, "keys")
    edit(server, "addSegmentMembers", "keys", ["ann", "bob", "ann"])
    edit(server, "removeSegmentMembers", "keys", ["ann", "nobody"])
    found = look(server, "keys")
    assert (found["memberCount"], found["hasMember"], found["generation"]) == (1, False, 2)
    refused = edit(server, "addSegmentMembers", "keys", ["", "ok", "x" * 2000])
    assert [v["path"] for v in refused.errors[0]["extensions"]["violations"]] == [
        ["input", "keys", 0],
        ["input", "keys", 2],
    ]
    assert edit(server, "addSegmentMembers", "keys", ["k"] * 1001).code == "BAD_USER_INPUT"
    assert edit(server, "addSegmentMembers", "nowhere", ["k"]).code == "NOT_FOUND"


def test_a_segment_that_is_no_large_list_is_called_so(server: Server) -> None:
    server.import_flags(data_of(segments=({"key": "by-rules", "included": ["ann"]},)), mode="MERGE")
    answers = [
        start(server, "by-rules"),
        edit(server, "addSegmentMembers", "by-rules", ["ann"]),
        edit(server, "removeSegmentMembers", "by-rules", ["ann"]),
        edit(server, "restoreSegmentMembers", "by-rules"),
    ]
    for answer in answers:
        [violation] = answer.errors[0]["extensions"]["violations"]
        assert (answer.code, violation["path"]) == ("BAD_USER_INPUT", ["input", "segmentKey"])
        assert "the segment 'by-rules' is no large list" in violation["message"]
    for mutation in ("addSegmentMembers", "removeSegmentMembers"):
        assert (
            edit(server, mutation, "nowhere", ["ann"]).errors[0]["message"] == "segment 'nowhere' does not exist"
        )


def test_what_changes_nothing_has_a_record_but_no_revision_and_no_entry(server: Server) -> None:
    query = """{ environment(project: "default", key: "production") { revision segment(key: "unchanged") {
      version history(first: 9) { nodes { action } } largeList { generation imports { id state } } } } }"""

    def state() -> tuple[Any, int]:
        environment = server.post(query)["environment"]
        imports = environment["segment"]["largeList"].pop("imports")
        assert {change["state"] for change in imports} <= {"COMPLETED"}
        return environment, len(imports)

    create(server, "unchanged")
    for mutation, keys in (("addSegmentMembers", []), ("removeSegmentMembers", ["nobody"])):
        before, count = state()
        assert edit(server, mutation, "unchanged", keys)[mutation]["revision"] == before["revision"]
        assert state() == (before, count + 1)
    load(server, "unchanged", "ann\nbob\n")
    load(server, "unchanged", "cat\n")
    for content, mode in (("ann\n", "MERGE"), ("ann\nbob\ncat\n", "OVERWRITE"), ("nobody\n", "REMOVE")):
        before, count = state()
        report = load(server, "unchanged", content, mode)
        assert (report["revision"], report["memberCount"]) == (before["revision"], 3)
        assert state() == (before, count + 1)
    edit(server, "restoreSegmentMembers", "unchanged")
    assert look(server, "unchanged")["members"]["nodes"] == ["ann", "bob"], "the list before the last change"
    edit(server, "addSegmentMembers", "unchanged", ["ann"])
    load(server, "unchanged", "dan\n")
    assert look(server, "unchanged")["members"]["nodes"] == ["ann", "bob", "dan"]


def test_the_audit_log_names_the_mutation_its_mode_and_the_keys_if_they_are_few(server: Server) -> None:
    query = """{ environment(project: "default", key: "production") { segment(key: "told") {
      history(first: 9) { nodes { action summary } } } } }"""
    create(server, "told")
    edit(server, "addSegmentMembers", "told", ["bob", "ann"])
    edit(server, "removeSegmentMembers", "told", ["ann", "nobody"])
    edit(server, "restoreSegmentMembers", "told")
    load(server, "told", "\n".join(f"key-{number:03}" for number in range(101)))
    entries = server.post(query)["environment"]["segment"]["history"]["nodes"]
    told = [
        (e["action"], s.get("mode"), s.get("addedKeys"), s.get("removedKeys"))
        for e in entries[:4]
        for s in [e["summary"]]
    ]
    assert told == [
        ("startSegmentImport", "MERGE", None, None),
        ("restoreSegmentMembers", "RESTORE", None, None),
        ("removeSegmentMembers", "REMOVE", [], ["ann"]),
        ("addSegmentMembers", "MERGE", ["ann", "bob"], []),
    ]
    assert [change["mode"] for change in look(server, "told")["imports"]] == [
        "MERGE",
        "RESTORE",
        "REMOVE",
        "MERGE",
    ]
    assert start(server, "told", "RESTORE").code == "BAD_USER_INPUT"


def test_the_list_before_can_be_restored_once(server: Server) -> None:
    create(server, "restored")
    load(server, "restored", "a\nb\nann\n")
    load(server, "restored", "x\n", "OVERWRITE")
    edit(server, "restoreSegmentMembers", "restored")
    found = look(server, "restored")
    assert (found["members"]["nodes"], found["memberCount"]) == (["a", "ann", "b"], 3)
    assert edit(server, "restoreSegmentMembers", "restored").code == "BAD_USER_INPUT"
    load(server, "restored", "c\n")
    found = look(server, "restored", "x")
    assert (found["hasMember"], found["memberCount"]) == (False, 4), "what was undone must not come back"


def test_a_random_history_is_the_same_as_that_of_a_set(server: Server) -> None:
    create(server, "history")
    chance = random.Random(7)  # noqa: S311 - a seed for the test
    members: set[str] = set()
    before: set[str] | None = None
    is_loaded = False
    for _ in range(25):
        mode = chance.choice(["MERGE", "OVERWRITE", "REMOVE", "restore"])
        keys = {f"k{chance.randrange(30)}" for _ in range(chance.randrange(1, 20))}
        if mode == "restore":
            if before is not None:
                edit(server, "restoreSegmentMembers", "history")
                members, before = before, None
            continue
        load(server, "history", "\n".join(keys), mode)
        after = {"MERGE": members | keys, "OVERWRITE": keys, "REMOVE": members - keys}[mode]
        if after != members:
            before, members = members if is_loaded else None, after
            is_loaded = True
        exported = server.client.get(
            "/segment-exports/default/production/history", headers={"Authorization": f"Bearer {TOKEN}"}
        )
        assert exported.text.split() == sorted(members)
        assert look(server, "history")["memberCount"] == len(members)


def test_an_overwrite_that_removes_most_of_a_used_list_needs_a_word(server: Server) -> None:
    create(server, "guarded")
    load(server, "guarded", "a\nb\nc\nd\n")
    load(server, "guarded", "a\n", "OVERWRITE")
    load(server, "guarded", "a\nb\nc\nd\n")
    target(server, "on-guarded", "guarded")
    refused = put(start(server, "guarded", "OVERWRITE")["startSegmentImport"]["uploadUrl"], "a\n")
    assert refused.json()["errors"][0]["extensions"]["setting"] == "EARLYBIRD_MAX_REMOVAL_PERCENT"
    found = look(server, "guarded", "d")
    assert (found["memberCount"], found["hasMember"], found["imports"][0]["state"]) == (4, True, "FAILED")
    assert load(server, "guarded", "a\n", "OVERWRITE", acknowledgeRemoval=True)["memberCount"] == 1


def test_a_restoration_that_removes_most_of_a_used_list_needs_a_word(server: Server) -> None:
    """What it removes is what the last change added, however many that removed in their place."""
    create(server, "guarded-back")
    load(server, "guarded-back", "a\nb\nc\n")
    load(server, "guarded-back", "d\ne\nann\n", "OVERWRITE")
    target(server, "on-guarded-back", "guarded-back")
    refused = edit(server, "restoreSegmentMembers", "guarded-back")
    assert (refused.code, refused.errors[0]["extensions"]["actual"]) == ("LIMIT_EXCEEDED", 100)
    assert look(server, "guarded-back")["hasMember"]
    assert edit(server, "restoreSegmentMembers", "guarded-back", acknowledgeRemoval=True).data
    found = look(server, "guarded-back")
    counts = found["imports"][0]["counts"]
    assert (found["hasMember"], counts["added"], counts["removed"]) == (False, 3, 3)


def test_a_comment_that_is_too_long_is_refused_before_the_file_comes(server: Server) -> None:
    create(server, "commented")
    assert start(server, "commented", comment="x" * 4_097).code == "BAD_USER_INPUT"
    assert look(server, "commented")["imports"] == []


def test_a_second_import_at_a_time_is_refused_until_the_first_is_cancelled(server: Server) -> None:
    create(server, "busy")
    first = start(server, "busy")["startSegmentImport"]
    second = start(server, "busy")
    assert second.code == "IN_USE"
    [user] = second.errors[0]["extensions"]["users"]
    assert (user["kind"], user["key"]) == ("import", first["segmentImport"]["id"])
    assert edit(server, "addSegmentMembers", "busy", ["x"]).code == "IN_USE"
    cancel = """mutation ($id: ID!) { cancelSegmentImport(input: {importId: $id}) { segmentImport { state } } }"""
    answer = server.post(cancel, id=first["segmentImport"]["id"])
    assert answer["cancelSegmentImport"]["segmentImport"]["state"] == "CANCELLED"
    assert server.post(cancel, id=first["segmentImport"]["id"]).code == "BAD_USER_INPUT"
    history = """{ environment(project: "default", key: "production") { segment(key: "busy") {
        history(first: 9) { nodes { actor action resource summary } } } } }"""
    newest, *others = server.post(history)["environment"]["segment"]["history"]["nodes"]
    assert newest == {
        "actor": "token/first-owner",
        "action": "cancelSegmentImport",
        "resource": "proj/default:env/production:segment/busy",
        "summary": {"import": read_id_of("SegmentImport", first["segmentImport"]["id"])},
    }
    assert [entry["action"] for entry in others] == ["createSegment"], "what was refused has no entry"
    assert put(first["uploadUrl"], "a\n").status_code == 409
    assert load(server, "busy", "a\n")["memberCount"] == 1


@pytest.mark.parametrize("content", ["", "\n\n", ",no key\n"])
def test_a_file_without_keys_changes_nothing(server: Server, content: str) -> None:
    key = f"empty-{len(content)}"
    create(server, key)
    load(server, key, "ann\n")
    refused = put(start(server, key, "OVERWRITE")["startSegmentImport"]["uploadUrl"], content)
    assert refused.json()["errors"][0]["extensions"]["code"] == "BAD_USER_INPUT"
    assert look(server, key)["memberCount"] == 1


def test_uploads_and_exports_ask_for_a_secret(server: Server) -> None:
    create(server, "secret")
    url = start(server, "secret")["startSegmentImport"]["uploadUrl"]
    assert put(url, "a\n", token="wrong").status_code == 401
    assert (
        httpx.get(f"http://127.0.0.1:{server.port}/segment-exports/default/production/secret").status_code == 401
    )
    assert put(url, "{}", media_type="application/json").status_code == 415
    assert put(url, "a\n").status_code == 200


def test_files_of_what_does_not_exist_are_not_found(server: Server) -> None:
    base = f"http://127.0.0.1:{server.port}"
    headers = {"Authorization": f"Bearer {TOKEN}"}
    answers = [
        put(f"{base}/segment-imports/{change}", "a\n") for change in ("x", "default/production/x/0000000001")
    ]
    answers += [
        httpx.get(f"{base}/segment-exports/{place}", headers=headers)
        for place in ("default/production/nowhere", "default/nowhere/x", "nowhere/production/x")
    ]
    assert [answer.status_code for answer in answers] == [404] * 5
    found = [answer.json()["errors"][0]["extensions"] for answer in answers]
    assert {extensions["code"] for extensions in found} == {"NOT_FOUND"}
    assert [extensions["kind"] for extensions in found[:3]] == ["import", "import", "large list"]


def test_a_deleted_segment_leaves_no_members_to_the_next_of_its_name(server: Server) -> None:
    create(server, "reborn")
    load(server, "reborn", "ann\n")
    delete(server, "reborn")
    create(server, "reborn")
    assert look(server, "reborn")["hasMember"] is False
    load(server, "reborn", "bob\n")
    assert look(server, "reborn")["memberCount"] == 1
    assert look(server, "reborn")["members"]["nodes"] == ["bob"]


def test_large_lists_have_no_individual_targets(server: Server) -> None:
    create(server, "no-targets")
    update = """mutation { updateSegment(input: {environment: {project: "default", environment: "production"},
      segmentKey: "no-targets", instructions: [{addTargets: {list: INCLUDED, keys: ["a"]}}]}) { revision } }"""
    assert server.post(update).code == "BAD_USER_INPUT"


def test_flag_data_leaves_the_members_alone(server: Server) -> None:
    create(server, "kept")
    load(server, "kept", "ann\n")
    segment = {"key": "kept", "version": 1, "unbounded": True, "generation": 99}
    [item] = server.import_flags(data_of(segments=(segment,)), mode="MERGE")["importFlagData"]["items"]
    assert item["notes"] == []
    found = look(server, "kept")
    assert (found["hasMember"], found["generation"]) == (True, 1)


@pytest.mark.parametrize("rows", [1, 50_000])
def test_a_kill_in_the_middle_of_an_import_changes_nothing(tmp_path: Path, rows: int) -> None:
    """Whatever was written of it is gone when the next import begins; an import is whole or was not."""
    keys = [f"key-{number:06}" for number in range(300_000)]
    store = f"sqlite:///{tmp_path}/earlybird.db"
    with Server(store) as server:
        create(server, "crash")
        load(server, "crash", "ann\nbob\n")
        url = start(server, "crash", "OVERWRITE")["startSegmentImport"]["uploadUrl"]

        def upload() -> None:
            with contextlib.suppress(httpx.HTTPError):
                put(url, "\n".join(keys))

        thread = threading.Thread(target=upload)
        thread.start()
        written = "SELECT count(*) FROM (SELECT 1 FROM members WHERE since = 2 LIMIT ?)"
        deadline = time.monotonic() + 60
        with contextlib.closing(sqlite3.connect(tmp_path / "earlybird.db")) as beside:
            while beside.execute(written, [rows]).fetchone() != (rows,):
                assert time.monotonic() < deadline
        assert server.process is not None
        server.process.send_signal(signal.SIGKILL)
        server.process.wait()
        thread.join()
    with Server(store) as server:
        found = look(server, "crash")
        assert (found["memberCount"], found["members"]["nodes"]) == (2, ["ann", "bob"])


def test_a_quote_that_is_never_closed_fails_the_import_and_changes_nothing(server: Server) -> None:
    create(server, "quotes")
    load(server, "quotes", "ann\nbob\n")
    url = start(server, "quotes", "OVERWRITE")["startSegmentImport"]["uploadUrl"]
    answer = put(url, 'cy\n"dan\neve\n').json()["errors"][0]
    assert (answer["extensions"]["code"], answer["message"]) == (
        "BAD_USER_INPUT",
        "file: a quote in line 2 is never closed, and takes the rest of the file in",
    )
    found = look(server, "quotes")
    assert (found["memberCount"], found["hasMember"], found["imports"][0]["state"]) == (2, True, "FAILED")


def test_an_import_of_flag_data_never_turns_a_filled_list_into_something_else(server: Server) -> None:
    create(server, "stays-a-list")
    load(server, "stays-a-list", "ann\n")
    data = data_of(segments=({"key": "stays-a-list", "included": ["bob"]},))
    [item] = server.import_flags(data, mode="MERGE")["importFlagData"]["items"]
    assert item["notes"] == [
        "it keeps the large list of members that it has here",
        "a large list has no individual targets: those given were refused",
    ]
    found = look(server, "stays-a-list")
    assert (found["kind"], found["memberCount"], found["hasMember"]) == ("LARGE_LIST", 1, True)
