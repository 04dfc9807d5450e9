"""Creating, changing and deleting segments over HTTP."""

from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest

from tests.gql.conftest import a_flag, a_rule_on_segments, data_of
from tests.gql.segments import PRODUCTION, create, targets, update, updated, violations
from tests.servers import Answer, Server

OPTED_IN = {"attribute": "eap-opt-in", "op": "in", "values": ["yes"]}


pytestmark = pytest.mark.usefixtures("empty")


def delete(server: Server, key: str, **properties: Any) -> Answer:
    query = "mutation ($i: DeleteSegmentInput!) { deleteSegment(input: $i) { deletedSegmentId revision } }"
    return server.post(query, i={"environment": PRODUCTION, "segmentKey": key, **properties})


def test_an_error_below_a_payload_spoils_neither_the_change_nor_the_rest_of_the_payload(server: Server) -> None:
    create(server, "kept")
    query = """mutation ($i: UpdateSegmentInput!) { updateSegment(input: $i) { revision segment { version
        included(after: "junk") { totalCount } } } }"""
    wish = {"environment": PRODUCTION, "segmentKey": "kept", "instructions": [{"updateName": "Changed"}]}
    answer = server.post(query, i=wish)
    assert answer.code == "BAD_USER_INPUT"
    assert answer.errors[0]["path"] == ["updateSegment", "segment", "included"]
    assert answer.data is not None
    assert answer.data["updateSegment"]["segment"] is None
    revision = answer.data["updateSegment"]["revision"]
    read = """{ environment(project: "default", key: "production") { revision segment(key: "kept") { name } } }"""
    assert server.post(read)["environment"] == {"revision": revision, "segment": {"name": "Changed"}}


def test_the_guides_segment_is_created_populated_and_evaluated(server: Server) -> None:
    rule = {"addRule": {"description": "Opted in", "clauses": [OPTED_IN]}}
    segment = create(server, "eap: New dashboard", tags=["eap"], instructions=[rule])["createSegment"]["segment"]
    assert (segment["key"], segment["name"], segment["tags"], segment["version"]) == (
        "eap-new-dashboard",
        "eap: New dashboard",
        ["eap"],
        1,
    )
    assert segment["rules"][0]["id"]
    query = "query ($e: EnvironmentRef, $c: JSON!) { segmentMemberships(environment: $e, context: $c) { isMember reason } }"
    for opted_in, is_member in (("yes", True), ("no", False)):
        context = {"kind": "user", "key": "ada", "eap-opt-in": opted_in}
        (membership,) = server.post(query, e=PRODUCTION, c=context)["segmentMemberships"]
        assert membership["isMember"] is is_member


def test_a_key_may_be_given_and_is_taken_once(server: Server) -> None:
    assert create(server, "Beta", key="beta.v2")["createSegment"]["segment"]["key"] == "beta.v2"
    assert create(server, "Other", key="beta.v2").code == "ALREADY_EXISTS"


@pytest.mark.parametrize(
    ("properties", "path"),
    [
        ({"name": "!!!"}, "input.name"),
        ({"name": " "}, "input.name"),
        ({"name": "x", "key": "a b"}, "input.key"),
        ({"name": "x", "tags": ["ok", "not ok"]}, "input.tags.1"),
    ],
)
def test_what_cannot_name_a_segment_is_refused(server: Server, properties: dict[str, Any], path: str) -> None:
    assert path in [place for place, _ in violations(create(server, **properties))]


def test_what_is_no_tag_is_called_so_with_what_a_tag_may_have(server: Server) -> None:
    ((_, message),) = violations(create(server, "x", tags=["not ok"]))
    assert message == (
        "'not ok' is not a tag: 1 to 256 letters, digits, '.', '_' or '-', beginning with a letter or digit"
    )


@pytest.mark.parametrize(
    ("op", "value", "shown"), [("in", None, "null"), ("in", {"a": True}, '{"a": true}'), ("before", "x", "'x'")]
)
def test_values_that_can_never_match_are_refused_in_jsons_words(
    server: Server, op: str, value: Any, shown: str
) -> None:
    create(server, "s")
    clause = {"attribute": "a", "op": op, "values": [value]}
    ((_, message),) = violations(update(server, "s", {"addRule": {"clauses": [clause]}}))
    assert message == f"{shown} can never match with {op}"


