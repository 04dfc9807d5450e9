"""Reads flag data into the model (LaunchDarkly semantics 1): all of it, or every violation of it."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import TypeVar

from domain.errors import InputPath, InvalidInputError, Violation
from domain.flag_data.notes import notes_of_ids, notes_of_item, notes_of_serving
from domain.flag_data.properties import Properties
from domain.json import NESTING_LIMIT, Json, is_nested_too_deep
from domain.keys import EnvironmentRef, key_violation, tag_violation
from domain.model.flags import Flag
from domain.model.segments import Segment, SegmentRule, SegmentTarget
from domain.model.targeting import (
    Clause,
    ClientSideAvailability,
    FlagRule,
    Migration,
    Prerequisite,
    Rollout,
    RolloutKind,
    Target,
    Targeting,
    Variation,
    VariationOrRollout,
    WeightedVariation,
)

T = TypeVar("T")

_DETAILS = frozenset({"name", "description", "tags"})
_FLAG_PROPERTIES = _DETAILS | {
    "archived",
    "key", "version", "deleted", "on", "variations", "offVariation", "fallthrough", "prerequisites", "targets",
    "contextTargets", "rules", "salt", "trackEvents", "trackEventsFallthrough", "debugEventsUntilDate",
    "clientSideAvailability", "clientSide", "samplingRatio", "excludeFromSummaries", "migration",
}  # fmt: skip # reads as a table, one case or group a line
_SEGMENT_PROPERTIES = _DETAILS | {
    "key", "version", "deleted", "salt", "included", "excluded", "includedContexts", "excludedContexts", "rules",
    "unbounded", "unboundedContextKind", "generation",
}  # fmt: skip # reads as a table, one case or group a line
_VERSION_BITS = 30
"""Leaves a billion changes before the version outgrows GraphQL's Int."""
_COLLECTIONS = ("flags", "flagValues", "segments")


@dataclass(frozen=True, slots=True)
class ReadFlag:
    """A flag of the data: what it says of the flag itself, and its targeting.

    Attributes:
        given: Which of `name`, `description`, `tags` and `archived` the data speaks of.
        deleted: A tombstone: the flag is gone.
        notes: What was ignored, or is kept although it can never match.
    """

    flag: Flag
    targeting: Targeting
    given: frozenset[str]
    deleted: bool
    notes: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class ReadSegment:
    """A segment of the data; attributes as in ReadFlag."""

    segment: Segment
    given: frozenset[str]
    deleted: bool
    notes: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class FlagData:
    """Everything in the data, by key."""

    flags: dict[str, ReadFlag]
    segments: dict[str, ReadSegment]


def read_flag_data(data: Json, environment: EnvironmentRef, path: InputPath = ()) -> FlagData:
    """Read `{"flags": …, "flagValues": …, "segments": …}`, each optional.

    Args:
        data: The parsed JSON.
        environment: Where it is going to.
        path: Where the data stands in the input, for the violations.

    Raises:
        InvalidInputError: With every violation at its path.
    """
    violations: list[Violation] = []
    top = Properties(data, path, violations)
    if top.values and not top.values.keys() & set(_COLLECTIONS):
        top.refuse((), "flag data has at least one of the properties flags, flagValues and segments")
    flags: dict[str, ReadFlag] = {}
    segments: dict[str, ReadSegment] = {}
    for item, key in _items(top, "flags"):
        _put(flags, key, _flag(item, key, environment), item)
    for key, value in (top.object_or_none("flagValues", lambda item: dict(item.values)) or {}).items():
        item = Properties({}, (*path, "flagValues", key), violations)
        _check_key(item, key, ())
        if is_nested_too_deep(value):
            item.refuse((), f"is nested more than {NESTING_LIMIT} deep")
        _put(flags, key, _flag_of_value(key, value, environment), item)
    for item, key in _items(top, "segments"):
        _put(segments, key, _segment(item, key, environment), item)
    if violations:
        raise InvalidInputError(violations)
    return FlagData(flags, segments)


def _items(top: Properties, collection: str) -> Iterator[tuple[Properties, str]]:
    """Yield each item with its key: its own one, else the one it stands under."""
    items = top.object_or_none(collection, lambda item: item)
    for name, value in (items.values if items else {}).items():
        item = Properties(value, (*top.path, collection, name), top.violations)
        key = item.text("key")
        _check_key(item, key or name, ("key",) if key else ())
        yield item, key or name


def _check_key(item: Properties, key: str, place: InputPath) -> None:
    if violation := key_violation(key, ()):
        item.refuse(place, violation.message)


def _put(items: dict[str, T], key: str, value: T, item: Properties) -> None:
    if key in items:
        item.refuse((), f"the key {key!r} stands here twice")
    items[key] = value


