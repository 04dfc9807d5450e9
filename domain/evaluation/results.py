"""What an evaluation answers. Failures of data are answers too, never exceptions."""

from dataclasses import dataclass
from enum import Enum

from domain.json import Json


class ReasonKind(Enum):
    """Why a variation was served (LaunchDarkly semantics 2.1)."""

    OFF = "OFF"
    FALLTHROUGH = "FALLTHROUGH"
    TARGET_MATCH = "TARGET_MATCH"
    RULE_MATCH = "RULE_MATCH"
    PREREQUISITE_FAILED = "PREREQUISITE_FAILED"
    ERROR = "ERROR"


class EvaluationErrorKind(Enum):
    """What kept a flag from being evaluated (LaunchDarkly semantics 2.1)."""

    CLIENT_NOT_READY = "CLIENT_NOT_READY"
    FLAG_NOT_FOUND = "FLAG_NOT_FOUND"
    MALFORMED_FLAG = "MALFORMED_FLAG"
    USER_NOT_SPECIFIED = "USER_NOT_SPECIFIED"
    WRONG_TYPE = "WRONG_TYPE"
    EXCEPTION = "EXCEPTION"


class BigSegmentsStatus(Enum):
    """How well the large lists that were consulted are known, best first (LaunchDarkly semantics 2.7)."""

    HEALTHY = "HEALTHY"
    STALE = "STALE"
    STORE_ERROR = "STORE_ERROR"
    NOT_CONFIGURED = "NOT_CONFIGURED"


_STATUSES = list(BigSegmentsStatus)


def worst_status(left: BigSegmentsStatus | None, right: BigSegmentsStatus | None) -> BigSegmentsStatus | None:
    """Return the worse of two statuses; None means that no large list was consulted."""
    if left is None or right is None:
        return left or right
    return max(left, right, key=_STATUSES.index)


@dataclass(frozen=True, slots=True, kw_only=True)
class EvaluationReason:
    """Why this was served; only the attributes that apply to the kind are set."""

    kind: ReasonKind
    rule_index: int | None = None
    rule_id: str | None = None
    prerequisite_key: str | None = None
    in_experiment: bool = False
    error_kind: EvaluationErrorKind | None = None
    big_segments_status: BigSegmentsStatus | None = None


@dataclass(frozen=True, slots=True)
class Evaluation:
    """One flag's answer. `variation_index` None means that the caller's default holds; `value` is then None."""

    flag_key: str
    value: Json
    variation_index: int | None
    reason: EvaluationReason


def failed(flag_key: str, error_kind: EvaluationErrorKind) -> Evaluation:
    """Return the answer of a flag that could not be evaluated."""
    reason = EvaluationReason(kind=ReasonKind.ERROR, error_kind=error_kind)
    return Evaluation(flag_key, None, None, reason)
