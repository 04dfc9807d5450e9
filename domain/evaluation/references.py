"""References: which rules of flags and segments name which segments, found by either end."""

from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import NamedTuple, Protocol

from domain.evaluation.operators import SEGMENT_MATCH
from domain.model.targeting import Clause


class Reference(NamedTuple):
    """A rule that names a segment.

    Attributes:
        user: The key of the flag or segment whose rule it is.
        rule_index: The rule's place among its rules, from 0.
        negated: Whether the rule asks for those who are not in the segment.
    """

    user: str
    rule_index: int
    segment: str
    negated: bool


class _Rule(Protocol):
    @property
    def clauses(self) -> tuple[Clause, ...]: ...


class _Ruled(Protocol):
    @property
    def rules(self) -> Sequence[_Rule]: ...


class References:
    """What the rules of all flags, or of all segments, name. Never changed.

    Attributes:
        by_user: The references by the flag or segment whose rules they are, in the order of rules.
        by_segment: The same by the segment that is named; only segments that are.
    """

    def __init__(self, users: Mapping[str, _Ruled], before: "References | None" = None) -> None:
        """Read all rules, but for those that are the same objects as before."""
        self._rules: dict[str, Sequence[_Rule]] = {key: user.rules for key, user in users.items()}
        self.by_user: Mapping[str, tuple[Reference, ...]] = {
            key: (before and before.of_same_rules(key, rules)) or _references(key, rules)
            for key, rules in self._rules.items()
        }
        # Most changes change no reference.
        is_same = before is not None and before.by_user == self.by_user
        self.by_segment: Mapping[str, Sequence[Reference]] = (
            before.by_segment if before is not None and is_same else _by_segment(self.by_user)
        )

    def of_same_rules(self, key: str, rules: Sequence[_Rule]) -> tuple[Reference, ...] | None:
        """Return what a flag's or segment's rules name; None if they were others here."""
        return self.by_user[key] if self._rules.get(key) is rules else None


@dataclass(frozen=True, slots=True)
class Reached:
    """A segment at the end of a way along references.

    Attributes:
        negated: Whether an odd number of the references on the way is negated.
        before: The step before this one; None at the start.
    """

    key: str
    negated: bool
    before: "Reached | None" = None

    @property
    def way(self) -> list[str]:
        """The segments on the way, this one last."""
        keys = []
        step: Reached | None = self
        while step is not None:
            keys.append(step.key)
            step = step.before
        return keys[::-1]


def follow(starts: Iterable[Reached], onward: Callable[[str], Iterable[tuple[str, bool]]]) -> Iterator[Reached]:
    """Yield what ways lead to, nearest first: each segment once plain and once negated, where there is such a way.

    Args:
        starts: Where the ways begin.
        onward: Tells which segments come next after one, each with whether the step is negated.
    """
    waiting = list(starts)
    seen: set[tuple[str, bool]] = set()
    for reached in waiting:
        state = (reached.key, reached.negated)
        if state not in seen:
            seen.add(state)
            yield reached
            waiting += [
                Reached(key, reached.negated is not turned, reached) for key, turned in onward(reached.key)
            ]


def reaching(key: str, of_segments: References) -> Iterator[Reached]:
    """Yield a segment, then those that refer to it, nearest first, plain and negated each once."""

    def users(of: str) -> list[tuple[str, bool]]:
        return [(reference.user, reference.negated) for reference in of_segments.by_segment.get(of, ())]

    return follow([Reached(key, negated=False)], users)


def flags_reaching(key: str, of_flags: References, of_segments: References) -> frozenset[str]:
    """Return the flags that refer to a segment, directly or through others."""
    named = of_flags.by_segment
    return frozenset(
        reference.user for reached in reaching(key, of_segments) for reference in named.get(reached.key, ())
    )


def named_segments(clauses: Sequence[Clause]) -> list[tuple[str, bool]]:
    """Return the segments that clauses name, in their order, each with whether its clause is negated."""
    return [
        (key, clause.negate)
        for clause in clauses
        if clause.op == SEGMENT_MATCH
        for key in dict.fromkeys(value for value in clause.values if isinstance(value, str))
    ]


def _references(user: str, rules: Sequence[_Rule]) -> tuple[Reference, ...]:
    return tuple(
        Reference(user, index, key, negated)
        for index, rule in enumerate(rules)
        for key, negated in named_segments(rule.clauses)
    )


def _by_segment(by_user: Mapping[str, tuple[Reference, ...]]) -> Mapping[str, Sequence[Reference]]:
    found: dict[str, list[Reference]] = defaultdict(list)
    for references in by_user.values():
        for reference in references:
            found[reference.segment].append(reference)
    return dict(found)
