"""The HTTP edge: GraphQL over HTTP as its specification says, and nothing else.

Every answer but the IDE's page is JSON in GraphQL's shape; no exception and no stack trace passes this point.
"""

from collections.abc import Awaitable, Callable, Mapping
from functools import lru_cache
from typing import Any

import orjson
from graphql import GraphQLError, GraphQLSyntaxError
from starlette.requests import ClientDisconnect, Request
from starlette.responses import Response
from starlette.types import Receive, Scope, Send
from strawberry.asgi import GraphQL
from strawberry.schema import BaseSchema
from strawberry.schema.exceptions import CannotGetOperationTypeError, InvalidOperationTypeError
from strawberry.types import ExecutionResult
from strawberry.types.execution import PreExecutionError
from strawberry.types.graphql import OperationType

from domain.errors import ErrorCode
from domain.ports import Cache
from gql.answers import (
    JSON,
    RefusedRequestError,
    byte_response,
    error_response,
    json_response,
    refusal_of,
)
from gql.bodies import BodyLimits, check_encoding, read_body
from gql.budget import CHANGED, ExecutionLimits, too_long
from gql.context import RequestContext
from gql.documents import Documents
from gql.errors import INTERNAL
from gql.headers import header, header_list
from gql.ide import ide_page
from gql.limits import limit_error, shortened
from gql.metrics import Metrics
from gql.operations import DirectResult, MutationResult
from gql.request_record import note_errors, note_operation
from gql.responses import keep_response, response_key

GRAPHQL_RESPONSE = "application/graphql-response+json"
ASKING = frozenset({"query", "documentId", "extensions"})
ALLOWED = "GET, HEAD, POST, OPTIONS"
READS = frozenset({OperationType.QUERY})
READS_AND_WRITES = READS | {OperationType.MUTATION}
ANY_DOCUMENT = Documents()
DEFAULT_LIMITS = ExecutionLimits()
_LONGEST_WORDS = 100
_KINDS = (("variables", dict), ("operationName", str), ("extensions", dict))


