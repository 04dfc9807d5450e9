"""kill -9 during writes: what was acknowledged is there, the rest whole or not at all, and evaluation agrees."""

import asyncio
import contextlib
import threading
import time
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import Any

import httpx
import pytest

from storage import open_store
from tests.gql import lists, segments, syncs
from tests.gql.conftest import a_flag, a_rule_on_segments, data_of
from tests.servers import TOKEN, Answer, Server
from tests.storage.servers import MongoServer

ADA = {"kind": "user", "key": "ada"}
ROUNDS = 4
FLAGS = [f"f{n}" for n in range(5)]
ADAPTERS = ["sqlite", "mongo-replica-set"]
TARGETS = 3_000
TARGETED = """{ environment(project: "default", key: "production") { segment(key: "s") { version memberCount
    included(first: 1) { nodes { key } } history(first: 100) { nodes { action } } } } }"""


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


# Large lists


def cut_short(server: Server, request: Callable[[], httpx.Response], is_begun: Callable[[], bool]) -> bool:
    """Kill the service when a request is begun; tell whether it was acknowledged all the same.

    On a busy machine it may be over before it is seen to have begun: it is acknowledged then.
    """
    answers: list[int] = []

    def ask() -> None:
        with contextlib.suppress(httpx.TransportError):
            answers.append(request().status_code)

    asking = threading.Thread(target=ask)
    asking.start()
    while not is_begun():
        if not asking.is_alive():
            assert answers[0] < httpx.codes.BAD_REQUEST
            break
    server.kill()
    asking.join()
    return bool(answers) and answers[0] < httpx.codes.BAD_REQUEST


def exported(server: Server, segment_key: str) -> set[str]:
    headers = {"Authorization": f"Bearer {TOKEN}"}
    keys = server.client.get(f"/segment-exports/default/production/{segment_key}", headers=headers).text.split()
    assert len(set(keys)) == len(keys) == lists.look(server, segment_key)["memberCount"]
    return set(keys)


def is_running(server: Server, segment_key: str, changes: int) -> bool:
    imports = lists.look(server, segment_key)["imports"]
    return len(imports) == changes and imports[0]["state"] == "RUNNING"


def size_for(store: str, size: int) -> int:
    """Return how many members a list is to have: looking many up is quadratic on MongoDB's test server."""
    return size if store.startswith("sqlite") else size // 5


@pytest.mark.parametrize("store", ADAPTERS, indirect=True)
@pytest.mark.parametrize("seconds", [0.0, 0.3])
def test_a_list_is_the_old_or_the_new_one_when_an_import_is_killed(store: str, seconds: float) -> None:
    keys = {f"key-{number:06}" for number in range(size_for(store, 25_000))}
    with Server(store) as server:
        server.client.timeout = 120
        lists.create(server, "crash")
        lists.load(server, "crash", "ann\nbob\n")
        url = lists.start(server, "crash", "OVERWRITE")["startSegmentImport"]["uploadUrl"]

        def is_begun() -> bool:
            begun = is_running(server, "crash", 2)
            threading.Event().wait(seconds if begun else 0)
            return begun

        is_done = cut_short(server, lambda: lists.put(url, "\n".join(keys)), is_begun)
        server.start()
        members = exported(server, "crash")
        assert members == keys if is_done else members in ({"ann", "bob"}, keys)
        lists.load(server, "crash", "zed\n")
        assert exported(server, "crash") == members | {"zed"}, "nothing of the killed import comes back"
        edits = [
            lists.edit(server, name, "crash", ["cy"]) for name in ("addSegmentMembers", "removeSegmentMembers")
        ]
        assert [answer.errors for answer in edits] == [[], []]
        assert exported(server, "crash") == members | {"zed"}


