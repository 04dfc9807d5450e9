"""The scalars that GraphQL lacks, and how the schema knows them."""

import math
from collections.abc import Mapping
from contextlib import suppress
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, NewType, TypeAlias

import strawberry
from graphql import (
    GraphQLError,
    ListValueNode,
    ObjectValueNode,
    ValueNode,
    VariableNode,
    value_from_ast_untyped,
)
from strawberry.types.scalar import ScalarDefinition

from domain.json import Json as JsonValue

if TYPE_CHECKING:
    JSON: TypeAlias = JsonValue
else:
    JSON = NewType("JSON", object)
    """Any JSON value, passed through unchanged."""

if TYPE_CHECKING:
    Long: TypeAlias = int
else:
    Long = NewType("Long", int)
    """A whole number of at most 63 bits and a sign."""

_SMALLEST_INTEGER, _LARGEST_INTEGER = -(2**63), 2**64 - 1
_TOO_LONG = 2**63


def _identity(value: JsonValue) -> JsonValue:
    return value


def _parse_literal(node: ValueNode, variables: Mapping[str, Any] | None = None) -> JsonValue:
    """Read a JSON value written into the document, held to what a JSON body can say.

    Variables in it are what the body says; one that is not given is null. However often one stands there, its
    value is the same object.
    """
    if isinstance(node, VariableNode):
        given: JsonValue = (variables or {}).get(node.name.value)
        return given
    if isinstance(node, ListValueNode):
        return [_parse_literal(item, variables) for item in node.values]
    if isinstance(node, ObjectValueNode):
        return {field.name.value: _parse_literal(field.value, variables) for field in node.fields}
    try:
        return _normalised(value_from_ast_untyped(node))
    except (ValueError, OverflowError) as error:
        raise GraphQLError(f"a number is out of range: {error}", node) from error


def _normalised(value: JsonValue) -> JsonValue:
    """Turn integers beyond 64 bits into floats, as the parser of bodies does, and refuse infinity."""
    if isinstance(value, int) and not _SMALLEST_INTEGER <= value <= _LARGEST_INTEGER:
        return float(value)
    if isinstance(value, float) and not math.isfinite(value):
        message = "not finite"
        raise ValueError(message)
    return value


def _parse_long(value: JsonValue) -> int:
    """Read a whole number as flag data does, in which 3.0 is one too."""
    if isinstance(value, bool) or not isinstance(value, int | float) or abs(value) >= _TOO_LONG or value % 1:
        raise GraphQLError("a whole number of at most 63 bits is expected here")
    return int(value)


def _parse_moment(value: JsonValue) -> datetime:
    """Read a moment as one in UTC; without an offset, or beyond the year 9999 there, it is none."""
    with suppress(TypeError, ValueError, OverflowError):
        moment = datetime.fromisoformat(value)  # type: ignore[arg-type]  # whatever is no string raises TypeError
        if moment.tzinfo is not None:
            return moment.astimezone(UTC)
    raise GraphQLError("a moment has a date (years 1 to 9999 in UTC), a time and an offset: 2026-11-22T09:30:00Z")


SCALARS: dict[object, ScalarDefinition] = {
    JSON: strawberry.scalar(
        name="JSON",
        description="Any JSON value: null, true, false, a number, a string, a list or an object.",
        serialize=_identity,
        parse_value=_identity,
        parse_literal=_parse_literal,
        specified_by_url="https://www.rfc-editor.org/rfc/rfc8259",
    ),
    Long: strawberry.scalar(
        name="Long",
        description="A whole number of at most 63 bits and a sign; many programs read only 53 of them.",
        serialize=_identity,
        parse_value=_parse_long,
    ),
    datetime: strawberry.scalar(
        name="DateTime",
        description="A moment with its offset from UTC, in RFC 3339: 2026-11-22T09:30:00Z.",
        serialize=lambda value: value.isoformat(),
        parse_value=_parse_moment,
        specified_by_url="https://www.rfc-editor.org/rfc/rfc3339",
    ),
}
