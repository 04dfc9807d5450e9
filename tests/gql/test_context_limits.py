"""How large a context may be, over HTTP."""

from collections.abc import Iterator
from typing import Any

import pytest

from domain.json import json_extent
from tests.gql.conftest import a_flag, data_of
from tests.processor import ProcessorTime
from tests.servers import Answer, Server

PLACE = 'environment: {project: "default", environment: "production"}'
ONE = {
    "evaluate": f'query ($c: JSON!) {{ evaluate({PLACE}, flagKey: "f", context: $c) {{ value }} }}',
    "evaluateFlags": f"query ($c: JSON!) {{ evaluateFlags({PLACE}, context: $c) {{ evaluations {{ value }} }} }}",
    "segmentMemberships": f"query ($c: JSON!) {{ segmentMemberships({PLACE}, context: $c) {{ isMember }} }}",
}
BATCH = f"""query ($c: [JSON!]!) {{ evaluateBatch({PLACE}, contexts: $c) {{
    results {{ error errorMessage evaluations {{ value }} }} }} }}"""
LONG = {"key": "ada", "name": "x" * 200}
DEEP = {"key": "ada", "a": [[[[["x"]]]]]}


@pytest.fixture(scope="module")
def strict(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    store = f"sqlite:///{tmp_path_factory.mktemp('strict')}/x.db"
    with Server(store, max_context_size="100", max_context_depth="5") as server:
        server.import_flags(data_of(a_flag("f")))
        yield server


def limit_of(answer: Answer) -> tuple[str, int, int]:
    assert answer.code == "LIMIT_EXCEEDED"
    extensions = answer.errors[0]["extensions"]
    return extensions["setting"], extensions["limit"], extensions["actual"]


@pytest.mark.parametrize(
    ("value", "size", "depth"),
    [
        ({}, 1, 1),
        ("abc", 4, 0),
        ({"key": "ada"}, 8, 1),
        ({"key": "ada", "a": None, "b": 12345, "c": True}, 14, 1),
        ({"k": [1, [], {"x": []}]}, 8, 4),
        ([[[]], []], 4, 3),
    ],
)
def test_every_value_counts_with_the_characters_of_names_and_strings(value: Any, size: int, depth: int) -> None:
    assert json_extent(value, 100) == (size, depth)


def test_what_is_too_large_is_not_measured_to_its_end() -> None:
    shared: list[Any] = [0] * 1_000
    for _ in range(3):
        shared = [shared] * 1_000  # a million million values
    with ProcessorTime() as taken:
        size, _depth = json_extent(shared, 5_000)
    assert 5_000 < size < 7_000
    assert taken.seconds < 0.1


def test_a_default_that_is_too_large_is_refused_by_name(strict: Server) -> None:
    query = (
        f'query ($d: JSON) {{ evaluate({PLACE}, flagKey: "f", context: {{key: "ada"}}, default: $d) {{ value }} }}'
    )
    assert limit_of(strict.post(query, d=["x" * 200])) == ("EARLYBIRD_MAX_CONTEXT_SIZE", 100, 202)
    assert not strict.post(query, d=["x" * 90]).errors


@pytest.mark.parametrize("root", ONE)
def test_a_context_that_is_too_large_is_refused_by_name(strict: Server, root: str) -> None:
    assert limit_of(strict.post(ONE[root], c=LONG)) == ("EARLYBIRD_MAX_CONTEXT_SIZE", 100, 213)
    assert limit_of(strict.post(ONE[root], c=DEEP)) == ("EARLYBIRD_MAX_CONTEXT_DEPTH", 5, 6)
    assert not strict.post(ONE[root], c={"key": "ada", "a": [[[["x"]]]]}).errors


def test_in_a_batch_a_context_that_is_too_large_spoils_only_its_own_answer(strict: Server) -> None:
    fine, long, deep = strict.post(BATCH, c=[{"key": "ada"}, LONG, DEEP])["evaluateBatch"]["results"]
    assert (fine["error"], fine["evaluations"]) == (None, [{"value": True}])
    assert (long["error"], long["evaluations"]) == ("USER_NOT_SPECIFIED", [{"value": None}])
    assert "EARLYBIRD_MAX_CONTEXT_SIZE" in long["errorMessage"]
    assert "EARLYBIRD_MAX_CONTEXT_DEPTH" in deep["errorMessage"]
