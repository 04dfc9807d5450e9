"""A MongoDB wire server for the tests, in its own process: SecantusDB on a free port, ended by its process id.

Elections, secondaries, oplog rollover and the real planner are seen with MONGODB_TEST_URL only.
"""

import signal
import socket
import subprocess
import sys
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from types import TracebackType
from typing import Self

from pymongo import MongoClient
from pymongo.errors import PyMongoError

from storage.mongo.standalone import LEASE_SECONDS
from storage.mongo.store import MongoStore

PROGRAM = Path(sys.executable).parent / "secantusd-py"
START_SECONDS = 30.0


def free_port() -> int:
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        port: int = listener.getsockname()[1]
        return port


@asynccontextmanager
async def opened(url: str, *, lease_seconds: float = LEASE_SECONDS) -> AsyncIterator[MongoStore]:
    """Open a store, with a lease of its own on a standalone server."""
    store = await MongoStore.open(url, lease_seconds=lease_seconds)
    try:
        yield store
    finally:
        await store.close()


class MongoServer:
    """One server; start, kill and start again on the same port and, unless in memory, the same data.

    On disk it syncs every commit: without this flag it loses acknowledged transactions when it is killed, for it
    ignores the `j: true` of commitTransaction (mongod does not).
    """

    def __init__(self, *, standalone: bool, storage_path: str = ":memory:") -> None:
        if not PROGRAM.exists():
            message = f"{PROGRAM} is missing: the MongoDB adapter cannot be tested (pip install -e '.[dev]')"
            raise RuntimeError(message)
        self.port = free_port()
        self._arguments = [str(PROGRAM), "--port", str(self.port), "--storage-path", storage_path]
        self._arguments += ["--cache-size", "128M", "--log-level", "ERROR", "--enable-test-commands"]
        self._arguments += ["--standalone"] if standalone else []
        self._arguments += [] if storage_path == ":memory:" else ["--sync-on-commit"]
        self._process: subprocess.Popen[bytes] | None = None

    def url(self, database: str = "") -> str:
        return f"mongodb://127.0.0.1:{self.port}/{database}"

    def start(self) -> None:
        self._process = subprocess.Popen(self._arguments)  # noqa: S603 - the program beside our own interpreter
        give_up = time.monotonic() + START_SECONDS
        with MongoClient[dict[str, object]](self.url(), serverSelectionTimeoutMS=200) as client:
            while True:
                try:
                    client.admin.command("ping")
                except PyMongoError:
                    if self._process.poll() is not None or time.monotonic() > give_up:
                        raise
                else:
                    return

    def kill(self) -> None:
        """End it as `kill -9` does."""
        self._end(signal.SIGKILL)

    def pause(self) -> None:
        """Let it answer nothing any more, though its connections stay."""
        self._signal(signal.SIGSTOP)

    def resume(self) -> None:
        """Let it go on where it was."""
        self._signal(signal.SIGCONT)

    def _signal(self, what: signal.Signals) -> None:
        assert self._process is not None
        self._process.send_signal(what)

    def stop(self) -> None:
        # In memory means a temporary directory, which only an orderly end removes; that takes two seconds.
        self._end(signal.SIGTERM if ":memory:" in self._arguments else signal.SIGKILL)

    def _end(self, how: signal.Signals) -> None:
        if self._process is not None:
            self._process.send_signal(how)
            self._process.wait()
            self._process = None

    def fail_once(self, command: str, **how: object) -> None:
        """Let the next command of a name fail, as `failCommand` of mongod's test commands does."""
        with MongoClient[dict[str, object]](self.url()) as client:
            data = {"failCommands": [command], **how}
            client.admin.command({"configureFailPoint": "failCommand", "mode": {"times": 1}, "data": data})

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()
