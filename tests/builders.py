"""Builders: small valid domain objects by default; a test names only what it is about."""

from collections.abc import Iterable, Mapping, Sequence

from domain.evaluation.results import (
    BigSegmentsStatus,
    Evaluation,
    EvaluationErrorKind,
    EvaluationReason,
    ReasonKind,
)
from domain.evaluation.snapshot import SegmentMembership, Snapshot
from domain.evaluation.subject import Membership
from domain.flag_data import read_flag_data
from domain.json import Json
from domain.keys import EnvironmentRef
from domain.model.contexts import Context, parse_context
from domain.model.flags import EnvironmentFlag, Flag
from domain.model.segments import Segment, SegmentRule, SegmentTarget
from domain.model.targeting import (
    Clause,
    FlagRule,
    Prerequisite,
    Rollout,
    RolloutKind,
    Target,
    Targeting,
    Variation,
    VariationOrRollout,
    WeightedVariation,
)

ENVIRONMENT = EnvironmentRef("shop", "production")
OFF_VARIATION, FALLTHROUGH_VARIATION, MATCH_VARIATION = 0, 1, 2
"""What `a_flag` serves when off, in the end, and by `a_rule`."""


def a_context(*, kind: str = "user", key: str = "ann", **attributes: Json) -> Context:
    """Build a context of one kind."""
    return parse_context({"kind": kind, "key": key, **attributes})


def a_user(attributes: Mapping[str, Json]) -> Context:
    """Build the user `ann` with attributes whose names Python's syntax may not allow."""
    return parse_context({"kind": "user", "key": "ann", **attributes})


def a_multi_context(**kinds: str | Mapping[str, Json]) -> Context:
    """Build a context of several kinds, each given by its key or by its attributes."""
    individuals = {
        kind: {"key": given} if isinstance(given, str) else {"key": kind, **given} for kind, given in kinds.items()
    }
    return parse_context({"kind": "multi", **individuals})


def a_clause(
    *,
    op: str = "in",
    attribute: str = "key",
    values: Sequence[Json] = ("ann",),
    negate: bool = False,
    context_kind: str | None = None,
) -> Clause:
    """Build a clause; by default it matches the user `ann`."""
    return Clause(op=op, attribute=attribute, values=tuple(values), negate=negate, context_kind=context_kind)


def in_segments(*keys: Json, negate: bool = False) -> Clause:
    """Build a clause that asks for membership of any of the segments."""
    return Clause(op="segmentMatch", values=keys, negate=negate)


def a_rollout(
    *weights: int,
    kind: RolloutKind = RolloutKind.ROLLOUT,
    context_kind: str | None = None,
    bucket_by: str | None = None,
    seed: int | None = None,
    untracked: Iterable[int] = (),
) -> Rollout:
    """Build a rollout whose n-th share goes to the n-th variation."""
    shares = tuple(
        WeightedVariation(variation=index, weight=weight, untracked=index in set(untracked))
        for index, weight in enumerate(weights)
    )
    return Rollout(kind=kind, variations=shares, context_kind=context_kind, bucket_by=bucket_by, seed=seed)


def an_experiment(
    *weights: int,
    context_kind: str | None = None,
    bucket_by: str | None = None,
    seed: int | None = None,
    untracked: Iterable[int] = (),
) -> Rollout:
    """Build an experiment whose n-th share goes to the n-th variation."""
    return a_rollout(
        *weights,
        kind=RolloutKind.EXPERIMENT,
        context_kind=context_kind,
        bucket_by=bucket_by,
        seed=seed,
        untracked=untracked,
    )


def serving(what: int | Rollout | None) -> VariationOrRollout:
    """Build what a rule or the fallthrough serves; None is neither, which is malformed."""
    if isinstance(what, Rollout):
        return VariationOrRollout(rollout=what)
    return VariationOrRollout(variation=what)


def a_rule(
    *clauses: Clause,
    serves: int | Rollout | None = MATCH_VARIATION,
    id: str = "",  # noqa: A002 - the format's name
) -> FlagRule:
    """Build a flag's rule; without clauses it matches everybody."""
    return FlagRule(id=id, clauses=clauses, serves=serving(serves))


def a_target(*values: str, variation: int = MATCH_VARIATION, context_kind: str | None = None) -> Target:
    """Build an individual target."""
    return Target(variation=variation, values=values, context_kind=context_kind)


def a_flag(  # noqa: PLR0913 - builders take everything by name, with defaults
    *,
    key: str = "flag",
    on: bool = True,
    variations: Sequence[Json] = ("off", "fallthrough", "match"),
    off_variation: int | None = OFF_VARIATION,
    fallthrough: int | Rollout | None = FALLTHROUGH_VARIATION,
    prerequisites: Iterable[tuple[str, int]] = (),
    targets: Iterable[Target] = (),
    context_targets: Iterable[Target] = (),
    rules: Iterable[FlagRule] = (),
    salt: str = "salt",
    archived: bool = False,
) -> EnvironmentFlag:
    """Build a flag that is on and serves `fallthrough` to everybody."""
    flag = Flag(
        project=ENVIRONMENT.project,
        key=key,
        variations=tuple(Variation(value) for value in variations),
        archived=archived,
    )
    targeting = Targeting(
        environment=ENVIRONMENT,
        flag_key=key,
        on=on,
        off_variation=off_variation,
        fallthrough=serving(fallthrough),
        prerequisites=tuple(Prerequisite(key=name, variation=index) for name, index in prerequisites),
        targets=tuple(targets),
        context_targets=tuple(context_targets),
        rules=tuple(rules),
        salt=salt,
    )
    return EnvironmentFlag(flag, targeting)


