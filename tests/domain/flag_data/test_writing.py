"""Writing flag data: what is read again is the same, and LaunchDarkly's strict SDK reads it too."""

import json
import random
from dataclasses import replace

import pytest
from hypothesis import given, settings
from ldclient.impl.model import FeatureFlag
from ldclient.impl.model import Segment as OracleSegment

from domain.flag_data import FlagData, read_flag_data, write_flag, write_flag_data, write_segment
from domain.json import Json
from domain.model.contexts import parse_context
from domain.model.flags import EnvironmentFlag
from domain.model.targeting import ClientSideAvailability, Migration, Variation
from tests.builders import (
    ENVIRONMENT,
    a_clause,
    a_flag,
    a_large_list,
    a_rollout,
    a_rule,
    a_segment,
    a_segment_rule,
    a_snapshot_of,
    a_target,
)
from tests.conformance.cases import CORPUS, Case, load_cases
from tests.strategies import random_world, seeds


def write(read: FlagData) -> dict[str, Json]:
    return write_flag_data(
        [EnvironmentFlag(item.flag, item.targeting) for item in read.flags.values()],
        [item.segment for item in read.segments.values()],
    )


def what_counts(read: FlagData) -> tuple[object, object]:
    """Leave out what is only about one text: which details it gave, and the notes on it."""
    flags = {key: (item.flag, item.targeting) for key, item in read.flags.items()}
    return flags, {key: item.segment for key, item in read.segments.items()}


def check_round_trip(data: Json) -> dict[str, Json]:
    read = read_flag_data(data, ENVIRONMENT)
    written: dict[str, Json] = json.loads(json.dumps(write(read)))
    again = read_flag_data(written, ENVIRONMENT)
    assert what_counts(again) == what_counts(read)
    assert write(again) == written
    return written


@settings(max_examples=300)
@given(seeds())
def test_what_is_written_is_read_again_and_evaluates_the_same(seed: int) -> None:
    world = random_world(random.Random(seed))  # noqa: S311 - repeatable, not secret
    before, after = a_snapshot_of(world.data), a_snapshot_of(check_round_trip(world.data))
    for context in map(parse_context, world.contexts):
        one, other = before.subject(context, world.memberships), after.subject(context, world.memberships)
        assert before.evaluate_all(before.flags, one) == after.evaluate_all(after.flags, other)


@settings(max_examples=100)
@given(seeds())
def test_launchdarklys_strict_reader_reads_what_is_written(seed: int) -> None:
    world = random_world(random.Random(seed))  # noqa: S311 - repeatable, not secret
    written = write(read_flag_data(world.data, ENVIRONMENT))
    for flag in written["flags"].values():  # type: ignore[union-attr]  # an object
        assert FeatureFlag(flag).key == flag["key"]
    for segment in written["segments"].values():  # type: ignore[union-attr]  # an object
        assert OracleSegment(segment).key == segment["key"]


@pytest.mark.parametrize("case", load_cases(CORPUS), ids=lambda case: case.id)
def test_the_corpus_survives_the_round_trip(case: Case) -> None:
    check_round_trip(case.data)


