"""Reads the bodies of requests as they come, since the length that a client declares may be none or a lie."""

from dataclasses import dataclass

from starlette.requests import ClientDisconnect, Request
from starlette.types import Receive

from domain.access.principals import ANONYMOUS, Principal
from domain.errors import LimitExceededError
from gql.answers import RefusedRequestError
from gql.deadlines import within
from gql.errors import explain
from gql.headers import header


@dataclass(frozen=True, slots=True)
class BodyLimits:
    """What is read of a request's body.

    Attributes:
        max_bytes: The most bytes.
        max_seconds: How long all of them may take.
        anonymous_bytes: The most bytes of who shows no secret.
        client_bytes: The most bytes of who shows a client SDK key, which anybody can read out of an application.
        incoming_bytes: The most bytes of all bodies together that are on their way to this process; those with no
            more than `anonymous_bytes` are taken in all the same.
    """

    max_bytes: int
    max_seconds: int
    anonymous_bytes: int = 65_536
    client_bytes: int = 1_048_576
    incoming_bytes: int = 268_435_456

    def of(self, principal: Principal) -> tuple[str, int]:
        """Return the most bytes of who asks, and the setting that says so."""
        if principal is ANONYMOUS and self.anonymous_bytes < self.max_bytes:
            return "MAX_ANONYMOUS_BODY_BYTES", self.anonymous_bytes
        if principal.is_client_side and self.client_bytes < self.max_bytes:
            return "MAX_CLIENT_BODY_BYTES", self.client_bytes
        return "MAX_BODY_BYTES", self.max_bytes


class _Incoming:
    """How much of bodies that are not complete this process holds."""

    count = 0


async def read_body(request: Request, limits: BodyLimits, principal: Principal) -> bytes:
    """Read a body as a whole; one that says itself that it is too long is not asked for.

    Raises:
        RefusedRequestError: It is too long, or too slow, or others take the room.
    """
    setting, limit = limits.of(principal)
    length = header(request, b"content-length") or ""
    if length.isdecimal() and int(length) > limit:
        raise too_large("The request body's bytes", setting, limit, int(length))
    try:
        return await within(limits.max_seconds, _read(request.receive, limits, setting, limit))
    except TimeoutError:
        raise too_slow(limits.max_seconds) from None


def check_encoding(request: Request) -> None:
    """Refuse a body that is packed: it may be of any length when unpacked.

    Raises:
        RefusedRequestError: It is.
    """
    if header(request, b"content-encoding") not in {None, "identity"}:
        raise RefusedRequestError(415, "The body must not be encoded", headers={"Accept-Encoding": "identity"})


async def _read(receive: Receive, limits: BodyLimits, setting: str, limit: int) -> bytes:
    """Do what Starlette's `stream` does, without the cost of its generator."""
    body = bytearray()
    is_over = False
    try:
        while not is_over:
            message = await receive()
            if message["type"] == "http.disconnect":
                raise ClientDisconnect
            chunk = message.get("body", b"")
            body += chunk
            _Incoming.count += len(chunk)
            is_over = not message.get("more_body", False)
            if len(body) > limit:
                raise too_large("The request body's bytes, as far as read", setting, limit, len(body))
            if _Incoming.count > limits.incoming_bytes and len(body) > limits.anonymous_bytes:
                raise _no_room(limits.incoming_bytes, _Incoming.count)
        return bytes(body)
    finally:
        _Incoming.count -= len(body)


def too_large(what: str, setting: str, limit: int, actual: int) -> RefusedRequestError:
    """Refuse a body that is longer than a setting says."""
    return _refusal(413, LimitExceededError(what, setting=f"EARLYBIRD_{setting}", limit=limit, actual=actual))


def _no_room(limit: int, actual: int) -> RefusedRequestError:
    what, setting = "The bytes of all bodies that come in now", "EARLYBIRD_MAX_INCOMING_BYTES"
    return _refusal(503, LimitExceededError(what, setting=setting, limit=limit, actual=actual))


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
