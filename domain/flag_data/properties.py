"""Reads properties of JSON objects as lenient as Go does: absent and null are the default (semantics 1.2).

A wrong type is a violation; all of them are collected.
"""

from collections.abc import Callable, Mapping
from typing import Any, TypeVar

from domain.errors import VIOLATIONS_LIMIT, InputPath, InvalidInputError, Violation
from domain.json import NESTING_LIMIT, is_nested_too_deep

T = TypeVar("T")

_SHORT = 31
_LONG = 63


class Properties:
    """One JSON object under reading. A value that is no object counts as an empty one, with a violation."""

    def __init__(self, value: Any, path: InputPath, violations: list[Violation]) -> None:  # noqa: ANN401 - any JSON
        self.path = path
        self.violations = violations
        self.values: Mapping[str, Any] = value if isinstance(value, dict) else {}
        if not isinstance(value, dict):
            self.refuse((), "an object is expected here")

    def refuse(self, place: InputPath, message: str) -> None:
        """Note a violation below this object.

        Raises:
            InvalidInputError: There are more than an error lists.
        """
        self.violations.append(Violation((*self.path, *place), message))
        if len(self.violations) > VIOLATIONS_LIMIT:
            raise InvalidInputError(self.violations)

    def text(self, name: str) -> str:
        """Read a string; "" by default."""
        value = self.values.get(name)
        if isinstance(value, str | None):
            return value or ""
        self.refuse((name,), "a string is expected here")
        return ""

    def text_or_none(self, name: str) -> str | None:
        """Read a string whose absence means something; "" is absence too."""
        return self.text(name) or None

    def truth(self, name: str, *, default: bool = False) -> bool:
        """Read true or false."""
        value = self.values.get(name)
        if isinstance(value, bool | None):
            return default if value is None else value
        self.refuse((name,), "true or false is expected here")
        return default

    def integer_or_none(self, name: str, *, bits: int = _SHORT) -> int | None:
        """Read a whole number, 1.0 included, of at most so many bits (31 are what GraphQL's Int holds)."""
        value = self.values.get(name)
        if value is None:
            return None
        is_number = isinstance(value, int | float) and not isinstance(value, bool)
        if not is_number or value != int(value) or abs(int(value)) >> bits:
            self.refuse((name,), f"a whole number of at most {bits} bits is expected here")
            return None
        return int(value)

    def long_or_none(self, name: str) -> int | None:
        """Read a whole number of at most 63 bits."""
        return self.integer_or_none(name, bits=_LONG)

    def integer(self, name: str, *, default: int = 0, bits: int = _SHORT) -> int:
        """Read a whole number of at most so many bits."""
        value = self.integer_or_none(name, bits=bits)
        return default if value is None else value

    def values_of(self, name: str) -> tuple[Any, ...]:
        """Read a list of anything; empty by default."""
        value = self.values.get(name)
        if isinstance(value, list | None):
            return tuple(value or ())
        self.refuse((name,), "a list is expected here")
        return ()

    def json_values(self, name: str) -> tuple[Any, ...]:
        """Read a list of values that are kept as they are."""
        values = self.values_of(name)
        for index, value in enumerate(values):
            if is_nested_too_deep(value):
                self.refuse((name, index), f"is nested more than {NESTING_LIMIT} deep")
        return values

    def texts(self, name: str) -> tuple[str, ...]:
        """Read a list of strings; empty by default."""
        values = self.values_of(name)
        for index, value in enumerate(values):
            if not isinstance(value, str):
                self.refuse((name, index), "a string is expected here")
        return tuple(value for value in values if isinstance(value, str))

    def object_or_none(self, name: str, read: Callable[["Properties"], T]) -> T | None:
        """Read an object's value by `read`; None if it is absent."""
        value = self.values.get(name)
        return None if value is None else read(Properties(value, (*self.path, name), self.violations))

    def objects(self, name: str, read: Callable[["Properties"], T]) -> tuple[T, ...]:
        """Read a list of objects by `read`; empty by default."""
        return tuple(
            read(Properties(value, (*self.path, name, index), self.violations))
            for index, value in enumerate(self.values_of(name))
        )

    def ignored(self, known: frozenset[str]) -> list[str]:
        """Name the properties that nobody reads."""
        return sorted(self.values.keys() - known)
