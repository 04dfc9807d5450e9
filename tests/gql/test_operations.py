"""Queries that are run directly must call the same resolver with the same arguments, and answer the same bytes."""

import re
from dataclasses import replace
from types import SimpleNamespace
from typing import Any, cast

import pytest
from hypothesis import given
from hypothesis import strategies as st

from domain.errors import InvalidInputError, UnavailableError, Violation
from gql.operations import DirectOperation
from gql.schema import Schema, build_schema
from tests.gql.evaluations import A_BATCH, A_RESULT, AN_EVALUATION, as_bytes

DIRECT, STOCK = build_schema(), build_schema()
STOCK.runs_directly = False

ENVIRONMENTS = ["", "environment: null", 'environment: {project: "p", environment: "e"}', "environment: $env",
                'environment: {project: $key, environment: "e"}', "environment: {project: 3}"]  # fmt: skip # reads as a table, one case or group a line
CONTEXTS = ['context: {kind: "user", key: "a", n: 1.0, l: [1, null, $one]}', "context: $one", 'context: "$"',
            "context: null", "context: 12345678901234567890", "context: {key: $key}"]  # fmt: skip # reads as a table, one case or group a line
MANY = ["contexts: []", "contexts: $many", "contexts: [$one, {}]", "contexts: $one"]
FLAG_KEYS = ["", "flagKeys: null", 'flagKeys: ["a"]', 'flagKeys: "a"', "flagKeys: $keys", "flagKeys: [$key]"]
REST = ["", "atLeastRevision: 3", "atLeastRevision: $rev", "atLeastRevision: 99999999999"]
DEFINITIONS = {
    "env": ["EnvironmentRef", 'EnvironmentRef = {project: "d", environment: "d"}'],
    "one": ["JSON!", 'JSON! = {key: "d"}'],
    "many": ["[JSON!]!"],
    "key": ["String!", 'String! = "k"'],
    "keys": ["[String!]", "[String!] = null"],
    "rev": ["Int", "Int = 4"],
}  # fmt: skip # reads as a table, one case or group a line
VALUES: dict[str, list[Any]] = {
    "env": [None, {"project": "p", "environment": "e"}, {"project": "p"}, "p"],
    "one": [{"key": "v"}, None, [], "x", 7, {"a": {"b": [None, 1.5]}}],
    "many": [[], [{"key": "v"}], None, {"key": "v"}, [None]],
    "key": ["v", None, 7],
    "keys": [["a", "b"], None, "a", [None]],
    "rev": [7, None, 1.5, "7", 2**31],
}
SELECTIONS = {
    "evaluate": ["{ value }", "{ k: flagKey __typename reason { kind ...F } }"],
    "evaluateFlags": ["{ revision }", "{ contextKey evaluations { flagKey value reason { kind } } }"],
    "evaluateBatch": ["{ revision results { evaluations { value } } }"],
    "segmentMemberships": ["{ isMember }", "{ isMember segment { key usage { flagCount } } }"],
}
ARGUMENTS = {
    "evaluate": [ENVIRONMENTS, ['flagKey: "f"', "flagKey: $key"], CONTEXTS, ["", "default: [1]"], REST],
    "evaluateFlags": [ENVIRONMENTS, CONTEXTS, FLAG_KEYS, REST],
    "evaluateBatch": [ENVIRONMENTS, MANY, FLAG_KEYS, REST],
    "segmentMemberships": [ENVIRONMENTS, CONTEXTS, REST],
}
FOUND: dict[str, list[Any]] = {
    "evaluate": [AN_EVALUATION, None, replace(AN_EVALUATION, reason=cast("Any", None))],
    "evaluateFlags": [A_RESULT, replace(A_RESULT, evaluations=cast("Any", [None]))],
    "evaluateBatch": [A_BATCH, ValueError("returned")],
    "segmentMemberships": [[], None, [None]],
}
FAILURES: list[Any] = [
    ValueError("ours"),
    UnavailableError("away"),
    InvalidInputError([Violation(("context",), "is odd")]),
]


