"""A second evaluator, as naive as can be: LaunchDarkly semantics 2.1 to 2.7 read aloud, nothing compiled or kept.

Of dates it reads those that `datetime` reads too; their exact syntax has its own tests.
"""

import re
from collections.abc import Iterator, Mapping
from datetime import datetime
from hashlib import sha1
from typing import Any

import re2

from domain.evaluation.results import (
    BigSegmentsStatus,
    Evaluation,
    EvaluationErrorKind,
    EvaluationReason,
    ReasonKind,
)
from domain.evaluation.subject import Membership
from domain.json import Json
from domain.model.contexts import Context
from domain.model.flags import EnvironmentFlag
from domain.model.segments import Segment, SegmentRule, SegmentTarget
from domain.model.targeting import Clause, RolloutKind, VariationOrRollout

Path = tuple[str, ...]
Attributes = Mapping[str, Any]


class _MalformedError(Exception):
    pass


class Reference:
    """Answers for one flag and one context; each answer takes a new one."""

    def __init__(
        self,
        flags: Mapping[str, EnvironmentFlag],
        segments: Mapping[str, Segment],
        context: Context,
        memberships: Mapping[str, Membership],
    ) -> None:
        self.flags = {key: flag for key, flag in flags.items() if not flag.archived}
        self.segments = segments
        self.context: Mapping[str, Attributes] = context.individuals
        self.memberships = memberships
        self.statuses: set[BigSegmentsStatus] = set()

    def evaluate(self, key: str) -> Evaluation:
        if key not in self.flags:
            return self.answer(key, None, kind=ReasonKind.ERROR, error_kind=EvaluationErrorKind.FLAG_NOT_FOUND)
        try:
            return self.flag(self.flags[key], ())
        except _MalformedError:
            return self.malformed(key)

    def answer(self, key: str, index: int | None, **reason: Any) -> Evaluation:
        value = None
        if index is not None:
            variations = self.flags[key].variations
            if index not in range(len(variations)):
                return self.malformed(key)
            value = variations[index].value
        worst = [status for status in BigSegmentsStatus if status in self.statuses][-1:]
        return Evaluation(
            key, value, index, EvaluationReason(big_segments_status=worst[0] if worst else None, **reason)
        )

    def malformed(self, key: str) -> Evaluation:
        return self.answer(key, None, kind=ReasonKind.ERROR, error_kind=EvaluationErrorKind.MALFORMED_FLAG)

    # 2.1 and 2.2

    def flag(self, flag: EnvironmentFlag, path: Path) -> Evaluation:
        if not flag.on:
            return self.answer(flag.key, flag.off_variation, kind=ReasonKind.OFF)
        for prerequisite in flag.prerequisites:
            if not self.is_met(prerequisite.key, prerequisite.variation, (*path, flag.key)):
                failed = {"kind": ReasonKind.PREREQUISITE_FAILED, "prerequisite_key": prerequisite.key}
                return self.answer(flag.key, flag.off_variation, **failed)
        for kind, values, variation in targets(flag):
            if self.key(kind) in values:
                return self.answer(flag.key, variation, kind=ReasonKind.TARGET_MATCH)
        for number, rule in enumerate(flag.rules):
            if all(self.clause(clause, ()) for clause in rule.clauses):
                match = {"kind": ReasonKind.RULE_MATCH, "rule_index": number, "rule_id": rule.id or None}
                return self.serve(flag, rule.serves, match)
        return self.serve(flag, flag.fallthrough, {"kind": ReasonKind.FALLTHROUGH})

    def is_met(self, key: str, variation: int, path: Path) -> bool:
        if key in path:
            raise _MalformedError
        return (
            key in self.flags
            and self.flag(self.flags[key], path).variation_index == variation
            and self.flags[key].on
        )

    def key(self, kind: str) -> str | None:
        return self.context[kind]["key"] if kind in self.context else None

    # 2.6

    def serve(self, flag: EnvironmentFlag, serves: VariationOrRollout, reason: dict[str, Any]) -> Evaluation:
        if serves.variation is not None:
            return self.answer(flag.key, serves.variation, **reason)
        rollout = serves.rollout
        if rollout is None or not rollout.variations:
            return self.malformed(flag.key)
        is_experiment = rollout.kind is RolloutKind.EXPERIMENT
        names: tuple[str, ...] = ("key",)
        if rollout.bucket_by and not is_experiment:
            try:
                names = reference(rollout.bucket_by, rollout.context_kind)
            except _MalformedError:
                return self.malformed(flag.key)
        prefix = f"{flag.key}.{flag.targeting.salt}" if rollout.seed is None else str(rollout.seed)
        attributes = self.context.get(rollout.context_kind or "user")
        place = bucket(prefix, attributes, names)
        end = 0.0
        for share in rollout.variations:
            end += share.weight / 100_000
            if place < end:
                break
        if is_experiment and not share.untracked and attributes is not None:
            reason = {**reason, "in_experiment": True}
        return self.answer(flag.key, share.variation, **reason)

    # 2.3

    def clause(self, clause: Clause, path: Path) -> bool:
        if clause.op == "segmentMatch":
            return any(self.segment(key, path) for key in clause.values) is not clause.negate
        names = reference(clause.attribute, clause.context_kind)
        if clause.attribute == "kind":
            return any(matches_any(clause, kind) for kind in self.context) is not clause.negate
        attributes = self.context.get(clause.context_kind or "user")
        value = None if attributes is None else look_up(attributes, names)
        if value is None:
            return False
        values = value if isinstance(value, list) else [value]
        return any(matches_any(clause, item) for item in values) is not clause.negate

    # 2.7

    def segment(self, key: Json, path: Path) -> bool:
        if not isinstance(key, str) or key not in self.segments:
            return False
        if key in path:
            raise _MalformedError
        segment = self.segments[key]
        listed = self.large_list(segment) if segment.unbounded else self.individually(segment)
        if listed is not None:
            return listed
        return any(self.segment_rule(segment, rule, (*path, key)) for rule in segment.rules)

    def individually(self, segment: Segment) -> bool | None:
        if self.key("user") in segment.included or self.targeted(segment.included_contexts):
            return True
        if self.key("user") in segment.excluded or self.targeted(segment.excluded_contexts):
            return False
        return None

    def targeted(self, targets: tuple[SegmentTarget, ...]) -> bool:
        if list(self.context) == ["user"]:  # 2.9
            return False
        return any(self.key(target.context_kind or "user") in target.values for target in targets)

    def large_list(self, segment: Segment) -> bool | None:
        if segment.generation is None:
            self.statuses.add(BigSegmentsStatus.NOT_CONFIGURED)
            return False
        key = self.key(segment.unbounded_context_kind or "user")
        if key is None:
            return False
        membership = self.memberships.get(key, Membership(BigSegmentsStatus.NOT_CONFIGURED))
        self.statuses.add(membership.status)
        return membership.listed.get(f"{segment.key}.g{segment.generation}")

    def segment_rule(self, segment: Segment, rule: SegmentRule, path: Path) -> bool:
        if not all(self.clause(clause, path) for clause in rule.clauses):
            return False
        if rule.weight is None:
            return True
        names = reference(rule.bucket_by, rule.rollout_context_kind) if rule.bucket_by else ("key",)
        attributes = self.context.get(rule.rollout_context_kind or "user")
        place = bucket(f"{segment.key}.{segment.salt}", attributes, names)
        return attributes is not None and place < rule.weight / 100_000


