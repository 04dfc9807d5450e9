"""Usage: who refers to a segment, by which way, and what is served there."""

from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import pytest

from domain.evaluation.references import Reached
from domain.evaluation.snapshot import Snapshot
from domain.evaluation.usage import UsageIndex
from domain.model.flags import EnvironmentFlag
from domain.model.projects import Environment
from domain.model.targeting import Targeting
from domain.pages import PageRequest
from domain.services.catalog import EnvironmentCatalog
from tests.builders import ENVIRONMENT, a_snapshot_of
from tests.domain.evaluation.builders import flag, on

OFF = Targeting(environment=ENVIRONMENT, flag_key="direct", on=False)


def rows(data: dict[str, Any], segment: str, *, transitive: bool = True) -> list[tuple[str, int, bool, list[str]]]:
    usage = a_snapshot_of(data).segments[segment].usage(transitive=transitive)
    return [(n.flag.key, n.rule_index, n.negated, [s.key for s in n.path]) for n in usage.rules]


NESTED = {
    "flags": {
        "direct": flag(on("other"), on("inner", "other")),
        "through": flag(on("outer")),
        "both": flag(on("inner"), on("outermost", negate=True)),
        "elsewhere": flag(on("other")),
    },
    "segments": {
        "inner": {},
        "outer": {"rules": [on("inner")]},
        "outermost": {"rules": [on("outer", negate=True)]},
        "other": {},
    },
}


def test_rules_are_found_directly_and_through_segments_with_the_path() -> None:
    assert rows(NESTED, "inner") == [
        ("both", 0, False, []),
        ("both", 1, False, ["outer", "outermost"]),
        ("direct", 1, False, []),
        ("through", 0, False, ["outer"]),
    ]


def test_an_odd_number_of_negations_is_negation() -> None:
    assert rows(NESTED, "outer") == [
        ("both", 1, False, ["outermost"]),
        ("through", 0, False, []),
    ]
    assert rows(NESTED, "outermost") == [("both", 1, True, [])]


def test_without_transitivity_only_direct_references_count() -> None:
    assert rows(NESTED, "inner", transitive=False) == [("both", 0, False, []), ("direct", 1, False, [])]


def test_the_segments_that_refer_to_a_segment_are_listed() -> None:
    inner = a_snapshot_of(NESTED).segments["inner"]
    assert [s.key for s in inner.usage(transitive=True).segments] == ["outer", "outermost"]
    assert [s.key for s in inner.usage(transitive=False).segments] == ["outer"]


def test_of_several_ways_to_a_rule_the_shortest_is_told() -> None:
    data = {
        "flags": {"f": flag(on("top"))},
        "segments": {"s": {}, "mid": {"rules": [on("s")]}, "top": {"rules": [on("mid"), on("s")]}},
    }
    assert rows(data, "s") == [("f", 0, False, ["top"])]


def test_a_rule_for_those_in_a_segment_and_for_those_not_in_it_is_told_twice() -> None:
    either = {"clauses": [*on("s")["clauses"], *on("s", negate=True)["clauses"]], "variation": 0}
    data = {
        "flags": {"direct": flag(either), "nested": flag(on("out", "in"))},
        "segments": {"s": {}, "out": {"rules": [on("s", negate=True)]}, "in": {"rules": [on("out", negate=True)]}},
    }
    assert rows(data, "s") == [
        ("direct", 0, False, []),
        ("direct", 0, True, []),
        ("nested", 0, False, ["out", "in"]),
        ("nested", 0, True, ["out"]),
    ]
    usage = a_snapshot_of(data).segments["s"].usage(transitive=True)
    assert usage.flag_count == 2
    keys = [node.sort_key for node in usage.rules]
    assert keys == sorted(set(keys))


def test_a_circle_of_segments_ends() -> None:
    data = {
        "flags": {"f": flag(on("b"))},
        "segments": {"a": {"rules": [on("b")]}, "b": {"rules": [on("a")]}},
    }
    assert rows(data, "a") == [("f", 0, False, ["b"])]
    assert [s.key for s in a_snapshot_of(data).segments["a"].usage(transitive=True).segments] == ["b"]


def test_flags_are_counted_once_however_many_rules_they_have() -> None:
    data = {"flags": {"f": flag(on("s"), on("s"))}, "segments": {"s": {}}}
    usage = a_snapshot_of(data).segments["s"].usage(transitive=True)
    assert (usage.flag_count, len(usage.rules)) == (1, 2)


