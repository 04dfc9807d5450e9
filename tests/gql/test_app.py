"""The service as a process: health, stopping, settings, hard deaths."""

import gc
import json
import logging
import signal
import socket
import time
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

from gql.app import create_app
from gql.settings import Settings
from tests.gql.conftest import a_flag, data_of
from tests.servers import Server, printed_secrets

ADA = {"kind": "user", "key": "ada"}


@pytest.fixture
def own(tmp_path: Path) -> Iterator[Server]:
    """A service of the test's own."""
    with Server(f"sqlite:///{tmp_path}/deep/er/earlybird.db") as running:
        yield running


def test_alive_and_ready_say_so(own: Server) -> None:
    assert own.client.get("/healthz").json() == {"status": "alive"}
    ready = own.client.get("/readyz")
    assert ready.status_code == httpx.codes.OK
    assert ready.json() == {
        "ready": True,
        "store": "reachable",
        "snapshots": {"loaded": 2, "staleSeconds": 0},
    }


@pytest.fixture
def as_before() -> Iterator[None]:
    """Put back what a service in this process sets for all of it."""
    root, thresholds = logging.getLogger(), gc.get_threshold()
    handlers, level = root.handlers[:], root.level
    yield
    gc.unfreeze()
    gc.set_threshold(*thresholds)
    root.handlers[:], root.level = handlers, level


@pytest.mark.usefixtures("as_before")
async def test_what_is_loaded_at_the_start_is_collected_no_more(tmp_path: Path) -> None:
    app = create_app(Settings(store=f"sqlite:///{tmp_path}/x.db", examples="examples"))
    gc.collect()
    loaded_before = len(gc.get_objects())
    async with app.router.lifespan_context(app):
        assert gc.get_freeze_count() > loaded_before
        assert gc.get_threshold() == (10_000, 20, 50)


def test_a_second_start_keeps_the_data_and_prints_no_secret(own: Server) -> None:
    own.import_flags({"flagValues": {"a": 1}})
    assert own.stop() in {0, -signal.SIGTERM}
    own.start()
    assert own.evaluate("a", ADA)["evaluate"]["value"] == 1
    own.stop()
    assert "eb_" not in own.output()


def test_a_stop_answers_the_requests_in_flight(own: Server) -> None:
    own.import_flags(data_of(*(a_flag(f"f{n}") for n in range(100))))
    query = """query ($c: [JSON!]!) { evaluateBatch(environment: {project: "default", environment: "production"},
        contexts: $c) { results { evaluations { value } } } }"""
    body = {"query": query, "variables": {"c": [ADA] * 400}}
    headers = {"Authorization": f"Bearer {own.token}"}
    request = own.client.build_request("POST", "/graphql", json=body, headers=headers)
    whole = request.read()
    lines = [f"{name}: {value}" for name, value in request.headers.items()]
    head = "\r\n".join(["POST /graphql HTTP/1.1", *lines, "Connection: close", "", ""])
    with socket.create_connection(("127.0.0.1", own.port)) as connection:
        # All but the last byte: the request is surely in flight when the stop begins.
        connection.sendall(head.encode() + whole[:-1])
        time.sleep(0.2)
        assert own.process is not None
        own.process.terminate()
        time.sleep(0.3)
        connection.sendall(whole[-1:])
        answer = b"".join(iter(lambda: connection.recv(65536), b""))
    assert answer.startswith(b"HTTP/1.1 200")
    assert json.loads(answer.partition(b"\r\n\r\n")[2])["data"]["evaluateBatch"]["results"][399]
    assert own.process.wait(timeout=20) in {0, -signal.SIGTERM}


def test_settings_that_cannot_be_are_refused_in_words(tmp_path: Path) -> None:
    with (
        pytest.raises(AssertionError) as failure,
        Server(f"sqlite:///{tmp_path}/x.db", workers="0", max_body_bytes="many"),
    ):
        pass
    assert "Traceback" not in str(failure.value)
    assert "EARLYBIRD_WORKERS" in str(failure.value)
    assert "EARLYBIRD_MAX_BODY_BYTES" in str(failure.value)


def test_a_store_that_cannot_be_is_refused_in_words() -> None:
    with pytest.raises(AssertionError) as failure, Server("redis://nowhere"):
        pass
    assert "sqlite:///" in str(failure.value)
    assert "Traceback" not in str(failure.value)


@pytest.mark.parametrize("cohort", ["{not json", '{"environmentId": "x", "batch": []}'])
def test_example_cohorts_that_cannot_be_read_leave_a_new_store_new(tmp_path: Path, cohort: str) -> None:
    (tmp_path / "cohorts").mkdir()
    (tmp_path / "cohorts" / "amplitude.json").write_text(cohort)
    (tmp_path / "flag-data.json").write_text("{}")
    store = f"sqlite:///{tmp_path}/x.db"
    with pytest.raises(AssertionError) as failure, Server(store, examples=str(tmp_path)):
        pass
    assert "Traceback" not in str(failure.value)
    with Server(store, token=None) as server:
        server.stop()
        assert "owner token" in printed_secrets(server)


@pytest.mark.parametrize("content", [None, "{not json", '{"flags": {"f": {"on": 1}}}'])
def test_examples_that_cannot_be_imported_leave_a_new_store_new(tmp_path: Path, content: str | None) -> None:
    examples = tmp_path / "examples.json"
    if content is not None:
        examples.write_text(content)
    store = f"sqlite:///{tmp_path}/x.db"
    with pytest.raises(AssertionError) as failure, Server(store, examples=str(examples)):
        pass
    assert "examples.json" in str(failure.value) or "flags.f.on" in str(failure.value)
    assert "Traceback" not in str(failure.value)
    with Server(store, token=None) as server:
        server.stop()
        assert "owner token" in printed_secrets(server)


