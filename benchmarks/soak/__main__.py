"""A service with two workers under everything at once, for minutes; then nothing may be wrong.

Readers ask all evaluation fields with a token and both kinds of SDK keys, and what dashboards ask. Writers edit
flags and segments, import flag data and large lists, and sync cohorts. A shared cache comes and goes, where there
is a redis-server. Every so often and at the end, a sample of answers must equal those of a fresh service on the
same store, and everything acknowledged must be there, once in the audit log too. Caches are small and soon full;
then memory must be flat. Run it with `make soak`.
"""

import argparse
import json
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from datetime import UTC, datetime
from itertools import count, cycle
from pathlib import Path
from threading import Event

from benchmarks.dataset import flag_data
from benchmarks.soak.checks import Checker, fresh_service
from benchmarks.soak.client import PLACE, Api, RefusedError, Tally
from benchmarks.soak.questions import (
    CLIENT_SIDE,
    OWNER,
    PEOPLE_ASKED,
    SERVER_SIDE,
    evaluation_questions,
    management_questions,
)
from benchmarks.soak.watch import ComingAndGoingCache, MemoryWatch
from benchmarks.soak.writers import (
    IMPORT,
    FlagEdits,
    FlagImports,
    ListImports,
    SegmentEdits,
    Syncs,
    Writer,
    a_flag,
    seed,
)
from tests.servers import Server, printed_secrets
from tests.storage.redis_server import PROGRAM

WORKERS = "2"
CACHE_BYTES = str(8 * 1024 * 1024)
STEPS_A_CONNECTION = 25
WRITE_PAUSE_SECONDS = 0.2
READERS = (OWNER, SERVER_SIDE, CLIENT_SIDE)


