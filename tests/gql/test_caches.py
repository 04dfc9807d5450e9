"""The caches over HTTP: repeated questions are hits, changes and ends are kept to, owners see how it goes."""

import time
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from tests.gql.conftest import a_flag, a_rule_on_segments, data_of
from tests.gql.metrics import STATISTICS, statistics
from tests.servers import Server

FLAGS = """query ($context: JSON!) { evaluateFlags(environment: {project: "default", environment: "production"},
    context: $context) { revision validUntil evaluations { flagKey value } } }"""
ADA = {"kind": "user", "key": "ada"}


def ask(server: Server, context: dict[str, Any] | None = None) -> dict[str, Any]:
    answer: dict[str, Any] = server.post(FLAGS, context=context or ADA)["evaluateFlags"]
    return {**answer, "evaluations": {item["flagKey"]: item["value"] for item in answer["evaluations"]}}


def test_a_repeated_question_is_a_hit_and_answered_the_same(server: Server) -> None:
    server.import_flags(data_of(a_flag("f")))
    first = ask(server)
    before = statistics(server, "responses")
    assert ask(server) == first
    after = statistics(server, "responses")
    assert (after["hits"] - before["hits"], after["misses"] - before["misses"]) == (1, 0)
    assert after["entries"] == before["entries"] > 0
    assert after["bytes"] == before["bytes"] > 0


def test_no_change_is_followed_by_an_answer_from_before_it(server: Server) -> None:
    for number in range(20):
        revision = server.import_flags(data_of(a_flag("f", variations=[number, -1])))["importFlagData"]["revision"]
        for _ in range(2):
            answer = ask(server)
            assert answer["evaluations"] == {"f": number}
            assert answer["revision"] >= revision


def test_no_answer_outlives_a_scheduled_removal(server: Server) -> None:
    flag = a_flag("f", rules=[a_rule_on_segments("beta")], fallthrough={"variation": 1})
    server.import_flags(data_of(flag, segments=({"key": "beta"},)))
    end = datetime.now(UTC) + timedelta(seconds=1)
    update = "mutation ($input: UpdateSegmentInput!) { updateSegment(input: $input) { segment { version } } }"
    target = {"list": "INCLUDED", "keys": ["ada"], "removeAt": end.isoformat(timespec="milliseconds")}
    place = {"project": "default", "environment": "production"}
    server.post(
        update, input={"environment": place, "segmentKey": "beta", "instructions": [{"addTargets": target}]}
    )["updateSegment"]
    before = ask(server)
    assert before["evaluations"] == {"f": True}
    assert datetime.fromisoformat(before["validUntil"]) <= end
    while datetime.now(UTC) < end:
        answer = ask(server)["evaluations"]["f"]
        assert answer is True or datetime.now(UTC) >= end.replace(microsecond=end.microsecond // 1_000 * 1_000)
        time.sleep(0.01)
    assert ask(server)["evaluations"] == {"f": False}


def test_only_owners_see_how_the_caches_do(secrets: tuple[Server, dict[str, str]]) -> None:
    server, printed = secrets
    assert server.post(STATISTICS, token="").code == "UNAUTHENTICATED"
    assert server.post(STATISTICS, token=printed["server SDK key, production"]).code == "FORBIDDEN"
    assert {item["unit"] for item in server.post(STATISTICS)["cacheStatistics"]} == {"responses", "largeLists"}


def test_a_service_without_room_for_a_cache_answers_the_same(tmp_path_factory: pytest.TempPathFactory) -> None:
    store = f"sqlite:///{tmp_path_factory.mktemp('uncached')}/earlybird.db"
    with Server(store, cache_entries="0") as server:
        server.import_flags(data_of(a_flag("f")))
        assert [ask(server)["evaluations"] for _ in range(2)] == [{"f": True}] * 2
        assert statistics(server, "responses")["hits"] == 0
