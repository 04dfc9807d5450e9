"""The same cases again as a user meets them: imported and evaluated over HTTP."""

import pytest

from tests.conformance.cases import Case
from tests.conformance.conftest import contract_cases, own_cases
from tests.servers import Server

_imported: list[object] = [None]


@pytest.mark.parametrize("case", [*contract_cases(), *own_cases()])
def test_an_imported_case_is_answered_as_expected(server: Server, case: Case | str) -> None:
    assert isinstance(case, Case), case
    if _imported[0] is not case.data:  # the cases of a set share one object
        assert not server.import_flags(case.data).errors
        _imported[0] = case.data
    answer = server.evaluate(case.flag_key, case.context, d=case.default)["evaluate"]
    reason = {name: value for name, value in answer["reason"].items() if value is not None and value is not False}
    assert (answer["value"], answer["variationIndex"], reason) == (case.value, case.variation_index, case.reason)
    assert isinstance(answer["value"], bool) is isinstance(case.value, bool)
