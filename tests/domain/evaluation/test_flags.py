"""Flags: what is served, in which order, and why (LaunchDarkly semantics 2.1, 2.2, 2.9)."""

from dataclasses import replace

import pytest

from domain.evaluation.results import Evaluation, EvaluationErrorKind, EvaluationReason, ReasonKind
from domain.json import Json
from domain.model.flags import EnvironmentFlag
from domain.model.targeting import Rollout, VariationOrRollout
from tests.builders import (
    FALLTHROUGH_VARIATION,
    MATCH_VARIATION,
    OFF_VARIATION,
    a_clause,
    a_context,
    a_flag,
    a_multi_context,
    a_rollout,
    a_rule,
    a_segment,
    a_segment_rule,
    a_snapshot,
    a_target,
    evaluate,
    in_segments,
    malformed,
)

OFF = EvaluationReason(kind=ReasonKind.OFF)
FALLTHROUGH = EvaluationReason(kind=ReasonKind.FALLTHROUGH)
TARGET_MATCH = EvaluationReason(kind=ReasonKind.TARGET_MATCH)


def failed(key: str) -> EvaluationReason:
    return EvaluationReason(kind=ReasonKind.PREREQUISITE_FAILED, prerequisite_key=key)


# The ladder


def test_a_flag_that_is_off_serves_its_off_variation_whatever_its_targeting_says() -> None:
    flag = a_flag(on=False, targets=[a_target("ann")], rules=[a_rule()], prerequisites=[("missing", 0)])
    assert evaluate(flag) == Evaluation("flag", "off", OFF_VARIATION, OFF)


def test_off_without_a_variation_is_the_callers_default_and_no_error() -> None:
    assert evaluate(a_flag(on=False, off_variation=None)) == Evaluation("flag", None, None, OFF)


def test_a_target_wins_over_a_rule() -> None:
    flag = a_flag(targets=[a_target("ann", variation=0)], rules=[a_rule()])
    assert evaluate(flag) == Evaluation("flag", "off", 0, TARGET_MATCH)


def test_the_first_rule_that_matches_wins_and_is_named() -> None:
    rules = [a_rule(a_clause(values=["bob"]), id="no"), a_rule(id="yes"), a_rule(id="late", serves=0)]
    reason = EvaluationReason(kind=ReasonKind.RULE_MATCH, rule_index=1, rule_id="yes")
    assert evaluate(a_flag(rules=rules)) == Evaluation("flag", "match", MATCH_VARIATION, reason)


def test_a_rule_without_an_id_has_none_in_the_reason() -> None:
    reason = EvaluationReason(kind=ReasonKind.RULE_MATCH, rule_index=0)
    assert evaluate(a_flag(rules=[a_rule()])).reason == reason


def test_where_nothing_matches_the_fallthrough_is_served() -> None:
    flag = a_flag(targets=[a_target("bob")], rules=[a_rule(a_clause(values=["bob"]))])
    assert evaluate(flag) == Evaluation("flag", "fallthrough", FALLTHROUGH_VARIATION, FALLTHROUGH)


@pytest.mark.parametrize("value", [None, False, 0, 1.5, "", [], {}, {"a": [1, {"b": None}]}])
def test_any_json_is_served_as_it_is(value: Json) -> None:
    result = evaluate(a_flag(variations=[value], fallthrough=0))
    assert (result.value, result.variation_index) == (value, 0)
    assert type(result.value) is type(value)


def test_a_variation_wins_over_a_rollout() -> None:
    flag = a_flag()
    both = VariationOrRollout(variation=2, rollout=a_rollout(100_000))
    assert evaluate(with_fallthrough(flag, both)).variation_index == 2


def with_fallthrough(flag: EnvironmentFlag, serves: VariationOrRollout) -> EnvironmentFlag:
    return replace(flag, targeting=replace(flag.targeting, fallthrough=serves))


# Malformed


