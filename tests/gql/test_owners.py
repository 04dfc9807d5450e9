"""Flags and segments say which environment they are in, and environments which project, wherever they are found."""

from collections.abc import Iterator
from typing import Any

import pytest

from tests.domain.access.builders import allow
from tests.gql.conftest import a_flag, a_rule_on_segments, data_of
from tests.gql.flags import mutate
from tests.gql.grants import a_token_with
from tests.gql.metrics import growth
from tests.servers import Server

OWNERS = "environment { key project { key } }"


@pytest.fixture(scope="module")
def service(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Server, str]]:
    """Two projects, each with a flag and a segment of the same key and tag, and a server's SDK key of the first."""
    with Server(f"sqlite:///{tmp_path_factory.mktemp('owners')}/earlybird.db") as running:
        create = "project { id } sdkKeys { kind environmentKey secret }"
        for project in ("shop", "blog"):
            made = mutate(running, "createProject", create, name=project)["createProject"]
            for environment in ("production", "test"):
                segments = ({"key": "s", "included": ["ann"], "tags": ["here"]},)
                data = data_of(a_flag("f", rules=[a_rule_on_segments("s")], tags=["here"]), segments=segments)
                assert running.import_flags(data, project=project, environment=environment)["importFlagData"]
            keys = {(key["kind"], key["environmentKey"]): key["secret"] for key in made["sdkKeys"]}
            sdk_key = keys["SERVER_SDK_KEY", "production"]
        yield running, sdk_key


def told(thing: dict[str, Any]) -> str:
    return f"{thing['environment']['project']['key']}/{thing['environment']['key']}"


PLACES = ["blog/production", "blog/test", "shop/production", "shop/test"]


def test_what_is_listed_once_for_each_environment_is_told_apart(service: tuple[Server, str]) -> None:
    running, _ = service
    listed = f"nodes {{ id {OWNERS} }}"
    [tag] = running.post(f"{{ tags {{ nodes {{ flags {{ {listed} }} segments {{ {listed} }} }} }} }}")["tags"][
        "nodes"
    ]
    assert [told(flag) for flag in tag["flags"]["nodes"]] == PLACES
    assert [told(segment) for segment in tag["segments"]["nodes"]] == PLACES
    ids = [thing["id"] for kind in ("flags", "segments") for thing in tag[kind]["nodes"]]
    fragments = " ".join(f"... on {kind} {{ {OWNERS} }}" for kind in ("Flag", "Segment"))
    nodes = running.post(f"query ($i: [ID!]!) {{ nodes(ids: $i) {{ {fragments} }} }}", i=ids)["nodes"]
    assert [told(node) for node in nodes] == PLACES * 2


def test_an_environment_that_is_found_so_is_the_one_that_is_asked_for(service: tuple[Server, str]) -> None:
    running, _ = service
    same = "id key name ownTags version revision viewerCan project { id key name tags version viewerCan }"
    query = f"""{{ environment(project: "shop", key: "test") {{ {same}
        flag(key: "f") {{ environment {{ {same} flag(key: "f") {{ id }} }} }}
        segment(key: "s") {{ environment {{ {same} usage: segment(key: "s") {{ usage {{ flagCount }} }} }} }} }}
      project(key: "shop") {{ id key name tags version viewerCan environments {{ nodes {{ project {{ id }} }} }} }} }}"""
    answer = running.post(query).data
    assert answer is not None
    here, project = answer["environment"], answer["project"]
    ids = [node["project"]["id"] for node in project.pop("environments")["nodes"]]
    by_flag, by_segment = here.pop("flag")["environment"], here.pop("segment")["environment"]
    assert by_flag.pop("flag")
    assert by_segment.pop("usage") == {"usage": {"flagCount": 1}}
    assert by_flag == by_segment == here
    assert here["project"] == project
    assert set(ids) == {project["id"]}


