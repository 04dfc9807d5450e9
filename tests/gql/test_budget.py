"""No query costs more than it may, or takes longer, whoever asks it."""

import asyncio
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
import strawberry

from domain.errors import LimitExceededError
from gql.budget import ExecutionLimits, ResultBudget
from gql.schema import Schema
from tests.gql.conftest import a_flag, a_rule_on_segments, data_of
from tests.processor import processor_seconds
from tests.servers import Server

HERE = 'environment(project: "default", key: "production")'
PLACE = 'environment: {project: "default", environment: "production"}'
COST = 200


@pytest.fixture(scope="module")
def thrifty(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """A service whose answers may cost little, with 30 flags and 5 segments that all of them use."""
    store = f"sqlite:///{tmp_path_factory.mktemp('thrifty')}/x.db"
    with Server(store, max_result_cost=str(COST)) as server:
        keys = [f"s{n}" for n in range(5)]
        flags = [a_flag(f"f{n:02}", rules=[a_rule_on_segments(*keys)]) for n in range(30)]
        segments = [{"key": key, "included": ["ada"], "rules": []} for key in keys]
        server.post(
            "mutation ($i: ImportFlagDataInput!) { importFlagData(input: $i) { revision } }",
            i={
                "environment": {"project": "default", "environment": "production"},
                "data": data_of(*flags, segments=tuple(segments)),
                "mode": "REPLACE",
            },
        )
        yield server


def actual(answer: Any) -> int:
    """What the answer would have cost as far as it was made; fails unless exactly that was refused."""
    settings = {error["extensions"]["setting"] for error in answer.errors}
    assert settings == {"EARLYBIRD_MAX_RESULT_COST"}, answer.errors
    extensions = answer.errors[0]["extensions"]
    assert (extensions["code"], extensions["limit"]) == ("LIMIT_EXCEEDED", COST)
    cost: int = extensions["actual"]
    return cost


def test_a_page_of_a_small_cost_is_answered_and_a_larger_one_refused_by_name(thrifty: Server) -> None:
    query = (
        f"query ($n: Int!) {{ {HERE} {{ flags(first: $n) {{ nodes {{ id key name on version archived }} }} }} }}"
    )
    assert len(thrifty.post(query, n=20)["environment"]["flags"]["nodes"]) == 20
    assert actual(thrifty.post(query, n=30)) > COST


def test_pages_inside_pages_multiply(thrifty: Server) -> None:
    query = f"{{ {HERE} {{ segments {{ nodes {{ usage {{ flags(first: 100) {{ nodes {{ flag {{ id }} }} }} }} }} }} }} }}"
    assert COST < actual(thrifty.post(query)) <= COST + 100


def test_lists_that_generated_functions_complete_are_counted_too(thrifty: Server) -> None:
    query = "query ($c: [JSON!]!) {{ evaluateBatch({}, contexts: $c) {{ results {{ evaluations {{ {} }} }} }} }}"
    contexts = [{"key": f"u{n}"} for n in range(40)]
    assert len(thrifty.post(query.format(PLACE, "flagKey value"), c=contexts)["evaluateBatch"]["results"]) == 40
    wide = " ".join(f"a{n}: flagKey" for n in range(80))
    actual(thrifty.post(query.format(PLACE, wide), c=contexts))


def test_fields_that_ask_a_service_cost_more(thrifty: Server) -> None:
    query = f"query ($n: Int!) {{ {HERE} {{ flags(first: $n) {{ nodes {{ history(first: 1) {{ nodes {{ id }} }} }} }} }} }}"
    assert not thrifty.post(query, n=1).errors
    actual(thrifty.post(query, n=3))


def test_what_the_viewer_may_do_to_things_is_counted_action_by_action(thrifty: Server) -> None:
    query = f"query ($n: Int!) {{ {HERE} {{ segments(first: $n) {{ nodes {{ viewerCan }} }} }} }}"
    assert not thrifty.post(query, n=5).errors
    flags = query.replace("segments", "flags")
    assert not thrifty.post(flags, n=4).errors
    assert COST < actual(thrifty.post(flags, n=30)) <= COST + 40


def test_what_a_mutation_changed_holds_though_its_answer_costs_too_much(thrifty: Server) -> None:
    create = f"""mutation {{ createSegment(input: {{{PLACE}, name: "kept", key: "kept"}}) {{ segment {{
        {" ".join(f"a{n}: usage {{ flagCount }}" for n in range(30))} }} }} }}"""
    answer = thrifty.post(create)
    actual(answer)
    assert answer.errors[0]["path"][0] == "createSegment"
    assert thrifty.post(f'{{ {HERE} {{ segment(key: "kept") {{ key }} }} }}')["environment"]["segment"]


@strawberry.type
class Query:
    @strawberry.field
    async def slow(self) -> int:
        await asyncio.sleep(60)
        return 1


@strawberry.type
class Mutation:
    @strawberry.mutation
    async def slow(self) -> int:
        await asyncio.sleep(0.05)
        return 1


async def test_a_query_that_takes_too_long_is_given_up_by_name_and_a_mutation_is_not() -> None:
    schema = Schema(Query, Mutation, execution_limits=ExecutionLimits(query_seconds=0))
    result = await schema.execute("{ slow }")
    assert result.data is None
    [error] = result.errors or []
    assert (error.extensions or {})["setting"] == "EARLYBIRD_MAX_QUERY_SECONDS"
    assert (await schema.execute("mutation { slow }")).data == {"slow": 1}


OWNERS = {
    "pages in pages": "segments(first: 100) { nodes { usage { flags(first: 100) { nodes { flag { id segments(first: 100) { nodes { segment { id } } } } } } } } }",
    "usage of usage": "segments(first: 100) { nodes { id usage { segments { id usage { segments { id usage { segments { id } } } } } } } }",
    "filters": "segments(first: 100) { nodes { usage { "
    + " ".join(f'a{n}: flags(first: 0, tags: ["x{n}"]) {{ totalCount }}' for n in range(80))
    + " } } }",
    "programs": " ".join(
        f"a{n}: earlyAccessPrograms(first: 100) {{ nodes {{ active variations {{ flag {{ id }} variations {{ value }} }} }} }}"
        for n in range(50)
    ),
}


def test_no_query_of_an_owner_takes_the_processor_for_long(tmp_path: Path) -> None:
    """Without the limit the first takes 28 s, in 250 characters."""
    with Server(f"sqlite:///{tmp_path}/x.db", max_result_seconds="9") as server:
        keys = [f"s{n:03}" for n in range(100)]
        segments = tuple(
            {"key": key, "tags": ["eap"], "rules": [a_rule_on_segments(keys[n - 1])] if n % 20 else []}
            for n, key in enumerate(keys)
        )
        rules = [[keys[(n * 7 + m) % 100] for m in range(20)] for n in range(400)]
        flags = [a_flag(f"f{n:03}", rules=[a_rule_on_segments(*rule)]) for n, rule in enumerate(rules)]
        assert not server.import_flags(data_of(*flags, segments=segments)).errors
        for name, selection in OWNERS.items():
            before = processor_seconds(server)
            answer = server.post(f"{{ {HERE} {{ {selection} }} }}")
            assert {e["extensions"]["setting"] for e in answer.errors} == {"EARLYBIRD_MAX_RESULT_COST"}, name
            assert processor_seconds(server) - before < 3, name  # measured at 1.0 at most
            assert len(answer.errors) <= 100, name


LARGE = {
    "counts of pages": " ".join(f"a{n}: included(first: 1) {{ totalCount }}" for n in range(90)),
    "counts of members": " ".join(f"a{n}: memberCount" for n in range(90)),
}


def test_the_length_of_lists_does_not_make_an_answer_dear(tmp_path: Path) -> None:
    """What is found of 15,000 targets is found once, however often it is asked for."""
    with Server(f"sqlite:///{tmp_path}/x.db") as server:
        included = [f"user-{n:05}" for n in range(15_000)]
        segments = tuple({"key": f"s{n}", "included": included, "rules": []} for n in range(10))
        assert not server.import_flags(data_of(segments=segments)).errors
        for name, selection in LARGE.items():
            before = processor_seconds(server)
            answer = server.post(f"{{ {HERE} {{ segments {{ nodes {{ {selection} }} }} }} }}")
            assert not answer.errors, name
            assert processor_seconds(server) - before < 1, name  # measured at 0.13 at most


@pytest.fixture(scope="module")
def dense(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """A service with 300 segments, each in a hundred others by some way, and 500 flags that target them."""
    with Server(f"sqlite:///{tmp_path_factory.mktemp('dense')}/x.db", max_result_cost="1000000") as server:
        keys = [f"s{n}" for n in range(300)]
        segments = tuple(
            {
                "key": key,
                "tags": ["eap"],
                "rules": [a_rule_on_segments(keys[(n * m) // 3], negate=m == 2) for m in (1, 2)] if n else [],
            }
            for n, key in enumerate(keys)
        )
        flags = [
            a_flag(f"f{n:03}", rules=[a_rule_on_segments(keys[(n * 7 + m * 61) % 300]) for m in range(5)])
            for n in range(500)
        ]
        assert not server.import_flags(data_of(*flags, segments=segments)).errors
        yield server


OF_USAGE = "usage { segments { usage { segments { usage { segments { usage { segments { key } } } } } } } }"
DEAR = {
    "walks for next to nothing": f'segment(key: "s1") {{ {OF_USAGE} }}',
    "filters": "segments(first: 100) { nodes { usage { "
    + " ".join(f'a{n}: flags(first: 0, tags: ["x{n}"]) {{ totalCount }}' for n in range(90))
    + " } } }",
    "what flags depend on": "flags(first: 100) { nodes { "
    + " ".join(f"a{n}: segments(first: 1) {{ totalCount }}" for n in range(90))
    + " } }",
    "what members get": " ".join(
        f"a{n}: earlyAccessPrograms(first: 100) {{ nodes {{ variations {{ flag {{ key }} }} }} }}"
        for n in range(40)
    ),
}


@pytest.mark.parametrize("name", DEAR)
def test_fields_that_are_dearer_than_they_count_end_with_the_processors_time(dense: Server, name: str) -> None:
    before = processor_seconds(dense)
    answer = dense.post(f"{{ {HERE} {{ {DEAR[name]} }} }}")
    assert {e["extensions"]["setting"] for e in answer.errors} == {"EARLYBIRD_MAX_RESULT_SECONDS"}
    assert (answer.errors[0]["extensions"]["limit"], answer.errors[0]["extensions"]["actual"]) == (1, 2)
    assert processor_seconds(dense) - before < 3  # what is left of 9,000 fields ends in an error each


def test_only_the_processors_time_of_what_is_done_at_once_counts(monkeypatch: pytest.MonkeyPatch) -> None:
    processor, wall = 0.0, 0.0
    monkeypatch.setattr("gql.budget.thread_time", lambda: processor)
    monkeypatch.setattr("gql.budget.perf_counter", lambda: wall)
    budget = ResultBudget(ExecutionLimits(result_seconds=1))
    assert budget.begin()
    processor, wall = 0.4, 0.4
    budget.end()
    processor, wall = 5.0, 5.0  # others have the processor meanwhile
    assert budget.begin()
    assert not budget.begin()  # a part of it
    processor, wall = 5.4, 9.0  # another process has it
    budget.check_time()
    processor, wall = 7.3, 11.0
    with pytest.raises(LimitExceededError) as refused:
        budget.check_time()
    assert refused.value.details["actual"] == 3
    budget.end()
    with pytest.raises(LimitExceededError):
        budget.begin()


def test_a_long_evaluation_ends_when_its_time_is_over_and_others_are_answered_meanwhile(tmp_path: Path) -> None:
    """A chain of 400 segments for each of 20,000 contexts took a minute, and everybody waited."""
    with Server(f"sqlite:///{tmp_path}/x.db", max_query_seconds="2") as server:
        chain = tuple(
            {"key": f"s{n}", "rules": [{"clauses": a_rule_on_segments(f"s{n - 1}")["clauses"]}] if n else []}
            for n in range(400)
        )
        flag = a_flag("f", rules=[a_rule_on_segments("s399")])
        assert not server.import_flags(data_of(flag, segments=chain)).errors
        query = f"query ($c: [JSON!]!) {{ evaluateBatch({PLACE}, contexts: $c) {{ revision }} }}"
        before = processor_seconds(server)
        with ThreadPoolExecutor() as pool:
            long = pool.submit(server.post, query, c=[{"key": f"u{n}"} for n in range(20_000)])
            others = 0
            while not long.done():
                assert server.client.get("/healthz").status_code == 200
                others += 1
        answer = long.result()
        assert answer.code == "LIMIT_EXCEEDED"
        assert answer.errors[0]["extensions"]["setting"] == "EARLYBIRD_MAX_QUERY_SECONDS"
        assert others >= 5
        assert processor_seconds(server) - before < 4
