"""Answers that nobody reads, and those that are read slowly, over real sockets."""

import json
import socket
import time
from collections.abc import Iterator
from contextlib import ExitStack

import pytest

from tests.gql.sockets import SECRET, answers_one_more, head_of
from tests.servers import Server

SECONDS = 6
TIMES = 24
PLACE = '{project: "default", environment: "production"}'
FIELD = f'evaluate(environment: {PLACE}, flagKey: "big", context: {{kind: "user", key: "a"}}) {{ value }}'
QUERY = json.dumps({"query": "{" + " ".join(f"a{n}: {FIELD}" for n in range(TIMES)) + "}"}).encode()
ONE = json.dumps({"query": f"{{{FIELD}}}"}).encode()
LARGE = head_of("/graphql", SECRET, f"Content-Length: {len(QUERY)}") + QUERY
LAST = head_of("/graphql", SECRET, "Connection: close", f"Content-Length: {len(QUERY)}") + QUERY

MANY = (head_of("/graphql", SECRET, f"Content-Length: {len(ONE)}") + ONE) * TIMES


@pytest.fixture(scope="module")
def curt(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """A service that waits some seconds for a reader, and has three places."""
    store = f"sqlite:///{tmp_path_factory.mktemp('stalls')}/x.db"
    with Server(store, max_stall_seconds=str(SECONDS), max_connections="3") as server:
        server.import_flags({"flagValues": {"big": "x" * 500_000}})
        server.client.close()
        yield server


def connect(server: Server) -> socket.socket:
    """Connect as one who has little room for what comes."""
    connection = socket.socket()
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4_096)
    connection.settimeout(20)
    connection.connect(("127.0.0.1", server.port))
    return connection


@pytest.mark.parametrize("request_", [LARGE, LAST, MANY], ids=["kept", "last", "many"])
def test_connections_whose_answers_are_not_read_are_ended_and_others_find_room(
    curt: Server, request_: bytes
) -> None:
    with ExitStack() as opened:
        deaf = [opened.enter_context(connect(curt)) for _ in range(3)]
        for connection in deaf:
            connection.sendall(request_)
        answers_one_more(curt, 503)
        answers_one_more(curt, 200, seconds=5 * SECONDS)


def test_an_answer_that_is_read_slowly_comes_to_its_end(curt: Server) -> None:
    with connect(curt) as connection:
        connection.sendall(LAST)
        size, until = 0, time.monotonic() + 2 * SECONDS
        while piece := connection.recv(16_384 if time.monotonic() < until else 1_000_000):
            size += len(piece)
            if time.monotonic() < until:
                time.sleep(0.2)
    assert size > 500_000 * TIMES
