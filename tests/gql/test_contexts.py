"""Contexts that evaluation meets, over HTTP: remembered, found again, resolved for a bulk edit, forgotten."""

import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.gql.conftest import a_flag, data_of
from tests.gql.segments import bulk_edit, create
from tests.servers import Answer, Server, printed_secrets

WAIT_SECONDS = 10.0
CONTEXTS = """query ($part: String, $kinds: [String!], $first: Int, $after: String, $env: String = "production") {
  environment(project: "default", key: $env) { contexts(query: $part, kinds: $kinds, first: $first, after: $after) {
    nodes { kind key name email lastSeenAt attributes } pageInfo { hasNextPage endCursor } } } }"""
RESOLVE = """query ($text: String!, $kind: String! = "user", $segment: String) {
  environment(project: "default", key: "production") {
    resolveTargets(text: $text, contextKind: $kind, segment: $segment) { input status key current contexts { key } } } }"""
BATCH = (
    """query ($e: EnvironmentRef, $c: [JSON!]!) { evaluateBatch(environment: $e, contexts: $c) { revision } }"""
)
FLAGS = """query ($e: EnvironmentRef, $c: JSON!) { evaluateFlags(environment: $e, context: $c) { revision } }"""
PRODUCTION = {"project": "default", "environment": "production"}


