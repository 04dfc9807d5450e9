"""The heads of requests, of which uvicorn waits for any length, for ever: it gives them neither time nor size."""

import asyncio
from functools import cache

from starlette.responses import PlainTextResponse
from starlette.types import Receive, Scope, Send
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

from gql.settings import Settings

_TOO_LARGE = "The request's head has more bytes than EARLYBIRD_MAX_HEADER_BYTES."
_REFUSAL = (
    "HTTP/1.1 431 Request Header Fields Too Large\r\ncontent-type: text/plain; charset=utf-8\r\n"
    f"content-length: {len(_TOO_LARGE)}\r\nconnection: close\r\n\r\n{_TOO_LARGE}"
).encode()


@cache
def _settings() -> Settings:
    return Settings()


class HeadLimitingProtocol(HttpToolsProtocol):
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
        if self._size > _settings().max_header_bytes and not self.transport.is_closing():
            if not is_answering:  # a refusal would stand in the midst of the answer
                self.transport.write(_REFUSAL)
            self.transport.close()
        elif is_answering:  # what comes next is its body, or a request to be answered after it
            self._stop_waiting()
        elif self._timer is None:
            self._wait()

    def on_headers_complete(self) -> None:
        """Answer a request, or refuse it if its head came quickly enough, but is too large."""
        limit, app = _settings().max_header_bytes, self.app
        # What came may be a body for the most part.
        if self._size > limit and len(self.url) + sum(len(n) + len(v) for n, v in self.headers) > limit:
            self.app = _refuse
        super().on_headers_complete()
        self._size, self.app = 0, app

    def on_body(self, body: bytes) -> None:
        """Take a piece of a body, which has limits of its own."""
        self._size = 0
        super().on_body(body)

    def _wait(self) -> None:
        self._timer = self.loop.call_later(_settings().max_header_seconds, self.transport.close)

    def _stop_waiting(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None


async def _refuse(scope: Scope, receive: Receive, send: Send) -> None:
    await PlainTextResponse(_TOO_LARGE, 431, {"Connection": "close"})(scope, receive, send)
