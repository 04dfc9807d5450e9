"""The domain answers LaunchDarkly's contract data, where `CONFORMANCE_DATA` names its folder, and our own corpus."""

from pathlib import Path

import pytest

from domain.model.contexts import parse_context
from tests.builders import a_snapshot_of, reason_json
from tests.conformance.cases import Case, load_cases
from tests.conformance.conftest import contract_cases, own_cases


@pytest.mark.parametrize("case", contract_cases())
def test_contract_data_is_answered_as_expected(case: Case | str) -> None:
    assert isinstance(case, Case), case
    _check(case)


@pytest.mark.parametrize("case", own_cases())
def test_own_corpus_is_answered_as_expected(case: Case) -> None:
    _check(case)


def test_a_folder_without_data_is_an_error_and_not_an_empty_run(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="no conformance data in"):
        load_cases(tmp_path / "nowhere")


def _check(case: Case) -> None:
    snapshot = a_snapshot_of(case.data)
    result = snapshot.evaluate(case.flag_key, snapshot.subject(parse_context(case.context)))
    value = case.default if result.variation_index is None else result.value
    assert (value, result.variation_index, reason_json(result.reason)) == (
        case.value,
        case.variation_index,
        case.reason,
    )
    assert isinstance(value, bool) is isinstance(case.value, bool)
