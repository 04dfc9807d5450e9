"""Segments, and why contexts are in them (LaunchDarkly semantics 2.7)."""

import pytest

from domain.evaluation.results import BigSegmentsStatus, EvaluationErrorKind
from domain.evaluation.segments import MembershipReason
from domain.model.contexts import Context
from domain.model.segments import Segment
from tests.builders import (
    a_clause,
    a_context,
    a_flag,
    a_large_list,
    a_membership,
    a_multi_context,
    a_rule,
    a_segment,
    a_segment_rule,
    a_segment_target,
    a_snapshot,
    a_user,
    evaluate,
    in_segments,
    is_member,
    malformed,
)

EVERYBODY = a_segment_rule()
ANN, BOB = a_context(key="ann"), a_context(key="bob")


def contains(segment: Segment, *others: Segment, context: Context = ANN) -> bool | EvaluationErrorKind:
    found = is_member(segment, *others, context=context)
    return found.error_kind or found.is_member


# Individual targets


def test_nobody_is_in_an_empty_segment() -> None:
    assert contains(a_segment()) is False


def test_an_included_key_is_in() -> None:
    assert contains(a_segment(included=["ann"])) is True
    assert contains(a_segment(included=["ann"]), context=BOB) is False


def test_included_wins_over_excluded() -> None:
    assert contains(a_segment(included=["ann"], excluded=["ann"])) is True


def test_excluded_wins_over_rules() -> None:
    segment = a_segment(excluded=["ann"], rules=[EVERYBODY])
    assert (contains(segment), contains(segment, context=BOB)) == (False, True)


def test_included_and_excluded_are_keys_of_users_only() -> None:
    org = a_context(kind="org", key="ann")
    assert contains(a_segment(included=["ann"]), context=org) is False
    assert contains(a_segment(excluded=["ann"], rules=[EVERYBODY]), context=org) is True


def test_contexts_of_other_kinds_are_included_by_kind_and_key() -> None:
    segment = a_segment(
        included_contexts=[a_segment_target("acme"), a_segment_target("tv", context_kind="device")]
    )
    members = [
        a_context(kind="org", key="acme"),
        a_context(kind="device", key="tv"),
        a_multi_context(user="x", org="acme"),
    ]
    others = [a_context(kind="org", key="tv"), a_context(key="acme"), a_multi_context(user="acme", org="x")]
    assert [contains(segment, context=context) for context in members] == [True] * 3
    assert [contains(segment, context=context) for context in others] == [False] * 3


def test_contexts_of_other_kinds_are_excluded_by_kind_and_key() -> None:
    segment = a_segment(excluded_contexts=[a_segment_target("acme")], rules=[EVERYBODY])
    assert contains(segment, context=a_multi_context(user="ann", org="acme")) is False
    assert contains(segment, context=a_multi_context(user="ann", org="x")) is True


def test_an_included_context_wins_over_an_excluded_user() -> None:
    segment = a_segment(included_contexts=[a_segment_target("acme")], excluded=["ann"])
    assert contains(segment, context=a_multi_context(user="ann", org="acme")) is True


def test_an_included_user_wins_over_an_excluded_context() -> None:
    segment = a_segment(included=["ann"], excluded_contexts=[a_segment_target("acme")])
    assert contains(segment, context=a_multi_context(user="ann", org="acme")) is True


@pytest.mark.parametrize("kind", ["user", "", None])
def test_context_targets_of_kind_user_are_not_looked_at_for_a_user_alone(kind: str | None) -> None:
    included = a_segment(included_contexts=[a_segment_target("ann", context_kind=kind)])
    excluded = a_segment(excluded_contexts=[a_segment_target("ann", context_kind=kind)], rules=[EVERYBODY])
    several = a_multi_context(user="ann", org="acme")
    assert (contains(included), contains(included, context=several)) == (False, True)
    assert (contains(excluded), contains(excluded, context=several)) == (True, False)


# Rules