def test_individual_targets_are_added_removed_replaced_and_cleared_by_kind(server: Server) -> None:
    create(server, "s")
    included = {"list": "INCLUDED"}
    segment = updated(
        server,
        "s",
        {"addTargets": {**included, "keys": ["u2", "u1", "u1"]}},
        {"addTargets": {**included, "keys": ["acme"], "contextKind": "org"}},
        {"addTargets": {"list": "EXCLUDED", "keys": ["u3"]}},
    )
    assert targets(segment) == ["org:acme", "user:u1", "user:u2"]
    assert targets(segment, "excluded") == ["user:u3"]
    assert (segment["version"], segment["kind"], segment["memberCount"]) == (2, "INDIVIDUAL_TARGETS", 3)
    segment = updated(server, "s", {"removeTargets": {**included, "keys": ["u1", "nobody"]}})
    assert targets(segment) == ["org:acme", "user:u2"]
    segment = updated(server, "s", {"replaceTargets": {**included, "keys": ["u9"]}})
    assert targets(segment) == ["org:acme", "user:u9"]
    segment = updated(server, "s", {"clearTargets": {**included, "contextKind": "org"}})
    assert targets(segment) == ["user:u9"]


def test_including_and_excluding_the_same_context_is_refused_and_names_it(server: Server) -> None:
    create(server, "s", instructions=[{"addTargets": {"list": "INCLUDED", "keys": ["ada", "bob"]}}])
    answer = update(server, "s", {"addTargets": {"list": "EXCLUDED", "keys": ["ada"]}})
    ((_, message),) = violations(answer)
    assert message == "1 context would be both included and excluded: user:ada"
    assert answer.errors[0]["extensions"]["conflicts"] == [{"contextKind": "user", "key": "ada"}]
    moved = [
        {"addTargets": {"list": "EXCLUDED", "keys": ["ada"]}},
        {"removeTargets": {"list": "INCLUDED", "keys": ["ada"]}},
    ]
    assert targets(updated(server, "s", *moved), "excluded") == ["user:ada"]


def test_all_conflicting_contexts_are_listed_up_to_a_thousand(server: Server) -> None:
    keys = [f"u{n:04}" for n in range(1_100)]
    create(server, "s", instructions=[{"addTargets": {"list": "INCLUDED", "contextKind": "org", "keys": keys}}])
    wrong = update(server, "s", {"addTargets": {"list": "EXCLUDED", "contextKind": "org", "keys": keys[5:30]}})
    assert wrong.errors[0]["extensions"]["conflicts"] == [{"contextKind": "org", "key": key} for key in keys[5:30]]
    wrong = update(server, "s", {"addTargets": {"list": "EXCLUDED", "contextKind": "org", "keys": keys}})
    assert len(wrong.errors[0]["extensions"]["conflicts"]) == 1_000
    assert "1100 contexts" in wrong.errors[0]["message"]


def test_rules_and_clauses_are_edited_in_place(server: Server) -> None:
    create(server, "s", instructions=[{"addRule": {"clauses": [OPTED_IN]}}])
    edu = {"attribute": "email", "op": "endsWith", "values": [".edu"]}
    half = {"weight": 50000, "contextKind": "org", "bucketBy": "plan"}
    first = updated(server, "s")["rules"][0]["id"]
    segment = updated(server, "s", {"addRule": {"clauses": [edu], "beforeRuleId": first, "rollout": half}})
    second = segment["rules"][0]["id"]
    assert [r["id"] for r in segment["rules"]] == [second, first]
    assert (segment["rules"][0]["weight"], segment["rules"][0]["rolloutContextKind"]) == (50000, "org")
    segment = updated(
        server,
        "s",
        {"reorderRules": [first, second]},
        {"updateRule": {"ruleId": second, "description": "Universities", "rollout": {"weight": None}}},
        {"addClauses": {"ruleId": first, "clauses": [{**edu, "negate": True}]}},
        {"addValuesToClause": {"ruleId": first, "clauseIndex": 0, "values": ["yes", "sure", 1, True]}},
        {"removeValuesFromClause": {"ruleId": first, "clauseIndex": 0, "values": [1, "never there"]}},
        {"updateClause": {"ruleId": second, "clauseIndex": 0, "clause": {**edu, "values": [".ac.uk"]}}},
    )
    one, two = segment["rules"]
    assert (one["id"], two["id"], two["description"], two["weight"]) == (first, second, "Universities", None)
    assert one["clauses"][0]["values"] == ["yes", "sure", True]
    assert (one["clauses"][1]["negate"], two["clauses"][0]["values"]) == (True, [".ac.uk"])
    segment = updated(
        server, "s", {"removeClauses": {"ruleId": first, "clauseIndexes": [0]}}, {"removeRules": [second]}
    )
    assert [len(r["clauses"]) for r in segment["rules"]] == [1]


