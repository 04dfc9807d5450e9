"""Which flags and segments refer to which segments: the index that usage is answered from."""

from collections.abc import Iterable, Mapping

from domain.evaluation.operators import SEGMENT_MATCH
from domain.model.flags import EnvironmentFlag
from domain.model.segments import Segment
from domain.model.targeting import Clause


class Dependencies:
    """Made once per snapshot.

    Attributes:
        used_segments: The segments that a flag or another segment refers to, whether they exist or not.
    """

    def __init__(self, flags: Mapping[str, EnvironmentFlag], segments: Mapping[str, Segment]) -> None:
        self._of_flags = {
            key: _segments_in(clause for rule in flag.rules for clause in rule.clauses)
            for key, flag in flags.items()
            if not flag.archived
        }
        self._of_segments = {
            key: _segments_in(clause for rule in segment.rules for clause in rule.clauses)
            for key, segment in segments.items()
        }
        self.used_segments = frozenset().union(*self._of_flags.values(), *self._of_segments.values())

    def flags_using(self, segment_key: str) -> frozenset[str]:
        """Return the flags that are not archived whose rules refer to the segment, directly or through others."""
        reaching = self._segments_reaching(segment_key)
        return frozenset(key for key, direct in self._of_flags.items() if not reaching.isdisjoint(direct))

    def _segments_reaching(self, segment_key: str) -> frozenset[str]:
        """Return the segment and all that refer to it, directly or through others."""
        reaching = {segment_key}
        while True:
            found = {key for key, direct in self._of_segments.items() if not reaching.isdisjoint(direct)}
            if found <= reaching:
                return frozenset(reaching)
            reaching |= found


def _segments_in(clauses: Iterable[Clause]) -> frozenset[str]:
    return frozenset(
        value
        for clause in clauses
        if clause.op == SEGMENT_MATCH
        for value in clause.values
        if isinstance(value, str)
    )
