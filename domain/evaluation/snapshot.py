"""Snapshots: everything that evaluation in one environment needs, compiled, at one revision, never changed."""

import sys
import threading
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, replace
from typing import TypeVar

from domain.evaluation.flags import compile_flag
from domain.evaluation.reach import ListReach
from domain.evaluation.results import BigSegmentsStatus, Evaluation, EvaluationErrorKind, failed
from domain.evaluation.segments import (
    CompiledSegment,
    MembershipReason,
    compile_segment,
)
from domain.evaluation.subject import CompiledFlag, MalformedError, Membership, Subject
from domain.evaluation.usage import EnvironmentSegment, UsageIndex
from domain.keys import EnvironmentRef
from domain.model.contexts import Context
from domain.model.flags import EnvironmentFlag
from domain.model.segments import Segment

T = TypeVar("T")

_NOT_LOOKED_UP: Mapping[str, Membership] = {}
_CALLS_A_STEP = 5
"""How many calls lead from one segment or flag to the next at most: own, share, rule, clause and look-up."""
_deep_chain = threading.Lock()


@dataclass(frozen=True, slots=True)
class SegmentMembership:
    """Whether a context is in a segment, and why; `rule_index` where a rule made it so."""

    segment: EnvironmentSegment
    is_member: bool
    reason: MembershipReason | None = None
    rule_index: int | None = None
    big_segments_status: BigSegmentsStatus | None = None
    error_kind: EvaluationErrorKind | None = None

    @property
    def rule_id(self) -> str | None:
        """The id of that rule, if it has one."""
        return None if self.rule_index is None else self.segment.rules[self.rule_index].id or None