def test_any_rule_makes_a_member() -> None:
    segment = a_segment(rules=[a_segment_rule(a_clause(values=["ann"])), a_segment_rule(a_clause(values=["bob"]))])
    found = [contains(segment, context=a_context(key=key)) for key in ("ann", "bob", "cat")]
    assert found == [True, True, False]


def test_all_clauses_of_a_rule_must_match() -> None:
    rule = a_segment_rule(a_clause(values=["ann", "bob"]), a_clause(values=["ann"]))
    assert (contains(a_segment(rules=[rule])), contains(a_segment(rules=[rule]), context=BOB)) == (True, False)


def test_a_bad_clause_is_malformed_unless_an_earlier_rule_matches() -> None:
    bad = a_segment_rule(a_clause(attribute=""))
    assert contains(a_segment(rules=[bad, EVERYBODY])) is EvaluationErrorKind.MALFORMED_FLAG
    assert contains(a_segment(rules=[EVERYBODY, bad])) is True
    assert contains(a_segment(included=["ann"], rules=[bad])) is True


def weighted(weight: int | None, *, bucket_by: str | None = None, kind: str | None = None) -> Segment:
    """Make a segment whose vectors are known: userKeyA 0.42157587, userKeyB 0.67084850, userKeyC 0.10343106."""
    rule = a_segment_rule(weight=weight, bucket_by=bucket_by, rollout_context_kind=kind)
    return a_segment(key="hashKey", salt="saltyA", rules=[rule])


def test_a_weight_takes_a_share_by_key_and_salt() -> None:
    keys = ("userKeyA", "userKeyB", "userKeyC")
    assert [contains(weighted(42_157), context=a_context(key=key)) for key in keys] == [False, False, True]
    assert [contains(weighted(42_158), context=a_context(key=key)) for key in keys] == [True, False, True]


@pytest.mark.parametrize(("weight", "expected"), [(None, True), (100_000, True), (0, False), (-5, False)])
def test_the_ends_of_weights(weight: int | None, expected: bool) -> None:
    assert contains(weighted(weight)) is expected


def test_a_weight_counts_after_the_clauses() -> None:
    rule = a_segment_rule(a_clause(values=["bob"]), weight=100_000)
    assert contains(a_segment(rules=[rule])) is False


def test_a_share_may_go_by_another_attribute() -> None:
    segment = weighted(20_000, bucket_by="team")
    assert contains(segment, context=a_context(team="userKeyC")) is True
    assert contains(segment, context=a_context(team="userKeyB")) is False


@pytest.mark.parametrize(("weight", "expected"), [(1, True), (0, False)])
def test_without_the_attribute_the_bucket_is_0(weight: int, expected: bool) -> None:
    assert contains(weighted(weight, bucket_by="missing")) is expected


@pytest.mark.parametrize("weight", [0, 50_000, 100_000])
def test_without_the_rollouts_kind_a_weighted_rule_does_not_match(weight: int) -> None:
    assert contains(weighted(weight, kind="org")) is False


def test_the_context_of_the_rollouts_kind_is_hashed() -> None:
    segment = weighted(20_000, kind="org")
    assert contains(segment, context=a_multi_context(user="userKeyB", org="userKeyC")) is True
    assert contains(segment, context=a_multi_context(user="userKeyC", org="userKeyB")) is False


def test_bucket_by_is_a_reference_where_the_rollout_has_a_kind() -> None:
    context = a_user({"/team/id": "userKeyB", "team": {"id": "userKeyC"}})
    assert contains(weighted(20_000, bucket_by="/team/id", kind="user"), context=context) is True
    assert contains(weighted(20_000, bucket_by="/team/id"), context=context) is False


def test_an_invalid_bucket_by_is_malformed_where_the_clauses_match() -> None:
    assert contains(weighted(50_000, bucket_by="//", kind="user")) is EvaluationErrorKind.MALFORMED_FLAG
    assert contains(weighted(None, bucket_by="//", kind="user")) is True
    rule = a_segment_rule(a_clause(values=["bob"]), weight=1, bucket_by="//", rollout_context_kind="user")
    assert contains(a_segment(rules=[rule])) is False


