"""Prometheus metrics over HTTP: what is counted grows, what is gone is dropped, and clients make no series."""

import time
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest
from prometheus_client.openmetrics.parser import text_string_to_metric_families as parse_openmetrics

from domain.access.roles import BaseRole
from tests.gql.conftest import a_flag, a_rule_on_segments, data_of
from tests.gql.grants import a_token_with
from tests.gql.metrics import Series, growth, scrape, value
from tests.servers import Server, printed_secrets
from tests.storage.servers import MongoServer

ADA = {"kind": "user", "key": "ada"}
BOB = '{key: "bob"}'
PLACE = 'environment: {project: "default", environment: "production"}'


@pytest.fixture
def own(tmp_path: Path) -> Iterator[Server]:
    """A service of the test's own."""
    with Server(f"sqlite:///{tmp_path}/earlybird.db") as running:
        yield running


def test_requests_operations_and_evaluations_are_counted(server: Server) -> None:
    server.import_flags(data_of(a_flag("a"), a_flag("b")))

    def work() -> None:
        server.evaluate("a", ADA)["evaluate"]
        server.post(f"query {{ evaluateFlags({PLACE}, context: {BOB}) {{ revision }} }}")["evaluateFlags"]
        server.client.get("/healthz")
        server.client.get("/graphql/wp-admin.php")

    grown = growth(server, work)
    assert grown("http_requests_total", route="/graphql", status="2xx") == 2
    assert grown("http_request_duration_seconds_count", route="/graphql") == 2
    assert 0 < grown("http_request_duration_seconds_sum", route="/graphql") < 2
    assert grown("http_requests_total", route="/healthz", status="2xx") == 1
    assert grown("http_requests_total", route="OTHER", status="4xx") == 1
    assert grown("graphql_operations_total", type="query") == 2
    assert grown("evaluations_total") == 3


def test_errors_are_counted_by_their_codes_and_refused_evaluations_are_none(server: Server) -> None:
    server.import_flags(data_of(a_flag("a"), a_flag("b"), a_flag("c")))

    def work() -> None:
        assert server.post("{ projects { totalCount } }", token="").code == "UNAUTHENTICATED"
        assert server.post("{ projects", token="unknown").code == "UNAUTHENTICATED"
        assert server.post("{ projects").code == "GRAPHQL_PARSE_FAILED"
        assert server.post("{ nonsense }").code == "GRAPHQL_VALIDATION_FAILED"
        contexts = ", ".join([BOB] * 100)
        batch = f"{{ evaluateBatch({PLACE}, contexts: [{contexts}]) {{ revision }} }}"
        assert server.post(batch).code == "LIMIT_EXCEEDED"

    grown = growth(server, work)
    assert grown("graphql_errors_total", code="UNAUTHENTICATED") == 2
    assert grown("graphql_errors_total", code="GRAPHQL_PARSE_FAILED") == 1
    assert grown("graphql_errors_total", code="GRAPHQL_VALIDATION_FAILED") == 1
    assert grown("graphql_errors_total", code="LIMIT_EXCEEDED") == 1
    assert grown("http_requests_total", route="/graphql", status="4xx") == 1
    assert grown("graphql_operations_total", type="query") == 2
    assert grown("evaluations_total") == 0


def test_caches_are_counted_by_unit(server: Server) -> None:
    rule = a_rule_on_segments("list")
    beta = {"key": "list", "unbounded": True}
    flags = [a_flag(f"f{number}") for number in range(10)]
    server.import_flags(data_of(a_flag("listed", rules=[rule]), *flags, segments=(beta,)))
    server.post(
        f'mutation {{ addSegmentMembers(input: {{{PLACE}, segmentKey: "list", keys: ["zoe"]}}) {{ revision }} }}'
    )["addSegmentMembers"]
    ask = f"{{ evaluateFlags({PLACE}, context: {BOB}) {{ revision }} }}"
    grown = growth(server, lambda: [server.post(ask)["evaluateFlags"] for _ in range(3)])
    assert grown("cache_misses_total", unit="responses") == 1
    assert grown("cache_hits_total", unit="responses") == 2
    assert grown("cache_misses_total", unit="largeLists") == 1
    assert grown("cache_evictions_total", unit="largeLists") == 0
    series = scrape(server)
    assert value(series, "cache_entries", unit="responses") > 0
    assert value(series, "cache_bytes", unit="responses") > 0


