"""What evaluation answers, and how that is written out."""

from typing import Any

import orjson

from domain.evaluation.results import Evaluation, EvaluationReason, ReasonKind
from domain.services.evaluation import BatchEvaluation, ContextEvaluations


def as_bytes(result: Any) -> bytes:
    errors = [error.formatted for error in result.errors or []]
    return orjson.dumps({"data": result.data, "errors": errors}, default=repr)


AN_EVALUATION = Evaluation("f", {"x": 1}, 0, EvaluationReason(kind=ReasonKind.OFF))
A_RESULT = ContextEvaluations(revision=3, evaluations=[AN_EVALUATION])
A_BATCH = BatchEvaluation(revision=3, results=(A_RESULT,))