# Segments within segments


def within(key: str, *inner: str, negate: bool = False) -> Segment:
    return a_segment(key=key, rules=[a_segment_rule(in_segments(*inner, negate=negate))])


def test_segments_nest() -> None:
    inner = a_segment(key="inner", included=["ann"])
    middle = within("middle", "inner")
    assert (contains(within("outer", "middle"), middle, inner)) is True
    assert (contains(within("outer", "middle"), middle, inner, context=BOB)) is False


def test_a_nested_segment_may_be_negated_and_may_be_unknown() -> None:
    assert contains(within("outer", "nowhere")) is False
    assert contains(within("outer", "nowhere", negate=True)) is True


def test_the_same_segment_on_two_branches_is_no_circle() -> None:
    others = [within("left", "shared"), within("right", "shared"), a_segment(key="shared")]
    assert contains(within("outer", "left", "right", "shared"), *others) is False


@pytest.mark.parametrize("keys", [("a",), ("a", "b"), ("a", "b", "c")])
def test_a_circle_is_malformed(keys: tuple[str, ...]) -> None:
    first, *others = [within(key, following) for key, following in zip(keys, (*keys[1:], "a"), strict=True)]
    assert contains(first, *others) is EvaluationErrorKind.MALFORMED_FLAG
    assert evaluate(a_flag(rules=[a_rule(in_segments("a"))]), segments=[first, *others]) == malformed()


def test_a_circle_that_is_not_reached_spoils_nothing() -> None:
    circle = a_segment(key="a", included=["ann"], rules=[a_segment_rule(in_segments("a"))])
    assert contains(circle) is True
    assert contains(circle, context=BOB) is EvaluationErrorKind.MALFORMED_FLAG


# Memberships


def test_memberships_tell_why_a_context_is_in_each_segment() -> None:
    segments = [
        a_segment(key="by-target", included=["ann"], rules=[EVERYBODY]),
        a_segment(
            key="by-rule", rules=[a_segment_rule(a_clause(values=["bob"]), id="no"), a_segment_rule(id="yes")]
        ),
        a_segment(key="by-nameless-rule", rules=[EVERYBODY]),
        a_large_list(key="by_list", rules=[EVERYBODY]),
        a_large_list(key="by-lists-rule", rules=[EVERYBODY]),
        a_segment(key="out", excluded=["ann"], rules=[EVERYBODY]),
        a_segment(key="broken", rules=[a_segment_rule(a_clause(attribute=""))]),
    ]
    snapshot = a_snapshot(segments=segments)
    subject = snapshot.subject(a_context(), {"ann": a_membership(by_list=True)})
    found = {
        one.segment.key: (
            one.is_member,
            one.reason,
            one.rule_index,
            one.rule_id,
            one.big_segments_status,
            one.error_kind,
        )
        for one in snapshot.memberships(subject)
    }
    assert found == {
        "by-target": (True, MembershipReason.TARGET, None, None, None, None),
        "by-rule": (True, MembershipReason.RULE, 1, "yes", None, None),
        "by-nameless-rule": (True, MembershipReason.RULE, 0, None, None, None),
        "by_list": (True, MembershipReason.LIST, None, None, BigSegmentsStatus.HEALTHY, None),
        "by-lists-rule": (True, MembershipReason.RULE, 0, None, BigSegmentsStatus.HEALTHY, None),
        "out": (False, None, None, None, None, None),
        "broken": (False, None, None, None, None, EvaluationErrorKind.MALFORMED_FLAG),
    }


def test_memberships_come_in_the_order_of_keys() -> None:
    snapshot = a_snapshot(segments=[a_segment(key=key) for key in ("b", "c", "a")])
    found = snapshot.memberships(snapshot.subject(a_context()))
    assert [one.segment.key for one in found] == ["a", "b", "c"]
