"""Every wrong type in flag data is told with its place."""

from typing import Any

import pytest

from domain.json import Json
from tests.domain.flag_data.reading import (
    violations_of,
)


def at(path: str, value: Any) -> Json:
    """Make data that has a value at a path; numbers are places in lists."""
    for step in reversed(path.split(".")):
        value = [value] if step == "0" else {step: value}
    made: Json = value
    return made


RULE, CLAUSE, ROLLOUT = "flags.f.rules.0", "flags.f.rules.0.clauses.0", "flags.f.fallthrough.rollout"
TEXTS = (
    "flags.f.key", "flags.f.salt", "flags.f.name", "flags.f.description", "flags.f.prerequisites.0.key",
    "flags.f.contextTargets.0.contextKind", "flags.f.targets.0.values.0", "flags.f.tags.0", f"{RULE}.id",
    f"{RULE}.description", f"{CLAUSE}.op", f"{CLAUSE}.attribute", f"{CLAUSE}.contextKind", f"{ROLLOUT}.kind",
    f"{ROLLOUT}.contextKind", f"{ROLLOUT}.bucketBy", "segments.s.key", "segments.s.salt", "segments.s.included.0",
    "segments.s.excluded.0", "segments.s.includedContexts.0.contextKind", "segments.s.excludedContexts.0.values.0",
    "segments.s.unboundedContextKind", "segments.s.rules.0.id", "segments.s.rules.0.bucketBy",
    "segments.s.rules.0.rolloutContextKind", "segments.s.name", "segments.s.description",
)  # fmt: skip # reads as a table, one case or group a line
INTEGERS = (
    "flags.f.version", "flags.f.offVariation", "flags.f.debugEventsUntilDate", "flags.f.samplingRatio",
    "flags.f.migration.checkRatio", "flags.f.prerequisites.0.variation", "flags.f.targets.0.variation",
    "flags.f.contextTargets.0.variation", f"{RULE}.variation", "flags.f.fallthrough.variation", f"{ROLLOUT}.seed",
    f"{ROLLOUT}.variations.0.variation", f"{ROLLOUT}.variations.0.weight", "segments.s.version",
    "segments.s.generation", "segments.s.rules.0.weight",
)  # fmt: skip # reads as a table, one case or group a line
TRUTHS = (
    "flags.f.on", "flags.f.deleted", "flags.f.trackEvents", "flags.f.trackEventsFallthrough", "flags.f.clientSide",
    "flags.f.excludeFromSummaries", "flags.f.clientSideAvailability.usingMobileKey",
    "flags.f.clientSideAvailability.usingEnvironmentId", f"{RULE}.trackEvents", f"{CLAUSE}.negate",
    f"{ROLLOUT}.variations.0.untracked", "segments.s.deleted", "segments.s.unbounded",
)  # fmt: skip # reads as a table, one case or group a line
LISTS = (
    "flags.f.variations", "flags.f.prerequisites", "flags.f.targets", "flags.f.contextTargets", "flags.f.rules",
    "flags.f.tags", "flags.f.targets.0.values", f"{RULE}.clauses", f"{CLAUSE}.values", f"{ROLLOUT}.variations",
    "segments.s.included", "segments.s.excluded", "segments.s.includedContexts", "segments.s.excludedContexts",
    "segments.s.rules", "segments.s.rules.0.clauses", "segments.s.tags", "segments.s.includedContexts.0.values",
)  # fmt: skip # reads as a table, one case or group a line
OBJECTS = (
    "flags.f", "flags.f.fallthrough", "flags.f.clientSideAvailability", "flags.f.migration", ROLLOUT,
    "flags.f.prerequisites.0", "flags.f.targets.0", "flags.f.contextTargets.0", RULE, CLAUSE, f"{RULE}.rollout",
    f"{ROLLOUT}.variations.0", "segments.s", "segments.s.rules.0", "segments.s.rules.0.clauses.0",
    "segments.s.includedContexts.0", "segments.s.excludedContexts.0",
)  # fmt: skip # reads as a table, one case or group a line
WRONG: tuple[tuple[tuple[str, ...], tuple[Json, ...], str], ...] = (
    (TEXTS, (1, True, [], {}), "a string"),
    (INTEGERS, ("1", True, 1.5, 2**63, 1e300, [], {}), "a whole number"),
    (TRUTHS, (0, "true", [], {}), "true or false"),
    (LISTS, (1, "a", True, {}), "a list"),
    (OBJECTS, (1, "a", True, []), "an object"),
)


@pytest.mark.parametrize(
    ("path", "value", "expected"),
    [(path, value, expected) for paths, values, expected in WRONG for path in paths for value in values],
)
def test_a_wrong_type_is_refused_with_its_place(path: str, value: Json, expected: str) -> None:
    (violation,) = violations_of(at(path, value))
    place, _, message = violation.rpartition(": ")
    assert place == path.replace(".0", "[0]")
    assert message.startswith(expected)


def test_all_violations_are_told_at_once() -> None:
    data: Json = {
        "flags": {"a": {"on": 1, "rules": [{}, {"clauses": [{"op": 2}]}]}, "b": 3},
        "flagValues": {"a": 1},
        "segments": {"s": {"included": ["x", 4], "rules": 5}},
    }
    assert [violation.rpartition(": ")[0] for violation in violations_of(data)] == [
        "flags.a.on", "flags.a.rules[1].clauses[0].op", "flags.b", "flagValues.a", "segments.s.included[1]",
        "segments.s.rules",
    ]  # fmt: skip # reads as a table, one case or group a line


def test_a_bad_tag_is_refused_with_its_place() -> None:
    (violation,) = violations_of({"flags": {"a": {"tags": ["ok", "not ok"]}}})
    assert violation.startswith("flags.a.tags[1]: 'not ok' is not a tag: 1 to 256 letters")
