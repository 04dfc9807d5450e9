"""Requests as bytes, for what no client of HTTP would send."""

import socket
import time

from tests.servers import TOKEN, Server

SECRET = f"Authorization: Bearer {TOKEN}"


def head_of(path: str, *headers: str) -> bytes:
    lines = [f"POST {path} HTTP/1.1", "Host: x", "Content-Type: application/json", *headers]
    return "\r\n".join([*lines, "", ""]).encode()


def status_of_one_more(server: Server) -> int:
    time.sleep(0.2)  # until the service has seen what was opened and closed
    with socket.create_connection(("127.0.0.1", server.port), timeout=10) as connection:
        connection.sendall(b"GET /healthz HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")
        return int(connection.recv(65_536).split()[1])
