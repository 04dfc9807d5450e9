"""No answer is longer than it may be, however often it repeats what is stored or was sent."""

from collections.abc import Iterator
from typing import Any

import pytest

from tests.gql.conftest import a_flag, data_of
from tests.processor import processor_seconds
from tests.servers import Answer, Server

HERE = 'environment(project: "default", key: "production")'
PLACE = 'environment: {project: "default", environment: "production"}'
LIMIT = 100_000
BIG = "x" * 30_000


@pytest.fixture(scope="module")
def brief(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """A service whose answers may have 100 kB, with a flag that serves 30 kB, and 40 flags besides."""
    with Server(f"sqlite:///{tmp_path_factory.mktemp('brief')}/x.db", max_response_bytes=str(LIMIT)) as server:
        big = a_flag("big", variations=[{"of": [BIG]}, None])
        others = [a_flag(f"f{n:02}", description="d" * 4_000) for n in range(40)]
        assert not server.import_flags(data_of(big, *others)).errors
        yield server


def refused(answer: Answer) -> int:
    """How long the answer would have been, as far as made; fails unless exactly that was refused."""
    assert {error["extensions"]["setting"] for error in answer.errors} == {"EARLYBIRD_MAX_RESPONSE_BYTES"}
    assert len(answer.response.content) < LIMIT
    extensions = answer.errors[0]["extensions"]
    assert (extensions["code"], extensions["limit"]) == ("LIMIT_EXCEEDED", LIMIT)
    actual: int = extensions["actual"]
    return actual


@pytest.mark.parametrize("others", ["", "b: __typename"])
def test_a_large_variation_is_counted_as_often_as_it_is_served(brief: Server, others: str) -> None:
    batch = f'evaluateBatch({PLACE}, contexts: $c, flagKeys: ["big"]) {{ results {{ evaluations {{ value }} }} }}'
    query = f"query ($c: [JSON!]!) {{ {batch} {others} }}"
    contexts = [{"key": f"u{n}"} for n in range(4)]
    found = brief.post(query, c=contexts[:3])["evaluateBatch"]["results"]
    assert [result["evaluations"][0]["value"] for result in found] == [{"of": [BIG]}] * 3
    assert LIMIT < refused(brief.post(query, c=contexts)) <= LIMIT + len(BIG) + 1_000


def test_a_flag_is_answered_once_however_often_it_is_named(brief: Server) -> None:
    query = f'query ($k: [String!]) {{ evaluateFlags({PLACE}, context: {{key: "a"}}, flagKeys: $k) {{ evaluations {{ flagKey value }} }} }}'
    found = brief.post(query, k=["f01", *["big"] * 300, "f00", "f01"])["evaluateFlags"]["evaluations"]
    assert [evaluation["flagKey"] for evaluation in found] == ["f01", "big", "f00"]


@pytest.mark.parametrize("default", [BIG, {"of": [BIG]}])
def test_a_default_is_counted_as_often_as_it_is_answered(brief: Server, default: Any) -> None:
    fields = " ".join(
        f'a{n}: evaluate({PLACE}, flagKey: "none", context: {{key: "a"}}, default: $d) {{ value }}'
        for n in range(50)
    )
    refused(brief.post(f"query ($d: JSON) {{ {fields} }}", d=default))


LONG_NAME = "n" * 3_000


@pytest.mark.parametrize(
    "selection",
    [
        f"flags(first: 100) {{ nodes {{ {LONG_NAME}: key }} }}",
        f"flags(first: 100) {{ nodes {{ rules {{ id }} {LONG_NAME}: key }} }}",
        f"flags(first: 100) {{ nodes {{ fallthrough {{ variation {{ {LONG_NAME}: index }} }} }} }}",
        "flags(first: 100) { nodes { key description } }",
        "flags(first: 100) { nodes { usage: segments(first: 1) { totalCount } description } }",
    ],
)
def test_names_and_texts_are_counted_item_by_item(brief: Server, selection: str) -> None:
    query = f"{{ {HERE} {{ {selection} }} }}"
    for _ in range(2):  # generated functions are made for what comes again
        refused(brief.post(query))


@pytest.mark.parametrize("others", ["", "b: __typename"])
def test_names_are_counted_in_evaluations_too(brief: Server, others: str) -> None:
    query = f"query ($c: [JSON!]!) {{ evaluateBatch({PLACE}, contexts: $c) {{ results {{ evaluations {{ reason {{ {LONG_NAME}: kind }} }} }} }} {others} }}"
    refused(brief.post(query, c=[{"key": "a"}]))


def test_what_is_too_long_only_as_a_whole_is_refused_too(brief: Server) -> None:
    """Short texts are counted all alike while the answer is made."""
    key = "k" * 95
    query = f"query ($c: [JSON!]!) {{ evaluateBatch({PLACE}, contexts: $c, flagKeys: []) {{ results {{ contextKey }} }} }}"
    answer = brief.post(query, c=[{"key": f"{key}{n:03}"} for n in range(999)])
    assert answer.data is None
    assert refused(answer) > LIMIT


def test_what_a_mutation_changed_holds_though_its_answer_is_too_long(brief: Server) -> None:
    description = "d" * 4_000
    create = f"""mutation {{ createSegment(input: {{{PLACE}, name: "kept", key: "kept", description: "{description}"}}) {{
        segment {{ {" ".join(f"a{n}: description" for n in range(40))} }} }} }}"""
    refused(brief.post(create))
    assert brief.post(f'{{ {HERE} {{ segment(key: "kept") {{ description }} }} }}')["environment"]["segment"]


def test_a_long_answer_is_refused_before_it_is_made(brief: Server) -> None:
    """A thousand contexts with 30 kB each."""
    query = f'query ($c: [JSON!]!) {{ evaluateBatch({PLACE}, contexts: $c, flagKeys: ["big"]) {{ results {{ evaluations {{ value }} }} }} }}'
    before = processor_seconds(brief)
    refused(brief.post(query, c=[{"key": f"u{n}"} for n in range(1_000)]))
    assert processor_seconds(brief) - before < 1
