"""Rows E9 and E10: changes across processes, and the start of one.

E9 changes a flag through one process and asks another for it until it answers with the change, on SQLite and on
the MongoDB server of the tests, with pauses of random length: no poll is always equally far. E10, on SQLite,
starts a process on 1,000 flags and 500 segments, and then edits one flag in environments of growing size.
Run it with `python -m benchmarks.processes`.
"""

import itertools
import random
import tempfile
import time
from collections.abc import Iterator
from statistics import median, quantiles
from typing import Any

from tests.servers import Server
from tests.storage.servers import MongoServer

CHANGES = 200
PAUSE_SECONDS = 0.1
EDITS = 25
SIZES = (10, 1_000, 5_000)
PLACE = {"project": "default", "environment": "production"}
ADA = {"kind": "user", "key": "ada"}
UPDATE = "mutation ($input: UpdateFlagTargetingInput!) { updateFlagTargeting(input: $input) { revision } }"


def main() -> None:
    """Measure, and print each row."""
    with tempfile.TemporaryDirectory() as folder:
        follow_rows("SQLite", f"sqlite:///{folder}/follow.db")
        for name, standalone in (("MongoDB replica set", False), ("standalone MongoDB", True)):
            with MongoServer(standalone=standalone) as mongo:
                follow_rows(name, mongo.url("follow"))
        start_rows(f"sqlite:///{folder}/start.db")
    for size in SIZES:
        with tempfile.TemporaryDirectory() as folder, Server(f"sqlite:///{folder}/edit.db") as server:
            fill(server, flags=size, segments=20)
            times = list(edits(server))
            print(f"E10 edit of one flag among {size:,}: {median(times):.1f} ms")


def follow_rows(name: str, store: str) -> None:
    """E9: from the moment a change is acknowledged here until it is seen there."""
    with Server(store) as writer, Server(store) as reader:
        fill(writer, flags=50, segments=20)
        times = []
        for value in itertools.islice(itertools.cycle([True, False]), CHANGES):
            time.sleep(random.uniform(0, PAUSE_SECONDS))  # noqa: S311 - only spreads the changes
            edit(writer, on=value)
            began = time.perf_counter()
            while reader.evaluate("f0", ADA)["evaluate"]["value"] is not value:
                assert time.perf_counter() - began < 10  # noqa: PLR2004 - it is lost, not late
            times.append((time.perf_counter() - began) * 1000)
    print(f"E9 a change is seen by another process, {name}: p50 {median(times):.0f} ms, ", end="")
    print(f"p99 {quantiles(times, n=100)[-1]:.0f} ms (bar 200 ms)")


def start_rows(store: str) -> None:
    """E10: from the start of the process until it is ready."""
    with Server(store) as server:
        fill(server, flags=1_000, segments=500)
        server.stop()
    times = []
    for _ in range(5):
        began = time.perf_counter()
        with Server(store):
            times.append(time.perf_counter() - began)
    print(f"E10 ready with 1,000 flags and 500 segments: {median(times):.2f} s (bar 2 s)")


def fill(server: Server, *, flags: int, segments: int) -> None:
    """Import flags with targets, a rule on a segment and a rule of two clauses."""
    data = {
        "flags": {f"f{number}": flag(number, segments) for number in range(flags)},
        "segments": {
            f"s{number}": {"key": f"s{number}", "included": [f"user-{n}" for n in range(50)]}
            for number in range(segments)
        },
    }
    server.client.timeout = 120
    assert not server.import_flags(data).errors


def flag(number: int, segments: int) -> dict[str, Any]:
    """Make a flag that serves true when on, and false when off."""
    in_segment = {"attribute": "", "op": "segmentMatch", "values": [f"s{number % segments}"]}
    in_tier = {"attribute": "tier", "op": "in", "values": ["premium", "enterprise"]}
    at_university = {"attribute": "email", "op": "endsWith", "values": [".edu"]}
    return {
        "key": f"f{number}",
        "on": True,
        "variations": [True, False],
        "offVariation": 1,
        "fallthrough": {"variation": 0},
        "targets": [{"variation": 0, "values": ["user-a", "user-b"]}],
        "rules": [
            {"id": "segment", "clauses": [in_segment], "variation": 0},
            {"id": "attributes", "clauses": [in_tier, at_university], "variation": 0},
        ],
    }


def edits(server: Server) -> Iterator[float]:
    """Turn a flag off and on; yield milliseconds."""
    for number in range(EDITS):
        began = time.perf_counter()
        edit(server, on=bool(number % 2))
        yield (time.perf_counter() - began) * 1000


def edit(server: Server, *, on: bool) -> None:
    """Turn the first flag on or off."""
    wish = {"environment": PLACE, "flagKey": "f0", "instructions": [{"turnOn" if on else "turnOff": True}]}
    assert not server.post(UPDATE, input=wish).errors


if __name__ == "__main__":
    main()
