import logging
from collections.abc import AsyncIterator, Awaitable, Callable

import httpx
import orjson
import pytest
import strawberry
from graphql import GraphQLError
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.routing import Route
from starlette.types import Message
from strawberry import scalars

from domain.errors import (
    DomainError,
    InUseError,
    InvalidInputError,
    UnauthenticatedError,
    UnavailableError,
    UsedBy,
    Violation,
)
from gql.answers import JSON
from gql.bodies import BodyLimits
from gql.context import RequestContext
from gql.errors import map_error
from gql.http import GRAPHQL_RESPONSE, GraphQLView, negotiated
from storage.cache import MemoryCache
from tests.gql.contexts import ada


@strawberry.type
class Query:
    @strawberry.field
    def greeting(self, name: str = "world") -> str:
        return f"Hello {name}"

    @strawberry.field
    def failing(self) -> str:
        message = "no greeting today"
        raise ValueError(message)

    @strawberry.field
    def anything(self) -> scalars.JSON:
        return scalars.JSON(object())

    @strawberry.field
    def caller(self, info: strawberry.Info) -> str:
        return str(info.context.principal.actor)


@strawberry.type
class Mutation:
    @strawberry.mutation
    def change(self) -> int:
        return 1


Factory = Callable[[Request], Awaitable[RequestContext]]
SCHEMA = strawberry.Schema(Query, Mutation)


def refusing(error: Exception) -> Factory:
    async def factory(_request: Request) -> RequestContext:
        raise error

    return factory


def a_view(*, context_factory: Factory = ada, max_body_bytes: int = 1_000) -> GraphQLView:
    nothing_kept = MemoryCache[bytes](max_entries=0, max_bytes=0)
    return GraphQLView(
        SCHEMA, context_factory=context_factory, responses=nothing_kept, body_limits=BodyLimits(max_body_bytes, 30)
    )


def a_client(*, context_factory: Factory = ada, max_body_bytes: int = 1_000_000) -> httpx.AsyncClient:
    view = a_view(context_factory=context_factory, max_body_bytes=max_body_bytes)
    transport = httpx.ASGITransport(Starlette(routes=[Route("/graphql", view)]))
    return httpx.AsyncClient(transport=transport, base_url="http://earlybird.test")


async def post(query: str, accept: str = JSON, **body: object) -> httpx.Response:
    async with a_client() as client:
        return await client.post("/graphql", json={"query": query, **body}, headers={"Accept": accept})


async def send(
    method: str,
    *,
    params: dict[str, str] | None = None,
    content: bytes | AsyncIterator[bytes] | None = None,
    headers: dict[str, str] | None = None,
    context_factory: Factory = ada,
) -> httpx.Response:
    async with a_client(context_factory=context_factory) as client:
        return await client.request(method, "/graphql", params=params, content=content, headers=headers)


def code_of(response: httpx.Response) -> str:
    [error] = response.json()["errors"]
    return str(error["extensions"]["code"])


@pytest.mark.parametrize(
    ("accept", "media_type"),
    [
        ("", JSON),
        ("*/*", JSON),
        ("application/*", JSON),
        (JSON, JSON),
        (GRAPHQL_RESPONSE, GRAPHQL_RESPONSE),
        (f"{GRAPHQL_RESPONSE}, {JSON}", GRAPHQL_RESPONSE),
        (f"{JSON}, {GRAPHQL_RESPONSE}", JSON),
        (f"{JSON};q=0.5, {GRAPHQL_RESPONSE};q=0.9", GRAPHQL_RESPONSE),
        (f"{GRAPHQL_RESPONSE};charset=utf-8;q=0.1, */*;q=0.9", JSON),
        (f"{GRAPHQL_RESPONSE}, */*", GRAPHQL_RESPONSE),
        (f"{JSON};q=0, */*", GRAPHQL_RESPONSE),
        ("text/html", None),
        (f"{JSON};q=0", None),
        (f"{JSON};q=much", None),
        (f"{JSON};q=nan", None),
    ],
)
def test_media_type_follows_quality_then_order(accept: str, media_type: str | None) -> None:
    assert negotiated(accept) == media_type


