"""Requests that follow one another on a connection: each is read as what it is, and few wait for their answers."""

from typing import Any

import httptools
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol, RequestResponseCycle

MOST_WAITING = 100
"""How many requests may wait on one connection; no client of HTTP sends so many ahead of their answers."""

_CONNECTION = frozenset({b"connection", b"proxy-connection"})


class PipeliningProtocol(HttpToolsProtocol):
    """uvicorn's HTTP, which takes the body of a request with `Upgrade` for other requests, and any number of them.

    Such a request is read and answered as if it did not ask (RFC 9110 7.8 lets a server ignore that). No more is
    read from a connection while requests wait there.
    """

    _answered: RequestResponseCycle | None = None
    _is_in_head = False

    def __init__(self, *arguments: Any, **options: Any) -> None:  # noqa: ANN401 - uvicorn's own
        super().__init__(*arguments, **options)
        self.parse_anew()

    def parse_anew(self) -> "_Parser":
        """Read what comes by a parser that knows nothing yet, and return it."""
        self.parser: Any = _Parser(self)
        self.parser.set_dangerous_leniencies(lenient_data_after_close=True)  # as uvicorn's
        return self.parser

    def on_message_begin(self) -> None:
        """Begin to read a head."""
        self._is_in_head = True
        super().on_message_begin()

    def on_header(self, name: bytes, value: bytes) -> None:
        """Take a field in; those behind a body are none of the head's (RFC 9110 6.5.1)."""
        if self._is_in_head:
            super().on_header(name, value)

    def send_400_response(self, msg: str) -> None:
        """Refuse what is no request; the answer to one before it must not be this."""
        if self.cycle is None or self.cycle.response_complete:
            super().send_400_response(msg)
        else:
            self.transport.close()

    def on_headers_complete(self) -> None:
        """Answer a request in its turn; one too many ends the connection."""
        self._is_in_head = False
        if self.parser.should_upgrade() or self.transport.is_closing():
            return
        if len(self.pipeline) >= MOST_WAITING:
            self.transport.abort()
            return
        super().on_headers_complete()

    def on_message_complete(self) -> None:
        """Let a request go on that waits for the end of its body."""
        if self.cycle is not None and not self.parser.should_upgrade():
            super().on_message_complete()

    def on_response_complete(self) -> None:
        """Go on to the next request; uvicorn reads on, however many wait."""
        super().on_response_complete()
        if self.pipeline and not self.transport.is_closing():
            self.flow.pause_reading()

    def connection_lost(self, exc: Exception | None) -> None:
        """Tell it to the request that is answered; uvicorn tells the last that came."""
        if self._answered is not None and not self._answered.response_complete:
            self._answered.disconnected = True
            self._answered.message_event.set()
        super().connection_lost(exc)

    def _start_asgi_task(self, cycle: RequestResponseCycle, app: Any) -> None:  # noqa: ANN401 - uvicorn's own
        self._answered = cycle
        super()._start_asgi_task(cycle, app)

    def head_without_upgrade(self) -> bytes:
        """Return the head that was read last, written without its wish to be upgraded."""
        asks = b",".join(value for name, value in self.headers if name in _CONNECTION).lower().split(b",")
        kept = [token for token in map(bytes.strip, asks) if token != b"upgrade"]
        lines = [b"%s: %s" % (name, value) for name, value in self.headers if name not in _CONNECTION]
        lines += [b"connection: " + b", ".join(kept)] if kept else []
        start = b"%s %s HTTP/%s" % (self.parser.get_method(), self.url, self.parser.get_http_version().encode())
        return b"\r\n".join([start, *lines, b"", b""])


class _Parser(httptools.HttpRequestParser):
    """Reads a request that asks for an upgrade once more, without that: else its body is not taken for one."""

    def __init__(self, protocol: PipeliningProtocol) -> None:
        super().__init__(protocol)
        self._protocol = protocol

    def feed_data(self, data: bytes) -> None:  # type: ignore[override]  # as its stub, but by name
        """Go on with what came.

        Raises:
            HttpParserError: It is no HTTP.
        """
        parser, rewritten = self, 0
        while not self._protocol.transport.is_closing():
            try:
                super(_Parser, parser).feed_data(data)
            except httptools.HttpParserUpgrade as upgrade:
                # A CONNECT is one by itself; a head that still asks would be written again for ever.
                if parser.get_method() == b"CONNECT" or upgrade.args[0] <= rewritten:
                    raise httptools.HttpParserInvalidMethodError from None
                head = self._protocol.head_without_upgrade()
                data, rewritten = head + data[upgrade.args[0] :], len(head)
                parser = (
                    self._protocol.parse_anew()
                )  # this one has read to the end, if the connection was to close
            else:
                return