@pytest.mark.parametrize("store", ADAPTERS, indirect=True)
def test_a_list_is_the_old_or_the_new_one_when_a_sync_is_killed(store: str) -> None:
    keys = {f"key-{number:06}" for number in range(size_for(store, 12_000))}
    message = syncs.a_batch("beta", {"ann": False, **dict.fromkeys(keys, True)})
    with Server(store) as server:
        syncs.send(server, "amplitude", syncs.a_batch("beta", {"ann": True, "bob": True}))

        def is_begun() -> bool:
            return is_running(server, "amplitude-beta", 2)

        is_done = cut_short(server, lambda: a_sync(server, message), is_begun)
        server.start()
        members = exported(server, "amplitude-beta")
        after = keys | {"bob"}
        assert members == after if is_done else members in ({"ann", "bob"}, after)
        assert syncs.send(server, "amplitude", syncs.a_batch("beta", {"cy": True})).status_code == 204
        assert exported(server, "amplitude-beta") == members | {"cy"}, "nothing of the killed sync comes back"
        assert a_sync(server, message).status_code == httpx.codes.NO_CONTENT, "tools send it again"
        assert exported(server, "amplitude-beta") == after | {"cy"}


@pytest.mark.parametrize("store", ["sqlite"], indirect=True)
def test_a_batch_of_several_cohorts_is_applied_as_a_whole_though_it_is_killed_after_the_first(store: str) -> None:
    with Server(store) as server:
        for number in range(ROUNDS):
            body = syncs.a_batch("none", {})
            for place in range(3):
                people: dict[str | None, bool] = {f"user-{person}": True for person in range(100)}
                body["batch"] += syncs.a_batch(f"{number}-{place}", people)["batch"]
            first = f"amplitude-{number}-0"
            cut_short(server, partial(a_sync, server, body), lambda first=first: first in sizes(server))  # type: ignore[misc]  # mypy cannot tell what a default makes of a lambda
            server.start()
        whole = {f"amplitude-{number}-{place}": 100 for number in range(ROUNDS) for place in range(3)}
        deadline = time.monotonic() + 60
        while (found := sizes(server)) != whole:  # a process that was killed is taken for dead after a while
            assert time.monotonic() < deadline, found
            time.sleep(0.05)


def sizes(server: Server) -> dict[str, int]:
    return {key: size for key, (_, size) in syncs.synced(server, "amplitude").items()}


@pytest.mark.parametrize("store", ADAPTERS, indirect=True)
def test_messages_that_were_accepted_are_applied_after_a_kill(store: str) -> None:
    with Server(store) as server:
        syncs.say(server, "gamma", "m1", ["ann", "bob"])
        syncs.say(server, "gamma", "m2", ["ann"], is_in=False)
        server.kill()
        server.start()
        # One may have been cut short: its process is taken for dead after a while.
        found = syncs.once_it_has(server, "amplitude-gamma", completed=2)
        assert (found["memberCount"], found["hasMember"]) == (1, False)


@pytest.mark.parametrize("store", ADAPTERS, indirect=True)
def test_an_import_that_is_killed_is_undone_though_nobody_writes_to_the_list(store: str) -> None:
    with Server(store) as server:
        lists.create(server, "crash")
        lists.load(server, "crash", "ann\n")
        keys = "\n".join(f"key-{number:06}" for number in range(size_for(store, 25_000)))
        url = lists.start(server, "crash", "OVERWRITE")["startSegmentImport"]["uploadUrl"]
        is_done = cut_short(server, lambda: lists.put(url, keys), lambda: is_running(server, "crash", 2))
        server.start()
        deadline = time.monotonic() + 40
        while (state := lists.look(server, "crash")["imports"][0]["state"]) == "RUNNING":
            assert time.monotonic() < deadline
            time.sleep(0.1)
        assert state == "COMPLETED" if is_done else state in {"FAILED", "CANCELLING", "COMPLETED"}


