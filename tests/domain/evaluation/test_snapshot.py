"""Snapshots: many answers for one context, in any order; and the compiled evaluator against a naive one."""

import gc
import random
import sys
import weakref
from collections.abc import Mapping
from typing import TypeVar

import pytest
from hypothesis import given, settings

from domain.evaluation.results import BigSegmentsStatus, EvaluationErrorKind
from domain.evaluation.snapshot import Snapshot
from domain.evaluation.subject import Subject
from domain.evaluation.usage import SegmentUsageNode
from domain.model.contexts import parse_context
from tests.builders import (
    ENVIRONMENT,
    a_clause,
    a_context,
    a_flag,
    a_large_list,
    a_rule,
    a_segment,
    a_segment_rule,
    a_snapshot,
    a_snapshot_of,
    evaluate,
    in_segments,
    malformed,
)
from tests.domain.evaluation.reference import Reference
from tests.strategies import World, random_world, seeds

T = TypeVar("T")

LOOP_A = a_segment(key="loop-a", rules=[a_segment_rule(in_segments("loop-b"))])
LOOP_B = a_segment(key="loop-b", rules=[a_segment_rule(in_segments("loop-a"))])


@pytest.mark.parametrize("key", ["archived", "unknown"])
def test_a_flag_that_is_archived_evaluates_as_an_unknown_one(key: str) -> None:
    snapshot = a_snapshot(flags=[a_flag(key="archived", archived=True)])
    reason = snapshot.evaluate(key, snapshot.subject(a_context())).reason
    assert reason.error_kind is EvaluationErrorKind.FLAG_NOT_FOUND


def test_archived_flags_are_listed() -> None:
    assert list(a_snapshot(flags=[a_flag(key="archived", archived=True)]).flags) == ["archived"]


def test_flags_and_segments_are_in_the_order_of_keys() -> None:
    snapshot = a_snapshot(
        flags=[a_flag(key=key) for key in ("b", "c", "a")], segments=[a_segment(key=key) for key in ("y", "x")]
    )
    assert (list(snapshot.flags), list(snapshot.segments)) == (["a", "b", "c"], ["x", "y"])


def test_large_lists_are_named() -> None:
    snapshot = a_snapshot(segments=[a_segment(), a_large_list()])
    assert [segment.key for segment in snapshot.large_lists] == ["list"]


def test_several_flags_are_answered_in_the_order_asked() -> None:
    snapshot = a_snapshot(flags=[a_flag(key="a"), a_flag(key="b")])
    results = snapshot.evaluate_all(["b", "nowhere", "a", "b"], snapshot.subject(a_context()))
    assert [result.flag_key for result in results] == ["b", "nowhere", "a", "b"]


def test_a_malformed_flag_leaves_no_trace() -> None:
    flags = [
        a_flag(key="broken", rules=[a_rule(in_segments("loop-a"))]),
        a_flag(key="circle", prerequisites=[("fine", 1), ("needs-circle", 1)]),
        a_flag(key="needs-circle", prerequisites=[("circle", 1)]),
        a_flag(key="fine", rules=[a_rule(in_segments("empty"))]),
        a_flag(key="spared", rules=[a_rule(a_clause()), a_rule(in_segments("loop-a"))]),
    ]
    snapshot = a_snapshot(flags=flags, segments=[LOOP_A, LOOP_B, a_segment(key="empty")])
    keys = ["broken", "fine", "circle", "fine", "needs-circle", "spared", "broken", "circle"]
    subject = snapshot.subject(a_context())
    found = [subject_result.reason for subject_result in snapshot.evaluate_all(keys, subject)]
    fresh = [snapshot.evaluate(key, snapshot.subject(a_context())).reason for key in keys]
    assert found == fresh
    assert [reason.error_kind is None for reason in found] == [False, True, False, True, False, True, False, False]


def test_a_malformed_answer_has_its_status_again_and_again() -> None:
    circle = a_segment(
        key="circle", rules=[a_segment_rule(in_segments("list")), a_segment_rule(in_segments("circle"))]
    )
    flags = [
        a_flag(key="broken", rules=[a_rule(in_segments("circle"))]),
        a_flag(key="b", prerequisites=[("broken", 1)]),
    ]
    snapshot = a_snapshot(flags=flags, segments=[circle, a_large_list()])
    results = snapshot.evaluate_all(["broken", "broken", "b", "b"], snapshot.subject(a_context()))
    expected = [malformed(key, status=BigSegmentsStatus.NOT_CONFIGURED) for key in ("broken", "broken", "b", "b")]
    assert results == expected


