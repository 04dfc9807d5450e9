"""Projects and environments over HTTP: created, changed, deleted, alone and while others edit."""

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest

from tests.domain.access.builders import allow
from tests.gql.conftest import a_flag, data_of
from tests.gql.grants import a_token_with, change
from tests.servers import Answer, Server

CREATE_PROJECT = """mutation ($input: CreateProjectInput!) { createProject(input: $input) {
    project { id key name tags version environments { nodes { key name ownTags version revision } } }
    sdkKeys { environmentKey kind secret } } }"""
CREATE = """mutation ($input: CreateEnvironmentInput!) { createEnvironment(input: $input) {
    environment { id key name ownTags revision flags { nodes { key on offVariation } } }
    sdkKeys { environmentKey kind secret } } }"""
UPDATE = """mutation ($input: UpdateEnvironmentInput!) { updateEnvironment(input: $input) {
    environment { name ownTags version revision } } }"""
UPDATE_PROJECT = """mutation ($input: UpdateProjectInput!) { updateProject(input: $input) {
    project { name tags version } } }"""
DELETE = """mutation ($input: DeleteEnvironmentInput!) { deleteEnvironment(input: $input) {
    deletedEnvironmentId } }"""
DELETE_PROJECT = "mutation ($input: DeleteProjectInput!) { deleteProject(input: $input) { deletedProjectId } }"
CREATE_FLAG = "mutation ($input: CreateFlagInput!) { createFlag(input: $input) { flags { id } } }"
CREATE_SEGMENT = "mutation ($input: CreateSegmentInput!) { createSegment(input: $input) { segment { id } } }"
ADA = {"kind": "user", "key": "ada"}


