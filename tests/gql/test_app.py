"""The service as a process: health, stopping, several workers, hard deaths."""

import json
import signal
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

from tests.gql.conftest import a_flag, data_of
from tests.servers import Server

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
    answers: list[int] = []

    def ask() -> None:
        answer = own.post(query, c=[ADA] * 400)
        answers.append(len(answer["evaluateBatch"]["results"]))

    asking = threading.Thread(target=ask)
    asking.start()
    time.sleep(0.3)
    own.stop()
    asking.join()
    assert answers == [400]


def test_two_workers_serve_one_store(tmp_path: Path) -> None:
    with Server(f"sqlite:///{tmp_path}/earlybird.db", "--workers", "2") as server:
        for number in range(10):
            server.import_flags({"flagValues": {"n": number}})
            deadline = time.monotonic() + 2
            # Another process learns of a change by the feed, soon; each connection may land on either.
            while True:
                seen = set()
                for _ in range(6):
                    with httpx.Client(base_url=server.client.base_url) as client:
                        body = {
                            "query": '{ evaluate(environment: {project: "default", environment: "production"}, flagKey: "n", context: {key: "a"}) { value } }'
                        }
                        headers = {"Authorization": f"Bearer {server.token}"}
                        answer = client.post("/graphql", json=body, headers=headers).json()
                        seen.add(answer["data"]["evaluate"]["value"])
                if seen == {number} or time.monotonic() > deadline:
                    break
            assert seen == {number}
        assert server.stop() in {0, -signal.SIGTERM}


def test_settings_that_cannot_be_are_refused_in_words(tmp_path: Path) -> None:
    server = Server(f"sqlite:///{tmp_path}/x.db", workers="0", max_body_bytes="many")
    with pytest.raises(AssertionError) as failure:
        server.start()
    server.__exit__()
    assert "EARLYBIRD_WORKERS" in str(failure.value)
    assert "EARLYBIRD_MAX_BODY_BYTES" in str(failure.value)


def test_a_store_that_cannot_be_is_refused_in_words() -> None:
    server = Server("redis://nowhere")
    with pytest.raises(AssertionError) as failure:
        server.start()
    server.__exit__()
    assert "sqlite:///" in str(failure.value)
    assert "Traceback" not in str(failure.value)


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
    with Server(f"sqlite:///{tmp_path}/x.db", "--examples", "examples/flag-data.json") as server:
        member = {**ADA, "eap-opt-in": ["eap2"]}
        assert server.evaluate("new-dashboard", ADA)["evaluate"]["reason"]["ruleId"] == "eap"
        assert server.evaluate("ai-summaries", {**member, "key": "x"})["evaluate"]["value"] is True
        assert server.evaluate("ai-summaries", {**member, "country": "XA"})["evaluate"]["value"] is False
        assert server.evaluate("offline-mode", {"key": "linus"})["evaluate"]["reason"]["kind"] == "OFF"
        query = '{ environment(project: "default", key: "production") { flags { totalCount } segments { totalCount } } }'
        found = server.post(query)["environment"]
        assert found["flags"]["totalCount"] == len(examples["flags"]) + len(examples["flagValues"]) == 12
        assert found["segments"]["totalCount"] == len(examples["segments"])