def main() -> None:
    """Run it, print the report, and leave with status 1 if anything was wrong."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--minutes", type=float, default=10)
    parser.add_argument("--check-seconds", type=float, default=60, help="how long it runs between two checks")
    arguments = parser.parse_args()
    tally = Tally()
    with tempfile.TemporaryDirectory() as folder, shared_cache() as cache:
        lines = soak(Path(folder), cache, tally, minutes=arguments.minutes, check_seconds=arguments.check_seconds)
    if cache is None:
        lines.append("shared cache: left out, there is no redis-server here")
    else:
        lines.append(f"shared cache: went away {cache.times_away} times, was looked into {cache.looks:,} times")
    print("\n".join(report(tally, lines)))
    sys.exit(1 if tally.faults else 0)


def report(tally: Tally, lines: list[str]) -> Iterator[str]:
    """Render what happened."""
    yield from (f"{number:9,}  {kind}" for kind, number in sorted(tally.done.items()))
    yield from (f"{number:9,}  refused and repeated, {kind}" for kind, number in sorted(tally.refused.items()))
    yield from lines
    yield from (f"FAULT ({number} times) {fault}" for fault, number in tally.faults.items())
    yield "failed" if tally.faults else "passed"


@contextmanager
def shared_cache() -> Iterator[ComingAndGoingCache | None]:
    """Start a Redis, where there is one."""
    if PROGRAM is None:
        yield None
        return
    with ComingAndGoingCache() as cache:
        yield cache


def soak(
    folder: Path, cache: ComingAndGoingCache | None, tally: Tally, *, minutes: float, check_seconds: float
) -> list[str]:
    """Start the service, load it for so long, and check; return lines for the report."""
    store = f"sqlite:///{folder}/soak.db"
    secrets = make_store(folder, store)
    settings = {"cache_bytes": CACHE_BYTES, **({} if cache is None else {"cache_url": cache.url})}
    writers: list[Writer] = [FlagEdits(), SegmentEdits(), FlagImports(), ListImports(), Syncs()]
    with Server(store, "--workers", WORKERS, token=secrets[OWNER], **settings) as server:
        try:
            checker = Checker(server, secrets, writers, tally)
            prepare_cohort(checker)
            since = datetime.now(UTC)
            lines = load(checker, cache, minutes=minutes, check_seconds=check_seconds)
            checker.check_audit_log(since)
        finally:
            server.stop()  # with its workers, which a kill would leave behind
        with fresh_service(server) as after:
            checker.check_acknowledged(after, "started after the end")
    return lines


def make_store(folder: Path, store: str) -> Mapping[str, str]:
    """Fill a new store; return its secrets."""
    data, ours = flag_data(), seed()
    for flag in data["flags"].values():
        flag["clientSideAvailability"] = {"usingEnvironmentId": True, "usingMobileKey": True}
    both = {kind: {**data[kind], **ours[kind]} for kind in data}
    examples = folder / "flags.json"
    examples.write_text(json.dumps(both))
    with Server(store, "--examples", str(examples), token=None) as server:
        server.stop()
        printed = printed_secrets(server)
    return {who: printed[who] for who in READERS}


def load(
    checker: Checker, cache: ComingAndGoingCache | None, *, minutes: float, check_seconds: float
) -> list[str]:
    """Read, write and watch for so long, checking now and then; return lines about memory."""
    assert checker.server.process is not None
    memory = MemoryWatch(checker.server.process.pid)
    stop = Event()
    work: list[Callable[[Event], None]] = [memory.run, *([] if cache is None else [cache.run])]
    with ThreadPoolExecutor(len(work) + len(READERS) + len(checker.writers)) as pool, ExitStack() as stopping:
        stopping.callback(stop.set)
        running = [pool.submit(run, stop) for run in work]
        running += [pool.submit(read, checker, who, stop) for who in READERS]
        running += [pool.submit(write, checker, writer, stop) for writer in checker.writers]
        began = time.monotonic()
        while (left := began + minutes * 60 - time.monotonic()) > 0:
            time.sleep(min(left, check_seconds))
            check(checker)
            print(f"{(time.monotonic() - began) / 60:.1f} minutes: {len(checker.tally.faults)} faults", flush=True)
            for future in running:
                if future.done():
                    future.result()  # one that ended before its time failed
        stop.set()
    for future in running:
        future.result()
    check(checker)
    lines, faults = memory.report(minutes * 60)
    for fault in faults:
        checker.tally.fault(fault)
    return lines


def prepare_cohort(checker: Checker) -> None:
    """Let the cohort come into being, and a flag target it; what is written from then on is counted."""
    with Api(checker.server.port, checker.secrets[OWNER]) as api:
        for writer in checker.writers:
            if isinstance(writer, Syncs):
                writer.step(api, 0, checker.tally)
                writer.acknowledged = writer.retried = 0
        data = {"flags": {"on-amplitude-soak": a_flag("on-amplitude-soak", segment="amplitude-soak")}}
        api.ask(IMPORT, input={"environment": PLACE, "data": data, "mode": "MERGE"})


def check(checker: Checker) -> None:
    """Check; an error is a fault."""
    try:
        checker.check()
    except RefusedError as error:
        checker.tally.fault(f"a check was refused: {error}")


def read(checker: Checker, who: str, stop: Event) -> None:
    """Ask and ask; any error is a fault."""
    numbers = cycle(range(PEOPLE_ASKED))
    while not stop.is_set():
        with Api(checker.server.port, checker.secrets[who]) as api:  # another connection may reach another process
            for _, number in zip(range(STEPS_A_CONNECTION), numbers, strict=False):
                questions = list(evaluation_questions(who, number))
                if who == OWNER:
                    questions += management_questions()
                for question in questions:
                    try:
                        question.ask(api)
                    except RefusedError as error:
                        checker.tally.fault(f"{question.kind}: {error}")
                    else:
                        checker.tally.count(question.kind)
                if stop.is_set():
                    return


def write(checker: Checker, writer: Writer, stop: Event) -> None:
    """Write and write, unless held up; any error but UNAVAILABLE is a fault."""
    numbers = count(1)
    while not stop.is_set():
        with Api(checker.server.port, checker.secrets[OWNER]) as api:
            for _, number in zip(range(STEPS_A_CONNECTION), numbers, strict=False):
                with writer.lock:
                    try:
                        writer.step(api, number, checker.tally)
                    except RefusedError as error:
                        checker.tally.fault(f"{writer.action}: {error}")
                if stop.wait(WRITE_PAUSE_SECONDS):
                    return


if __name__ == "__main__":
    main()
