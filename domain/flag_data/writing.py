"""Writes the model as flag data: reading it again gives the same evaluations.

What equals the format's default is left out, except the properties that LaunchDarkly's strict readers require.
"""

from collections.abc import Iterable, Mapping
from typing import Any

from domain.json import Json
from domain.model.flags import EnvironmentFlag
from domain.model.segments import Segment, SegmentRule, SegmentTarget
from domain.model.targeting import (
    Clause,
    FlagRule,
    Rollout,
    RolloutKind,
    Target,
    Targeting,
    VariationOrRollout,
)

_Object = dict[str, Json]


def write_flag_data(flags: Iterable[EnvironmentFlag], segments: Iterable[Segment]) -> _Object:
    """Write an environment. Archived flags are left out: they evaluate as unknown ones."""
    return {
        "flags": {flag.key: write_flag(flag) for flag in flags if not flag.archived},
        "segments": {segment.key: write_segment(segment) for segment in segments},
    }


def write_flag(flag: EnvironmentFlag) -> _Object:
    """Write a flag as one environment sees it."""
    availability = flag.client_side_availability
    return {
        "key": flag.key,
        "version": flag.version,
        **_details(flag),
        **write_targeting(flag.targeting),
        "variations": [variation.value for variation in flag.variations],
        "clientSideAvailability": {
            "usingEnvironmentId": availability.using_environment_id,
            "usingMobileKey": availability.using_mobile_key,
        },
    }


def write_targeting(targeting: Targeting) -> _Object:
    """Write what an environment says of a flag, without its version and overrides."""
    migration = targeting.migration
    return {
        "on": targeting.on,
        "offVariation": targeting.off_variation,
        "fallthrough": _variation_or_rollout(targeting.fallthrough),
        "prerequisites": [{"key": item.key, "variation": item.variation} for item in targeting.prerequisites],
        "targets": [_target(target) for target in targeting.targets],
        "contextTargets": [_target(target) for target in targeting.context_targets],
        "rules": [_flag_rule(rule) for rule in targeting.rules],
        "salt": targeting.salt,
        **_said(
            trackEvents=targeting.track_events,
            trackEventsFallthrough=targeting.track_events_fallthrough,
            debugEventsUntilDate=targeting.debug_events_until_ms,
            excludeFromSummaries=targeting.exclude_from_summaries,
        ),
        **_known(
            samplingRatio=targeting.sampling_ratio,
            migration=None if migration is None else _known(checkRatio=migration.check_ratio),
        ),
    }


def write_segment(segment: Segment) -> _Object:
    """Write a segment; a large list without its members."""
    return {
        "key": segment.key,
        "version": segment.version,
        **_details(segment),
        "included": list(segment.included),
        "excluded": list(segment.excluded),
        "includedContexts": [_segment_target(target) for target in segment.included_contexts],
        "excludedContexts": [_segment_target(target) for target in segment.excluded_contexts],
        "rules": [_segment_rule(rule) for rule in segment.rules],
        "salt": segment.salt,
        **_said(unbounded=segment.unbounded, unboundedContextKind=segment.unbounded_context_kind),
        **_known(generation=segment.generation),
    }


def _said(**properties: Json) -> _Object:
    """Keep the properties that are not empty, false or null."""
    return {name: value for name, value in properties.items() if value}


def _known(**properties: Json) -> _Object:
    """Keep the properties that are not null."""
    return {name: value for name, value in properties.items() if value is not None}


def _details(thing: EnvironmentFlag | Segment) -> _Object:
    """Write what SDKs ignore; a name that only repeats the key is left out."""
    name = "" if thing.name == thing.key else thing.name
    return _said(name=name, description=thing.description, tags=list(thing.tags))


def _target(target: Target) -> _Object:
    return {
        **_known(contextKind=target.context_kind),
        "variation": target.variation,
        "values": list(target.values),
    }


def _clause(clause: Clause) -> _Object:
    """Write a clause; an absent context kind stays absent, since "user" means something else (semantics 1.1)."""
    return {
        **_known(contextKind=clause.context_kind),
        "attribute": clause.attribute,
        "op": clause.op,
        "values": list(clause.values),
        **_said(negate=clause.negate),
    }


def _flag_rule(rule: FlagRule) -> _Object:
    return {
        **_rule(rule),
        **_variation_or_rollout(rule.serves),
        **_said(trackEvents=rule.track_events),
    }


def _rule(rule: FlagRule | SegmentRule) -> _Object:
    return {
        **_said(id=rule.id, description=rule.description),
        "clauses": [_clause(clause) for clause in rule.clauses],
    }


def _variation_or_rollout(serves: VariationOrRollout) -> _Object:
    return _known(variation=serves.variation, rollout=None if serves.rollout is None else _rollout(serves.rollout))


def _rollout(rollout: Rollout) -> _Object:
    is_experiment = rollout.kind is RolloutKind.EXPERIMENT
    shares: list[Mapping[str, Any]] = [
        {"variation": share.variation, "weight": share.weight, **_said(untracked=share.untracked)}
        for share in rollout.variations
    ]
    return {
        **_known(
            kind=RolloutKind.EXPERIMENT.value if is_experiment else None,
            contextKind=rollout.context_kind,
            bucketBy=rollout.bucket_by,
            seed=rollout.seed,
        ),
        "variations": shares,
    }


def _segment_target(target: SegmentTarget) -> _Object:
    return {**_known(contextKind=target.context_kind), "values": list(target.values)}


def _segment_rule(rule: SegmentRule) -> _Object:
    return {
        **_rule(rule),
        **_known(weight=rule.weight, bucketBy=rule.bucket_by, rolloutContextKind=rule.rollout_context_kind),
    }