def test_every_place_without_a_clause_is_named(server: Server) -> None:
    create(server, "s", instructions=[{"addRule": {"clauses": [OPTED_IN]}}])
    rule = updated(server, "s")["rules"][0]["id"]
    answer = update(server, "s", {"removeClauses": {"ruleId": rule, "clauseIndexes": [7, 0, -1]}})
    assert violations(answer) == [
        ("input.instructions.0.removeClauses.clauseIndexes.0", "the rule has no clause 7"),
        ("input.instructions.0.removeClauses.clauseIndexes.2", "the rule has no clause -1"),
    ]


def test_an_error_repeats_no_more_of_a_name_than_a_key_may_have(server: Server) -> None:
    create(server, "s")
    long = "x" * 100_000
    answer = update(server, long, {"addTags": ["t"]})
    extensions = answer.errors[0]["extensions"]
    assert (answer.code, extensions["key"]) == ("NOT_FOUND", "x" * 256)
    assert answer.errors[0]["message"] == f"segment '{'x' * 256}… does not exist"
    for instruction in (
        {"updateRule": {"ruleId": long, "description": "d"}},
        {"addRule": {"clauses": [{**OPTED_IN, "op": "matches", "values": [["(" * 999]]}]}},
    ):
        assert len(update(server, "s", instruction).errors[0]["message"]) < 400


def test_rules_without_an_id_are_named_by_their_place(server: Server) -> None:
    rules = [{"clauses": [OPTED_IN]}, {"id": "named", "clauses": [OPTED_IN]}, {"clauses": [OPTED_IN]}]
    server.import_flags(data_of(segments=({"key": "s", "rules": rules},)))
    segment = updated(
        server, "s", {"updateRule": {"ruleId": "#2", "description": "third"}}, {"removeRules": ["#0"]}
    )
    assert [(r["id"], r["description"]) for r in segment["rules"]] == [("named", ""), ("", "third")]


def test_an_edit_that_changes_nothing_succeeds_and_makes_no_version(server: Server) -> None:
    create(server, "s", tags=["eap"])
    before = update(server, "s")["updateSegment"]
    again = update(
        server,
        "s",
        {"addTags": ["eap"]},
        {"removeTags": ["never there"]},
        {"updateName": "s"},
        {"removeRules": ["never there"]},
        {"removeTargets": {"list": "INCLUDED", "keys": ["nobody"]}},
    )["updateSegment"]
    assert (again["segment"]["version"], again["revision"]) == (1, before["revision"])


def test_everything_wrong_is_listed_at_its_instruction_and_nothing_changes(server: Server) -> None:
    create(server, "s")
    answer = update(
        server,
        "s",
        {"addTags": ["fine"]},
        {"addTags": ["not fine"]},
        {"addRule": {"clauses": []}},
        {
            "addRule": {
                "clauses": [
                    {"attribute": "a", "op": "matches", "values": ["(?=x)"]},
                    {"attribute": "", "op": "sounds", "values": ["x"]},
                    {"op": "segmentMatch", "values": ["gone"]},
                    {"attribute": "d", "op": "before", "values": ["today"]},
                    {"attribute": "/x//y", "contextKind": "a b", "op": "in", "values": []},
                ],
                "rollout": {"weight": 100001},
            }
        },
        {"updateRule": {"ruleId": "gone", "description": "x"}},
        {"reorderRules": ["gone"]},
        {"addTargets": {"list": "INCLUDED", "keys": ["a", ""], "contextKind": "user"}},
        {"addTargets": {"list": "INCLUDED", "keys": ["a"], "contextKind": "multi"}},
    )
    prefix = "input.instructions"
    assert [place for place, _ in violations(answer)] == [
        f"{prefix}.1.addTags.0",
        f"{prefix}.2.addRule.clauses",
        f"{prefix}.3.addRule.clauses.0.values.0",
        f"{prefix}.3.addRule.clauses.1.op",
        f"{prefix}.3.addRule.clauses.1.attribute",
        f"{prefix}.3.addRule.clauses.2.values.0",
        f"{prefix}.3.addRule.clauses.3.values.0",
        f"{prefix}.3.addRule.clauses.4.contextKind",
        f"{prefix}.3.addRule.clauses.4.attribute",
        f"{prefix}.3.addRule.clauses.4.values",
        f"{prefix}.3.addRule.rollout.weight",
        f"{prefix}.4.updateRule.ruleId",
        f"{prefix}.5.reorderRules",
        f"{prefix}.6.addTargets.keys.1",
        f"{prefix}.7.addTargets.contextKind",
    ]
    assert updated(server, "s")["tags"] == []