async def test_answer_names_its_media_type_and_charset_and_varies_by_accept() -> None:
    response = await post("{ greeting }", accept=GRAPHQL_RESPONSE)
    assert response.headers["content-type"] == f"{GRAPHQL_RESPONSE}; charset=utf-8"
    assert response.headers["vary"] == "Accept"
    assert response.json() == {"data": {"greeting": "Hello world"}}


async def test_media_type_that_is_not_spoken_is_refused_in_json() -> None:
    response = await post("{ greeting }", accept="text/event-stream")
    assert response.status_code == 406
    assert response.headers["content-type"] == "application/json; charset=utf-8"
    assert code_of(response) == "BAD_REQUEST"


@pytest.mark.parametrize(
    ("body", "code"),
    [
        ({"query": "{"}, "GRAPHQL_PARSE_FAILED"),
        ({"query": "{ nothing }"}, "GRAPHQL_VALIDATION_FAILED"),
        ({"query": "query ($n: String!) { greeting(name: $n) }"}, "BAD_USER_INPUT"),
        ({"query": "query A { greeting }", "operationName": "B"}, "OPERATION_RESOLUTION_FAILURE"),
        ({"query": "fragment F on Query { greeting }"}, "OPERATION_RESOLUTION_FAILURE"),
    ],
)
async def test_request_error_has_no_data_and_a_code_and_is_400_unless_json_was_asked_for(
    body: dict[str, str], code: str
) -> None:
    for accept, status in ((GRAPHQL_RESPONSE, 400), (JSON, 200)):
        response = await post(accept=accept, **body)
        assert response.status_code == status
        assert code_of(response) == code
        assert "data" not in response.json()


@pytest.mark.parametrize(
    ("body", "message"),
    [
        ({"query": "query A { greeting }", "operationName": "B"}, "The document has no operation 'B'"),
        ({"query": "fragment F on Query { greeting }"}, "The document has no operation"),
    ],
)
async def test_an_operation_that_is_not_there_is_told_in_our_words(body: dict[str, str], message: str) -> None:
    assert (await post(**body)).json()["errors"][0]["message"] == message


async def test_the_name_of_an_operation_is_not_told_as_a_whole() -> None:
    response = await post("query A { greeting }", operationName="B" * 100_000)
    assert code_of(response) == "OPERATION_RESOLUTION_FAILURE"
    assert "BBB" in response.text
    assert len(response.text) < 300


async def test_json_that_is_too_deep_is_refused_in_our_words() -> None:
    answer = await send("POST", content=b"[" * 2_000 + b"]" * 2_000, headers={"Content-Type": JSON})
    assert answer.status_code == 400
    assert answer.json()["errors"][0]["message"] == "Malformed JSON: it is nested too deeply"


async def test_failed_field_is_an_answer_with_data() -> None:
    response = await post("{ failing }", accept=GRAPHQL_RESPONSE)
    assert response.status_code == 200
    assert response.json()["data"] is None
    assert response.json()["errors"][0]["path"] == ["failing"]


async def test_resolvers_see_what_the_context_factory_made() -> None:
    response = await post("{ caller }")
    assert response.json() == {"data": {"caller": "token/command-line"}}


async def test_query_with_variables_may_come_by_get() -> None:
    query = "query Greet($n: String!) { greeting(name: $n) }"
    parameters = {"query": query, "variables": '{"n": "Ada"}', "operationName": "Greet", "extensions": "{}"}
    response = await send("GET", params=parameters)
    assert response.json() == {"data": {"greeting": "Hello Ada"}}


async def test_mutation_by_get_is_refused_and_not_run() -> None:
    response = await send("GET", params={"query": "mutation { change }"})
    assert (response.status_code, response.headers["allow"]) == (405, "POST")
    assert code_of(response) == "BAD_REQUEST"


async def test_mutation_by_post_is_run() -> None:
    assert (await post("mutation { change }")).json() == {"data": {"change": 1}}


