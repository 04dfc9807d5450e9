"""JSON as the model holds it: plain Python values, never changed in place."""

import json
from typing import Any, TypeAlias

# `Any` inside containers: a recursive alias would make every consumer narrow at every level for no safety.
Json: TypeAlias = bool | int | float | str | list[Any] | dict[str, Any] | None


def same_json(left: Json, right: Json) -> bool:
    """Tell whether two values are the same JSON text up to property order (so `true` is not `1`)."""
    return json.dumps(left, sort_keys=True) == json.dumps(right, sort_keys=True)