@pytest.mark.parametrize("index", [-1, 3, 100])
@pytest.mark.parametrize("place", ["off", "fallthrough", "target", "context target", "rule"])
def test_a_variation_that_is_not_there_is_malformed(place: str, index: int) -> None:
    flags = {
        "off": a_flag(on=False, off_variation=index),
        "fallthrough": a_flag(fallthrough=index),
        "target": a_flag(targets=[a_target("ann", variation=index)]),
        "context target": a_flag(context_targets=[a_target("ann", variation=index, context_kind="user")]),
        "rule": a_flag(rules=[a_rule(serves=index)]),
    }
    assert evaluate(flags[place]) == malformed()


def test_the_off_variation_of_a_failed_prerequisite_may_be_malformed_too() -> None:
    assert evaluate(a_flag(off_variation=3, prerequisites=[("missing", 0)])) == malformed()


@pytest.mark.parametrize("serves", [None, a_rollout(), a_rollout(0, 0, 0, 100_000)])
@pytest.mark.parametrize("place", ["fallthrough", "rule"])
def test_serving_nothing_is_malformed(place: str, serves: Rollout | None) -> None:
    flag = a_flag(fallthrough=serves) if place == "fallthrough" else a_flag(rules=[a_rule(serves=serves)])
    assert evaluate(flag) == malformed()


def test_what_is_broken_but_not_reached_spoils_nothing() -> None:
    broken = a_rule(a_clause(values=["bob"]), serves=None)
    flag = a_flag(off_variation=9, targets=[a_target("bob", variation=9)], rules=[broken])
    assert evaluate(flag).reason == FALLTHROUGH


# Targets


def test_targets_are_keys_of_users_only() -> None:
    flag = a_flag(targets=[a_target("ann")])
    assert evaluate(flag, context=a_multi_context(user="ann", org="acme")).reason == TARGET_MATCH
    assert evaluate(flag, context=a_context(kind="org", key="ann")).reason == FALLTHROUGH


def test_of_two_targets_the_first_wins() -> None:
    flag = a_flag(targets=[a_target("ann", variation=0), a_target("ann", variation=2)])
    assert evaluate(flag).variation_index == 0


def test_context_targets_are_of_their_own_kind() -> None:
    flag = a_flag(context_targets=[a_target("acme", context_kind="org")])
    assert evaluate(flag, context=a_multi_context(user="ann", org="acme")).reason == TARGET_MATCH
    assert evaluate(flag, context=a_multi_context(user="acme", org="ann")).reason == FALLTHROUGH


@pytest.mark.parametrize("first", ["org", "user"])
def test_context_targets_give_the_order_across_kinds(first: str) -> None:
    org = a_target("acme", variation=0, context_kind="org")
    user = a_target(variation=2, context_kind="user")
    flag = a_flag(
        targets=[a_target("ann", variation=2)], context_targets=[org, user] if first == "org" else [user, org]
    )
    result = evaluate(flag, context=a_multi_context(user="ann", org="acme"))
    assert result.variation_index == (0 if first == "org" else 2)


def test_order_holds_where_a_kind_comes_again() -> None:
    targets = [
        a_target("other", variation=0, context_kind="org"),
        a_target("laptop", variation=1, context_kind="device"),
        a_target("acme", variation=2, context_kind="org"),
    ]
    context = a_multi_context(org="acme", device="laptop")
    assert evaluate(a_flag(context_targets=targets), context=context).variation_index == 1


@pytest.mark.parametrize("kind", ["user", "", None])
def test_an_empty_user_entry_stands_for_the_first_target_of_its_variation(kind: str | None) -> None:
    flag = a_flag(
        targets=[a_target("ann", variation=2), a_target("bob", variation=2), a_target("cat", variation=1)],
        context_targets=[a_target(variation=2, context_kind=kind)],
    )
    found = [evaluate(flag, context=a_context(key=key)).reason for key in ("ann", "bob", "cat")]
    assert found == [TARGET_MATCH, FALLTHROUGH, FALLTHROUGH]


