"""Requests of GraphQL over HTTP: their methods, content types and bodies."""

import pytest
from starlette.types import Message

from domain.errors import (
    UnauthenticatedError,
)
from gql.answers import JSON
from gql.http import GRAPHQL_RESPONSE
from tests.gql.views import a_client, a_view, code_of, post, refusing, send


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
