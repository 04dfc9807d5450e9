"""Variables are counted before GraphQL looks at each of their values, and refused with all that is wrong in them."""

from typing import Any

import pytest

from gql.limits import DocumentLimits
from gql.schema import build_schema
from gql.variables import MOST_VIOLATIONS, declared_variables, survey_values
from tests.servers import TOKEN, Server

SCHEMA = build_schema()._schema  # noqa: SLF001 - Strawberry has no public name for it
TARGETING = "mutation ($input: UpdateFlagTargetingInput!) { updateFlagTargeting(input: $input) { revision } }"
BATCH = """query ($contexts: [JSON!]!, $keys: [String!]) {
    evaluateBatch(contexts: $contexts, flagKeys: $keys) { revision } }"""
TOP, INSTRUCTION, TARGETS, REF = (
    len(SCHEMA.type_map[name].fields)  # type: ignore[attr-defined]  # they are input objects
    for name in ("UpdateFlagTargetingInput", "FlagInstruction", "FlagTargetsInput", "EnvironmentRef")
)


def targeting(*instructions: Any) -> dict[str, Any]:
    environment = {"project": "default", "environment": "production"}
    return {"input": {"environment": environment, "flagKey": "f", "instructions": list(instructions)}}


def count(query: str, variables: dict[str, Any], most: int = 1_000_000) -> int:
    limits = DocumentLimits(max_input_values=most)
    return survey_values(declared_variables(SCHEMA, query, limits, None), variables, limits).values


@pytest.mark.parametrize(
    ("query", "variables", "expected"),
    [
        (BATCH, {"contexts": [{"key": "a", "groups": [*range(50)]}] * 3, "keys": ["f", "g"]}, 5),
        (BATCH, {"contexts": {"key": "alone"}, "keys": None, "unknown": [1]}, 0),
        (BATCH, {}, 0),
        (TARGETING, {"input": ["no object"]}, 0),
        (TARGETING, targeting(), TOP + REF),
        (TARGETING, targeting({"turnOn": True}), TOP + REF + 1 + INSTRUCTION),
        (TARGETING, targeting({"unknown": [1]}, 7), TOP + REF + 2 + INSTRUCTION),
        (TARGETING, {"input": {f"unknown{n}": 1 for n in range(99)}}, 99),
        (
            TARGETING,
            targeting({"addTargets": {"variation": 0, "keys": ["a", "b", "c"]}}),
            TOP + REF + 1 + INSTRUCTION + TARGETS + 3,
        ),
    ],
)
def test_items_and_the_fields_of_input_objects_count(query: str, variables: dict[str, Any], expected: int) -> None:
    assert count(query, variables) == expected


def test_of_several_operations_the_one_that_is_asked_for_counts() -> None:
    text = "query A($k: [String!]) { __typename } query B($k: JSON) { __typename }"
    declared = [declared_variables(SCHEMA, text, DocumentLimits(), name) for name in ("A", "B")]
    assert [survey_values(each, {"k": ["x"]}, DocumentLimits()).values for each in declared] == [1, 0]


def test_the_count_ends_beyond_the_limit() -> None:
    assert count(TARGETING, targeting(*[{"turnOn": True}] * 1_000), 10_000) < 10_000 + 2 * INSTRUCTION


@pytest.mark.parametrize(
    ("query", "variables"),
    [
        (TARGETING, targeting({"addTargets": {"variation": 0, "keys": ["k"] * 100_000}})),
        (TARGETING, targeting(*[{"turnOn": True}] * 50_000)),
        (BATCH, {"contexts": [], "keys": ["f"] * 100_001}),
        (TARGETING, {"input": {f"unknown{n}": 1 for n in range(100_001)}}),
    ],
)
def test_more_values_than_the_limit_are_refused_before_anything_is_done(
    server: Server, query: str, variables: dict[str, Any]
) -> None:
    answer = server.post(query, **variables)
    assert answer.code == "LIMIT_EXCEEDED"
    extensions = answer.errors[0]["extensions"]
    assert extensions["setting"] == "EARLYBIRD_MAX_QUERY_INPUT_VALUES"
    assert extensions["limit"] == 100_000 < extensions["actual"]


def test_a_document_of_flag_data_counts_as_one_value(server: Server) -> None:
    flags = {f"f{number}": {"variations": [*range(300)], "fallthrough": {"variation": 0}} for number in range(400)}
    assert not server.import_flags({"flags": flags}).errors
    server.import_flags({})


def test_variables_stand_inside_of_json_in_the_document(server: Server) -> None:
    server.import_flags({"flagValues": {"f": 1}})
    query = """query ($key: String!, $mail: String, $n: Int) {
        evaluate(environment: {project: "default", environment: "production"}, flagKey: "gone",
            context: {kind: "user", key: $key, email: $mail}, default: [$n, {key: $key, mail: $mail}]) { value } }"""
    assert server.post(query, key="ada", n=7)["evaluate"]["value"] == [7, {"key": "ada", "mail": None}]
    server.import_flags({})


@pytest.mark.parametrize("token", ["", TOKEN])
def test_what_variables_become_where_they_are_used_several_times_is_limited(server: Server, token: str) -> None:
    query = f"""query ($d: JSON) {{ evaluate(environment: {{project: "default", environment: "production"}},
        flagKey: "f", context: {{key: "a"}}, default: [{"$d " * 900}]) {{ value }} }}"""
    answer = server.post(query, token=token, d=["abc"] * 1_200)
    assert answer.code == "LIMIT_EXCEEDED"
    extensions = answer.errors[0]["extensions"]
    assert extensions["setting"] == "EARLYBIRD_MAX_QUERY_VARIABLES_SIZE"
    assert extensions["limit"] == 4_000_000 < extensions["actual"]


