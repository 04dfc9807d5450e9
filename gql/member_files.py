"""Files of members: uploads that fill large lists, and exports of them. Both are streams of text/csv."""

import codecs
import csv
import io
import logging
import tempfile
from collections.abc import AsyncIterator, Awaitable, Callable

import orjson
from starlette.requests import Request
from starlette.responses import Response, StreamingResponse
from starlette.routing import Route
from starlette.types import Send

from domain.errors import DomainError, ErrorCode, ImportOverError
from domain.keys import EnvironmentRef
from domain.services.list_effects import ChangedList
from gql.answers import RESOURCE_STATUS_BY_CODE, error_response
from gql.bodies import BodyLimits
from gql.context import RequestContext
from gql.uploads import KEPT_IN_MEMORY, TooLargeError, TooSlowError, check_upload, receive_upload

_log = logging.getLogger(__name__)

UPLOAD_PATH = "/segment-imports/"
EXPORT_PATH = "/segment-exports/"
_STATUS_BY_CODE = RESOURCE_STATUS_BY_CODE | {ErrorCode.VERSION_CONFLICT: 409, ErrorCode.LIMIT_EXCEEDED: 409}
_MARK = "\ufeff"


def member_file_routes(
    request_context: Callable[[Request], Awaitable[RequestContext]], *, file_limits: BodyLimits
) -> list[Route]:
    """Return the routes; each request carries the same secret as one to `/graphql`."""

    async def upload(request: Request) -> Response:
        try:
            context = await request_context(request)
            check_upload(request, file_limits.max_bytes)
            with tempfile.SpooledTemporaryFile(KEPT_IN_MEMORY) as file:
                changed = await context.services.lists.upload(
                    context.principal,
                    request.path_params["import_id"],
                    file,
                    lambda: receive_upload(request, file, file_limits),
                )
        except (TooLargeError, TooSlowError) as error:
            status = 413 if isinstance(error, TooLargeError) else 408
            refusal = error_response(error, status_by_code={error.code: status})
            refusal.headers["Connection"] = "close"  # the rest of the file is still under way
            return refusal
        except ImportOverError as error:
            return error_response(error, status_by_code={error.code: 409})
        except Exception as error:  # noqa: BLE001 - error_response logs and masks what is ours
            return error_response(error, status_by_code=_STATUS_BY_CODE)
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
        # HEAD asks for what stands above the list, and nothing of it is read.
        lines: AsyncIterator[bytes] | tuple[()] = csv_of(chunks) if request.method == "GET" else ()
        return _MemberFile(lines, media_type="text/csv", headers=headers)

    return [
        Route(UPLOAD_PATH + "{import_id:path}", upload, methods=["PUT"]),
        Route(EXPORT_PATH + "{project}/{environment}/{segment}", export, methods=["GET"]),
    ]


class _MemberFile(StreamingResponse):
    """A file that is sent to its end, or breaks off for all to see: without the last chunk of its body."""

    async def stream_response(self, send: Send) -> None:
        """Send it."""
        try:
            await super().stream_response(send)
        except DomainError as error:
            _log.warning("an export broke off: %s", error.message)


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
