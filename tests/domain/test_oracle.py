"""LaunchDarkly's Python SDK and we agree, but for the cases of semantics 2.9 where Go says otherwise."""

import pytest
from ldclient.impl import operators
from ldclient.impl.model import Clause as OracleClause

from domain.evaluation.operators import compile_operator
from domain.json import Json
from tests.domain.oracle import compare_random_worlds
from tests.strategies import NUMBERS, PATTERNS, TEXTS

COMPARISONS = 3_000
VALUES: tuple[Json, ...] = (*TEXTS, *NUMBERS, *PATTERNS, True, False, 2.0, -0.0)


@pytest.mark.parametrize("seed", range(5))
def test_evaluation_agrees_with_an_independent_evaluator(seed: int) -> None:
    compared, differing = compare_random_worlds(seed, COMPARISONS)
    assert compared >= COMPARISONS
    assert differing == []


@pytest.mark.parametrize("op", sorted(operators.ops))
def test_every_operator_agrees_on_every_pair_of_values(op: str) -> None:
    # Go drops fractions of milliseconds, Python does not.
    values = [value for value in VALUES if op not in {"before", "after"} or not isinstance(value, float)]
    pairs = [(value, wanted) for value in values for wanted in values]
    assert [pair for pair in pairs if _ours(op, *pair) is not _theirs(op, *pair)] == []
    assert len(pairs) > 1_500


def _ours(op: str, value: Json, wanted: Json) -> bool:
    return compile_operator(op, [wanted])(value)


def _theirs(op: str, value: Json, wanted: Json) -> bool:
    clause = OracleClause({"attribute": "any", "op": op, "values": [wanted]})
    preprocessed = clause.values_preprocessed[0] if clause.values_preprocessed else None
    return bool(operators.ops[op](value, wanted, preprocessed))
