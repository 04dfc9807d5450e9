"""Dependencies: which segments the rules of a flag lead to, by which way."""

import random
from typing import Any

from hypothesis import given

from domain.evaluation.dependencies import segment_dependencies
from domain.evaluation.references import named_segments
from domain.evaluation.snapshot import Snapshot
from tests.builders import a_snapshot_of
from tests.domain.evaluation.builders import flag, on
from tests.strategies import random_world, seeds

NESTED = {
    "flags": {
        "flag": flag(on("outermost"), on("inner", "nowhere", negate=True), on("outer", "inner")),
        "on-a-circle": flag(on("egg")),
    },
    "segments": {
        "inner": {},
        "outer": {"rules": [on("inner")]},
        "outermost": {"rules": [on("outer", negate=True), on("nowhere")]},
        "egg": {"rules": [on("hen")]},
        "hen": {"rules": [on("egg")]},
    },
}


def rows(data: dict[str, Any], key: str, *, transitive: bool = True) -> list[tuple[int, str, bool, list[str]]]:
    snapshot = a_snapshot_of(data)
    found = segment_dependencies(snapshot.flags[key], snapshot.segments, transitive=transitive)
    return [(n.rule_index, n.segment.key, n.negated, [s.key for s in n.path]) for n in found]


def test_each_rule_leads_to_each_segment_once_by_the_shortest_way() -> None:
    assert rows(NESTED, "flag") == [
        (0, "inner", True, ["outermost", "outer"]),
        (0, "outer", True, ["outermost"]),
        (0, "outermost", False, []),
        (1, "inner", True, []),
        (2, "inner", False, []),
        (2, "outer", False, []),
    ]


def test_a_segment_that_a_rule_depends_on_plain_and_negated_is_there_twice() -> None:
    data = {
        "flags": {"f": flag(on("outside", "both"))},
        "segments": {
            "s": {},
            "outside": {"rules": [on("s", negate=True)]},
            "both": {"rules": [on("s"), on("outside")]},
        },
    }
    assert [row for row in rows(data, "f") if row[1] == "s"] == [
        (0, "s", False, ["both"]),
        (0, "s", True, ["outside"]),
    ]
    nodes = segment_dependencies(a_snapshot_of(data).flags["f"], a_snapshot_of(data).segments, transitive=True)
    assert len({node.sort_key for node in nodes}) == len(nodes)


def test_without_transitivity_only_what_rules_name_is_told() -> None:
    assert [(rule, key) for rule, key, _, _ in rows(NESTED, "flag", transitive=False)] == [
        (0, "outermost"),
        (1, "inner"),
        (2, "inner"),
        (2, "outer"),
    ]


def test_a_circle_of_segments_ends() -> None:
    assert [(key, path) for _, key, _, path in rows(NESTED, "on-a-circle")] == [("egg", []), ("hen", ["egg"])]


def lengths_of_ways(snapshot: Snapshot) -> dict[tuple[str, int, str, bool], int]:
    """Find the shortest way from each rule to each segment, plain and negated, by trying all steps."""
    ways: dict[tuple[str, int, str, bool], int] = {}
    found = {
        (flag.key, index, key, negated): 0
        for flag in snapshot.flags.values()
        for index, rule in enumerate(flag.rules)
        for key, negated in named_segments(rule.clauses)
    }
    while found != ways:
        ways = dict(found)
        for (user, index, key, negated), length in ways.items():
            for rule in snapshot.segments[key].rules if key in snapshot.segments else ():
                for inner, turned in named_segments(rule.clauses):
                    end = (user, index, inner, negated is not turned)
                    found[end] = min(length + 1, found.get(end, length + 1))
    return {way: length for way, length in ways.items() if way[2] in snapshot.segments}


@given(seeds())
def test_from_either_end_all_shortest_ways_are_found(seed: int) -> None:
    snapshot = a_snapshot_of(random_world(random.Random(seed)).data)  # noqa: S311 - repeatable, not secret
    expected = lengths_of_ways(snapshot)
    for transitive in (True, False):
        wanted = {way: length for way, length in expected.items() if transitive or not length}
        from_flags = {
            (flag.key, node.rule_index, node.segment.key, node.negated): len(node.path)
            for flag in snapshot.flags.values()
            for node in segment_dependencies(flag, snapshot.segments, transitive=transitive)
        }
        from_segments = {
            (node.flag.key, node.rule_index, segment.key, node.negated): len(node.path)
            for segment in snapshot.segments.values()
            for node in segment.usage(transitive=transitive).rules
        }
        assert from_flags == from_segments == wanted


@given(seeds())
def test_a_program_is_active_where_a_flag_that_is_on_uses_it(seed: int) -> None:
    snapshot = a_snapshot_of(random_world(random.Random(seed)).data)  # noqa: S311 - repeatable, not secret
    for segment in snapshot.segments.values():
        usage = segment.usage(transitive=True)
        assert segment.program.active is any(node.on for node in usage.rules)
        assert segment.program.flag_count == usage.flag_count
