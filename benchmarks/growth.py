"""How speed and memory change as things grow: flags, segments, large lists, batches, workers.

Writes a plot for each, and one JSON. Evaluation is measured in this process, the rest on services of their own, on
the embedded store. Run it with `make growth`.
"""

import argparse
import json
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from functools import partial
from itertools import count, cycle, islice
from pathlib import Path
from statistics import median
from typing import Any

from benchmarks.dataset import CONTEXTS, SEGMENTS, contexts, flag_data
from benchmarks.evaluator import snapshot_of
from benchmarks.growth_data import Growth, Panel
from benchmarks.http import ALL, MANY, ONE, Connections, batched, post
from benchmarks.large_lists import create_list, evaluate, flag_on, load, peak_mib, rounds
from benchmarks.machine import memory_mib, write_json
from benchmarks.plots import draw_growth
from benchmarks.processes import edit, timed_ms
from benchmarks.rows import amount
from domain.model.contexts import parse_context
from tests.servers import Server

ROUNDS = 9
USERS = 20
FLAGS_BESIDE_SEGMENTS = 1_000
CONNECTIONS = 32
REQUESTS = 320


@dataclass(frozen=True, slots=True, kw_only=True)
class Sizes:
    """How far each thing grows."""

    flags: Sequence[int] = (10, 50, 100, 500, 1_000, 2_000, 5_000)
    segments: Sequence[int] = (10, 50, 100, 500, 1_000, 2_000)
    keys: Sequence[int] = (1_000, 10_000, 100_000, 1_000_000)
    contexts: Sequence[int] = (1, 3, 10, 30, 100, 300, 1_000)
    workers: Sequence[int] = (1, 2)


QUICK = Sizes(flags=(10, 50), segments=(10, 50), keys=(1_000, 5_000), contexts=(1, 10))


