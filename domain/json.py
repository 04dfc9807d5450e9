"""JSON as the model holds it: plain Python values, never changed in place."""

import json
from typing import Any, TypeAlias

# `Any` inside containers: a recursive alias would make every consumer narrow at every level for no safety.
Json: TypeAlias = bool | int | float | str | list[Any] | dict[str, Any] | None


NESTING_LIMIT = 100
"""How deep lists and objects may stand inside one another, in values that are stored or handed back."""
_PLAIN = (str, int)  # a number with a fraction is its text: 0.0 is not -0.0
_in_order = json.JSONEncoder(sort_keys=True).encode


def is_nested_too_deep(value: Json) -> bool:
    """Tell whether a value exceeds the nesting limit."""
    pending: list[tuple[Json, int]] = [(value, 0)]
    while pending:
        container, depth = pending.pop()
        if isinstance(container, dict | list):
            if depth == NESTING_LIMIT:
                return True
            items = container.values() if isinstance(container, dict) else container
            pending.extend((item, depth + 1) for item in items if isinstance(item, dict | list))
    return False


def json_extent(value: Json, most: int) -> tuple[int, int]:
    """Measure a value: the characters of its names and strings and one for each value in it; and its nesting.

    What is larger than `most` is not measured to its end; then both are less than they might be.
    """
    size, depth = 1, 0
    level = [value]
    while level:
        deeper: list[Json] = []
        containers = 0
        for item in level:
            if isinstance(item, str):
                size += len(item)
            elif isinstance(item, dict | list):
                size += len(item)
                if size > most:
                    break
                if isinstance(item, dict):
                    size += sum(map(len, item))
                deeper += item.values() if isinstance(item, dict) else item
                containers += 1
        if size > most:
            break
        depth += containers > 0
        level = deeper
    return size, depth


def json_text(value: Json) -> str:
    """Return a value as JSON text, its properties in order: the same for values that are the same JSON."""
    return _in_order(value)


def same_json(left: Json, right: Json) -> bool:
    """Tell whether two values are the same JSON text up to property order (so `true` is not `1`)."""
    if left.__class__ is not right.__class__:
        return False
    if left is None or isinstance(left, _PLAIN):
        return left == right
    return json_text(left) == json_text(right)
