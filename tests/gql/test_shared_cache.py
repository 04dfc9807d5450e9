"""Two services before one Redis, over HTTP: they share what they know, and lose nothing but time with it."""

import concurrent.futures
import shutil
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from tests.gql.conftest import a_flag, a_rule_on_segments, data_of
from tests.gql.metrics import growth, scrape, value
from tests.servers import Server
from tests.storage.redis_server import RedisServer

STATISTICS = "{ cacheStatistics { unit counts { entries hits misses shared { isAway hits misses } } } }"
EVALUATE = """query ($context: JSON!, $revision: Int) {
  evaluateFlags(environment: {project: "default", environment: "production"}, context: $context,
    atLeastRevision: $revision) { revision validUntil evaluations { flagKey value reason { kind ruleId bigSegmentsStatus } } } }"""
PLACE = {"project": "default", "environment": "production"}
BOUNDED_SECONDS = 2.0  # far more than Redis is waited for, for busy machines
BACK_SECONDS = 10.0


@pytest.fixture
def redis() -> Iterator[RedisServer]:
    with RedisServer() as server:
        yield server


@pytest.fixture
def pair(redis: RedisServer, tmp_path: Path) -> Iterator[tuple[Server, Server]]:
    """Two services on one store and one Redis, with a large list that one flag is on for."""
    store = f"sqlite:///{tmp_path}/earlybird.db"
    with Server(store, cache_url=redis.url) as first, Server(store, cache_url=redis.url) as second:
        first.import_flags(data_of(a_flag("f", rules=[a_rule_on_segments("beta")], fallthrough={"variation": 1})))
        new = {"environment": PLACE, "name": "beta", "key": "beta", "largeList": {"contextKind": "user"}}
        create = "mutation ($input: CreateSegmentInput!) { createSegment(input: $input) { segment { key } } }"
        first.post(create, input=new)["createSegment"]
        yield first, second


def change(server: Server, verb: str, *keys: str) -> int:
    """Add or remove members; return the revision that knows of it."""
    mutation = f"{verb}SegmentMembers"
    kind = f"{mutation[0].upper()}{mutation[1:]}Input"
    text = f"mutation ($input: {kind}!) {{ {mutation}(input: $input) {{ revision }} }}"
    found = server.post(text, input={"environment": PLACE, "segmentKey": "beta", "keys": list(keys)})
    revision: int = found[mutation]["revision"]
    return revision


def ask(server: Server, key: str, revision: int = 0) -> Any:
    found = server.post(EVALUATE, context={"kind": "user", "key": key}, revision=revision)["evaluateFlags"]
    [evaluation] = found["evaluations"]
    assert evaluation["reason"]["bigSegmentsStatus"] == "HEALTHY"
    return evaluation["value"]


def shared(server: Server) -> dict[str, Any]:
    units = {item["unit"]: item["counts"]["shared"] for item in server.post(STATISTICS)["cacheStatistics"]}
    assert units["responses"] is None
    found: dict[str, Any] = units["largeLists"]
    return found


def eventually(server: Server, *, away: bool) -> None:
    """Wait until both ways to see it tell whether Redis is away."""
    told = "away" if away else "reachable"
    deadline = time.monotonic() + BACK_SECONDS
    while shared(server)["isAway"] is not away or server.client.get("/readyz").json()["cache"] != told:
        assert time.monotonic() < deadline
        time.sleep(0.02)


def kept(redis: RedisServer, number: int) -> None:
    """Wait until Redis holds so many values."""
    deadline = time.monotonic() + BACK_SECONDS
    with redis.client() as client:
        while client.dbsize() < number:
            assert time.monotonic() < deadline
            time.sleep(0.01)


def test_what_one_service_looked_up_the_other_need_not(pair: tuple[Server, Server], redis: RedisServer) -> None:
    first, second = pair
    revision = change(first, "add", "ada")
    assert ask(first, "ada", revision) is True
    assert ask(first, "bob", revision) is False
    kept(redis, 2)

    def work() -> None:
        assert ask(second, "ada", revision) is True
        assert ask(second, "bob", revision) is False

    grown = growth(second, work)
    hits = grown("shared_cache_hits_total", unit="largeLists")
    assert 0 < hits <= 2  # a busy machine may take longer than a request waits
    assert grown("shared_cache_misses_total", unit="largeLists") == 2 - hits
    assert grown("store_duration_seconds_count", method="members_among") == 2 - hits
    found = shared(second)
    assert (found["hits"], found["misses"]) == (hits, 2 - hits)
    assert second.client.get("/readyz").json()["cache"] in {"reachable", "away"}


def test_no_change_is_followed_by_an_answer_from_before_it(pair: tuple[Server, Server]) -> None:
    for number in range(10):
        for verb, expected in (("add", True), ("remove", False)):
            revision = change(pair[number % 2], verb, "ada")
            for server in (*pair, *pair):
                assert ask(server, "ada", revision) is expected


def test_shared_answers_are_to_the_byte_those_of_a_service_without_caches(
    pair: tuple[Server, Server], redis: RedisServer, tmp_path: Path
) -> None:
    first, second = pair
    keys = ["ada", "bob", "mo\u00f6se", "a b", "\U0001f40c", "0", "user:ada"]
    revision = change(first, "add", *keys[::2])
    with Server(f"sqlite:///{tmp_path}/earlybird.db", cache_entries="0") as fresh:

        def bodies(server: Server) -> list[bytes]:
            contexts = [{"kind": "user", "key": key} for key in keys]
            answers = [server.post(EVALUATE, context=context, revision=revision) for context in contexts]
            return [answer.response.content for answer in answers]

        expected = bodies(fresh)
        assert b"true" in expected[0]
        assert b"true" not in expected[1]
        assert bodies(first) == expected
        kept(redis, len(keys))
        for _ in range(2):
            assert bodies(second) == expected
    assert shared(second)["hits"] > 0