BAD_INSTRUCTIONS = [{"turnOn": True, "turnOff": True}, {"explode": 1}, {}, {"turnOn": "yes"}]


def test_everything_that_does_not_fit_its_type_is_listed_where_it_stands(server: Server) -> None:
    (error,) = server.post(TARGETING, **targeting(*BAD_INSTRUCTIONS)).errors
    found = [(v["path"], v["message"]) for v in error["extensions"]["violations"]]
    place = ["input", "instructions"]
    assert [path for path, _ in found] == [
        [*place, 0],
        [*place, 1],
        [*place, 1],
        [*place, 2],
        [*place, 3, "turnOn"],
    ]
    assert "exactly one field" in found[0][1]
    assert "unknown field 'explode'" in found[1][1]
    assert error["extensions"]["code"] == "BAD_USER_INPUT"
    assert error["locations"] == [{"line": 1, "column": 11}]


LONG = "x" * 100_000


@pytest.mark.parametrize(
    ("query", "variables"),
    [
        ("query ($e: EnvironmentRef) { auditLog(environment: $e) { nodes { id } } }", {"e": {LONG: LONG}}),
        ("query ($o: ListOrder) { projects(orderBy: $o) { totalCount } }", {"o": {"field": LONG}}),
        ("query ($t: [String!]) { projects(tags: $t) { totalCount } }", {"t": [[LONG]] * 9}),
        ("query ($n: Int) { projects(first: $n) { totalCount } }", {"n": LONG}),
        ("query ($e: EnvironmentRef) { auditLog(environment: $e) { nodes { id } } }", {"e": LONG}),
    ],
)
def test_little_is_told_of_what_does_not_fit(server: Server, query: str, variables: dict[str, Any]) -> None:
    answer = server.post(query, **variables)
    assert answer.code == "BAD_USER_INPUT"
    assert all(len(v["message"]) < 200 for v in answer.errors[0]["extensions"]["violations"])
    assert "x" * 100 not in answer.response.text


@pytest.mark.parametrize(
    ("query", "variables"),
    [
        ("query ($t: [String!]) { projects(tags: $t) { totalCount } }", {"t": [1] * 101}),
        (
            "query ($e: EnvironmentRef) { auditLog(environment: $e) { nodes { id } } }",
            {"e": {f"projec{n}": 1 for n in range(101)}},
        ),
    ],
)
def test_the_first_hundred_things_that_do_not_fit_are_listed(
    server: Server, query: str, variables: dict[str, Any]
) -> None:
    (error,) = server.post(query, **variables).errors
    *listed, rest = error["extensions"]["violations"]
    assert len(listed) == MOST_VIOLATIONS
    assert "more than 100" in rest["message"]
    assert error["message"].count("Did you mean") <= 5


def test_what_does_not_fit_is_told_in_one_sentence_and_a_suggestion_in_another(server: Server) -> None:
    query = "query ($e: EnvironmentRef, $o: ListOrder) { auditLog(environment: $e) { nodes { id } } projects(orderBy: $o) { totalCount } }"
    environment = {"project": "p", "environment": "e"}
    wrong = {"field": "KEYZ", "direction": "sideways"}
    (error,) = server.post(query, e={**environment, "zzzzzzzz": 1, "qqqqqqqq": 1}, o=wrong).errors
    assert error["message"] == (
        "e: has the unknown field 'zzzzzzzz', of type 'EnvironmentRef'; e: has the unknown field 'qqqqqqqq', of type "
        "'EnvironmentRef'; o.field: 'KEYZ' is no value of the enum 'ListOrderField'. Did you mean 'KEY'?; and 1 more"
    )
    told = [violation["message"] for violation in error["extensions"]["violations"]]
    assert told[3] == "'sideways' is no value of the enum 'OrderDirection'"


@pytest.mark.parametrize(
    ("query", "variables", "path"),
    [
        ("query ($n: Int!) { auditLog(first: $n) { nodes { id } } }", {}, ["n"]),
        ("query ($n: Int = 7) { auditLog(first: $n) { nodes { id } } }", {"n": "7"}, ["n"]),
        ('query ($s: String = "a") { project(key: $s) { id } }', {"s": None}, []),
    ],
)
def test_a_single_value_that_does_not_fit_is_a_violation(
    server: Server, query: str, variables: dict[str, Any], path: list[str]
) -> None:
    (error,) = server.post(query, **variables).errors
    assert error["extensions"]["code"] == "BAD_USER_INPUT"
    assert [violation["path"] for violation in error["extensions"]["violations"]] == [path]


def test_instructions_in_the_document_are_one_each_too(server: Server) -> None:
    query = """mutation { updateFlagTargeting(input: {environment: {project: "default", environment: "production"},
        flagKey: "f", instructions: [{turnOn: true, turnOff: true}]}) { revision } }"""
    (error,) = server.post(query).errors
    assert error["extensions"]["code"] == "GRAPHQL_VALIDATION_FAILED"
    assert error["locations"] == [{"line": 2, "column": 38}]


@pytest.mark.parametrize(
    ("query", "path"),
    [
        ('{ auditLog(nodeId: "xx") { nodes { id } } }', ["nodeId"]),
        ('{ nodes(ids: ["UHJvamVjdDpkZWZhdWx0", "zz"]) { id } }', ["ids", 1]),
        ('{ node(id: "zz") { id } }', ["id"]),
    ],
)
def test_an_id_that_is_none_is_told_where_it_stands(server: Server, query: str, path: list[str | int]) -> None:
    (error,) = server.post(query).errors
    assert [violation["path"] for violation in error["extensions"]["violations"]] == [path]