def test_memberships_may_be_asked_between_evaluations() -> None:
    flag = a_flag(rules=[a_rule(in_segments("loop-a"))])
    snapshot = a_snapshot(flags=[flag], segments=[LOOP_A, LOOP_B])
    subject = snapshot.subject(a_context())
    first = snapshot.evaluate("flag", subject)
    memberships = snapshot.memberships(subject)
    assert snapshot.evaluate("flag", subject) == first
    assert snapshot.memberships(subject) == memberships


def a_long_chain(length: int) -> Snapshot:
    """Segments and prerequisites one after the other, by as many calls a step as there can be."""
    first = a_segment(key="s0", rules=[a_segment_rule(a_clause(values=["ann"]))])
    segments = [
        a_segment(key=f"s{n}", rules=[a_segment_rule(a_clause(), in_segments(f"s{n - 1}"), weight=100_000)])
        for n in range(1, length)
    ]
    last = a_flag(key="p0", rules=[a_rule(in_segments(f"s{length - 1}"))])
    flags = [a_flag(key=f"p{n}", fallthrough=2, prerequisites=[(f"p{n - 1}", 2)]) for n in range(1, length)]
    return a_snapshot(flags=[last, *flags], segments=[first, *segments])


def test_a_chain_of_any_length_is_answered_alone_as_beside_others() -> None:
    snapshot = a_long_chain(1_500)
    limit = sys.getrecursionlimit()
    alone = snapshot.evaluate("p1499", snapshot.subject(a_context()))
    assert alone.value == "match"
    for keys in (sorted(snapshot.flags), sorted(snapshot.flags, reverse=True)):
        answers = snapshot.evaluate_all(keys, snapshot.subject(a_context()))
        assert {(answer.value, answer.reason.error_kind) for answer in answers} == {("match", None)}
    memberships = snapshot.memberships(snapshot.subject(a_context()))
    assert all(found.is_member and found.error_kind is None for found in memberships)
    assert sys.getrecursionlimit() == limit


def test_a_long_circle_is_malformed_and_costs_its_length_once(monkeypatch: pytest.MonkeyPatch) -> None:
    length = 600
    segments = [
        a_segment(key=f"s{n}", rules=[a_segment_rule(in_segments(f"s{(n + 1) % length}"))]) for n in range(length)
    ]
    flags = [a_flag(key=f"f{n}", rules=[a_rule(in_segments(f"s{n}"))]) for n in range(length)]
    snapshot = a_snapshot(flags=flags, segments=segments)
    asked: list[str] = []
    is_in_segment = Subject.is_in_segment

    def counted(subject: Subject, key: str) -> bool:
        asked.append(key)
        return is_in_segment(subject, key)

    monkeypatch.setattr(Subject, "is_in_segment", counted)
    subject = snapshot.subject(a_context())
    assert snapshot.evaluate_all(snapshot.flags, subject) == [malformed(key) for key in snapshot.flags]
    assert {found.error_kind for found in snapshot.memberships(subject)} == {EvaluationErrorKind.MALFORMED_FLAG}
    assert len(asked) < 5 * length


def test_contexts_do_not_see_each_other() -> None:
    snapshot = a_snapshot(
        flags=[a_flag(rules=[a_rule(in_segments("s"))])], segments=[a_segment(key="s", included=["ann"])]
    )
    ann, bob = snapshot.subject(a_context(key="ann")), snapshot.subject(a_context(key="bob"))
    found = [snapshot.evaluate("flag", subject).variation_index for subject in (ann, bob, ann, bob)]
    assert found == [2, 1, 2, 1]


def test_a_snapshot_needs_nothing_but_what_it_was_given() -> None:
    assert evaluate(a_flag()).variation_index == 1


def check_any_order(world: World, rng: random.Random) -> None:
    """Whatever was asked before, in whatever order, an answer is what a fresh subject gives."""
    snapshot = a_snapshot_of(world.data)
    for given_context in world.contexts:
        context = parse_context(given_context)
        subject = snapshot.subject(context, world.memberships)
        for key in rng.choices([*snapshot.flags, "nowhere"], k=2 * len(snapshot.flags)):
            if rng.random() < 0.1:
                snapshot.memberships(subject)
            fresh = snapshot.evaluate(key, snapshot.subject(context, world.memberships))
            assert snapshot.evaluate(key, subject) == fresh
        fresh_memberships = snapshot.memberships(snapshot.subject(context, world.memberships))
        assert snapshot.memberships(subject) == fresh_memberships


