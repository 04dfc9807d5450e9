"""Registers the domain's enums with the schema, each value described."""

from collections.abc import Collection, Mapping
from enum import Enum
from typing import TYPE_CHECKING, TypeVar

import strawberry

if TYPE_CHECKING:
    from strawberry.types.enum import StrawberryEnumDefinition

E = TypeVar("E", bound=Enum)


def register_enum(
    enum: type[E],
    description: str,
    values: Mapping[E, str],
    *,
    name: str | None = None,
    hidden: Collection[E] = (),
) -> None:
    """Make a domain enum known to the schema.

    Args:
        enum: The domain's enum.
        description: What it is.
        values: What each value means.
        name: Its name in the schema; None for its own.
        hidden: Values that are none of the schema's.
    """
    registered = strawberry.enum(enum, name=name, description=description)
    definition: StrawberryEnumDefinition = registered.__strawberry_definition__  # type: ignore[attr-defined]  # set by Strawberry
    definition.values = [value for value in definition.values if enum[value.name] not in hidden]
    for value in definition.values:
        value.description = values[enum[value.name]]
