from typing import Any

import pytest
import strawberry
from graphql import DocumentNode, GraphQLError, get_introspection_query, parse

from gql.budget import ExecutionLimits
from gql.limits import DEEPEST, KEPT_LONG_DOCUMENTS, DocumentLimits, admitted_document, document_counts
from gql.schema import Schema, build_schema
from tests.processor import ProcessorTime


@strawberry.type
class Query:
    @strawberry.field
    def name(self) -> str:
        return "earlybird"

    @strawberry.field
    def me(self) -> "Query":
        return Query()


def a_schema(limits: DocumentLimits | None = None) -> Schema:
    return Schema(Query, limits=limits or DocumentLimits())


def violations(text: str, limits: DocumentLimits | None = None) -> dict[str, int]:
    with pytest.raises(GraphQLError) as caught:
        admitted_document(text, limits or DocumentLimits())
    extensions: dict[str, Any] = caught.value.extensions or {}
    assert extensions["code"] == "LIMIT_EXCEEDED"
    return {violation["setting"]: violation["actual"] for violation in extensions["violations"]}


def a_fragment_bomb(selection: str, length: int = 20) -> str:
    links = (
        f"fragment F{i} on Query {{ {selection.format(f'...F{i + 1}', f'...F{i + 1}')} }}" for i in range(length)
    )
    return "\n".join(["{ ...F0 }", *links, f"fragment F{length} on Query {{ name }}"])


def test_counts_are_those_of_the_document_with_its_fragments_spread_out() -> None:
    document = parse("""
        query Q($x: Boolean!) @live { a: me { ...F } ...F @skip(if: $x) ... on Query { name } }
        fragment F on Query { b: name me { name @include(if: $x) } }
    """)
    assert document_counts(document) == {
        "depth": 3,
        "fields": 8,
        "aliases": 3,
        "directives": 4,
        "root_fields": 4,
        "introspections": 0,
    }


def test_counts_are_those_of_the_worst_operation() -> None:
    document = parse("query A { name } query B { me { name } } query C { name a: name }")
    counts = document_counts(document)
    assert (counts["depth"], counts["root_fields"], counts["aliases"]) == (2, 2, 1)


def test_counts_end_at_a_ceiling() -> None:
    assert document_counts(parse(a_fragment_bomb("{} {}", 200)))["fields"] == 1_000_000_000


@pytest.mark.parametrize(
    ("limit", "text"),
    [
        ("characters", "{ name name }    "),
        ("tokens", "{ name name }"),
        ("depth", "{ me { name } }"),
        ("fields", "{ name name }"),
        ("aliases", "{ a: name b: name }"),
        ("directives", "{ name @skip(if: true) @include(if: true) }"),
        ("root_fields", "{ name ... { name } }"),
        ("introspections", '{ __schema { description } ...F } fragment F on Query { __type(name: "A") { name } }'),
    ],
)
def test_document_at_the_limit_is_admitted_and_one_over_it_is_refused_by_setting(limit: str, text: str) -> None:
    actual = {"characters": len(text), "tokens": parse(text).token_count}.get(limit, 2)
    assert isinstance(admitted_document(text, DocumentLimits(**{f"max_{limit}": actual})), DocumentNode)
    refused = violations(text, DocumentLimits(**{f"max_{limit}": actual - 1}))
    assert refused == {f"EARLYBIRD_MAX_QUERY_{limit.upper()}": actual}


@pytest.mark.parametrize(
    "text", ["{a" * 201 + "}" * 201, f"{{name(a: {'[' * 201})}}"], ids=["fields", "a literal"]
)
def test_what_is_deeper_than_the_parser_goes_is_over_the_limit_of_depth(text: str) -> None:
    assert violations(text, DocumentLimits(max_depth=DEEPEST)) == {"EARLYBIRD_MAX_QUERY_DEPTH": DEEPEST + 1}


def test_all_violations_are_named_at_once_with_their_limits() -> None:
    with pytest.raises(GraphQLError) as caught:
        admitted_document("{ a: name me { name } }", DocumentLimits(max_depth=1, max_fields=2, max_aliases=0))
    assert caught.value.extensions == {
        "code": "LIMIT_EXCEEDED",
        "setting": "EARLYBIRD_MAX_QUERY_DEPTH",
        "limit": 1,
        "actual": 2,
        "violations": [
            {"setting": "EARLYBIRD_MAX_QUERY_DEPTH", "limit": 1, "actual": 2},
            {"setting": "EARLYBIRD_MAX_QUERY_FIELDS", "limit": 2, "actual": 3},
            {"setting": "EARLYBIRD_MAX_QUERY_ALIASES", "limit": 0, "actual": 1},
        ],
    }


@pytest.mark.parametrize("descriptions", [True, False])
async def test_defaults_admit_introspection(descriptions: bool) -> None:
    query = get_introspection_query(
        descriptions=descriptions,
        specified_by_url=True,
        directive_is_repeatable=True,
        input_value_deprecation=True,
    )
    result = await build_schema(execution_limits=ExecutionLimits(result_cost=15_000)).execute(query)
    assert result.errors is None  # with half of the default cost to spare


