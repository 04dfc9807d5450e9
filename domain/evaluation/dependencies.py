"""Dependencies: the segments that a flag's rules refer to, directly or through other segments."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from domain.evaluation.usage import EnvironmentSegment, named_segments
from domain.model.flags import EnvironmentFlag, ServedVariation, ServingRule
from domain.model.targeting import Clause


@dataclass(frozen=True, slots=True)
class FlagSegmentNode:
    """A segment that a rule of a flag depends on: what `SegmentUsageNode` is, seen from the flag.

    Attributes:
        negated: Whether the rule is for those who are not in the segment (an odd number of times on the path).
        path: The segments on the way from the flag to the segment, nearest to the flag first; empty if direct.
    """

    segment: EnvironmentSegment
    rule: ServingRule
    negated: bool
    path: tuple[EnvironmentSegment, ...]

    @property
    def rule_index(self) -> int:
        """The rule's place among the flag's rules, from 0."""
        return self.rule.index

    @property
    def serves(self) -> tuple[ServedVariation, ...]:
        """What the rule serves."""
        return self.rule.serves

    @property
    def sort_key(self) -> str:
        """Order by rule, then by segment."""
        return f"{self.rule_index:08}\0{self.segment.key}"


def segments_of(
    flag: EnvironmentFlag, segments: Mapping[str, EnvironmentSegment], *, transitive: bool
) -> list[FlagSegmentNode]:
    """Return the segments that a flag's rules depend on, for each rule each once, by the shortest path.

    Args:
        flag: Whose rules.
        segments: Those of its environment; what is named and is not among them is left out.
        transitive: Whether to follow segments, or only tell those that the rules themselves name.
    """
    nodes = [
        FlagSegmentNode(segment, rule, negated, path)
        for rule in flag.serving_rules
        for segment, path, negated in _reached(rule.clauses, segments, transitive=transitive)
    ]
    return sorted(nodes, key=lambda node: node.sort_key)


def _reached(
    clauses: Sequence[Clause], segments: Mapping[str, EnvironmentSegment], *, transitive: bool
) -> Iterator[tuple[EnvironmentSegment, tuple[EnvironmentSegment, ...], bool]]:
    """Yield the segments that clauses lead to, nearest first, each once, with the path and negation."""
    waiting: list[tuple[str, tuple[EnvironmentSegment, ...], bool]] = [
        (key, (), negated) for key, negated in named_segments(clauses)
    ]
    seen: set[str] = set()
    for key, path, negated in waiting:
        if key in seen or key not in segments:
            continue
        seen.add(key)
        segment = segments[key]
        yield segment, path, negated
        for rule in segment.rules if transitive else ():
            waiting += [
                (inner, (*path, segment), negated is not turned) for inner, turned in named_segments(rule.clauses)
            ]
