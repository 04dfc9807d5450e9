"""Large lists: who is in them, and what is told of their store (LaunchDarkly semantics 2.9)."""

import pytest

from domain.evaluation.results import BigSegmentsStatus, ReasonKind, worst_status
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
    a_snapshot,
    a_target,
    evaluate,
    in_segments,
    is_member,
    malformed,
)

HEALTHY, STALE = BigSegmentsStatus.HEALTHY, BigSegmentsStatus.STALE
STORE_ERROR, NOT_CONFIGURED = BigSegmentsStatus.STORE_ERROR, BigSegmentsStatus.NOT_CONFIGURED
EVERYBODY = a_segment_rule()
ANN, BOB = a_context(key="ann"), a_context(key="bob")
IN_FLAG = [a_rule(in_segments("list"))]


@pytest.mark.parametrize("rules", [(), (EVERYBODY,)])
@pytest.mark.parametrize("listed", [True, False])
def test_the_list_decides_whatever_the_rules_say(listed: bool, rules: tuple[()]) -> None:
    found = is_member(a_large_list(rules=rules), memberships={"ann": a_membership(list=listed)})
    assert (found.is_member, found.big_segments_status) == (listed, HEALTHY)


def test_the_rules_decide_about_those_who_are_not_listed() -> None:
    knows_nothing = {"ann": a_membership()}
    assert is_member(a_large_list(), memberships=knows_nothing).is_member is False
    assert is_member(a_large_list(rules=[EVERYBODY]), memberships=knows_nothing).is_member is True


def test_included_and_excluded_of_a_large_list_are_ignored() -> None:
    segment = a_large_list(included=["ann"], excluded=["bob"], rules=[a_segment_rule(a_clause(values=["bob"]))])
    memberships = {"ann": a_membership(), "bob": a_membership()}
    assert is_member(segment, context=ANN, memberships=memberships).is_member is False
    assert is_member(segment, context=BOB, memberships=memberships).is_member is True


def test_only_the_list_of_its_generation_holds() -> None:
    memberships = {"ann": a_membership(list=True)}
    assert is_member(a_large_list(generation=1), memberships=memberships).is_member is True
    assert is_member(a_large_list(generation=2), memberships=memberships).is_member is False


def test_the_generation_0_is_a_generation() -> None:
    assert a_large_list(generation=0).list_reference == "list.g0"
    assert (
        is_member(a_large_list(generation=0), memberships={"ann": a_membership()}).big_segments_status is HEALTHY
    )


def test_a_list_that_was_never_loaded_holds_nobody_whatever_the_rules_say() -> None:
    segment = a_large_list(generation=None, rules=[EVERYBODY])
    found = is_member(segment, memberships={"ann": a_membership(list=True)})
    assert (found.is_member, found.big_segments_status) == (False, NOT_CONFIGURED)


def test_without_a_context_of_its_kind_a_list_is_not_consulted() -> None:
    found = is_member(
        a_large_list(member_kind="org", rules=[EVERYBODY]), memberships={"ann": a_membership(list=True)}
    )
    assert (found.is_member, found.big_segments_status) == (False, None)


def test_a_list_is_about_the_key_of_its_kind() -> None:
    segment, context = a_large_list(member_kind="org"), a_multi_context(user="ann", org="acme")
    memberships = {"ann": a_membership(), "acme": a_membership(list=True)}
    assert is_member(segment, context=context, memberships=memberships).is_member is True
    assert is_member(a_large_list(), context=context, memberships=memberships).is_member is False


def test_membership_goes_by_key_whatever_the_kind() -> None:
    lists = [a_large_list(key="users"), a_large_list(key="orgs", member_kind="org")]
    memberships = {"same": a_membership(users=True, orgs=True)}
    snapshot = a_snapshot(segments=lists)
    subject = snapshot.subject(a_multi_context(user="same", org="same"), memberships)
    assert [found.is_member for found in snapshot.memberships(subject)] == [True, True]


def test_without_a_store_the_rules_are_still_tried() -> None:
    found = is_member(a_large_list(rules=[EVERYBODY]))
    assert (found.is_member, found.big_segments_status) == (True, NOT_CONFIGURED)


@pytest.mark.parametrize("status", list(BigSegmentsStatus))
def test_the_stores_status_is_the_answers(status: BigSegmentsStatus) -> None:
    flag, memberships = a_flag(rules=IN_FLAG), {"ann": a_membership(status=status, list=True)}
    result = evaluate(flag, segments=[a_large_list()], memberships=memberships)
    assert (result.variation_index, result.reason.big_segments_status) == (2, status)


def test_a_failed_query_leaves_the_rules() -> None:
    memberships = {"ann": a_membership(status=STORE_ERROR)}
    found = is_member(a_large_list(rules=[EVERYBODY]), memberships=memberships)
    assert (found.is_member, found.big_segments_status) == (True, STORE_ERROR)


