"""The subject of an evaluation: one context with what was found out about it so far, at one revision."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, TypeAlias

from domain.evaluation.results import BigSegmentsStatus, Evaluation, worst_status
from domain.model.contexts import Context
from domain.model.targeting import DEFAULT_CONTEXT_KIND

if TYPE_CHECKING:
    from domain.json import Json

Predicate: TypeAlias = Callable[["Subject"], bool]
"""Tells whether a subject matches; raises MalformedError if what it reaches is broken."""

CompiledFlag: TypeAlias = Callable[["Subject"], Evaluation]
"""Evaluates a flag; raises MalformedError if what it reaches is broken (a bad variation index is an answer)."""


_PLAIN = frozenset({str, bool, int, float})


class MalformedError(Exception):
    """Something reached in the evaluation is broken: the whole flag is MALFORMED_FLAG (semantics 2.1)."""


@dataclass(frozen=True, slots=True)
class Membership:
    """What the store of large lists knows of one context key.

    Attributes:
        listed: By list reference (`key.gN`): included (true) or excluded (false); absent means not listed.
    """

    status: BigSegmentsStatus
    listed: Mapping[str, bool] = field(default_factory=dict)


NOT_CONFIGURED = Membership(BigSegmentsStatus.NOT_CONFIGURED)


@dataclass(frozen=True, slots=True)
class Elements:
    """The elements of a list in a context that a clause can match, each once.

    Attributes:
        distinct: As they are: strings, booleans and numbers.
        comparable: The same as `comparables` makes them.
    """

    distinct: Sequence[Any]
    comparable: frozenset[object]


def comparables(values: Iterable[Any]) -> frozenset[object]:
    """Return values so that `in` matches what is equal: 1 is not true, and numbers are doubles (semantics 2.9)."""
    return frozenset(map(_comparable, (value for value in values if value.__class__ in _PLAIN)))


def _comparable(value: Any) -> object:  # noqa: ANN401 - a string, a boolean or a number
    return value if value.__class__ is str else (bool, value) if value.__class__ is bool else float(value)


class Subject:
    """A context under evaluation. Segments and prerequisites are decided once; not for use by two threads.

    Attributes:
        individuals: The context's attributes by kind.
        user_key: The key of kind user, if there is one.
        decided_segments: By key, whether the context is in it; None while being decided, or where it is broken.
        elements_of_lists: By the id of a list in the context, its elements.
        decided_flags: By key, a prerequisite's evaluation; None while being decided, or where it is broken.
        statuses: By segment or flag, the worst status of the large lists that deciding it consulted.
        status: The same for the evaluation that is under way.
        asked_in_vain: Whether a large list was consulted for a key that was not looked up.
        now_ms: When the evaluation is made, in epoch milliseconds.
        valid_until_ms: When a scheduled removal may make an answer untrue; None if none can.
    """

    __slots__ = (
        "asked_in_vain",
        "decided_flags",
        "decided_segments",
        "elements_of_lists",
        "flags",
        "individuals",
        "memberships",
        "now_ms",
        "segments",
        "status",
        "statuses",
        "user_key",
        "valid_until_ms",
    )

    def __init__(
        self,
        context: Context,
        flags: Mapping[str, CompiledFlag],
        segments: Mapping[str, Predicate],
        memberships: Mapping[str, Membership],
        now_ms: int,
    ) -> None:
        individuals = context.individuals
        self.individuals = individuals
        user = individuals.get(DEFAULT_CONTEXT_KIND)
        self.user_key: Json = user["key"] if user is not None else None
        self.flags = flags
        self.segments = segments
        self.memberships = memberships
        self.decided_segments: dict[str, bool | None] = {}
        self.decided_flags: dict[str, Evaluation | None] = {}
        self.elements_of_lists: dict[int, Elements] | None = None
        self.statuses: dict[CompiledFlag | Predicate, BigSegmentsStatus] = {}
        self.status: BigSegmentsStatus | None = None
        self.asked_in_vain = False
        self.now_ms = now_ms
        self.valid_until_ms: int | None = None

    def is_in_segment(self, key: str) -> bool:
        """Tell whether the context is in a segment; an unknown one contains nobody (semantics 2.3).

        Raises:
            MalformedError: The segment is reached from itself, or holds something broken.
        """
        decided = self.decided_segments
        if key in decided:
            known = decided[key]
            if known is None:
                raise MalformedError
            if self.statuses:
                self._consulted(self.segments[key])
            return known
        segment = self.segments.get(key)
        if segment is None:
            return False
        decided[key] = None
        before = self.status
        if before is not None:
            self.status = None
        try:
            result = segment(self)
        finally:
            if self.status is None:
                self.status = before
            else:
                self._note(segment, self.status, before)
        decided[key] = result
        return result

    def prerequisite(self, key: str) -> Evaluation | None:
        """Return a prerequisite's evaluation; None if there is no such flag.

        Raises:
            MalformedError: The flag is reached from itself, or reaches something broken (semantics 2.2).
        """
        decided = self.decided_flags
        if key in decided:
            known = decided[key]
            if known is None:
                raise MalformedError
            if self.statuses:
                self._consulted(self.flags[key])
            return known
        flag = self.flags.get(key)
        if flag is None:
            return None
        decided[key] = None
        before = self.status
        if before is not None:
            self.status = None
        try:
            result = flag(self)
        finally:
            if self.status is None:
                self.status = before
            else:
                self._note(flag, self.status, before)
        decided[key] = result
        return result

    def elements(self, items: list[Any]) -> Elements:
        """Return the elements of a list in the context, which is gone through once, however many clauses ask."""
        known = self.elements_of_lists
        if known is None:
            known = self.elements_of_lists = {}
        found = known.get(id(items))
        if found is None:
            plain = {(item.__class__, item): item for item in items if item.__class__ in _PLAIN}
            found = known[id(items)] = Elements(tuple(plain.values()), comparables(plain.values()))
        return found

    def is_before(self, at_ms: int) -> bool:
        """Tell whether a moment is still to come; then answers hold no longer than until then."""
        if self.now_ms >= at_ms:
            return False
        if self.valid_until_ms is None or at_ms < self.valid_until_ms:
            self.valid_until_ms = at_ms
        return True

    def forget_undecided(self) -> None:
        """Drop the marks that an evaluation left when it was cut short, to begin it again."""
        self.decided_segments = {k: v for k, v in self.decided_segments.items() if v is not None}
        self.decided_flags = {k: v for k, v in self.decided_flags.items() if v is not None}

    def end_malformed(self) -> None:
        """End an evaluation that met something broken: all that was being decided is broken too, and stays marked.

        Where large lists were consulted it is decided anew each time, since their status depends on the way to it.
        """
        if self.statuses:
            self.forget_undecided()

    def consult(self, context_key: str) -> Membership:
        """Return what is known of a key's large lists, and remember the status (semantics 2.7)."""
        membership = self.memberships.get(context_key)
        if membership is None:
            self.asked_in_vain = True
            membership = NOT_CONFIGURED
        self.status = worst_status(self.status, membership.status)
        return membership

    def _consulted(self, decided: CompiledFlag | Predicate) -> None:
        self.status = worst_status(self.status, self.statuses.get(decided))

    def _note(
        self,
        decided: CompiledFlag | Predicate,
        status: BigSegmentsStatus,
        before: BigSegmentsStatus | None,
    ) -> None:
        self.statuses[decided] = status
        self.status = worst_status(before, status)