def test_an_empty_user_entry_without_its_target_stands_for_nobody() -> None:
    flag = a_flag(targets=[a_target("ann", variation=2)], context_targets=[a_target(variation=1)])
    assert evaluate(flag).reason == FALLTHROUGH


def test_an_empty_entry_of_another_kind_stands_for_nobody() -> None:
    flag = a_flag(targets=[a_target("ann")], context_targets=[a_target(context_kind="org")])
    assert evaluate(flag, context=a_multi_context(user="ann", org="ann")).reason == FALLTHROUGH


def test_a_user_entry_with_values_of_its_own_uses_them() -> None:
    flag = a_flag(
        targets=[a_target("ann", variation=2)],
        context_targets=[a_target("bob", variation=2, context_kind="user")],
    )
    assert evaluate(flag, context=a_context(key="bob")).reason == TARGET_MATCH
    assert evaluate(flag, context=a_context(key="ann")).reason == FALLTHROUGH


def test_the_targets_of_a_kind_that_the_context_lacks_are_passed_over() -> None:
    flag = a_flag(context_targets=[a_target("ann", context_kind="org"), a_target("ann", context_kind="device")])
    assert evaluate(flag, context=a_context(kind="device")).reason == TARGET_MATCH


# Prerequisites


def test_a_prerequisite_that_serves_its_variation_is_met() -> None:
    assert evaluate(a_flag(prerequisites=[("other", 1)]), a_flag(key="other")).reason == FALLTHROUGH


def test_a_prerequisite_that_serves_another_variation_fails() -> None:
    result = evaluate(a_flag(prerequisites=[("other", 0)]), a_flag(key="other"))
    assert result == Evaluation("flag", "off", OFF_VARIATION, failed("other"))


def test_a_prerequisite_that_is_missing_fails() -> None:
    assert evaluate(a_flag(prerequisites=[("missing", 0)])).reason == failed("missing")


def test_a_prerequisite_that_is_archived_fails() -> None:
    result = evaluate(a_flag(prerequisites=[("other", 1)]), a_flag(key="other", archived=True))
    assert result.reason == failed("other")


def test_a_prerequisite_that_is_off_fails_although_it_serves_the_variation() -> None:
    result = evaluate(a_flag(prerequisites=[("other", 1)]), a_flag(key="other", on=False, off_variation=1))
    assert result.reason == failed("other")


def test_a_failed_prerequisite_without_an_off_variation_is_the_callers_default() -> None:
    result = evaluate(a_flag(off_variation=None, prerequisites=[("missing", 0)]))
    assert result == Evaluation("flag", None, None, failed("missing"))


def test_all_prerequisites_must_be_met_and_the_first_that_fails_is_named() -> None:
    flag = a_flag(prerequisites=[("met", 1), ("first", 0), ("second", 0)])
    assert evaluate(flag, a_flag(key="met"), a_flag(key="first"), a_flag(key="second")).reason == failed("first")


def test_prerequisites_come_before_targets() -> None:
    assert evaluate(a_flag(targets=[a_target("ann")], prerequisites=[("missing", 0)])).reason == failed("missing")


def test_a_failure_further_down_is_named_by_the_direct_prerequisite() -> None:
    result = evaluate(
        a_flag(prerequisites=[("middle", 1)]),
        a_flag(key="middle", prerequisites=[("bottom", 0)]),
        a_flag(key="bottom"),
    )
    assert result.reason == failed("middle")


def test_a_prerequisite_that_fails_itself_may_still_serve_the_variation() -> None:
    middle = a_flag(key="middle", off_variation=1, prerequisites=[("missing", 0)])
    assert evaluate(a_flag(prerequisites=[("middle", 1)]), middle).reason == FALLTHROUGH


