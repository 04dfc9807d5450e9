"""Compiled execution must answer as stock execution does, to the byte, whatever is asked and whatever is there."""

import asyncio
import gc
import weakref
from collections.abc import Generator
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from types import SimpleNamespace
from typing import Any, cast

import pytest
from graphql import GraphQLObjectType, get_named_type, is_leaf_type
from hypothesis import given
from hypothesis import strategies as st
from strawberry.schema.schema import StrawberryGraphQLCoreExecutionContext

from domain.evaluation.results import Evaluation, EvaluationErrorKind, EvaluationReason, ReasonKind
from domain.evaluation.snapshot import SegmentMembership
from domain.services import turns
from domain.services.evaluation import BatchEvaluation, ContextEvaluations
from gql.budget import ResultBudget
from gql.execution import COMPILED_SELECTIONS, CompiledExecution, _completers
from gql.schema import build_schema
from tests.builders import a_segment, a_snapshot
from tests.gql.evaluations import A_BATCH, A_RESULT, AN_EVALUATION, as_bytes


class StockExecution(StrawberryGraphQLCoreExecutionContext):
    def __init__(self, *args: Any, budget: ResultBudget, **kwargs: Any) -> None:
        del budget
        super().__init__(*args, **kwargs)


COMPILED, STOCK = build_schema(), build_schema()
COMPILED.runs_directly = STOCK.runs_directly = False
STOCK.execution_context_class = StockExecution
BATCH = COMPILED._schema.type_map["BatchEvaluation"]  # noqa: SLF001 - Strawberry offers no other way to it
CONDITIONS = (
    "",
    "",
    "",
    "@skip(if: $a)",
    "@include(if: $a)",
    "@include(if: $b)",
    "@skip(if: $b) @include(if: $a)",
)
# Nulls, wrong types, numbers too large, exceptions and what is no JSON: at any place of an answer.
ODD: list[Any] = [None, "x", 7, 2**40, 1.5, True, [], {}, [None], ValueError("odd"), object(), datetime(2026, 1, 1, tzinfo=UTC)]  # fmt: skip # reads as a table, one case or group a line


@st.composite
def selections(draw: st.DrawFn, type_: GraphQLObjectType, fragments: list[str]) -> str:
    chosen = draw(st.lists(st.sampled_from(["__typename", *type_.fields]), min_size=1, max_size=5))
    parts = []
    for name in chosen:
        condition = draw(st.sampled_from(CONDITIONS))
        # The field's name in the alias keeps two of one name from meaning two things.
        alias = draw(st.sampled_from(["", "", f"{name}A: ", f"{name}B: "]))
        inner = ""
        if name != "__typename" and not is_leaf_type(named := get_named_type(type_.fields[name].type)):
            assert isinstance(named, GraphQLObjectType)
            inner = draw(selections(named, fragments))
        text = f"{alias}{name} {condition} {inner}"
        shape = draw(st.sampled_from(["field", "field", "inline", "conditional", "fragment"]))
        if shape == "inline":
            text = f"... on {type_.name} {condition} {{ {text} }}"
        elif shape == "conditional":
            text = f"... {condition} {{ {text} }}"
        elif shape == "fragment":
            fragments.append(f"fragment F{len(fragments)} on {type_.name} {{ {text} }}")
            text = f"...F{len(fragments) - 1} {condition}"
        parts.append(text)
    return f"{{ {' '.join(parts)} }}"


@st.composite
def queries(draw: st.DrawFn) -> str:
    fragments: list[str] = []
    assert isinstance(BATCH, GraphQLObjectType)
    selection = draw(selections(BATCH, fragments))
    # Both variables are used, whatever else was drawn.
    used = "p: __typename @skip(if: $a) q: __typename @skip(if: $b)"
    query = "query ($a: Boolean!, $b: Boolean! = false) {"
    return f"{query} {used} evaluateBatch(contexts: []) {selection} }} {' '.join(fragments)}"


def sometimes_odd(usual: st.SearchStrategy[Any]) -> st.SearchStrategy[Any]:
    return st.integers(0, 24).flatmap(lambda n: usual if n else st.sampled_from(ODD))


