"""Worker processes: one that ends is missed at once, and none goes on without the process that started it."""

import asyncio
import os
import signal
from multiprocessing import parent_process

from uvicorn.supervisors import Multiprocess

ANSWER_SECONDS = 60
"""After how long a worker that does not answer is replaced. One that is starting answers nothing yet, and
uvicorn's 5 seconds pass where Python's imports are slow: it would be killed and started for ever."""


class Supervisor(Multiprocess):
    """Starts worker processes, and replaces those that end."""

    def keep_subprocess_alive(self) -> None:
        """Replace the workers that ended, or do not answer.

        The workers' ends of their pipes are closed here: while one is open, its pipe does not tell that the worker
        ended, and uvicorn waits for the answer of one that died as it was asked.
        """
        for process in self.processes:
            process.child_conn.close()
        super().keep_subprocess_alive()


def stop_with_parent() -> None:
    """Stop this process, as SIGTERM does, when the one that started it is gone; without one, do nothing."""
    parent = parent_process()
    if parent is not None:
        loop = asyncio.get_running_loop()

        def stop() -> None:
            loop.remove_reader(parent.sentinel)
            os.kill(os.getpid(), signal.SIGTERM)

        loop.add_reader(parent.sentinel, stop)
