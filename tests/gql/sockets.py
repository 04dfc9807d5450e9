"""Requests as bytes, for what no client of HTTP would send."""

import socket
import time

from tests.servers import TOKEN, Server

SECRET = f"Authorization: Bearer {TOKEN}"


def head_of(path: str, *headers: str) -> bytes:
    lines = [f"POST {path} HTTP/1.1", "Host: x", "Content-Type: application/json", *headers]
    return "\r\n".join([*lines, "", ""]).encode()


def answers_one_more(server: Server, status: int, seconds: float = 20) -> None:
    """Wait until one more connection is answered so: what was opened and closed is seen a moment later."""
    deadline = time.monotonic() + seconds
    while (found := _status_of_one_more(server)) != status:
        assert time.monotonic() < deadline, found
        time.sleep(0.05)


def _status_of_one_more(server: Server) -> int:
    with socket.create_connection(("127.0.0.1", server.port), timeout=10) as connection:
        connection.sendall(b"GET /healthz HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")
        return int(connection.recv(65_536).split()[1])