def test_everything_wrong_with_a_new_segment_is_listed_with_its_instructions(server: Server) -> None:
    wish = [{"updateName": ""}, {"addTargets": {"list": "INCLUDED", "contextKind": "a b", "keys": ["", "x", ""]}}]
    answer = create(server, "New", key="--", tags=["ok", "x y"], instructions=wish)
    place = "input.instructions"
    assert [path for path, _ in violations(answer)] == [
        "input.key",
        "input.tags.1",
        f"{place}.0.updateName",
        f"{place}.1.addTargets.contextKind",
        f"{place}.1.addTargets.keys.0",
        f"{place}.1.addTargets.keys.2",
    ]


def test_an_edit_against_another_version_is_refused_and_names_both(server: Server) -> None:
    create(server, "s")
    update(server, "s", {"addTags": ["one"]}, expectedVersion=1)
    answer = update(server, "s", {"addTags": ["two"]}, expectedVersion=1)
    assert answer.code == "VERSION_CONFLICT"
    extensions = answer.errors[0]["extensions"]
    assert (extensions["expectedVersion"], extensions["actualVersion"]) == (1, 2)
    assert delete(server, "s", expectedVersion=1).code == "VERSION_CONFLICT"


def test_edits_at_the_same_time_all_hold(server: Server) -> None:
    create(server, "s")

    def add(number: int) -> Answer:
        return update(server, "s", {"addTargets": {"list": "INCLUDED", "keys": [f"u{number}"]}})

    with ThreadPoolExecutor(8) as pool:
        answers = list(pool.map(add, range(16)))
    assert [answer.errors for answer in answers] == [[]] * 16
    assert len(targets(updated(server, "s"))) == 16


def test_what_is_used_is_not_deleted_and_its_users_are_named(server: Server) -> None:
    server.import_flags(
        data_of(
            a_flag("f", rules=[a_rule_on_segments("used")]),
            a_flag("old", rules=[a_rule_on_segments("used")]),
            segments=({"key": "used"}, {"key": "user", "rules": [a_rule_on_segments("used")]}),
        )
    )
    text = 'mutation { archiveFlag(input: {project: "default", flagKey: "old"}) { __typename } }'
    assert not server.post(text).errors
    answer = delete(server, "used")
    assert answer.code == "IN_USE"
    place = "default/production"
    assert answer.errors[0]["extensions"]["users"] == [
        {"kind": "flag", "key": "f", "environment": place, "archived": False},
        {"kind": "flag", "key": "old", "environment": place, "archived": True},
        {"kind": "segment", "key": "user", "environment": place, "archived": False},
    ]
    assert f"flag 'old' in {place} (archived)" in answer.errors[0]["message"]
    server.import_flags(data_of(a_flag("f"), segments=({"key": "used"},)))
    assert delete(server, "used")["deleteSegment"]["deletedSegmentId"]
    assert delete(server, "used").code == "NOT_FOUND"
    assert update(server, "used", {"addTags": ["x"]}).code == "NOT_FOUND"


def test_more_targets_than_the_limit_are_refused_and_the_way_out_is_named(server: Server) -> None:
    create(server, "s")
    keys = [f"u{n}" for n in range(15_001)]
    answer = update(server, "s", {"addTargets": {"list": "INCLUDED", "keys": keys}})
    assert answer.code == "LIMIT_EXCEEDED"
    assert answer.errors[0]["extensions"]["setting"] == "EARLYBIRD_MAX_TARGETS"
    assert "large list" in answer.errors[0]["message"]
    assert (
        updated(server, "s", {"addTargets": {"list": "INCLUDED", "keys": keys[:15_000]}})["memberCount"] == 15_000
    )