def test_a_bootstrap_token_may_end_in_a_new_line_as_mounted_secrets_do(tmp_path: Path) -> None:
    with Server(f"sqlite:///{tmp_path}/x.db", token="a-secret-from-a-file\n") as server:
        server.token = "a-secret-from-a-file"
        assert server.post("{ projects { totalCount } }")["projects"] == {"totalCount": 1}


@pytest.mark.parametrize("token", ["nicht-nur-ASCII-äöü", "two words"])
def test_a_bootstrap_token_that_no_header_can_carry_is_refused(tmp_path: Path, token: str) -> None:
    server = Server(f"sqlite:///{tmp_path}/x.db", token=token)
    with pytest.raises(AssertionError, match="EARLYBIRD_BOOTSTRAP_TOKEN"), server:
        pass


def test_a_short_bootstrap_token_works_with_a_warning(tmp_path: Path) -> None:
    with Server(f"sqlite:///{tmp_path}/x.db", token="try") as server:
        assert server.post("{ projects { totalCount } }")["projects"] == {"totalCount": 1}
        assert "short enough to be guessed" in server.output()


def test_pages_of_the_origins_named_may_ask_and_no_others(tmp_path: Path) -> None:
    with Server(f"sqlite:///{tmp_path}/x.db", cors_origins="https://shop.example, https://app.example") as server:
        asked = {"Access-Control-Request-Method": "POST", "Access-Control-Request-Headers": "authorization"}
        for origin, allowed in (("https://app.example", "https://app.example"), ("https://evil.example", None)):
            answer = server.client.options("/graphql", headers={"Origin": origin, **asked})
            assert answer.headers.get("access-control-allow-origin") == allowed
        asked["Access-Control-Request-Method"] = "PUT"
        asked["Access-Control-Request-Headers"] = "authorization, content-encoding, content-type"
        answer = server.client.options("/segment-imports/x", headers={"Origin": "https://app.example", **asked})
        assert answer.status_code == httpx.codes.OK, "pages may upload members"


def test_a_file_that_is_no_store_is_refused_in_words(tmp_path: Path) -> None:
    (tmp_path / "x.db").write_text("something else " * 100)
    with pytest.raises(AssertionError, match="no SQLite database"), Server(f"sqlite:///{tmp_path}/x.db"):
        pass


def test_an_empty_setting_is_none(tmp_path: Path) -> None:
    with Server(f"sqlite:///{tmp_path}/x.db", token=None, bootstrap_token="", workers="") as server:
        server.stop()
        assert "owner token" in printed_secrets(server)


def test_a_body_over_the_limit_names_the_setting(tmp_path: Path) -> None:
    with Server(f"sqlite:///{tmp_path}/x.db", max_body_bytes="2000") as server:
        answer = server.import_flags({"flagValues": {"a": "x" * 3000}})
        assert answer.response.status_code == httpx.codes.REQUEST_ENTITY_TOO_LARGE
        assert answer.errors[0]["extensions"]["setting"] == "EARLYBIRD_MAX_BODY_BYTES"
        assert server.evaluate("a", ADA)["evaluate"]["value"] is None


def test_a_document_over_its_limits_names_the_setting(own: Server) -> None:
    answer = own.post("{ " + " ".join(f"a{n}: __typename" for n in range(200)) + " }")
    settings = {v["setting"] for v in answer.errors[0]["extensions"]["violations"]}
    assert settings == {"EARLYBIRD_MAX_QUERY_ALIASES", "EARLYBIRD_MAX_QUERY_ROOT_FIELDS"}


def test_the_example_data_tells_its_story(tmp_path: Path) -> None:
    examples = json.loads(Path("examples/flag-data.json").read_text())
    with Server(f"sqlite:///{tmp_path}/x.db", "--examples", "examples") as server:
        member = {**ADA, "eap-opt-in": ["eap2"]}
        assert server.evaluate("new-dashboard", ADA)["evaluate"]["reason"]["ruleId"] == "eap"
        assert server.evaluate("ai-summaries", {**member, "key": "x"})["evaluate"]["value"] is True
        assert server.evaluate("ai-summaries", {**member, "country": "XA"})["evaluate"]["value"] is False
        assert server.evaluate("offline-mode", {"key": "linus"})["evaluate"]["reason"]["kind"] == "OFF"
        query = '{ environment(project: "default", key: "production") { flags { totalCount } segments { totalCount } } }'
        found = server.post(query)["environment"]
        assert found["flags"]["totalCount"] == len(examples["flags"]) + len(examples["flagValues"]) == 14
        kinds = """{ environment(project: "default", key: "production") { earlyAccessPrograms(active: true) {
            nodes { flagCount segment { key kind memberCount } } } } }"""
        programs = server.post(kinds)["environment"]["earlyAccessPrograms"]["nodes"]
        assert [(p["segment"]["kind"], p["segment"]["memberCount"], p["flagCount"]) for p in programs] == [
            ("SYNCED", 4, 1),
            ("RULE_BASED", 0, 1),
            ("RULE_BASED", 3, 3),
            ("LARGE_LIST", 25, 1),
        ]
        assert server.evaluate("bulk-export", {"key": "hedy"})["evaluate"]["value"] is True
        assert server.evaluate("research-survey", {"key": "hedy"})["evaluate"]["value"] in {"short", "long"}
        assert found["segments"]["totalCount"] == len(examples["segments"])
