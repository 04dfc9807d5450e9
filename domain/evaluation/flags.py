"""Flags become functions from a subject to an evaluation (LaunchDarkly semantics 2.1, 2.2, 2.6).

Every answer that can be known beforehand is made once and shared.
"""

from collections.abc import Callable, Mapping
from dataclasses import replace
from itertools import accumulate
from typing import TypeAlias

from domain.evaluation.bucketing import bucket_prefix, compile_bucketer
from domain.evaluation.clauses import compile_clauses
from domain.evaluation.results import Evaluation, EvaluationErrorKind, EvaluationReason, ReasonKind, failed
from domain.evaluation.subject import CompiledFlag, Predicate, Subject
from domain.model.flags import EnvironmentFlag
from domain.model.targeting import (
    DEFAULT_CONTEXT_KIND,
    FULL_WEIGHT,
    FlagRule,
    Rollout,
    RolloutKind,
    VariationOrRollout,
)

_Served: TypeAlias = Evaluation | Callable[[Subject], Evaluation]


def compile_flag(flag: EnvironmentFlag) -> CompiledFlag:
    """Return the flag's function: off, prerequisites, targets, rules, fallthrough, in this order."""
    if not flag.on:
        off = _serve_variation(flag, flag.off_variation, EvaluationReason(kind=ReasonKind.OFF))
        return lambda _subject: off
    targets = _compile_targets(flag)
    rules = tuple(_compile_rule(flag, index, rule) for index, rule in enumerate(flag.rules))
    fallthrough = _serve(flag, flag.fallthrough, EvaluationReason(kind=ReasonKind.FALLTHROUGH))

    def evaluate(subject: Subject) -> Evaluation:
        for kind, answers in targets:
            attributes = subject.individuals.get(kind)
            if attributes is not None and (answer := answers.get(attributes["key"])) is not None:  # type: ignore[arg-type]  # keys are strings
                return answer
        for matches, served in rules:
            if matches(subject):
                return served if served.__class__ is Evaluation else served(subject)  # type: ignore[operator]  # told apart by its class
        return fallthrough if fallthrough.__class__ is Evaluation else fallthrough(subject)  # type: ignore[operator]  # same

    return _with_prerequisites(flag, evaluate) if flag.prerequisites else evaluate


def _with_prerequisites(flag: EnvironmentFlag, evaluate: CompiledFlag) -> CompiledFlag:
    """Check prerequisites first; an off one fails whatever it serves (semantics 2.2)."""
    prerequisites = tuple(
        (
            prerequisite.key,
            prerequisite.variation,
            _serve_variation(
                flag,
                flag.off_variation,
                EvaluationReason(kind=ReasonKind.PREREQUISITE_FAILED, prerequisite_key=prerequisite.key),
            ),
        )
        for prerequisite in flag.prerequisites
    )
    key = flag.key

    def evaluate_prerequisites_first(subject: Subject) -> Evaluation:
        decided = subject.decided_flags
        # Marked while it is being decided, so that a cycle back to it is seen.
        is_outermost = key not in decided
        if is_outermost:
            decided[key] = None
        for prerequisite, variation, failure in prerequisites:
            result = subject.prerequisite(prerequisite)
            if result is None or result.variation_index != variation or result.reason.kind is ReasonKind.OFF:
                served = failure
                break
        else:
            served = evaluate(subject)
        if is_outermost:
            del decided[key]
        return served

    return evaluate_prerequisites_first


def _serve_variation(flag: EnvironmentFlag, index: int | None, reason: EvaluationReason) -> Evaluation:
    """Return the answer with a variation; None is the caller's default, an index that is not there an error."""
    if index is None:
        return Evaluation(flag.key, None, None, reason)
    if 0 <= index < len(flag.variations):
        return Evaluation(flag.key, flag.variations[index].value, index, reason)
    return failed(flag.key, EvaluationErrorKind.MALFORMED_FLAG)


def _serve(flag: EnvironmentFlag, serves: VariationOrRollout, reason: EvaluationReason) -> _Served:
    if serves.variation is not None:
        return _serve_variation(flag, serves.variation, reason)
    if serves.rollout is None or not serves.rollout.variations:
        return failed(flag.key, EvaluationErrorKind.MALFORMED_FLAG)
    return _serve_rollout(flag, serves.rollout, reason)


def _serve_rollout(flag: EnvironmentFlag, rollout: Rollout, reason: EvaluationReason) -> _Served:
    """Serve the first share whose cumulative weight exceeds the bucket; past the end, the last."""
    is_experiment = rollout.kind is RolloutKind.EXPERIMENT
    bucketer = compile_bucketer(
        bucket_prefix(flag.key, flag.targeting.salt, rollout.seed),
        None if is_experiment else rollout.bucket_by,
        rollout.context_kind,
    )
    if bucketer is None:
        return failed(flag.key, EvaluationErrorKind.MALFORMED_FLAG)
    kind = rollout.context_kind or DEFAULT_CONTEXT_KIND
    measured = replace(reason, in_experiment=True)
    ends = tuple(accumulate(share.weight / FULL_WEIGHT for share in rollout.variations))
    plain = tuple(_serve_variation(flag, share.variation, reason) for share in rollout.variations)
    served = tuple(
        _serve_variation(flag, share.variation, measured if is_experiment and not share.untracked else reason)
        for share in rollout.variations
    )
    unbucketed = next((answer for end, answer in zip(ends, plain, strict=True) if end > 0), plain[-1])
    shares, last = tuple(zip(ends, served, strict=True)), served[-1]

    def serve(subject: Subject) -> Evaluation:
        attributes = subject.individuals.get(kind)
        if attributes is None:
            return unbucketed
        bucket = bucketer(attributes)
        for end, answer in shares:
            if bucket < end:
                return answer
        return last

    return serve


def _compile_rule(flag: EnvironmentFlag, index: int, rule: FlagRule) -> tuple[Predicate, _Served]:
    reason = EvaluationReason(kind=ReasonKind.RULE_MATCH, rule_index=index, rule_id=rule.id or None)
    return compile_clauses(rule.clauses), _serve(flag, rule.serves, reason)


def _compile_targets(flag: EnvironmentFlag) -> tuple[tuple[str, Mapping[str, Evaluation]], ...]:
    """Return the answers to individually targeted keys, kind after kind in the order of targets."""
    reason = EvaluationReason(kind=ReasonKind.TARGET_MATCH)
    by_kind: list[tuple[str, dict[str, Evaluation]]] = []
    for target in flag.targeting.ordered_targets:
        if not target.values:
            continue
        kind = target.context_kind or DEFAULT_CONTEXT_KIND
        if not by_kind or by_kind[-1][0] != kind:
            by_kind.append((kind, {}))
        answer = _serve_variation(flag, target.variation, reason)
        for key in target.values:
            by_kind[-1][1].setdefault(key, answer)
    return tuple(by_kind)
