"""Rows E6 to E8: large lists and usage, over HTTP on the embedded store; with `--mongodb` E6 and E7 on MongoDB.

E6 asks for one flag on lists of growing size, beside one on a segment without a list. E7 imports keys from a CSV
file, and compares with the driver writing the same rows, in the file's order and sorted, in as large chunks.
E8 asks for first pages of usage and of programs, then for those of programs that are nested in chains of ten and
that 1,000 flags target by five rules each: as they are, and right after a change. Run it with
`python -m benchmarks.large_lists`.

The MongoDB server is that of the tests. It takes about half a millisecond a key, whoever writes them.
"""

import argparse
import random
import sqlite3
import tempfile
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import closing
from functools import partial
from itertools import islice
from pathlib import Path
from statistics import median, quantiles
from typing import Any

import httpx
from pymongo import MongoClient

from benchmarks.machine import memory_mib
from benchmarks.rows import SHARE, Row, table
from tests.servers import TOKEN, Server
from tests.storage.servers import MongoServer

SIZES = (1_000, 10_000, 100_000, 1_000_000)
CHUNK = 10_000
IMPORT_SECONDS = 3_600
ROUNDS = 200
IMPORT_SHARE = 1 / 1.5  # an import may take half as long again as the driver
PLACE = {"project": "default", "environment": "production"}


