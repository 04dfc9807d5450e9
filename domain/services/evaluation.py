"""Evaluates flags for contexts, one at a time and in batches, each call at one revision."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import TypeVar

from domain.access.principals import Principal
from domain.clock import moment, now_ms
from domain.errors import DomainError, InputPath, InvalidInputError, LimitExceededError, Violation
from domain.evaluation.results import BigSegmentsStatus, Evaluation, EvaluationErrorKind, failed
from domain.evaluation.snapshot import SegmentMembership, Snapshot
from domain.evaluation.subject import Subject
from domain.json import NESTING_LIMIT, Json, is_nested_too_deep
from domain.keys import EnvironmentRef
from domain.model.contexts import Context, ContextLimits, parse_context
from domain.model.flags import EnvironmentFlag
from domain.services.contexts import ContextService
from domain.services.memberships import MembershipService
from domain.services.snapshots import SnapshotService
from domain.services.turns import Turns

T = TypeVar("T")

DEFAULT_CONTEXT_LIMITS = ContextLimits()
USUAL_SIZE = 1_024
"""A context counts as one for each so much of its size."""
_PIECE = 50
"""For how many flags a context is evaluated before anybody looks at the clock."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ContextEvaluations:
    """What one context gets, in the order asked.

    Attributes:
        valid_until: When a scheduled change may make it untrue; None if only a new revision can.
        context_key: The context's fully qualified key; None if the context is invalid.
        error: Why nothing could be evaluated; then each evaluation says so too.
        error_message: What is wrong with an invalid context; the first three violations.
    """

    revision: int
    evaluations: Sequence[Evaluation]
    context_key: str | None = None
    valid_until: datetime | None = None
    error: EvaluationErrorKind | None = None
    error_message: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class BatchEvaluation:
    """What many contexts get, all at one revision, in the order asked."""

    revision: int
    results: Sequence[ContextEvaluations]
    valid_until: datetime | None = None


@dataclass(frozen=True, slots=True)
class Basis:
    """What an answer rests on beside the question and who asks it.

    Attributes:
        valid_until_ms: When a scheduled change may make the answer untrue, in epoch milliseconds; None if only a
            new revision can.
    """

    environment: EnvironmentRef
    revision: int
    valid_until_ms: int | None


