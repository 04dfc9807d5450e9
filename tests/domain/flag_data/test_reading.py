"""Reading flag data: lenient where Go is (LaunchDarkly semantics 1)."""

import pytest

from domain.flag_data import FlagData
from domain.json import Json
from domain.model.targeting import (
    Clause,
    ClientSideAvailability,
    Migration,
    RolloutKind,
    Target,
    VariationOrRollout,
    WeightedVariation,
)
from tests.builders import a_context, a_snapshot_of
from tests.domain.flag_data.reading import (
    FLAG_PROPERTIES,
    SEGMENT_PROPERTIES,
    read,
    read_flag,
    read_segment,
    violations_of,
)

# Collections


@pytest.mark.parametrize(
    "data", [{}, {"flags": {}}, {"flags": None, "segments": None, "flagValues": None}, {"segments": {}}]
)
def test_every_collection_is_optional(data: Json) -> None:
    assert read(data) == FlagData({}, {})


def test_collections_that_nobody_knows_are_ignored_beside_known_ones() -> None:
    assert read({"flags": {}, "configOverrides": {}}) == FlagData({}, {})


def test_data_without_any_known_collection_is_refused() -> None:
    assert len(violations_of({"flag": {}})) == 1


@pytest.mark.parametrize("data", [None, 1, "{}", []])
def test_data_is_an_object(data: Json) -> None:
    assert violations_of(data) == ["an object is expected here"]


@pytest.mark.parametrize("name", ["flags", "flagValues", "segments"])
def test_a_collection_is_an_object(name: str) -> None:
    assert violations_of({name: []}) == [f"{name}: an object is expected here"]


def test_violations_stand_below_the_given_path() -> None:
    assert violations_of({"flags": {"a": 1}}, ("input", "data")) == [
        "input.data.flags.a: an object is expected here"
    ]


# Keys


def test_an_items_own_key_holds_before_the_one_it_stands_under() -> None:
    found = read({"flags": {"map": {"key": "own"}, "other": {}}, "segments": {"map": {"key": "s"}}})
    assert (list(found.flags), list(found.segments)) == (["own", "other"], ["s"])
    assert found.flags["own"].flag.key == found.flags["own"].targeting.flag_key == "own"


def test_one_key_may_name_a_flag_and_a_segment() -> None:
    found = read({"flags": {"a": {}}, "segments": {"a": {}}})
    assert (list(found.flags), list(found.segments)) == (["a"], ["a"])


@pytest.mark.parametrize(
    ("data", "place"),
    [
        ({"flags": {"a": {}, "b": {"key": "a"}}}, "flags.b"),
        ({"flags": {"a": {}}, "flagValues": {"a": 1}}, "flagValues.a"),
        ({"segments": {"a": {}, "b": {"key": "a"}}}, "segments.b"),
    ],
)
def test_a_duplicate_key_is_refused(data: Json, place: str) -> None:
    assert violations_of(data) == [f"{place}: the key 'a' stands here twice"]


@pytest.mark.parametrize(
    ("data", "place"),
    [
        ({"flags": {"a b": {}}}, "flags.a b: "),
        ({"flags": {"a": {"key": "a b"}}}, "flags.a.key: "),
        ({"flagValues": {"a b": 1}}, "flagValues.a b: "),
        ({"segments": {"": {}}}, "segments.: "),
        ({"segments": {"a": {"key": "a/b"}}}, "segments.a.key: "),
    ],
)
def test_a_bad_key_is_refused(data: Json, place: str) -> None:
    (violation,) = violations_of(data)
    assert violation.startswith(place)


# Flags


def test_an_empty_flag_is_off_and_serves_nothing() -> None:
    flag = read_flag()
    targeting = flag.targeting
    assert (targeting.version, targeting.on, targeting.off_variation, targeting.salt) == (1, False, None, "")
    assert (targeting.prerequisites, targeting.targets, targeting.context_targets, targeting.rules) == (
        (),
        (),
        (),
        (),
    )
    assert targeting.fallthrough == VariationOrRollout()
    assert flag.flag.variations == ()
    assert (flag.deleted, flag.notes, flag.given) == (False, (), frozenset())


def test_null_is_absence_everywhere_in_a_flag() -> None:
    assert read_flag(**dict.fromkeys(FLAG_PROPERTIES)) == read_flag()


