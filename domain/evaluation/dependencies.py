"""Dependencies: the segments that a flag's rules refer to, directly or through other segments."""

from collections.abc import Mapping
from dataclasses import dataclass

from domain.evaluation.references import Reached, follow, named_segments
from domain.evaluation.usage import EnvironmentSegment
from domain.model.flags import EnvironmentFlag, ServedVariation, ServingRule


@dataclass(frozen=True, slots=True)
class FlagSegmentNode:
    """A segment that a rule of a flag depends on: what `SegmentUsageNode` is, seen from the flag.

    Attributes:
        negated: Whether the rule is for those who are not in the segment (an odd number of times on the way).
    """

    segment: EnvironmentSegment
    rule: ServingRule
    negated: bool
    _reached: Reached

    @property
    def rule_index(self) -> int:
        """The rule's place among the flag's rules, from 0."""
        return self.rule.index

    @property
    def path(self) -> list[EnvironmentSegment]:
        """The segments from the flag to the segment, nearest to the flag first; empty if direct."""
        return self.segment.index.segments_of(self._reached.way[:-1])

    @property
    def serves(self) -> tuple[ServedVariation, ...]:
        """What the rule serves."""
        return self.rule.serves

    @property
    def sort_key(self) -> str:
        """Order by rule, then by segment, the negated one last."""
        return f"{self.rule_index:08}\0{self.segment.key}\0{self.negated:d}"


def segment_dependencies(
    flag: EnvironmentFlag, segments: Mapping[str, EnvironmentSegment], *, transitive: bool
) -> list[FlagSegmentNode]:
    """Return the segments that a flag's rules depend on, for each rule plain and negated once, by shortest ways.

    Args:
        flag: Whose rules.
        segments: Those of its environment; what is named and is not among them is left out.
        transitive: Whether to follow segments, or only tell those that the rules themselves name.
    """

    def onward(key: str) -> list[tuple[str, bool]]:
        rules = segments[key].rules if transitive else ()
        return [named for rule in rules for named in known(named_segments(rule.clauses))]

    def known(named: list[tuple[str, bool]]) -> list[tuple[str, bool]]:
        return [(key, negated) for key, negated in named if key in segments]

    nodes = [
        FlagSegmentNode(segments[reached.key], rule, reached.negated, reached)
        for rule in flag.serving_rules
        for reached in follow(
            [Reached(key, negated) for key, negated in known(named_segments(rule.clauses))], onward
        )
    ]
    return sorted(nodes, key=lambda node: node.sort_key)
