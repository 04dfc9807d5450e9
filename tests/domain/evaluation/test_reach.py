"""Reach: an evaluation never needs a large list that its flag is not said to reach, and few others are."""

import random
from dataclasses import replace

from hypothesis import given

from domain.model.contexts import parse_context
from tests.builders import (
    a_flag,
    a_large_list,
    a_rule,
    a_segment,
    a_segment_rule,
    a_snapshot,
    a_snapshot_of,
    in_segments,
)
from tests.strategies import random_world, seeds


def test_lists_are_reached_through_prerequisites_and_segments() -> None:
    snapshot = a_snapshot(
        flags=[
            a_flag(key="direct", rules=[a_rule(in_segments("a", negate=True))]),
            a_flag(key="nested", rules=[a_rule(in_segments("around-b"))]),
            a_flag(key="dependent", prerequisites=[("nested", 0), ("dependent", 0), ("nowhere", 0)]),
            a_flag(key="plain"),
        ],
        segments=[
            *(a_large_list(key=key) for key in ("a", "b", "unused")),
            a_segment(key="around-b", rules=[a_segment_rule(in_segments("b", "around-b", "nowhere"))]),
        ],
    )
    reached = {key: [found.key for found in snapshot.reach.lists_of([key])] for key in snapshot.flags}
    assert reached == {"direct": ["a"], "nested": ["b"], "dependent": ["b"], "plain": []}
    assert [found.key for found in snapshot.reach.lists_of(["dependent", "unknown", "direct"])] == ["a", "b"]


@given(seeds())
def test_no_other_list_is_ever_missed(seed: int) -> None:
    world = random_world(random.Random(seed))  # noqa: S311 - repeatable, not secret
    snapshot = a_snapshot_of(world.data)
    for key in snapshot.flags:
        reached = {segment.list_reference for segment in snapshot.reach.lists_of([key])}
        known = {
            name: replace(found, listed={name: is_in for name, is_in in found.listed.items() if name in reached})
            for name, found in world.memberships.items()
        }
        for context in map(parse_context, world.contexts):
            whole = snapshot.evaluate(key, snapshot.subject(context, world.memberships))
            assert snapshot.evaluate(key, snapshot.subject(context, known)) == whole
