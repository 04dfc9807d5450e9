"""The answers of long batches, completed in turns with other requests."""

from collections.abc import Callable
from dataclasses import replace
from typing import Any

from domain.services.evaluation import BatchEvaluation
from domain.services.turns import Turns
from gql.budget import ResultBudget

_PIECE = 500
"""How many evaluations are completed before anybody looks at the clock."""


def is_long_batch(found: object) -> bool:
    """Tell whether others should have their turn while this is completed."""
    return (
        isinstance(found, BatchEvaluation) and isinstance(found.results, list | tuple) and len(found.results) > 1
    )


async def complete_batch(
    complete: Callable[[Any, ResultBudget], Any], batch: BatchEvaluation, budget: ResultBudget
) -> dict[str, Any]:
    """Complete a batch by a generated function, some contexts at a time: results are its only list."""
    results = batch.results
    size = max(1, _PIECE // max(1, len(results[0].evaluations)))
    turns = Turns()
    answer: dict[str, Any] = complete(replace(batch, results=results[:size]), budget)
    for start in range(size, len(results), size):
        if turns.is_over:
            await turns.next()
        piece = complete(replace(batch, results=results[start : start + size]), budget)
        for name, value in piece.items():
            if value.__class__ is list:
                answer[name] += value
    return answer