def main() -> None:
    """Measure all, print it, and write it."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--output", type=Path, default=Path("docs/benchmarks"), help="folder of the files written")
    parser.add_argument("--quick", action="store_true", help="small sizes, to see that all works")
    arguments = parser.parse_args()
    sizes = QUICK if arguments.quick else Sizes()
    parts = (
        partial(flags_growth, sizes.flags),
        partial(segments_growth, sizes.segments),
        partial(lists_growth, sizes.keys),
        partial(batch_growth, sizes.contexts),
        partial(workers_growth, sizes.workers),
    )
    found = []
    for measure in parts:
        growth = measure()
        print(text(growth), flush=True)
        draw_growth(growth, arguments.output / f"growth-{growth.key}.svg")
        found.append(asdict(growth))
    write_json(arguments.output / "growth.json", growth=found)


def text(growth: Growth) -> str:
    """Render as Markdown."""
    lines = [f"\n{growth.title}\n", f"| {growth.of} | {' | '.join(f'{size:,}' for size in growth.sizes)} |"]
    lines.append("|---|" + "---:|" * len(growth.sizes))
    lines += [
        f"| {panel.title}: {name} | {' | '.join(amount(value, panel.unit) for value in values)} |"
        for panel in growth.panels
        for name, values in panel.lines.items()
    ]
    return "\n".join(lines)


def flags_growth(sizes: Sequence[int]) -> Growth:
    """Let an environment have more flags, each with targets, two rules and a rollout."""
    found = [measure_environment(flags=size, segments=SEGMENTS) for size in sizes]
    more = (found[-1].memory_mib - found[0].memory_mib) / (sizes[-1] - sizes[0]) * 1_000
    title = f"More flags, on {SEGMENTS} segments; 1,000 of them take {more:.1f} MiB"
    return Growth(key="flags", title=title, of="flags", sizes=sizes, panels=environment_panels(found))


def segments_growth(sizes: Sequence[int]) -> Growth:
    """Let an environment have more segments, each with 51 targets and two rules."""
    found = [measure_environment(flags=FLAGS_BESIDE_SEGMENTS, segments=size) for size in sizes]
    title = f"More segments, under {FLAGS_BESIDE_SEGMENTS:,} flags"
    return Growth(key="segments", title=title, of="segments", sizes=sizes, panels=environment_panels(found))


@dataclass(frozen=True, slots=True, kw_only=True)
class EnvironmentFigures:
    """What an environment of some size costs."""

    all_us: float
    one_us: float
    start_s: float
    edit_ms: float
    memory_mib: float


def environment_panels(found: Sequence[EnvironmentFigures]) -> list[Panel]:
    """Arrange the figures of environments."""
    evaluation = {
        "all flags of a context": [figures.all_us for figures in found],
        "one flag": [figures.one_us for figures in found],
    }
    return [
        Panel(title="an evaluation", unit="µs", lines=evaluation),
        Panel(title="start, until ready", unit="s", lines={"start": [figures.start_s for figures in found]}),
        Panel(title="edit of one flag", unit="ms", lines={"edit": [figures.edit_ms for figures in found]}),
        Panel(title="the process's memory", unit="MiB", lines={"memory": [item.memory_mib for item in found]}),
    ]


def measure_environment(*, flags: int, segments: int) -> EnvironmentFigures:
    """Measure evaluation in this process, and the rest on a service that is started on the same data."""
    data = flag_data(flags=flags, segments=segments)
    all_us, one_us = measure_evaluation(data)
    with tempfile.TemporaryDirectory() as folder:
        with served(folder, data) as first:
            store = first.store
        starts = []
        for _ in range(3):
            began = time.perf_counter()
            with Server(store) as server:
                starts.append(time.perf_counter() - began)
        with Server(store) as server:
            assert server.process is not None
            memory = memory_mib(server.process.pid)
            turns = islice(cycle([False, True]), 2 * ROUNDS)
            edits = [timed_ms(partial(edit, server, on=on, key="flag-0")) for on in turns]
    return EnvironmentFigures(
        all_us=all_us, one_us=one_us, start_s=median(starts), edit_ms=median(edits), memory_mib=memory
    )


def measure_evaluation(data: dict[str, Any]) -> tuple[float, float]:
    """Return the microseconds of an evaluation where all flags are asked for, and where one is."""
    snapshot = snapshot_of(data)
    users = [parse_context(user) for user in contexts(USERS)]
    keys = list(snapshot.flags)
    some = keys[:: max(1, len(keys) // 10)]

    def all_flags() -> None:
        for user in users:
            snapshot.evaluate_all(keys, snapshot.subject(user))

    def single_flags() -> None:
        for user in users:
            for key in some:
                snapshot.evaluate(key, snapshot.subject(user))

    return (
        middle_us(all_flags, units=USERS * len(keys)),
        middle_us(single_flags, units=USERS * len(some)),
    )


def middle_us(run: Callable[[], object], *, units: int) -> float:
    """Return the median of microseconds per unit; the first round only warms up."""
    return median([timed_ms(run) for _ in range(ROUNDS + 1)][1:]) * 1000 / units


def lists_growth(sizes: Sequence[int]) -> Growth:
    """Let a large list have more members; each on a service of its own, which caches nothing."""
    seconds, before, after, listed, plain = zip(*(measure_list(size) for size in sizes), strict=True)
    look_up = {"a flag on the list": listed, "on a segment without one": plain}
    return Growth(
        key="lists",
        title="Larger lists",
        of="members",
        sizes=sizes,
        panels=[
            Panel(title="one evaluation over HTTP", unit="ms", lines=look_up),
            Panel(title="import of the list", unit="s", lines={"import": seconds}),
            Panel(title="peak memory", unit="MiB", lines={"before the import": before, "after": after}),
        ],
    )


def measure_list(size: int) -> tuple[float, float, float, float, float]:
    """Return the seconds of an import, the peak memory before and after, and milliseconds with and without it."""
    with tempfile.TemporaryDirectory() as folder, Server(f"sqlite:///{folder}/l.db", cache_entries="0") as server:
        file = Path(folder) / "keys.csv"
        file.write_text("".join(f"user-{number:08d}\n" for number in range(size)))
        create_list(server, "listed")
        before = peak_mib(server)
        seconds = timed_ms(partial(load, server, "listed", file)) / 1000
        after = peak_mib(server)
        segments = {
            "listed": {"key": "listed", "unbounded": True},
            "plain": {"key": "plain", "included": ["user-00000001"]},
        }
        server.import_flags({"flags": {key: flag_on(key) for key in segments}, "segments": segments}, mode="MERGE")
        times = rounds({key: partial(evaluate, server, key) for key in segments})
    return seconds, before, after, median(times["listed"]), median(times["plain"])


def batch_growth(sizes: Sequence[int]) -> Growth:
    """Let a batch have more contexts, each of them new, by all flags."""
    data = flag_data()
    times = []
    with tempfile.TemporaryDirectory() as folder, served(folder, data) as server:
        connections, fresh = Connections(server.port), new_users()
        for size in sizes:
            several = max(1, sizes[-1] // size // 4)
            requests = (post("/graphql", MANY, list(islice(fresh, size))) for _ in count())
            asked = islice(batched(requests, several), ROUNDS + 1)
            found = [connections.time(some) / (size * len(data["flags"])) for some in asked]
            times.append(median(found[1:]))
    return Growth(
        key="batch",
        title=f"Larger batches, by {len(data['flags'])} flags",
        of="contexts a batch",
        sizes=sizes,
        panels=[Panel(title="an evaluation over HTTP", unit="µs", lines={"evaluateBatch": times})],
    )


def workers_growth(sizes: Sequence[int]) -> Growth:
    """Let more processes serve; the one that asks takes its part of the same cores.

    Each round has connections of its own: the system decides, by chance, which worker takes how many of them.
    """
    lines: dict[str, list[float]] = {}
    for size in sizes:
        with (
            tempfile.TemporaryDirectory() as folder,
            served(folder, flag_data(), "--workers", str(size)) as server,
        ):
            fresh = new_users()
            kinds = {
                "evaluate, repeating contexts": (ONE, cycle(contexts(USERS))),
                "evaluate, new contexts": (ONE, fresh),
                "evaluateFlags, 50 flags, new contexts": (ALL, fresh),
            }
            for name, (query, users) in kinds.items():
                requests = (post("/graphql", query, user) for user in users)
                found = []
                for some in islice(batched(requests, REQUESTS), ROUNDS + 1):
                    with Connections(server.port, CONNECTIONS) as connections:
                        found.append(connections.time(some))
                lines.setdefault(name, []).append(1e6 / median(found[1:]))
    title = f"More workers, asked on {CONNECTIONS} connections by one process of the same machine"
    panel = Panel(title="requests over HTTP", unit="per second", lines=lines)
    return Growth(key="workers", title=title, of="workers", sizes=sizes, panels=[panel])


@contextmanager
def served(folder: str, data: dict[str, Any], *options: str) -> Iterator[Server]:
    """Start a service with flag data on a new store."""
    examples = Path(folder) / "flags.json"
    examples.write_text(json.dumps(data))
    with Server(f"sqlite:///{folder}/store.db", "--examples", str(examples), *options) as server:
        try:
            yield server
        finally:
            server.stop()  # with its workers, which a kill would leave behind


def new_users() -> Iterator[dict[str, Any]]:
    """Yield contexts that nobody has asked about."""
    users = contexts()
    return (dict(users[number % CONTEXTS], key=f"new-{number}") for number in count())


if __name__ == "__main__":
    main()
