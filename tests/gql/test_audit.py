"""The audit log over HTTP: one entry for each change, which says what changed."""

from collections.abc import Iterator
from typing import Any

import pytest

from tests.gql.conftest import a_flag, data_of
from tests.gql.flags import create, mutate
from tests.gql.lists import create as create_list
from tests.gql.lists import load
from tests.gql.metrics import growth
from tests.servers import Server

PRODUCTION = {"project": "default", "environment": "production"}
ENTRIES = """nodes { id at actor action resource comment summary revisions { scope revision }
  changes { kind entityId versionBefore versionAfter fields { path before after }
    rules { ruleId kind indexBefore indexAfter } targets { list contextKind added removed } } }
  pageInfo { hasNextPage endCursor }"""
LOG = f"""query ($p: String, $e: EnvironmentRef, $n: ID, $actor: String, $action: String, $since: DateTime,
  $until: DateTime, $first: Int, $after: String) {{
  auditLog(project: $p, environment: $e, nodeId: $n, actor: $actor, action: $action, since: $since, until: $until,
    first: $first, after: $after) {{ {ENTRIES} }} }}"""
SEGMENT = """{ environment(project: "default", key: "production") { segment(key: "audited") {
  id history(first: 50) { nodes { action } } } } }"""


pytestmark = pytest.mark.usefixtures("empty")


def log(server: Server, **wanted: Any) -> list[dict[str, Any]]:
    nodes: list[dict[str, Any]] = server.post(LOG, **wanted)["auditLog"]["nodes"]
    return nodes


def update_segment(server: Server, *instructions: dict[str, Any], **properties: Any) -> None:
    wish = {"environment": PRODUCTION, "segmentKey": "audited", "instructions": list(instructions), **properties}
    assert mutate(server, "updateSegment", "revision", **wish)["updateSegment"]


def test_an_entry_names_the_rules_and_the_targets_that_changed(server: Server) -> None:
    mutate(server, "createSegment", "revision", environment=PRODUCTION, name="audited")
    update_segment(server, {"addTargets": {"list": "INCLUDED", "keys": ["ann", "bob"]}})
    clause = {"attribute": "email", "op": "endsWith", "values": ["x.edu"]}
    update_segment(
        server,
        {"removeTargets": {"list": "INCLUDED", "keys": ["bob"]}},
        {"addRule": {"clauses": [clause]}},
        {"updateName": "Audited"},
        comment="because",
    )
    [entry] = log(server, e=PRODUCTION, first=1)
    assert (entry["actor"], entry["action"], entry["comment"]) == ("token/first-owner", "updateSegment", "because")
    assert entry["resource"] == "proj/default:env/production:segment/audited"
    [change] = entry["changes"]
    assert (change["kind"], change["entityId"]) == ("segment", "default/production/audited")
    assert (change["versionBefore"], change["versionAfter"]) == (2, 3)
    assert change["fields"] == [{"path": "name", "before": "audited", "after": "Audited"}]
    assert [(rule["kind"], rule["indexBefore"], rule["indexAfter"]) for rule in change["rules"]] == [
        ("ADDED", None, 0)
    ]
    assert change["targets"] == [{"list": "included", "contextKind": "user", "added": [], "removed": ["bob"]}]


def test_each_mutation_has_one_entry_and_what_changes_nothing_has_none(server: Server) -> None:
    create(server, "Flag")
    before = log(server, first=1)[0]["id"]
    wish = {"environment": PRODUCTION, "flagKey": "flag", "instructions": [{"turnOn": True}]}
    for _ in range(2):
        assert mutate(server, "updateFlagTargeting", "revision", **wish)["updateFlagTargeting"]
    mutate(server, "updateFlagTargeting", "revision", **{**wish, "instructions": [{"removeRules": ["nowhere"]}]})
    newest = log(server, first=2)
    assert [entry["action"] for entry in newest] == ["updateFlagTargeting", "createFlag"]
    assert newest[1]["id"] == before


def test_a_thing_has_its_own_history_imports_included(server: Server) -> None:
    mutate(server, "createSegment", "revision", environment=PRODUCTION, name="audited")
    mutate(server, "createSegment", "revision", environment=PRODUCTION, name="another")
    data = {"segments": {"audited": {"key": "audited", "version": 9, "included": ["x"]}}}
    assert server.import_flags(data, mode="MERGE")["importFlagData"]
    segment = server.post(SEGMENT)["environment"]["segment"]
    # The segment of an earlier test had the same name, and so the same id.
    assert [node["action"] for node in segment["history"]["nodes"]][:2] == ["importFlagData", "createSegment"]
    by_node = log(server, n=segment["id"], first=2)
    assert [entry["action"] for entry in by_node] == ["importFlagData", "createSegment"]


