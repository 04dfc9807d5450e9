"""Evaluation over HTTP, as front ends and batch jobs use it."""

from typing import Any

import pytest

from tests.gql.conftest import a_flag, a_rule_on_segments, data_of
from tests.servers import Server

ADA = {"kind": "user", "key": "ada"}
PRODUCTION = {"project": "default", "environment": "production"}

EVALUATE_FLAGS = """query ($e: EnvironmentRef, $c: JSON!, $k: [String!], $t: [String!]) {
    evaluateFlags(environment: $e, context: $c, flagKeys: $k, tags: $t) {
        revision validUntil contextKey error errorMessage evaluations { flagKey value reason { kind errorKind } } } }"""
EVALUATE_BATCH = """query ($e: EnvironmentRef, $c: [JSON!]!, $k: [String!], $t: [String!]) {
    evaluateBatch(environment: $e, contexts: $c, flagKeys: $k, tags: $t) {
        revision validUntil results { revision contextKey error errorMessage evaluations { flagKey value
        reason { kind errorKind } } } } }"""
MEMBERSHIPS = """query ($e: EnvironmentRef, $c: JSON!) { segmentMemberships(environment: $e, context: $c) {
    segment { key } isMember reason ruleIndex ruleId errorKind bigSegmentsStatus } }"""


def test_a_flag_answers_with_value_index_and_reason(server: Server) -> None:
    server.import_flags(data_of(a_flag("new-dashboard", targets=[{"variation": 1, "values": ["ada"]}])))
    assert server.evaluate("new-dashboard", ADA)["evaluate"] == {
        "flagKey": "new-dashboard",
        "value": False,
        "variationIndex": 1,
        "reason": {
            "kind": "TARGET_MATCH",
            "ruleIndex": None,
            "ruleId": None,
            "prerequisiteKey": None,
            "inExperiment": False,
            "errorKind": None,
            "bigSegmentsStatus": None,
        },
    }


def test_an_unknown_flag_answers_with_the_default_and_says_so(server: Server) -> None:
    answer = server.evaluate("nobody-knows", ADA, d={"fallback": [1]})["evaluate"]
    assert (answer["value"], answer["variationIndex"]) == ({"fallback": [1]}, None)
    assert (answer["reason"]["kind"], answer["reason"]["errorKind"]) == ("ERROR", "FLAG_NOT_FOUND")


def test_a_default_is_null_where_none_is_given(server: Server) -> None:
    assert server.evaluate("nobody-knows", ADA)["evaluate"]["value"] is None


def test_an_off_flag_without_off_variation_answers_with_the_default(server: Server) -> None:
    server.import_flags(data_of(a_flag("off", on=False, offVariation=None)))
    answer = server.evaluate("off", ADA, d="mine")["evaluate"]
    assert (answer["value"], answer["variationIndex"], answer["reason"]["kind"]) == ("mine", None, "OFF")


def test_a_malformed_flag_is_an_answer(server: Server) -> None:
    server.import_flags(data_of(a_flag("broken", fallthrough={})))
    assert server.evaluate("broken", ADA)["evaluate"]["reason"]["errorKind"] == "MALFORMED_FLAG"


@pytest.mark.parametrize(
    ("context", "paths"),
    [
        ({}, [["context", "key"]]),
        ("ada", [["context"]]),
        ([], [["context"]]),
        ({"kind": "user"}, [["context", "key"]]),
        ({"kind": "user", "key": ""}, [["context", "key"]]),
        ({"kind": "user", "key": 7}, [["context", "key"]]),
        ({"kind": "kind", "key": "a"}, [["context", "kind"]]),
        ({"kind": "sp ace", "key": "a"}, [["context", "kind"]]),
        ({"kind": None, "key": "a"}, [["context", "kind"]]),
        ({"kind": "multi"}, [["context"]]),
        ({"kind": "multi", "user": {"key": 1}, "org": 2}, [["context", "user", "key"], ["context", "org"]]),
        ({"kind": "user", "key": 1, "name": 2, "anonymous": "no"}, [["context", n] for n in ("key", "name", "anonymous")]),
    ],
)  # fmt: skip # reads as a table, one case or group a line
def test_an_invalid_context_lists_every_violation_at_its_path(
    server: Server, context: Any, paths: list[list[str]]
) -> None:
    answer = server.evaluate("any", context)
    assert answer.code == "BAD_USER_INPUT"
    assert [v["path"] for v in answer.errors[0]["extensions"]["violations"]] == paths


def test_old_users_without_a_kind_are_understood(server: Server) -> None:
    rule = {"clauses": [{"attribute": "plan", "op": "in", "values": ["pro"]}], "variation": 1}
    server.import_flags(data_of(a_flag("for-pros", rules=[rule])))
    old_user = {"key": "ada", "email": None, "custom": {"plan": "pro"}}
    assert server.evaluate("for-pros", old_user)["evaluate"]["value"] is False


