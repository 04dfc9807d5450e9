"""What is watched beside: the memory of the workers, and a cache that comes and goes."""

from pathlib import Path
from statistics import median
from threading import Event

from benchmarks.machine import children, memory_mib
from tests.storage.redis_server import RedisServer

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


class ComingAndGoingCache(RedisServer):
    """A Redis that is there, is killed, and comes back empty; every other time it hangs first.

    Attributes:
        times_away: How often it went.
        looks: How often anything was looked for in it.
    """

    def __init__(self) -> None:
        super().__init__()
        self.times_away = 0
        self.looks = 0

    def run(self, stop: Event) -> None:
        """Come and go until stopped."""
        while not stop.wait(BACK_SECONDS):
            self._count_looks()
            self.times_away += 1
            if self.times_away % 2:
                self.pause()
                stop.wait(AWAY_SECONDS)
            self.kill()
            stop.wait(AWAY_SECONDS)
            self.start()
        self._count_looks()

    def _count_looks(self) -> None:
        with self.client() as client:
            found = client.info("stats")
            assert isinstance(found, dict)
            self.looks += found["keyspace_hits"] + found["keyspace_misses"]