def test_a_history_begins_with_the_creation_of_its_thing(server: Server) -> None:
    query = """{ environment(project: "default", key: "production") {
      segment(key: "twice") { history(first: 9) { nodes { action } pageInfo { hasNextPage } } }
      history(first: 3) { nodes { action } } } }"""
    delete = "mutation ($i: DeleteSegmentInput!) { deleteSegment(input: $i) { revision } }"
    for _ in range(2):
        server.import_flags(data_of(segments=({"key": "twice"},)), mode="MERGE")
        edit = {"environment": PRODUCTION, "segmentKey": "twice", "instructions": [{"addTags": ["t"]}]}
        update = "mutation ($i: UpdateSegmentInput!) { updateSegment(input: $i) { revision } }"
        assert server.post(update, i=edit)["updateSegment"]
        found = server.post(query)["environment"]
        server.post(delete, i={"environment": PRODUCTION, "segmentKey": "twice"})
    history = found["segment"]["history"]
    assert [node["action"] for node in history["nodes"]] == ["updateSegment", "importFlagData"]
    assert history["pageInfo"] == {"hasNextPage": False}
    assert found["history"]["nodes"][2]["action"] == "deleteSegment", "what was there before is in the log"


def test_an_import_says_why_and_names_its_environment_as_policies_do(server: Server) -> None:
    wish = {"environment": PRODUCTION, "data": data_of(a_flag("f")), "comment": "from the old one"}
    assert mutate(server, "importFlagData", "revision", **wish)["importFlagData"]
    [entry] = log(server, e=PRODUCTION, first=1)
    assert (entry["comment"], entry["resource"]) == ("from the old one", "proj/default:env/production")


def test_a_flag_that_was_imported_with_many_others_finds_its_change(server: Server) -> None:
    for on in (False, True):
        flags = [a_flag(f"f{number:03}", on=on) for number in range(250)]
        assert server.import_flags(data_of(*flags))["importFlagData"]
    query = """{ environment(project: "default", key: "production") { flag(key: "f249") { id history(first: 1) {
        nodes { unlistedCount changes { entityId fields { path before after } } } } } } }"""
    flag = server.post(query)["environment"]["flag"]
    [entry] = flag["history"]["nodes"]
    [change] = entry["changes"]
    assert change["entityId"] == "default/production/f249"
    assert change["fields"] == [{"path": "on", "before": False, "after": True}]
    assert entry["unlistedCount"] == 249
    assert log(server, n=flag["id"], first=1)[0]["changes"][0]["fields"] == change["fields"]


def test_an_import_of_members_is_one_entry(server: Server) -> None:
    create_list(server, "counted")
    load(server, "counted", "a\nb\n")
    newest = log(server, e=PRODUCTION, first=2)
    assert [entry["action"] for entry in newest] == ["startSegmentImport", "createSegment"]
    assert newest[0]["summary"]["added"] == 2
    assert [change["kind"] for change in newest[0]["changes"]] == ["segment"]


def test_the_log_is_filtered_and_paged_newest_first(server: Server) -> None:
    for name in ("a", "b", "c"):
        create(server, name)
    page = server.post(LOG, action="createFlag", first=2)["auditLog"]
    assert [entry["resource"].rpartition("/")[2] for entry in page["nodes"]] == ["c", "b"]
    assert page["pageInfo"]["hasNextPage"]
    [after] = log(server, action="createFlag", first=1, after=page["pageInfo"]["endCursor"])
    assert after["resource"].endswith("/a")
    newest, middle = page["nodes"]
    assert log(server, since=newest["at"], action="createFlag", first=5)[0]["id"] == newest["id"]
    assert newest["id"] not in [entry["id"] for entry in log(server, until=middle["at"], first=5)]
    assert log(server, actor="token/nobody") == []
    assert log(server, p="nowhere") == []


def test_the_log_is_not_for_everybody(server: Server) -> None:
    assert server.post(LOG, token="").code == "UNAUTHENTICATED"
    assert server.post(LOG, p="default", e=PRODUCTION).code == "BAD_USER_INPUT"
    assert server.post(LOG, after="junk").code == "BAD_USER_INPUT"
    assert server.post(LOG, n="junk").code == "BAD_USER_INPUT"


HISTORIES = """query ($p: String!) { project(key: $p) { history(first: 3) { nodes { action } }
  environments { nodes { key history(first: 3) { nodes { action } } } } } }"""


def histories(server: Server, project: str) -> dict[str, list[str]]:
    """The newest actions on a project (by the name "") and on each of its environments, newest first."""
    found = server.post(HISTORIES, p=project)["project"]
    places = [("", found), *((place["key"], place) for place in found["environments"]["nodes"])]
    return {key: [entry["action"] for entry in place["history"]["nodes"]] for key, place in places}


