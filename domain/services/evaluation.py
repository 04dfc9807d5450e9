"""Evaluates flags for contexts, one at a time and in batches, each call at one revision."""

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime

from domain.access.principals import Principal
from domain.errors import InvalidInputError, LimitExceededError, Violation
from domain.evaluation.results import Evaluation, EvaluationErrorKind, failed
from domain.evaluation.snapshot import SegmentMembership, Snapshot
from domain.json import NESTING_LIMIT, Json, is_nested_too_deep
from domain.keys import EnvironmentRef
from domain.model.contexts import Context, parse_context
from domain.services.snapshots import SnapshotService

_EVALUATIONS_PER_TURN = 2_000
"""After so many evaluations a batch lets other requests have a turn (some milliseconds)."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ContextEvaluations:
    """What one context gets, in the order asked.

    Attributes:
        valid_until: When a scheduled change may make it untrue; None if only a new revision can.
        context_key: The context's fully qualified key; None if the context is invalid.
        error: Why nothing could be evaluated; then each evaluation says so too.
        error_message: The violations of an invalid context.
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


class EvaluationService:
    """Answers from the snapshots; never waits for the store once they are loaded.

    Args:
        snapshots: Where they are kept.
        max_batch_evaluations: How many contexts x flags one call may ask for.
    """

    def __init__(self, snapshots: SnapshotService, *, max_batch_evaluations: int) -> None:
        self._snapshots = snapshots
        self._max_batch_evaluations = max_batch_evaluations

    async def evaluate(
        self,
        principal: Principal,
        environment: EnvironmentRef | None,
        flag_key: str,
        context: Json,
        default: Json = None,
    ) -> Evaluation:
        """Evaluate one flag; where nothing can be served, the value is `default`.

        Raises:
            InvalidInputError: The context is invalid, or the default nested too deep.
            DomainError: As `Principal.evaluates_in` and `SnapshotService.get` say.
        """
        snapshot = await self._snapshot(principal, environment, "evaluate")
        if is_nested_too_deep(default):
            raise InvalidInputError([Violation(("default",), f"is nested more than {NESTING_LIMIT} deep")])
        subject = snapshot.subject(parse_context(context))
        flag = snapshot.flags.get(flag_key)
        if flag is None or not principal.sees(flag):
            evaluation = failed(flag_key, EvaluationErrorKind.FLAG_NOT_FOUND)
        else:
            evaluation = snapshot.evaluate(flag_key, subject)
        return evaluation if evaluation.variation_index is not None else replace(evaluation, value=default)

    async def evaluate_flags(
        self,
        principal: Principal,
        environment: EnvironmentRef | None,
        context: Json,
        flag_keys: Sequence[str] | None = None,
        tags: Sequence[str] | None = None,
    ) -> ContextEvaluations:
        """Evaluate the flags named, or all that are not archived and visible, that bear any of the tags.

        Raises:
            InvalidInputError: The context is invalid.
            LimitExceededError: Too many flags.
            DomainError: As `Principal.evaluates_in` and `SnapshotService.get` say.
        """
        snapshot = await self._snapshot(principal, environment, "evaluateFlags")
        parsed = parse_context(context)
        selection = self._select(snapshot, principal, flag_keys, tags, contexts=1)
        return _evaluate_context(snapshot, parsed, selection)

    async def evaluate_batch(
        self,
        principal: Principal,
        environment: EnvironmentRef | None,
        contexts: Sequence[Json],
        flag_keys: Sequence[str] | None = None,
        tags: Sequence[str] | None = None,
    ) -> BatchEvaluation:
        """Evaluate the same flags for many contexts at one revision; an invalid context spoils only its own.

        Raises:
            LimitExceededError: Too many contexts x flags.
            DomainError: As `Principal.evaluates_in` and `SnapshotService.get` say.
        """
        snapshot = await self._snapshot(principal, environment, "evaluateBatch")
        selection = self._select(snapshot, principal, flag_keys, tags, contexts=len(contexts))
        contexts_per_turn = max(1, _EVALUATIONS_PER_TURN // max(1, len(selection)))
        results: list[ContextEvaluations] = []
        for index, context in enumerate(contexts):
            if index and index % contexts_per_turn == 0:
                await asyncio.sleep(0)
            try:
                parsed = parse_context(context, ("contexts", index))
            except InvalidInputError as error:
                results.append(_spoiled(snapshot, selection, error))
            else:
                results.append(_evaluate_context(snapshot, parsed, selection))
        return BatchEvaluation(revision=snapshot.revision, results=results)

    async def segment_memberships(
        self, principal: Principal, environment: EnvironmentRef | None, context: Json
    ) -> list[SegmentMembership]:
        """Tell for every segment whether the context is in it, and why.

        Raises:
            InvalidInputError: The context is invalid.
            ForbiddenError: The credential is a client SDK key.
            DomainError: As `Principal.evaluates_in` and `SnapshotService.get` say.
        """
        ref = principal.evaluates_in(environment, "segmentMemberships")
        principal.require_server_side("segmentMemberships", str(ref))
        snapshot = await self._snapshots.get(ref)
        return snapshot.memberships(snapshot.subject(parse_context(context)))

    async def _snapshot(self, principal: Principal, environment: EnvironmentRef | None, action: str) -> Snapshot:
        return await self._snapshots.get(principal.evaluates_in(environment, action))

    def _select(
        self,
        snapshot: Snapshot,
        principal: Principal,
        flag_keys: Sequence[str] | None,
        tags: Sequence[str] | None,
        *,
        contexts: int,
    ) -> "_Selection":
        """Return the keys to evaluate, in order, and those among them that do not exist for the principal."""
        flags = snapshot.flags
        keys = (
            [key for key, flag in flags.items() if not flag.archived and principal.sees(flag)]
            if flag_keys is None
            else list(flag_keys)
        )
        if tags is not None:
            wanted = frozenset(tags)
            keys = [key for key in keys if key in flags and not wanted.isdisjoint(flags[key].tags)]
        if contexts * len(keys) > self._max_batch_evaluations:
            raise LimitExceededError(
                "contexts x flags",
                setting="EARLYBIRD_MAX_BATCH_EVALUATIONS",
                limit=self._max_batch_evaluations,
                actual=contexts * len(keys),
            )
        hidden = frozenset() if principal.sees_every_flag else _hidden(snapshot, principal, keys)
        return _Selection(keys, hidden)


@dataclass(frozen=True, slots=True)
class _Selection:
    keys: Sequence[str]
    hidden: frozenset[str]

    def __len__(self) -> int:
        return len(self.keys)


def _hidden(snapshot: Snapshot, principal: Principal, keys: Sequence[str]) -> frozenset[str]:
    flags = snapshot.flags
    return frozenset(key for key in keys if key in flags and not principal.sees(flags[key]))


def _evaluate_context(snapshot: Snapshot, context: Context, selection: _Selection) -> ContextEvaluations:
    subject = snapshot.subject(context)
    if selection.hidden:
        evaluations = [
            failed(key, EvaluationErrorKind.FLAG_NOT_FOUND)
            if key in selection.hidden
            else snapshot.evaluate(key, subject)
            for key in selection.keys
        ]
    else:
        evaluations = snapshot.evaluate_all(selection.keys, subject)
    return ContextEvaluations(
        revision=snapshot.revision, evaluations=evaluations, context_key=context.fully_qualified_key
    )


def _spoiled(snapshot: Snapshot, selection: _Selection, error: InvalidInputError) -> ContextEvaluations:
    kind = EvaluationErrorKind.USER_NOT_SPECIFIED
    return ContextEvaluations(
        revision=snapshot.revision,
        evaluations=[failed(key, kind) for key in selection.keys],
        error=kind,
        error_message=error.message,
    )