def a_segment_rule(
    *clauses: Clause,
    weight: int | None = None,
    bucket_by: str | None = None,
    rollout_context_kind: str | None = None,
    id: str = "",  # noqa: A002 - the format's name
) -> SegmentRule:
    """Build a segment's rule; without clauses it matches everybody."""
    return SegmentRule(
        id=id, clauses=clauses, weight=weight, bucket_by=bucket_by, rollout_context_kind=rollout_context_kind
    )


def a_segment_target(*values: str, context_kind: str | None = "org") -> SegmentTarget:
    """Build a segment's individual target."""
    return SegmentTarget(context_kind=context_kind, values=values)


def a_segment(  # noqa: PLR0913 - builders take everything by name, with defaults
    *,
    key: str = "segment",
    included: Iterable[str] = (),
    excluded: Iterable[str] = (),
    included_contexts: Iterable[SegmentTarget] = (),
    excluded_contexts: Iterable[SegmentTarget] = (),
    rules: Iterable[SegmentRule] = (),
    salt: str = "salt",
) -> Segment:
    """Build a segment, empty by default."""
    return Segment(
        environment=ENVIRONMENT,
        key=key,
        included=tuple(included),
        excluded=tuple(excluded),
        included_contexts=tuple(included_contexts),
        excluded_contexts=tuple(excluded_contexts),
        rules=tuple(rules),
        salt=salt,
    )


def a_large_list(  # noqa: PLR0913 - builders take everything by name, with defaults
    *,
    key: str = "list",
    generation: int | None = 1,
    member_kind: str | None = None,
    rules: Iterable[SegmentRule] = (),
    included: Iterable[str] = (),
    excluded: Iterable[str] = (),
) -> Segment:
    """Build a segment whose members are looked up."""
    return Segment(
        environment=ENVIRONMENT,
        key=key,
        unbounded=True,
        generation=generation,
        unbounded_context_kind=member_kind,
        rules=tuple(rules),
        included=tuple(included),
        excluded=tuple(excluded),
    )


def a_membership(*, status: BigSegmentsStatus = BigSegmentsStatus.HEALTHY, **listed: bool) -> Membership:
    """Build what a store knows of one context key; lists are named without their generation, which is 1."""
    return Membership(status, {f"{key}.g1": is_in for key, is_in in listed.items()})


def a_snapshot(*, flags: Iterable[EnvironmentFlag] = (), segments: Iterable[Segment] = ()) -> Snapshot:
    """Build a snapshot."""
    return Snapshot(
        ENVIRONMENT, 1, {flag.key: flag for flag in flags}, {segment.key: segment for segment in segments}
    )


def a_snapshot_of(data: Json) -> Snapshot:
    """Read flag data and build its snapshot; tombstones are left out."""
    read = read_flag_data(data, ENVIRONMENT)
    return a_snapshot(
        flags=[EnvironmentFlag(item.flag, item.targeting) for item in read.flags.values() if not item.deleted],
        segments=[item.segment for item in read.segments.values() if not item.deleted],
    )


def evaluate(
    flag: EnvironmentFlag,
    *others: EnvironmentFlag,
    context: Context | None = None,
    segments: Iterable[Segment] = (),
    memberships: Mapping[str, Membership] | None = None,
) -> Evaluation:
    """Evaluate one flag in an environment with the others, for the user `ann` by default."""
    snapshot = a_snapshot(flags=(flag, *others), segments=segments)
    return snapshot.evaluate(flag.key, snapshot.subject(context or a_context(), memberships))


def is_member(
    segment: Segment,
    *others: Segment,
    context: Context | None = None,
    memberships: Mapping[str, Membership] | None = None,
) -> SegmentMembership:
    """Ask for membership of the first segment, for the user `ann` by default."""
    snapshot = a_snapshot(segments=(segment, *others))
    subject = snapshot.subject(context or a_context(), memberships)
    return next(found for found in snapshot.memberships(subject) if found.segment.key == segment.key)


def matches(
    clause: Clause, *, context: Context | None = None, segments: Iterable[Segment] = ()
) -> bool | EvaluationErrorKind:
    """Tell whether a flag's rule of one clause matches; the kind of error where it is malformed."""
    result = evaluate(a_flag(rules=[a_rule(clause)]), context=context, segments=segments)
    return result.reason.error_kind or result.reason.kind is ReasonKind.RULE_MATCH


def reason_json(reason: EvaluationReason) -> dict[str, Json]:
    """Render a reason as LaunchDarkly's SDKs do: only what applies."""
    rendered: dict[str, Json] = {
        "kind": reason.kind.value,
        "ruleIndex": reason.rule_index,
        "ruleId": reason.rule_id,
        "prerequisiteKey": reason.prerequisite_key,
        "inExperiment": reason.in_experiment or None,
        "errorKind": reason.error_kind.value if reason.error_kind else None,
        "bigSegmentsStatus": reason.big_segments_status.value if reason.big_segments_status else None,
    }
    return {name: value for name, value in rendered.items() if value is not None}


def malformed(flag_key: str = "flag", *, status: BigSegmentsStatus | None = None) -> Evaluation:
    """Return the answer of a malformed flag."""
    reason = EvaluationReason(
        kind=ReasonKind.ERROR, error_kind=EvaluationErrorKind.MALFORMED_FLAG, big_segments_status=status
    )
    return Evaluation(flag_key, None, None, reason)