def targets(flag: EnvironmentFlag) -> Iterator[tuple[str, tuple[str, ...], int]]:
    if not flag.context_targets:
        yield from (("user", target.values, target.variation) for target in flag.targets)
    for target in flag.context_targets:
        values = target.values
        if target.context_kind in {None, "", "user"} and not values:
            values = next((user.values for user in flag.targets if user.variation == target.variation), ())
        yield target.context_kind or "user", values, target.variation


# 2.4


def reference(text: str, context_kind: str | None) -> tuple[str, ...]:
    if not text:
        raise _MalformedError
    if not context_kind or not text.startswith("/"):
        return (text,)
    names = text[1:].split("/")
    if not all(re.fullmatch(r"([^~]|~0|~1)+", name) for name in names):
        raise _MalformedError
    return tuple(name.replace("~1", "/").replace("~0", "~") for name in names)


def look_up(attributes: Attributes, names: tuple[str, ...]) -> Any:
    value: Any = attributes
    for name in names:
        value = value.get(name) if isinstance(value, dict) else None
    return value


def bucket(prefix: str, attributes: Attributes | None, names: tuple[str, ...]) -> float:
    value = None if attributes is None else look_up(attributes, names)
    if isinstance(value, float) and value.is_integer():
        value = int(value)
    if isinstance(value, bool) or not isinstance(value, int | str):
        return 0.0
    return int(sha1(f"{prefix}.{value}".encode()).hexdigest()[:15], 16) / 0xFFFFFFFFFFFFFFF  # noqa: S324 - the format's