@st.composite
def requests(draw: st.DrawFn) -> tuple[str, dict[str, Any], Any]:
    name = draw(st.sampled_from(sorted(ARGUMENTS)))
    arguments = " ".join(draw(st.sampled_from(choices)) for choices in ARGUMENTS[name])
    asked = set(re.findall(r"\$(\w+)", arguments))
    used = [variable for variable in DEFINITIONS if variable in asked]
    definitions = ", ".join(f"${variable}: {draw(st.sampled_from(DEFINITIONS[variable]))}" for variable in used)
    selection = draw(st.sampled_from(SELECTIONS[name]))
    fragment = "fragment F on EvaluationReason { ruleIndex }" if "...F" in selection else ""
    alias = draw(st.sampled_from(["", "answer: "]))
    head = f"query Q({definitions})" if definitions else draw(st.sampled_from(["", "query Q"]))
    query = f"{head} {{ {alias}{name}({arguments}) {selection} }} {fragment}"
    variables = {v: draw(st.sampled_from(VALUES[v])) for v in used if draw(st.integers(0, 5))}
    outcome = draw(st.sampled_from([*FOUND[name], *FOUND[name], *FAILURES]))
    return query, variables, outcome


async def answer(schema: Schema, query: str, variables: dict[str, Any], outcome: Any) -> tuple[Any, list[Any]]:
    """Return the result, and the arguments that the service was called with."""
    calls: list[Any] = []

    async def service(*arguments: object) -> Any:
        calls.append(arguments)
        if isinstance(outcome, Exception) and str(outcome) != "returned":
            raise outcome
        return outcome

    evaluation = SimpleNamespace(
        evaluate=service, evaluate_flags=service, evaluate_batch=service, segment_memberships=service
    )
    context = SimpleNamespace(caller=None, services=SimpleNamespace(evaluation=evaluation))
    schema.process_errors = lambda *_: None  # type: ignore[method-assign]  # keeps errors as execution made them
    return await schema.execute(query, variable_values=variables, context_value=context), calls


@given(request=requests())
async def test_direct_and_stock_execution_answer_the_same_bytes(request: tuple[str, dict[str, Any], Any]) -> None:
    (ours, our_calls), (theirs, their_calls) = [await answer(schema, *request) for schema in (DIRECT, STOCK)]
    assert as_bytes(ours) == as_bytes(theirs)
    # What is unusual is resolved once more, by stock execution.
    assert our_calls[-1:] == their_calls
    assert repr(our_calls[-1:]) == repr(their_calls)  # true is not 1


@pytest.mark.parametrize(
    ("query", "is_direct"),
    [
        ('query ($one: JSON!) { evaluate(flagKey: "f", context: $one) { value reason { kind } } }', True),
        ("query ($one: JSON!) { evaluateFlags(context: $one) { evaluations { value } } }", True),
        ("query ($one: JSON!) { evaluateBatch(contexts: [$one]) { results { revision } } }", True),
        ("query ($one: JSON!) { segmentMemberships(context: $one) { isMember } }", True),
        ("query ($one: JSON!) { segmentMemberships(context: $one) { segment { usage { flagCount } } } }", False),
        ("query ($one: JSON!) { evaluateFlags(context: $one) { revision @skip(if: false) } }", False),
        ("query ($one: JSON!) { evaluateFlags(context: $one) { revision } __typename }", False),
        ("query ($one: JSON!) { ... { evaluateFlags(context: $one) { revision } } }", False),
    ],
)  # fmt: skip # reads as a table, one case or group a line
async def test_what_clients_ask_most_is_run_directly(
    query: str, is_direct: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    runs: list[DirectOperation] = []
    run = DirectOperation.run

    def counted(self: DirectOperation, *arguments: Any) -> Any:
        runs.append(self)
        return run(self, *arguments)

    monkeypatch.setattr(DirectOperation, "run", counted)
    await answer(DIRECT, query, {"one": {"key": "a"}}, ValueError("raised"))
    assert bool(runs) is is_direct
