"""Clauses become predicates over a subject (LaunchDarkly semantics 2.3)."""

from collections.abc import Sequence
from typing import Any

from domain.evaluation.bucketing import read_path
from domain.evaluation.operators import SEGMENT_MATCH, Matcher, compile_operator
from domain.evaluation.subject import MalformedError, Predicate, Subject, comparables
from domain.model.attribute_references import parse_attribute
from domain.model.targeting import DEFAULT_CONTEXT_KIND, Clause

_PLAIN = frozenset({str, bool})
_FEW = 8
"""How many elements are tried one by one; longer lists are gone through once for all clauses."""


def compile_clauses(clauses: Sequence[Clause]) -> Predicate:
    """Return the conjunction; no clauses always match."""
    predicates = tuple(map(compile_clause, clauses))
    if len(predicates) == 1:
        return predicates[0]

    def matches(subject: Subject) -> bool:
        for predicate in predicates:  # noqa: SIM110 - all() with a generator costs twice as much
            if not predicate(subject):
                return False
        return True

    return matches


def compile_clause(clause: Clause) -> Predicate:
    """Return the predicate of one clause; a malformed clause raises when it is reached."""
    if clause.op == SEGMENT_MATCH:
        return _in_segments(clause)
    names = parse_attribute(clause.attribute, clause.context_kind)
    if names is None:
        return _malformed
    kind = clause.context_kind or DEFAULT_CONTEXT_KIND
    matcher = compile_operator(clause.op, clause.values)
    if clause.attribute == "kind":
        return _on_kinds(matcher, negate=clause.negate)
    if (
        clause.op == "in"
        and len(names) == 1
        and not clause.negate
        and all(value.__class__ in _PLAIN for value in clause.values)
    ):
        return _is_one_of(kind, names[0], frozenset(clause.values))  # type: ignore[arg-type]  # strings and booleans
    wanted = comparables(clause.values) if clause.op == "in" else None
    return _on_attribute(kind, names, matcher, wanted, negate=clause.negate)


def _malformed(_subject: Subject) -> bool:
    raise MalformedError


def _in_segments(clause: Clause) -> Predicate:
    keys = tuple(value for value in clause.values if isinstance(value, str))
    negate = clause.negate

    def matches(subject: Subject) -> bool:
        decided = subject.decided_segments
        for key in keys:
            known = decided.get(key)
            # Most segments are decided already, and asking again would only repeat the look-up.
            if subject.is_in_segment(key) if known is None or subject.statuses else known:
                return not negate
        return negate

    return matches


def _on_kinds(matcher: Matcher, *, negate: bool) -> Predicate:
    """The attribute `kind` is tried against each kind in the context (semantics 2.3, 3)."""

    def matches(subject: Subject) -> bool:
        return any(map(matcher, subject.individuals)) is not negate

    return matches


def _is_one_of(kind: str, name: str, wanted: frozenset[str | bool]) -> Predicate:
    """The commonest clauses, without the calls that the general one makes; 1 is not true (semantics 2.9)."""
    comparable = comparables(wanted)

    def matches(subject: Subject) -> bool:
        attributes = subject.individuals.get(kind)
        if attributes is None:
            return False
        value: Any = attributes.get(name)
        if value.__class__ is list:
            if len(value) > _FEW:
                return not comparable.isdisjoint(subject.elements(value).comparable)
            return any(item.__class__ in _PLAIN and item in wanted for item in value)
        return value.__class__ in _PLAIN and value in wanted

    return matches


def _on_attribute(
    kind: str, names: tuple[str, ...], matcher: Matcher, wanted: frozenset[object] | None, *, negate: bool
) -> Predicate:
    """A missing kind or value never matches, negated or not; an array matches by any element.

    Args:
        kind: Whose attribute.
        names: The way to it.
        matcher: Tells whether one value matches.
        wanted: What matches, made comparable, where the operator is `in`.
        negate: Whether the clause is.
    """
    name = names[0] if len(names) == 1 else None

    def matches(subject: Subject) -> bool:
        attributes = subject.individuals.get(kind)
        if attributes is None:
            return False
        value: Any = read_path(attributes, names) if name is None else attributes.get(name)
        if value is None:
            return False
        if value.__class__ is list:
            if len(value) <= _FEW:
                return any(map(matcher, value)) is not negate
            elements = subject.elements(value)
            if wanted is not None:
                return wanted.isdisjoint(elements.comparable) is negate
            return any(map(matcher, elements.distinct)) is not negate
        return matcher(value) is not negate

    return matches