async def test_subscription_is_refused() -> None:
    assert (await post("subscription { greeting }")).status_code == 400


@pytest.mark.parametrize("method", ["PUT", "PATCH", "DELETE", "TRACE"])
async def test_other_methods_are_refused_with_those_allowed(method: str) -> None:
    response = await send(method)
    assert response.status_code == 405
    assert response.headers["allow"] == "GET, HEAD, POST, OPTIONS"
    assert code_of(response) == "BAD_REQUEST"


async def test_options_names_the_methods_and_needs_no_credentials() -> None:
    response = await send("OPTIONS", context_factory=refusing(UnauthenticatedError("no")))
    assert (response.status_code, response.headers["allow"]) == (204, "GET, HEAD, POST, OPTIONS")


async def test_head_is_answered_as_get() -> None:
    response = await send("HEAD", params={"query": "{ greeting }"})
    assert response.status_code == 200
    assert response.headers["content-type"] == "application/json; charset=utf-8"


@pytest.mark.parametrize(
    "content_type",
    [
        "",
        "text/plain",
        "application/x-www-form-urlencoded",
        "multipart/form-data; boundary=x",
        "application/jsonish",
        "application/json; charset=utf-16",
    ],
)
async def test_post_of_another_content_type_is_refused(content_type: str) -> None:
    response = await send("POST", content=b'{"query": "{ greeting }"}', headers={"Content-Type": content_type})
    assert response.status_code == 415
    assert code_of(response) == "BAD_REQUEST"


@pytest.mark.parametrize(
    "content_type", [JSON, "Application/JSON; charset=UTF-8", 'application/json;charset="utf-8"']
)
async def test_post_of_json_is_accepted(content_type: str) -> None:
    response = await send("POST", content=b'{"query": "{ greeting }"}', headers={"Content-Type": content_type})
    assert response.json() == {"data": {"greeting": "Hello world"}}


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"{",
        b'{"query": NaN}',
        b'"query"',
        b"[]",
        b'[{"query": "{ greeting }"}]',
        b"{}",
        b'{"query": ""}',
        b'{"query": ["{ greeting }"]}',
        b'{"query": "{ greeting }", "variables": []}',
        b'{"query": "{ greeting }", "operationName": 1}',
        b'{"query": "{ greeting }", "extensions": "x"}',
        b"[" * 2_000,
    ],
)
async def test_malformed_post_is_a_bad_request_in_either_media_type(body: bytes) -> None:
    for accept in (JSON, GRAPHQL_RESPONSE):
        headers = {"Content-Type": JSON, "Accept": accept}
        response = await send("POST", content=body, headers=headers)
        assert response.status_code == 400
        assert response.headers["content-type"] == f"{accept}; charset=utf-8"
        assert code_of(response) == "BAD_REQUEST"


@pytest.mark.parametrize("parameters", [{}, {"query": "{ greeting }", "variables": "{"}, {"query": ""}])
async def test_malformed_get_is_a_bad_request(parameters: dict[str, str]) -> None:
    response = await send("GET", params=parameters)
    assert response.status_code == 400
    assert code_of(response) == "BAD_REQUEST"


async def test_body_at_the_limit_is_read_and_one_byte_more_is_refused_by_name() -> None:
    body = b'{"query": "{ greeting }"}'
    async with a_client(max_body_bytes=len(body)) as client:
        fitting = await client.post("/graphql", content=body, headers={"Content-Type": JSON})
        refused = await client.post("/graphql", content=body + b" ", headers={"Content-Type": JSON})
    assert fitting.status_code == 200
    assert refused.status_code == 413
    assert refused.headers["connection"] == "close"
    assert refused.json()["errors"][0]["extensions"] == {
        "code": "LIMIT_EXCEEDED",
        "setting": "EARLYBIRD_MAX_BODY_BYTES",
        "limit": len(body),
        "actual": len(body) + 1,
    }


