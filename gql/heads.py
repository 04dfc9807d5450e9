"""The heads of requests, of which uvicorn waits for any length, for ever: it gives them neither time nor size."""

import asyncio
from typing import Any

from starlette.responses import PlainTextResponse
from uvicorn.protocols.http.flow_control import service_unavailable

from gql.settings import process_settings
from gql.stalls import StallLimitingProtocol

_TOO_LARGE = "The request's head has more bytes than EARLYBIRD_MAX_HEADER_BYTES."
_REFUSAL = (
    "HTTP/1.1 431 Request Header Fields Too Large\r\ncontent-type: text/plain; charset=utf-8\r\n"
    f"content-length: {len(_TOO_LARGE)}\r\nconnection: close\r\n\r\n{_TOO_LARGE}"
).encode()

_LONGEST_URL = 65_535
"""What is longer the parser of URLs does not take."""


class HeadLimitingProtocol(StallLimitingProtocol):
    """uvicorn's HTTP, with limits on the time and the size of a head; one that comes at once costs no timer."""

    _timer: asyncio.TimerHandle | None = None
    _size = 0  # of what came since the last head or piece of a body: a head, or the fields behind a body

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]  # as uvicorn's
        """Begin to wait for a head."""
        super().connection_made(transport)
        self._wait()

    def connection_lost(self, exc: Exception | None) -> None:
        """Wait no longer."""
        self._stop_waiting()
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        """Take a piece in; wait for the rest of a head, and of a body that was answered before its end."""
        self._size += len(data)
        super().data_received(data)
        is_answering = self.cycle is not None and not self.cycle.response_complete
        if self._size > process_settings().max_header_bytes and not self.transport.is_closing():
            if not is_answering:  # a refusal would stand in the midst of the answer
                self.transport.write(_REFUSAL)
            self.transport.close()
        elif is_answering:  # what comes next is its body, or a request to be answered after it
            self._stop_waiting()
        elif self._timer is None:
            self._wait()

    def on_headers_complete(self) -> None:
        """Answer a request, or refuse it if its head came quickly enough, but is too large."""
        if self.parser.should_upgrade():
            return  # it is read once more, without that
        limit, app = process_settings().max_header_bytes, self.app
        # What came may be a body for the most part.
        if self._size > limit and (len(self.url) > _LONGEST_URL or self._head_bytes() > limit):
            self.url, self.app = b"/", _refuse
        elif not self._has_host():
            self.app = _refuse_hosts
        super().on_headers_complete()
        self._size, self.app = 0, app

    def _has_host(self) -> bool:
        """Whether the head has one Host; without any it may be older than these are."""
        count = [name for name, _ in self.headers].count(b"host")
        return count == 1 or (count == 0 and self.parser.get_http_version() != "1.1")

    def _head_bytes(self) -> int:
        """Count a head's bytes, written as all clients write it."""
        fields = sum(len(name) + len(value) + len(": \r\n") for name, value in self.headers)
        return len(self.parser.get_method()) + len(self.url) + len("  HTTP/1.1\r\n") + fields + len("\r\n")

    def _start_asgi_task(self, cycle: Any, app: Any) -> None:  # noqa: ANN401 - uvicorn's own types
        """Answer a request; what uvicorn refuses, in our words."""
        refusal: Any = _refuse_connection
        super()._start_asgi_task(cycle, refusal if app is service_unavailable else app)

    def on_body(self, body: bytes) -> None:
        """Take a piece of a body, which has limits of its own."""
        self._size = 0
        super().on_body(body)

    def _wait(self) -> None:
        self._timer = self.loop.call_later(process_settings().max_header_seconds, self.transport.close)

    def _stop_waiting(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None


_refuse = PlainTextResponse(_TOO_LARGE, 431, {"Connection": "close"})
_refuse_hosts = PlainTextResponse("The request's head must have one Host.", 400, {"Connection": "close"})
_refuse_connection = PlainTextResponse(
    "There are more connections than EARLYBIRD_MAX_CONNECTIONS.", 503, {"Connection": "close"}
)
