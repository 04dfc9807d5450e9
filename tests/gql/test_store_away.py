"""The store goes away under running services, or is not there yet when they start: seen over HTTP."""

import re
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from tests.gql import lists
from tests.servers import Server
from tests.storage.servers import MongoServer

ADA = {"kind": "user", "key": "ada"}
PLACE = {"project": "default", "environment": "production"}
EDITS = {
    "ImportFlagData": {"environment": PLACE, "data": {"flagValues": {"f": 2}}},
    "CreateFlag": {"project": "default", "name": "New"},
    "CreateProject": {"name": "New"},
    "UpdateProject": {"project": "default", "instructions": []},
    "CreateRole": {"name": "New", "policy": []},
    "StartSegmentImport": {"environment": PLACE, "segmentKey": "new", "mode": "MERGE"},
    "AddSegmentMembers": {"environment": PLACE, "segmentKey": "new", "keys": ["ada"]},
}
QUICK_SECONDS = 0.8  # less than it takes to see that there is no server
SELECTION = "?serverSelectionTimeoutMS=1000"
SILENT_SECONDS = 4.0
REFUSED_SECONDS = 5.0
BACK_SECONDS = 15.0


@pytest.fixture
def mongo(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[MongoServer]:
    """A server, by default a replica set, that is not started yet and keeps its data when it is killed."""
    server = MongoServer(standalone=getattr(request, "param", False), storage_path=str(tmp_path / "data"))
    try:
        yield server
    finally:
        server.stop()


def value(server: Server) -> Any:
    return server.evaluate("f", ADA)["evaluate"]["value"]


def eventually(ask: Callable[[], Any], expected: Any) -> None:
    deadline = time.monotonic() + BACK_SECONDS
    while (found := ask()) != expected:
        assert time.monotonic() < deadline, found
        time.sleep(0.05)


def readiness(server: Server) -> tuple[int, dict[str, Any]]:
    answer = server.client.get("/readyz")
    body: dict[str, Any] = answer.json()
    return answer.status_code, body


def set_value(server: Server, new: int) -> int:
    revision: int = server.import_flags({"flagValues": {"f": new}})["importFlagData"]["revision"]
    return revision


@pytest.mark.parametrize("mongo", [False, True], ids=["replica-set", "standalone"], indirect=True)
def test_evaluation_goes_on_while_the_store_is_away_and_catches_up_without_a_restart(mongo: MongoServer) -> None:
    mongo.start()
    url = mongo.url("away") + SELECTION
    with Server(url) as server, Server(url) as other:
        revision = set_value(other, 1)
        eventually(lambda: value(server), 1)
        mongo.kill()

        status, body = readiness(server)
        assert (status, body["ready"], body["store"]) == (503, False, "away")
        assert body["snapshots"]["loaded"] == 2
        assert server.client.get("/healthz").status_code == httpx.codes.OK
        for _ in range(10):
            began = time.monotonic()
            assert value(server) == 1
            assert time.monotonic() - began < QUICK_SECONDS

        began = time.monotonic()
        refused = server.import_flags({"flagValues": {"f": 2}})
        assert time.monotonic() - began < REFUSED_SECONDS
        assert (refused.code, refused.data) == ("UNAVAILABLE", {"importFlagData": None})
        eventually(lambda: readiness(server)[1]["snapshots"]["staleSeconds"] > 0, expected=True)
        for mutation, wanted in EDITS.items():
            field, of = mutation[0].lower() + mutation[1:], f"{mutation}Input"
            began = time.monotonic()
            refused = server.post(f"mutation ($i: {of}!) {{ {field}(input: $i) {{ __typename }} }}", i=wanted)
            assert refused.code == "UNAVAILABLE"
            assert time.monotonic() - began < QUICK_SECONDS, mutation
        newer = server.post(
            """query ($e: EnvironmentRef, $c: JSON!, $r: Int) {
            evaluate(environment: $e, flagKey: "f", context: $c, atLeastRevision: $r) { value } }""",
            e=PLACE,
            c=ADA,
            r=revision + 1,
        )
        assert (newer.code, newer.data) == ("UNAVAILABLE", None)
        assert "the store is away, serving from the last snapshots" in server.output()

        mongo.start()
        eventually(lambda: (readiness(server)[0], readiness(other)[0]), (200, 200))
        assert value(server) == 1  # what was refused is not there
        set_value(other, 3)
        eventually(lambda: value(server), 3)
        set_value(server, 4)
        assert value(server) == 4
        assert "the store is back after" in server.output()


@pytest.mark.parametrize("mongo", [False, True], ids=["replica-set", "standalone"], indirect=True)
def test_evaluation_waits_for_no_large_list_while_the_store_is_known_to_be_away(mongo: MongoServer) -> None:
    mongo.start()
    with Server(mongo.url("lists") + SELECTION) as server:
        lists.create(server, "beta")
        lists.load(server, "beta", "\n".join(f"member-{number}" for number in range(20)))
        lists.target(server, "on-beta", "beta")

        def ask(number: int) -> tuple[Any, str]:
            context = {"kind": "user", "key": f"member-{number}"}
            answer = server.evaluate("on-beta", context)["evaluate"]
            return answer["value"], answer["reason"]["bigSegmentsStatus"]

        assert ask(0) == (True, "HEALTHY")
        mongo.kill()
        eventually(lambda: readiness(server)[1]["snapshots"]["staleSeconds"] > 0, expected=True)
        for number in range(1, 11):
            began = time.monotonic()
            assert ask(number) == (False, "STORE_ERROR")
            assert time.monotonic() - began < QUICK_SECONDS
            time.sleep(0.2)  # the store is looked for meanwhile, in vain
        assert ask(0) == (True, "HEALTHY"), "it is cached"
        mongo.start()
        eventually(lambda: ask(11), (True, "HEALTHY"))


def test_evaluation_waits_but_once_and_not_long_for_large_lists_of_a_store_that_stopped_answering(
    mongo: MongoServer,
) -> None:
    mongo.start()
    with Server(mongo.url("silent")) as server:
        lists.create(server, "beta")
        lists.load(server, "beta", "member-0\nmember-1\nmember-2")
        lists.target(server, "on-beta", "beta")

        def ask(number: int) -> tuple[Any, str]:
            context = {"kind": "user", "key": f"member-{number}"}
            answer = server.evaluate("on-beta", context)["evaluate"]
            return answer["value"], answer["reason"]["bigSegmentsStatus"]

        assert ask(0) == (True, "HEALTHY")
        mongo.pause()
        for number, seconds in ((1, SILENT_SECONDS), (2, QUICK_SECONDS)):
            began = time.monotonic()
            assert ask(number) == (False, "STORE_ERROR")
            assert time.monotonic() - began < seconds
        mongo.resume()
        eventually(lambda: ask(2), (True, "HEALTHY"))


def test_a_file_that_is_removed_is_away_and_nothing_is_acknowledged_until_it_is_back(tmp_path: Path) -> None:
    file, hidden = tmp_path / "store.db", tmp_path / "hidden"
    hidden.mkdir()
    with Server(f"sqlite:///{file}") as server:
        set_value(server, 1)
        for part in tmp_path.glob("store.db*"):
            part.rename(hidden / part.name)
        eventually(lambda: readiness(server)[0], httpx.codes.SERVICE_UNAVAILABLE)
        assert server.import_flags({"flagValues": {"f": 2}}).code == "UNAVAILABLE"
        assert value(server) == 1
        assert server.post("{ viewer { actor } }", token="made-elsewhere").code == "UNAVAILABLE"
        eventually(lambda: "put it back, or start the service again" in server.output(), expected=True)
        assert not file.exists(), "no new one is made"
        for part in hidden.iterdir():
            part.rename(tmp_path / part.name)
        eventually(lambda: readiness(server)[0], httpx.codes.OK)
        assert value(server) == 1
        set_value(server, 3)
        assert value(server) == 3


def test_a_service_started_without_its_store_waits_and_says_so(mongo: MongoServer) -> None:
    server = Server(mongo.url("late") + SELECTION)
    try:
        server.launch()
        eventually(lambda: is_alive(server), expected=True)
        assert readiness(server) == (
            503,
            {"ready": False, "store": "away", "snapshots": {"loaded": 0, "staleSeconds": None}},
        )
        refused = server.evaluate("f", ADA)
        assert refused.response.status_code == httpx.codes.SERVICE_UNAVAILABLE
        assert refused.code == "UNAVAILABLE"
        eventually(lambda: "waiting for the store: the store (MongoDB)" in server.output(), expected=True)
        assert away_seconds(server) > 0

        mongo.start()
        server.wait_until_ready()
        set_value(server, 1)
        assert value(server) == 1
        assert away_seconds(server) == 0
    finally:
        server.__exit__()


def away_seconds(server: Server) -> float:
    found = re.search(r"^earlybird_store_away_seconds (\S+)$", server.client.get("/metrics").text, re.MULTILINE)
    assert found is not None
    return float(found[1])


def is_alive(server: Server) -> bool:
    try:
        return server.client.get("/healthz").status_code == httpx.codes.OK
    except httpx.TransportError:
        return False
