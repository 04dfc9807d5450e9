"""One running service for the tests of this folder; each test imports the data it needs."""

from collections.abc import Iterator
from typing import Any

import pytest

from tests.servers import Server, printed_secrets


@pytest.fixture(scope="session")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    folder = tmp_path_factory.mktemp("service")
    with Server(f"sqlite:///{folder}/earlybird.db", max_batch_evaluations="200") as running:
        yield running


@pytest.fixture(scope="session")
def secrets(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Server, dict[str, str]]]:
    """A service that made its own secrets, and those secrets as it printed them."""
    folder = tmp_path_factory.mktemp("secrets")
    store = f"sqlite:///{folder}/earlybird.db"
    with Server(store, "--examples", "examples/flag-data.json", token=None) as first:
        first.stop()
        printed = printed_secrets(first)
    with Server(store, token=printed["owner token"]) as running:
        yield running, printed


@pytest.fixture
def empty(server: Server) -> None:
    """Take all flags and segments out of the service; for the tests of modules that say so by a pytestmark."""
    server.import_flags({})
    server.import_flags({}, environment="test")


def a_flag(key: str, **properties: Any) -> dict[str, Any]:
    """A flag that is on and serves true to everybody."""
    return {
        "key": key,
        "on": True,
        "variations": [True, False],
        "offVariation": 1,
        "fallthrough": {"variation": 0},
        **properties,
    }


def a_rule_on_segments(*segments: str, variation: int = 0, negate: bool = False) -> dict[str, Any]:
    clause = {"attribute": "", "op": "segmentMatch", "values": list(segments), "negate": negate}
    return {"id": "on-" + "-".join(segments), "clauses": [clause], "variation": variation}


def data_of(*flags: dict[str, Any], segments: tuple[dict[str, Any], ...] = ()) -> dict[str, Any]:
    return {
        "flags": {flag["key"]: flag for flag in flags},
        "segments": {segment["key"]: segment for segment in segments},
    }
