"""Where external tools send their cohorts, answered as LaunchDarkly answers them (semantics 3.3).

Amplitude's cohort destination and Twilio Segment's audiences destination can be pointed here; so can Amplitude's
webhook. A tool shows an access token, with or without `Bearer`, and calls an environment `project/environment`.
"""

import asyncio
from collections.abc import Awaitable, Callable

import orjson
from pydantic import ValidationError
from starlette.requests import ClientDisconnect, Request
from starlette.responses import Response
from starlette.routing import Route

from domain.errors import ErrorCode, InvalidInputError, Violation
from domain.model.targeting import DEFAULT_CONTEXT_KIND
from domain.services.cohorts import CohortMessage, environment_of
from gql.answers import RESOURCE_STATUS_BY_CODE, error_response
from gql.bodies import BodyLimits, check_encoding, read_body, too_large
from gql.cohort_messages import read_batch, read_webhook
from gql.context import RequestContext

_VERSIONS = orjson.dumps(
    {
        "validVersions": [20191212, 20210729, 20220603, 20240415],
        "latestVersion": 20240415,
        "currentVersion": 20240415,
    }
)

_STATUS_BY_CODE = RESOURCE_STATUS_BY_CODE | {ErrorCode.LIMIT_EXCEEDED: 413}


def segment_target_routes(
    request_context: Callable[[Request], Awaitable[RequestContext]],
    *,
    body_limits: BodyLimits,
    max_batch_bytes: int,
) -> list[Route]:
    """Return the routes of synced segments; a batch may be shorter than other bodies: it is parsed at a stroke."""

    async def take_in(request: Request) -> Response:
        try:
            context = await request_context(request)
            syncs = context.services.syncs
            # Before anything of the body is read.
            context.principal.require_management()
            check_encoding(request)
            body = await read_body(request, body_limits, context.principal)
            # A message of Amplitude's webhook may be of any size, and has a second to be answered in.
            is_webhook = b'"in_cohort"' in body
            if not is_webhook:
                _check_length(body, max_batch_bytes)
            environment_id, message = await asyncio.to_thread(_read, body, request, is_webhook=is_webhook)
            do = syncs.accept if is_webhook else syncs.take_in
            await do(context.principal, environment_of(environment_id), message)
        except ClientDisconnect:
            raise
        except Exception as error:  # noqa: BLE001 - error_response logs and masks what is ours
            return error_response(error, status_by_code=_STATUS_BY_CODE)
        return Response(status_code=204)

    async def goals(request: Request) -> Response:
        """Tell whether there is such an environment: how Segment checks what it was given."""
        try:
            context = await request_context(request)
            environment = environment_of(request.path_params["client_id"])
            await context.services.syncs.check_environment(context.principal, environment)
        except Exception as error:  # noqa: BLE001 - error_response logs and masks what is ours
            return error_response(error, status_by_code=_STATUS_BY_CODE)
        return Response(status_code=200)

    async def versions(request: Request) -> Response:
        """Tell whether the token is good: how Segment checks it."""
        try:
            context = await request_context(request)
            context.principal.require_management()
        except Exception as error:  # noqa: BLE001 - error_response logs and masks what is ours
            return error_response(error, status_by_code=_STATUS_BY_CODE)
        return Response(_VERSIONS, media_type="application/json")

    return [
        Route("/api/v2/segment-targets/{integration}", take_in, methods=["POST"]),
        Route("/sdk/goals/{client_id:path}", goals, methods=["HEAD", "GET"]),
        Route("/api/v2/versions", versions, methods=["GET"]),
    ]


def _check_length(batch: bytes, max_bytes: int) -> None:
    if len(batch) > max_bytes:
        raise too_large(
            "The bytes of a batch of a cohort's members", "MAX_SYNC_BATCH_BYTES", max_bytes, len(batch)
        )


def _read(body: bytes, request: Request, *, is_webhook: bool) -> tuple[str, CohortMessage]:
    """Read either form of a message, and the environment it is for."""
    integration = request.path_params["integration"]
    try:
        if is_webhook:
            if "environmentId" not in request.query_params:
                message = "is missing in the URL: ?environmentId=project/environment"
                raise InvalidInputError([Violation(("environmentId",), message)])
            context_kind = request.query_params.get("contextKind", DEFAULT_CONTEXT_KIND)
            return request.query_params["environmentId"], read_webhook(body, integration, context_kind)
        return read_batch(body, integration)
    except orjson.JSONDecodeError as error:
        raise InvalidInputError([Violation((), f"is no JSON: {error}")]) from None
    except ValidationError as error:
        found = [Violation(tuple(fault["loc"]), fault["msg"]) for fault in error.errors()]
        raise InvalidInputError(found) from None
