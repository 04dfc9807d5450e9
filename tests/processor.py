"""How much of the processor something takes."""

import gc
import time
from typing import Self


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
