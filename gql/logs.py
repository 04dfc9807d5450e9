"""The log: one line a request, and one for whatever else happens; JSON, or for people where a terminal shows it.

No line holds a secret, an attribute of a context, a member of a list or a variable of a request. So
exceptions are told by their types and places, never by their messages.
"""

import asyncio
import logging
import re
import sys
from collections.abc import Awaitable, Callable, Iterable
from datetime import UTC, datetime
from random import getrandbits
from time import perf_counter
from traceback import walk_tb
from typing import TypeAlias

import orjson
import structlog
from starlette.requests import ClientDisconnect
from starlette.types import ASGIApp, Message, Receive, Scope, Send
from structlog.processors import NAME_TO_LEVEL
from structlog.typing import EventDict, ExcInfo, Processor, WrappedLogger

from gql.answers import error_response
from gql.metrics import Metrics
from gql.request_record import NOBODY_LEFT, RequestRecord, current_record

Render: TypeAlias = Callable[[WrappedLogger, str, EventDict], str]

REQUEST_ID = b"x-request-id"
# What drivers tell of themselves holds the data that they carry.
OWN_LOGGERS = ("domain", "gql", "storage", "uvicorn")
QUIET_ROUTES = frozenset({"/healthz", "/metrics", "/readyz"})
_SANE_ID = re.compile(rb"[A-Za-z0-9._-]{1,128}")
_NOSNIFF = (b"x-content-type-options", b"nosniff")


class RequestLog:
    """Middleware that gives each request an id, and logs and counts it when it is answered.

    A route is told as it is declared, never as it was asked for.
    """

    def __init__(self, app: ASGIApp, *, log: "RequestLines", metrics: Metrics) -> None:
        self._app = app
        self._log = log
        self._metrics = metrics

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer a request."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        began = perf_counter()
        record = RequestRecord(_request_id(scope["headers"]))
        current_record.set(record)

        def answer(message: Message) -> Awaitable[None]:
            if message["type"] == "http.response.start":
                record.status = message["status"]
                headers = message["headers"] = list(message["headers"])
                headers.append((REQUEST_ID, record.request_id.encode()))
                if _NOSNIFF not in headers:
                    headers.append(_NOSNIFF)
            return send(message)

        try:
            await self._app(scope, receive, answer)
        except ClientDisconnect:
            pass  # nobody is left to answer
        except Exception as error:
            if record.status != NOBODY_LEFT:
                raise  # the server breaks the connection off, for half an answer is sent
            await error_response(error)(scope, receive, answer)
        finally:
            self._tell(scope, record, perf_counter() - began)

    def _tell(self, scope: Scope, record: RequestRecord, seconds: float) -> None:
        route = getattr(scope.get("route"), "path", None)
        self._metrics.count_request(route, record.status, seconds)
        self._log.write(
            "debug" if route in QUIET_ROUTES else "info",
            {
                "event": "request",
                "method": scope["method"],
                "route": route,
                "status": record.status,
                "milliseconds": round(seconds * 1_000, 2),
                "operation": record.operation,
                "codes": sorted(record.codes),
                "request_id": record.request_id,
            },
        )


class RequestLines:
    """Writes the lines of requests, as many as there are requests: structlog's way takes twice as long.

    Those of requests that are answered in one turn of the event loop are written together, at its end.
    """

    def __init__(self, level: str, render: Render) -> None:
        self._level = NAME_TO_LEVEL[level]
        self._render = render
        self._stream = sys.stderr
        self._waiting: list[str] = []

    def write(self, level: str, event: EventDict) -> None:
        """Write a line, if those of its level are written."""
        if NAME_TO_LEVEL[level] >= self._level:
            if not self._waiting:
                asyncio.get_running_loop().call_soon(self._write_all)
            event["level"] = level
            self._waiting.append(f"{self._render(None, level, _add_moment(None, level, event))}\n")

    def _write_all(self) -> None:
        """Write what waits; standard error passes whole lines on at once."""
        lines, self._waiting = self._waiting, []  # before the write, which may fail
        self._stream.write("".join(lines))


def _request_id(headers: Iterable[tuple[bytes, bytes]]) -> str:
    """Take the id that a proxy gave, if it is sane, or make one."""
    for name, value in headers:
        if name == REQUEST_ID and _SANE_ID.fullmatch(value):
            return value.decode()
    return f"{getrandbits(128):032x}"


def configure_logging(level: str) -> RequestLines:
    """Write the log to standard error, from `level` on; what libraries say, from warnings on.

    Returns:
        What writes the lines of requests.
    """
    before: list[Processor] = [structlog.processors.add_log_level, _add_moment]
    is_terminal = sys.stderr.isatty()
    render: Render = structlog.dev.ConsoleRenderer() if is_terminal else _json
    handler = logging.StreamHandler()
    handler.setFormatter(
        structlog.stdlib.ProcessorFormatter(
            processors=[
                structlog.stdlib.ProcessorFormatter.remove_processors_meta,
                structlog.processors.ExceptionRenderer(places_of),
                render,
            ],
            foreign_pre_chain=[structlog.stdlib.add_logger_name, *before, _add_request_id],
        )
    )
    logging.basicConfig(handlers=[handler], level=logging.WARNING, force=True)
    for name in OWN_LOGGERS:
        logging.getLogger(name).setLevel(level.upper())
    return RequestLines(level, render)


def places_of(exc_info: ExcInfo) -> list[dict[str, object]]:
    """Tell an exception, and those that it came of, by types and places."""
    told: list[dict[str, object]] = []
    pending: list[BaseException | None] = [exc_info[1]]
    while pending:
        error = pending.pop(0)
        if error is None:
            continue
        frames = [
            f"{at.f_code.co_filename}:{line} {at.f_code.co_name}" for at, line in walk_tb(error.__traceback__)
        ]
        told.append({"type": f"{type(error).__module__}.{type(error).__qualname__}", "frames": frames})
        pending += error.exceptions if isinstance(error, BaseExceptionGroup) else []
        pending.append(error.__cause__ or (None if error.__suppress_context__ else error.__context__))
    return told


def _add_moment(_logger: WrappedLogger, _method: str, event: EventDict) -> EventDict:
    event["timestamp"] = datetime.now(UTC)
    return event


def _add_request_id(_logger: WrappedLogger, _method: str, event: EventDict) -> EventDict:
    if (record := current_record.get()) is not None:
        event["request_id"] = record.request_id
    return event


def _json(_logger: WrappedLogger, _method: str, event: EventDict) -> str:
    return orjson.dumps(event, default=str).decode()