@pytest.mark.parametrize("declared", [None, b"10"])
async def test_reading_stops_at_the_limit_whatever_length_is_declared(declared: bytes | None) -> None:
    headers = [(b"content-type", b"application/json")]
    headers += [(b"content-length", declared)] if declared else []
    chunks_read = 0
    sent: list[Message] = []

    async def receive() -> Message:
        nonlocal chunks_read
        chunks_read += 1
        return {"type": "http.request", "body": b" " * 100, "more_body": True}

    async def collect(message: Message) -> None:
        sent.append(message)

    scope = {"type": "http", "method": "POST", "path": "/graphql", "query_string": b"", "headers": headers}
    view = a_view()
    await view(scope, receive, collect)
    assert sent[0]["status"] == 413
    assert chunks_read == 11


async def test_unauthenticated_caller_is_told_so_before_the_body_is_read() -> None:
    chunks_sent = 0

    async def body() -> AsyncIterator[bytes]:
        nonlocal chunks_sent
        chunks_sent += 1
        yield b"{}"

    response = await send(
        "POST",
        content=body(),
        headers={"Content-Type": JSON},
        context_factory=refusing(UnauthenticatedError("no such token")),
    )
    assert chunks_sent == 0
    assert response.status_code == 401
    assert response.headers["www-authenticate"] == "Bearer"
    assert response.json() == {"errors": [{"message": "no such token", "extensions": {"code": "UNAUTHENTICATED"}}]}


@pytest.mark.parametrize(
    ("error", "status", "code"),
    [
        (UnavailableError("the store is away"), 503, "UNAVAILABLE"),
        (InvalidInputError([Violation(("header",), "is odd")]), 400, "BAD_USER_INPUT"),
    ],
)
async def test_domain_error_of_the_context_is_answered_with_its_code(
    error: Exception, status: int, code: str
) -> None:
    response = await send("GET", params={"query": "{ greeting }"}, context_factory=refusing(error))
    assert response.status_code == status
    assert code_of(response) == code
    assert "www-authenticate" not in response.headers


@pytest.mark.parametrize(
    "error",
    [
        InvalidInputError([Violation(("header",), "is odd")]),
        InUseError("large list", "beta", [UsedBy("import", "1", "default/production")]),
    ],
)
async def test_domain_error_keeps_its_details_and_tells_them_as_a_field_does(error: DomainError) -> None:
    response = await send("GET", params={"query": "{ greeting }"}, context_factory=refusing(error))
    [told] = response.json()["errors"]
    of_a_field = GraphQLError("", original_error=error)
    map_error(of_a_field)
    assert (told["message"], told["extensions"]) == (of_a_field.message, of_a_field.extensions)
    assert told["extensions"].keys() == {"code", *error.details}


async def test_fault_is_masked_and_logged_once_under_its_incident(caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.ERROR):
        response = await send(
            "GET", params={"query": "{ greeting }"}, context_factory=refusing(RuntimeError("the password is 123"))
        )
    assert response.status_code == 500
    assert code_of(response) == "INTERNAL_SERVER_ERROR"
    assert "123" not in response.text
    assert "Traceback" not in response.text
    [record] = caplog.records
    assert response.json()["errors"][0]["extensions"]["incident"] in record.getMessage()
    assert record.exc_info is not None


async def test_result_that_cannot_be_encoded_is_a_masked_fault() -> None:
    response = await post("{ anything }")
    assert response.status_code == 500
    assert code_of(response) == "INTERNAL_SERVER_ERROR"


async def test_client_that_disconnects_is_no_error(caplog: pytest.LogCaptureFixture) -> None:
    sent: list[Message] = []

    async def receive() -> Message:
        return {"type": "http.disconnect"}

    async def collect(message: Message) -> None:
        sent.append(message)

    headers = [(b"content-type", b"application/json")]
    scope = {"type": "http", "method": "POST", "path": "/graphql", "query_string": b"", "headers": headers}
    await a_view()(scope, receive, collect)
    assert sent == []
    assert caplog.records == []


async def test_text_outside_ascii_passes_unchanged() -> None:
    response = await post('{ greeting(name: "Åsa 🐦") }')
    assert orjson.loads(response.content) == {"data": {"greeting": "Hello Åsa 🐦"}}
