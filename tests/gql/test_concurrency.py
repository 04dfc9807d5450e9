"""Two services on one store, many writers: nothing is lost, and whoever comes too late is told so."""

import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

import pytest

from tests.gql import flags, lists
from tests.servers import Server
from tests.storage.servers import MongoServer

WRITES = 24


@pytest.fixture(scope="module", params=["sqlite", "mongo-replica-set"])
def two(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[list[Server]]:
    if request.param == "sqlite":
        folder = tmp_path_factory.mktemp("concurrency")
        store = f"sqlite:///{folder}/earlybird.db"
        with Server(store) as first, Server(store) as second:
            yield [first, second]
        return
    with MongoServer(standalone=False) as mongo:
        store = mongo.url("concurrency")
        with Server(store) as first, Server(store) as second:
            yield [first, second]


def create(two: list[Server], key: str) -> None:
    """Create a flag, and wait until the other service has heard of it."""
    flags.create(two[0], key)
    give_up = time.monotonic() + 10
    while flags.update(two[1], key).errors:
        assert time.monotonic() < give_up


def test_edits_of_one_flag_from_two_processes_all_hold(two: list[Server]) -> None:
    create(two, "one")

    def add(number: int) -> list[object]:
        wish = {"addTargets": {"variation": 0, "keys": [f"u{number}"]}}
        return list(flags.update(two[number % 2], "one", wish).errors)

    with ThreadPoolExecutor(6) as pool:
        assert list(pool.map(add, range(WRITES))) == [[]] * WRITES
    flag = flags.updated(two[0], "one", {"turnOn": True})  # decided on what is stored
    assert sorted(flag["targets"][0]["values"]) == sorted(f"u{number}" for number in range(WRITES))
    assert flag["version"] == WRITES + 2


def test_of_edits_against_a_version_each_success_is_one_version_and_the_others_conflict(two: list[Server]) -> None:
    create(two, "versioned")

    def add(number: int) -> str | None:
        server = two[number % 2]
        seen = flags.updated(server, "versioned")["version"]
        wish = {"addTargets": {"variation": 0, "keys": [f"u{number}"]}}
        answer = flags.update(server, "versioned", wish, expectedVersion=seen)
        return answer.code if answer.errors else None

    with ThreadPoolExecutor(6) as pool:
        codes = list(pool.map(add, range(WRITES)))
    assert set(codes) <= {None, "VERSION_CONFLICT"}
    flag = flags.updated(two[1], "versioned", {"turnOn": True})
    held = sorted(f"u{number}" for number, code in enumerate(codes) if code is None)
    assert sorted(flag["targets"][0]["values"]) == held
    assert flag["version"] == len(held) + 2


def test_keys_that_two_processes_add_to_one_list_are_all_members(two: list[Server]) -> None:
    lists.create(two[0], "members")

    def add(number: int) -> str | None:
        answer = lists.edit(two[number % 2], "addSegmentMembers", "members", [f"m{number}"])
        return answer.code if answer.errors else None

    with ThreadPoolExecutor(6) as pool:
        assert list(pool.map(add, range(WRITES))) == [None] * WRITES
    give_up = time.monotonic() + 10
    while any(lists.look(server, "members")["memberCount"] != WRITES for server in two):
        assert time.monotonic() < give_up
    for number in range(WRITES):
        assert lists.look(two[number % 2], "members", f"m{number}")["hasMember"]