def test_an_unknown_environment_is_not_found(server: Server) -> None:
    answer = server.evaluate("any", ADA, e={"project": "default", "environment": "nowhere"})
    assert answer.code == "NOT_FOUND"
    assert answer.errors[0]["extensions"]["key"] == "default/nowhere"


def test_a_token_must_name_the_environment(server: Server) -> None:
    answer = server.evaluate("any", ADA, e=None)
    assert answer.code == "BAD_USER_INPUT"
    assert answer.errors[0]["extensions"]["violations"][0]["path"] == ["environment"]


def test_all_flags_come_by_key(server: Server) -> None:
    server.import_flags(data_of(a_flag("b"), a_flag("a"), a_flag("c")))
    answer = server.post(EVALUATE_FLAGS, e=PRODUCTION, c=ADA)["evaluateFlags"]
    assert [e["flagKey"] for e in answer["evaluations"]] == ["a", "b", "c"]
    assert (answer["contextKey"], answer["error"], answer["validUntil"]) == ("ada", None, None)


def test_named_flags_come_in_the_order_asked_unknown_ones_included(server: Server) -> None:
    server.import_flags(data_of(a_flag("a"), a_flag("b")))
    answer = server.post(EVALUATE_FLAGS, e=PRODUCTION, c=ADA, k=["b", "gone", "a", "b"])["evaluateFlags"]
    assert [(e["flagKey"], e["value"]) for e in answer["evaluations"]] == [
        ("b", True), ("gone", None), ("a", True),
    ]  # fmt: skip # reads as a table, one case or group a line


def test_tags_select_flags_that_bear_any_of_them(server: Server) -> None:
    server.import_flags(data_of(a_flag("a", tags=["x", "y"]), a_flag("b", tags=["z"]), a_flag("c")))
    answer = server.post(EVALUATE_FLAGS, e=PRODUCTION, c=ADA, t=["y", "z"])["evaluateFlags"]
    assert [e["flagKey"] for e in answer["evaluations"]] == ["a", "b"]


def test_a_batch_answers_in_order_at_one_revision(server: Server) -> None:
    revision = server.import_flags(
        data_of(a_flag("a", targets=[{"variation": 1, "values": ["bob"]}]), a_flag("b"))
    )["importFlagData"]["revision"]
    org = {"kind": "org", "key": "a:b%"}
    batch = server.post(EVALUATE_BATCH, e=PRODUCTION, c=[{"key": "bob"}, ADA, org])["evaluateBatch"]
    assert batch["revision"] == revision
    assert [r["contextKey"] for r in batch["results"]] == ["bob", "ada", "org:a%3Ab%25"]
    assert [[e["value"] for e in r["evaluations"]] for r in batch["results"]] == [
        [False, True],
        [True, True],
        [True, True],
    ]


def test_a_bad_context_in_a_batch_spoils_only_its_own_answer(server: Server) -> None:
    server.import_flags(data_of(a_flag("a")))
    batch = server.post(EVALUATE_BATCH, e=PRODUCTION, c=[ADA, {"kind": "user"}, 7, ADA])["evaluateBatch"]
    good, bad, worse, last = batch["results"]
    assert (
        good["evaluations"]
        == last["evaluations"]
        == [{"flagKey": "a", "value": True, "reason": {"kind": "FALLTHROUGH", "errorKind": None}}]
    )
    for spoiled, path in ((bad, "contexts[1].key"), (worse, "contexts[2]")):
        assert (spoiled["contextKey"], spoiled["error"]) == (None, "USER_NOT_SPECIFIED")
        assert path in spoiled["errorMessage"]
        assert [e["reason"]["errorKind"] for e in spoiled["evaluations"]] == ["USER_NOT_SPECIFIED"]


def test_an_empty_batch_is_an_answer(server: Server) -> None:
    assert server.post(EVALUATE_BATCH, e=PRODUCTION, c=[])["evaluateBatch"]["results"] == []


def test_a_batch_over_its_limit_names_the_setting(server: Server) -> None:
    server.import_flags(data_of(a_flag("a"), a_flag("b"), a_flag("c")))
    answer = server.post(EVALUATE_BATCH, e=PRODUCTION, c=[ADA] * 67)
    assert answer.code == "LIMIT_EXCEEDED"
    extensions = answer.errors[0]["extensions"]
    assert (extensions["setting"], extensions["limit"], extensions["actual"]) == (
        "EARLYBIRD_MAX_BATCH_EVALUATIONS",
        200,
        201,
    )