FLAG: dict[str, Json] = {
    "key": "f", "version": 7, "on": True, "variations": ["a", None, {"x": [1]}], "offVariation": 1, "salt": "s",
    "fallthrough": {"variation": 0, "rollout": {"kind": "experiment", "seed": 0, "bucketBy": "a", "contextKind": "org",
    "variations": [{"variation": 1, "weight": -5, "untracked": True}]}}, "targets": [{"variation": 0, "values": ["x"]}],
    "contextTargets": [{"variation": 0, "values": []}, {"contextKind": "user", "variation": 1, "values": ["y"]}],
    "rules": [{"id": "r", "description": "Why", "variation": 1, "trackEvents": True, "clauses": [
    {"attribute": "a", "op": "in", "values": [None, 1, []]}, {"contextKind": "user", "attribute": "/a", "op": "x",
    "negate": True}]}, {}], "prerequisites": [{"key": "g", "variation": 2}], "trackEvents": True,
    "trackEventsFallthrough": True, "debugEventsUntilDate": 5, "samplingRatio": 0, "excludeFromSummaries": True,
    "migration": {"checkRatio": 0}, "clientSideAvailability": {"usingMobileKey": False, "usingEnvironmentId": True},
    "name": "Name", "description": "What for", "tags": ["b", "a"],
}  # fmt: skip # reads as a table, one case or group a line
SEGMENT: dict[str, Json] = {
    "key": "s", "version": 3, "salt": "t", "included": ["a"], "excluded": ["b"], "unbounded": True, "generation": 0,
    "includedContexts": [{"contextKind": "org", "values": ["c"]}, {"values": ["d"]}], "excludedContexts": [{}],
    "unboundedContextKind": "org", "rules": [{"id": "r", "description": "Why", "weight": 0, "bucketBy": "a",
    "rolloutContextKind": "user", "clauses": [{"attribute": "a", "op": "in", "values": []}]}, {}], "name": "Name",
    "description": "What for", "tags": ["a"],
}  # fmt: skip # reads as a table, one case or group a line


def test_every_property_survives() -> None:
    check_round_trip({"flags": {"f": FLAG}, "segments": {"s": SEGMENT}})


@pytest.mark.parametrize("name", [*FLAG])
def test_every_property_of_a_flag_is_written(name: str) -> None:
    """Leaving a property out changes what is read, and so what is written."""
    less = {key: value for key, value in FLAG.items() if key != name}
    whole, lessened = (check_round_trip({"flags": {"g": flag}}) for flag in (FLAG, less))
    assert whole != lessened


@pytest.mark.parametrize("name", [*SEGMENT])
def test_every_property_of_a_segment_is_written(name: str) -> None:
    less = {key: value for key, value in SEGMENT.items() if key != name}
    whole, lessened = (check_round_trip({"segments": {"g": segment}}) for segment in (SEGMENT, less))
    assert whole != lessened


def test_an_absent_context_kind_stays_absent() -> None:
    flag = write_flag(a_flag(rules=[a_rule(a_clause(), a_clause(context_kind="user"))], targets=[a_target("a")]))
    clauses = flag["rules"][0]["clauses"]  # type: ignore[index]  # a list of objects
    assert ["contextKind" in clause for clause in clauses] == [False, True]
    rollout = write_flag(a_flag(fallthrough=a_rollout(1)))["fallthrough"]
    assert rollout == {"rollout": {"variations": [{"variation": 0, "weight": 1}]}}


def test_archived_flags_are_left_out() -> None:
    written = write_flag_data([a_flag(key="gone", archived=True), a_flag(key="here")], [])
    assert list(written["flags"]) == ["here"]  # type: ignore[arg-type]  # an object


def test_what_an_environment_overrides_is_written() -> None:
    flag = a_flag(variations=["project"])
    availability = ClientSideAvailability(using_environment_id=True, using_mobile_key=False)
    targeting = replace(flag.targeting, variations=(Variation("own"),), client_side_availability=availability)
    written = write_flag(replace(flag, targeting=targeting))
    assert written["variations"] == ["own"]
    assert written["clientSideAvailability"] == {"usingEnvironmentId": True, "usingMobileKey": False}


def test_details_that_say_nothing_are_left_out() -> None:
    written = write_flag(a_flag())
    assert not {"name", "description", "tags", "migration", "samplingRatio"} & written.keys()


def test_a_migration_without_a_ratio_is_still_a_migration() -> None:
    flag = a_flag()
    written = write_flag(replace(flag, targeting=replace(flag.targeting, migration=Migration())))
    assert written["migration"] == {}


def test_a_large_list_is_written_without_its_members() -> None:
    written = write_segment(a_large_list(generation=4))
    assert (written["unbounded"], written["generation"], written["included"]) == (True, 4, [])


def test_a_weight_of_0_is_written() -> None:
    written = write_segment(a_segment(rules=[a_segment_rule(weight=0)]))
    assert written["rules"] == [{"clauses": [], "weight": 0}]
