"""Answers that nobody reads: uvicorn lets them hold their connections for ever."""

import asyncio
import logging
import struct
import sys
from contextlib import suppress
from typing import ClassVar
from weakref import WeakSet

from gql.pipelining import PipeliningProtocol
from gql.settings import process_settings

if sys.platform != "win32":
    import fcntl
    import termios

_log = logging.getLogger(__name__)
_LOOK_SECONDS = 1.0
_PROGRESS = 16_384
"""What is fewer bytes is no progress: else a client that reads one now and then would hold a connection."""


class StallLimitingProtocol(PipeliningProtocol):
    """uvicorn's HTTP, which ends connections whose answers wait and are not read.

    All connections of an event loop have one timer, so that those that are read cost nothing.
    """

    _watched: ClassVar[WeakSet[asyncio.AbstractEventLoop]] = WeakSet()
    _waiting = 0
    _since = 0.0

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]  # as uvicorn's
        """Have an eye on the connection from now on."""
        super().connection_made(transport)
        if self.loop not in self._watched:
            self._watched.add(self.loop)
            self._look_later()

    def resume_writing(self) -> None:
        """Go on: most of what waited was read."""
        self._waiting = 0
        super().resume_writing()

    def _look_later(self) -> None:
        self.loop.call_later(_LOOK_SECONDS, self._look)

    def _look(self) -> None:
        """Look at all connections, as long as there are any."""
        now, limit = self.loop.time(), process_settings().max_stall_seconds
        for connection in tuple(self.connections):
            if isinstance(connection, StallLimitingProtocol):
                connection.end_if_stalled(now, limit)
        if self.connections:
            self._look_later()
        else:
            self._watched.discard(self.loop)

    def end_if_stalled(self, now: float, limit: float) -> None:
        """End the connection if what waits to be read has not become less for too long."""
        waiting = self._unread()
        if waiting == 0 or self._waiting == 0 or waiting <= self._waiting - _PROGRESS:
            self._waiting, self._since = waiting, now
        elif now - self._since >= limit:
            _log.info("a connection was ended: its answer was not read within EARLYBIRD_MAX_STALL_SECONDS")
            self.transport.abort()

    def _unread(self) -> int:
        """Count the bytes that wait, those in the system's buffer too; 0 if none do, or others may follow."""
        held = self.transport.get_write_buffer_size()
        is_writing = self.cycle is not None and not self.cycle.response_complete and not self.flow.write_paused
        if held == 0 or is_writing:
            return 0
        return held + _queued(self.transport.get_extra_info("socket").fileno())


def _queued(descriptor: int) -> int:
    """Return how much of what was written the other side has not taken; 0 where the system does not tell."""
    if sys.platform == "win32":
        return 0
    with suppress(OSError):
        (count,) = struct.unpack("i", fcntl.ioctl(descriptor, termios.TIOCOUTQ, bytes(4)))
        return int(count)
    return 0
