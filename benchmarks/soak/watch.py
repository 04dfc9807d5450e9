"""What is watched beside: the memory of the workers, and a cache that comes and goes."""

import shutil
import socket
import subprocess
import sys
import time
from pathlib import Path
from statistics import median
from threading import Event
from typing import Self

from benchmarks.machine import children, memory_mib
from tests.servers import free_port

SAMPLE_SECONDS = 1.0
MOST_GROWTH = 0.10
JUDGED_FROM_SECONDS = 300
AWAY_SECONDS, BACK_SECONDS = 5.0, 10.0


class MemoryWatch:
    """Samples the memory of the workers.

    Flat means: the median of the last third of the time is at most a tenth over that of the middle third. The
    first third fills caches.
    """

    def __init__(self, pid: int) -> None:
        self._pid = pid
        self._samples: dict[int, list[float]] = {worker: [] for worker in workers(pid)}

    def run(self, stop: Event) -> None:
        """Sample until stopped."""
        while not stop.wait(SAMPLE_SECONDS):
            for worker in workers(self._pid):
                self._samples.setdefault(worker, []).append(memory_mib(worker))

    def report(self, seconds: float) -> tuple[list[str], list[str]]:
        """Return lines for people, and faults: growth is judged where there was time enough."""
        lines, faults = [], []
        for worker, samples in self._samples.items():
            third = max(1, len(samples) // 3)
            middle, last = median(samples[third : 2 * third] or [0.0]), median(samples[-third:] or [0.0])
            lines.append(f"worker {worker}: {middle:.1f} MiB in the middle third, {last:.1f} MiB in the last")
            if seconds >= JUDGED_FROM_SECONDS and last > middle * (1 + MOST_GROWTH):
                faults.append(f"the memory of worker {worker} is not flat: {middle:.1f} -> {last:.1f} MiB")
        alive = set(workers(self._pid))
        faults += [f"worker {worker} died" for worker in self._samples if worker not in alive]
        if seconds < JUDGED_FROM_SECONDS:
            lines.append(f"(whether memory is flat is judged from {JUDGED_FROM_SECONDS // 60} minutes on)")
        return lines, faults


def workers(pid: int) -> list[int]:
    """Return the processes that serve; another child keeps account of shared resources."""
    return [child for child in children(pid) if b"spawn_main" in Path(f"/proc/{child}/cmdline").read_bytes()]


class ComingAndGoingCache:
    """A Redis that is there, is killed, and comes back empty.

    Attributes:
        times_away: How often it was killed.
        looks: How often anything was looked for in it.
    """

    def __init__(self, program: str) -> None:
        self.port = free_port()
        self.url = f"redis://127.0.0.1:{self.port}/0"
        self._program = program
        self._process: subprocess.Popen[bytes] | None = None
        self.times_away = 0
        self.looks = 0

    def start(self) -> None:
        """Start it, and wait until it answers."""
        options = ["--port", str(self.port), "--bind", "127.0.0.1", "--save", "", "--appendonly", "no"]
        self._process = subprocess.Popen([self._program, *options], stdout=subprocess.DEVNULL)  # noqa: S603 - found
        while not self._statistics():
            assert self._process.poll() is None, "redis-server ended"
            time.sleep(0.05)

    def kill(self) -> None:
        """End it, as a crash would."""
        assert self._process is not None
        counts = dict(line.split(":") for line in self._statistics().split("\r\n") if ":" in line)
        self.looks += int(counts["keyspace_hits"]) + int(counts["keyspace_misses"])
        self._process.kill()
        self._process.wait()

    def run(self, stop: Event) -> None:
        """Come and go until stopped."""
        while not stop.wait(BACK_SECONDS):
            self.kill()
            self.times_away += 1
            stop.wait(AWAY_SECONDS)
            self.start()

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.kill()

    def _statistics(self) -> str:
        """Ask for its own counts; nothing while it does not answer."""
        try:
            with socket.create_connection(("127.0.0.1", self.port), timeout=1) as connection:
                connection.sendall(b"INFO stats\r\nQUIT\r\n")
                return connection.makefile("rb").read().decode()
        except OSError:
            return ""


def redis_program() -> str | None:
    """Find the server, beside our own interpreter or on the machine."""
    return shutil.which("redis-server", path=str(Path(sys.executable).parent)) or shutil.which("redis-server")
