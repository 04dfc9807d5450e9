"""Bodies that come slowly and connections that are too many, over real sockets."""

import json
import socket
import time
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, suppress
from http.client import HTTPResponse
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest

from gql.pipelining import MOST_WAITING
from tests.gql.lists import create, load, look, start
from tests.gql.sockets import SECRET, answers_one_more, head_of
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
        response = HTTPResponse(connection)
        response.begin()
        return response.status, json.load(response), str(response.headers).lower()


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
            answers_one_more(server, 200)
            idle.enter_context(socket.create_connection(("127.0.0.1", server.port)))
            answers_one_more(server, 503)
        answers_one_more(server, 200)


@pytest.mark.parametrize(
    ("headers", "setting", "limit", "actual"),
    [
        ((SECRET, "Content-Length: 99999999"), "MAX_BODY_BYTES", 16_777_216, 99_999_999),
        ((SECRET, "Content-Length: 16777217", "Expect: 100-continue"), "MAX_BODY_BYTES", 16_777_216, 16_777_217),
        (("Content-Length: 65537",), "MAX_ANONYMOUS_BODY_BYTES", 65_536, 65_537),
    ],
)
def test_a_body_that_says_that_it_is_too_long_is_refused_unread(
    impatient: Server, headers: tuple[str, ...], setting: str, limit: int, actual: int
) -> None:
    with socket.create_connection(("127.0.0.1", impatient.port), timeout=SECONDS / 2) as connection:
        connection.sendall(head_of("/graphql", *headers))
        top, _, body = connection.makefile("rb").read().partition(b"\r\n\r\n")
    assert top.split()[1] == b"413"
    assert json.loads(body)["errors"][0]["extensions"] == {
        "code": "LIMIT_EXCEEDED",
        "setting": f"EARLYBIRD_{setting}",
        "limit": limit,
        "actual": actual,
    }


def test_without_a_secret_a_body_that_does_not_say_how_long_it_is_is_read_no_further_than_it_may(
    impatient: Server,
) -> None:
    with socket.create_connection(("127.0.0.1", impatient.port), timeout=10) as connection:
        connection.sendall(head_of("/graphql", "Transfer-Encoding: chunked"))
        connection.sendall(b"11171\r\n" + b" " * 70_001 + b"\r\n")
        top, _, body = connection.makefile("rb").read().partition(b"\r\n\r\n")
    assert top.split()[1] == b"413"
    assert json.loads(body)["errors"][0]["extensions"]["setting"] == "EARLYBIRD_MAX_ANONYMOUS_BODY_BYTES"


def test_without_a_token_nothing_of_a_cohort_is_read(impatient: Server) -> None:
    with socket.create_connection(("127.0.0.1", impatient.port), timeout=SECONDS / 2) as connection:
        connection.sendall(head_of("/api/v2/segment-targets/amplitude", "Content-Length: 1000"))
        assert connection.recv(65_536).split()[1] == b"401"


def test_large_bodies_that_come_in_together_have_a_limit_and_small_ones_are_answered(tmp_path: Path) -> None:
    with Server(f"sqlite:///{tmp_path}/x.db", max_incoming_bytes="500000") as server, ExitStack() as opened:
        head = head_of("/graphql", SECRET, "Content-Length: 300000")

        def begin() -> socket.socket:
            connection = socket.create_connection(("127.0.0.1", server.port), timeout=10)
            connection.sendall(head + b" " * 290_000)
            return opened.enter_context(connection)

        first, second = begin(), begin()
        top, _, body = second.makefile("rb").read().partition(b"\r\n\r\n")
        assert top.split()[1] == b"503"
        extensions = json.loads(body)["errors"][0]["extensions"]
        assert (extensions["setting"], extensions["limit"]) == ("EARLYBIRD_MAX_INCOMING_BYTES", 500_000)
        assert server.post("{ __typename }").data == {"__typename": "Query"}
        first.sendall(QUERY.rjust(10_000))
        assert first.recv(65_536).split()[1] == b"200"
        third = begin()  # there is room again
        third.sendall(QUERY.rjust(10_000))
        assert third.recv(65_536).split()[1] == b"200"


