"""How much of the processor something takes."""

import gc
import os
import time
from pathlib import Path
from typing import Self

from tests.servers import Server


class ProcessorTime:
    """Measures the processor's time of this thread, without collections of what other tests left behind.

    Attributes:
        seconds: What it took, once it is over.
    """

    seconds: float

    def __enter__(self) -> Self:
        gc.disable()
        self._start = time.thread_time()
        return self

    def __exit__(self, *_: object) -> None:
        self.seconds = time.thread_time() - self._start
        gc.enable()


def processor_seconds(server: Server) -> float:
    """How long the service has been on a processor, in steps of 10 ms."""
    assert server.process is not None
    fields = Path(f"/proc/{server.process.pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")
