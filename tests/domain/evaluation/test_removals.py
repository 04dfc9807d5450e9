"""Scheduled removals: from its moment on a target is none any more, and no answer outlives its moment."""

from collections.abc import Mapping
from dataclasses import replace

from hypothesis import given
from hypothesis import strategies as st

from domain.evaluation.results import Evaluation
from domain.evaluation.snapshot import Snapshot
from domain.model.segments import ScheduledRemoval, Segment, TargetList
from tests.builders import (
    ENVIRONMENT,
    a_flag,
    a_multi_context,
    a_rule,
    a_segment,
    a_segment_rule,
    a_segment_target,
    in_segments,
)

MOMENTS = st.integers(1, 9)
KEYS = ("ann", "bob")
KINDS = ("user", "org")


@st.composite
def segments(draw: st.DrawFn, key: str = "inner") -> Segment:
    """Draw a segment whose targets may be removed."""
    some_keys = st.lists(st.sampled_from(KEYS), unique=True)
    segment = a_segment(
        key=key,
        included=draw(some_keys),
        excluded=draw(some_keys),
        included_contexts=[a_segment_target(*draw(some_keys))],
        excluded_contexts=[a_segment_target(*draw(some_keys))],
        rules=[a_segment_rule()] if draw(st.booleans()) else [],
    )
    targets = st.tuples(st.sampled_from(TargetList), st.sampled_from(KINDS), st.sampled_from(KEYS))
    moments = draw(st.dictionaries(targets, MOMENTS))
    removals = [ScheduledRemoval(*target, at_ms) for target, at_ms in moments.items()]
    removals.sort(key=lambda removal: removal.sort_key)
    return replace(segment, removals=tuple(removals)).with_removals_of_targets()


CONTEXTS = st.fixed_dictionaries({}, optional={kind: st.sampled_from(KEYS) for kind in KINDS}).filter(bool)


def snapshot_of(*inner: Segment) -> Snapshot:
    """Build an environment whose flag is reached through a segment that names others."""
    outer = a_segment(key="outer", rules=[a_segment_rule(in_segments(*(segment.key for segment in inner)))])
    flag = a_flag(rules=[a_rule(in_segments("outer"))])
    return Snapshot(ENVIRONMENT, 1, {flag.key: flag}, {s.key: s for s in (*inner, outer)})


def evaluate(snapshot: Snapshot, kinds: Mapping[str, str], now_ms: int) -> tuple[Evaluation, int | None]:
    subject = snapshot.subject(a_multi_context(**kinds), now_ms=now_ms)
    return snapshot.evaluate("flag", subject), subject.valid_until_ms


@given(segments("one"), segments("two"), CONTEXTS, MOMENTS)
def test_evaluation_at_a_moment_is_that_of_what_is_left_then(
    one: Segment, two: Segment, kinds: dict[str, str], now_ms: int
) -> None:
    left = snapshot_of(*(replace(segment.at(now_ms), removals=()) for segment in (one, two)))
    assert evaluate(snapshot_of(one, two), kinds, now_ms)[0] == evaluate(left, kinds, now_ms)[0]


@given(segments("one"), segments("two"), CONTEXTS, MOMENTS, MOMENTS)
def test_an_answer_holds_until_the_moment_it_names(
    one: Segment, two: Segment, kinds: dict[str, str], now_ms: int, later_ms: int
) -> None:
    snapshot = snapshot_of(one, two)
    answer, valid_until_ms = evaluate(snapshot, kinds, now_ms)
    assert valid_until_ms is None or valid_until_ms > now_ms
    if now_ms <= later_ms and (valid_until_ms is None or later_ms < valid_until_ms):
        assert evaluate(snapshot, kinds, later_ms)[0] == answer


@given(segments(), MOMENTS)
def test_what_is_left_is_what_was_targeted_without_what_has_been_removed(segment: Segment, now_ms: int) -> None:
    gone = {removal.target for removal in segment.removals if removal.at_ms <= now_ms}
    left = segment.at(now_ms)
    for target_list, before, after in (
        (TargetList.INCLUDED, segment.included_targets, left.included_targets),
        (TargetList.EXCLUDED, segment.excluded_targets, left.excluded_targets),
    ):
        assert list(after) == [t for t in before if (target_list, t.context_kind, t.key) not in gone]
    assert all(removal.at_ms > now_ms for removal in left.removals)


def test_a_target_is_there_to_the_last_millisecond() -> None:
    removal = ScheduledRemoval(TargetList.INCLUDED, "user", "ann", 1_000)
    snapshot = snapshot_of(replace(a_segment(included=["ann", "bob"]), removals=(removal,)))
    answers = [evaluate(snapshot, {"user": key}, at) for key in KEYS for at in (999, 1_000)]
    assert [(answer.value, until) for answer, until in answers] == [
        ("match", 1_000),
        ("fallthrough", None),
        ("match", None),
        ("match", None),
    ]


def test_what_is_left_is_found_once_for_all_who_ask_until_the_next_moment() -> None:
    removals = tuple(
        ScheduledRemoval(TargetList.INCLUDED, "user", key, at_ms) for key, at_ms in (("ann", 5), ("bob", 9))
    )
    segment = replace(a_segment(included=KEYS), removals=removals)
    assert segment.at(4) is segment
    assert segment.at(5) is segment.at(8)
    assert segment.at(9).member_count == 0
    assert segment.at(5).member_count == 1