class GraphQLView(GraphQL[object, None]):
    """The ASGI application behind `/graphql`: one query by GET, one query or mutation by POST.

    A POST must be `application/json`, which a page of another origin cannot send unasked.

    Attributes:
        context_factory: Makes what resolvers see as `info.context`; a `DomainError` it raises is the answer.
        responses: Answers to evaluation.
        body_limits: What is read of a request's body.
        limits: How long an answer may be.
        documents: Finds the document that a request sends or names.
        ide: Whether browsers are answered with the IDE's page.
        metrics: Where errors are counted.
    """

    def __init__(  # noqa: PLR0913 - all that it is composed of, by name
        self,
        schema: BaseSchema,
        *,
        context_factory: Callable[[Request], Awaitable[RequestContext]],
        responses: Cache[bytes],
        body_limits: BodyLimits,
        limits: ExecutionLimits = DEFAULT_LIMITS,
        documents: Documents = ANY_DOCUMENT,
        ide: bool = True,
        metrics: Metrics | None = None,
    ) -> None:
        super().__init__(schema, graphql_ide=None, subscription_protocols=())
        self.context_factory = context_factory
        self.responses = responses
        self.body_limits = body_limits
        self.limits = limits
        self.documents = documents
        self.ide = ide
        self.metrics = metrics or Metrics()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one HTTP request, whatever happens."""
        request = Request(scope, receive)
        try:
            response = await self.run(request)
        except ClientDisconnect:
            return  # nobody is left to answer
        except Exception as error:  # noqa: BLE001 - nothing passes this point; refusal_of logs what is ours
            response = self._refused(request, error)
        await response(scope, receive, send)

    def _refused(self, request: Request, error: Exception) -> Response:
        """Count a failure, and answer with it; kept by a frame that it came through, it would be a cycle."""
        refusal = refusal_of(error)
        self.metrics.count_errors([refusal.extensions["code"]])
        return error_response(refusal, negotiated(_accept(request)) or JSON)

    async def run(self, request: Request) -> Response:  # type: ignore[override]  # there are no WebSockets here
        """Answer a request that holds a GraphQL operation, or asks for the IDE or the methods.

        Raises:
            RefusedRequestError: It holds none, or one that its method may not run.
            DomainError: The context factory refuses it.
        """
        method = request.method
        reading = method in {"GET", "HEAD"}
        if method == "OPTIONS":
            return Response(status_code=204, headers={"Allow": ALLOWED})
        if not reading and method != "POST":
            raise RefusedRequestError(405, f"{method} is not supported", headers={"Allow": ALLOWED})
        if reading and (header(request, b"upgrade") or "").lower() == "websocket":
            raise RefusedRequestError(400, "Subscriptions are not offered, nor anything else by WebSocket")
        accept = _accept(request)
        if reading and self.ide and "text/html" in accept and ASKING.isdisjoint(request.query_params):
            return ide_page()
        media_type = negotiated(accept)
        if media_type is None:
            raise RefusedRequestError(406, f"Answers are {JSON} or {GRAPHQL_RESPONSE}")
        if not reading:
            if not _is_json(header(request, b"content-type") or ""):
                raise RefusedRequestError(415, f"A POST must be {JSON}, in utf-8", headers={"Accept-Post": JSON})
            check_encoding(request)
        return await self._answer(request, media_type, reading=reading)

    async def _answer(self, request: Request, media_type: str, *, reading: bool) -> Response:
        """Answer an operation as it was answered before, or run it."""
        context = await self.context_factory(request)
        question: bytes = (
            request.scope["query_string"]
            if reading
            else await read_body(request, self.body_limits, context.principal)
        )
        key = response_key(context, media_type, request.method, question)
        if (kept := await self.responses.find(key)) is not None:
            self.metrics.count_operation(OperationType.QUERY)
            note_operation("query")
            return byte_response(kept.value, 200, media_type)
        body = _checked(_parameters(request) if reading else _decoded(question))
        result = await self._execute(body, context, reading=reading)
        errors = result.errors or []
        if result.data is not None or any(error.path for error in errors):
            codes = [(error.extensions or {}).get("code") for error in errors]
            self.metrics.count_errors(codes)
            note_errors(map(str, codes))
            answer = orjson.dumps(await self.process_result(request, result))
            if len(answer) > self.limits.response_bytes:
                hint = CHANGED if isinstance(result, MutationResult) else ""
                return self._too_long(len(answer), media_type, hint)
            if isinstance(result, DirectResult) and not errors:
                await keep_response(self.responses, key, answer, context)
            return byte_response(answer, 200, media_type)
        # The operation was not executed: the answer holds no data.
        answered = [_request_error(result, error) for error in errors]
        self.metrics.count_errors([error["extensions"]["code"] for error in answered])
        # In JSON, older clients take any status but 200 for the failure of a proxy.
        status = 200 if media_type == JSON else 400
        if any(error["extensions"]["code"] == INTERNAL for error in answered):
            status = 500
        return json_response({"errors": answered}, status, media_type)

    def _too_long(self, size: int, media_type: str, hint: str) -> Response:
        """Leave an answer out."""
        error = limit_error([too_long(self.limits, size, hint=hint)])
        self.metrics.count_errors([ErrorCode.LIMIT_EXCEEDED.value])
        return json_response({"data": None, "errors": [error.formatted]}, 200, media_type)

    async def _execute(self, body: Mapping[str, Any], context: object, *, reading: bool) -> ExecutionResult:
        try:
            result = await self.schema.execute(
                self.documents.find(body),
                variable_values=body.get("variables"),
                context_value=context,
                operation_name=body.get("operationName"),
                allowed_operation_types=READS if reading else READS_AND_WRITES,
                operation_extensions=body.get("extensions"),
            )
        except GraphQLError as error:
            return PreExecutionError(data=None, errors=[error])
        except InvalidOperationTypeError as error:
            if error.operation_type is OperationType.MUTATION:
                raise RefusedRequestError(405, "Mutations need POST", headers={"Allow": "POST"}) from error
            raise RefusedRequestError(400, "Subscriptions are not offered") from error
        except CannotGetOperationTypeError as error:
            named = f" '{error.operation_name}'" if error.operation_name is not None else ""
            message = shortened(f"The document has no operation{named}", _LONGEST_WORDS)
            unresolved = GraphQLError(message, extensions={"code": "OPERATION_RESOLUTION_FAILURE"})
            return PreExecutionError(data=None, errors=[unresolved])
        if not isinstance(result, PreExecutionError):
            self.documents.keep(body)
        return result


def _accept(request: Request) -> str:
    return header_list(request, b"accept").lower()


@lru_cache(maxsize=256)
def negotiated(accept: str) -> str | None:
    """Choose the media type that a lower-case `Accept` header prefers, by quality and then by order.

    Returns:
        JSON also where the header is empty or leaves the choice to us; None where it admits neither.
    """
    ranges: dict[str, tuple[float, int]] = {}
    for position, item in enumerate(accept.split(",") if accept else ["*/*"]):
        media_range, *parameters = (part.strip() for part in item.split(";"))
        quality = next((value[2:] for value in parameters if value.startswith("q=")), "1")
        try:
            ranges.setdefault(media_range, (float(quality), -position))
        except ValueError:
            continue
    best: tuple[float, int] | None = None
    choice = None
    for media_type in (JSON, GRAPHQL_RESPONSE):
        # The most specific range speaks for the type.
        named = next((r for r in (media_type, "application/*", "*/*") if r in ranges), None)
        if named and ranges[named][0] > 0 and (best is None or ranges[named] > best):
            best, choice = ranges[named], media_type
    return choice


@lru_cache(maxsize=256)
def _is_json(content_type: str) -> bool:
    """Tell whether a body of this type is JSON in UTF-8."""
    media_type, *parameters = (part.strip().replace('"', "") for part in content_type.lower().split(";"))
    foreign = [p for p in parameters if p.startswith("charset=") and p not in {"charset=utf-8", "charset=utf8"}]
    return media_type == JSON and not foreign


def _decoded(text: str | bytes) -> object:
    try:
        return orjson.loads(text)
    except orjson.JSONDecodeError as error:
        if error.msg.startswith("depth limit"):
            raise RefusedRequestError(400, "Malformed JSON: it is nested too deeply") from None
        raise RefusedRequestError(400, f"Malformed JSON: {error}") from error


def _parameters(request: Request) -> dict[str, object]:
    """Read a URL's parameters, two of which are JSON."""
    texts = request.query_params
    return {**texts, **{name: _decoded(texts[name]) for name in ("variables", "extensions") if texts.get(name)}}


def _checked(body: object) -> Mapping[str, Any]:
    """Check the parameters of a request, but for those that name its document."""
    if isinstance(body, list):
        raise RefusedRequestError(400, "Batches are not offered: send one operation a request")
    if not isinstance(body, dict):
        raise RefusedRequestError(400, "The request must be a JSON object")
    for name, kind in _KINDS:
        if (value := body.get(name)) is not None and not isinstance(value, kind):
            noun = "a string" if kind is str else "an object"
            raise RefusedRequestError(400, f"`{name}` must be {noun} or null")
    return body


def _request_error(result: ExecutionResult, error: GraphQLError) -> dict[str, Any]:
    """Give an error from before the execution its code, unless it has one."""
    if isinstance(error, GraphQLSyntaxError):
        code = "GRAPHQL_PARSE_FAILED"
    elif isinstance(result, PreExecutionError):
        code = "GRAPHQL_VALIDATION_FAILED"
    else:
        code = "BAD_USER_INPUT"  # variables that do not fit
    return {**error.formatted, "extensions": {"code": code, **(error.extensions or {})}}
