"""Rows E3, E4 and E5: the service over HTTP, against the SDK in process and against a raw ASGI application.

The service and the raw application are processes of their own under uvicorn; this process sends, on connections
that stay open. Rounds alternate, and medians are compared. Run it with `python -m benchmarks.http`.
"""

import json
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from itertools import count, islice, repeat
from pathlib import Path
from statistics import median
from typing import Any, BinaryIO, Self, TypeVar

import ldclient

from benchmarks.dataset import CONTEXTS, contexts, flag_data
from benchmarks.evaluator import oracle
from benchmarks.rows import Row, table
from tests.servers import ROOT, TOKEN, Server, free_port

T = TypeVar("T")

ROUNDS, REQUESTS, CONNECTIONS, BATCH, WARM = 12, 120, 8, 100, 20
EVALUATION = "{ flagKey value variationIndex reason { kind } }"
ENVIRONMENT = 'environment: {project: "default", environment: "production"}'
ONE = f'query ($c: JSON!) {{ evaluate({ENVIRONMENT}, flagKey: "flag-0", context: $c) {EVALUATION} }}'
ALL = f"query ($c: JSON!) {{ evaluateFlags({ENVIRONMENT}, context: $c) {{ evaluations {EVALUATION} }} }}"
MANY = f"""query ($c: [JSON!]!) {{
    evaluateBatch({ENVIRONMENT}, contexts: $c) {{ results {{ evaluations {EVALUATION} }} }} }}"""


class Connections:
    """Connections that stay open to one server."""

    def __init__(self, port: int, count: int = CONNECTIONS) -> None:
        self.sockets = [socket.create_connection(("127.0.0.1", port)) for _ in range(count)]
        self.files = [connection.makefile("rb") for connection in self.sockets]

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        for file, connection in zip(self.files, self.sockets, strict=True):
            file.close()
            connection.close()

    def time(self, requests: list[bytes]) -> float:
        """Send all, one on each connection at a time; return microseconds per request."""
        began = time.perf_counter()
        for start in range(0, len(requests), len(self.sockets)):
            used = requests[start : start + len(self.sockets)]
            for connection, request in zip(self.sockets, used, strict=False):
                connection.sendall(request)
            for file, _ in zip(self.files, used, strict=False):
                read_answer(file)
        return (time.perf_counter() - began) / len(requests) * 1e6

    def ask(self, request: bytes) -> bytes:
        """Send one request; return the body."""
        self.sockets[0].sendall(request)
        return read_answer(self.files[0])


def read_answer(file: BinaryIO) -> bytes:
    """Read one answer; stop unless it is one of GraphQL without errors, or the raw application's."""
    status, length = file.readline(), 0
    while (line := file.readline()) != b"\r\n":
        if not line:
            raise SystemExit("the server has closed the connection")
        if line.lower().startswith(b"content-length:"):
            length = int(line.split(b":")[1])
    body: bytes = file.read(length)
    if b" 200 " not in status or body.startswith(b'{"data":null') or b'"errors"' in body[-200:]:
        raise SystemExit(status + body[:500])
    return body


def post(path: str, query: str, variable: object) -> bytes:
    """Make a request's bytes."""
    body = json.dumps({"query": query, "variables": {"c": variable}}).encode()
    head = (
        f"POST {path} HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {TOKEN}\r\nContent-Type: application/json\r\n"
    )
    return f"{head}Content-Length: {len(body)}\r\n\r\n".encode() + body


def measure(rounds: int = ROUNDS) -> list[Row]:
    """Start both servers and measure all rows."""
    data, users = flag_data(), contexts()
    with tempfile.TemporaryDirectory() as folder, oracle(data) as sdk:
        examples = Path(folder) / "flags.json"
        examples.write_text(json.dumps(data))
        port = free_port()
        options = ["--port", str(port), "--log-level", "warning", "--no-access-log", "--no-server-header"]
        command = [sys.executable, "-m", "uvicorn", "benchmarks.raw:app", *options]
        raw = subprocess.Popen(command, cwd=ROOT)  # noqa: S603 - our own command
        try:
            with Server(f"sqlite:///{folder}/store.db", "--examples", str(examples)) as server:
                return _rows(server.port, port, sdk, users, rounds)
        finally:
            raw.terminate()
            raw.wait()


def _rows(port: int, raw_port: int, sdk: ldclient.LDClient, users: list[dict[str, Any]], rounds: int) -> list[Row]:
    fresh = (dict(users[n % CONTEXTS], key=f"new-{n}") for n in count())
    ready = [ldclient.Context.from_dict(user) for user in users[:BATCH]]
    keys = list(flag_data()["flags"])

    def sdk_loop() -> float:
        began = time.perf_counter()
        for context in ready:
            for key in keys:
                sdk.variation_detail(key, context, None)
        return (time.perf_counter() - began) / (BATCH * len(keys)) * 1e6

    def batch() -> float:
        request = post("/graphql", MANY, [next(fresh) for _ in range(BATCH)])
        return one.time([request]) / (BATCH * len(keys))

    one = Connections(port, 1)
    pairs = [(batch(), sdk_loop()) for _ in range(rounds + 1)]
    rows = [_row("E3 evaluateBatch 100 x 50, new contexts, per evaluation", "`variation_detail`", pairs, 5)]
    # Not before: the service closes connections that stay idle.
    ours, raw = Connections(port), Connections(raw_port)
    for name, query, bars in (("E4 evaluate", ONE, (0.6, 0.35)), ("E5 evaluateFlags, 50 flags", ALL, (0.6, 0.2))):
        size = len(ours.ask(post("/graphql", query, users[0])))
        for kind, bar in zip(("repeating contexts", "new contexts"), bars, strict=True):
            repeated = kind == "repeating contexts"
            chosen = repeat(users[:WARM] * (REQUESTS // WARM)) if repeated else batched(fresh, REQUESTS)
            times = [
                (
                    ours.time([post("/graphql", query, user) for user in some]),
                    raw.time([post(f"/{size}", query, user) for user in some]),
                )
                for some in islice(chosen, rounds + 1)
            ]
            rows.append(_row(f"{name}, {kind}, per request", "raw ASGI", times, bar))
    return rows


def batched(users: Iterator[T], size: int) -> Iterator[list[T]]:
    """Take so many at a time."""
    while True:
        yield list(islice(users, size))


def _row(name: str, against: str, times: list[tuple[float, float]], bar: float) -> Row:
    """Compare the medians of all rounds but the first, which only warms up."""
    ours, theirs = (median(side) for side in zip(*times[1:], strict=True))
    return Row.faster(name, against, ours, theirs, times=bar)


if __name__ == "__main__":
    print(table(measure()))
