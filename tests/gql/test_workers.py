"""Several worker processes: they serve one store, are replaced when they end, and end with who started them."""

import os
import signal
import time
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

from tests.servers import Server

SECONDS = 20


@pytest.fixture
def server(tmp_path: Path) -> Iterator[Server]:
    with Server(f"sqlite:///{tmp_path}/earlybird.db", "--workers", "2") as running:
        yield running


def workers(server: Server) -> set[int]:
    """The ids of the processes that serve, or are about to."""
    assert server.process is not None
    found = set()
    for status in Path("/proc").glob("[0-9]*/stat"):
        try:
            fields = status.read_text().rpartition(")")[2].split()
            command = (status.parent / "cmdline").read_text()
        except OSError:
            continue  # it is over
        if fields[1] == str(server.process.pid) and fields[0] != "Z" and "--multiprocessing-fork" in command:
            found.add(int(status.parent.name))
    return found


def replaced(server: Server, gone: set[int]) -> int:
    """Wait for the one that takes the place of another; return its id."""
    deadline = time.monotonic() + SECONDS
    while not (new := workers(server) - gone):
        assert time.monotonic() < deadline
        time.sleep(0.05)
    return new.pop()


def test_workers_start_where_starting_is_slow(tmp_path: Path) -> None:
    """Python runs sitecustomize.py as it starts."""
    seconds = 8  # uvicorn asks its workers whether they live after half a second, and by itself waits for five
    slow = f"import sys, time; '--multiprocessing-fork' in sys.orig_argv and time.sleep({seconds})"
    (tmp_path / "sitecustomize.py").write_text(slow)
    server = Server(f"sqlite:///{tmp_path}/earlybird.db", "--workers", "2")
    server.environment["PYTHONPATH"] = str(tmp_path)
    with server:
        assert "died" not in server.output()


def test_two_workers_serve_one_store(tmp_path: Path) -> None:
    with Server(f"sqlite:///{tmp_path}/earlybird.db", "--workers", "2") as server:
        for number in range(10):
            server.import_flags({"flagValues": {"n": number}})
            deadline = time.monotonic() + 2
            # Another process learns of a change by the feed, soon; each connection may land on either.
            while True:
                seen = set()
                for _ in range(6):
                    with httpx.Client(base_url=server.client.base_url) as client:
                        body = {
                            "query": '{ evaluate(environment: {project: "default", environment: "production"}, flagKey: "n", context: {key: "a"}) { value } }'
                        }
                        headers = {"Authorization": f"Bearer {server.token}"}
                        answer = client.post("/graphql", json=body, headers=headers).json()
                        seen.add(answer["data"]["evaluate"]["value"])
                if seen == {number} or time.monotonic() > deadline:
                    break
            assert seen == {number}
        assert server.stop() in {0, -signal.SIGTERM}


def test_a_worker_that_ends_while_it_starts_is_replaced_and_holds_up_no_stop(server: Server) -> None:
    first, second = workers(server)
    os.kill(first, signal.SIGKILL)
    starting = replaced(server, {first, second})
    time.sleep(0.7)  # it is asked whether it lives by now, and cannot answer yet
    os.kill(starting, signal.SIGKILL)
    replaced(server, {first, second, starting})
    began = time.monotonic()
    assert server.stop() in {0, -signal.SIGTERM}
    assert time.monotonic() - began < SECONDS / 2


def test_workers_end_with_the_process_that_started_them(server: Server) -> None:
    left = workers(server)
    assert len(left) == 2
    server.kill()
    deadline = time.monotonic() + SECONDS
    while any(Path(f"/proc/{worker}").exists() for worker in left):
        assert time.monotonic() < deadline
        time.sleep(0.05)
