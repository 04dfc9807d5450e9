"""A copied targeting serves what it served where it came from."""

import random
from dataclasses import replace

from hypothesis import assume, given, settings

from domain.evaluation.operators import SEGMENT_MATCH
from domain.evaluation.snapshot import Snapshot
from domain.instructions.rules import rule_names
from domain.model.contexts import parse_context
from domain.model.flags import EnvironmentFlag
from domain.model.targeting import Targeting
from domain.services.flag_copies import Copying, TargetingPart
from tests.builders import ENVIRONMENT, a_snapshot, a_snapshot_of
from tests.strategies import random_world, seeds


def with_targeting(snapshot: Snapshot, key: str, targeting: Targeting) -> Snapshot:
    flags = {**snapshot.flags, key: EnvironmentFlag(snapshot.flags[key].flag, targeting)}
    return a_snapshot(flags=flags.values(), segments=[s.segment for s in snapshot.segments.values()])


def emptied(snapshot: Snapshot, key: str) -> Snapshot:
    """The environment with a flag of which it only keeps the salt."""
    salt = snapshot.flags[key].targeting.salt
    return with_targeting(snapshot, key, Targeting(environment=ENVIRONMENT, flag_key=key, salt=salt))


@given(seeds())
@settings(max_examples=100)
def test_a_whole_copy_serves_everybody_what_the_source_serves(seed: int) -> None:
    world = random_world(random.Random(seed))  # noqa: S311 - repeatable, not secret
    source = a_snapshot_of(world.data)
    copies = {key: Copying(source, emptied(source, key), key) for key in source.flags}
    targetings = {key: copying.apply(list(TargetingPart)) for key, copying in copies.items()}
    whole = [key for key, copying in copies.items() if not copying.skipped and not copying.circles]
    assume(whole)
    for key in whole:
        target = with_targeting(source, key, targetings[key])
        for context in map(parse_context, world.contexts):
            there = source.evaluate(key, source.subject(context, world.memberships))
            assert target.evaluate(key, target.subject(context, world.memberships)) == there


@given(seeds())
@settings(max_examples=100)
def test_without_segments_exactly_the_rules_on_segments_are_left_out(seed: int) -> None:
    world = random_world(random.Random(seed))  # noqa: S311 - repeatable, not secret
    source = a_snapshot_of(world.data)
    bare = a_snapshot(flags=source.flags.values())
    for key, flag in source.flags.items():
        copying = Copying(source, bare, key)
        copied = copying.apply([TargetingPart.RULES])
        named = dict(zip(rule_names(flag.targeting), flag.rules, strict=True))
        on_segments = {
            name
            for name, rule in named.items()
            if any(c.op == SEGMENT_MATCH and any(isinstance(v, str) for v in c.values) for c in rule.clauses)
        }
        left_out = {skipped.key for skipped in copying.skipped}
        assert {skipped.key for skipped in copying.skipped if skipped.segments} == on_segments
        assert copied == replace(
            flag.targeting, rules=tuple(rule for name, rule in named.items() if name not in left_out)
        )