def test_statuses_worsen_from_healthy_over_stale_and_store_error_to_not_configured() -> None:
    ordered = [None, HEALTHY, STALE, STORE_ERROR, NOT_CONFIGURED]
    for i, left in enumerate(ordered):
        for j, right in enumerate(ordered):
            assert worst_status(left, right) is ordered[max(i, j)]


@pytest.mark.parametrize("order", [("user", "org"), ("org", "user")])
@pytest.mark.parametrize("org_status", [HEALTHY, STORE_ERROR])
def test_of_several_lists_the_worst_status_is_told(order: tuple[str, str], org_status: BigSegmentsStatus) -> None:
    lists = [a_large_list(key=f"{kind}s", member_kind=kind) for kind in order]
    memberships = {"ann": a_membership(status=STALE), "acme": a_membership(status=org_status)}
    flag = a_flag(rules=[a_rule(in_segments(f"{order[0]}s", f"{order[1]}s"))])
    context = a_multi_context(user="ann", org="acme")
    result = evaluate(flag, segments=lists, memberships=memberships, context=context)
    assert result.reason.big_segments_status is worst_status(STALE, org_status)


@pytest.mark.parametrize("kind", [kind for kind in ReasonKind if kind is not ReasonKind.OFF])
def test_the_status_is_part_of_every_kind_of_reason(kind: ReasonKind) -> None:
    consults = a_rule(in_segments("list"), a_clause(negate=True))  # asks, and never matches
    other = a_flag(key="other", rules=[consults])
    flags = {
        ReasonKind.RULE_MATCH: a_flag(rules=[consults, a_rule()]),
        ReasonKind.FALLTHROUGH: a_flag(rules=[consults]),
        ReasonKind.PREREQUISITE_FAILED: a_flag(prerequisites=[("other", 0)]),
        ReasonKind.ERROR: a_flag(rules=[consults], fallthrough=9),
        ReasonKind.TARGET_MATCH: a_flag(prerequisites=[("other", 1)], targets=[a_target("ann")]),
    }
    result = evaluate(flags[kind], other, segments=[a_large_list()])
    assert result.reason.kind is kind
    assert result.reason.big_segments_status is NOT_CONFIGURED


def test_a_flag_that_is_off_consults_no_list() -> None:
    result = evaluate(a_flag(on=False, rules=IN_FLAG), segments=[a_large_list()])
    assert result.reason.big_segments_status is None


def test_the_status_is_part_of_a_malformed_answer() -> None:
    rules = [*IN_FLAG, a_rule(a_clause(attribute=""))]
    memberships = {"ann": a_membership(status=STALE)}
    assert evaluate(a_flag(rules=rules), segments=[a_large_list()], memberships=memberships) == malformed(
        status=STALE
    )


def test_the_status_of_a_list_within_a_circle_is_part_of_the_malformed_answer() -> None:
    circle = a_segment(
        key="circle", rules=[a_segment_rule(in_segments("list")), a_segment_rule(in_segments("circle"))]
    )
    flag = a_flag(rules=[a_rule(in_segments("circle"))])
    assert evaluate(flag, segments=[circle, a_large_list()]) == malformed(status=NOT_CONFIGURED)


def test_every_flag_that_consulted_a_list_has_its_status_and_no_other_flag() -> None:
    inner = a_segment(key="inner", rules=[a_segment_rule(in_segments("list"))])
    outer = a_segment(key="outer", rules=[a_segment_rule(in_segments("inner"))])
    flags = [
        a_flag(key="direct", rules=IN_FLAG),
        a_flag(key="nested", rules=[a_rule(in_segments("outer"))]),
        a_flag(key="none"),
        a_flag(key="again", rules=IN_FLAG),
        a_flag(key="nested-again", rules=[a_rule(in_segments("inner"))]),
        a_flag(key="by-prerequisite", prerequisites=[("direct", 1)]),
        a_flag(key="by-prerequisite-again", prerequisites=[("by-prerequisite", 1)]),
        a_flag(key="plain-prerequisite", prerequisites=[("none", 1)]),
        a_flag(key="plain-segment", rules=[a_rule(in_segments("plain"))]),
        a_flag(key="stops-before", rules=[a_rule(), *IN_FLAG]),
    ]
    snapshot = a_snapshot(flags=flags, segments=[a_large_list(), inner, outer, a_segment(key="plain")])
    consulting = {"direct", "nested", "again", "nested-again", "by-prerequisite", "by-prerequisite-again"}
    keys = [flag.key for flag in flags]
    for order in (keys, keys[::-1], [*keys, *keys]):
        subject = snapshot.subject(a_context(), {"ann": a_membership(status=STALE)})
        results = snapshot.evaluate_all(order, subject)
        with_status = {result.flag_key for result in results if result.reason.big_segments_status is STALE}
        without = {result.flag_key for result in results if result.reason.big_segments_status is None}
        assert (with_status, without) == (consulting, set(keys) - consulting)
