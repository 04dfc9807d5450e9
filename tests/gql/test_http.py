"""Answers of GraphQL over HTTP: their media types, statuses and errors."""

import logging
from collections.abc import AsyncIterator

import orjson
import pytest
from graphql import GraphQLError
from starlette.types import Message

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
from gql.errors import map_error
from gql.http import GRAPHQL_RESPONSE, negotiated
from tests.gql.views import a_view, code_of, post, refusing, send


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
