"""What is to be noted of flags and segments once all that an import writes is known: what they refer to."""

from collections.abc import Mapping, Sequence

from domain.errors import quoted
from domain.evaluation.references import named_segments
from domain.instructions.rules import rule_names
from domain.model.flags import EnvironmentFlag
from domain.model.segments import Segment, SegmentRule
from domain.model.targeting import FlagRule, Prerequisite, Targeting
from domain.services.circles import circles


class ReferenceNotes:
    """Finds references that never work, in an environment as it is after an import.

    Args:
        flags: Its flags, by key.
        segments: Its segments, by key.
    """

    def __init__(self, flags: Mapping[str, EnvironmentFlag], segments: Mapping[str, Segment]) -> None:
        self._flags = flags
        self._segments = segments
        self._circles_of_flags = circles({key: _prerequisites(flag) for key, flag in flags.items()})
        self._circles_of_segments = circles({key: _named(segment) for key, segment in segments.items()})

    def of_flag(self, key: str) -> list[str]:
        """Note which segments and prerequisites of a flag can never be met, and the circle that it is in."""
        flag = self._flags[key]
        faults = ((found.key, self._fault(found)) for found in flag.prerequisites)
        return [
            *dict.fromkeys(f"kept the prerequisite {other!r}, {fault}" for other, fault in faults if fault),
            *self._missing_segments(flag.targeting),
            *_circle(self._circles_of_flags.get(key)),
        ]

    def of_segment(self, key: str) -> list[str]:
        """Note which segments that a segment names are not there, and the circle that it is in."""
        return [*self._missing_segments(self._segments[key]), *_circle(self._circles_of_segments.get(key))]

    def _fault(self, prerequisite: Prerequisite) -> str:
        """Tell why a prerequisite is never met; nothing if it may be."""
        flag = self._flags.get(prerequisite.key)
        if flag is None:
            return "which does not exist"
        if flag.archived:
            return "which is archived: until it is restored it is never met"
        if not 0 <= prerequisite.variation < len(flag.variations):
            return f"which has no variation {prerequisite.variation}: it is never met"
        return ""

    def _missing_segments(self, thing: Targeting | Segment) -> list[str]:
        rules: Sequence[FlagRule | SegmentRule] = thing.rules
        return [
            f"kept the segment {key!r} of rule {quoted(name)}, which does not exist"
            for name, rule in zip(rule_names(thing), rules, strict=True)
            for key in dict.fromkeys(key for key, _ in named_segments(rule.clauses))
            if key not in self._segments
        ]


def _circle(found: Sequence[str] | None) -> list[str]:
    """Note a circle; evaluation finds what is in it malformed."""
    return [f"kept in a circle, which makes it malformed: {' -> '.join(found)}"] if found else []


def _prerequisites(flag: EnvironmentFlag) -> list[str]:
    return [prerequisite.key for prerequisite in flag.prerequisites]


def _named(segment: Segment) -> list[str]:
    return [key for rule in segment.rules for key, _ in named_segments(rule.clauses)]