json_values: st.SearchStrategy[Any] = st.sampled_from([None, True, 3, 0.5, "on", [1, {"a": None}], {"b": []}])
reasons = st.builds(
    EvaluationReason,
    kind=sometimes_odd(st.sampled_from(ReasonKind)),
    rule_index=sometimes_odd(st.none() | st.integers(0, 9)),
    rule_id=sometimes_odd(st.none() | st.just("rule")),
    in_experiment=sometimes_odd(st.booleans()),
    error_kind=sometimes_odd(st.none() | st.sampled_from(EvaluationErrorKind)),
)
evaluations = st.builds(
    Evaluation,
    sometimes_odd(st.sampled_from(["flag", "ключ", '"'])),
    sometimes_odd(json_values),
    sometimes_odd(st.none() | st.integers(0, 9)),
    sometimes_odd(reasons),
)
results = st.builds(
    ContextEvaluations,
    revision=sometimes_odd(st.integers(0, 99)),
    evaluations=sometimes_odd(st.lists(sometimes_odd(evaluations), max_size=3)),
    context_key=sometimes_odd(st.none() | st.just("ada")),
    valid_until=sometimes_odd(st.none() | st.just(datetime(2026, 11, 22, 9, 30, tzinfo=UTC))),
    error=sometimes_odd(st.none() | st.sampled_from(EvaluationErrorKind)),
)
batches = st.builds(
    BatchEvaluation,
    revision=sometimes_odd(st.integers(0, 99)),
    results=sometimes_odd(st.lists(sometimes_odd(results), max_size=3).map(tuple)),
)


async def answer(schema: Any, query: str, found: Any, **variables: Any) -> Any:
    """Ask a schema; the compiled one has met the query once, as it must have to generate functions."""
    if schema is COMPILED:
        await answer_once(schema, query, [A_MEMBERSHIP] if "segmentMemberships" in query else A_BATCH, **variables)
    return await answer_once(schema, query, found, **variables)


async def answer_once(schema: Any, query: str, found: Any, **variables: Any) -> Any:
    async def find(*_: object) -> Any:
        return found

    services = SimpleNamespace(evaluation=SimpleNamespace(evaluate_batch=find, segment_memberships=find))
    context = SimpleNamespace(caller=None, services=services)
    schema.process_errors = lambda *_: None  # keeps the errors as execution made them, and the log quiet
    return await schema.execute(query, variable_values=variables, context_value=context)


@given(query=queries(), batch=batches, a=st.booleans(), b=st.none() | st.booleans())
async def test_compiled_and_stock_execution_answer_the_same_bytes(
    query: str, batch: Any, a: bool, b: bool | None
) -> None:
    variables = {"a": a} if b is None else {"a": a, "b": b}
    ours, theirs = [as_bytes(await answer(schema, query, batch, **variables)) for schema in (COMPILED, STOCK)]
    assert ours == theirs


async def test_a_plain_selection_reaches_stock_execution_once(monkeypatch: pytest.MonkeyPatch) -> None:
    def stock(*_: object) -> None:
        pytest.fail("a plain object was completed field by field")

    query = "{ evaluateBatch(contexts: []) { results { evaluations { k: flagKey value reason { kind } } } } }"
    await answer_once(COMPILED, query, A_BATCH)
    monkeypatch.setattr(StrawberryGraphQLCoreExecutionContext, "complete_object_value", stock)
    found = await answer_once(COMPILED, query, A_BATCH)
    assert found.data == {
        "evaluateBatch": {"results": [{"evaluations": [{"k": "f", "value": {"x": 1}, "reason": {"kind": "OFF"}}]}]}
    }


A_MEMBERSHIP = SegmentMembership(a_snapshot(segments=[a_segment(key="s")]).segments["s"], is_member=True)
MEMBERSHIPS = '{ segmentMemberships(context: { key: "ann" }) { isMember segment { __typename key } } }'


async def test_what_a_node_has_is_read_as_plainly(monkeypatch: pytest.MonkeyPatch) -> None:
    def stock(*_: object) -> None:
        pytest.fail("a plain node was completed field by field")

    await answer_once(COMPILED, MEMBERSHIPS, [A_MEMBERSHIP])
    monkeypatch.setattr(StrawberryGraphQLCoreExecutionContext, "complete_object_value", stock)
    found = await answer_once(COMPILED, MEMBERSHIPS, [A_MEMBERSHIP])
    assert found.data["segmentMemberships"] == [
        {"isMember": True, "segment": {"__typename": "Segment", "key": "s"}}
    ]


async def test_what_is_not_of_a_nodes_type_is_the_error_that_it_was() -> None:
    other = replace(A_MEMBERSHIP, segment=cast("Any", a_segment(key="has a key, too")))
    ours, theirs = [
        as_bytes(await answer(schema, MEMBERSHIPS, [A_MEMBERSHIP, other])) for schema in (COMPILED, STOCK)
    ]
    assert ours == theirs
    assert b"Expected value of type 'Segment'" in ours


LONG = replace(
    A_BATCH, results=[replace(A_RESULT, revision=n, evaluations=[AN_EVALUATION] * 3) for n in range(999)]
)


