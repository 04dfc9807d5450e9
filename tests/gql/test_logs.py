"""What the log tells, and what it never does."""

import asyncio
import io
import json
import logging
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
import pytest
import strawberry
from starlette.applications import Starlette
from starlette.middleware import Middleware
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from gql.bodies import BodyLimits
from gql.http import GraphQLView
from gql.logs import RequestLines, RequestLog, configure_logging, places_of
from gql.metrics import Metrics
from gql.schema import Schema
from storage.cache import MemoryCache
from tests.gql.conftest import a_flag, data_of
from tests.gql.contexts import ada
from tests.gql.lists import create, edit, put, start
from tests.servers import Server

SECRET = "XYZZY"
"""Stands in whatever a request says; nothing of it may come into the log."""
PLACE = 'environment: {project: "default", environment: "production"}'
JSON = {"Content-Type": "application/json"}


@pytest.fixture(scope="module")
def logging_all(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """A service that logs all that it can."""
    store = f"sqlite:///{tmp_path_factory.mktemp('logging')}/x.db"
    with Server(store, token=f"token-{SECRET}", log_level="debug") as server:
        yield server


def fail(error: BaseException) -> None:
    raise error


def lines(server: Server) -> list[dict[str, Any]]:
    return [json.loads(line) for line in server.output().splitlines()]


def line_of(server: Server, response: httpx.Response) -> dict[str, Any]:
    """The line of the request that was answered so; it is written when the answer is sent."""
    request_id = response.headers["x-request-id"]
    deadline = time.monotonic() + 5
    while time.monotonic() < deadline:
        found = [line for line in lines(server) if line["event"] == "request" and line["request_id"] == request_id]
        if found:
            assert len(found) == 1
            return found[0]
        time.sleep(0.02)
    raise AssertionError(server.output())


def test_a_request_is_one_line_of_json(logging_all: Server) -> None:
    line = line_of(logging_all, logging_all.post("{ projects { totalCount } }").response)
    assert line.pop("milliseconds") > 0
    assert line.pop("timestamp")
    assert len(line.pop("request_id")) == 32
    assert line == {
        "event": "request",
        "level": "info",
        "method": "POST",
        "route": "/graphql",
        "status": 200,
        "operation": "query",
        "codes": [],
    }


@pytest.mark.parametrize(
    ("query", "operation", "code"),
    [
        ("{", None, "GRAPHQL_PARSE_FAILED"),
        ("{ nothing }", "query", "GRAPHQL_VALIDATION_FAILED"),
        ('{ tags(after: "junk") { totalCount } }', "query", "BAD_USER_INPUT"),
        (
            'mutation { deleteProject(input: {project: "none"}) { deletedProjectId } }',
            "mutation",
            "NOT_FOUND",
        ),
    ],
)
def test_a_line_tells_the_type_of_the_operation_and_the_codes_of_its_errors(
    logging_all: Server, query: str, operation: str | None, code: str
) -> None:
    answer = logging_all.post(query)
    line = line_of(logging_all, answer.response)
    assert (line["operation"], line["codes"]) == (operation, [code]), answer.errors


def test_routes_are_told_and_not_the_keys_in_them(logging_all: Server) -> None:
    client = logging_all.client
    for path, route, status in (
        (
            "/segment-exports/default/production/some-key",
            "/segment-exports/{project}/{environment}/{segment}",
            401,
        ),
        ("/graphiql/ide.js", "/graphiql", 200),
        ("/some-key", None, 404),
        ("/healthz", "/healthz", 200),
    ):
        line = line_of(logging_all, client.get(path))
        assert (line["method"], line["route"], line["status"]) == ("GET", route, status)
    assert "some-key" not in logging_all.output()


def test_whether_it_is_alive_is_asked_too_often_to_be_told_by_default(tmp_path: Path) -> None:
    with Server(f"sqlite:///{tmp_path}/x.db") as server:
        server.client.get("/healthz")
        server.post("{ __typename }")
        server.stop()
        assert [line["route"] for line in lines(server) if line["event"] == "request"] == ["/graphql"]


def test_only_what_is_wrong_is_told_where_that_is_wanted(tmp_path: Path) -> None:
    with Server(f"sqlite:///{tmp_path}/x.db", log_level="error") as server:
        server.post("{ __typename }")
        server.stop()
        assert server.output() == ""


@pytest.mark.parametrize("given", ["a", "0af7651916cd43dd8448eb211c80319c", "A.b-c_9", "x" * 128])
def test_an_id_that_a_proxy_gave_is_taken_and_comes_back(logging_all: Server, given: str) -> None:
    answer = logging_all.client.get("/graphql", headers={"X-Request-Id": given})
    assert answer.headers.get_list("x-request-id") == [given]
    assert line_of(logging_all, answer)["status"] == httpx.codes.BAD_REQUEST


@pytest.mark.parametrize("given", ["", "x" * 129, "a b", 'a"b', "a\tb", "ä", "a;b", "<script>"])
def test_an_id_that_is_not_sane_is_replaced(logging_all: Server, given: str) -> None:
    answer = logging_all.client.get("/healthz", headers={b"X-Request-Id": given.encode("latin-1")})
    assert len(answer.headers["x-request-id"]) == 32
    assert answer.headers["x-request-id"] != given


def test_every_answer_has_an_id_and_forbids_to_guess_its_type(logging_all: Server) -> None:
    client = logging_all.client
    answers = [
        client.get("/nowhere"),
        client.put("/graphql"),
        client.put("/healthz"),
        client.get("/graphiql/nothing.js"),
        client.post("/graphql", content=b"{", headers=JSON),
        client.get("/graphql", headers={"Accept": "text/html"}),
        client.post("/api/v2/segment-targets/amplitude"),
    ]
    assert len({answer.headers["x-request-id"] for answer in answers}) == len(answers)
    assert {tuple(answer.headers.get_list("x-content-type-options")) for answer in answers} == {("nosniff",)}


def test_nothing_that_a_request_says_comes_into_the_log(logging_all: Server) -> None:
    server, client = logging_all, logging_all.client
    me = {"Authorization": f"Bearer {server.token}"}
    context = {"kind": "user", "key": SECRET, "email": f"{SECRET}@x.test", "name": SECRET, SECRET: [SECRET]}
    evaluate = f"query {SECRET}($c: JSON!) {{ evaluateFlags({PLACE}, context: $c) {{ evaluations {{ value }} }} }}"

    # What works.
    server.import_flags(data_of(a_flag("f", variations=[SECRET, False])))
    assert not server.post(evaluate, c=context).errors
    create(server, "members")
    url = start(server, "members")["startSegmentImport"]["uploadUrl"]
    assert put(url, f"{SECRET}\nother-{SECRET}\n", token=str(server.token)).status_code == 200
    assert not edit(server, "addSegmentMembers", "members", [f"{SECRET}-3"]).errors
    export = client.get("/segment-exports/default/production/members", headers=me)
    assert SECRET in export.text
    keys = {"environment": {"project": "default", "environment": "production"}, "contextKind": "user"}
    server.post(
        "mutation ($i: CreateSegmentInput!) { createSegment(input: $i) { segment { id } } }",
        i={"environment": keys["environment"], "name": SECRET, "key": SECRET, "tags": [SECRET], "comment": SECRET},
    )
    # What does not.
    for token in (SECRET, f"eb_token_{SECRET}"):
        assert server.post("{ projects { totalCount } }", token=token).response.status_code == 401
    for header in (SECRET, f"Basic {SECRET}", f"Bearer {SECRET} {SECRET}"):
        client.post("/graphql", json={"query": "{ projects { totalCount } }"}, headers={"Authorization": header})
    for query in (f"{{ {SECRET} }}", f'{{ "{SECRET}', f'{{ project(key: "{SECRET}") {{ {SECRET} }} }}'):
        assert server.post(query).errors
    assert server.post(evaluate, c=[SECRET]).errors
    assert server.post("query ($n: Int!) { projects(first: $n) { totalCount } }", n=SECRET).errors
    assert server.post("query ($k: String!) { nodes(ids: [$k]) { id } }", k=SECRET).errors
    for body in (b'{"query": "' + SECRET.encode(), b"\xff" + SECRET.encode(), f'["{SECRET}"]'.encode()):
        assert client.post("/graphql", content=body, headers={**JSON, **me}).status_code == 400
    for parameters in (
        {"documentId": SECRET},
        {"query": "{ __typename }", "operationName": SECRET},
        {"query": "{ __typename }", "extensions": {"persistedQuery": SECRET}},
    ):
        assert "errors" in client.post("/graphql", json=parameters, headers=me).json()
    client.get(
        "/graphql", params={"query": SECRET, SECRET: SECRET}, headers={**me, "Cookie": SECRET, "Referer": SECRET}
    )
    client.get(f"/{SECRET}", headers={"User-Agent": SECRET, "X-Request-Id": f"<{SECRET}>"})
    client.post(f"/api/v2/segment-targets/{SECRET}", content=f'{{"batch": ["{SECRET}"]}}', headers={**me, **JSON})
    client.post("/api/v2/segment-targets/amplitude", content=SECRET, headers=me)
    client.put(f"/segment-imports/{SECRET}", content=SECRET, headers={**me, "Content-Type": "text/csv"})
    cohort = {
        "environmentId": "default/production",
        "cohortName": SECRET,
        "cohortId": f"c-{SECRET}",
        "listType": "user",
        "batch": [{"userId": SECRET, "add": True}],
    }
    client.post("/api/v2/segment-targets/amplitude", json=cohort, headers=me)

    server.stop()  # and what is written then
    output = server.output()
    assert SECRET not in output
    assert len([line for line in lines(server) if line["event"] == "request"]) > 30
    server.start()


def test_a_fault_is_told_by_types_and_places_and_never_by_its_words() -> None:
    try:
        try:
            fail(KeyError(SECRET))
        except KeyError as error:
            message = f"{SECRET} is wrong"
            raise RuntimeError(message) from error
    except RuntimeError:
        told = places_of(sys.exc_info())  # type: ignore[arg-type]  # there is one
    assert [one["type"] for one in told] == ["builtins.RuntimeError", "builtins.KeyError"]
    assert all("test_a_fault_is_told" in str(one["frames"]) for one in told)
    assert SECRET not in str(told)


def test_each_of_a_group_of_faults_is_told() -> None:
    try:
        fail(ExceptionGroup(SECRET, [ValueError(SECRET), KeyError(SECRET)]))
    except ExceptionGroup:
        told = places_of(sys.exc_info())  # type: ignore[arg-type]  # there is one
    assert [one["type"] for one in told] == ["builtins.ExceptionGroup", "builtins.ValueError", "builtins.KeyError"]
    assert SECRET not in str(told)


@dataclass
class Log:
    """The log of this process."""

    written: io.StringIO
    requests: RequestLines

    @property
    def lines(self) -> list[dict[str, Any]]:
        return [json.loads(line) for line in self.written.getvalue().splitlines()]


@pytest.fixture
def log(monkeypatch: pytest.MonkeyPatch) -> Iterator[Log]:
    """The log of this process, which is put back as it was."""
    written = io.StringIO()
    monkeypatch.setattr(sys, "stderr", written)
    root = logging.getLogger()
    before = root.handlers[:], root.level
    yield Log(written, configure_logging("info"))
    root.handlers[:], root.level = before


async def test_lines_are_written_on_after_a_write_that_failed(log: Log, monkeypatch: pytest.MonkeyPatch) -> None:
    asyncio.get_running_loop().set_exception_handler(lambda _loop, _context: None)
    with monkeypatch.context() as full:
        full.setattr(log.written, "write", lambda _text: fail(BlockingIOError()))
        log.requests.write("info", {"event": "lost"})
        await asyncio.sleep(0)
    for event in ("first", "second"):
        log.requests.write("info", {"event": event})
    await asyncio.sleep(0)
    assert [line["event"] for line in log.lines] == ["first", "second"]


def test_what_libraries_say_is_told_in_the_same_form(log: Log) -> None:
    logging.getLogger("pymongo").debug("a command with %s", SECRET)
    logging.getLogger("aiosqlite").info("values: %s", SECRET)
    try:
        fail(ValueError(SECRET))
    except ValueError:
        logging.getLogger("asyncio").exception("never retrieved")
    [line] = log.lines
    assert (line["event"], line["logger"], line["level"]) == ("never retrieved", "asyncio", "error")
    assert line["exception"][0]["type"] == "builtins.ValueError"
    assert SECRET not in log.written.getvalue()


@strawberry.type
class Query:
    @strawberry.field
    def failing(self) -> str:
        raise ValueError(SECRET)


async def broken(_request: Request) -> Response:
    raise ValueError(SECRET)


@pytest.mark.parametrize(("path", "status"), [("/graphql?query={failing}", 200), ("/broken", 500)])
async def test_a_fault_is_masked_and_its_incident_is_told_with_the_id_of_the_request(
    log: Log, path: str, status: int
) -> None:
    nothing_kept = MemoryCache[bytes](max_entries=0, max_bytes=0)
    limits = BodyLimits(1_000, 30)
    view = GraphQLView(Schema(Query), context_factory=ada, responses=nothing_kept, body_limits=limits)
    routes = [Route("/graphql", view), Route("/broken", broken)]
    app = Starlette(routes=routes, middleware=[Middleware(RequestLog, log=log.requests, metrics=Metrics())])
    async with httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://earlybird.test") as client:
        answer = await client.get(path, headers={"X-Request-Id": "the-request"})
    assert (answer.status_code, answer.headers["x-request-id"]) == (status, "the-request")
    incident = answer.json()["errors"][0]["extensions"]["incident"]
    await asyncio.sleep(0)  # lines are written at the end of a turn
    fault, line = log.lines
    assert incident in fault["event"]
    assert fault["exception"][0]["type"] == "builtins.ValueError"
    assert fault["request_id"] == line["request_id"] == "the-request"
    assert (line["status"], line["codes"]) == (status, ["INTERNAL_SERVER_ERROR"])
    assert SECRET not in log.written.getvalue() + answer.text