def test_evictions_are_counted(tmp_path: Path) -> None:
    with Server(f"sqlite:///{tmp_path}/earlybird.db", cache_entries="2") as server:
        server.import_flags(data_of(*(a_flag(f"f{number}") for number in range(10))))
        for number in range(5):
            server.post(f'{{ evaluateFlags({PLACE}, context: {{key: "{number}"}}) {{ revision }} }}')[
                "evaluateFlags"
            ]
        assert value(scrape(server), "cache_evictions_total", unit="responses") == 3
        assert value(scrape(server), "cache_evictions_total", unit="responses") == 3


def test_changes_imports_and_the_store_are_counted(server: Server) -> None:
    def work() -> None:
        server.import_flags(data_of(a_flag("f", variations=[time.time_ns(), 0])))
        server.evaluate("f", ADA)["evaluate"]

    grown = growth(server, work)
    assert grown("changes_total", action="importFlagData") == 1
    assert grown("graphql_operations_total", type="mutation") == 1
    assert grown("store_duration_seconds_count", method="commit") == 1
    assert 0 < grown("store_duration_seconds_sum", method="commit") < 5
    assert grown("store_failures_total", method="commit") == 0


def test_imports_and_syncs_of_large_lists_are_counted_by_how_they_ended(server: Server) -> None:
    headers = {"Authorization": f"Bearer {server.token}"}
    create = "mutation ($input: CreateSegmentInput!) { createSegment(input: $input) { segment { key } } }"
    start = "mutation ($input: StartSegmentImportInput!) { startSegmentImport(input: $input) { uploadUrl } }"
    place = {"project": "default", "environment": "production"}
    segment = {"environment": place, "key": "counted", "name": "counted", "largeList": {"contextKind": "user"}}

    def work() -> None:
        server.post(create, input=segment)["createSegment"]
        new = {"environment": place, "segmentKey": "counted", "mode": "MERGE"}
        url = server.post(start, input=new)["startSegmentImport"]["uploadUrl"]
        sent = server.client.put(url, content="a\nb\n", headers={**headers, "Content-Type": "text/csv"})
        assert sent.status_code == httpx.codes.OK
        batch = [{"userId": "u1", "cohortName": "Counted", "cohortId": "counted", "value": True}]
        message = {"environmentId": "default/production", "batch": batch}
        synced = server.client.post("/api/v2/segment-targets/amplitude", json=message, headers=headers)
        assert synced.is_success, synced.text

    grown = growth(server, work)
    assert grown("changes_total", action="startSegmentImport") == 1
    assert grown("list_changes_total", mode="MERGE", state="COMPLETED") == 2
    assert grown("http_requests_total", route="/segment-imports/{import_id:path}", status="2xx") == 1
    assert grown("http_requests_total", route="/api/v2/segment-targets/{integration}", status="2xx") == 1


def test_snapshots_are_shown_by_environment_until_it_is_deleted(own: Server) -> None:
    assert value(scrape(own), "ready") == 1
    edit = "mutation ($input: %sEnvironmentInput!) { %sEnvironment(input: $input) { __typename } }"
    new = {"project": "default", "key": "staging", "name": "Staging"}
    own.post(edit % ("Create", "create"), input=new)["createEnvironment"]
    began = time.time()
    for number in range(2):
        revision = own.import_flags({"flagValues": {"a": number}}, environment="staging")["importFlagData"][
            "revision"
        ]
        series = scrape(own)
        assert value(series, "snapshot_revision", environment="default/staging") == revision
        taken = value(series, "snapshot_timestamp_seconds", environment="default/staging")
        assert began - 0.01 <= taken <= time.time()
        began = taken
    gone = {"environment": {"project": "default", "environment": "staging"}}
    own.post(edit % ("Delete", "delete"), input=gone)
    labels = {dict(labels).get("environment") for _, labels in scrape(own)}
    assert labels == {None, "default/production", "default/test"}


def test_clients_make_no_series(server: Server) -> None:
    def ask(number: int) -> None:
        flag, context = f"flag-{number}", {"kind": f"kind{number}", "key": f"user-{number}"}
        query = f"query Name{number} {{ alias{number}: projects {{ totalCount }} field{number} }}"
        body = {"query": query, "operationName": f"Name{number}"}
        headers = {"Authorization": f"Bearer {server.token}", "Accept": f"application/json, x/y{number}"}
        server.client.post("/graphql", json=body, headers=headers)
        server.client.request(f"METHOD{number}", f"/graphql?a={number}")
        server.client.get(f"/{number}/{number}")
        server.client.get(f"/segment-exports/p{number}/e/{number}", headers=headers)
        server.client.post(f"/api/v2/segment-targets/tool{number}", json={}, headers=headers)
        server.evaluate(flag, context, e={"project": "default", "environment": f"e{number}"})
        server.evaluate(flag, context)

    for number in range(3):
        ask(number)
    before = set(scrape(server))
    for number in range(3, 200):
        ask(number)
    for number in range(1_000):
        server.evaluate(f"flag-{number}", {"kind": "user", "key": str(number)})
    assert set(scrape(server)) == before