def test_a_prerequisite_is_evaluated_for_the_same_context() -> None:
    other = a_flag(key="other", rules=[a_rule(a_clause(values=["ann"]))])
    flag = a_flag(prerequisites=[("other", MATCH_VARIATION)])
    assert evaluate(flag, other, context=a_context(key="ann")).reason == FALLTHROUGH
    assert evaluate(flag, other, context=a_context(key="bob")).reason == failed("other")


@pytest.mark.parametrize(
    "broken",
    [
        a_flag(key="broken", fallthrough=9),
        a_flag(key="broken", fallthrough=None),
        a_flag(key="broken", fallthrough=a_rollout()),
        a_flag(key="broken", fallthrough=a_rollout(100_000, bucket_by="//", context_kind="user")),
    ],
    ids=["variation", "nothing", "empty rollout", "bucketBy"],
)
def test_a_prerequisite_that_serves_nothing_that_exists_merely_fails(broken: EnvironmentFlag) -> None:
    assert evaluate(a_flag(prerequisites=[("broken", 9)]), broken).reason == failed("broken")


def test_a_bad_clause_in_a_prerequisite_makes_the_outer_flag_malformed() -> None:
    broken = a_flag(key="broken", rules=[a_rule(a_clause(attribute=""))])
    middle = a_flag(key="middle", prerequisites=[("broken", 1)])
    assert evaluate(a_flag(prerequisites=[("broken", 1)]), broken) == malformed()
    assert evaluate(a_flag(prerequisites=[("middle", 1)]), middle, broken) == malformed()


def test_a_circle_of_segments_in_a_prerequisite_makes_the_outer_flag_malformed() -> None:
    circle = a_segment(key="circle", rules=[a_segment_rule(in_segments("circle"))])
    broken = a_flag(key="broken", rules=[a_rule(in_segments("circle"))])
    assert evaluate(a_flag(prerequisites=[("broken", 1)]), broken, segments=[circle]) == malformed()


def test_a_flag_that_is_its_own_prerequisite_is_malformed() -> None:
    assert evaluate(a_flag(prerequisites=[("flag", 1)])) == malformed()


def test_a_circle_of_prerequisites_is_malformed() -> None:
    others = [a_flag(key="b", prerequisites=[("c", 1)]), a_flag(key="c", prerequisites=[("flag", 1)])]
    assert evaluate(a_flag(prerequisites=[("b", 1)]), *others) == malformed()


def test_a_circle_beyond_a_prerequisite_makes_the_outer_flag_malformed() -> None:
    others = [a_flag(key="b", prerequisites=[("c", 1)]), a_flag(key="c", prerequisites=[("b", 1)])]
    assert evaluate(a_flag(prerequisites=[("b", 1)]), *others) == malformed()


def test_a_circle_that_is_not_reached_spoils_nothing() -> None:
    other = a_flag(key="other", on=False, prerequisites=[("flag", 1)])
    assert evaluate(a_flag(prerequisites=[("other", 1)]), other).reason == failed("other")
    circle = [("missing", 0), ("flag", 1)]
    assert evaluate(a_flag(prerequisites=circle)).reason == failed("missing")


def test_the_same_prerequisite_on_two_branches_is_no_circle() -> None:
    left = a_flag(key="left", prerequisites=[("shared", 1)])
    right = a_flag(key="right", prerequisites=[("shared", 1), ("left", 1)])
    flag = a_flag(prerequisites=[("left", 1), ("right", 1), ("shared", 1), ("shared", 1)])
    assert evaluate(flag, left, right, a_flag(key="shared")).reason == FALLTHROUGH


def test_an_unknown_flag_is_not_found() -> None:
    snapshot = a_snapshot()
    reason = EvaluationReason(kind=ReasonKind.ERROR, error_kind=EvaluationErrorKind.FLAG_NOT_FOUND)
    assert snapshot.evaluate("nowhere", snapshot.subject(a_context())) == Evaluation("nowhere", None, None, reason)