def test_same_text_is_parsed_once() -> None:
    limits = DocumentLimits()
    assert admitted_document("{ name }", limits) is admitted_document("{ name }", limits)


@pytest.mark.parametrize(("length", "kept"), [(10, True), (2_100, False)], ids=["short", "long"])
def test_of_long_documents_few_are_kept(length: int, kept: bool) -> None:
    limits = DocumentLimits()
    text = "{ name } #" + "x" * length
    first = admitted_document(text, limits)
    for number in range(KEPT_LONG_DOCUMENTS):
        admitted_document(f"{text}{number}", limits)
    assert (admitted_document(text, limits) is first) is kept


def test_text_admitted_under_wide_limits_is_refused_under_narrow_ones() -> None:
    admitted_document("{ me { name } }", DocumentLimits(max_depth=2))
    assert violations("{ me { name } }", DocumentLimits(max_depth=1)) == {"EARLYBIRD_MAX_QUERY_DEPTH": 2}


def test_mistake_of_syntax_is_no_violation() -> None:
    with pytest.raises(GraphQLError, match="Syntax Error") as caught:
        admitted_document("{ name", DocumentLimits())
    assert not caught.value.extensions


async def test_valid_document_runs_each_time() -> None:
    schema = a_schema()
    for _ in range(2):
        result = await schema.execute("{ me { name } }")
        assert (result.data, result.errors) == ({"me": {"name": "earlybird"}}, None)


async def test_invalid_document_is_reported_each_time() -> None:
    schema = a_schema()
    for _ in range(2):
        result = await schema.execute("{ nothing }")
        assert [error.message for error in result.errors or []] == [
            "Cannot query field 'nothing' on type 'Query'."
        ]


async def test_refused_document_is_not_executed() -> None:
    result = await a_schema(DocumentLimits(max_depth=1)).execute("{ me { name } }")
    assert result.data is None
    [error] = result.errors or []
    assert (error.extensions or {})["code"] == "LIMIT_EXCEEDED"


async def test_a_document_that_comes_again_is_answered_in_the_same_way() -> None:
    schema = a_schema(DocumentLimits(max_depth=2))
    for _ in range(2):
        assert (await schema.execute("{ me { name } }")).data == {"me": {"name": "earlybird"}}
        assert len((await schema.execute("{ nothing }")).errors or []) == 1
        [error] = (await schema.execute("{ me { me { name } } }")).errors or []
        assert (error.extensions or {})["code"] == "LIMIT_EXCEEDED"


async def test_one_of_several_operations_must_be_named() -> None:
    schema = a_schema()
    text = "query A { name } query B { me { name } }"
    [error] = (await schema.execute(text)).errors or []
    assert (error.extensions or {})["code"] == "OPERATION_RESOLUTION_FAILURE"
    assert (await schema.execute(text, operation_name="B")).data == {"me": {"name": "earlybird"}}


BOMBS = {
    "fragments that double": a_fragment_bomb("{} {}"),
    "fields that double": a_fragment_bomb("a: me {{ {} }} b: me {{ {} }}"),
}
HOSTILE = {
    **BOMBS,
    "too many tokens": "{" + " name" * 9_000 + "}",
    "too many comments": "#\n" * 24_000 + "{ name }",
    "too much white space": " " * 1_000_000 + "{ name }",
    "a long string": '{ me(x: "' + "x" * 49_000 + '") { name } }',
    "too deep": "{ me" * 400 + " }" * 400,
    "a value too deep": "{ me(x: " + "[" * 900 + "]" * 900 + ") { name } }",
    "a long chain of fragments": a_fragment_bomb("{}", 240),
    "fragments that all spread one another": "{ ...F0 }"
    + "".join(f"fragment F{i} on Query {{ {' '.join(f'...F{j}' for j in range(20))} }}" for i in range(20)),
    "fields beside a cycle": "{" + " name" * 1_900 + " ...A } fragment A on Query { ...A }",
}


@pytest.mark.parametrize("name", HOSTILE)
async def test_hostile_document_is_answered_with_errors_in_little_cpu_time(name: str) -> None:
    schema = a_schema()
    with ProcessorTime() as taken:
        result = await schema.execute(HOSTILE[name])
    assert result.errors
    # Measured at 150 ms at most; the same work without limits takes many seconds, or all memory.
    assert taken.seconds < 0.6


@pytest.mark.parametrize("name", BOMBS)
async def test_fragment_bomb_is_refused_within_milliseconds(name: str) -> None:
    schema = a_schema()
    await schema.execute("{ name }")
    with ProcessorTime() as taken:
        [error] = (await schema.execute(BOMBS[name])).errors or []
    assert (error.extensions or {})["code"] == "LIMIT_EXCEEDED"
    # Measured at 3 ms.
    assert taken.seconds < 0.02
