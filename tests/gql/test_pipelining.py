"""Several requests on one connection, over real sockets: none is mistaken for another, and few are taken in."""

import json
import socket
import time
from collections.abc import Iterator
from contextlib import suppress

import pytest

from benchmarks.machine import memory_mib
from gql.pipelining import MOST_WAITING
from tests.gql.sockets import SECRET
from tests.servers import Server

TYPENAME = b'{"query":"{ __typename }"}'
READY = b"GET /readyz HTTP/1.1\r\nHost: x\r\n\r\n"


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    with Server(f"sqlite:///{tmp_path_factory.mktemp('pipelining')}/x.db") as running:
        yield running


def post(body: bytes, *headers: str) -> tuple[bytes, bytes]:
    lines = ["POST /graphql HTTP/1.1", "Host: x", "Content-Type: application/json", *headers]
    return "\r\n".join([*lines, f"Content-Length: {len(body)}", "", ""]).encode(), body


def answers(server: Server, *pieces: bytes, count: int) -> list[object]:
    """Send pieces one by one; return the bodies of so many answers."""
    found: list[object] = []
    with socket.create_connection(("127.0.0.1", server.port), timeout=8) as connection:
        for piece in pieces:
            connection.sendall(piece)
            time.sleep(0.05)  # so that it is read alone
        file = connection.makefile("rb")
        for _ in range(count):
            length = 0
            while (line := file.readline()) not in {b"\r\n", b""}:
                if line.lower().startswith(b"content-length:"):
                    length = int(line.split(b":")[1])
            found.append(json.loads(file.read(length)))
    return found


ASKED = {"data": {"__typename": "Query"}}


@pytest.mark.parametrize("upgrade", ["h2c", "websocket", "unheard-of"])
@pytest.mark.parametrize("connection", ["Upgrade", "upgrade, HTTP2-Settings", "keep-alive, Upgrade"])
@pytest.mark.parametrize("is_whole", [True, False], ids=["whole", "in pieces"])
def test_a_request_that_asks_for_an_upgrade_is_answered_with_its_body(
    server: Server, upgrade: str, connection: str, is_whole: bool
) -> None:
    head, body = post(TYPENAME, f"Connection: {connection}", f"Upgrade: {upgrade}", "HTTP2-Settings: AAMAAABk")
    pieces = [head + body] if is_whole else [head[:30], head[30:], body[:5], body[5:]]
    first, second = answers(server, *pieces, READY, count=2)
    assert first == ASKED
    assert isinstance(second, dict)
    assert second["ready"] is True


def test_a_body_behind_a_wish_for_an_upgrade_is_no_request(server: Server) -> None:
    smuggled = b"GET /healthz HTTP/1.1\r\nHost: x\r\n\r\n"
    head, body = post(smuggled, "Connection: Upgrade", "Upgrade: h2c")
    refused, asked, ready = answers(server, head, body, b"".join(post(TYPENAME)), READY, count=3)
    assert "errors" in str(refused)
    assert asked == ASKED
    assert "snapshots" in str(ready)


def test_what_follows_a_request_that_asks_for_an_upgrade_in_the_same_packet_is_answered(server: Server) -> None:
    asks = b"GET /healthz HTTP/1.1\r\nHost: x\r\nConnection: Upgrade\r\nUpgrade: h2c\r\n\r\n"
    alive, ready = answers(server, asks + READY, count=2)
    assert alive == {"status": "alive"}
    assert "snapshots" in str(ready)


def test_chunked_bodies_of_requests_that_ask_for_an_upgrade_are_read(server: Server) -> None:
    head, _ = post(b"", "Connection: Upgrade", "Upgrade: h2c", "Transfer-Encoding: chunked")
    head = head.replace(b"Content-Length: 0\r\n", b"")
    chunk = f"{len(TYPENAME):x}\r\n".encode() + TYPENAME + b"\r\n0\r\n\r\n"
    assert answers(server, head + chunk, count=1) == [ASKED]


@pytest.mark.parametrize(
    "fields",
    [
        "Proxy-Connection: upgrade",
        "Connection: upgrade\r\nProxy-Connection: keep-alive, Upgrade",
        "Connection: a,Upgrade",
    ],
)
def test_every_way_to_ask_for_an_upgrade_is_answered_once(server: Server, fields: str) -> None:
    asks = f"GET /healthz HTTP/1.1\r\nHost: a\r\nUpgrade: h2c\r\n{fields}\r\n\r\n".encode()
    assert answers(server, asks * 50 + READY, count=51)[:50] == [{"status": "alive"}] * 50


def test_the_answer_to_a_request_is_never_the_refusal_of_what_follows(server: Server) -> None:
    create = b'{"query":"mutation { createProject(input: {name: \\"Behind\\"}) { project { key } } }"}'
    head, body = post(create, SECRET)
    with socket.create_connection(("127.0.0.1", server.port), timeout=8) as connection:
        connection.sendall(head + body + b"GARBAGE\0\r\n\r\n")
        assert connection.recv(65_536) == b""


def test_fields_behind_a_body_are_none_of_the_head(server: Server) -> None:
    head, _ = post(b"", "Transfer-Encoding: chunked")
    body = b'{"query":"{ projects { totalCount } }"}'
    chunks = f"{len(body):x}\r\n".encode() + body + f"\r\n0\r\n{SECRET}\r\n\r\n".encode()
    [answer] = answers(server, head.replace(b"Content-Length: 0\r\n", b"") + chunks, count=1)
    assert "UNAUTHENTICATED" in str(answer)


def test_a_connect_is_no_request(server: Server) -> None:
    with socket.create_connection(("127.0.0.1", server.port), timeout=8) as connection:
        connection.sendall(b"CONNECT x:80 HTTP/1.1\r\nHost: x\r\n\r\n")
        assert connection.recv(65_536).startswith(b"HTTP/1.1 400")


def test_requests_that_wait_are_answered_in_their_order(server: Server) -> None:
    asked = b"".join([*post(TYPENAME), READY] * (MOST_WAITING // 2))
    found = answers(server, asked, count=MOST_WAITING)
    assert found[::2] == [ASKED] * (MOST_WAITING // 2)
    assert all("snapshots" in str(ready) for ready in found[1::2])


def test_a_connection_with_many_requests_at_once_is_ended_and_takes_no_memory(server: Server) -> None:
    assert server.process is not None
    before = memory_mib(server.process.pid)
    for _ in range(10):
        with socket.create_connection(("127.0.0.1", server.port), timeout=8) as connection, suppress(OSError):
            for _ in range(1_000):
                connection.sendall(READY * 2_000)
            pytest.fail("the connection was not ended")
    assert server.client.get("/healthz").status_code == 200
    assert memory_mib(server.process.pid) - before < 60
    assert "Exception in ASGI application" not in server.output()