def test_services_with_stores_of_their_own_share_nothing_though_revisions_are_equal(
    pair: tuple[Server, Server], redis: RedisServer, tmp_path: Path
) -> None:
    first, _ = pair
    revision = change(first, "add", "ada")
    assert ask(first, "ada", revision) is True
    with Server(f"sqlite:///{tmp_path}/other.db", cache_url=redis.url) as other:
        beta: dict[str, Any] = {"key": "beta", "unbounded": True}
        flag = a_flag("f", rules=[a_rule_on_segments("beta")], fallthrough={"variation": 1})
        for _ in range(revision - 1):
            known = other.import_flags(data_of(flag, segments=(beta,)))["importFlagData"]["revision"]
            beta = {**beta, "tags": [str(known)]}
        assert change(other, "add", "bob") == revision
        assert ask(other, "ada") is False


def test_a_store_that_is_put_back_from_a_copy_shares_nothing_with_what_came_after_it(
    redis: RedisServer, tmp_path: Path
) -> None:
    store = tmp_path / "store" / "earlybird.db"
    with Server(f"sqlite:///{store}", cache_url=redis.url) as server:
        flag = a_flag("f", rules=[a_rule_on_segments("beta")], fallthrough={"variation": 1})
        server.import_flags(data_of(flag, segments=({"key": "beta", "unbounded": True},)))
        server.stop()
        shutil.copytree(store.parent, tmp_path / "copy")
        server.start()
        revision = change(server, "add", "ada")
        assert ask(server, "ada") is True
        server.stop()
        shutil.rmtree(store.parent)
        shutil.copytree(tmp_path / "copy", store.parent)
        server.start()
        assert change(server, "add", "bob") == revision
        assert ask(server, "ada") is False


@pytest.mark.parametrize("harm", ["kill", "pause", "empty"])
def test_redis_may_come_to_harm_under_load(pair: tuple[Server, Server], redis: RedisServer, harm: str) -> None:
    members = [f"in-{number}" for number in range(100)]
    revision = change(pair[0], "add", *members)
    ask(pair[1], "somebody", revision)
    stop_at = time.monotonic() + 3

    def load(server: Server, worker: int) -> int:
        headers = {"Authorization": f"Bearer {server.token}"}
        asked = 0
        with httpx.Client(base_url=server.client.base_url, headers=headers, timeout=30) as client:
            while time.monotonic() < stop_at:
                number = (asked * 7 + worker) % 200
                key = f"in-{number}" if number < 100 else f"out-{worker}-{asked}"
                variables = {"context": {"kind": "user", "key": key}}
                began = time.monotonic()
                answer = client.post("/graphql", json={"query": EVALUATE, "variables": variables}).json()
                assert time.monotonic() - began < BOUNDED_SECONDS
                [evaluation] = answer["data"]["evaluateFlags"]["evaluations"]
                assert evaluation["value"] is (number < 100)
                assert evaluation["reason"]["bigSegmentsStatus"] == "HEALTHY"
                asked += 1
        return asked

    with concurrent.futures.ThreadPoolExecutor(4) as threads:
        loads = [threads.submit(load, pair[worker % 2], worker) for worker in range(4)]
        time.sleep(0.5)
        if harm == "empty":
            for _ in range(20):
                with redis.client() as client:
                    client.flushall()
                time.sleep(0.05)
        else:
            getattr(redis, harm)()
            for server in pair:
                eventually(server, away=True)
                ready = server.client.get("/readyz")
                assert (ready.status_code, ready.json()["cache"]) == (httpx.codes.OK, "away")
                assert value(scrape(server), "shared_cache_away_seconds", unit="largeLists") > 0
            redis.start() if harm == "kill" else redis.resume()
        for server in pair:
            eventually(server, away=False)
        assert min(loaded.result() for loaded in loads) > 10


def test_a_service_starts_and_answers_without_its_redis(tmp_path: Path) -> None:
    redis = RedisServer()
    with Server(f"sqlite:///{tmp_path}/earlybird.db", cache_url=redis.url) as server:
        eventually(server, away=True)  # nobody asked it yet
        rule = a_rule_on_segments("beta")
        beta = {"key": "beta", "unbounded": True}
        server.import_flags(data_of(a_flag("f", rules=[rule], fallthrough={"variation": 1}), segments=(beta,)))
        change(server, "add", "zoe")
        assert [ask(server, key) for key in "abcdef"] == [False] * 6
        assert shared(server)["isAway"]
        with redis:
            eventually(server, away=False)


@pytest.mark.parametrize("url", ["http://localhost", "redis://host:port"])
def test_a_url_that_is_no_redis_is_refused_in_words(tmp_path: Path, url: str) -> None:
    with pytest.raises(AssertionError) as failure, Server(f"sqlite:///{tmp_path}/x.db", cache_url=url):
        pass
    assert "EARLYBIRD_CACHE_URL" in str(failure.value)
    assert "Traceback" not in str(failure.value)