@pytest.mark.parametrize("store", ADAPTERS, indirect=True)
def test_a_list_that_is_deleted_leaves_no_members_when_the_deletion_is_killed(store: str) -> None:
    delete = """mutation { deleteSegment(input: {environment: {project: "default", environment: "production"},
      segmentKey: "gone"}) { revision } }"""
    exists = '{ environment(project: "default", key: "production") { segment(key: "gone") { key } } }'
    with Server(store) as server:
        server.client.timeout = 120
        lists.create(server, "gone")
        size = 50_000 if store.startswith("sqlite") else 4_000  # deleting is slow on MongoDB's test server
        lists.load(server, "gone", "\n".join(f"key-{number:06}" for number in range(size)))
        url, headers = f"http://127.0.0.1:{server.port}/graphql", {"Authorization": f"Bearer {TOKEN}"}

        def is_begun() -> bool:
            return server.post(exists)["environment"]["segment"] is None

        cut_short(server, lambda: httpx.post(url, json={"query": delete}, headers=headers, timeout=60), is_begun)
        server.start()
        lists.create(server, "gone")
        lists.load(server, "gone", "zed\n")
        assert exported(server, "gone") == {"zed"}
        deadline = time.monotonic() + 60
        while len(asyncio.run(list_ids(store))) > 1:
            assert time.monotonic() < deadline, "what the deletion left is forgotten after the next start"
        assert exported(server, "gone") == {"zed"}


async def list_ids(url: str) -> list[str]:
    store = await open_store(url)
    try:
        return await store.list_ids()
    finally:
        await store.close()


def a_sync(server: Server, message: dict[str, Any]) -> httpx.Response:
    """Send a message on a connection of its own: that of the server's client reads meanwhile."""
    url = f"http://127.0.0.1:{server.port}{syncs.PATH}amplitude"
    return httpx.post(url, json=message, headers={"Authorization": TOKEN}, timeout=60)


# Individual targets


def replace_until_killed(server: Server, start: int, acknowledged: list[int]) -> None:
    """Replace all of thousands of targets by those of the next number, again and again."""
    number = start + 1
    while True:
        targets = {"list": "INCLUDED", "keys": [f"{number}-{n}" for n in range(TARGETS)]}
        try:
            answer = segments.update(server, "s", {"replaceTargets": targets})
        except (httpx.TransportError, ValueError):
            return
        # A store may refuse writes until it has given up the transaction of the process that was killed.
        if not answer.errors:
            acknowledged.append(number)
            number += 1


def members(server: Server, number: int) -> list[bool]:
    """Ask evaluation whether the targets of a number are in the segment."""
    query = """query ($e: EnvironmentRef, $c: [JSON!]!) { evaluateBatch(environment: $e, contexts: $c) {
        results { evaluations { value } } } }"""
    contexts = [{"kind": "user", "key": f"{number}-{n}"} for n in range(TARGETS)]
    results = server.post(query, e=segments.PRODUCTION, c=contexts)["evaluateBatch"]["results"]
    return [result["evaluations"][0]["value"] for result in results]


@pytest.mark.parametrize("store", ADAPTERS, indirect=True)
def test_a_segment_is_the_old_or_the_new_one_when_a_bulk_edit_is_killed(store: str) -> None:
    with Server(store) as server:
        last = 0
        segments.create(server, "s")
        on_segment = a_flag("f", rules=[a_rule_on_segments("s")], fallthrough={"variation": 1})
        server.import_flags(data_of(on_segment), mode="MERGE")
        for round_number in range(2):
            acknowledged: list[int] = []
            writing = threading.Thread(target=replace_until_killed, args=(server, last, acknowledged))
            writing.start()
            while len(acknowledged) < 1 + round_number:
                assert writing.is_alive()
                threading.Event().wait(0.005)
            threading.Event().wait(0.03 * (1 + round_number))  # into the next one
            server.kill()
            writing.join()
            server.start()
            found = server.post(TARGETED)["environment"]["segment"]
            last = int(found["included"]["nodes"][0]["key"].split("-")[0])
            assert last in {acknowledged[-1], acknowledged[-1] + 1}
            assert found["memberCount"] == TARGETS
            assert members(server, last) == [True] * TARGETS, "all that is there is of one edit"
            entries = found["history"]["nodes"]
            assert len(entries) == found["version"] == last + 1, "each edit has its entry, and nothing else has"
