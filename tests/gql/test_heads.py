"""The heads of requests over real sockets: their size to the byte, their Host, and what they ask to be upgraded to."""

import json
import socket
import time
import uuid
from collections.abc import Iterator
from contextlib import ExitStack, suppress
from http.client import HTTPResponse
from pathlib import Path

import pytest

from tests.gql.sockets import answers_one_more
from tests.servers import Server, printed_secrets

LIMIT = 2_000


@pytest.fixture(scope="module")
def strict(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """A service for heads of 2 kB, which made its own secrets."""
    store = f"sqlite:///{tmp_path_factory.mktemp('strict')}/x.db"
    with Server(store, token=None, max_header_bytes=str(LIMIT)) as server:
        server.client.close()
        yield server


def answer(server: Server, head: str) -> tuple[int, str]:
    """Send a head in one piece; return the status, and the answer as it came."""
    with socket.create_connection(("127.0.0.1", server.port), timeout=8) as connection:
        connection.sendall(head.encode())
        text = connection.makefile("rb").read().decode()
    return int(text.split()[1]), text


HOST = "Host: x\r\n"
CLOSE = "Connection: close\r\n"


@pytest.mark.parametrize(("size", "status"), [(LIMIT, 200), (LIMIT + 1, 431)])
def test_a_head_may_be_as_long_as_the_setting_says_to_the_byte(strict: Server, size: int, status: int) -> None:
    head = f"GET /healthz HTTP/1.1\r\nHost: x\r\n{CLOSE}X-Long: \r\n\r\n"
    assert answer(strict, head.replace("X-Long: ", f"X-Long: {'x' * (size - len(head))}"))[0] == status


def test_a_url_longer_than_any_parser_takes_is_a_head_that_is_too_large(strict: Server) -> None:
    text = ""
    for _ in range(20):
        # What is still on its way when the service closes the connection may reset it before the answer is read.
        with suppress(ConnectionError):
            status, text = answer(strict, f"GET /{'x' * 66_000} HTTP/1.1\r\nHost: x\r\n\r\n")
            assert status == 431
            break
    assert "EARLYBIRD_MAX_HEADER_BYTES" in text


@pytest.mark.parametrize(
    ("version", "hosts", "status"),
    [("1.1", 0, 400), ("1.1", 1, 200), ("1.1", 2, 400), ("1.0", 0, 200), ("1.0", 2, 400)],
)
def test_a_head_has_one_host(strict: Server, version: str, hosts: int, status: int) -> None:
    assert answer(strict, f"GET /healthz HTTP/{version}\r\n{HOST * hosts}{CLOSE}\r\n")[0] == status


def lines_so_far(server: Server) -> int:
    """Count the lines of the log when the one of a request of ours is there, and with it all before."""
    mark = uuid.uuid4().hex
    head = f"GET /graphql?query={{__typename}} HTTP/1.1\r\n{HOST}{CLOSE}X-Request-Id: {mark}\r\n\r\n"
    answer(server, head)
    deadline = time.monotonic() + 20
    while mark not in (text := server.output()):
        assert time.monotonic() < deadline
        time.sleep(0.02)
    return text.count("\n")


def test_who_asks_for_a_websocket_is_told_that_there_is_none_in_one_line_of_the_log(strict: Server) -> None:
    lines = lines_so_far(strict)
    head = "GET /graphql HTTP/1.1\r\nHost: x\r\nConnection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13"
    with socket.create_connection(("127.0.0.1", strict.port), timeout=8) as connection:
        connection.sendall(f"{head}\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n".encode())
        response = HTTPResponse(connection)
        response.begin()
        [error] = json.load(response)["errors"]
    assert response.status == 400
    assert error["message"].startswith("Subscriptions are not offered")
    assert lines_so_far(strict) == lines + 2, "its own, and ours"


def test_who_is_one_too_many_learns_by_which_setting(tmp_path: Path) -> None:
    with Server(f"sqlite:///{tmp_path}/x.db", max_connections="2") as server, ExitStack() as opened:
        server.client.close()
        answers_one_more(server, 200)
        for _ in range(2):
            opened.enter_context(socket.create_connection(("127.0.0.1", server.port)))
        answers_one_more(server, 503)
        _, text = answer(server, f"GET /healthz HTTP/1.1\r\nHost: x\r\n{CLOSE}\r\n")
    assert "EARLYBIRD_MAX_CONNECTIONS" in text


@pytest.mark.parametrize(
    ("key", "setting", "limit"),
    [("client", "MAX_CLIENT_BODY_BYTES", 1_048_576), ("server", "MAX_BODY_BYTES", 16_777_216)],
)
def test_bodies_with_a_key_that_anybody_can_read_have_a_limit_of_their_own(
    strict: Server, key: str, setting: str, limit: int
) -> None:
    secret = printed_secrets(strict)[f"{key} SDK key, production"]
    head = f"POST /graphql HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nAuthorization: Bearer {secret}"
    status, text = answer(strict, f"{head}\r\nContent-Length: {limit + 1}\r\n\r\n")
    assert status == 413
    assert f'"setting":"EARLYBIRD_{setting}","limit":{limit},"actual":{limit + 1}' in text