@pytest.fixture(scope="module")
def curt(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """A service that waits two seconds for a head, which may have 20 kB."""
    store = f"sqlite:///{tmp_path_factory.mktemp('curt')}/x.db"
    with Server(store, max_header_seconds="2", max_header_bytes="20000", max_connections="3") as server:
        server.client.close()
        yield server


def closes(connection: socket.socket) -> bool:
    """Whether the service closes a connection without a word."""
    with suppress(ConnectionResetError):
        return connection.recv(65_536) == b""
    return True


HEALTHZ = b"GET /healthz HTTP/1.1\r\nHost: x\r\n"


def test_connections_that_say_nothing_are_closed_and_others_find_room(curt: Server) -> None:
    with ExitStack() as silent:
        idle = [
            silent.enter_context(socket.create_connection(("127.0.0.1", curt.port), timeout=8)) for _ in range(3)
        ]
        answers_one_more(curt, 503)
        assert all(map(closes, idle))
        answers_one_more(curt, 200)


def alive(connection: socket.socket) -> None:
    """Read an answer of /healthz, and no more."""
    answer = b""
    while not answer.endswith(b'{"status":"alive"}'):
        piece = connection.recv(65_536)
        assert piece, answer
        answer += piece


@pytest.mark.parametrize("before", [b"", HEALTHZ + b"\r\n"], ids=["first", "second"])
@pytest.mark.parametrize(
    "drip",
    ["\r\n" * 30, "GET /" + "x" * 30, HEALTHZ.decode() + "X-Long: " + "x" * 30],
    ids=["empty lines", "a path", "a field"],
)
def test_a_head_that_drips_is_given_up_also_after_another_request(curt: Server, before: bytes, drip: str) -> None:
    with socket.create_connection(("127.0.0.1", curt.port), timeout=8) as connection:
        if before:
            connection.sendall(before)
            alive(connection)
        with pytest.raises(OSError, match=r"."):  # noqa: PT012 - the service closes it at some moment
            for byte in drip:
                connection.sendall(byte.encode())
                time.sleep(0.2)


def test_a_body_that_was_answered_before_its_end_does_not_hold_the_connection(curt: Server) -> None:
    with socket.create_connection(("127.0.0.1", curt.port), timeout=8) as connection:
        connection.sendall(head_of("/graphql", "Authorization: Bearer wrong", "Content-Length: 1000"))
        with pytest.raises(OSError, match=r"."):  # noqa: PT012 - the service closes it at some moment
            for _ in range(30):
                connection.sendall(b"x")
                time.sleep(0.2)


def test_a_head_in_pieces_is_answered_and_so_is_a_slow_body_after_it(curt: Server) -> None:
    with socket.create_connection(("127.0.0.1", curt.port), timeout=8) as connection:
        for _ in range(3):  # no timer of one request ends another
            connection.sendall(HEALTHZ)
            time.sleep(0.8)
            connection.sendall(b"\r\n")
            alive(connection)
        connection.sendall(head_of("/graphql", SECRET, f"Content-Length: {len(QUERY)}"))
        time.sleep(2.5)
        connection.sendall(QUERY)
        assert connection.recv(65_536).split()[1] == b"200"


@pytest.mark.parametrize("pieces", [1, 30])
def test_a_head_that_is_too_large_is_refused_by_name(curt: Server, pieces: int) -> None:
    field = b"X-Long: " + b"x" * 1_000 + b"\r\n"
    with socket.create_connection(("127.0.0.1", curt.port), timeout=8) as connection:
        connection.sendall(HEALTHZ)
        with suppress(OSError):
            for _ in range(pieces):
                connection.sendall(field * (30 // pieces))
                time.sleep(0.01)
            connection.sendall(b"\r\n")
        answer = connection.makefile("rb").read()
    assert answer.split()[1] == b"431"
    assert b"EARLYBIRD_MAX_HEADER_BYTES" in answer


def test_a_large_body_in_one_piece_with_its_head_is_no_large_head(curt: Server) -> None:
    body = QUERY.rjust(60_000)
    request = head_of("/graphql", SECRET, f"Content-Length: {len(body)}") + body
    last = head_of("/graphql", SECRET, f"Content-Length: {len(body)}", "Connection: close") + body
    with socket.create_connection(("127.0.0.1", curt.port), timeout=8) as connection:
        connection.sendall(request + request + last)
        assert connection.makefile("rb").read().count(b" 200 OK") == 3


def test_small_requests_in_one_piece_are_no_large_head(curt: Server) -> None:
    long = HEALTHZ + b"X-Long: " + b"x" * 300 + b"\r\n\r\n"
    last = HEALTHZ + b"Connection: close\r\n\r\n"
    with socket.create_connection(("127.0.0.1", curt.port), timeout=8) as connection:
        connection.sendall(long * (MOST_WAITING - 1) + last)
        assert connection.makefile("rb").read().count(b" 200 OK") == MOST_WAITING


def test_fields_behind_a_body_have_the_limit_of_a_head(curt: Server) -> None:
    """They are kept, and count neither as a head nor as a body."""
    with socket.create_connection(("127.0.0.1", curt.port), timeout=8) as connection:
        connection.sendall(head_of("/graphql", "Transfer-Encoding: chunked") + b"2\r\n{}\r\n0\r\n")
        with pytest.raises(OSError, match=r"."):  # noqa: PT012 - the service closes it at some moment
            for _ in range(100):
                connection.sendall(b"X-Long: " + b"x" * 1_000 + b"\r\n")
                time.sleep(0.01)


def test_a_head_behind_an_answer_that_is_not_read_has_its_limit_too(impatient: Server) -> None:
    create(impatient, "unread")
    load(impatient, "unread", b"".join(b"%0200d\n" % number for number in range(100_000)))
    path, piece = "/segment-exports/default/production/unread", b"X-Long: " + b"x" * 1_000_000 + b"\r\n"
    with socket.socket() as connection:
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4_096)
        connection.settimeout(1)
        connection.connect(("127.0.0.1", impatient.port))
        connection.sendall(f"GET {path} HTTP/1.1\r\nHost: x\r\n{SECRET}\r\n\r\n".encode())
        time.sleep(0.5)  # until the answer fills what the system keeps of it
        connection.sendall(HEALTHZ)
        with pytest.raises(OSError, match=r"."):  # noqa: PT012 - nobody reads it any more
            for _ in range(30):
                connection.sendall(piece)


@pytest.mark.parametrize("path", ["/graphql", "/api/v2/segment-targets/amplitude"])
def test_a_packed_body_is_refused_as_one(impatient: Server, path: str) -> None:
    with socket.create_connection(("127.0.0.1", impatient.port), timeout=10) as connection:
        connection.sendall(head_of(path, SECRET, "Content-Encoding: gzip", "Content-Length: 2") + b"{}")
        assert connection.recv(65_536).split()[1] == b"415"