def test_a_flag_is_read_whole() -> None:
    flag = read_flag(
        version=7, on=True, variations=["a", None], offVariation=1, salt="s", trackEvents=True,
        trackEventsFallthrough=True, debugEventsUntilDate=5, samplingRatio=0, excludeFromSummaries=True,
        migration={"checkRatio": 3}, name="Name", description="Why", tags=["b", "a", "b"],
        prerequisites=[{"key": "other", "variation": 2}],
    )  # fmt: skip # reads as a table, one case or group a line
    targeting = flag.targeting
    assert (targeting.version, targeting.on, targeting.off_variation, targeting.salt) == (7, True, 1, "s")
    assert (targeting.track_events, targeting.track_events_fallthrough) == (True, True)
    assert (targeting.debug_events_until_ms, targeting.sampling_ratio) == (5, 0)
    assert (targeting.exclude_from_summaries, targeting.migration) == (True, Migration(check_ratio=3))
    assert (targeting.prerequisites[0].key, targeting.prerequisites[0].variation) == ("other", 2)
    assert [variation.value for variation in flag.flag.variations] == ["a", None]
    assert (flag.flag.name, flag.flag.description, flag.flag.tags) == ("Name", "Why", ("a", "b"))
    assert flag.given == {"name", "description", "tags"}


def test_a_flag_without_a_name_has_its_keys() -> None:
    assert read_flag().flag.name == "flag"
    assert read_segment().segment.name == "segment"


def test_a_flag_that_is_no_migration_is_told_from_one_without_a_ratio() -> None:
    assert (read_flag().targeting.migration, read_flag(migration={}).targeting.migration) == (None, Migration())


@pytest.mark.parametrize(
    ("properties", "environment_id", "mobile_key"),
    [
        ({}, False, True),
        ({"clientSide": True}, True, True),
        ({"clientSide": True, "clientSideAvailability": {}}, False, False),
        ({"clientSideAvailability": {"usingEnvironmentId": True}}, True, False),
        ({"clientSideAvailability": {"usingMobileKey": True}}, False, True),
        ({"clientSide": True, "clientSideAvailability": None}, True, True),
    ],
)
def test_client_side_availability(properties: dict[str, Json], environment_id: bool, mobile_key: bool) -> None:
    expected = ClientSideAvailability(using_environment_id=environment_id, using_mobile_key=mobile_key)
    assert read_flag(**properties).flag.client_side_availability == expected


@pytest.mark.parametrize("value", [1.0, 1])
def test_a_whole_number_may_be_written_with_a_point(value: Json) -> None:
    flag = read_flag(
        version=value, offVariation=value, fallthrough={"variation": value}, targets=[{"variation": value}]
    )
    targeting = flag.targeting
    numbers = [
        targeting.version,
        targeting.off_variation,
        targeting.fallthrough.variation,
        targeting.targets[0].variation,
    ]
    assert numbers == [1, 1, 1, 1]
    assert {type(number) for number in numbers} == {int}


@pytest.mark.parametrize("version", [0, -3, None])
def test_versions_begin_at_1(version: Json) -> None:
    assert read_flag(version=version).targeting.version == 1
    assert read_segment(version=version).segment.version == 1


def test_targets_keep_an_absent_kind_apart_from_user() -> None:
    found = read_flag(
        contextTargets=[{"variation": 1, "values": ["a"]}, {"contextKind": "user"}, {"contextKind": ""}]
    )
    assert found.targeting.context_targets == (
        Target(variation=1, values=("a",)),
        Target(variation=0, context_kind="user"),
        Target(variation=0),
    )


def test_clauses_keep_an_absent_kind_apart_from_user() -> None:
    clauses: list[Json] = [{"attribute": "/a", "op": "in"}, {"contextKind": "user"}, {"contextKind": ""}, {}]
    (rule,) = read_flag(rules=[{"clauses": clauses}]).targeting.rules
    assert rule.clauses == (
        Clause(op="in", attribute="/a"),
        Clause(op="", context_kind="user"),
        Clause(op=""),
        Clause(op=""),
    )


def test_a_clause_is_read_whole() -> None:
    clause: Json = {
        "contextKind": "org",
        "attribute": "a",
        "op": "in",
        "values": [1, None, [2], {}],
        "negate": True,
    }
    (rule,) = read_flag(rules=[{"clauses": [clause]}]).targeting.rules
    expected = Clause(op="in", attribute="a", values=(1, None, [2], {}), negate=True, context_kind="org")
    assert rule.clauses == (expected,)


