"""An edit of individual targets concerns the keys that it names, and nobody else."""

from collections.abc import Mapping
from dataclasses import replace
from itertools import product

from hypothesis import given
from hypothesis import strategies as st

from domain.evaluation.snapshot import Snapshot
from domain.instructions.clauses import EditScope
from domain.instructions.flag_targets import EditFlagTargets
from domain.instructions.segments import EditTargets, TargetAction
from domain.model.flags import EnvironmentFlag
from domain.model.segments import Segment, SegmentTarget, TargetList
from domain.model.targeting import Target
from tests.builders import ENVIRONMENT, MATCH_VARIATION, a_flag, a_multi_context, a_segment

KEYS = ("ann", "bob", "eve")
SCOPE = EditScope(frozenset(), variation_count=3)
ALONE = [{kind: key} for kind, key in product(("user", "org"), KEYS)]
TOGETHER = [{"user": user, "org": org} for user, org in product(KEYS, KEYS)]

actions = st.sampled_from(TargetAction)
changes = st.sampled_from((TargetAction.ADD, TargetAction.REMOVE))
kinds = st.sampled_from((None, "user", "org"))
values = st.lists(st.sampled_from(KEYS), unique=True).map(tuple)
targets = st.lists(st.builds(Target, variation=st.integers(0, 2), values=values, context_kind=kinds), max_size=3)
segment_targets = st.lists(st.builds(SegmentTarget, context_kind=kinds, values=values), max_size=3)
segments = st.builds(
    a_segment,
    included=values,
    excluded=values,
    included_contexts=segment_targets,
    excluded_contexts=segment_targets,
)


def served(flag: EnvironmentFlag, context: Mapping[str, str]) -> object:
    snapshot = Snapshot(ENVIRONMENT, 1, {flag.key: flag}, {})
    return snapshot.evaluate(flag.key, snapshot.subject(a_multi_context(**context))).value


def is_in(segment: Segment, context: Mapping[str, str]) -> bool:
    snapshot = Snapshot(ENVIRONMENT, 1, {}, {segment.key: segment})
    [membership] = snapshot.memberships(snapshot.subject(a_multi_context(**context)))
    return membership.is_member


@given(targets, targets, changes, st.sampled_from(("user", "org")))
def test_an_edit_of_a_flags_targets_leaves_all_others_what_they_are_served(
    plain: list[Target], mixed: list[Target], action: TargetAction, kind: str
) -> None:
    flag = a_flag(targets=plain, context_targets=mixed)
    targeting = EditFlagTargets(action, MATCH_VARIATION, kind, ["new"]).apply(flag.targeting, SCOPE)
    edited = replace(flag, targeting=targeting)
    for context in ALONE:
        assert served(edited, context) == served(flag, context)
    assert served(edited, {kind: "new"}) == ("fallthrough" if action is TargetAction.REMOVE else "match")


@given(segments, st.sampled_from(TargetList), changes, st.sampled_from(("user", "org")))
def test_an_edit_of_a_segments_targets_moves_nobody_else_in_or_out(
    segment: Segment, target_list: TargetList, action: TargetAction, kind: str
) -> None:
    edited = EditTargets(action, target_list, kind, ["ann"]).apply(segment, SCOPE)
    for context in (*ALONE, *TOGETHER):
        if context.get(kind) != "ann":
            assert is_in(edited, context) == is_in(segment, context)


@given(segments, actions)
def test_the_members_by_name_are_those_who_are_in_alone(before: Segment, action: TargetAction) -> None:
    edited = EditTargets(action, TargetList.INCLUDED, "user", ["ann"]).apply(before, SCOPE)
    for segment in (before, edited):
        members = {(target.context_kind, target.key) for target in segment.included_targets}
        assert members == {target for alone in ALONE for target in alone.items() if is_in(segment, alone)}
        assert segment.member_count == len(members)
    if action is TargetAction.REPLACE:
        assert not is_in(edited, {"user": "bob", "org": "nobody"})
