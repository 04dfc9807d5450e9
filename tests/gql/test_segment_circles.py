"""Circles of segments: edits close none, not even two at the same time."""

from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest

from tests.gql.conftest import a_rule_on_segments, data_of
from tests.gql.segments import create, update, updated, violations
from tests.servers import Answer, Server

pytestmark = pytest.mark.usefixtures("empty")


def test_closing_a_circle_of_segments_is_refused_with_the_way(server: Server) -> None:
    for key in "abc":
        create(server, key)
    for user, used in ("ab", "bc"):
        updated(server, user, {"addRule": {"clauses": [{"op": "segmentMatch", "values": [used]}]}})
    for used, way in (("a", "c -> a -> b -> c"), ("c", "c -> c")):
        answer = update(server, "c", {"addRule": {"clauses": [{"op": "segmentMatch", "values": [used]}]}})
        assert violations(answer)[0][1].endswith(way)


def test_a_circle_that_was_imported_may_stay_while_other_things_change(server: Server) -> None:
    server.import_flags(data_of(segments=({"key": "s", "rules": [a_rule_on_segments("s")]},)))
    assert updated(server, "s", {"addTags": ["round"]})["tags"] == ["round"]


def test_a_circle_that_was_imported_is_broken_but_not_added_to(server: Server) -> None:
    def on(*keys: Any) -> dict[str, Any]:
        return {"clauses": [{"op": "segmentMatch", "attribute": "", "values": [*keys]}], "id": "on"}

    # A value that is no key at all is kept by an import, and leads nowhere.
    circle = ({"key": "a", "rules": [on("b", ["no key"])]}, {"key": "b", "rules": [on("a")]}, {"key": "c"})
    server.import_flags(data_of(segments=circle))
    for used in "ab":
        clauses = [{"op": "segmentMatch", "values": [used]}]
        answer = update(server, "a", {"addRule": {"clauses": clauses}})
        assert answer.code == "BAD_USER_INPUT"
        assert f"in a circle: a -> {used}" in answer.errors[0]["message"]
        assert ("an import brought it" in answer.errors[0]["message"]) is (used == "b")
    assert updated(server, "a", {"addRule": {"clauses": [{"op": "segmentMatch", "values": ["c"]}]}})
    assert updated(server, "a", {"removeRules": ["on"]})["rules"]


def test_two_edits_at_the_same_time_cannot_close_a_circle_together(server: Server) -> None:
    for attempt in range(5):
        one, two = f"one{attempt}", f"two{attempt}"
        create(server, one)
        create(server, two)

        def refer(pair: tuple[str, str]) -> Answer:
            rule = {"clauses": [{"op": "segmentMatch", "values": [pair[1]]}]}
            return update(server, pair[0], {"addRule": rule})

        with ThreadPoolExecutor(2) as pool:
            answers = list(pool.map(refer, [(one, two), (two, one)]))
        assert sorted(bool(answer.errors) for answer in answers) == [False, True]
