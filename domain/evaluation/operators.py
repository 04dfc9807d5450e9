"""Operators: each turns a clause's values, once, into a test of one context value (LaunchDarkly semantics 2.5).

Values that an operator cannot use never match, and never raise.
"""

import operator
from collections.abc import Callable, Iterable
from functools import lru_cache
from typing import Any, TypeAlias

import re2

from domain.evaluation.dates import parse_moment
from domain.evaluation.versions import parse_version
from domain.json import Json

Matcher: TypeAlias = Callable[[Any], bool]
"""Tells whether a context value, which is not null and not an array, matches any of a clause's values."""

SEGMENT_MATCH = "segmentMatch"
MATCHES = "matches"
_PATTERNS_KEPT = 10_000
"""How many regular expressions are kept compiled: an edit checks them, then its snapshot uses them."""


def _never(_value: Json) -> bool:
    return False


def _is_number(value: Json) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


def _in(values: Iterable[Json]) -> Matcher:
    """Same JSON type and equal; arrays and objects never are (semantics 2.9, Go)."""
    values = tuple(values)
    strings = frozenset(value for value in values if isinstance(value, str))
    booleans = frozenset(value for value in values if isinstance(value, bool))
    # Numbers are doubles in Go, so beyond 2**53 neighbours are equal.
    numbers = frozenset(float(value) for value in values if _is_number(value))  # type: ignore[arg-type]  # checked

    def matches(value: Any) -> bool:  # noqa: ANN401 - any JSON value
        kind = value.__class__
        if kind is str:
            return value in strings
        if kind is bool:
            return value in booleans
        return (kind is int or kind is float) and float(value) in numbers

    return matches


def _on_affixes(test: Callable[[str, tuple[str, ...]], bool]) -> Callable[[Iterable[Json]], Matcher]:
    def compile_values(values: Iterable[Json]) -> Matcher:
        affixes = tuple(value for value in values if isinstance(value, str))

        def matches(value: Any) -> bool:  # noqa: ANN401 - any JSON value
            return value.__class__ is str and test(value, affixes)

        return matches

    return compile_values


def _contains(values: Iterable[Json]) -> Matcher:
    parts = tuple(value for value in values if isinstance(value, str))

    def matches(value: Any) -> bool:  # noqa: ANN401 - any JSON value
        return value.__class__ is str and any(part in value for part in parts)

    return matches


@lru_cache(_PATTERNS_KEPT)
def compile_pattern(pattern: str) -> Any | None:  # noqa: ANN401 - the library is untyped
    """Compile a regular expression of RE2's flavour; None if it is invalid."""
    options = re2.Options()
    options.log_errors = False
    try:
        return re2.compile(pattern, options)
    except re2.error:
        return None


def _matches(values: Iterable[Json]) -> Matcher:
    compiled = (compile_pattern(value) for value in values if isinstance(value, str))
    searches = tuple(pattern.search for pattern in compiled if pattern is not None)

    def matches(value: Any) -> bool:  # noqa: ANN401 - any JSON value
        return value.__class__ is str and any(search(value) is not None for search in searches)

    return matches


def _on_numbers(
    test: Callable[[float, float], bool], loosest: Callable[[Iterable[float]], float]
) -> Callable[[Iterable[Json]], Matcher]:
    """Of all bounds only the loosest can decide whether any of them holds."""

    def compile_values(values: Iterable[Json]) -> Matcher:
        bounds = [float(value) for value in values if _is_number(value)]  # type: ignore[arg-type]  # checked
        if not bounds:
            return _never
        bound = loosest(bounds)

        def matches(value: Any) -> bool:  # noqa: ANN401 - any JSON value
            kind = value.__class__
            return (kind is int or kind is float) and test(float(value), bound)

        return matches

    return compile_values


def _on_parsed(
    parse: Callable[[Json], Any | None], test: Callable[[Any, Any], bool]
) -> Callable[[Iterable[Json]], Matcher]:
    def compile_values(values: Iterable[Json]) -> Matcher:
        wanted = tuple(parsed for value in values if (parsed := parse(value)) is not None)

        def matches(value: Any) -> bool:  # noqa: ANN401 - any JSON value
            parsed = parse(value)
            return parsed is not None and any(test(parsed, other) for other in wanted)

        return matches

    return compile_values


_OPERATORS: dict[str, Callable[[Iterable[Json]], Matcher]] = {
    "in": _in,
    "startsWith": _on_affixes(str.startswith),
    "endsWith": _on_affixes(str.endswith),
    "contains": _contains,
    MATCHES: _matches,
    "lessThan": _on_numbers(operator.lt, max),
    "lessThanOrEqual": _on_numbers(operator.le, max),
    "greaterThan": _on_numbers(operator.gt, min),
    "greaterThanOrEqual": _on_numbers(operator.ge, min),
    "before": _on_parsed(parse_moment, operator.lt),
    "after": _on_parsed(parse_moment, operator.gt),
    "semVerEqual": _on_parsed(parse_version, operator.eq),
    "semVerLessThan": _on_parsed(parse_version, operator.lt),
    "semVerGreaterThan": _on_parsed(parse_version, operator.gt),
}
OPERATORS = frozenset(_OPERATORS) | {SEGMENT_MATCH}
"""Every operator that can match."""


def _is_string(value: Json) -> bool:
    return isinstance(value, str)


_USABLE: dict[str, Callable[[Json], bool]] = {
    "in": lambda value: isinstance(value, str | bool | int | float),
    MATCHES: lambda value: isinstance(value, str) and compile_pattern(value) is not None,
    **dict.fromkeys(("startsWith", "endsWith", "contains"), _is_string),
    **dict.fromkeys(("lessThan", "lessThanOrEqual", "greaterThan", "greaterThanOrEqual"), _is_number),
    **dict.fromkeys(("before", "after"), lambda value: parse_moment(value) is not None),
    **dict.fromkeys(
        ("semVerEqual", "semVerLessThan", "semVerGreaterThan"), lambda value: parse_version(value) is not None
    ),
}


def is_usable(name: str, value: Json) -> bool:
    """Tell whether an operator can ever match a value of a clause: of the right type, and readable."""
    usable = _USABLE.get(name)
    return usable is None or usable(value)


def compile_operator(name: str, values: Iterable[Json]) -> Matcher:
    """Return the test for a clause; an unknown operator never matches (semantics 2.3)."""
    compile_values = _OPERATORS.get(name)
    return compile_values(values) if compile_values else _never
