"""Kept answers over HTTP: each is for one question of one asker, about what is served now."""

import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from domain.clock import now_ms
from domain.services.evaluation import Basis
from domain.services.setup import PRODUCTION
from gql.responses import keep_response, response_key
from storage.cache import MemoryCache
from tests.gql.conftest import a_flag, data_of
from tests.gql.contexts import a_context
from tests.gql.metrics import statistics
from tests.servers import ROOT, Server

FLAGS = """query ($c: JSON!, $k: [String!], $t: [String!], $e: EnvironmentRef) {
    evaluateFlags(environment: $e, context: $c, flagKeys: $k, tags: $t) { evaluations { flagKey value } } }"""
HERE = {"project": "responses", "environment": "production"}
CREATE = """mutation ($input: CreateProjectInput!) { createProject(input: $input) {
    sdkKeys { environmentKey kind secret } } }"""
ADA = {"kind": "user", "key": "ada"}


words = st.text("ab0", max_size=2)


@given(st.lists(st.tuples(words, words, words, words, st.binary(max_size=3)), min_size=2, max_size=8))
def test_keys_are_stable_and_never_overlap(asked: list[tuple[str, str, str, str, bytes]]) -> None:
    def key(credential: str, edition: str, media_type: str, method: str, question: bytes) -> str:
        return response_key(a_context(credential, edition), media_type, method, question)

    assert len({key(*one) for one in asked}) == len(set(asked))
    assert [key(*one) for one in asked] == [key(*one) for one in asked]


@pytest.mark.parametrize(("ends_in_ms", "kept_ms"), [(None, 60_000), (5_000, 5_000), (90_000, 60_000)])
async def test_an_answer_is_kept_for_a_minute_at_most_and_never_past_its_end(
    ends_in_ms: int | None, kept_ms: int
) -> None:
    cache = MemoryCache[bytes](max_entries=1, max_bytes=1_000)
    basis = Basis(PRODUCTION, 1, None if ends_in_ms is None else now_ms() + ends_in_ms)
    await keep_response(cache, "key", b"{}", a_context(basis=basis))
    kept = await cache.find("key")
    assert kept is not None
    assert kept.valid_until_ms == pytest.approx(now_ms() + kept_ms, abs=1_000)


@pytest.mark.skipif(not Path("/proc/self/statm").exists(), reason="only Linux says so what a process takes")
def test_kept_answers_take_about_the_memory_that_is_said() -> None:
    command = [sys.executable, "-m", "tests.gql.kept_answers"]
    printed = subprocess.run(command, cwd=ROOT, check=True, capture_output=True, text=True)  # noqa: S603 - our own
    said, taken = map(int, printed.stdout.split())
    assert said / 2 < taken < 2 * said


def ask(server: Server, token: str | None = None, **variables: Any) -> dict[str, Any]:
    answer = server.post(FLAGS, token=token, **{"e": HERE, **variables})["evaluateFlags"]
    return {evaluation["flagKey"]: evaluation["value"] for evaluation in answer["evaluations"]}


def test_answers_that_differ_in_anything_asked_are_kept_apart(server: Server) -> None:
    created = server.post(CREATE, input={"name": "Responses"})["createProject"]
    keys = {(key["environmentKey"], key["kind"]): key["secret"] for key in created["sdkKeys"]}
    client = keys["production", "CLIENT_SDK_KEY"]
    on_one = {"attribute": "n", "op": "in", "values": [1]}
    on_true = {"attribute": "n", "op": "in", "values": [True]}
    fallthrough = {"variation": 1}
    server.import_flags(
        data_of(
            a_flag(
                "a", tags=["red"], clientSideAvailability={"usingEnvironmentId": True, "usingMobileKey": False}
            ),
            a_flag("b", rules=[{"clauses": [on_one], "variation": 0}], fallthrough=fallthrough),
            a_flag("c", rules=[{"clauses": [on_true], "variation": 0}], fallthrough=fallthrough),
        ),
        project="responses",
    )
    for _ in range(2):  # the second time from the cache
        assert ask(server, c=ADA) == {"a": True, "b": False, "c": False}
        assert ask(server, c={**ADA, "n": 1}) == {"a": True, "b": True, "c": False}
        assert ask(server, c={**ADA, "n": True}) == {"a": True, "b": False, "c": True}
        assert ask(server, c={"kind": "org", "key": "ada", "n": 1}) == {"a": True, "b": False, "c": False}
        assert ask(server, client, c=ADA) == {"a": True}
        assert list(ask(server, c=ADA, k=["b", "a"])) == ["b", "a"]
        assert list(ask(server, c=ADA, k=["a", "b"])) == ["a", "b"]
        assert ask(server, c=ADA, k=[]) == {}
        assert ask(server, c=ADA, t=["red"]) == {"a": True}


ENVIRONMENT = 'environment: {project: "default", environment: "production"}'


@pytest.mark.parametrize(
    ("query", "kept"),
    [
        (f'{{ evaluate({ENVIRONMENT}, flagKey: "f", context: {{key: "ada"}}) {{ value }} }}', True),
        (f'{{ evaluateBatch({ENVIRONMENT}, contexts: [{{key: "ada"}}, 3]) {{ results {{ error }} }} }}', True),
        (f'{{ segmentMemberships({ENVIRONMENT}, context: {{key: "ada"}}) {{ isMember }} }}', True),
        (f'{{ evaluate({ENVIRONMENT}, flagKey: "f", context: 3) {{ value }} }}', False),
        (f'{{ evaluate({ENVIRONMENT}, flagKey: "f", context: {{key: "ada"}}) {{ value }} tags {{ totalCount }} }}', False),
        ('{ environment(project: "default", key: "production") { revision } }', False),
        ("{ cacheStatistics { counts { hits } } }", False),
    ],
)  # fmt: skip # reads as a table, one case or group a line
def test_only_evaluations_without_errors_are_kept(server: Server, query: str, kept: bool) -> None:
    server.import_flags(data_of(a_flag("f")))
    first = server.post(query)
    before = statistics(server, "responses")["hits"]
    again = server.post(query)
    assert statistics(server, "responses")["hits"] - before == kept
    if kept:
        assert again.response.content == first.response.content
        assert again.response.headers["content-type"] == first.response.headers["content-type"]


def test_a_kept_answer_comes_in_the_form_that_is_asked_for(server: Server) -> None:
    server.import_flags(data_of(a_flag("f")))
    query = f'{{ evaluate({ENVIRONMENT}, flagKey: "f", context: {{key: "ada"}}) {{ value }} }}'
    token = {"Authorization": f"Bearer {server.token}"}
    for _ in range(2):
        for accepted in ("application/json", "application/graphql-response+json"):
            got = server.client.get("/graphql", params={"query": query}, headers={**token, "Accept": accepted})
            assert got.headers["content-type"] == f"{accepted}; charset=utf-8"
            assert got.json() == {"data": {"evaluate": {"value": True}}}
