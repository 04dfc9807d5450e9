"""What the service tells strangers of itself, by its settings, over HTTP."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from tests.servers import Server

HERE = 'environment(project: "default", key: "production")'
BROWSER = {"Accept": "text/html,application/xhtml+xml,*/*;q=0.8"}
INTROSPECTIONS = [
    "{ __schema { types { name } } }",
    '{ __type(name: "Query") { name } }',
    f"{{ {HERE} {{ key }} ...F }} fragment F on Query {{ s: __schema {{ queryType {{ name }} }} }}",
]
STATEMENT = '{effect: ALLOW, resources: ["proj/*"], actions: ["updateProjektName"]}'
NEARLY_RIGHT: list[tuple[str, dict[str, Any]]] = [
    ("{ projekts { totalCount } }", {}),
    ("{ projects { nodez { key } } }", {}),
    ("{ projects(frist: 1) { totalCount } }", {}),
    (f"{{ {HERE} {{ segments(kinds: [RULE_BASD]) {{ totalCount }} }} }}", {}),
    ('{ evaluate(environment: {projekt: "default"}, flagKey: "f", context: {}) { value } }', {}),
    (
        f"query ($k: [SegmentKind!]) {{ {HERE} {{ segments(kinds: $k) {{ totalCount }} }} }}",
        {"k": ["RULE_BASD"]},
    ),
    (
        'query ($e: EnvironmentRef) { evaluate(environment: $e, flagKey: "f", context: {}) { value } }',
        {"e": {"project": "p", "environmnt": "e"}},
    ),
    ("query ($x: Strin) { projects(after: $x) { totalCount } }", {}),
    ("{ ...F } fragment F on Quer { __typename }", {}),
    ("{ projects @skip(iff: true) { totalCount } }", {}),
    ('{ viewer { can(action: "updateProjektName", resource: "proj/default") } }', {}),
    (f'mutation {{ createRole(input: {{name: "r", policy: [{STATEMENT}]}}) {{ __typename }} }}', {}),
    (
        f"""mutation {{ createAccessToken(input: {{name: "t", isService: true, policy: [{STATEMENT}]}}) {{
            __typename }} }}""",
        {},
    ),
    (f"{{ simulatePolicy(policy: [{STATEMENT}], requests: []) {{ allowed }} }}", {}),
]


@pytest.fixture(scope="module")
def public(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    with Server(f"sqlite:///{tmp_path_factory.mktemp('public')}/x.db", public="1") as server:
        yield server


@pytest.mark.parametrize("query", INTROSPECTIONS)
def test_the_schema_is_told_locally_and_not_in_public(server: Server, public: Server, query: str) -> None:
    assert server.post(query).data
    answer = public.post(query)
    assert answer.data is None
    assert {error["extensions"]["code"] for error in answer.errors} == {"GRAPHQL_VALIDATION_FAILED"}


def test_the_name_of_a_type_is_told_in_public_too_since_clients_cache_by_it(public: Server) -> None:
    assert public.post("{ projects { __typename } }")["projects"] == {"__typename": "ProjectConnection"}


@pytest.mark.parametrize(("query", "variables"), NEARLY_RIGHT)
def test_what_was_meant_is_suggested_locally_and_not_in_public(
    server: Server, public: Server, query: str, variables: dict[str, Any]
) -> None:
    assert "Did you mean" in server.post(query, **variables).response.text
    answer = public.post(query, **variables)
    assert answer.errors
    assert "Did you mean" not in answer.response.text


def test_browsers_are_shown_the_ide_locally_and_not_in_public(server: Server, public: Server) -> None:
    assert server.client.get("/graphql", headers=BROWSER).headers["content-type"].startswith("text/html")
    refused = public.client.get("/graphql", headers=BROWSER)
    assert refused.headers["content-type"].startswith("application/json")
    assert refused.status_code == httpx.codes.BAD_REQUEST
    for server_, status in ((server, httpx.codes.OK), (public, httpx.codes.NOT_FOUND)):
        assert server_.client.get("/graphiql/ide.js").status_code == status


def test_metrics_are_read_by_everybody_locally_and_with_a_token_in_public(server: Server, public: Server) -> None:
    assert server.client.get("/metrics").status_code == httpx.codes.OK
    assert public.client.get("/metrics").status_code == httpx.codes.UNAUTHORIZED
    headers = {"Authorization": f"Bearer {public.token}"}
    assert public.client.get("/metrics", headers=headers).status_code == httpx.codes.OK


def test_each_can_be_told_in_public_all_the_same(tmp_path: Path) -> None:
    told = {"introspection": "true", "suggestions": "true", "ide": "true"}
    with Server(f"sqlite:///{tmp_path}/x.db", public="1", **told) as server:
        assert server.post(INTROSPECTIONS[0]).data
        assert "Did you mean" in server.post(NEARLY_RIGHT[0][0]).errors[0]["message"]
        assert server.client.get("/graphql", headers=BROWSER).headers["content-type"].startswith("text/html")


@pytest.mark.parametrize(
    ("media_type", "body"),
    [
        ("application/x-www-form-urlencoded", "query=mutation{__typename}"),
        ("text/plain", '{"query": "mutation { __typename }"}'),
        (
            "multipart/form-data; boundary=x",
            '--x\r\nContent-Disposition: form-data; name="query"\r\n\r\n{a}\r\n--x--',
        ),
        ("", '{"query": "mutation { __typename }"}'),
    ],
)
def test_what_a_foreign_page_can_post_without_asking_is_refused(
    server: Server, media_type: str, body: str
) -> None:
    headers = {"Authorization": f"Bearer {server.token}", "Content-Type": media_type}
    answer = server.client.post("/graphql", content=body, headers=headers)
    assert answer.status_code == httpx.codes.UNSUPPORTED_MEDIA_TYPE


def test_a_mutation_by_get_is_refused_and_no_cookie_is_given_or_taken(server: Server) -> None:
    headers = {"Authorization": f"Bearer {server.token}"}
    answer = server.client.get("/graphql", params={"query": "mutation { __typename }"}, headers=headers)
    assert answer.status_code == httpx.codes.METHOD_NOT_ALLOWED
    assert "set-cookie" not in answer.headers
    cookie = {"Cookie": f"authorization=Bearer {server.token}"}
    answer = server.client.get("/graphql", params={"query": "{ projects { totalCount } }"}, headers=cookie)
    assert answer.json()["errors"][0]["extensions"]["code"] == "UNAUTHENTICATED"


def test_pages_of_other_origins_may_not_ask_by_default(server: Server) -> None:
    asked = {"Origin": "https://x.example", "Access-Control-Request-Method": "POST"}
    for answer in (
        server.client.options("/graphql", headers=asked),
        server.client.post("/graphql", json={"query": "{ __typename }"}, headers={"Origin": "https://x.example"}),
    ):
        assert not [name for name in answer.headers if name.startswith("access-control")]