class Snapshot:
    """An environment at one revision. Archived flags are listed but evaluate as unknown.

    Compiled flags and segments reach each other through the subject only, so one that is the same as in the
    snapshot before is taken over from there: a change costs the compilation of what changed.

    Attributes:
        flags: The environment's flags by key, in the order of keys.
        live_flags: Those of them that are not archived.
        client_side_flags: Those of the live ones that are available to clients.
        segments: The environment's segments by key, in the order of keys.
        large_lists: The segments whose members must be fetched before evaluation.
        reach: Which of them flags may ask for.
        removals: The segments with targets that are to be removed.
        usage: Which flags and segments refer to which segments.
    """

    def __init__(
        self,
        environment: EnvironmentRef,
        revision: int,
        flags: Mapping[str, EnvironmentFlag],
        segments: Mapping[str, Segment],
        before: "Snapshot | None" = None,
    ) -> None:
        self.environment = environment
        self.revision = revision
        self.flags = dict(sorted(flags.items()))
        self.live_flags = {key: flag for key, flag in self.flags.items() if not flag.archived}
        self.client_side_flags = {
            key: flag
            for key, flag in self.live_flags.items()
            if flag.client_side_availability.using_environment_id
        }
        self.usage: UsageIndex = UsageIndex(self.flags, segments, None if before is None else before.usage)
        keys = sorted(segments)
        self.segments = dict(zip(keys, self.usage.segments_of(keys), strict=True))
        self.large_lists = tuple(segment for segment in segments.values() if segment.unbounded)
        self.reach = ListReach(self.live_flags, {segment.key: segment for segment in self.large_lists}, self.usage)
        self.removals = tuple(segment for segment in segments.values() if segment.removals)
        self._flags: dict[str, CompiledFlag] = {
            key: (before and before.compiled_flag(flag)) or compile_flag(flag)
            for key, flag in self.live_flags.items()
        }
        self._compiled_segments: dict[str, CompiledSegment] = {
            key: (before and before.compiled_segment(segment)) or compile_segment(segment)
            for key, segment in segments.items()
        }
        self._client_side_flags = {key: self._flags[key] for key in self.client_side_flags}
        self._segments = {key: segment.contains for key, segment in self._compiled_segments.items()}

    def compiled_flag(self, flag: EnvironmentFlag) -> CompiledFlag | None:
        """Return a flag as it was compiled here; None if it was another one then."""
        here = self.flags.get(flag.key)
        is_same = here is not None and here.flag is flag.flag and here.targeting is flag.targeting
        return self._flags.get(flag.key) if is_same else None

    def compiled_segment(self, segment: Segment) -> CompiledSegment | None:
        """Return a segment as it was compiled here; None if it was another one then."""
        here = self.segments.get(segment.key)
        return self._compiled_segments[segment.key] if here is not None and here.segment is segment else None

    def subject(
        self, context: Context, memberships: Mapping[str, Membership] | None = None, *, now_ms: int = 0
    ) -> Subject:
        """Prepare a context for evaluation.

        Args:
            context: Who is asking.
            memberships: By context key, what the store of large lists knows; a key that is absent was not looked
                up, since no store is configured.
            now_ms: When the evaluation is made, in epoch milliseconds; by default before any scheduled removal.
        """
        return Subject(context, self._flags, self._segments, memberships or _NOT_LOOKED_UP, now_ms)

    def evaluate(self, flag_key: str, subject: Subject, *, client_side: bool = False) -> Evaluation:
        """Evaluate one flag. Never raises for data: what is wrong with it is the reason.

        Args:
            flag_key: Which.
            subject: For whom, as `subject` prepared it.
            client_side: Whether flags that are not available to clients are unknown.
        """
        flag = (self._client_side_flags if client_side else self._flags).get(flag_key)
        if flag is None:
            return failed(flag_key, EvaluationErrorKind.FLAG_NOT_FOUND)
        subject.status = None
        try:
            try:
                result = flag(subject)
            except RecursionError:
                result = self._ask_deeply(flag, subject)
        except MalformedError:
            subject.end_malformed()
            result = failed(flag_key, EvaluationErrorKind.MALFORMED_FLAG)
        status = subject.status
        if status is None:
            return result
        return replace(result, reason=replace(result.reason, big_segments_status=status))  # type: ignore[unreachable]  # the call may set it

    def evaluate_all(
        self, flag_keys: Iterable[str], subject: Subject, *, client_side: bool = False
    ) -> list[Evaluation]:
        """Evaluate several flags, in the order asked."""
        return [self.evaluate(key, subject, client_side=client_side) for key in flag_keys]

    def memberships(self, subject: Subject, keys: Iterable[str] | None = None) -> list[SegmentMembership]:
        """Tell for some segments, or for every one, whether the subject is in it, and why."""
        asked = self.segments if keys is None else keys
        return [self._membership(self.segments[key], subject) for key in asked]

    def _membership(self, segment: EnvironmentSegment, subject: Subject) -> SegmentMembership:
        subject.status = None
        reason = rule_index = error_kind = None
        is_member = False
        try:
            try:
                is_member = subject.is_in_segment(segment.key)
            except RecursionError:
                is_member = self._ask_deeply(lambda again: again.is_in_segment(segment.key), subject)
            if is_member:
                reason, rule_index = self._compiled_segments[segment.key].explain(subject)
        except MalformedError:
            subject.end_malformed()
            error_kind = EvaluationErrorKind.MALFORMED_FLAG
        return SegmentMembership(
            segment,
            is_member=is_member,
            reason=reason,
            rule_index=rule_index,
            big_segments_status=subject.status,
            error_kind=error_kind,
        )

    def _ask_deeply(self, question: Callable[[Subject], T], subject: Subject) -> T:
        """Ask again with room for a chain of all flags and segments: one of some hundred exceeds the usual limit.

        The calls of an evaluation are Python's own, which take no place on the machine's stack.

        Raises:
            MalformedError: Something reached is broken.
        """
        subject.forget_undecided()
        subject.status = None
        with _deep_chain:
            usual = sys.getrecursionlimit()
            sys.setrecursionlimit(usual + _CALLS_A_STEP * (len(self._flags) + len(self._segments)))
            try:
                return question(subject)
            finally:
                sys.setrecursionlimit(usual)
