"""Removing a variation that nothing names changes no evaluation."""

import random
from dataclasses import replace

import pytest
from hypothesis import assume, given, settings

from domain.evaluation.results import Evaluation
from domain.evaluation.snapshot import Snapshot
from domain.instructions.clauses import EditScope
from domain.instructions.flag_details import RemoveVariation
from domain.instructions.variation_removal import variation_users, without_variation
from domain.model.contexts import parse_context
from domain.model.flags import EnvironmentFlag
from domain.model.targeting import Targeting
from tests.builders import a_flag, a_rollout, a_rule, a_snapshot, a_snapshot_of, a_target
from tests.strategies import World, random_world, seeds


def unused(snapshot: Snapshot) -> list[tuple[str, int]]:
    return [
        (key, index)
        for key, flag in snapshot.flags.items()
        if len(flag.variations) > 1
        for index in range(len(flag.variations))
        if not any(variation_users(other.targeting, key, index) for other in snapshot.flags.values())
    ]


def removed(snapshot: Snapshot, key: str, index: int) -> Snapshot:
    flags = [
        EnvironmentFlag(
            RemoveVariation(index).apply(flag.flag, EditScope(frozenset())) if flag.key == key else flag.flag,
            without_variation(flag.targeting, key, index),
        )
        for flag in snapshot.flags.values()
    ]
    return a_snapshot(flags=flags, segments=[segment.segment for segment in snapshot.segments.values()])


def evaluations(snapshot: Snapshot, world: World) -> list[Evaluation]:
    subjects = [snapshot.subject(parse_context(context), world.memberships) for context in world.contexts]
    return [snapshot.evaluate(key, subject) for subject in subjects for key in snapshot.flags]


@given(seeds())
@settings(max_examples=150)
def test_removing_an_unused_variation_changes_no_evaluation_but_the_places_above_it(seed: int) -> None:
    world = random_world(random.Random(seed))  # noqa: S311 - repeatable, not secret
    before = a_snapshot_of(world.data)
    candidates = unused(before)
    assume(candidates)
    for key, index in candidates:
        after = evaluations(removed(before, key, index), world)
        assert after == [
            replace(was, variation_index=was.variation_index - 1)
            if was.flag_key == key and was.variation_index is not None and was.variation_index > index
            else was
            for was in evaluations(before, world)
        ]


FLAG = a_flag(fallthrough=0, off_variation=0).targeting


@pytest.mark.parametrize(
    ("targeting", "users"),
    [
        (FLAG, []),
        (replace(FLAG, off_variation=1), [("offVariation", "flag")]),
        (a_flag(fallthrough=a_rollout(100_000, 0)).targeting, [("fallthrough", "flag")]),
        (a_flag(fallthrough=0, rules=[a_rule(serves=0), a_rule(serves=1, id="r")]).targeting, [("rule", "flag/r")]),
        (a_flag(fallthrough=0, rules=[a_rule(serves=1)]).targeting, [("rule", "flag/#0")]),
        (a_flag(fallthrough=0, targets=[a_target("a", variation=1)]).targeting, [("targets", "flag")]),
        (a_flag(fallthrough=0, context_targets=[a_target("a", variation=1, context_kind="org")]).targeting, [("targets", "flag")]),
        (a_flag(key="other", fallthrough=1, prerequisites=[("flag", 1)]).targeting, [("prerequisite", "other")]),
        (a_flag(key="other", fallthrough=1, prerequisites=[("flag", 0)]).targeting, []),
    ],
)  # fmt: skip # reads as a table, one case or group a line
def test_every_place_that_names_a_variation_is_told(targeting: Targeting, users: list[tuple[str, str]]) -> None:
    assert variation_users(targeting, "flag", 1) == users


def test_targets_that_do_not_count_never_begin_to() -> None:
    alone = a_flag(
        fallthrough=0, targets=[a_target("a", variation=2)], context_targets=[a_target(variation=1)]
    ).targeting
    assert variation_users(alone, "flag", 1) == [("targets", "flag")]
    ordered = replace(alone, context_targets=(*alone.context_targets, a_target("o", context_kind="org")))
    assert variation_users(ordered, "flag", 1) == []
    after = without_variation(ordered, "flag", 1)
    assert after.context_targets == (a_target("o", variation=1, context_kind="org"),)
    assert after.targets == (a_target("a", variation=1),)
