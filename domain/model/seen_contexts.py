"""Contexts that evaluation met, as they are remembered, so that people can be found by key, name or email."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from domain.clock import moment
from domain.json import Json, is_nested_too_deep
from domain.keys import EnvironmentRef
from domain.model.attribute_references import parse_reference

LARGEST_CHARACTERS = 16_384
"""How much JSON a context may be to be remembered."""
_NOT_ATTRIBUTES = ("kind", "key", "anonymous")


@dataclass(frozen=True, slots=True, kw_only=True)
class SeenContext:
    """An individual context that was met in an environment.

    Attributes:
        attributes: All but the private ones, and but kind and key.
        last_seen_ms: When it was met last, to some minutes.
    """

    environment: EnvironmentRef
    kind: str
    key: str
    attributes: Mapping[str, object]
    last_seen_ms: int

    @property
    def name(self) -> str | None:
        """The name, if it has one that is not private."""
        return self._text("name")

    @property
    def email(self) -> str | None:
        """The email, if it has one that is not private."""
        return self._text("email")

    @property
    def folded_email(self) -> str | None:
        """The email as it is looked up: in any case."""
        return None if self.email is None else self.email.casefold()

    @property
    def search_text(self) -> str:
        """What a search looks through: key, name and email, in any case."""
        return "\n".join(text.casefold() for text in (self.key, self.name, self.email) if text)

    @property
    def last_seen_at(self) -> datetime:
        """When it was met last, as a date and time."""
        return moment(self.last_seen_ms)

    @property
    def sort_key(self) -> str:
        """Order within an environment, by kind and key; a kind holds no line's end."""
        return f"{self.kind}\n{self.key}"

    def _text(self, name: str) -> str | None:
        value = self.attributes.get(name)
        return value if isinstance(value, str) else None


@dataclass(frozen=True, slots=True, kw_only=True)
class ContextFilter:
    """Which contexts are wanted.

    Attributes:
        query: A part of the key, name or email, in any case.
        kinds: The kinds that are wanted; None for all.
    """

    query: str | None = None
    kinds: Sequence[str] | None = None

    @property
    def folded_query(self) -> str:
        """The query as it is looked for in `SeenContext.search_text`."""
        return (self.query or "").casefold()


EVERY_CONTEXT = ContextFilter()


def least_characters(attributes: Mapping[str, Json]) -> int:
    """Return how much JSON attributes are at least: quickly, so too much of it is not looked through."""
    characters = 0
    pending: list[Any] = [attributes]
    while pending and characters <= LARGEST_CHARACTERS:
        container = pending.pop()
        characters += len(container)
        if characters > LARGEST_CHARACTERS:
            break
        values = container
        if container.__class__ is not list:
            values = container.values()
            characters += sum(map(len, container))
        for value in values:
            if value.__class__ is str:
                characters += len(value)
            elif value.__class__ is dict or value.__class__ is list:
                pending.append(value)
    return characters


def attributes_text(attributes: Mapping[str, Json]) -> str | None:
    """Write a context's attributes as JSON; None if that is too long or deep, or no text that can be stored."""
    if is_nested_too_deep(dict(attributes)):  # no answer could hold it
        return None
    try:
        text = json.dumps(attributes, ensure_ascii=False, allow_nan=False)
        text.encode()
    except ValueError:  # half a character, a number without end
        return None
    # A store may take NUL for the end of a text, and then not find it.
    return text if len(text) <= LARGEST_CHARACTERS and "\\u0000" not in text else None


def public_attributes(text: str, private: Sequence[str]) -> dict[str, object]:
    """Read what `attributes_text` wrote, without kind and key, and without what private references lead to."""
    attributes: dict[str, Any] = json.loads(text)
    for name in _NOT_ATTRIBUTES:
        attributes.pop(name, None)
    for reference in private:
        *ways, last = parse_reference(reference) or ("",)
        place: object = attributes
        for name in ways:
            place = place.get(name) if isinstance(place, dict) else None
        if isinstance(place, dict):
            place.pop(last, None)
    return attributes