def _flag(item: Properties, key: str, environment: EnvironmentRef) -> ReadFlag:
    availability = item.object_or_none("clientSideAvailability", _availability)
    old_client_side = item.truth("clientSide")
    targeting = Targeting(
        environment=environment,
        flag_key=key,
        version=max(item.integer("version", default=1, bits=_VERSION_BITS), 1),
        on=item.truth("on"),
        prerequisites=item.objects("prerequisites", _prerequisite),
        targets=item.objects("targets", _target),
        context_targets=item.objects("contextTargets", _target),
        rules=item.objects("rules", _flag_rule),
        fallthrough=item.object_or_none("fallthrough", _variation_or_rollout) or VariationOrRollout(),
        off_variation=item.integer_or_none("offVariation"),
        salt=item.text("salt"),
        track_events=item.truth("trackEvents"),
        track_events_fallthrough=item.truth("trackEventsFallthrough"),
        debug_events_until_ms=item.long_or_none("debugEventsUntilDate"),
        sampling_ratio=item.integer_or_none("samplingRatio"),
        exclude_from_summaries=item.truth("excludeFromSummaries"),
        migration=item.object_or_none("migration", _migration),
    )
    flag = Flag(
        project=environment.project,
        key=key,
        name=item.text("name") or key,
        description=item.text("description"),
        tags=_tags(item),
        variations=tuple(Variation(value) for value in item.json_values("variations")),
        archived=item.truth("archived"),
        client_side_availability=availability or ClientSideAvailability(using_environment_id=old_client_side),
    )
    clauses = [clause for rule in targeting.rules for clause in rule.clauses]
    notes = (
        *notes_of_item(item, _FLAG_PROPERTIES, clauses),
        *notes_of_ids(targeting.rules),
        *notes_of_serving(targeting, len(flag.variations)),
    )
    return ReadFlag(flag, targeting, _given(item), item.truth("deleted"), notes)


def _flag_of_value(key: str, value: Json, environment: EnvironmentRef) -> ReadFlag:
    """Read an entry of `flagValues`: a flag that serves one value to everybody."""
    targeting = Targeting(
        environment=environment, flag_key=key, on=True, fallthrough=VariationOrRollout(variation=0)
    )
    flag = Flag(project=environment.project, key=key, name=key, variations=(Variation(value),))
    return ReadFlag(flag, targeting, frozenset(), deleted=False, notes=())


def _segment(item: Properties, key: str, environment: EnvironmentRef) -> ReadSegment:
    segment = Segment(
        environment=environment,
        key=key,
        version=max(item.integer("version", default=1, bits=_VERSION_BITS), 1),
        name=item.text("name") or key,
        description=item.text("description"),
        tags=_tags(item),
        included=item.texts("included"),
        excluded=item.texts("excluded"),
        included_contexts=item.objects("includedContexts", _segment_target),
        excluded_contexts=item.objects("excludedContexts", _segment_target),
        rules=item.objects("rules", _segment_rule),
        salt=item.text("salt"),
        unbounded=item.truth("unbounded"),
        unbounded_context_kind=item.text_or_none("unboundedContextKind"),
        generation=item.long_or_none("generation"),
    )
    clauses = [clause for rule in segment.rules for clause in rule.clauses]
    notes = (*notes_of_item(item, _SEGMENT_PROPERTIES, clauses), *notes_of_ids(segment.rules))
    return ReadSegment(segment, _given(item), item.truth("deleted"), notes)


def _given(item: Properties) -> frozenset[str]:
    return frozenset(name for name in (*_DETAILS, "archived") if item.values.get(name) is not None)


def _tags(item: Properties) -> tuple[str, ...]:
    tags = item.texts("tags")
    for index, tag in enumerate(tags):
        if violation := tag_violation(tag, ()):
            item.refuse(("tags", index), violation.message)
    return tuple(sorted(set(tags)))


def _availability(item: Properties) -> ClientSideAvailability:
    return ClientSideAvailability(
        using_environment_id=item.truth("usingEnvironmentId"), using_mobile_key=item.truth("usingMobileKey")
    )


def _migration(item: Properties) -> Migration:
    return Migration(check_ratio=item.integer_or_none("checkRatio"))


def _prerequisite(item: Properties) -> Prerequisite:
    return Prerequisite(key=item.text("key"), variation=item.integer("variation"))


def _target(item: Properties) -> Target:
    return Target(
        variation=item.integer("variation"),
        values=item.texts("values"),
        context_kind=item.text_or_none("contextKind"),
    )


def _clause(item: Properties) -> Clause:
    return Clause(
        op=item.text("op"),
        attribute=item.text("attribute"),
        values=item.json_values("values"),
        negate=item.truth("negate"),
        context_kind=item.text_or_none("contextKind"),
    )


def _flag_rule(item: Properties) -> FlagRule:
    return FlagRule(
        id=item.text("id"),
        description=item.text("description"),
        clauses=item.objects("clauses", _clause),
        serves=_variation_or_rollout(item),
        track_events=item.truth("trackEvents"),
    )


def _variation_or_rollout(item: Properties) -> VariationOrRollout:
    return VariationOrRollout(
        variation=item.integer_or_none("variation"), rollout=item.object_or_none("rollout", _rollout)
    )


def _rollout(item: Properties) -> Rollout:
    is_experiment = item.text("kind") == RolloutKind.EXPERIMENT.value
    return Rollout(
        kind=RolloutKind.EXPERIMENT if is_experiment else RolloutKind.ROLLOUT,
        variations=item.objects("variations", _weighted_variation),
        context_kind=item.text_or_none("contextKind"),
        bucket_by=item.text_or_none("bucketBy"),
        seed=item.long_or_none("seed"),
    )


def _weighted_variation(item: Properties) -> WeightedVariation:
    return WeightedVariation(
        variation=item.integer("variation"), weight=item.integer("weight"), untracked=item.truth("untracked")
    )


def _segment_target(item: Properties) -> SegmentTarget:
    return SegmentTarget(context_kind=item.text_or_none("contextKind"), values=item.texts("values"))


def _segment_rule(item: Properties) -> SegmentRule:
    return SegmentRule(
        id=item.text("id"),
        description=item.text("description"),
        clauses=item.objects("clauses", _clause),
        weight=item.integer_or_none("weight"),
        bucket_by=item.text_or_none("bucketBy"),
        rollout_context_kind=item.text_or_none("rolloutContextKind"),
    )