@pytest.mark.parametrize("rule", [{}, {"clauses": None}, {"clauses": []}, {"clauss": [{"attribute": "a"}]}])
def test_a_rule_without_clauses_has_none(rule: Json) -> None:
    assert read_flag(rules=[rule]).targeting.rules[0].clauses == ()
    assert read_segment(rules=[rule]).segment.rules[0].clauses == ()


def test_a_rule_is_read_whole() -> None:
    (rule,) = read_flag(
        rules=[{"id": "r", "description": "Why", "variation": 2, "trackEvents": True}]
    ).targeting.rules
    assert (rule.id, rule.description, rule.serves.variation, rule.track_events) == ("r", "Why", 2, True)


def test_a_rollout_is_read_whole() -> None:
    shares: Json = [{"variation": 1, "weight": -5}, {"variation": 2, "weight": 7.0, "untracked": True}, {}]
    rollout: Json = {"kind": "experiment", "contextKind": "org", "bucketBy": "/a", "seed": 0, "variations": shares}
    found = read_flag(fallthrough={"rollout": rollout}).targeting.fallthrough.rollout
    assert found is not None
    assert (found.kind, found.context_kind, found.bucket_by, found.seed) == (
        RolloutKind.EXPERIMENT,
        "org",
        "/a",
        0,
    )
    assert found.variations == (
        WeightedVariation(variation=1, weight=-5),
        WeightedVariation(variation=2, weight=7, untracked=True),
        WeightedVariation(variation=0, weight=0),
    )


@pytest.mark.parametrize("kind", [None, "", "rollout", "other"])
def test_what_is_no_experiment_is_a_rollout(kind: Json) -> None:
    found = read_flag(fallthrough={"rollout": {"kind": kind}}).targeting.fallthrough.rollout
    assert found is not None
    assert (found.kind, found.variations, found.seed) == (RolloutKind.ROLLOUT, (), None)


def test_a_flag_value_serves_itself_to_everybody() -> None:
    snapshot = a_snapshot_of({"flagValues": {"a": {"any": ["json"]}, "b": None, "c": False}})
    results = snapshot.evaluate_all(["a", "b", "c"], snapshot.subject(a_context(kind="org")))
    found = [(result.value, result.variation_index, result.reason.kind.value) for result in results]
    assert found == [({"any": ["json"]}, 0, "FALLTHROUGH"), (None, 0, "FALLTHROUGH"), (False, 0, "FALLTHROUGH")]


def test_a_flag_value_has_version_1() -> None:
    flag = read({"flagValues": {"a": 1}}).flags["a"]
    assert (flag.targeting.version, flag.targeting.on, flag.deleted) == (1, True, False)


@pytest.mark.parametrize("properties", [{"deleted": True}, {"deleted": True, "version": 9, "key": "flag"}])
def test_a_tombstone_says_that_the_item_is_gone(properties: dict[str, Json]) -> None:
    assert read_flag(**properties).deleted is True
    assert read({"segments": {"s": {"deleted": True}}}).segments["s"].deleted is True


# Segments


def test_null_is_absence_everywhere_in_a_segment() -> None:
    assert read_segment(**dict.fromkeys(SEGMENT_PROPERTIES)) == read_segment()


def test_a_segment_is_read_whole() -> None:
    found = read_segment(
        version=3, salt="s", included=["a"], excluded=["b"], unbounded=True, unboundedContextKind="org", generation=4,
        includedContexts=[{"contextKind": "org", "values": ["c"]}], excludedContexts=[{}],
        rules=[{"id": "r", "weight": -5, "bucketBy": "/a", "rolloutContextKind": "org"}, {"weight": None}],
    )  # fmt: skip # reads as a table, one case or group a line
    segment = found.segment
    assert (segment.version, segment.salt, segment.included, segment.excluded) == (3, "s", ("a",), ("b",))
    assert (segment.unbounded, segment.member_kind, segment.list_reference) == (True, "org", "segment.g4")
    assert [(item.context_kind, item.values) for item in segment.included_contexts] == [("org", ("c",))]
    assert [(item.context_kind, item.values) for item in segment.excluded_contexts] == [(None, ())]
    rule, plain = segment.rules
    assert (rule.id, rule.weight, rule.bucket_by, rule.rollout_context_kind) == ("r", -5, "/a", "org")
    assert plain.weight is None


def test_a_list_without_a_generation_is_told_from_generation_0() -> None:
    assert (read_segment().segment.generation, read_segment(generation=0).segment.generation) == (None, 0)


def test_the_members_of_a_list_are_users_by_default() -> None:
    assert read_segment(unbounded=True).segment.member_kind == "user"