def main() -> None:
    """Measure, and print the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--keys", type=int, default=SIZES[-1], help="keys of the largest list and file")
    parser.add_argument("--mongodb", action="store_true", help="import into, and evaluate on, MongoDB instead")
    arguments = parser.parse_args()
    if arguments.mongodb:
        with tempfile.TemporaryDirectory() as folder:
            print(table(mongodb_rows(Path(folder), arguments.keys)))
    else:
        print(table(measure(arguments.keys)))


def measure(keys: int = SIZES[-1]) -> list[Row]:
    """Measure all rows."""
    with tempfile.TemporaryDirectory() as folder:
        sizes = [size for size in SIZES if size < keys]
        return [
            *membership_rows(Path(folder), [*sizes, keys]),
            *import_rows(Path(folder), keys),
            *usage_rows(Path(folder)),
        ]


def import_rows(folder: Path, count: int) -> list[Row]:
    """E7: a service's import against the driver's writes; the peak of its memory after a tenth, and after all."""
    keys = member_keys(count)
    random.Random(7).shuffle(keys)  # noqa: S311 - the same order each time
    file, tenth = folder / "keys.csv", folder / "tenth.csv"
    file.write_text("".join(f"{key}\n" for key in keys))
    tenth.write_text("".join(f"{key}\n" for key in keys[: count // 10]))
    drivers = {"in the file's order": keys, "sorted": sorted(keys)}
    in_order, in_keys_order = (timed(partial(write_rows, folder, given)) for given in drivers.values())
    with Server(f"sqlite:///{folder}/import.db") as server:
        create_list(server, "a-tenth")
        create_list(server, "members")
        load(server, "a-tenth", tenth)
        before = peak_mib(server)
        took = timed(lambda: load(server, "members", file))
        after = peak_mib(server)
        again = timed(lambda: load(server, "members", file, "OVERWRITE"))
    name = f"E7 import of {count:,} keys"
    memory = f"{name}, the process's peak memory"
    return [
        Row.faster(name, "the driver, the same rows", took, in_order, times=IMPORT_SHARE, unit="s"),
        Row.faster(name, "the driver, sorted rows", took, in_keys_order, times=None, unit="s"),
        Row.faster(f"{name}, the same again", "the driver, the same rows", again, in_order, times=None, unit="s"),
        Row.faster(memory, "a tenth of the file", after, before, times=SHARE, unit="MiB"),
    ]


def mongodb_rows(folder: Path, count: int) -> list[Row]:
    """E6 and E7 on MongoDB: an import, the driver's writes of a tenth of the rows, and one flag on lists."""
    sizes = (SIZES[0], count)
    with MongoServer(standalone=False, storage_path=str(folder / "mongodb")) as mongo:
        driver = timed(partial(write_documents, mongo.url("driver"), member_keys(count // 10)))
        with Server(mongo.url("lists"), cache_entries="0") as server:
            for size in sizes:
                create_list(server, f"list-{size}")
                file = folder / f"{size}.csv"
                file.write_text("".join(f"{key}\n" for key in member_keys(size)))
                before = peak_mib(server)
                took = timed(partial(load, server, f"list-{size}", file))
            after = peak_mib(server)
            with MongoClient[dict[str, Any]](mongo.url("driver")) as client:
                members = client.get_default_database()["members"]
                evaluations = evaluation_rows(server, sizes, lambda: members.find_one({"member": "", "since": 1}))
    ours, theirs = took / count * 1_000_000, driver / (count // 10) * 1_000_000
    name = f"E7 import of {count:,} keys into MongoDB"
    return [
        *evaluations,
        Row.faster(f"{name}, a key", "the driver", ours, theirs, times=IMPORT_SHARE),
        Row.faster(f"{name}, peak memory", "before it", after, before, times=SHARE, unit="MiB"),
    ]


def member_keys(count: int) -> list[str]:
    """Make keys, in order."""
    return [f"user-{number:08d}" for number in range(count)]


def write_documents(url: str, keys: Iterable[str]) -> None:
    """Write members as the MongoDB store keeps them, with nothing but the driver."""
    with MongoClient[dict[str, Any]](url) as client:
        members = client.get_default_database()["members"]
        members.create_index([("member", 1), ("since", 1)], unique=True)
        members.create_index([("list", 1), ("since", 1)])
        members.create_index([("list", 1), ("until", 1)])
        for chunk in chunks(keys):
            rows = [
                {"member": f"default/production/members\n{key}", "list": "members", "since": 1} for key in chunk
            ]
            members.insert_many(rows, ordered=False)


def membership_rows(folder: Path, sizes: Sequence[int]) -> list[Row]:
    """E6: one flag for one context that has to be looked up in a list of growing size; nothing is cached."""
    with Server(f"sqlite:///{folder}/lists.db", cache_entries="0") as server:
        for size in sizes:
            key = f"list-{size}"
            create_list(server, key)
            file = folder / f"{key}.csv"
            file.write_text("".join(f"{name}\n" for name in member_keys(size)))
            load(server, key, file)
        with closing(sqlite3.connect(folder / "lists.db")) as driver:
            look_up = "SELECT 1 FROM members WHERE list = ? AND key = ?"
            return evaluation_rows(server, sizes, lambda: driver.execute(look_up, ("", "")).fetchall())


def evaluation_rows(server: Server, sizes: Sequence[int], look_up: Callable[[], Any]) -> list[Row]:
    """E6: one flag on each of the lists; and one on a segment without a list, beside a look-up by the driver."""
    plain = {"key": "plain", "included": ["user-00000001"]}
    segments = {key: {"key": key, "unbounded": True} for key in (f"list-{size}" for size in sizes)}
    flags = {key: flag_on(key) for key in (*segments, "plain")}
    server.import_flags({"flags": flags, "segments": {**segments, "plain": plain}}, mode="MERGE")
    found = rounds({**{key: partial(evaluate, server, key) for key in flags}, "look-up": look_up})
    times = {key: median(milliseconds) for key, milliseconds in found.items()}
    smallest, *larger = sizes
    name, first = "E6 evaluate, a flag on a list of {:,} keys", times[f"list-{smallest}"]
    against = "a segment in process, and one look-up by the driver"
    in_process = times["plain"] + times["look-up"]
    rows = [Row.faster(name.format(smallest), against, first, in_process, times=SHARE, unit="ms")]
    for size in larger:
        ours = times[f"list-{size}"]
        rows.append(
            Row.faster(name.format(size), f"a list of {smallest:,} keys", ours, first, times=SHARE, unit="ms")
        )
    return rows


def usage_rows(folder: Path) -> list[Row]:
    """E8: usage of a segment that 1,000 flags target, and the programs of 200 segments."""
    with Server(f"sqlite:///{folder}/usage.db") as server:
        segments: dict[str, dict[str, Any]] = {
            f"s{n}": {"key": f"s{n}", "tags": ["eap"], "included": ["ada"]} for n in range(200)
        }
        flags = {f"f{n}": flag_on("s0", f"s{n % 200}", key=f"f{n}") for n in range(1_000)}
        server.import_flags({"flags": flags, "segments": segments})
        head = 'environment(project: "default", key: "production")'
        usage = f"""{{ {head} {{ segment(key: "s0") {{ usage {{ flagCount flags(first: 20) {{
            totalCount nodes {{ flag {{ key name }} on rule {{ id }} negated path {{ key }}
            serves {{ variation {{ value }} weight }} }} }} }} }} }} }}"""
        programs = f"""{{ {head} {{ earlyAccessPrograms(active: true, first: 20) {{ totalCount nodes {{
            segment {{ key kind memberCount }} active flagCount }} }} }} }}"""
        times = rounds({"usage": lambda: ask(server, usage), "programs": lambda: ask(server, programs)})
        rows = page_rows(times)
        for n, segment in enumerate(segments.values()):
            segment["rules"] = [rule_on(f"s{n - 1}", negate=n % 7 == 0)] if n % 10 else []
        for n, flag in enumerate(flags.values()):
            flag["rules"] = [{**rule_on(f"s{(n * 7 + j * 31) % 200}"), "variation": j % 2} for j in range(5)]
        server.import_flags({"flags": flags, "segments": segments})
        served = f"""{{ {head} {{ earlyAccessPrograms(active: true) {{ nodes {{ segment {{ key kind memberCount }}
            variations {{ flag {{ key }} variations {{ value }} }} }} }} }} }}"""
        asked = {"usage": usage, "programs": programs, "programs and what they serve": served}
        runs = {f"nested {name}": partial(ask, server, query) for name, query in asked.items()}
        changed = {f"{name}, after a change": run for name, run in runs.items()}
        rows += page_rows(rounds(runs) | rounds(changed, before=lambda: describe(server, "s5")))
    return rows


def page_rows(times: dict[str, list[float]]) -> list[Row]:
    """Arrange how long first pages took."""
    return [
        Row(name=f"E8 first page of {name}, p95", ours=quantiles(found, n=20)[-1], unit="ms", limit=20)
        for name, found in times.items()
    ]


def rounds(
    runs: Mapping[str, Callable[[], Any]], before: Callable[[], Any] = lambda: None
) -> dict[str, list[float]]:
    """Run each in turn, after `before`, again and again; return milliseconds by run, without the first rounds."""
    times: dict[str, list[float]] = {name: [] for name in runs}
    for number in range(-5, ROUNDS):
        for name, run in runs.items():
            before()
            seconds = timed(run)
            if number >= 0:
                times[name].append(seconds * 1000)
    return times


def timed(run: Callable[[], Any]) -> float:
    """Return how many seconds something takes."""
    began = time.perf_counter()
    run()
    return time.perf_counter() - began


def write_rows(folder: Path, keys: Iterable[str]) -> None:
    """Write members as the store keeps them, with nothing but the driver."""
    path = folder / "driver.db"
    path.unlink(missing_ok=True)
    connection = sqlite3.connect(path, isolation_level=None)
    connection.executescript(
        """PRAGMA journal_mode = WAL; PRAGMA synchronous = FULL;
        CREATE TABLE members (list TEXT NOT NULL, key TEXT NOT NULL, since INTEGER NOT NULL, until INTEGER,
        PRIMARY KEY (list, key, since)) STRICT, WITHOUT ROWID;
        CREATE INDEX members_that_left ON members (list, until) WHERE until IS NOT NULL;"""
    )
    for chunk in chunks(keys):
        connection.execute("BEGIN IMMEDIATE")
        rows = [("default/production/members", key, 1) for key in chunk]
        connection.executemany("INSERT INTO members (list, key, since) VALUES (?, ?, ?)", rows)
        connection.execute("COMMIT")
    connection.close()


def chunks(keys: Iterable[str]) -> Iterator[tuple[str, ...]]:
    """Cut keys as the service does."""
    waiting = iter(keys)
    while chunk := tuple(islice(waiting, CHUNK)):
        yield chunk


def create_list(server: Server, key: str) -> None:
    """Create a large list."""
    text = "mutation ($input: CreateSegmentInput!) { createSegment(input: $input) { revision } }"
    new = {"environment": PLACE, "name": key, "key": key, "largeList": {"contextKind": "user"}}
    assert not server.post(text, input=new).errors


def load(server: Server, key: str, file: Path, mode: str = "MERGE") -> None:
    """Fill a large list from a file."""
    text = "mutation ($input: StartSegmentImportInput!) { startSegmentImport(input: $input) { uploadUrl } }"
    wish = {"environment": PLACE, "segmentKey": key, "mode": mode}
    url = server.post(text, input=wish)["startSegmentImport"]["uploadUrl"]
    headers = {"Authorization": f"Bearer {TOKEN}", "Content-Type": "text/csv"}
    with file.open("rb") as content:
        answer = server.client.put(url, content=content, headers=headers, timeout=IMPORT_SECONDS)
    assert answer.status_code == httpx.codes.OK, answer.text


def flag_on(*segments: str, key: str | None = None) -> dict[str, Any]:
    """Make a flag that is on and targets segments, each in a rule."""
    rules = [{**rule_on(segment), "variation": 0} for segment in segments]
    fallthrough = {"variation": 1}
    return {
        "key": key or segments[0],
        "on": True,
        "variations": [True, False],
        "rules": rules,
        "fallthrough": fallthrough,
    }


def rule_on(segment: str, *, negate: bool = False) -> dict[str, Any]:
    """Make a rule for those in a segment, or for those not in it."""
    return {"clauses": [{"attribute": "", "op": "segmentMatch", "values": [segment], "negate": negate}]}


def describe(server: Server, key: str) -> None:
    """Change a segment's description."""
    text = "mutation ($input: UpdateSegmentInput!) { updateSegment(input: $input) { revision } }"
    instructions = [{"updateDescription": str(time.time())}]
    assert not server.post(
        text, input={"environment": PLACE, "segmentKey": key, "instructions": instructions}
    ).errors


def evaluate(server: Server, key: str) -> None:
    """Evaluate a flag for a context, which may be a member."""
    context = {"kind": "user", "key": f"user-{random.randrange(1000):08d}"}  # noqa: S311 - any of the members
    assert server.evaluate(key, context)["evaluate"]["reason"]["kind"] in {"RULE_MATCH", "FALLTHROUGH"}


def ask(server: Server, query: str) -> None:
    """Ask for something that must be there."""
    assert not server.post(query).errors


def peak_mib(server: Server) -> float:
    """Return the peak memory of a service so far."""
    assert server.process is not None
    return memory_mib(server.process.pid, peak=True)


if __name__ == "__main__":
    main()
