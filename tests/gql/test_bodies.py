"""Bodies that come slowly and connections that are too many, over real sockets."""

import json
import socket
import time
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, suppress
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest

from tests.gql.test_segment_lists import create, look, start
from tests.servers import TOKEN, Server

SECONDS = 1
QUERY = json.dumps({"query": "{ __typename }"}).encode()


@pytest.fixture(scope="module")
def impatient(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """A service that waits a second for a body."""
    store = f"sqlite:///{tmp_path_factory.mktemp('impatient')}/x.db"
    with Server(store, max_body_seconds=str(SECONDS)) as server:
        yield server


def send(  # noqa: PLR0913, PLR0917 - the parts of a request
    server: Server, method: str, path: str, media_type: str, pieces: Sequence[bytes], pause: float
) -> tuple[int, dict[str, Any], str]:
    """Send a body piece by piece; return the status, the answer's body and its headers."""
    head = f"{method} {path} HTTP/1.1\r\nHost: 127.0.0.1:{server.port}\r\nAuthorization: Bearer {TOKEN}\r\n"
    head += f"Content-Type: {media_type}\r\nContent-Length: {sum(map(len, pieces))}\r\n\r\n"
    with socket.create_connection(("127.0.0.1", server.port), timeout=10) as connection:
        connection.sendall(head.encode())
        with suppress(OSError):  # refused meanwhile; the answer is there all the same
            for piece in pieces:
                connection.sendall(piece)
                time.sleep(pause)
        top, _, body = connection.recv(65_536).decode().partition("\r\n\r\n")
    return int(top.split()[1]), json.loads(body), top.lower()


@pytest.mark.parametrize(
    ("path", "body"), [("/graphql", QUERY), ("/api/v2/segment-targets/amplitude", b'{"in_cohort": []}')]
)
def test_a_body_that_does_not_come_in_time_is_given_up_by_name(impatient: Server, path: str, body: bytes) -> None:
    pieces = (body[:-1], body[-1:])
    status, answer, top = send(impatient, "POST", path, "application/json", pieces, pause=1.5 * SECONDS)
    assert status == 408
    assert answer["errors"][0]["extensions"] == {
        "code": "LIMIT_EXCEEDED",
        "setting": "EARLYBIRD_MAX_BODY_SECONDS",
        "limit": SECONDS,
        "actual": SECONDS + 1,
    }
    assert "connection: close" in top


def test_a_body_that_drips_is_given_up_though_something_always_comes(impatient: Server) -> None:
    pieces = [QUERY[n : n + 1] for n in range(len(QUERY))]
    assert send(impatient, "POST", "/graphql", "application/json", pieces, pause=0.1)[0] == 408


def test_a_body_that_comes_in_pieces_in_time_is_answered(impatient: Server) -> None:
    status, answer, _ = send(impatient, "POST", "/graphql", "application/json", (QUERY[:5], QUERY[5:]), pause=0.2)
    assert (status, answer) == (200, {"data": {"__typename": "Query"}})


def test_a_file_may_take_longer_than_a_body_but_no_piece_of_it(impatient: Server) -> None:
    create(impatient, "slow")
    for pieces, pause, expected, members in (
        ((b"a\n", b"b\n", b"c\n", b"d\n"), 0.5 * SECONDS, 200, 4),
        ((b"x\n", b"y\n"), 1.5 * SECONDS, 408, 4),
    ):
        url = urlsplit(start(impatient, "slow")["startSegmentImport"]["uploadUrl"])
        status, _, _ = send(impatient, "PUT", url.path, "text/csv", pieces, pause)
        assert status == expected
        assert look(impatient, "slow")["memberCount"] == members


def test_connections_over_the_limit_are_refused_until_others_close(tmp_path: Path) -> None:
    with Server(f"sqlite:///{tmp_path}/x.db", max_connections="3") as server:
        server.client.close()
        with ExitStack() as idle:
            for _ in range(2):
                idle.enter_context(socket.create_connection(("127.0.0.1", server.port)))
            assert status_of_one_more(server) == 200
            idle.enter_context(socket.create_connection(("127.0.0.1", server.port)))
            assert status_of_one_more(server) == 503
        assert status_of_one_more(server) == 200


def status_of_one_more(server: Server) -> int:
    time.sleep(0.2)  # until the service has seen what was opened and closed
    with socket.create_connection(("127.0.0.1", server.port), timeout=10) as connection:
        connection.sendall(b"GET /healthz HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")
        return int(connection.recv(65_536).split()[1])
