"""The one-request checks that GraphQL auditors make, against a service that strangers reach, as a stranger and as its owner."""

import json
from collections.abc import Callable, Iterator
from typing import Any

import httpx
import pytest

from tests.servers import Server

BROWSER = {"Accept": "text/html,application/xhtml+xml,*/*;q=0.8"}
CIRCULAR = "query { __schema { types { fields { type { fields { type { fields { type { fields { type { name } } } } } } } } } } }"


@pytest.fixture(scope="module")
def public(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    with Server(f"sqlite:///{tmp_path_factory.mktemp('public')}/x.db", public="1") as server:
        yield server


@pytest.fixture(params=["a stranger", "the owner"])
def token(request: pytest.FixtureRequest, public: Server) -> str:
    return "" if request.param == "a stranger" else str(public.token)


def send(public: Server, token: str, content: bytes, media_type: str = "application/json") -> httpx.Response:
    headers = {"Content-Type": media_type, **({"Authorization": f"Bearer {token}"} if token else {})}
    return public.client.post("/graphql", content=content, headers=headers)


def ask(public: Server, token: str, query: Any) -> httpx.Response:
    return send(public, token, json.dumps(query if isinstance(query, list) else {"query": query}).encode())


def assert_refused(answer: httpx.Response, code: str) -> None:
    body = answer.json()
    assert "data" not in body
    assert {error["extensions"]["code"] for error in body["errors"]} == {code}


def test_overload_by_aliases(public: Server, token: str) -> None:
    query = "{" + " ".join(f"alias{n}: __typename" for n in range(101)) + "}"
    assert_refused(ask(public, token, query), "LIMIT_EXCEEDED")


def test_overload_by_a_batch(public: Server, token: str) -> None:
    answer = ask(public, token, [{"query": "{ __typename }"}] * 10)
    assert answer.status_code == httpx.codes.BAD_REQUEST
    assert_refused(answer, "BAD_REQUEST")


def test_overload_by_directives(public: Server, token: str) -> None:
    assert_refused(ask(public, token, "{ __typename " + "@aa" * 101 + " }"), "LIMIT_EXCEEDED")
    few = ask(public, token, "{ __typename " + "@aa" * 10 + " }")
    assert_refused(few, "GRAPHQL_VALIDATION_FAILED")
    assert len(few.json()["errors"]) == 1


def test_circular_introspection(public: Server, token: str) -> None:
    assert_refused(ask(public, token, CIRCULAR), "GRAPHQL_VALIDATION_FAILED")


def test_overload_by_one_field(public: Server, token: str) -> None:
    assert_refused(ask(public, token, "{" + " __typename" * 500 + "}"), "LIMIT_EXCEEDED")


def test_mutation_by_get(public: Server, token: str) -> None:
    headers = {"Authorization": f"Bearer {token}"} if token else {}
    answer = public.client.get("/graphql", params={"query": "mutation { __typename }"}, headers=headers)
    assert answer.status_code == httpx.codes.METHOD_NOT_ALLOWED
    assert_refused(answer, "BAD_REQUEST")


def test_post_of_a_form(public: Server, token: str) -> None:
    answer = send(public, token, b"query={__typename}", "application/x-www-form-urlencoded")
    assert answer.status_code == httpx.codes.UNSUPPORTED_MEDIA_TYPE
    assert_refused(answer, "BAD_REQUEST")


def test_suggestions(public: Server, token: str) -> None:
    answer = ask(public, token, "{ projectz { totalCount } }")
    assert_refused(answer, "GRAPHQL_VALIDATION_FAILED")
    assert "mean" not in answer.text


def test_introspection(public: Server, token: str) -> None:
    assert_refused(ask(public, token, "{ __schema { types { name } } }"), "GRAPHQL_VALIDATION_FAILED")


def test_an_ide(public: Server) -> None:
    for path in ("/graphql", "/graphiql", "/playground", "/console", "/graphql/", "/"):
        answer = public.client.get(path, headers=BROWSER, follow_redirects=True)
        assert answer.status_code in {httpx.codes.BAD_REQUEST, httpx.codes.NOT_FOUND}
        assert "html" not in answer.headers["content-type"]


def test_a_redirect_to_a_host_that_the_request_names(public: Server) -> None:
    answer = public.client.get("/graphql/", headers={"Host": "elsewhere.example"})
    assert answer.status_code == httpx.codes.NOT_FOUND
    assert "location" not in answer.headers


def test_tracing(public: Server, token: str) -> None:
    answer = ask(public, token, "{ __typename }")
    assert answer.json() == {"data": {"__typename": "Query"}}
    assert not [name for name in answer.headers if "trac" in name or "timing" in name]


def test_query_by_get_reads_only_and_only_with_a_header_that_no_page_can_send_unasked(
    public: Server, token: str
) -> None:
    """Offered, since caches want it: it changes nothing, and there are no cookies that a page could ride on."""
    headers = {"Authorization": f"Bearer {token}"} if token else {}
    query = {"query": "{ projects { totalCount } }"}
    answer = public.client.get("/graphql", params=query, headers=headers).json()
    if token:
        assert answer == {"data": {"projects": {"totalCount": 1}}}
    else:
        assert answer["errors"][0]["extensions"]["code"] == "UNAUTHENTICATED"
    preflight = {"Origin": "https://x.example", "Access-Control-Request-Headers": "authorization"}
    assert "access-control-allow-origin" not in public.client.options("/graphql", headers=preflight).headers


@pytest.mark.parametrize(
    "content",
    [
        b'{"query": "abc"}',
        b'{"query": "{ projects(first: 99999999999) { totalCount } }"}',
        b'{"query": "{ node(id: \\"x\\") { id } }"}',
        b'{"query": "query ($x: Int!) { __typename }", "variables": {"x": {}}}',
        b'{"query": 7}',
        b"\x00",
        b"",
    ],
)
def test_unhandled_errors(public: Server, token: str, content: bytes) -> None:
    answer = send(public, token, content)
    assert answer.status_code < httpx.codes.INTERNAL_SERVER_ERROR
    for error in answer.json()["errors"]:
        assert error["extensions"]["code"] != "INTERNAL_SERVER_ERROR"
        assert error.keys() <= {"message", "locations", "path", "extensions"}
    assert not any(word in answer.text for word in ("Traceback", "File \\", ".py", "exception", "stack"))


def data(answer: httpx.Response) -> Any:
    """What an answer holds under `data`; nothing if it is no object."""
    body = answer.json() if "json" in answer.headers["content-type"] else {}
    return (body.get("data") or {}) if isinstance(body, dict) else body


def by_get(public: Server, token: str, query: str) -> httpx.Response:
    headers = {"Authorization": f"Bearer {token}"} if token else {}
    return public.client.get("/graphql", params={"query": query}, headers=headers)


# How graphql-cop decides, in our words: whether an answer of this kind is a finding.
FINDINGS: dict[str, Callable[[Server, str], bool]] = {
    "aliases": lambda public, token: (
        "alias100"
        in data(ask(public, token, "query { " + "".join(f"alias{n}:__typename \n" for n in range(101)) + " }"))
    ),
    "batches": lambda public, token: len(data(ask(public, token, [{"query": "query { __typename }"}] * 11))) >= 10,
    "directives": lambda public, token: (
        len(ask(public, token, "query cop { __typename " + "@aa" * 10 + " }").json()["errors"]) == 10
    ),
    "circles": lambda public, token: "__schema" in data(ask(public, token, CIRCULAR)),
    "duplicates": lambda public, token: (
        "__typename" in data(ask(public, token, "{" + "__typename \n" * 500 + "}"))
    ),
    "introspection": lambda public, token: (
        "__schema" in data(ask(public, token, "query cop { __schema { types { name fields { name } } } }"))
    ),
    "suggestions": lambda public, token: "Did you mean" in ask(public, token, "{ __schema { directive } }").text,
    "an IDE": lambda public, _token: any(
        word in public.client.get(path, headers=BROWSER).text
        for path in ("/graphiql", "/playground", "/console", "/graphql")
        for word in ("graphiql.min.css", "GraphQL Playground", "GraphiQL", "graphql-playground")
    ),
    "traces": lambda public, token: any(
        word in ask(public, token, "query cop { __typename }").text.lower()
        for word in ("tracing", "exception", "stacktrace")
    ),
    "mutations by GET": lambda public, token: "__typename" in data(by_get(public, token, "mutation {__typename}")),
    "forms": lambda public, token: (
        "__typename"
        in data(send(public, token, b"query=query+%7B__typename%7D", "application/x-www-form-urlencoded"))
        or "__typename" in data(public.client.post("/graphql", params={"query": "query {__typename}"}))
    ),
    "exceptions": lambda public, token: "exception" in ask(public, token, "qwerty cop { abc }").text,
    "queries by GET": lambda public, token: "__typename" in data(by_get(public, token, "query cop {__typename}")),
}


def test_an_auditors_own_rules_find_what_is_offered_on_purpose_and_nothing_else(
    public: Server, token: str
) -> None:
    assert [name for name, finds in FINDINGS.items() if finds(public, token)] == ["queries by GET"]
