"""Reads the bodies of requests as they come, since the length that a client declares may be none or a lie."""

from dataclasses import dataclass

from starlette.requests import ClientDisconnect, Request
from starlette.types import Receive

from domain.errors import LimitExceededError
from gql.answers import RefusedRequestError
from gql.deadlines import within
from gql.errors import explain


@dataclass(frozen=True, slots=True)
class BodyLimits:
    """What is read of a request's body.

    Attributes:
        max_bytes: The most bytes.
        max_seconds: How long all of them may take.
    """

    max_bytes: int
    max_seconds: int


async def read_body(request: Request, limits: BodyLimits) -> bytes:
    """Read a body as a whole.

    Raises:
        RefusedRequestError: It is too long, or too slow.
    """
    try:
        return await within(limits.max_seconds, _read(request.receive, limits.max_bytes))
    except TimeoutError:
        raise too_slow(limits.max_seconds) from None


async def _read(receive: Receive, max_bytes: int) -> bytes:
    """Do what Starlette's `stream` does, without the cost of its generator."""
    body = bytearray()
    is_over = False
    while not is_over:
        message = await receive()
        if message["type"] == "http.disconnect":
            raise ClientDisconnect
        body += message.get("body", b"")
        is_over = not message.get("more_body", False)
        if len(body) > max_bytes:
            raise too_large("The request body's bytes, as far as read", "MAX_BODY_BYTES", max_bytes, len(body))
    return bytes(body)


def too_large(what: str, setting: str, limit: int, actual: int) -> RefusedRequestError:
    """Refuse a body that is longer than a setting says."""
    return _refusal(413, LimitExceededError(what, setting=f"EARLYBIRD_{setting}", limit=limit, actual=actual))


def too_slow(seconds: int) -> RefusedRequestError:
    """Refuse a body that does not come in time."""
    setting = "EARLYBIRD_MAX_BODY_SECONDS"
    error = LimitExceededError(
        "The seconds that the body takes", setting=setting, limit=seconds, actual=seconds + 1
    )
    return _refusal(408, error)


def _refusal(status: int, error: LimitExceededError) -> RefusedRequestError:
    # The rest of the body is still under way.
    return RefusedRequestError(status, *explain(error), {"Connection": "close"})