def test_targets_of_what_is_no_context_kind_can_go(server: Server) -> None:
    bad = {"key": "s", "includedContexts": [{"contextKind": "a b", "values": ["x", "y"]}]}
    server.import_flags(data_of(segments=(bad,)))
    kind = {"list": "INCLUDED", "contextKind": "a b"}
    assert updated(server, "s", {"removeTargets": {**kind, "keys": ["x"]}})["memberCount"] == 1
    assert update(server, "s", {"addTargets": {**kind, "keys": ["z"]}}).code == "BAD_USER_INPUT"
    assert updated(server, "s", {"clearTargets": kind})["memberCount"] == 0


def test_an_instruction_is_exactly_one(server: Server) -> None:
    create(server, "s")
    for wrong in ({}, {"addTags": ["a"], "removeTags": ["a"]}, {"addTags": None}):
        assert update(server, "s", wrong).code == "BAD_USER_INPUT"


def test_rules_that_share_an_id_are_named_by_their_places_and_none_is_lost(server: Server) -> None:
    def rule(value: str, **more: str) -> dict[str, Any]:
        return {"clauses": [{"attribute": "e", "op": "in", "values": [value]}], **more}

    rules = [rule("1", id="x"), rule("2", id="x"), rule("3"), rule("4", id="#2"), rule("5", id="y")]
    server.import_flags(data_of(segments=({"key": "s", "rules": rules},)))
    answer = update(server, "s", {"reorderRules": ["x", "x", "#2", "#2", "y"]})
    assert violations(answer)[0][1].endswith("#0, #1, #2, #3, y")
    places = "names no rule, though it is the id of some: call each by its place"
    wrong: list[dict[str, Any]] = [
        {"removeRules": ["nobody's", "x", "#9"]},
        {"updateRule": {"ruleId": "x", "description": "d"}},
    ]
    wrong += [{"removeRules": ["#4"]}, {"updateRule": {"ruleId": "#9", "description": "d"}}]
    assert violations(update(server, "s", *wrong)) == [
        ("input.instructions.0.removeRules.1", f"'x' {places} (#0, #1)"),
        ("input.instructions.0.removeRules.2", "there is no rule '#9'"),
        ("input.instructions.1.updateRule.ruleId", f"'x' {places} (#0, #1)"),
        ("input.instructions.2.removeRules.0", "there is no rule '#4'"),
        ("input.instructions.3.updateRule.ruleId", "there is no rule '#9'"),
    ]
    segment = updated(server, "s", {"reorderRules": ["y", "#3", "#2", "#1", "#0"]}, {"removeRules": ["#4"]})
    assert [r["clauses"][0]["values"] for r in segment["rules"]] == [["5"], ["4"], ["3"], ["2"]]


def test_values_are_the_same_as_they_are_for_the_operator(server: Server) -> None:
    clause = {"attribute": "n", "op": "in", "values": [7, 8]}
    create(server, "s", instructions=[{"addRule": {"clauses": [clause]}}])
    rule = updated(server, "s")["rules"][0]["id"]
    place = {"ruleId": rule, "clauseIndex": 0}
    segment = updated(server, "s", {"addValuesToClause": {**place, "values": ["a", "a", 7.0, 1, 1.0, True]}})
    assert segment["rules"][0]["clauses"][0]["values"] == [7, 8, "a", 1, True]
    segment = updated(server, "s", {"removeValuesFromClause": {**place, "values": [7.0, 1.0]}})
    assert segment["rules"][0]["clauses"][0]["values"] == [8, "a", True]


def test_many_edits_of_many_segments_at_the_same_time_are_all_made(server: Server) -> None:
    for number in range(8):
        create(server, f"s{number}")

    def add(number: int) -> Answer:
        return update(server, f"s{number % 8}", {"addTargets": {"list": "INCLUDED", "keys": [f"u{number}"]}})

    with ThreadPoolExecutor(32) as pool:
        answers = list(pool.map(add, range(96)))
    assert [answer.errors for answer in answers] == [[]] * 96
    assert [updated(server, f"s{number}")["memberCount"] for number in range(8)] == [12] * 8
