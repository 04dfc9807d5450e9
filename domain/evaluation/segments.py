"""Segments become predicates over a subject (LaunchDarkly semantics 2.7)."""

from collections.abc import Callable, Sequence
from enum import Enum
from typing import TypeAlias

from domain.evaluation.bucketing import bucket_prefix, compile_bucketer
from domain.evaluation.clauses import compile_clauses
from domain.evaluation.results import BigSegmentsStatus, worst_status
from domain.evaluation.subject import MalformedError, Predicate, Subject
from domain.model.segments import Segment, SegmentRule, SegmentTarget, TargetList
from domain.model.targeting import DEFAULT_CONTEXT_KIND, FULL_WEIGHT

_Listing: TypeAlias = Callable[[Subject], bool | None]
"""Tells whether individual targets or a large list decide: in, out, or None, when the rules do."""


class MembershipReason(Enum):
    """Why a context is in a segment."""

    TARGET = "TARGET"
    RULE = "RULE"
    LIST = "LIST"


class CompiledSegment:
    """A segment, ready to be asked.

    Attributes:
        contains: Tells whether a subject is in the segment.
    """

    __slots__ = ("_listed_reason", "_listing", "_rules", "contains")

    def __init__(
        self,
        contains: Predicate,
        listing: _Listing,
        listed_reason: MembershipReason,
        rules: tuple[Predicate, ...],
    ) -> None:
        self.contains = contains
        self._listing = listing
        self._listed_reason = listed_reason
        self._rules = rules

    def explain(self, subject: Subject) -> tuple[MembershipReason, int | None]:
        """Say why a subject that is in the segment is in it, and by which rule (its index)."""
        if self._listing(subject):
            return self._listed_reason, None
        return MembershipReason.RULE, next(i for i, rule in enumerate(self._rules) if rule(subject))


def compile_segment(segment: Segment) -> CompiledSegment:
    """Compile a segment: individual targets or the large list decide first, then any rule."""
    rules = tuple(_compile_rule(rule, segment) for rule in segment.rules)
    if segment.unbounded:
        listing = _large_list(segment)
        return CompiledSegment(_contains(listing, rules), listing, MembershipReason.LIST, rules)
    included, excluded = frozenset(segment.included), frozenset(segment.excluded)
    if segment.removals:
        listing = _passing_targets(segment)
        return CompiledSegment(_contains(listing, rules), listing, MembershipReason.TARGET, rules)
    if segment.included_contexts or segment.excluded_contexts:
        listing = _context_targets(segment, included, excluded)
        return CompiledSegment(_contains(listing, rules), listing, MembershipReason.TARGET, rules)
    contains = _contains_user(included, excluded, rules)
    return CompiledSegment(contains, _user_targets(included, excluded), MembershipReason.TARGET, rules)


def _contains(listing: _Listing, rules: tuple[Predicate, ...]) -> Predicate:
    def contains(subject: Subject) -> bool:
        listed = listing(subject)
        if listed is not None:
            return listed
        for rule in rules:  # noqa: SIM110 - any() with a generator costs twice as much
            if rule(subject):
                return True
        return False

    return contains


def _contains_user(included: frozenset[str], excluded: frozenset[str], rules: tuple[Predicate, ...]) -> Predicate:
    """The commonest segment, whose targets are users, without the call that the general one makes."""

    def contains(subject: Subject) -> bool:
        key = subject.user_key
        if key in included:
            return True
        if key in excluded:
            return False
        for rule in rules:  # noqa: SIM110 - any() with a generator costs twice as much
            if rule(subject):
                return True
        return False

    return contains


def _user_targets(included: frozenset[str], excluded: frozenset[str]) -> _Listing:
    def by_user_key(subject: Subject) -> bool | None:
        key = subject.user_key
        return True if key in included else False if key in excluded else None

    return by_user_key


def _context_targets(segment: Segment, included: frozenset[str], excluded: frozenset[str]) -> _Listing:
    included_contexts = _compile_targets(segment.included_contexts)
    excluded_contexts = _compile_targets(segment.excluded_contexts)

    def by_any_key(subject: Subject) -> bool | None:
        key = subject.user_key
        # A context of kind user alone has no other targets to look at (semantics 2.9, Go).
        only_user = key is not None and len(subject.individuals) == 1
        if key in included or (not only_user and _targeted(subject, included_contexts)):
            return True
        if key in excluded or (not only_user and _targeted(subject, excluded_contexts)):
            return False
        return None

    return by_any_key


def _passing_targets(segment: Segment) -> _Listing:
    """Individual targets of which some are to be removed: from its moment on, a target is none any more."""
    moments = {removal.target: removal.at_ms for removal in segment.removals}
    lists = (
        (True, TargetList.INCLUDED, frozenset(segment.included), _compile_targets(segment.included_contexts)),
        (False, TargetList.EXCLUDED, frozenset(segment.excluded), _compile_targets(segment.excluded_contexts)),
    )

    def by_key_and_time(subject: Subject) -> bool | None:
        individuals = subject.individuals
        only_user = subject.user_key is not None and len(individuals) == 1

        def holds(target_list: TargetList, kind: str, keys: frozenset[str]) -> bool:
            key = individuals[kind]["key"] if kind in individuals else None
            if key not in keys:
                return False
            at_ms = moments.get((target_list, kind, str(key)))
            return at_ms is None or subject.is_before(at_ms)

        for is_in, target_list, users, contexts in lists:
            if holds(target_list, DEFAULT_CONTEXT_KIND, users):
                return is_in
            if not only_user and any(holds(target_list, kind, keys) for kind, keys in contexts):
                return is_in
        return None

    return by_key_and_time


def _compile_targets(targets: Sequence[SegmentTarget]) -> tuple[tuple[str, frozenset[str]], ...]:
    return tuple((target.context_kind or DEFAULT_CONTEXT_KIND, frozenset(target.values)) for target in targets)


def _targeted(subject: Subject, targets: Sequence[tuple[str, frozenset[str]]]) -> bool:
    individuals = subject.individuals
    return any(kind in individuals and individuals[kind]["key"] in keys for kind, keys in targets)


def _large_list(segment: Segment) -> _Listing:
    kind, reference = segment.member_kind, segment.list_reference
    if segment.generation is None:
        return _never_loaded

    def by_membership(subject: Subject) -> bool | None:
        attributes = subject.individuals.get(kind)
        if attributes is None:
            return False
        return subject.consult(str(attributes["key"])).listed.get(reference)

    return by_membership


def _never_loaded(subject: Subject) -> bool:
    """A list without a generation holds nobody, whatever the rules say (semantics 2.7)."""
    subject.status = worst_status(subject.status, BigSegmentsStatus.NOT_CONFIGURED)
    return False


def _compile_rule(rule: SegmentRule, segment: Segment) -> Predicate:
    clauses = compile_clauses(rule.clauses)
    if rule.weight is None:
        return clauses
    share = rule.weight / FULL_WEIGHT
    kind = rule.rollout_context_kind or DEFAULT_CONTEXT_KIND
    prefix = bucket_prefix(segment.key, segment.salt)
    bucketer = compile_bucketer(prefix, rule.bucket_by, rule.rollout_context_kind)

    def matches_share(subject: Subject) -> bool:
        if not clauses(subject):
            return False
        if bucketer is None:
            raise MalformedError
        attributes = subject.individuals.get(kind)
        return attributes is not None and bucketer(attributes) < share

    return matches_share
