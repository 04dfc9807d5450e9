"""Rows E9 and E10: changes across processes, and the start of one.

E9 changes a flag through one process and asks another for it until it answers with the change, on SQLite and on
the MongoDB server of the tests, with pauses of random length: no poll is always equally far. E10, on SQLite,
starts a process on 1,000 flags and 500 segments, and edits one flag among few and among many.
Run it with `python -m benchmarks.processes`.
"""

import random
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import replace
from functools import partial
from itertools import cycle, islice
from statistics import median, quantiles
from typing import Any

from benchmarks.evaluator import snapshot_of
from benchmarks.rows import Row, table
from domain.evaluation.snapshot import Snapshot
from tests.servers import Server
from tests.storage.servers import MongoServer

CHANGES = 200
PAUSE_SECONDS = 0.1
EDITS = 25
FEW, MANY = 10, 5_000
COMPILE_TIMES = 5  # what is compiled must not be the environment; all flags are sorted and indexed either way
PLACE = {"project": "default", "environment": "production"}
ADA = {"kind": "user", "key": "ada"}
UPDATE = "mutation ($input: UpdateFlagTargetingInput!) { updateFlagTargeting(input: $input) { revision } }"


def measure(changes: int = CHANGES, edits_each: int = EDITS) -> list[Row]:
    """Measure both rows."""
    with tempfile.TemporaryDirectory() as folder:
        rows = [follow_row("SQLite", f"sqlite:///{folder}/follow.db", changes)]
        for name, standalone in (("MongoDB replica set", False), ("standalone MongoDB", True)):
            with MongoServer(standalone=standalone) as mongo:
                rows.append(follow_row(name, mongo.url("follow"), changes))
        rows.append(start_row(f"sqlite:///{folder}/start.db"))
    return [*rows, *edit_rows(edits_each)]


def follow_row(name: str, store: str, changes: int) -> Row:
    """E9: from the moment a change is acknowledged here until it is seen there."""
    with Server(store) as writer, Server(store) as reader:
        fill(writer, flags=50, segments=20)
        times = []
        for value in islice(cycle([True, False]), changes):
            time.sleep(random.uniform(0, PAUSE_SECONDS))  # noqa: S311 - only spreads the changes
            edit(writer, on=value)
            began = time.perf_counter()
            while reader.evaluate("f0", ADA)["evaluate"]["value"] is not value:
                assert time.perf_counter() - began < 10  # noqa: PLR2004 - it is lost, not late
            times.append((time.perf_counter() - began) * 1000)
    name = f"E9 a change is seen by another process, {name}, p99"
    return Row(name=name, ours=quantiles(times, n=100)[-1], unit="ms", limit=200)


def start_row(store: str) -> Row:
    """E10: from the start of the process until it is ready."""
    with Server(store) as server:
        fill(server, flags=1_000, segments=500)
        server.stop()
    times = []
    for _ in range(5):
        began = time.perf_counter()
        with Server(store):
            times.append(time.perf_counter() - began)
    return Row(name="E10 ready with 1,000 flags and 500 segments", ours=median(times), unit="s", limit=2)


def edit_rows(edits_each: int) -> list[Row]:
    """E10: an edit of one flag among many, until it is acknowledged and served; and what of it is compiling."""
    with ExitStack() as stack:
        few, many = (stack.enter_context(filled(size)) for size in (FEW, MANY))
        times = [(edit_ms(many, on=on), edit_ms(few, on=on)) for on in islice(cycle([False, True]), edits_each)]
    ours, theirs = (median(side) for side in zip(*times, strict=True))
    name = f"E10 edit of one flag among {MANY:,}, acknowledged and served"
    return [
        Row.faster(name, f"among {FEW}", ours, theirs, times=None, unit="ms"),
        compile_row(edits_each),
    ]


def compile_row(edits_each: int) -> Row:
    """E10: the snapshot after a change of one flag, against one that is compiled from nothing."""
    before = snapshot_of(environment_data(flags=MANY, segments=20))
    flags, segments = dict(before.flags), {key: item.segment for key, item in before.segments.items()}
    times = []
    for number in range(edits_each):
        old = flags["f0"]
        flags["f0"] = replace(old, targeting=replace(old.targeting, on=not old.targeting.on))
        build = partial(Snapshot, before.environment, number + 2, flags, segments)
        times.append((timed_ms(partial(build, before=before)), timed_ms(build)))
    ours, theirs = (median(side) for side in zip(*times, strict=True))
    name, against = f"E10 compiling a change to one flag of {MANY:,}", "compiling the environment"
    return Row.faster(name, against, ours, theirs, times=COMPILE_TIMES, unit="ms")


@contextmanager
def filled(flags: int) -> Iterator[Server]:
    """Start a service with so many flags."""
    with tempfile.TemporaryDirectory() as folder, Server(f"sqlite:///{folder}/edit.db") as server:
        fill(server, flags=flags, segments=20)
        yield server


def fill(server: Server, *, flags: int, segments: int) -> None:
    """Import an environment of some size."""
    server.client.timeout = 120
    assert not server.import_flags(environment_data(flags=flags, segments=segments)).errors


def environment_data(*, flags: int, segments: int) -> dict[str, Any]:
    """Make flags with targets, a rule on a segment and a rule of two clauses."""
    return {
        "flags": {f"f{number}": flag(number, segments) for number in range(flags)},
        "segments": {
            f"s{number}": {"key": f"s{number}", "included": [f"user-{n}" for n in range(50)]}
            for number in range(segments)
        },
    }


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


def edit_ms(server: Server, *, on: bool) -> float:
    """Turn a flag on or off; return milliseconds."""
    return timed_ms(partial(edit, server, on=on))


def timed_ms(run: Callable[[], object]) -> float:
    """Return how many milliseconds something takes."""
    began = time.perf_counter()
    run()
    return (time.perf_counter() - began) * 1000


def edit(server: Server, *, on: bool, key: str = "f0") -> None:
    """Turn a flag on or off."""
    wish = {"environment": PLACE, "flagKey": key, "instructions": [{"turnOn" if on else "turnOff": True}]}
    assert not server.post(UPDATE, input=wish).errors


if __name__ == "__main__":
    print(table(measure()))
