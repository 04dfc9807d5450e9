"""JSON as the model holds it: plain Python values, never changed in place."""

import json
from typing import Any, TypeAlias

# `Any` inside containers: a recursive alias would make every consumer narrow at every level for no safety.
Json: TypeAlias = bool | int | float | str | list[Any] | dict[str, Any] | None


NESTING_LIMIT = 100
"""How deep lists and objects may stand inside one another, in values that are stored or handed back."""


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


def same_json(left: Json, right: Json) -> bool:
    """Tell whether two values are the same JSON text up to property order (so `true` is not `1`)."""
    return json.dumps(left, sort_keys=True) == json.dumps(right, sort_keys=True)
