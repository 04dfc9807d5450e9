"""What one may not view does not exist for him: it is answered as what is not there, by every way to ask."""

import json
from collections.abc import Iterator
from typing import Any

import pytest

from domain.access.roles import BaseRole
from tests.domain.access.builders import allow, deny
from tests.gql.api import node_id
from tests.gql.conftest import a_flag, a_rule_on_segments, data_of
from tests.gql.grants import a_token_with
from tests.gql.syncs import a_batch, send
from tests.servers import Server

EVERYTHING = ["proj/*", "proj/*:env/*", "proj/*:env/*:flag/*", "proj/*:env/*:segment/*"]
CREATE_PROJECT = "mutation ($i: CreateProjectInput!) { createProject(input: $i) { project { id } } }"
CREATE_SEGMENT = "mutation ($i: CreateSegmentInput!) { createSegment(input: $i) { segment { id } } }"
IMPORT = "mutation ($i: ImportFlagDataInput!) { importFlagData(input: $i) { revision } }"
START = """mutation ($i: StartSegmentImportInput!) { startSegmentImport(input: $i) {
  uploadUrl segmentImport { id } } }"""


@pytest.fixture(scope="module")
def service(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """A service with a project `open`, and one `secret` whose things bear the tag `hush`."""
    folder = tmp_path_factory.mktemp("sight")
    with Server(f"sqlite:///{folder}/earlybird.db") as running:
        for project in ("open", "secret"):
            tags = ["hush"] if project == "secret" else ["loud"]
            assert not running.post(CREATE_PROJECT, i={"name": project, "tags": tags}).errors
            place = {"project": project, "environment": "production"}
            segments = ({"key": "s", "included": ["ann"], "tags": tags},)
            data = data_of(a_flag("f", rules=[a_rule_on_segments("s")], tags=tags), segments=segments)
            assert not running.post(IMPORT, i={"environment": place, "data": data}).errors
            large = {"environment": place, "name": "list", "largeList": {"contextKind": "user"}}
            assert not running.post(CREATE_SEGMENT, i=large).errors
        yield running


@pytest.fixture(scope="module")
def stranger(service: Server) -> str:
    """A token that may do everything in projects, and view all but `secret`."""
    return a_token_with(service, [allow(*EVERYTHING), deny("proj/secret", actions=["viewProject"])])


CONTEXT = {"kind": "user", "key": "ann"}
PLACE = '{project: $p, environment: "production"}'
QUERIES = {
    "project": "project(key: $p) { key }",
    "environment": 'environment(project: $p, key: "production") { key segment(key: "s") { usage { flagCount } } }',
    "tags": "tags(project: $p) { totalCount nodes { name } }",
    "audit log": "auditLog(project: $p) { nodes { id } pageInfo { hasNextPage } }",
    "audit log of the environment": f"auditLog(environment: {PLACE}) {{ nodes {{ id }} }}",
    "evaluate": f'evaluate(environment: {PLACE}, flagKey: "f", context: $c) {{ value }}',
    "evaluate flags": f"evaluateFlags(environment: {PLACE}, context: $c) {{ evaluations {{ value }} }}",
    "evaluate batch": f"evaluateBatch(environment: {PLACE}, contexts: [$c]) {{ revision }}",
    "memberships": f"segmentMemberships(environment: {PLACE}, context: $c) {{ isMember }}",
}
INSIDE = {"environment": {"project": "P", "environment": "production"}}
MUTATIONS: dict[str, dict[str, Any]] = {
    "createFlag": {"project": "P", "name": "f"},
    "createSegment": {**INSIDE, "name": "s"},
    "createEnvironment": {"project": "P", "name": "Production"},
    "updateProject": {"project": "P", "instructions": []},
    "deleteProject": {"project": "P"},
    "updateEnvironment": {**INSIDE, "instructions": []},
    "deleteEnvironment": INSIDE,
    "updateFlag": {"project": "P", "flagKey": "f", "instructions": []},
    "updateFlagTargeting": {**INSIDE, "flagKey": "f", "instructions": [], "expectedVersion": 9},
    "archiveFlag": {"project": "P", "flagKey": "f"},
    "deprecateFlag": {"project": "P", "flagKey": "f"},
    "deleteFlag": {"project": "P", "flagKey": "f"},
    "copyFlagTargeting": {
        "source": INSIDE["environment"],
        "target": INSIDE["environment"],  # wrong too, which only those learn who see it
        "flagKey": "f",
    },
    "updateSegment": {**INSIDE, "segmentKey": "s", "instructions": [], "expectedVersion": 9},
    "deleteSegment": {**INSIDE, "segmentKey": "s"},
    "bulkEditSegmentTargets": {**INSIDE, "segmentKey": "s", "action": "ADD", "list": "EXCLUDED", "keys": ["ann"]},
    "importFlagData": {**INSIDE, "data": {}, "mode": "REPLACE"},
    "startSegmentImport": {**INSIDE, "segmentKey": "list", "mode": "MERGE"},
    "addSegmentMembers": {**INSIDE, "segmentKey": "list", "keys": ["a"]},
    "restoreSegmentMembers": {**INSIDE, "segmentKey": "list"},
}


def told(body: dict[str, Any], project: str) -> str:
    """Return an answer as text, without the name that was asked for."""
    return json.dumps(body, sort_keys=True).replace(project, "P")


@pytest.mark.parametrize("name", QUERIES)
def test_a_hidden_project_reads_as_one_that_is_not_there(service: Server, stranger: str, name: str) -> None:
    declared = ", $c: JSON!" if "$c" in QUERIES[name] else ""
    query = f"query ($p: String!{declared}) {{ {QUERIES[name]} }}"
    hidden, absent, seen = (
        service.post(query, token=stranger, p=project, c=CONTEXT).response.json()
        for project in ("secret", "nowhere", "open")
    )
    assert told(hidden, "secret") == told(absent, "nowhere")
    assert told(hidden, "secret") != told(seen, "open")


@pytest.mark.parametrize("name", MUTATIONS)
def test_a_hidden_project_is_changed_like_one_that_is_not_there(service: Server, stranger: str, name: str) -> None:
    kind = f"{name[0].upper()}{name[1:]}Input"
    query = f"mutation ($i: {kind}!) {{ {name}(input: $i) {{ __typename }} }}"
    hidden, absent = (
        service.post(
            query, token=stranger, i=json.loads(json.dumps(MUTATIONS[name]).replace('"P"', f'"{project}"'))
        )
        for project in ("secret", "nowhere")
    )
    assert hidden.code == "NOT_FOUND"
    assert told(hidden.response.json(), "secret") == told(absent.response.json(), "nowhere")


def test_nodes_of_a_hidden_project_are_null_and_have_no_history(service: Server, stranger: str) -> None:
    started = service.post(
        START,
        i={
            "environment": {"project": "secret", "environment": "production"},
            "segmentKey": "list",
            "mode": "MERGE",
        },
    )["startSegmentImport"]
    import_id = started["segmentImport"]["id"]
    ids = [
        node_id("Project", "secret"),
        node_id("Environment", "secret/production"),
        node_id("Flag", "secret/production/f"),
        node_id("Segment", "secret/production/s"),
    ]
    assert all(service.post("query ($i: [ID!]!) { nodes(ids: $i) { id } }", i=ids)["nodes"])
    assert (
        service.post("query ($i: [ID!]!) { nodes(ids: $i) { id } }", token=stranger, i=ids)["nodes"] == [None] * 4
    )
    for one in ids:
        assert service.post("query ($i: ID!) { node(id: $i) { id } }", token=stranger, i=one)["node"] is None
        log = "query ($i: ID!) { auditLog(nodeId: $i) { nodes { id } } }"
        assert service.post(log, i=one)["auditLog"]["nodes"]
        assert service.post(log, token=stranger, i=one)["auditLog"]["nodes"] == []
    query = "query ($i: ID!) { segmentImport(id: $i) { id } }"
    assert service.post(query, i=import_id)["segmentImport"]
    assert service.post(query, token=stranger, i=import_id)["segmentImport"] is None
    assert service.post(query, i=ids[0]).code == "BAD_USER_INPUT"  # an id of another type
    cancel = "mutation ($i: CancelSegmentImportInput!) { cancelSegmentImport(input: $i) { __typename } }"
    assert service.post(cancel, token=stranger, i={"importId": import_id}).code == "NOT_FOUND"
    for path in (started["uploadUrl"], started["uploadUrl"].replace("secret", "nowhere")):
        answer = service.client.put(
            path, content="eve", headers={"Authorization": f"Bearer {stranger}", "Content-Type": "text/csv"}
        )
        assert answer.json()["errors"][0]["extensions"]["code"] == "NOT_FOUND"


def test_lists_counts_tags_and_the_log_leave_out_what_is_hidden(service: Server, stranger: str) -> None:
    query = "{ projects { totalCount nodes { key } } tags { nodes { name } } auditLog(first: 100) { nodes { resource } } }"
    everything, part = service.post(query), service.post(query, token=stranger)
    assert [node["key"] for node in everything["projects"]["nodes"]] == ["default", "open", "secret"]
    assert [node["key"] for node in part["projects"]["nodes"]] == ["default", "open"]
    assert part["projects"]["totalCount"] == 2
    assert [tag["name"] for tag in everything["tags"]["nodes"]] == ["hush", "loud"]
    assert [tag["name"] for tag in part["tags"]["nodes"]] == ["loud"]
    assert "secret" in str(everything["auditLog"])
    assert "secret" not in str(part["auditLog"])
    assert "open" in str(part["auditLog"])


def test_the_other_ways_in_know_no_hidden_project_either(service: Server, stranger: str) -> None:
    bearer = {"Authorization": f"Bearer {stranger}"}
    for project in ("secret", "nowhere"):
        batch = a_batch("c", {"ann": True}, environmentId=f"{project}/production")
        assert send(service, "amplitude", batch, token=stranger).status_code == 404
        assert service.client.head(f"/sdk/goals/{project}/production", headers=bearer).status_code == 404
        export = service.client.get(f"/segment-exports/{project}/production/list", headers=bearer)
        assert export.json()["errors"][0]["extensions"]["code"] == "NOT_FOUND"
    assert service.client.head("/sdk/goals/open/production", headers=bearer).status_code == 200
    assert service.client.head("/sdk/goals/open/production").status_code == 401


def test_a_reader_sees_everything_and_changes_nothing_and_no_access_is_nothing(service: Server) -> None:
    reader, nobody = (a_token_with(service, base=role) for role in (BaseRole.READER, BaseRole.NO_ACCESS))
    query = "{ projects { totalCount } auditLog { nodes { resource } } }"
    seen = service.post(query, token=reader)
    assert seen["projects"]["totalCount"] == 3
    assert not [entry for entry in seen["auditLog"]["nodes"] if entry["resource"].startswith("service-token")]
    wish = {"environment": {"project": "open", "environment": "production"}, "name": "x"}
    assert service.post(CREATE_SEGMENT, token=reader, i=wish).code == "FORBIDDEN"
    assert service.post("{ cacheStatistics { unit } }", token=reader).code == "FORBIDDEN"
    unseen = service.post(query, token=nobody)
    assert (unseen["projects"]["totalCount"], unseen["auditLog"]["nodes"]) == (0, [])


def test_the_log_of_a_project_begins_with_its_creation_for_whoever_does_not_see_all_of_it(
    service: Server,
) -> None:
    key = "again"
    place = {"project": key, "environment": "production"}
    delete = "mutation ($i: DeleteProjectInput!) { deleteProject(input: $i) { __typename } }"
    mine = a_token_with(service, [allow("proj/*", actions=["viewProject"]), allow(*EVERYTHING)])
    auditor = a_token_with(
        service, [allow("proj/*", actions=["viewProject"]), allow("acct", actions=["viewAuditLog"])]
    )
    assert not service.post(CREATE_PROJECT, i={"name": key}).errors
    old = "passed-on-in-secret"
    assert not service.post(CREATE_SEGMENT, i={"environment": place, "name": "s", "comment": old}).errors
    first = "query ($p: String!) { auditLog(project: $p, first: 1) { pageInfo { endCursor } nodes { id } } }"
    cursor = service.post(first, p=key)["auditLog"]["pageInfo"]["endCursor"]
    assert not service.post(delete, i={"project": key}).errors
    nodes = [node_id("Environment", f"{key}/production"), node_id("Segment", f"{key}/production/s")]
    ways = {
        "all": "auditLog(first: 100) { nodes { action comment resource } }",
        "project": "auditLog(project: $p) { nodes { action comment } }",
        "environment": f"auditLog(environment: {PLACE}) {{ nodes {{ action comment }} }}",
        "since": 'auditLog(project: $p, since: "2020-01-01T00:00:00Z") { nodes { action comment } }',
        "page": "auditLog(project: $p, after: $c) { nodes { action comment } }",
        **{str(n): f'auditLog(nodeId: "{one}") {{ nodes {{ action comment }} }}' for n, one in enumerate(nodes)},
        "history": "project(key: $p) { history(first: 50) { nodes { action comment } } }",
        "history page": "project(key: $p) { history(first: 50, after: $c) { nodes { action comment } } }",
        "history of the environment": 'environment(project: $p, key: "production") { '
        "history(first: 50) { nodes { action comment } } }",
    }
    assert not service.post(CREATE_PROJECT, token=mine, i={"name": key}).errors
    # A cursor from before is taken, and leads nowhere: it is older than the project.
    for name, way in ways.items():
        told = service.post(f"{{ {way} }}".replace("$p", f'"{key}"').replace("$c", f'"{cursor}"'), token=mine)
        assert not told.errors
        assert old not in str(told.data), name
        if name not in {"page", "history page", "1"}:
            assert "createProject" in str(told.data), name
    query = f"query ($p: String!) {{ {ways['project']} }}"
    assert old in str(service.post(query, p=key).data), "who sees all of the log sees what was there before"
    assert old not in str(service.post(query, token=a_token_with(service, base=BaseRole.WRITER), p=key).data)
    assert old in str(service.post(query, token=auditor, p=key).data)
    assert not service.post(delete, i={"project": key}).errors