def test_the_limit_of_a_batch_is_the_requests_over_all_its_fields(server: Server) -> None:
    server.import_flags(data_of(a_flag("a"), segments=tuple({"key": f"s{n}"} for n in range(30))))
    fields = " ".join(f"f{n}: evaluateBatch(environment: $e, contexts: $c) {{ revision }}" for n in range(3))
    query = f"query ($e: EnvironmentRef, $c: [JSON!]!) {{ {fields} }}"
    assert not server.post(query, e=PRODUCTION, c=[ADA] * 66).errors
    assert server.post(query, e=PRODUCTION, c=[ADA] * 67).errors[0]["extensions"]["code"] == "LIMIT_EXCEEDED"
    assert server.post(EVALUATE_BATCH, e=PRODUCTION, c=[ADA] * 201, k=[]).code == "LIMIT_EXCEEDED"
    fields = " ".join(f"f{n}: segmentMemberships(environment: $e, context: $c) {{ isMember }}" for n in range(7))
    query = f"query ($e: EnvironmentRef, $c: JSON!) {{ {fields} }}"
    assert server.post(query, e=PRODUCTION, c=ADA).code == "LIMIT_EXCEEDED"


def test_memberships_say_why(server: Server) -> None:
    edu = {"attribute": "email", "op": "endsWith", "values": [".edu"]}
    segments = (
        {"key": "by-name", "included": ["ada"]},
        {"key": "by-rule", "rules": [{"clauses": [{**edu, "negate": True}]}, {"id": "edu", "clauses": [edu]}]},
        {"key": "nobody"},
        {"key": "round", "rules": [a_rule_on_segments("round")]},
    )
    server.import_flags(data_of(segments=segments))
    answer = server.post(MEMBERSHIPS, e=PRODUCTION, c={**ADA, "email": "ada@x.edu"})["segmentMemberships"]
    rows = [
        (m["segment"]["key"], m["isMember"], m["reason"], m["ruleIndex"], m["ruleId"], m["errorKind"])
        for m in answer
    ]
    assert rows == [
        ("by-name", True, "TARGET", None, None, None),
        ("by-rule", True, "RULE", 1, "edu", None),
        ("nobody", False, None, None, None, None),
        ("round", False, None, None, None, "MALFORMED_FLAG"),
    ]


@pytest.mark.parametrize("generation", [None, 1])
def test_a_large_list_that_came_without_members_has_none_and_is_not_called_healthy(
    server: Server, generation: int | None
) -> None:
    large = {"key": "large", "unbounded": True, "generation": generation, "included": ["ada"]}
    server.import_flags(data_of(a_flag("f", rules=[a_rule_on_segments("large")]), segments=(large,)))
    reason = server.evaluate("f", ADA)["evaluate"]["reason"]
    assert (reason["kind"], reason["bigSegmentsStatus"]) == ("FALLTHROUGH", "NOT_CONFIGURED")


def test_json_may_be_written_into_the_document(server: Server) -> None:
    server.import_flags(data_of(a_flag("a")))
    query = """{ evaluate(environment: {project: "default", environment: "production"}, flagKey: "gone",
        context: {kind: "user", key: "ada", n: 123456789012345678901234567890}, default: [1, 2.5, null, {a: true}])
        { value } }"""
    assert server.post(query)["evaluate"] == {"value": [1, 2.5, None, {"a": True}]}


@pytest.mark.parametrize("number", ["-9223372036854775809", "18446744073709551616", "-1" + "0" * 400])
def test_integers_beyond_64_bits_are_read_as_bodies_are(server: Server, number: str) -> None:
    answer = server.post(
        f'{{ evaluate(environment: {{project: "default", environment: "production"}}, flagKey: "gone", context: {{key: "ada"}}, default: {number}) {{ value }} }}'
    )
    if len(number) > 400:
        assert answer.code in {"GRAPHQL_VALIDATION_FAILED", "BAD_USER_INPUT"}
    else:
        assert answer["evaluate"]["value"] == float(number)


def test_a_long_chain_is_answered_alone_as_beside_others(server: Server) -> None:
    segments = tuple({"key": f"s{n}", "rules": [a_rule_on_segments(f"s{n + 1}")]} for n in range(900))
    last = {"key": "s900", "included": ["ada"]}
    chain = [a_flag(f"p{n}", prerequisites=[{"key": f"p{n + 1}", "variation": 0}]) for n in range(900)]
    deep = a_flag("deep", fallthrough={"variation": 1}, rules=[a_rule_on_segments("s0")])
    server.import_flags(data_of(deep, *chain, a_flag("p900"), segments=(*segments, last)))
    for keys in (["deep", "p0"], ["p0", "deep"], [*(f"p{n}" for n in range(0, 901, 10)), "deep", "p0"]):
        answer = server.post(EVALUATE_FLAGS, e=PRODUCTION, c=ADA, k=keys)["evaluateFlags"]["evaluations"]
        assert {e["value"] for e in answer} == {True}
    for key in ("deep", "p0"):
        assert server.evaluate(key, ADA)["evaluate"]["value"] is True
    server.import_flags({})


def test_numbers_that_json_does_not_know_are_refused(server: Server) -> None:
    answer = server.post('{ evaluate(flagKey: "a", context: {key: "a", n: 1e999}) { value } }')
    assert answer.response.status_code == 200
    assert answer.errors[0]["extensions"]["code"] in {"GRAPHQL_VALIDATION_FAILED", "BAD_USER_INPUT"}
