"""Usage: who refers to a segment, by which way, and what is served there."""

from typing import Any

from tests.builders import a_snapshot_of


def on(*segments: str, negate: bool = False, **rule: Any) -> dict[str, Any]:
    clause = {"attribute": "", "op": "segmentMatch", "values": list(segments), "negate": negate}
    return {"clauses": [clause], **({} if "rollout" in rule else {"variation": 0}), **rule}


def flag(*rules: dict[str, Any], is_on: bool = True) -> dict[str, Any]:
    return {"on": is_on, "variations": ["a", "b", "c"], "fallthrough": {"variation": 2}, "rules": list(rules)}


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


def test_a_program_is_active_when_a_flag_that_is_on_targets_it_through_whatever() -> None:
    segments = {"s": {}, "t": {"rules": [on("s")]}}
    for is_on in (True, False):
        segment = a_snapshot_of({"flags": {"f": flag(on("t"), is_on=is_on)}, "segments": segments}).segments["s"]
        assert segment.program.active is is_on


def test_a_programs_variations_are_those_its_rules_serve_to_somebody() -> None:
    rollout = {"variations": [{"variation": 1, "weight": 0}, {"variation": 2, "weight": 100000}]}
    data = {"flags": {"f": flag(on("s"), on("s", rollout=rollout)), "g": flag(on("s"))}, "segments": {"s": {}}}
    segment = a_snapshot_of(data).segments["s"]
    program = segment.program
    assert program.flag_count == 2
    assert [(v.flag.key, [variation.value for variation in v.variations]) for v in program.variations] == [
        ("f", ["a", "c"]),
        ("g", ["a"]),
    ]
