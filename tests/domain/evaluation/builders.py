"""Flags with rules on segments, in the words of the tests."""

from typing import Any


def on(*segments: str, negate: bool = False, **rule: Any) -> dict[str, Any]:
    clause = {"attribute": "", "op": "segmentMatch", "values": list(segments), "negate": negate}
    return {"clauses": [clause], **({} if "rollout" in rule else {"variation": 0}), **rule}


def flag(*rules: dict[str, Any], is_on: bool = True) -> dict[str, Any]:
    return {"on": is_on, "variations": ["a", "b", "c"], "fallthrough": {"variation": 2}, "rules": list(rules)}
