"""Files of members: uploads that fill large lists, and exports of them. Both are streams of text/csv."""

import asyncio
import codecs
import csv
import io
import tempfile
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import IO

import anyio
import orjson
from starlette.requests import ClientDisconnect, Request
from starlette.responses import Response, StreamingResponse
from starlette.routing import Route

from domain.keys import EnvironmentRef
from domain.services.list_changes import ChangedList
from gql.answers import RESOURCE_STATUS_BY_CODE, RefusedRequestError, error_response
from gql.bodies import BodyLimits, too_large, too_slow
from gql.context import RequestContext

UPLOAD_PATH = "/segment-imports/"
EXPORT_PATH = "/segment-exports/"
_KEPT_IN_MEMORY = 1_048_576
_MARK = "\ufeff"


def member_file_routes(
    request_context: Callable[[Request], Awaitable[RequestContext]], *, file_limits: BodyLimits
) -> list[Route]:
    """Return the routes; each request carries the same secret as one to `/graphql`."""

    async def upload(request: Request) -> Response:
        try:
            context = await request_context(request)
            with tempfile.SpooledTemporaryFile(_KEPT_IN_MEMORY) as file:
                await _receive(request, file, file_limits)
                changed = await context.services.lists.upload(
                    context.principal, request.path_params["import_id"], file
                )
        except ClientDisconnect:
            raise
        except Exception as error:  # noqa: BLE001 - error_response logs and masks what is ours
            return error_response(error, status_by_code=RESOURCE_STATUS_BY_CODE)
        return Response(orjson.dumps(_report(changed)), media_type="application/json")

    async def export(request: Request) -> Response:
        try:
            context = await request_context(request)
            environment = EnvironmentRef(request.path_params["project"], request.path_params["environment"])
            key = request.path_params["segment"]
            chunks = await context.services.lists.export(context.principal, environment, key)
        except Exception as error:  # noqa: BLE001 - error_response logs and masks what is ours
            return error_response(error, status_by_code=RESOURCE_STATUS_BY_CODE)
        headers = {"Content-Disposition": f'attachment; filename="{key}.csv"'}
        return StreamingResponse(csv_of(chunks), media_type="text/csv", headers=headers)

    return [
        Route(UPLOAD_PATH + "{import_id:path}", upload, methods=["PUT"]),
        Route(EXPORT_PATH + "{project}/{environment}/{segment}", export, methods=["GET"]),
    ]


async def _receive(request: Request, file: IO[bytes], limits: BodyLimits) -> None:
    """Read a file, which may take any time, but no piece of it more than a body may."""
    if request.headers.get("content-type", "text/csv").partition(";")[0].strip().lower() != "text/csv":
        raise RefusedRequestError(415, "A file of members is text/csv", headers={"Accept": "text/csv"})
    received = 0
    now = asyncio.get_running_loop().time
    try:
        async with asyncio.timeout(limits.max_seconds) as patience:
            async for chunk in request.stream():
                received += len(chunk)
                if received > limits.max_bytes:
                    raise too_large(
                        "The file's bytes, as far as read", "MAX_IMPORT_BYTES", limits.max_bytes, received
                    )
                patience.reschedule(None)
                if received > _KEPT_IN_MEMORY:
                    await anyio.to_thread.run_sync(file.write, chunk)
                else:
                    file.write(chunk)
                patience.reschedule(now() + limits.max_seconds)
    except TimeoutError:
        raise too_slow(limits.max_seconds) from None
    file.seek(0)


def _report(changed: ChangedList) -> dict[str, object]:
    counts = changed.change.counts
    return {
        "state": changed.change.state.value,
        "revision": changed.revision,
        "memberCount": changed.segment.member_count,
        "lines": counts.lines,
        "added": counts.added,
        "already": counts.already,
        "removed": counts.removed,
        "duplicates": counts.duplicates,
        "malformed": counts.malformed,
        "malformedLines": [{"line": item.line, "message": item.message} for item in counts.malformed_lines],
    }


async def csv_of(chunks: AsyncIterator[list[str]]) -> AsyncIterator[bytes]:
    """Write keys as a file that an import reads as the same keys."""
    is_first = True
    async for keys in chunks:
        text = io.StringIO(newline="")
        csv.writer(text).writerows([key] for key in keys)
        # Whoever reads the file takes a byte order mark at its start for no part of the first key.
        mark = codecs.BOM_UTF8 if is_first and keys[0].startswith(_MARK) else b""
        yield mark + text.getvalue().encode()
        is_first = False
