"""kill -9 during a stream of writes: what was acknowledged is there, and evaluation agrees with the store."""

import threading
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

from tests.servers import Answer, Server
from tests.storage.servers import MongoServer

ADA = {"kind": "user", "key": "ada"}
ROUNDS = 4
FLAGS = [f"f{n}" for n in range(5)]


@pytest.fixture(params=["sqlite", "mongo-replica-set", "mongo-standalone"])
def store(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[str]:
    if request.param == "sqlite":
        yield f"sqlite:///{tmp_path}/earlybird.db"
        return
    with MongoServer(standalone=request.param == "mongo-standalone") as server:
        yield server.url("kill")


def write_until_killed(server: Server, start: int, acknowledged: list[int]) -> None:
    """Import the same number into all flags, again and again."""
    number = start
    while True:
        number += 1
        try:
            answer = server.import_flags({"flagValues": dict.fromkeys(FLAGS, number)})
        except (httpx.TransportError, ValueError):
            return
        if not answer.errors:
            acknowledged.append(number)


def served(server: Server) -> list[int]:
    query = """query ($c: JSON!) { evaluateFlags(environment: {project: "default", environment: "production"},
        context: $c) { evaluations { value } } }"""
    answer: Answer = server.post(query, c=ADA)
    return [evaluation["value"] for evaluation in answer["evaluateFlags"]["evaluations"]]


def test_nothing_acknowledged_is_lost_and_nothing_is_half_there(store: str) -> None:
    last = 0
    with Server(store) as server:
        for round_number in range(ROUNDS):
            acknowledged: list[int] = []
            writing = threading.Thread(target=write_until_killed, args=(server, last, acknowledged))
            writing.start()
            while len(acknowledged) < 5 + round_number * 3:
                assert writing.is_alive()
                threading.Event().wait(0.005)
            server.kill()
            writing.join()
            server.start()
            values = served(server)
            # The write that was under way may have been kept, whole; none that was acknowledged is gone.
            assert len(set(values)) == 1, values
            assert len(values) == len(FLAGS)
            assert values[0] in {acknowledged[-1], acknowledged[-1] + 1}
            export = '{ environment(project: "default", key: "production") { flags { nodes { variations { value } } } } }'
            stored = [
                flag["variations"][0]["value"] for flag in server.post(export)["environment"]["flags"]["nodes"]
            ]
            assert stored == values
            last = values[0]
