"""Where the contract data is: `CONFORMANCE_DATA` names its folder."""

import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.conformance.cases import CORPUS, load_cases
from tests.servers import Server

FOLDER = os.environ.get("CONFORMANCE_DATA")


def contract_cases() -> list[Any]:
    """The contract data's cases; one that is skipped where the setting is absent, one that fails where data is."""
    if FOLDER is None:
        absent = pytest.mark.skip(
            reason="the setting CONFORMANCE_DATA, the folder of the contract data, is not set"
        )
        return [pytest.param(None, id="not-set", marks=absent)]
    try:
        return [pytest.param(case, id=case.id) for case in load_cases(Path(FOLDER))]
    except ValueError as error:
        return [pytest.param(str(error), id="missing")]


def own_cases() -> list[Any]:
    """The cases of our own corpus."""
    return [pytest.param(case, id=case.id) for case in load_cases(CORPUS)]


@pytest.fixture(scope="session")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    folder = tmp_path_factory.mktemp("conformance")
    with Server(f"sqlite:///{folder}/earlybird.db") as running:
        yield running