def check_against_reference(world: World) -> None:
    snapshot = a_snapshot_of(world.data)
    segments = {key: seen.segment for key, seen in snapshot.segments.items()}
    for given_context in world.contexts:
        context = parse_context(given_context)
        subject = snapshot.subject(context, world.memberships)
        for key in snapshot.flags:
            naive = Reference(snapshot.flags, segments, context, world.memberships).evaluate(key)
            compiled = snapshot.evaluate(key, subject)
            assert (compiled, repr(compiled.value)) == (naive, repr(naive.value))


@settings(max_examples=1_000)
@given(seeds())
def test_order_and_repetition_change_nothing(seed: int) -> None:
    rng = random.Random(seed)  # noqa: S311 - repeatable, not secret
    check_any_order(random_world(rng), rng)


@settings(max_examples=1_500)
@given(seeds())
def test_the_compiled_evaluator_agrees_with_a_naive_one(seed: int) -> None:
    check_against_reference(random_world(random.Random(seed)))  # noqa: S311 - repeatable, not secret


def check_growth(world: World, other: World, rng: random.Random) -> None:
    """Whatever was taken over from the snapshot before, it is as one that is compiled from nothing."""
    first, second = a_snapshot_of(world.data), a_snapshot_of(other.data)
    flags = {key: rng.choice(found) for key, found in both(first.flags, second.flags).items()}
    segments = {key: rng.choice(found).segment for key, found in both(first.segments, second.segments).items()}
    grown = Snapshot(ENVIRONMENT, 2, flags, segments, before=first)
    anew = Snapshot(ENVIRONMENT, 2, flags, segments)
    for context in map(parse_context, (*world.contexts, *other.contexts)):
        subjects = [snapshot.subject(context, world.memberships) for snapshot in (grown, anew)]
        for key in flags:
            answer, expected = (
                s.evaluate(key, subject) for s, subject in zip((grown, anew), subjects, strict=True)
            )
            assert (answer, repr(answer.value)) == (expected, repr(expected.value))
    for key in segments:
        used, expected_use = (snapshot.usage.rules_using(key, transitive=True) for snapshot in (grown, anew))
        assert [shown(u) for u in used] == [shown(u) for u in expected_use]


def shown(node: SegmentUsageNode) -> tuple[object, ...]:
    return node.flag, node.rule, node.negated, [segment.key for segment in node.path]


def both(first: Mapping[str, T], second: Mapping[str, T]) -> dict[str, list[T]]:
    return {key: [found[key] for found in (first, second) if key in found] for key in {**first, **second}}


@settings(max_examples=300)
@given(seeds(), seeds())
def test_a_snapshot_that_takes_over_what_did_not_change_answers_as_a_new_one(one: int, other: int) -> None:
    rng = random.Random(one)  # noqa: S311 - repeatable, not secret
    worlds = random_world(rng), random_world(random.Random(other))  # noqa: S311 - repeatable, not secret
    check_growth(*worlds, rng)


def test_a_snapshot_that_is_replaced_is_freed_at_once() -> None:
    """Else every change would leave one to the garbage collector, which stops all else to look for it."""
    flag, segments = a_flag(rules=[a_rule(in_segments("s"))]), {"s": a_segment(key="s")}
    gc.disable()
    try:
        before = a_snapshot(flags=[flag], segments=segments.values())
        assert before.evaluate("flag", before.subject(a_context())).variation_index == 1
        assert before.segments["s"].program.active
        snapshot, usage = weakref.ref(before), weakref.ref(before.usage)
        before = Snapshot(ENVIRONMENT, 2, before.flags, segments, before=before)
        assert (snapshot(), usage()) == (None, None)
    finally:
        gc.enable()


def test_only_what_changed_is_compiled_anew() -> None:
    flags = [a_flag(key="same"), a_flag(key="changed")]
    segments = [a_segment(key="same"), a_segment(key="changed")]
    before = a_snapshot(flags=flags, segments=segments)
    after = Snapshot(
        ENVIRONMENT,
        2,
        {"same": flags[0], "changed": a_flag(key="changed", on=False)},
        {"same": segments[0], "changed": a_segment(key="changed", included=["ann"])},
        before=before,
    )
    assert after.compiled_flag(flags[0]) is before.compiled_flag(flags[0]) is not None
    assert after.compiled_segment(segments[0]) is before.compiled_segment(segments[0]) is not None
    assert after.compiled_flag(flags[1]) is None
    assert after.compiled_segment(segments[1]) is None