# 2.5


def matches_any(clause: Clause, value: Json) -> bool:
    return any(matches(clause.op, value, wanted) for wanted in clause.values)


def matches(op: str, value: Any, wanted: Any) -> bool:
    if op in {"before", "after"}:
        left, right = moment(value), moment(wanted)
        return left is not None and right is not None and (left < right if op == "before" else left > right)
    if op.startswith("semVer"):
        return compare_versions(value, wanted) == {"Equal": 0, "LessThan": -1, "GreaterThan": 1}[op[6:]]
    results: dict[str, bool] = {}
    if is_number(value) and is_number(wanted):
        results = {
            "in": value == wanted,
            "lessThan": value < wanted,
            "lessThanOrEqual": value <= wanted,
            "greaterThan": value > wanted,
            "greaterThanOrEqual": value >= wanted,
        }
    elif isinstance(value, str) and isinstance(wanted, str):
        results = {
            "in": value == wanted,
            "startsWith": value.startswith(wanted),
            "endsWith": value.endswith(wanted),
            "contains": wanted in value,
            "matches": op == "matches" and finds(wanted, value),
        }
    elif isinstance(value, bool):
        results = {"in": value is wanted}
    return results.get(op, False)


def is_number(value: Json) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


def finds(pattern: str, text: str) -> bool:
    options = re2.Options()
    options.log_errors = False
    try:
        return bool(re2.search(pattern, text, options))
    except re2.error:
        return False


def moment(value: Any) -> float | None:
    if is_number(value):
        return int(value) / 1000
    if isinstance(value, str) and re.fullmatch(r"[-\d]{10}T[:.\d]{8,}(Z|[+-]\d\d:\d\d)", value):
        return datetime.fromisoformat(value).timestamp()
    return None


def compare_versions(left: Json, right: Json) -> int | None:
    one, other = version(left), version(right)
    return None if one is None or other is None else (one > other) - (one < other)


def version(value: Json) -> tuple[list[int], bool, list[tuple[int, int, str]]] | None:
    """Numbers, then a release after its prereleases, then identifiers: numeric before others."""
    if not isinstance(value, str):
        return None
    rest, _, build = value.partition("+")
    core, dash, prerelease = rest.partition("-")
    numbers, identifiers = core.split("."), prerelease.split(".") if dash else []
    if len(numbers) > 3 or not all(re.fullmatch("0|[1-9][0-9]*", number) for number in numbers):
        return None
    if not all(re.fullmatch("0|[1-9][0-9]*|[0-9]*[a-zA-Z-][0-9a-zA-Z-]*", name) for name in identifiers):
        return None
    if "+" in value and not re.fullmatch(r"[0-9a-zA-Z-]+(\.[0-9a-zA-Z-]+)*", build):
        return None
    padded = [*map(int, numbers), 0, 0][:3]
    return padded, not dash, [(0, int(name), "") if name.isdigit() else (1, 0, name) for name in identifiers]