def test_those_who_ask_for_openmetrics_get_it(server: Server) -> None:
    accept = "application/openmetrics-text;version=1.0.0,text/plain;version=0.0.4;q=0.5"
    answer = server.client.get("/metrics", headers={"Accept": accept})
    assert answer.headers["content-type"].startswith("application/openmetrics-text")
    assert "earlybird_evaluations" in {family.name for family in parse_openmetrics(answer.text)}  # type: ignore[no-untyped-call]  # it has no annotations


def test_metrics_can_be_for_those_who_may_view_them_or_for_nobody(tmp_path: Path) -> None:
    store = f"sqlite:///{tmp_path}/x.db"
    with Server(store, token=None, metrics="token") as server:
        secrets = printed_secrets_of(server)

        def status(token: str) -> int:
            return server.client.get("/metrics", headers={"Authorization": f"Bearer {token}"}).status_code

        assert server.client.get("/metrics").status_code == httpx.codes.UNAUTHORIZED
        assert status("unknown") == httpx.codes.UNAUTHORIZED
        assert status(secrets["server SDK key, production"]) == httpx.codes.FORBIDDEN
        assert status(secrets["owner token"]) == httpx.codes.OK
        assert status(a_token_with(server, base=BaseRole.WRITER)) == httpx.codes.FORBIDDEN
    with Server(store, metrics="off") as server:
        assert server.client.get("/metrics").status_code == httpx.codes.NOT_FOUND


def printed_secrets_of(server: Server) -> dict[str, str]:
    """Read them without a stop: standard output goes to a file, and is flushed."""
    deadline = time.monotonic() + 5
    while not (found := printed_secrets(server)):
        assert time.monotonic() < deadline
        time.sleep(0.05)
    return found


def test_two_workers_count_together(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = tmp_path / "temporary"
    folder.mkdir()
    monkeypatch.setenv("TMPDIR", str(folder))
    with Server(f"sqlite:///{tmp_path}/earlybird.db", "--workers", "2") as server:
        flags = [a_flag(f"f{number}") for number in range(10)]
        revision = server.import_flags(data_of(*flags))["importFlagData"]["revision"]
        where = f"{PLACE}, atLeastRevision: {revision}"  # else the other worker may not have the flags yet
        ask = {"query": f"{{ evaluateFlags({where}, context: {BOB}) {{ revision }} }}"}
        headers = {"Authorization": f"Bearer {server.token}"}
        before = scrape(server)
        for _ in range(40):  # each connection may land on either worker
            with httpx.Client(base_url=server.client.base_url, headers=headers) as client:
                client.post("/graphql", json=ask).raise_for_status()

        def seen(after: Series) -> tuple[float, ...]:
            def grown(name: str, **labels: str) -> float:
                return value(after, name, **labels) - value(before, name, **labels)

            misses = grown("cache_misses_total", unit="responses")
            cached = grown("cache_hits_total", unit="responses") + misses
            return (
                grown("graphql_operations_total", type="query"),
                cached,
                grown("evaluations_total") - 10 * misses,
            )

        deadline = time.monotonic() + 5
        while seen(shown := scrape(server)) != (40, 40, 0):  # on one connection: one worker answers for both
            assert time.monotonic() < deadline, seen(shown)
            time.sleep(0.05)
        assert {seen(scrape(server, anew=True)) for _ in range(10)} == {(40, 40, 0)}
        assert server.process is not None
        assert len(list(folder.glob("earlybird-metrics-*/counter_*.db"))) == 2
        server.stop()
    assert list(folder.iterdir()) == []


def test_a_store_that_is_away_shows(tmp_path: Path) -> None:
    mongo = MongoServer(standalone=True, storage_path=str(tmp_path / "data"))
    mongo.start()
    try:
        with Server(mongo.url("away") + "?serverSelectionTimeoutMS=300") as server:
            server.import_flags({"flagValues": {"f": 1}})["importFlagData"]
            assert value(scrape(server), "store_away_seconds") == 0
            mongo.kill()
            assert server.import_flags({"flagValues": {"f": 2}}).code == "UNAVAILABLE"
            deadline = time.monotonic() + 10
            while value(series := scrape(server), "store_away_seconds") == 0:
                assert time.monotonic() < deadline
                time.sleep(0.05)
            assert value(series, "ready") == 0
            assert sum(v for (name, _), v in series.items() if name == "earlybird_store_failures_total") > 0
            assert value(series, "snapshot_revision", environment="default/production") == 1
    finally:
        mongo.stop()