@pytest.fixture(scope="module")
def service(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    folder = tmp_path_factory.mktemp("projects")
    with Server(f"sqlite:///{folder}/earlybird.db") as running:
        yield running


def a_project(service: Server, key: str, **properties: Any) -> Answer:
    return service.post(CREATE_PROJECT, input={"name": key, "key": key, **properties})


def ref(project: str, environment: str) -> dict[str, str]:
    return {"project": project, "environment": environment}


def keys_of(service: Server, project: str, environment: str) -> list[str]:
    query = "query ($p: String!, $k: String!) { environment(project: $p, key: $k) { flags { nodes { key } } } }"
    found = service.post(query, p=project, k=environment)["environment"]
    return [flag["key"] for flag in found["flags"]["nodes"]]


def entries(service: Server, project: str) -> list[dict[str, Any]]:
    query = """query ($p: String!) { auditLog(project: $p) { nodes { action comment summary
        changes { kind entityId versionBefore versionAfter fields { path before after } } } } }"""
    nodes: list[dict[str, Any]] = service.post(query, p=project)["auditLog"]["nodes"]
    return nodes


def test_a_project_begins_with_production_and_test_and_their_sdk_keys(service: Server) -> None:
    answer = service.post(CREATE_PROJECT, input={"name": "Web shop", "tags": ["b", "a"], "comment": "new"})
    created = answer["createProject"]
    assert created["project"] | {"id": ""} == {
        "id": "",
        "key": "web-shop",
        "name": "Web shop",
        "tags": ["a", "b"],
        "version": 1,
        "environments": {
            "nodes": [
                {"key": "production", "name": "Production", "ownTags": [], "version": 1, "revision": 1},
                {"key": "test", "name": "Test", "ownTags": [], "version": 1, "revision": 1},
            ]
        },
    }
    assert [(key["environmentKey"], key["kind"]) for key in created["sdkKeys"]] == [
        ("production", "SERVER_SDK_KEY"),
        ("production", "CLIENT_SDK_KEY"),
        ("test", "SERVER_SDK_KEY"),
        ("test", "CLIENT_SDK_KEY"),
    ]
    [entry] = entries(service, "web-shop")
    assert (entry["action"], entry["comment"]) == ("createProject", "new")
    kinds = [(change["kind"], change["versionBefore"]) for change in entry["changes"]]
    assert kinds == [("project", None)] + [("environment", None)] * 2 + [("credential", None)] * 4


def test_the_sdk_keys_of_a_new_environment_evaluate_there_at_once(service: Server) -> None:
    a_project(service, "keys")
    created = service.post(CREATE, input={"project": "keys", "name": "Staging"})["createEnvironment"]
    service.post(CREATE_FLAG, input={"project": "keys", "name": "New"})
    for key in created["sdkKeys"]:
        query = "query ($c: JSON!) { evaluateFlags(context: $c) { evaluations { flagKey value } } }"
        shown = [{"flagKey": "new", "value": False}] if key["kind"] == "SERVER_SDK_KEY" else []
        assert service.post(query, token=key["secret"], c=ADA)["evaluateFlags"]["evaluations"] == shown


def test_a_new_environment_has_all_flags_of_its_project_off(service: Server) -> None:
    a_project(service, "flags")
    for name in ("One", "Two"):
        service.post(CREATE_FLAG, input={"project": "flags", "name": name})
    created = service.post(CREATE, input={"project": "flags", "name": "Staging", "tags": ["x"]})
    environment = created["createEnvironment"]["environment"]
    assert environment["flags"]["nodes"] == [
        {"key": "one", "on": False, "offVariation": 1},
        {"key": "two", "on": False, "offVariation": 1},
    ]
    assert (environment["key"], environment["ownTags"], environment["revision"]) == ("staging", ["x"], 1)


def test_flags_and_environments_that_are_created_at_once_all_meet(service: Server) -> None:
    a_project(service, "race")

    def create(number: int) -> Answer:
        if number % 2:
            return service.post(CREATE_FLAG, input={"project": "race", "name": f"F{number}"})
        return service.post(CREATE, input={"project": "race", "name": f"E{number}"})

    with ThreadPoolExecutor(8) as pool:
        for answer in pool.map(create, range(12)):
            assert not answer.errors, answer.errors
    flags = [f"f{number}" for number in (1, 11, 3, 5, 7, 9)]
    for environment in ("production", "test", "e0", "e2", "e4", "e6", "e8", "e10"):
        assert keys_of(service, "race", environment) == flags


def test_details_are_changed_by_instructions_against_the_version_seen(service: Server) -> None:
    a_project(service, "details", tags=["old"])
    instructions = [{"updateName": "Renamed"}, {"addTags": ["new"]}, {"removeTags": ["old"]}]
    wish = {"project": "details", "instructions": instructions, "expectedVersion": 1}
    changed = {"name": "Renamed", "tags": ["new"], "version": 2}
    assert service.post(UPDATE_PROJECT, input=wish)["updateProject"]["project"] == changed
    again = {**wish, "expectedVersion": 2}
    assert service.post(UPDATE_PROJECT, input=again)["updateProject"]["project"] == changed
    assert service.post(UPDATE_PROJECT, input=wish).code == "VERSION_CONFLICT"
    test = {"environment": ref("details", "test"), "instructions": instructions, "expectedVersion": 1}
    environment = service.post(UPDATE, input=test)["updateEnvironment"]["environment"]
    assert environment == {"name": "Renamed", "ownTags": ["new"], "version": 2, "revision": 1}
    assert service.post(UPDATE, input=test).code == "VERSION_CONFLICT"
    updates = [entry for entry in entries(service, "details") if entry["action"].startswith("update")]
    assert [entry["action"] for entry in updates] == ["updateEnvironment", "updateProject"]
    assert updates[1]["changes"] == [
        {
            "kind": "project",
            "entityId": "details",
            "versionBefore": 1,
            "versionAfter": 2,
            "fields": [
                {"path": "name", "before": "details", "after": "Renamed"},
                {"path": "tags", "before": ["old"], "after": ["new"]},
            ],
        }
    ]


def test_a_deleted_environment_takes_everything_with_it(service: Server) -> None:
    keys = a_project(service, "gone")["createProject"]["sdkKeys"]
    service.post(CREATE_FLAG, input={"project": "gone", "name": "Shared"})
    query = """mutation ($input: ImportFlagDataInput!) { importFlagData(input: $input) { revision } }"""
    data = data_of(a_flag("only-here"), segments=({"key": "s"},))
    service.post(query, input={"environment": ref("gone", "test"), "data": data, "mode": "MERGE"})
    listed = {"environment": ref("gone", "test"), "name": "Big", "largeList": {"contextKind": "user"}}
    service.post(CREATE_SEGMENT, input=listed)
    add = "mutation ($input: AddSegmentMembersInput!) { addSegmentMembers(input: $input) { revision } }"
    service.post(add, input={"environment": ref("gone", "test"), "segmentKey": "big", "keys": ["ada"]})
    answer = service.post(DELETE, input={"environment": ref("gone", "test"), "comment": "done"})
    assert answer["deleteEnvironment"]["deletedEnvironmentId"]
    gone = '{ environment(project: "gone", key: "test") { key } project(key: "gone") { environments { nodes { key } } } }'
    assert service.post(gone).data == {
        "environment": None,
        "project": {"environments": {"nodes": [{"key": "production"}]}},
    }
    assert service.evaluate("shared", ADA, e=ref("gone", "test")).code == "NOT_FOUND"
    server_key = next(key["secret"] for key in keys if key["environmentKey"] == "test")
    assert service.evaluate("shared", ADA, e=None, token=server_key).code == "UNAUTHENTICATED"
    assert keys_of(service, "gone", "production") == ["shared"]
    again = service.post(CREATE, input={"project": "gone", "name": "Test"})["createEnvironment"]["environment"]
    assert [flag["key"] for flag in again["flags"]["nodes"]] == ["shared"]
    assert again["revision"] > 4  # an answer of the one before can never be taken for its own
    assert service.evaluate("shared", ADA, e=None, token=server_key).code == "UNAUTHENTICATED"
    service.post(CREATE_SEGMENT, input=listed)
    members = """{ environment(project: "gone", key: "test") { segment(key: "big") { memberCount
        largeList { members { nodes } } } } }"""
    assert service.post(members)["environment"]["segment"] == {
        "memberCount": 0,
        "largeList": {"members": {"nodes": []}},
    }


def test_the_last_environment_goes_with_its_project_only(service: Server) -> None:
    a_project(service, "last", environments=[{"name": "Only"}])
    refused = service.post(DELETE, input={"environment": ref("last", "only")})
    assert refused.code == "BAD_USER_INPUT"
    assert "delete the project" in refused.errors[0]["message"]
    service.post(CREATE_FLAG, input={"project": "last", "name": "F"})
    deleted = service.post(DELETE_PROJECT, input={"project": "last", "expectedVersion": 1})
    assert deleted["deleteProject"]["deletedProjectId"]
    assert service.post('{ project(key: "last") { key } }').data == {"project": None}
    assert service.evaluate("f", ADA, e=ref("last", "only")).code == "NOT_FOUND"
    assert service.post(DELETE_PROJECT, input={"project": "last"}).code == "NOT_FOUND"
    a_project(service, "last", environments=[{"name": "Only"}])
    assert keys_of(service, "last", "only") == []


def test_nobody_has_a_role_of_a_project_in_its_successor(service: Server) -> None:
    a_project(service, "reborn")
    roles = [{"project": "reborn", "role": "MAINTAINER"}, {"project": "default", "role": "VIEWER"}]
    email = "heir@acme.com"
    change(service, "createMember", "member { id }", email=email, projectRoles=roles)
    wishes: list[dict[str, Any]] = [{"memberEmail": email}, {"isService": True, "projectRoles": roles}]
    secrets = [
        change(service, "createAccessToken", "secret", name="heir", **wish)["createAccessToken"]["secret"]
        for wish in wishes
    ]
    sees = '{ project(key: "reborn") { key } }'
    assert all(service.post(sees, token=secret)["project"] for secret in secrets)
    deleter = a_token_with(service, [allow("proj/reborn", actions=["viewProject", "deleteProject"])])
    assert not service.post(DELETE_PROJECT, token=deleter, input={"project": "reborn"}).errors
    [entry] = [entry for entry in entries(service, "reborn") if entry["action"] == "deleteProject"]
    left = {
        (told["kind"], told["versionBefore"], told["versionAfter"])
        for told in entry["changes"]
        if {field["path"].partition("[")[0] for field in told["fields"]} == {"projectRoles"}
    }
    assert left == {("member", 1, 2), ("credential", 1, 2)}
    a_project(service, "reborn")
    for secret in secrets:
        assert service.post(sees, token=secret).data == {"project": None}
        assert service.post('{ project(key: "default") { key } }', token=secret)["project"]


def test_a_tag_leads_to_everything_that_bears_it(service: Server) -> None:
    a_project(service, "tagged", tags=["t-x"], environments=[{"name": "A", "tags": ["t-x"]}, {"name": "B"}])
    service.post(CREATE_FLAG, input={"project": "tagged", "name": "F", "tags": ["t-x", "t-y"]})
    service.post(CREATE_SEGMENT, input={"environment": ref("tagged", "b"), "name": "S", "tags": ["t-x"]})
    query = """query ($p: String) { tags(project: $p, query: "T-") { totalCount nodes { name
        flagCount segmentCount projectCount environmentCount
        flags { nodes { key } } segments { nodes { key } } projects { nodes { key } } environments { nodes { key } } } } }"""
    found = service.post(query, p="tagged")["tags"]
    assert found["totalCount"] == 2
    assert found["nodes"][0] == {
        "name": "t-x",
        "flagCount": 1,
        "segmentCount": 1,
        "projectCount": 1,
        "environmentCount": 1,
        "flags": {"nodes": [{"key": "f"}, {"key": "f"}]},
        "segments": {"nodes": [{"key": "s"}]},
        "projects": {"nodes": [{"key": "tagged"}]},
        "environments": {"nodes": [{"key": "a"}]},
    }
    assert service.post(query)["tags"]["totalCount"] == 2
    assert service.post(query, p="default")["tags"]["totalCount"] == 0
    here = """{ environment(project: "tagged", key: "b") { tags { nodes { name flagCount segmentCount environmentCount } } }
        projects(tags: ["t-x"]) { nodes { key environments(tags: ["t-x"]) { nodes { key } } } } }"""
    assert service.post(here).data == {
        "environment": {
            "tags": {
                "nodes": [
                    {"name": "t-x", "flagCount": 1, "segmentCount": 1, "environmentCount": 0},
                    {"name": "t-y", "flagCount": 1, "segmentCount": 0, "environmentCount": 0},
                ]
            }
        },
        "projects": {"nodes": [{"key": "tagged", "environments": {"nodes": [{"key": "a"}]}}]},
    }


def test_bad_input_is_refused_with_every_violation(service: Server) -> None:
    environments = [{"name": "A"}, {"name": "a"}, {"name": " ", "key": "no spaces"}]
    answer = service.post(CREATE_PROJECT, input={"name": "!", "tags": ["a b"], "environments": environments})
    paths = [violation["path"] for violation in answer.errors[0]["extensions"]["violations"]]
    assert paths == [
        ["input", "name"],
        ["input", "tags", 0],
        ["input", "environments", 1, "key"],
        ["input", "environments", 2, "key"],
        ["input", "environments", 2, "name"],
    ]
    assert a_project(service, "empty", environments=[]).code == "BAD_USER_INPUT"
    assert a_project(service, "default").code == "ALREADY_EXISTS"
    assert service.post(CREATE, input={"project": "default", "name": "Test"}).code == "ALREADY_EXISTS"
    assert service.post(CREATE, input={"project": "nowhere", "name": "Test"}).code == "NOT_FOUND"
    assert service.post(DELETE, input={"environment": ref("default", "nowhere")}).code == "NOT_FOUND"
    assert service.post(UPDATE, input={"environment": ref("nowhere", "x"), "instructions": []}).code == "NOT_FOUND"
    bad = {"project": "default", "instructions": [{"updateName": ""}, {"addTags": ["a b"]}]}
    violations = service.post(UPDATE_PROJECT, input=bad).errors[0]["extensions"]["violations"]
    assert [violation["path"] for violation in violations] == [
        ["input", "instructions", 0, "updateName"],
        ["input", "instructions", 1, "addTags", 0],
    ]


def test_another_process_follows_environments_that_come_and_go(tmp_path_factory: pytest.TempPathFactory) -> None:
    store = f"sqlite:///{tmp_path_factory.mktemp('two')}/earlybird.db"
    with Server(store) as first, Server(store) as second:
        created = first.post(CREATE, input={"project": "default", "name": "Staging"})["createEnvironment"]
        secret = created["sdkKeys"][0]["secret"]
        first.post(CREATE_FLAG, input={"project": "default", "name": "F"})

        def eventually(expected: str, **asked: Any) -> None:
            for _ in range(100):
                answer = second.evaluate("f", ADA, **asked)
                seen = answer.code if answer.errors else answer["evaluate"]["reason"]["kind"]
                if seen == expected:
                    return
            pytest.fail(f"{seen}, not {expected}")

        eventually("OFF", e=None, token=secret)
        first.post(DELETE, input={"environment": ref("default", "staging")})
        eventually("UNAUTHENTICATED", e=None, token=secret)
        eventually("NOT_FOUND", e=ref("default", "staging"))


def test_a_mutation_that_fails_leaves_the_secrets_of_those_before_it(service: Server) -> None:
    query = """mutation ($project: CreateProjectInput!, $environment: CreateEnvironmentInput!) {
        createProject(input: $project) { sdkKeys { secret } }
        createEnvironment(input: $environment) { sdkKeys { secret } }
        again: createEnvironment(input: $environment) { sdkKeys { secret } } }"""
    environment = {"project": "kept", "key": "stage", "name": "Stage"}
    answer = service.post(query, project={"key": "kept", "name": "Kept"}, environment=environment)
    assert answer.code == "ALREADY_EXISTS"
    assert answer.errors[0]["path"] == ["again"]
    assert answer.data is not None
    assert answer.data["again"] is None
    for created, count in (("createProject", 4), ("createEnvironment", 2)):
        secrets = [key["secret"] for key in answer.data[created]["sdkKeys"]]
        assert len(secrets) == count
        assert all(service.post("{ __typename }", token=secret)["__typename"] for secret in secrets)


@pytest.mark.parametrize(
    ("mutation", "wish", "selection"),
    [
        ("createProject", {"key": "nested", "name": "n"}, "project { environments(first: -1) { nodes { key } } }"),
        (
            "createEnvironment",
            {"project": "default", "key": "nested", "name": "n"},
            "environment { flags(first: -1) { nodes { key } } }",
        ),
    ],
)
def test_a_part_that_cannot_be_answered_leaves_the_secrets(
    service: Server, mutation: str, wish: dict[str, Any], selection: str
) -> None:
    title = mutation[0].upper() + mutation[1:]
    query = f"mutation ($i: {title}Input!) {{ {mutation}(input: $i) {{ {selection} sdkKeys {{ secret }} }} }}"
    answer = service.post(query, i=wish)
    assert answer.code == "BAD_USER_INPUT"
    assert answer.data is not None
    assert all(key["secret"] for key in answer.data[mutation]["sdkKeys"])
