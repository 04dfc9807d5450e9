"""Clauses (LaunchDarkly semantics 2.3, 2.4, 2.9)."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from domain.evaluation.results import EvaluationErrorKind, ReasonKind
from domain.json import Json
from tests.builders import (
    a_clause,
    a_context,
    a_flag,
    a_multi_context,
    a_rule,
    a_segment,
    a_snapshot,
    a_user,
    evaluate,
    in_segments,
    malformed,
    matches,
)
from tests.domain.evaluation.operators import TABLE
from tests.processor import ProcessorTime

MALFORMED = EvaluationErrorKind.MALFORMED_FLAG
FREE = a_context(tier="free")
SCALARS: list[Json] = ["a", "ab", "2.0.0", "2020-01-01T00:00:00Z", True, False, 0, 1, 1.0, 2**53, 2**53 + 1, None, {"a": 1}, ["a"]]  # fmt: skip # reads as a table, one case or group a line


def test_a_clause_matches_and_does_not_where_it_is_negated() -> None:
    assert matches(a_clause(attribute="tier", values=["free"]), context=FREE) is True
    assert matches(a_clause(attribute="tier", values=["free"], negate=True), context=FREE) is False


def test_a_clause_does_not_match_and_does_where_it_is_negated() -> None:
    assert matches(a_clause(attribute="tier", values=["pro"]), context=FREE) is False
    assert matches(a_clause(attribute="tier", values=["pro"], negate=True), context=FREE) is True


@pytest.mark.parametrize(("value", "wanted", "expected"), [row[1:] for row in TABLE if row[0] == "in"])
def test_a_clause_matches_as_its_operator_does_an_element_too(value: Json, wanted: Json, expected: bool) -> None:
    for values in ([wanted], [wanted, "another"]):
        clause = a_clause(attribute="it", op="in", values=values)
        assert matches(clause, context=a_context(it=value)) is expected
        assert matches(clause, context=a_context(it=["other", value])) is expected


def test_any_of_the_values_may_match() -> None:
    assert matches(a_clause(attribute="tier", values=["pro", "free"]), context=FREE) is True
    assert matches(a_clause(attribute="tier", values=["pro", "free"], negate=True), context=FREE) is False


@pytest.mark.parametrize("negate", [False, True])
def test_a_missing_attribute_never_matches(negate: bool) -> None:
    assert matches(a_clause(attribute="missing", values=["free"], negate=negate), context=FREE) is False


@pytest.mark.parametrize("negate", [False, True])
def test_a_null_attribute_never_matches(negate: bool) -> None:
    clause = a_clause(attribute="/nested/null", context_kind="user", values=[None], negate=negate)
    assert matches(clause, context=a_context(nested={"null": None})) is False


@pytest.mark.parametrize("negate", [False, True])
def test_a_missing_kind_never_matches(negate: bool) -> None:
    assert matches(a_clause(attribute="tier", context_kind="org", negate=negate), context=FREE) is False


@pytest.mark.parametrize("context_kind", [None, ""])
def test_without_a_kind_a_clause_is_about_the_user(context_kind: str | None) -> None:
    clause = a_clause(context_kind=context_kind)
    assert matches(clause, context=a_multi_context(user="ann", org="bob")) is True
    assert matches(clause, context=a_multi_context(user="bob", org="ann")) is False
    assert matches(clause, context=a_context(kind="org", key="ann")) is False


def test_a_clause_is_about_the_context_of_its_kind() -> None:
    clause = a_clause(context_kind="org")
    assert matches(clause, context=a_multi_context(user="bob", org="ann")) is True
    assert matches(clause, context=a_multi_context(user="ann", org="bob")) is False


# Arrays


@pytest.mark.parametrize(
    ("tags", "expected"), [(["x", "b"], True), (["x"], False), ([], False), ([None], False), ([["b"]], False)]
)
def test_any_element_of_an_array_may_match(tags: list[Json], expected: bool) -> None:
    clause = a_clause(attribute="tags", values=["a", "b"])
    negated = a_clause(attribute="tags", values=["a", "b"], negate=True)
    assert matches(clause, context=a_context(tags=tags)) is expected
    assert matches(negated, context=a_context(tags=tags)) is not expected


def test_null_in_an_array_equals_no_value() -> None:
    assert matches(a_clause(attribute="tags", values=[None]), context=a_context(tags=[None])) is False


def test_an_object_equals_no_value() -> None:
    clause = a_clause(attribute="address", values=[{"city": "Bern"}])
    assert matches(clause, context=a_context(address={"city": "Bern"})) is False


# Long arrays


@given(
    elements=st.lists(st.sampled_from(SCALARS), min_size=9, max_size=40),
    values=st.lists(st.sampled_from(SCALARS), max_size=5),
    op=st.sampled_from(["in", "contains", "lessThan", "semVerEqual", "before"]),
    negate=st.booleans(),
)
def test_a_long_array_matches_as_its_elements_do(
    elements: list[Json], values: list[Json], op: str, negate: bool
) -> None:
    one_by_one = a_clause(attribute="it", op=op, values=values)
    expected = any(matches(one_by_one, context=a_context(it=[element])) for element in elements)
    for attribute, kind in (("it", None), ("/deep/it", "user")):
        clause = a_clause(attribute=attribute, op=op, values=values, negate=negate, context_kind=kind)
        assert matches(clause, context=a_context(it=elements, deep={"it": elements})) is (expected is not negate)


def test_a_long_array_is_gone_through_once_for_all_clauses() -> None:
    """3,000 elements against 5,000 rules took two seconds of the processor."""
    rules = [a_rule(a_clause(attribute="groups", values=[f"team-{n}"])) for n in range(2_500)]
    other = [a_rule(a_clause(attribute="groups", values=[n + 0.5])) for n in range(2_500)]
    snapshot = a_snapshot(flags=[a_flag(rules=[*rules, *other])])
    subject = snapshot.subject(a_context(groups=[f"group-{n}" for n in range(3_000)]))
    with ProcessorTime() as taken:
        assert snapshot.evaluate("flag", subject).reason.kind is ReasonKind.FALLTHROUGH
    assert taken.seconds < 0.5  # measured at 0.01


def test_an_array_of_the_same_element_is_tried_once() -> None:
    """Operators that look into texts are tried on each element, but on none twice."""
    rules = [a_rule(a_clause(attribute="groups", op="contains", values=["xy"])) for _ in range(5_000)]
    snapshot = a_snapshot(flags=[a_flag(rules=rules)])
    subject = snapshot.subject(a_context(groups=["a"] * 3_000))
    with ProcessorTime() as taken:
        assert snapshot.evaluate("flag", subject).reason.kind is ReasonKind.FALLTHROUGH
    assert taken.seconds < 0.5  # measured at 0.01


# The attribute `kind`


@pytest.mark.parametrize("context_kind", [None, "user", "org", "device"])
def test_the_attribute_kind_is_any_kind_of_the_context(context_kind: str | None) -> None:
    clause = a_clause(attribute="kind", values=["org"], context_kind=context_kind)
    negated = a_clause(attribute="kind", values=["org"], context_kind=context_kind, negate=True)
    both, user = a_multi_context(user="ann", org="acme"), a_context()
    assert (matches(clause, context=both), matches(clause, context=user)) == (True, False)
    assert (matches(negated, context=both), matches(negated, context=user)) == (False, True)


def test_the_attribute_kind_takes_every_operator() -> None:
    clause = a_clause(attribute="kind", op="startsWith", values=["o"])
    assert matches(clause, context=a_multi_context(user="ann", org="acme")) is True


def test_the_reference_to_kind_is_the_kind_of_its_own_context() -> None:
    clause = a_clause(attribute="/kind", values=["org"], context_kind="user")
    assert matches(clause, context=a_multi_context(user="ann", org="acme")) is False
    own = a_clause(attribute="/kind", values=["org"], context_kind="org")
    assert matches(own, context=a_multi_context(user="ann", org="acme")) is True


# Built-in attributes


def test_nobody_is_anonymous_by_default() -> None:
    assert matches(a_clause(attribute="anonymous", values=[False])) is True
    assert matches(a_clause(attribute="anonymous", values=[True]), context=a_context(anonymous=True)) is True


def test_meta_is_no_attribute() -> None:
    clause = a_clause(attribute="/_meta/privateAttributes", context_kind="user", values=["tier"])
    assert matches(clause, context=a_context(_meta={"privateAttributes": ["tier"]})) is False


# References


@pytest.mark.parametrize(
    ("attribute", "attributes"),
    [
        ("a", {"a": "x"}),
        ("/a", {"a": "x"}),
        ("/a/b", {"a": {"b": "x"}}),
        ("/a/1", {"a": {"1": "x"}}),
        ("/a~1b", {"a/b": "x"}),
        ("/a~0b", {"a~b": "x"}),
        ("/a~01", {"a~1": "x"}),
        ("a/b", {"a/b": "x"}),
        ("a~1b", {"a~1b": "x"}),
        ("a~b", {"a~b": "x"}),
        ("/a/b/c", {"a": {"b": {"c": ["y", "x"]}}}),
    ],
)
def test_with_a_kind_the_attribute_is_a_reference(attribute: str, attributes: dict[str, Json]) -> None:
    clause = a_clause(attribute=attribute, values=["x"], context_kind="user")
    assert matches(clause, context=a_user(attributes)) is True


@pytest.mark.parametrize(
    ("attribute", "attributes"),
    [
        ("/a/1", {"a": ["y", "x"]}),
        ("/a/b", {"a": "x"}),
        ("/a/b", {"a/b": "x"}),
        ("/a/b", {"/a/b": "x"}),
        ("/a/b/c", {"a": {"b": "x"}}),
        ("/a/b", {"a": None}),
    ],
)
@pytest.mark.parametrize("negate", [False, True])
def test_a_reference_that_leads_nowhere_never_matches(
    attribute: str, attributes: dict[str, Json], negate: bool
) -> None:
    clause = a_clause(attribute=attribute, values=["x"], context_kind="user", negate=negate)
    assert matches(clause, context=a_user(attributes)) is False


@pytest.mark.parametrize("attribute", ["/", "//", "/a/", "/a//b", "a~2", "/a~2", "/a/b"])
def test_without_a_kind_the_attribute_is_a_literal_name(attribute: str) -> None:
    clause = a_clause(attribute=attribute, values=["x"])
    assert matches(clause, context=a_user({attribute: "x", "a": {"b": "y"}})) is True


@pytest.mark.parametrize("attribute", ["", "/", "//", "///", "/a/", "/a//b", "//a", "/a~", "/a~2", "/a/~b"])
@pytest.mark.parametrize("context_kind", ["user", "org"])
def test_an_invalid_reference_is_malformed_even_where_the_kind_is_missing(
    attribute: str, context_kind: str
) -> None:
    assert matches(a_clause(attribute=attribute, context_kind=context_kind)) is MALFORMED


@pytest.mark.parametrize("op", ["in", "sortOf"])
def test_a_clause_without_an_attribute_is_malformed(op: str) -> None:
    assert matches(a_clause(attribute="", op=op)) is MALFORMED
    assert matches(a_clause(attribute="", op=op), context=a_context(kind="org")) is MALFORMED


# Segments


def test_any_of_the_segments_may_match() -> None:
    clause = in_segments("nowhere", 7, None, "segment")
    assert matches(clause, segments=[a_segment(included=["ann"])]) is True
    assert matches(clause, segments=[a_segment()]) is False


def test_segments_may_be_negated() -> None:
    assert matches(in_segments("segment", negate=True), segments=[a_segment(included=["ann"])]) is False
    assert matches(in_segments("segment", negate=True), segments=[a_segment()]) is True


def test_an_unknown_segment_contains_nobody() -> None:
    assert matches(in_segments("nowhere")) is False
    assert matches(in_segments("nowhere", negate=True)) is True


@pytest.mark.parametrize("attribute", ["", "//", "missing"])
def test_the_attribute_of_a_segment_clause_is_ignored(attribute: str) -> None:
    clause = a_clause(attribute=attribute, op="segmentMatch", values=["segment"], context_kind="user")
    assert matches(clause, segments=[a_segment(included=["ann"])]) is True


# Several clauses


def test_all_clauses_of_a_rule_must_match() -> None:
    yes, no = a_clause(), a_clause(negate=True)
    found = [
        evaluate(a_flag(rules=[a_rule(*clauses)])).variation_index
        for clauses in [(yes, yes), (yes, no), (no, yes)]
    ]
    assert found == [2, 1, 1]


def test_a_rule_without_clauses_matches_everybody() -> None:
    assert evaluate(a_flag(rules=[a_rule()])).reason.rule_index == 0


def test_a_bad_clause_spoils_the_flag_although_a_later_rule_would_match() -> None:
    assert evaluate(a_flag(rules=[a_rule(a_clause(attribute="")), a_rule()])) == malformed()


def test_a_bad_clause_after_one_that_does_not_match_is_not_reached() -> None:
    rule = a_rule(a_clause(negate=True), a_clause(attribute=""))
    assert evaluate(a_flag(rules=[rule])).variation_index == 1


def test_a_bad_clause_after_a_rule_that_matches_is_not_reached() -> None:
    assert evaluate(a_flag(rules=[a_rule(), a_rule(a_clause(attribute=""))])).variation_index == 2
