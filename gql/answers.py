"""Answers over HTTP in GraphQL's shape."""

from collections.abc import Mapping
from functools import cache
from typing import Any

import orjson
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response

from domain.errors import DomainError, ErrorCode
from gql.errors import explain
from gql.request_record import note_errors

JSON = "application/json"
STATUS_BY_CODE = {ErrorCode.UNAUTHENTICATED: 401, ErrorCode.UNAVAILABLE: 503}
RESOURCE_STATUS_BY_CODE = STATUS_BY_CODE | {ErrorCode.FORBIDDEN: 403, ErrorCode.NOT_FOUND: 404}
"""For requests whose URL names a thing."""


class RefusedRequestError(Exception):
    """An answer in place of an operation's result.

    Attributes:
        status: The HTTP status.
        extensions: The GraphQL error's extensions; `BAD_REQUEST` where none are given.
        headers: HTTP headers.
    """

    def __init__(
        self,
        status: int,
        message: str,
        extensions: Mapping[str, Any] | None = None,
        headers: Mapping[str, str] | None = None,
    ) -> None:
        super().__init__(message)
        self.status = status
        self.extensions = extensions or {"code": "BAD_REQUEST"}
        self.headers = headers or {}


def error_response(
    error: Exception, media_type: str = JSON, *, status_by_code: Mapping[ErrorCode, int] = STATUS_BY_CODE
) -> Response:
    """Answer a request that failed, in GraphQL's shape; a fault of ours is logged and masked."""
    refusal = refusal_of(error, status_by_code)
    payload = {"errors": [{"message": str(refusal), "extensions": refusal.extensions}]}
    return json_response(payload, refusal.status, media_type, refusal.headers)


def wrong_method(request: Request, error: HTTPException) -> Response:
    """Answer a request by a method that its path does not have."""
    return error_response(RefusedRequestError(405, f"{request.method} is not supported", headers=error.headers))


def refusal_of(error: Exception, status_by_code: Mapping[ErrorCode, int] = STATUS_BY_CODE) -> RefusedRequestError:
    """Turn any failure into an answer; a fault of ours is logged, and named by its incident only."""
    if isinstance(error, RefusedRequestError):
        return error
    if isinstance(error, DomainError):
        headers = {"WWW-Authenticate": "Bearer"} if error.code is ErrorCode.UNAUTHENTICATED else {}
        return RefusedRequestError(status_by_code.get(error.code, 400), *explain(error), headers)
    return RefusedRequestError(500, *explain(error))


def json_response(
    payload: Mapping[str, Any], status: int, media_type: str, headers: Mapping[str, str] | None = None
) -> Response:
    """Make an answer of a payload in GraphQL's shape, and note its errors."""
    if errors := payload.get("errors"):
        note_errors(error["extensions"]["code"] for error in errors)
    return byte_response(orjson.dumps(payload), status, media_type, headers)


def byte_response(body: bytes, status: int, media_type: str, headers: Mapping[str, str] | None = None) -> Response:
    """Make an answer of a payload's bytes."""
    response = Response(body, status, headers)
    response.raw_headers += _payload_headers(media_type)
    return response


@cache
def _payload_headers(media_type: str) -> list[tuple[bytes, bytes]]:
    """Return what the headers of all payloads of one of our two media types say, as they are sent."""
    return [
        (b"content-type", f"{media_type}; charset=utf-8".encode()),
        (b"vary", b"Accept"),
        (b"x-content-type-options", b"nosniff"),
    ]