def test_what_a_rule_serves_comes_with_weights() -> None:
    rollout = {"variations": [{"variation": 1, "weight": 30000}, {"variation": 0, "weight": 70000}]}
    data = {"flags": {"f": flag(on("s"), on("s", rollout=rollout))}, "segments": {"s": {}}}
    nodes = a_snapshot_of(data).segments["s"].usage(transitive=True).rules
    assert [[(v.variation.value, v.weight) for v in node.serves] for node in nodes] == [
        [("a", 100000)],
        [("b", 30000), ("a", 70000)],
    ]


def test_shares_of_one_variation_are_told_once_and_those_that_get_nobody_are_filtered_out() -> None:
    shares = [(1, 70000), (0, -10000), (2, 50000), (1, 20000), (0, 5)]
    rollout = {"variations": [{"variation": place, "weight": weight} for place, weight in shares]}
    usage = a_snapshot_of({"flags": {"f": flag(on("s", rollout=rollout))}, "segments": {"s": {}}}).segments["s"]
    [node] = usage.usage(transitive=True).rules
    assert [(v.variation.index, v.weight) for v in node.serves] == [(1, 70000), (0, 0), (2, 30000)]
    assert [len(usage.usage(transitive=True).rules_that(variation=place)) for place in range(3)] == [0, 1, 1]
    [of_flag] = usage.program.variations
    assert [variation.index for variation in of_flag.variations] == [1, 2]


def test_a_program_is_active_when_a_flag_that_is_on_targets_it_through_whatever() -> None:
    segments = {"s": {}, "t": {"rules": [on("s")]}}
    for is_on in (True, False):
        segment = a_snapshot_of({"flags": {"f": flag(on("t"), is_on=is_on)}, "segments": segments}).segments["s"]
        assert segment.program.active is is_on


def test_a_programs_variations_are_those_that_flags_that_are_on_serve_to_its_members() -> None:
    rollout = {"variations": [{"variation": 1, "weight": 0}, {"variation": 2, "weight": 100000}]}
    data = {
        "flags": {
            "f": flag(on("s", variation=2), on("s", negate=True, variation=1), on("s", rollout=rollout), on("s")),
            "g": flag(on("not-out")),
            "off": flag(on("s"), is_on=False),
            "others": flag(on("out"), on("s", negate=True)),
        },
        "segments": {
            "s": {},
            "out": {"rules": [on("s", negate=True)]},
            "not-out": {"rules": [on("out", negate=True)]},
        },
    }
    program = a_snapshot_of(data).segments["s"].program
    assert [(v.flag.key, [variation.value for variation in v.variations]) for v in program.variations] == [
        ("f", ["a", "c"]),
        ("g", ["a"]),
    ]
    assert (program.active, program.flag_count) == (True, 4)


def test_what_names_what_is_found_anew_only_where_rules_changed() -> None:
    before = a_snapshot_of(NESTED)
    segments = {key: seen.segment for key, seen in before.segments.items()}
    described = replace(segments["inner"], description="changed")
    flags = {**before.flags, "direct": EnvironmentFlag(before.flags["direct"].flag, OFF)}
    after = Snapshot(ENVIRONMENT, 2, before.flags, {**segments, "inner": described}, before=before)
    assert after.usage.rules_of_flags.by_segment is before.usage.rules_of_flags.by_segment
    assert after.usage.rules_of_segments.by_segment is before.usage.rules_of_segments.by_segment
    later = Snapshot(ENVIRONMENT, 3, flags, segments, before=after)
    assert later.usage.rules_of_flags.by_user["through"] is before.usage.rules_of_flags.by_user["through"]
    assert [n.flag.key for n in later.segments["other"].usage(transitive=True).rules] == ["elsewhere"]


def test_a_page_of_programs_follows_ways_for_what_is_asked_of_its_own_programs(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Else each change makes the next page as dear as everything that refers to any program."""
    followed: list[str] = []
    reaching = UsageIndex.reaching

    def counted(index: UsageIndex, key: str) -> Iterator[Reached]:
        followed.append(key)
        return reaching(index, key)

    monkeypatch.setattr(UsageIndex, "reaching", counted)
    chain = {f"s{n}": {"tags": ["eap"], "rules": [on(f"s{n - 1}")] if n else []} for n in range(9)}
    snapshot = a_snapshot_of({"flags": {"f": flag(on("s7"))}, "segments": chain})
    catalog = EnvironmentCatalog(Environment(project="shop", key="production"), snapshot)
    page = catalog.early_access_programs("eap", PageRequest(2), active=True)
    assert (page.total_count, followed) == (8, [])
    assert [program.flag_count for program in page.nodes] == [1, 1]
    assert followed == ["s0", "s1"]
