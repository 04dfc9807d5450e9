"""What is to be noted of flags and segments once all that an import writes is known: what they refer to."""

from collections.abc import Mapping, Sequence

from domain.evaluation.references import named_segments
from domain.flag_data import rule_name
from domain.model.segments import Segment, SegmentRule
from domain.model.targeting import FlagRule, Targeting
from domain.services.circles import circles


class ReferenceNotes:
    """Finds references that never work, in an environment as it is after an import.

    Args:
        targetings: How it targets each flag that it has, by key.
        segments: Its segments, by key.
    """

    def __init__(self, targetings: Mapping[str, Targeting], segments: Mapping[str, Segment]) -> None:
        self._targetings = targetings
        self._segments = segments
        self._circles_of_flags = circles({key: _prerequisites(flag) for key, flag in targetings.items()})
        self._circles_of_segments = circles({key: _named(segment) for key, segment in segments.items()})

    def of_flag(self, key: str) -> list[str]:
        """Note which segments and prerequisites of a flag are not there, and the circle that it is in."""
        targeting = self._targetings[key]
        missing = [other for other in _prerequisites(targeting) if other not in self._targetings]
        return [
            *(f"kept the prerequisite {other!r}, which does not exist" for other in dict.fromkeys(missing)),
            *self._missing_segments(targeting.rules),
            *_circle(self._circles_of_flags.get(key)),
        ]

    def of_segment(self, key: str) -> list[str]:
        """Note which segments that a segment names are not there, and the circle that it is in."""
        rules = self._segments[key].rules
        return [*self._missing_segments(rules), *_circle(self._circles_of_segments.get(key))]

    def _missing_segments(self, rules: Sequence[FlagRule | SegmentRule]) -> list[str]:
        return [
            f"kept the segment {key!r} of {rule_name(index, rule)}, which does not exist"
            for index, rule in enumerate(rules)
            for key in dict.fromkeys(key for key, _ in named_segments(rule.clauses))
            if key not in self._segments
        ]


def _circle(found: Sequence[str] | None) -> list[str]:
    """Note a circle; evaluation finds what is in it malformed."""
    return [f"kept in a circle, which makes it malformed: {' -> '.join(found)}"] if found else []


def _prerequisites(targeting: Targeting) -> list[str]:
    return [prerequisite.key for prerequisite in targeting.prerequisites]


def _named(segment: Segment) -> list[str]:
    return [key for rule in segment.rules for key, _ in named_segments(rule.clauses)]