@pytest.mark.parametrize("others", ["", "b: __typename"])
@pytest.mark.parametrize("last", [A_RESULT, None])
async def test_a_long_batch_is_completed_in_turns_as_a_short_one_is(
    monkeypatch: pytest.MonkeyPatch, others: str, last: Any
) -> None:
    """Alone, beside another field, and where it cannot be completed as it is."""
    monkeypatch.setattr(turns, "TURN_SECONDS", 0.0)
    batch = replace(LONG, results=[*LONG.results, last])
    query = f"{{ a: evaluateBatch(contexts: []) {{ a: results {{ revision }} b: results {{ evaluations {{ value }} }} }} {others} }}"
    rounds = 0

    async def count() -> None:
        nonlocal rounds
        while True:
            rounds += 1
            await asyncio.sleep(0)

    schema = build_schema()
    for _ in range(2):
        await answer_once(schema, query, A_BATCH)
    counting = asyncio.create_task(count())
    found = await answer_once(schema, query, batch)
    counting.cancel()
    assert rounds >= 6  # 166 contexts a turn
    assert as_bytes(found) == as_bytes(await answer_once(STOCK, query, batch))


@dataclass(frozen=True)
class LaterReason:
    """Has what is asked of a reason, but must be awaited."""

    kind: ReasonKind = ReasonKind.OFF

    def __await__(self) -> Generator[None, None, EvaluationReason]:
        yield
        return EvaluationReason(kind=ReasonKind.FALLTHROUGH)


@dataclass
class ReasonError(ValueError):
    """Has what is asked of a reason, but must be raised."""

    kind: ReasonKind = ReasonKind.OFF


@pytest.mark.parametrize("field", ["kind", "__typename"])
@pytest.mark.parametrize("reason", [LaterReason(), ReasonError()])
async def test_what_must_be_awaited_or_raised_is(field: str, reason: Any) -> None:
    batch = replace(A_BATCH, results=[replace(A_RESULT, evaluations=[replace(AN_EVALUATION, reason=reason)])])
    query = f"{{ evaluateBatch(contexts: []) {{ results {{ evaluations {{ reason {{ {field} }} }} }} }} }}"
    ours, theirs = [as_bytes(await answer(schema, query, batch)) for schema in (COMPILED, STOCK)]
    assert ours == theirs


@pytest.mark.parametrize("results", [[], [A_RESULT]])
async def test_a_null_condition_is_the_error_of_the_place_that_asks_for_it(
    results: list[ContextEvaluations],
) -> None:
    query = """query ($a: Boolean = true) { evaluateBatch(contexts: []) { revision results {
        revision @include(if: $a) } } }"""
    batch = replace(A_BATCH, results=results)
    ours, theirs = [as_bytes(await answer(schema, query, batch, a=None)) for schema in (COMPILED, STOCK)]
    assert ours == theirs


async def test_a_list_that_can_be_walked_only_once_is_walked_once() -> None:
    query = "{ evaluateBatch(contexts: []) { results { revision } } }"
    batches = [replace(A_BATCH, results=cast("Any", iter([A_RESULT, None]))) for _ in range(2)]
    pairs = zip((COMPILED, STOCK), batches, strict=True)
    ours, theirs = [as_bytes(await answer(schema, query, batch)) for schema, batch in pairs]
    assert ours == theirs


async def test_the_variables_of_a_condition_choose_the_function() -> None:
    query = (
        "query ($a: Boolean!) { evaluateBatch(contexts: []) { revision results @include(if: $a) { revision } } }"
    )
    both = [(await answer(COMPILED, query, A_BATCH, a=a)).data["evaluateBatch"] for a in (False, True, False)]
    assert both == [{"revision": 3}, {"revision": 3, "results": [{"revision": 3}]}, {"revision": 3}]


async def test_the_functions_that_are_kept_are_bounded_and_those_in_use_stay() -> None:
    _completers.clear()
    busy = "{ evaluateBatch(contexts: []) { revision } }"
    await answer(COMPILED, busy, A_BATCH)
    [(selection, generated)] = _completers.items()
    for number in range(COMPILED_SELECTIONS + 5):
        assert (await answer_once(COMPILED, busy, A_BATCH)).data == {"evaluateBatch": {"revision": 3}}
        query = f"{{ evaluateBatch(contexts: []) {{ r{number}: revision }} }}"
        assert (await answer(COMPILED, query, A_BATCH)).data == {"evaluateBatch": {f"r{number}": 3}}
    assert len(_completers) == COMPILED_SELECTIONS
    assert _completers[selection] is generated


def test_the_schema_executes_by_compiled_functions() -> None:
    assert build_schema().execution_context_class is CompiledExecution


async def test_what_a_request_held_goes_with_it_and_not_when_cycles_are_collected(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    made: list[weakref.ref[CompiledExecution]] = []

    class Execution(CompiledExecution):
        def __init__(self, *args: Any, **kwargs: Any) -> None:
            super().__init__(*args, **kwargs)
            made.append(weakref.ref(self))

    monkeypatch.setattr(COMPILED, "execution_context_class", Execution)
    gc.disable()
    try:
        assert (await answer_once(COMPILED, MEMBERSHIPS, [A_MEMBERSHIP])).data
        assert [execution() for execution in made] == [None]
    finally:
        gc.enable()