def test_a_page_of_a_hundred_asks_the_store_no_more_than_one_of_one(server: Server) -> None:
    flags = [a_flag(f"f{number:03}") for number in range(100)]
    segments = tuple({"key": f"s{number:03}"} for number in range(100))
    assert server.import_flags(data_of(*flags, segments=segments))["importFlagData"]
    owners = "nodes { key environment { id key name revision project { id key name } } }"
    query = f"""query ($n: Int!) {{ environment(project: "default", key: "production") {{
        flags(first: $n) {{ {owners} }} segments(first: $n) {{ {owners} }} }} }}"""

    def asked(count: int) -> float:
        answers: list[Any] = []
        grown = growth(server, lambda: answers.append(server.post(query, n=count)["environment"]))
        assert [len(answers[0][kind]["nodes"]) for kind in ("flags", "segments")] == [count, count]
        methods = ("find", "list_all", "revisions", "load_environment")
        return sum(grown("store_duration_seconds_count", method=method) for method in methods)

    assert asked(100) == asked(1)


def test_an_sdk_key_that_sees_a_segment_does_not_see_what_it_is_in(service: tuple[Server, str]) -> None:
    running, sdk_key = service
    query = f'{{ segmentMemberships(context: {{ key: "ann" }}) {{ segment {{ key {OWNERS} }} }} }}'
    answer = running.post(query, token=sdk_key)
    assert answer.code == "FORBIDDEN"
    assert not answer.data


def test_who_may_view_one_project_sees_no_other_by_a_flag(service: tuple[Server, str]) -> None:
    running, _ = service
    viewing = a_token_with(running, [allow("proj/shop", actions=["viewProject"])])
    query = f"{{ tags {{ nodes {{ flags {{ nodes {{ {OWNERS} }} }} }} }} }}"
    [tag] = running.post(query, token=viewing)["tags"]["nodes"]
    assert [told(flag) for flag in tag["flags"]["nodes"]] == PLACES[2:]


def test_changed_flags_tell_the_revisions_that_have_the_change(server: Server) -> None:
    for environment in ("production", "test"):
        server.import_flags({}, environment=environment)
    seen = "flags { environment { key revision } }"
    wish = {"project": "default", "flagKey": "told"}
    before: dict[str, int] = {}
    for mutation, more in (
        ("createFlag", {"project": "default", "name": "told"}),
        ("updateFlag", {**wish, "instructions": [{"updateName": "Told"}]}),
        ("archiveFlag", wish),
        ("restoreFlag", wish),
        ("deprecateFlag", wish),
        ("restoreDeprecatedFlag", wish),
    ):
        flags = mutate(server, mutation, seen, **more)[mutation]["flags"]
        revisions = {flag["environment"]["key"]: flag["environment"]["revision"] for flag in flags}
        assert revisions.keys() == {"production", "test"}
        assert not before or {key: revision - 1 for key, revision in revisions.items()} == before, mutation
        before = revisions
    deleted = mutate(
        server, "deleteFlag", 'deletedFlagIds environments { key revision flag(key: "told") { id } }', **wish
    )
    found = deleted["deleteFlag"]
    assert len(found["deletedFlagIds"]) == 2
    told_of = [(place["key"], place["revision"], place["flag"]) for place in found["environments"]]
    assert told_of == [(key, before[key] + 1, None) for key in ("production", "test")]


def test_a_flag_is_deleted_from_where_it_was_only(server: Server) -> None:
    server.import_flags(data_of(a_flag("alone")), environment="test")
    deleted = mutate(server, "deleteFlag", "environments { key }", project="default", flagKey="alone")
    assert deleted["deleteFlag"]["environments"] == [{"key": "test"}]


def test_of_several_changes_each_tells_its_own_revision(server: Server) -> None:
    server.import_flags(data_of(a_flag("told")))
    edit = """updateFlagTargeting(input: {environment: {project: "default", environment: "production"},
        flagKey: "told", instructions: [{%s: true}]}) { revision flag { environment { revision } } }"""
    data = server.post(f"mutation {{ one: {edit % 'turnOff'} two: {edit % 'turnOn'} }}").data
    assert data is not None
    for payload in data.values():
        assert payload["flag"]["environment"]["revision"] == payload["revision"]
    assert data["two"]["revision"] == data["one"]["revision"] + 1