@dataclass(slots=True)
class Caller:
    """Who asks in one request, and how much that request may still ask for.

    Attributes:
        evaluations_limit: How many evaluations one request may ask for, over all of its fields.
        basis: What the last answer rests on; None if it rests on what could not be read, too.
        count: Is told of evaluations that are about to be made.
    """

    principal: Principal
    evaluations_limit: int
    basis: Basis | None = None
    count: Callable[[int], None] | None = None
    _evaluations: int = 0

    def spend(self, evaluations: int) -> None:
        """Count evaluations that are about to be made.

        Raises:
            LimitExceededError: They are more than the request has left.
        """
        self._take(evaluations)
        if self.count is not None:
            self.count(evaluations)

    def spend_on_size(self, size: int, evaluations: int) -> None:
        """Count evaluations once more for each 1,024 that their context's size has beyond the usual.

        Raises:
            LimitExceededError: They are more than the request has left.
        """
        if size > USUAL_SIZE:
            self._take((size - 1) // USUAL_SIZE * evaluations)

    def _take(self, evaluations: int) -> None:
        self._evaluations += evaluations
        if self._evaluations > self.evaluations_limit:
            raise LimitExceededError(
                "contexts x flags of the request",
                setting="EARLYBIRD_MAX_BATCH_EVALUATIONS",
                limit=self.evaluations_limit,
                actual=self._evaluations,
            )


@dataclass(frozen=True, slots=True)
class Where:
    """Where to evaluate.

    Attributes:
        environment: The environment; None where the caller's SDK key implies it.
        at_least_revision: The revision that the answer must know of; None if the one that is served here will do.
    """

    environment: EnvironmentRef | None
    at_least_revision: int | None = None


class EvaluationService:
    """Answers from the snapshots. Asks the store only for members of large lists and for later revisions.

    Attributes:
        context_limits: What is read as a context at all.
    """

    def __init__(
        self,
        snapshots: SnapshotService,
        memberships: MembershipService,
        contexts: ContextService,
        context_limits: ContextLimits = DEFAULT_CONTEXT_LIMITS,
    ) -> None:
        self._snapshots = snapshots
        self._memberships = memberships
        self._contexts = contexts
        self.context_limits = context_limits

    async def evaluate(
        self,
        caller: Caller,
        where: Where,
        flag_key: str,
        context: Json,
        default: Json = None,
    ) -> Evaluation:
        """Evaluate one flag; where nothing can be served, the value is `default`.

        Raises:
            InvalidInputError: The context is invalid, or the default nested too deep.
            LimitExceededError: The context is too large, or the default.
            DomainError: As `Caller.spend`, `Principal.evaluates_in` and `SnapshotService.get` say.
        """
        snapshot = await self._snapshot(caller, where)
        if default is not None:
            self.context_limits.check_default(default)
            if is_nested_too_deep(default):
                raise InvalidInputError([Violation(("default",), f"is nested more than {NESTING_LIMIT} deep")])
        parsed, size = self._read(context)
        caller.spend(1)
        caller.spend_on_size(size, 1)
        client_side = caller.principal.is_client_side
        [([evaluation], _)] = await self._answer(
            caller,
            snapshot,
            [parsed],
            [flag_key],
            lambda subject, keys: snapshot.evaluate_all(keys, subject, client_side=client_side),
        )
        return evaluation if evaluation.variation_index is not None else replace(evaluation, value=default)

    async def evaluate_flags(
        self,
        caller: Caller,
        where: Where,
        context: Json,
        flag_keys: Sequence[str] | None = None,
        tags: Sequence[str] | None = None,
    ) -> ContextEvaluations:
        """Evaluate the flags named, or all that are not archived and visible, that bear any of the tags.

        Raises:
            InvalidInputError: The context is invalid.
            LimitExceededError: The context is too large.
            DomainError: As `Caller.spend`, `Principal.evaluates_in` and `SnapshotService.get` say.
        """
        snapshot = await self._snapshot(caller, where)
        parsed, size = self._read(context)
        client_side = caller.principal.is_client_side
        keys = _select(snapshot.client_side_flags if client_side else snapshot.live_flags, flag_keys, tags)
        caller.spend(len(keys))
        caller.spend_on_size(size, len(keys))
        [(evaluations, end)] = await self._answer(
            caller,
            snapshot,
            [parsed],
            keys,
            lambda subject, some: snapshot.evaluate_all(some, subject, client_side=client_side),
        )
        return _of_context(snapshot, parsed, evaluations, end)

    async def evaluate_batch(
        self,
        caller: Caller,
        where: Where,
        contexts: Sequence[Json],
        flag_keys: Sequence[str] | None = None,
        tags: Sequence[str] | None = None,
    ) -> BatchEvaluation:
        """Evaluate the same flags for many contexts at one revision; an invalid context spoils only its own.

        Raises:
            DomainError: As `Caller.spend`, `Principal.evaluates_in` and `SnapshotService.get` say.
        """
        snapshot = await self._snapshot(caller, where)
        client_side = caller.principal.is_client_side
        keys = _select(snapshot.client_side_flags if client_side else snapshot.live_flags, flag_keys, tags)
        caller.spend(len(contexts) * max(1, len(keys)))  # a context costs its reading, even without flags
        turns = Turns()
        parsed: list[Context | DomainError] = []
        for index, context in enumerate(contexts):
            if turns.is_over:
                await turns.next()
            try:
                found, size = self._read(context, ("contexts", index))
            except (InvalidInputError, LimitExceededError) as error:
                parsed.append(error)
            else:
                caller.spend_on_size(size, len(keys))
                parsed.append(found)
        answers = iter(
            await self._answer(
                caller,
                snapshot,
                [context for context in parsed if isinstance(context, Context)],
                keys,
                lambda subject, some: snapshot.evaluate_all(some, subject, client_side=client_side),
            )
        )
        results = []
        for read in parsed:
            if turns.is_over:
                await turns.next()
            results.append(
                _of_context(snapshot, read, *next(answers))
                if isinstance(read, Context)
                else _spoiled(snapshot, keys, read)
            )
        ends = [result.valid_until for result in results if result.valid_until is not None]
        return BatchEvaluation(
            revision=snapshot.revision, results=results, valid_until=min(ends) if ends else None
        )

    async def segment_memberships(self, caller: Caller, where: Where, context: Json) -> list[SegmentMembership]:
        """Tell for every segment whether the context is in it, and why; each counts as an evaluation.

        Raises:
            InvalidInputError: The context is invalid.
            LimitExceededError: The context is too large.
            ForbiddenError: The credential is a client SDK key.
            DomainError: As `Caller.spend`, `Principal.evaluates_in` and `SnapshotService.get` say.
        """
        caller.principal.evaluates_in(where.environment)
        caller.principal.require_server_side()
        snapshot = await self._snapshot(caller, where)
        parsed, size = self._read(context)
        caller.spend(len(snapshot.segments))
        caller.spend_on_size(size, len(snapshot.segments))
        [(memberships, _)] = await self._answer(caller, snapshot, [parsed], None, snapshot.memberships)
        return memberships

    async def _answer(
        self,
        caller: Caller,
        snapshot: Snapshot,
        contexts: Sequence[Context],
        flag_keys: Sequence[str] | None,
        work: Callable[[Subject, Sequence[str]], list[T]],
    ) -> list[tuple[list[T], int | None]]:
        """Do the work for each context; again, with what the store knows of them, where it met a large list.

        It evaluates the flags named, or (None) asks for any segment.
        All of it is done as of one moment, in turns with others. Beside each answer stands how long it holds, in
        epoch milliseconds.
        """
        keys = list(snapshot.segments) if flag_keys is None else flag_keys
        now = now_ms()
        turns = Turns()
        subjects, answers = [], []
        for context in contexts:
            self._contexts.remember(snapshot.environment, context)
            subject = snapshot.subject(context, now_ms=now)
            subjects.append(subject)
            is_short = len(keys) <= _PIECE and not turns.is_over
            answers.append(work(subject, keys) if is_short else await _in_turns(turns, work, subject, keys))
        all_known = True
        waiting = [index for index, subject in enumerate(subjects) if subject.asked_in_vain]
        if waiting:
            asking = [contexts[index] for index in waiting]
            lists = snapshot.large_lists if flag_keys is None else snapshot.reach.lists_of(flag_keys)
            memberships = await self._memberships.look_up(snapshot, asking, lists)
            all_known = all(known.status is BigSegmentsStatus.HEALTHY for known in memberships.values())
            for index in waiting:
                subjects[index] = snapshot.subject(contexts[index], memberships, now_ms=now)
                answers[index] = await _in_turns(turns, work, subjects[index], keys)
        ends = [subject.valid_until_ms for subject in subjects if subject.valid_until_ms is not None]
        if flag_keys is None:  # the segments themselves may be answered too, whoever was asked about
            ends += [removal.at_ms for segment in snapshot.removals for removal in segment.at(now).removals[:1]]
        end = min(ends) if ends else None
        # What was answered without the lists is not kept: the store may be back.
        caller.basis = Basis(snapshot.environment, snapshot.revision, end) if all_known else None
        return [(answer, subject.valid_until_ms) for answer, subject in zip(answers, subjects, strict=True)]

    def _read(self, context: Json, path: InputPath = ("context",)) -> tuple[Context, int]:
        """Read a context, and tell its size."""
        size = self.context_limits.check(context)
        return parse_context(context, path), size

    async def _snapshot(self, caller: Caller, where: Where) -> Snapshot:
        environment = caller.principal.evaluates_in(where.environment)
        if caller.principal.rights:  # an SDK key is its environment's
            await self._snapshots.access.require_sight(caller.principal, environment)
        return await self._snapshots.get(environment, at_least=where.at_least_revision or 0)


async def _in_turns(
    turns: Turns, work: Callable[[Subject, Sequence[str]], list[T]], subject: Subject, keys: Sequence[str]
) -> list[T]:
    """Do the work for one context, some keys at a time."""
    found: list[T] = []
    for start in range(0, len(keys), _PIECE):
        if turns.is_over:
            await turns.next()
        found += work(subject, keys[start : start + _PIECE])
    return found


def _select(
    visible: Mapping[str, EnvironmentFlag], flag_keys: Sequence[str] | None, tags: Sequence[str] | None
) -> list[str]:
    """Return the keys to evaluate, in order, each once: unknown ones too, if they are asked for by key alone."""
    keys = list(visible) if flag_keys is None else list(dict.fromkeys(flag_keys))
    if tags is None:
        return keys
    wanted = frozenset(tags)
    return [key for key in keys if key in visible and not wanted.isdisjoint(visible[key].tags)]


def _of_context(
    snapshot: Snapshot, context: Context, evaluations: Sequence[Evaluation], valid_until_ms: int | None
) -> ContextEvaluations:
    return ContextEvaluations(
        revision=snapshot.revision,
        evaluations=evaluations,
        context_key=context.fully_qualified_key,
        valid_until=None if valid_until_ms is None else moment(valid_until_ms),
    )


def _spoiled(snapshot: Snapshot, keys: Sequence[str], error: DomainError) -> ContextEvaluations:
    kind = EvaluationErrorKind.USER_NOT_SPECIFIED
    return ContextEvaluations(
        revision=snapshot.revision,
        evaluations=[failed(key, kind) for key in keys],
        error=kind,
        error_message=error.message,
    )