@pytest.fixture
def aside(server: Server) -> Iterator[str]:
    """A project of the test's own."""
    assert mutate(server, "createProject", "project { id }", name="Aside")["createProject"]
    yield "aside"
    assert mutate(server, "deleteProject", "deletedProjectId", project="aside")["deleteProject"]


def test_an_environments_history_has_what_changed_it_and_not_what_was_only_decided_on_it(
    server: Server, aside: str
) -> None:
    production, test = ({"project": aside, "environment": key} for key in ("production", "test"))
    flag = {"project": aside, "flagKey": "f"}
    turned_on = [{"turnOn": True}]
    steps: list[tuple[str, dict[str, Any], set[str]]] = [
        ("createFlag", {"project": aside, "name": "f"}, {"production", "test"}),
        (
            "updateFlagTargeting",
            {"environment": production, "flagKey": "f", "instructions": turned_on},
            {"production"},
        ),
        ("copyFlagTargeting", {"source": production, "target": test, "flagKey": "f"}, {"test"}),
        ("updateFlag", {**flag, "instructions": [{"updateName": "F"}]}, {"production", "test"}),
        ("createEnvironment", {"project": aside, "name": "Staging"}, {"staging"}),
        ("archiveFlag", flag, {"production", "test", "staging"}),
        ("rotateSdkKey", {"environment": test, "kind": "CLIENT_SDK_KEY"}, {"test"}),
        ("updateEnvironment", {"environment": test, "instructions": [{"updateName": "T"}]}, {"test"}),
        ("deleteEnvironment", {"environment": {"project": aside, "environment": "staging"}}, {"staging"}),
        ("deleteFlag", flag, {"production", "test"}),
    ]
    for action, wish, changed in steps:
        assert mutate(server, action, "__typename", **wish)[action]
        newest = histories(server, aside)
        assert newest.pop("")[0] == action
        assert {key for key, actions in newest.items() if actions[0] == action} == changed & newest.keys(), action
        gone = [{"project": aside, "environment": key} for key in changed - newest.keys()]
        assert all(log(server, e=place, first=1)[0]["action"] == action for place in gone)
    assert [entry["action"] for entry in log(server, e=production, first=2)] == ["deleteFlag", "archiveFlag"]


def test_the_histories_of_many_things_are_asked_of_the_store_together(server: Server) -> None:
    segments = tuple({"key": f"s{number:02}", "included": ["ann"]} for number in range(50))
    flags = [a_flag(f"f{number:02}") for number in range(30)]
    assert server.import_flags(data_of(*flags, segments=segments))["importFlagData"]
    history = "nodes { id history(first: 2) { nodes { id unlistedCount changes { entityId versionAfter } } } }"
    query = f"""{{ environment(project: "default", key: "production") {{
      segments(first: 50) {{ {history} }} flags(first: 30) {{ {history} }} }} }}"""
    answers: list[Any] = []
    grown = growth(server, lambda: answers.append(server.post(query)["environment"]))
    assert grown("store_duration_seconds_count", method="latest_entries") == 1
    assert grown("store_duration_seconds_count", method="list_entries") == 0
    [environment] = answers
    nodes = [*environment["segments"]["nodes"], *environment["flags"]["nodes"]]
    assert len(nodes) == 80
    alone = "query ($n: ID) { auditLog(nodeId: $n, first: 2) { nodes { id unlistedCount changes { entityId versionAfter } } } }"
    for node in (nodes[0], nodes[49], nodes[50], nodes[79]):
        assert node["history"] == server.post(alone, n=node["id"])["auditLog"]
        assert node["history"]["nodes"]


def test_a_history_that_cannot_be_told_spoils_no_other(server: Server) -> None:
    mutate(server, "createSegment", "revision", environment=PRODUCTION, name="audited")
    query = """{ a: environment(project: "default", key: "production") { history(first: 1) { nodes { id } } }
      b: environment(project: "default", key: "production") { history(after: "junk") { nodes { id } } } }"""
    answer = server.post(query)
    assert answer.code == "BAD_USER_INPUT"
    assert answer.data is not None
    assert answer.data["b"] is None
    assert len(answer.data["a"]["history"]["nodes"]) == 1


def test_the_history_after_each_of_several_mutations_has_that_one(server: Server) -> None:
    mutate(server, "createSegment", "revision", environment=PRODUCTION, name="audited")
    edit = """updateSegment(input: {environment: {project: "default", environment: "production"},
      segmentKey: "audited", instructions: [{updateName: "%s"}]}) { segment { history(first: 1) { nodes {
        changes { versionAfter } } } } }"""
    data = server.post(f"mutation {{ one: {edit % 'one'} two: {edit % 'two'} }}").data
    assert data is not None
    told = [data[name]["segment"]["history"]["nodes"][0]["changes"][0]["versionAfter"] for name in ("one", "two")]
    assert told == [2, 3]