@pytest.fixture(scope="module")
def met(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """A service that met some people, by each of the ways to evaluate, and has stored them."""
    folder = tmp_path_factory.mktemp("met")
    with Server(f"sqlite:///{folder}/earlybird.db", max_targets="5") as server:
        server.import_flags(data_of(a_flag("f")))
        evaluate_all(server)
        yield server


def evaluate_all(server: Server) -> None:
    ada = {"kind": "user", "key": "ada", "name": "Ada Lovelace", "email": "Ada@X.test", "ssn": "1"}
    private = {
        "address": {"street": "S", "city": "London"},
        "_meta": {"privateAttributes": ["ssn", "/address/street"]},
    }
    server.evaluate("f", ada | private)
    secret = {"kind": "user", "key": "bob", "email": "b@x.test", "name": "Bob", "plan": "pro"}
    server.post(FLAGS, e=PRODUCTION, c=secret | {"_meta": {"privateAttributes": ["email", "name"]}})
    both = {
        "kind": "multi",
        "user": {"key": "cleo", "email": "ada@x.TEST"},
        "org": {"key": "acme", "name": "Acme"},
    }
    nobody = {"kind": "user", "key": "nobody", "anonymous": True}
    server.post(BATCH, e=PRODUCTION, c=[both, nobody, {"kind": "user"}, {"kind": "org", "key": "zeta"}])
    server.post(BATCH, e=PRODUCTION, c=[{"kind": "user", "key": "b@x.test"}, {"key": "old", "email": "o@x.test"}])
    wait_for(server, 7)


def contexts(server: Server, **variables: Any) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = server.post(CONTEXTS, **variables)["environment"]["contexts"]["nodes"]
    return found


def keys(server: Server, **variables: Any) -> list[str]:
    return [f"{context['kind']}:{context['key']}" for context in contexts(server, **variables)]


def wait_for(server: Server, count: int) -> None:
    give_up = time.monotonic() + WAIT_SECONDS
    while len(found := keys(server)) < count:
        assert time.monotonic() < give_up, found
        time.sleep(0.1)


def resolve(server: Server, text: str, **variables: Any) -> list[tuple[str, str, str | None, str | None]]:
    found = server.post(RESOLVE, text=text, **variables)["environment"]["resolveTargets"]
    assert all(len(entry["contexts"]) == (entry["status"] == "MATCHED") for entry in found if entry["key"])
    return [(entry["input"], entry["status"], entry["key"], entry["current"]) for entry in found]


def test_contexts_of_every_evaluation_are_remembered_but_for_anonymous_ones(met: Server) -> None:
    everybody = ["org:acme", "org:zeta", "user:ada", "user:b@x.test", "user:bob", "user:cleo", "user:old"]
    assert keys(met) == everybody
    assert keys(met, env="test") == []


def test_private_attributes_are_never_kept(met: Server) -> None:
    ada, _, bob, *_ = contexts(met, kinds=["user"])
    assert ada["attributes"] == {"name": "Ada Lovelace", "email": "Ada@X.test", "address": {"city": "London"}}
    assert (ada["name"], ada["email"]) == ("Ada Lovelace", "Ada@X.test")
    assert (bob["name"], bob["email"], bob["attributes"]) == (None, None, {"plan": "pro"})
    assert keys(met, part="bob") == ["user:bob"], "by its key"
    assert "user:bob" not in keys(met, part="b@x")


def test_contexts_are_found_by_key_name_or_email_and_by_kind(met: Server) -> None:
    assert keys(met, part="ADA") == ["user:ada", "user:cleo"]
    assert keys(met, part="lovelace") == ["user:ada"]
    assert keys(met, part="a", kinds=["org"]) == ["org:acme", "org:zeta"]
    assert keys(met, kinds=[]) == []


def test_contexts_come_in_pages_by_kind_and_key(met: Server) -> None:
    found: list[str] = []
    after = None
    while True:
        page = met.post(CONTEXTS, first=3, after=after)["environment"]["contexts"]
        found += [context["key"] for context in page["nodes"]]
        after = page["pageInfo"]["endCursor"]
        if not page["pageInfo"]["hasNextPage"]:
            break
    assert found == ["acme", "zeta", "ada", "b@x.test", "bob", "cleo", "old"]


def test_a_text_is_resolved_key_first_then_email(met: Server) -> None:
    assert resolve(met, " ada ,\r\nb@x.test\n\nO@X.TEST,, new , ada@x.test, ada") == [
        ("ada", "MATCHED", "ada", None),
        ("b@x.test", "MATCHED", "b@x.test", None),
        ("O@X.TEST", "MATCHED", "old", None),
        ("new", "UNKNOWN", "new", None),
        ("ada@x.test", "AMBIGUOUS", None, None),
    ]
    (ambiguous,) = met.post(RESOLVE, text="ada@x.test")["environment"]["resolveTargets"]
    assert ambiguous["contexts"] == [{"key": "ada"}, {"key": "cleo"}]
    assert resolve(met, "ada, acme", kind="org") == [
        ("ada", "UNKNOWN", "ada", None),
        ("acme", "MATCHED", "acme", None),
    ]
    assert resolve(met, " ,\n") == []


def test_what_comes_from_a_file_begins_with_no_mark(met: Server) -> None:
    assert resolve(met, "\ufeffada,new") == [("ada", "MATCHED", "ada", None), ("new", "UNKNOWN", "new", None)]


def test_what_a_bulk_edit_would_refuse_is_no_key_to_add(met: Server) -> None:
    long, odd, plain = "x" * 1_025, "n\0l", "x" * 1_024
    met.evaluate("f", {"key": "y" * 1_025})
    assert [key for _, _, key, _ in resolve(met, f"{long},{odd},{plain}")] == [None, None, plain]
    met.import_flags(data_of(segments=({"key": "long", "included": [long]},)), mode="MERGE")
    assert resolve(met, f"{long},{odd}", segment="long") == [
        (long, "UNKNOWN", long, "INCLUDED"),
        (odd, "UNKNOWN", None, None),
    ], "what is a target can be removed"


def test_a_resolution_tells_where_the_segment_has_the_key_now(met: Server) -> None:
    create(met, "s")
    bulk_edit(met, "ADD", ["old", "never-met"])
    bulk_edit(met, "ADD", ["bob"], "EXCLUDED")
    bulk_edit(met, "ADD", ["ada"], contextKind="org")
    current = [(key, now) for _, _, key, now in resolve(met, "o@x.test,never-met,bob,ada", segment="s")]
    assert current == [("old", "INCLUDED"), ("never-met", "INCLUDED"), ("bob", "EXCLUDED"), ("ada", None)]
    assert met.post(RESOLVE, text="ada", segment="gone").code == "NOT_FOUND"


def test_a_text_that_cannot_be_resolved_is_refused(met: Server) -> None:
    assert len(resolve(met, "1,2,3,4,5,5")) == 5
    answer = met.post(RESOLVE, text="1,2,3,4,5,6")
    assert answer.code == "LIMIT_EXCEEDED"
    assert answer.errors[0]["extensions"]["setting"] == "EARLYBIRD_MAX_TARGETS"
    assert met.post(RESOLVE, text="a", kind="multi").code == "BAD_USER_INPUT"


def test_a_text_counts_with_its_separators(met: Server) -> None:
    assert resolve(met, "," * 1_000_000) == []
    answer = met.post(RESOLVE, text="," * 1_000_001)
    assert answer.code == "LIMIT_EXCEEDED"
    assert answer.errors[0]["extensions"]["setting"] == "EARLYBIRD_MAX_TARGETS_CHARACTERS"
    assert answer.errors[0]["extensions"]["actual"] == 1_000_001


def test_what_is_met_last_is_stored_at_the_stop_and_forgotten_with_its_environment(tmp_path: Path) -> None:
    store = f"sqlite:///{tmp_path}/earlybird.db"
    with Server(store) as first:
        first.import_flags(data_of(a_flag("f")))
        first.evaluate("f", {"kind": "user", "key": "late"})
        first.stop()
    with Server(store) as second:
        assert keys(second) == ["user:late"]
        second.evaluate("f", {"kind": "user", "key": "seen"})
        wait_for(second, 2)
        delete = "mutation ($i: DeleteEnvironmentInput!) { deleteEnvironment(input: $i) { deletedEnvironmentId } }"
        assert not second.post(delete, i={"environment": PRODUCTION}).errors
        remade = "mutation ($i: CreateEnvironmentInput!) { createEnvironment(input: $i) { environment { key } } }"
        assert not second.post(remade, i={"project": "default", "name": "x", "key": "production"}).errors
        assert keys(second) == []


def test_without_retention_nothing_is_remembered_and_what_was_is_forgotten(tmp_path: Path) -> None:
    store = f"sqlite:///{tmp_path}/earlybird.db"
    with Server(store) as first:
        first.import_flags(data_of(a_flag("f")))
        first.evaluate("f", {"kind": "user", "key": "late"})
        first.stop()
    with Server(store, context_retention_days="0") as second:
        second.evaluate("f", {"kind": "user", "key": "other"})
        give_up = time.monotonic() + WAIT_SECONDS
        while keys(second):
            assert time.monotonic() < give_up
            time.sleep(0.1)
        second.stop()
    with Server(store) as third:
        assert keys(third) == []


def test_an_sdk_key_reads_no_contexts(tmp_path: Path) -> None:
    with Server(f"sqlite:///{tmp_path}/earlybird.db", token=None) as server:
        secrets = printed_secrets(server)
        for name, secret in secrets.items():
            if "SDK key" in name:
                denied: list[Answer] = [
                    server.post(CONTEXTS, token=secret),
                    server.post(RESOLVE, token=secret, text="a"),
                ]
                assert [answer.code for answer in denied] == ["FORBIDDEN", "FORBIDDEN"]
