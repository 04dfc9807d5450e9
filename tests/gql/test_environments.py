"""The reading part of the graph over HTTP."""

import base64
from typing import Any

import pytest

from tests.gql.conftest import a_flag, a_rule_on_segments, data_of
from tests.servers import Server

HEAD = 'environment(project: "default", key: "production")'


@pytest.fixture
def story(server: Server) -> Server:
    """Flags a to e and three segments, one nested in another."""
    flags = [
        a_flag("a", name="Alpha", tags=["x"], rules=[a_rule_on_segments("outer")]),
        a_flag("b", on=False, tags=["x", "y"], rules=[a_rule_on_segments("inner", negate=True)]),
        a_flag("c", fallthrough={"rollout": {"variations": [{"variation": 1, "weight": 30000}, {"variation": 0, "weight": 70000}]}}),
        a_flag("d"),
        a_flag("e", description="The last."),
    ]  # fmt: skip # reads as a table, one case or group a line
    segments = (
        {"key": "inner", "included": ["u2", "u1", "u1"], "excluded": ["u3"], "tags": ["y"],
         "includedContexts": [{"contextKind": "org", "values": ["o"]}]},
        {"key": "outer", "name": "Outer", "rules": [a_rule_on_segments("inner")], "tags": ["eap"]},
        {"key": "spare"},
    )  # fmt: skip # reads as a table, one case or group a line
    server.import_flags(data_of(*flags, segments=segments))
    return server


def nodes(server: Server, field: str, **variables: Any) -> list[str]:
    answer = server.post(f"{{ {HEAD} {{ {field} {{ nodes {{ key }} }} }} }}", **variables)
    return [node["key"] for node in next(iter(answer["environment"].values()))["nodes"]]


@pytest.mark.parametrize(
    ("field", "expected"),
    [
        ("flags(orderBy: {field: NAME})", ["a", "b", "c", "d", "e"]),
        ("flags(orderBy: {field: NAME, direction: DESC}, first: 2)", ["e", "d"]),
        ("segments(orderBy: {field: KEY, direction: DESC})", ["spare", "outer", "inner"]),
    ],
)
def test_lists_come_in_the_order_asked_for(story: Server, field: str, expected: list[str]) -> None:
    assert nodes(story, field) == expected


def test_names_order_in_any_case_and_pages_go_on_in_that_order(server: Server) -> None:
    flags = [
        a_flag(key, name=name) for key, name in (("a", "zebra"), ("b", "Apple"), ("c", "apple"), ("d", "Yak"))
    ]
    server.import_flags(data_of(*flags))
    query = f"""query ($a: String, $d: OrderDirection!) {{ {HEAD} {{
        flags(first: 3, after: $a, orderBy: {{field: NAME, direction: $d}}) {{ nodes {{ key }} pageInfo {{ endCursor }} }} }} }}"""
    for direction, pages in (("ASC", ["bcd", "a"]), ("DESC", ["adc", "b"])):
        after = None
        for page in pages:
            found = server.post(query, a=after, d=direction)["environment"]["flags"]
            assert [node["key"] for node in found["nodes"]] == [*page]
            after = found["pageInfo"]["endCursor"]
    by_key = f"query ($a: String) {{ {HEAD} {{ flags(after: $a) {{ totalCount }} }} }}"
    assert server.post(by_key, a=after).code == "BAD_USER_INPUT"


def test_projects_and_their_environments_come_in_the_order_asked_for(server: Server) -> None:
    query = """{ projects(orderBy: {field: NAME, direction: DESC}) { nodes { key
        environments(orderBy: {field: NAME, direction: DESC}) { nodes { key } } } } }"""
    (project,) = server.post(query)["projects"]["nodes"]
    assert [environment["key"] for environment in project["environments"]["nodes"]] == ["test", "production"]


def test_a_new_store_has_the_default_project_with_production_and_test(server: Server) -> None:
    query = "{ projects { totalCount nodes { key name tags environments { nodes { key name } } } } }"
    assert server.post(query)["projects"] == {
        "totalCount": 1,
        "nodes": [
            {
                "key": "default",
                "name": "Default",
                "tags": [],
                "environments": {
                    "nodes": [{"key": "production", "name": "Production"}, {"key": "test", "name": "Test"}]
                },
            }
        ],
    }


def test_what_is_not_there_is_null(server: Server) -> None:
    query = f"""{{ a: project(key: "x") {{ key }} b: environment(project: "default", key: "x") {{ key }}
        c: {HEAD} {{ flag(key: "x") {{ key }} segment(key: "x") {{ key }} }} }}"""
    answer = server.post(query)
    assert (answer["a"], answer["b"], answer["c"]) == (None, None, {"flag": None, "segment": None})


@pytest.mark.parametrize(
    ("field", "expected"),
    [
        ("flags", "abcde"),
        ("flags(on: true)", "acde"),
        ("flags(on: false)", "b"),
        ('flags(tags: ["y", "z"])', "b"),
        ('flags(tags: ["x"])', "ab"),
        ('flags(query: "ALPH")', "a"),
        ('flags(usesSegment: "inner")', "ab"),
        ('flags(usesSegment: "outer")', "a"),
        ('flags(usesSegment: "spare")', ""),
        ("flags(archived: true)", ""),
        ("flags(archived: null)", "abcde"),
        ("flags(first: 2)", "ab"),
        ("flags(first: 0)", ""),
        ("flags(first: 100)", "abcde"),
    ],
)
def test_flags_are_filtered(story: Server, field: str, expected: str) -> None:
    assert "".join(nodes(story, field)) == expected


@pytest.mark.parametrize(
    ("field", "expected"),
    [
        ("segments", ["inner", "outer", "spare"]),
        ('segments(tags: ["eap"])', ["outer"]),
        ("segments(kinds: [INDIVIDUAL_TARGETS])", ["inner"]),
        ("segments(kinds: [RULE_BASED])", ["outer", "spare"]),
        ("segments(used: true)", ["inner", "outer"]),
        ("segments(used: false)", ["spare"]),
        ('segments(query: "out")', ["outer"]),
    ],
)
def test_segments_are_filtered(story: Server, field: str, expected: list[str]) -> None:
    assert nodes(story, field) == expected


def test_tags_come_with_their_counts(story: Server) -> None:
    query = f"{{ {HEAD} {{ tags {{ nodes {{ name flagCount segmentCount }} }} }} }}"
    assert [tuple(t.values()) for t in story.post(query)["environment"]["tags"]["nodes"]] == [
        ("eap", 0, 1),
        ("x", 2, 0),
        ("y", 1, 1),
    ]


def test_pages_join_up_and_survive_changes_between_them(story: Server) -> None:
    query = f"""query ($after: String) {{ {HEAD} {{ flags(first: 2, after: $after) {{ totalCount
        edges {{ cursor node {{ key }} }} pageInfo {{ hasNextPage hasPreviousPage startCursor endCursor }} }} }} }}"""
    first = story.post(query)["environment"]["flags"]
    assert first["totalCount"] == 5
    assert first["pageInfo"]["hasPreviousPage"] is False
    assert first["pageInfo"]["endCursor"] == first["edges"][1]["cursor"]
    story.import_flags(data_of(a_flag("aa")), mode="MERGE")
    second = story.post(query, after=first["pageInfo"]["endCursor"])["environment"]["flags"]
    assert [edge["node"]["key"] for edge in second["edges"]] == ["c", "d"]
    assert second["pageInfo"]["hasPreviousPage"] is True
    last = story.post(query, after=second["pageInfo"]["endCursor"])["environment"]["flags"]
    assert [edge["node"]["key"] for edge in last["edges"]] == ["e"]
    assert last["pageInfo"]["hasNextPage"] is False


@pytest.mark.parametrize("cursor", ["junk", "", "ü", "YQ==", base64.urlsafe_b64encode(b"\xff").decode()])
def test_a_junk_cursor_is_bad_input(story: Server, cursor: str) -> None:
    query = f"query ($c: String) {{ {HEAD} {{ flags(after: $c) {{ totalCount }} }} }}"
    assert story.post(query, c=cursor).code == "BAD_USER_INPUT"


def test_a_negative_page_is_bad_input(story: Server) -> None:
    assert story.post(f"{{ {HEAD} {{ flags(first: -1) {{ totalCount }} }} }}").code == "BAD_USER_INPUT"


def test_a_flag_shows_everything_it_targets_by(story: Server) -> None:
    query = f"""{{ {HEAD} {{ revision a: flag(key: "a") {{ name description tags temporary archived version on
        offVariation variations {{ index value name }} prerequisites {{ key variation }}
        targets {{ contextKind variation values }} contextTargets {{ values }}
        rules {{ index id description clauses {{ contextKind attribute op values negate }}
                 serves {{ variation {{ index value }} weight }} rollout {{ kind }} }} }}
        c: flag(key: "c") {{ fallthrough {{ weight variation {{ index }} }} }} }} }}"""
    answer = story.post(query)["environment"]
    assert answer["a"] == {
        "name": "Alpha", "description": "", "tags": ["x"], "temporary": False, "archived": False,
        "version": answer["a"]["version"], "on": True, "offVariation": 1,
        "variations": [{"index": 0, "value": True, "name": ""}, {"index": 1, "value": False, "name": ""}],
        "prerequisites": [], "targets": [], "contextTargets": [],
        "rules": [{
            "index": 0, "id": "on-outer", "description": "", "rollout": None,
            "clauses": [{"contextKind": None, "attribute": "", "op": "segmentMatch", "values": ["outer"], "negate": False}],
            "serves": [{"variation": {"index": 0, "value": True}, "weight": 100000}],
        }],
    }  # fmt: skip # reads as a table, one case or group a line
    assert answer["c"]["fallthrough"] == [
        {"weight": 30000, "variation": {"index": 1}},
        {"weight": 70000, "variation": {"index": 0}},
    ]


def test_a_segment_shows_its_targets_in_pages_each_once(story: Server) -> None:
    query = f"""{{ {HEAD} {{ segment(key: "inner") {{ kind memberCount
        included(first: 2) {{ totalCount nodes {{ contextKind key }} pageInfo {{ hasNextPage endCursor }} }}
        excluded {{ nodes {{ contextKind key }} }} }} }} }}"""
    segment = story.post(query)["environment"]["segment"]
    assert (segment["kind"], segment["memberCount"]) == ("INDIVIDUAL_TARGETS", 3)
    assert segment["included"]["nodes"] == [
        {"contextKind": "org", "key": "o"},
        {"contextKind": "user", "key": "u1"},
    ]
    assert segment["included"]["pageInfo"]["hasNextPage"] is True
    assert segment["excluded"]["nodes"] == [{"contextKind": "user", "key": "u3"}]
    after = segment["included"]["pageInfo"]["endCursor"]
    query = f'{{ {HEAD} {{ segment(key: "inner") {{ included(after: "{after}") {{ nodes {{ key }} }} }} }} }}'
    assert story.post(query)["environment"]["segment"]["included"]["nodes"] == [{"key": "u2"}]


def test_every_node_is_found_by_its_global_id(story: Server) -> None:
    query = f"""{{ project(key: "default") {{ id }} {HEAD} {{ id flag(key: "a") {{ id }} segment(key: "inner") {{ id }} }} }}"""
    answer = story.post(query)
    environment = answer["environment"]
    ids = [answer["project"]["id"], environment["id"], environment["flag"]["id"], environment["segment"]["id"]]
    query = """query ($ids: [ID!]!, $id: ID!) { node(id: $id) { __typename id } nodes(ids: $ids) { __typename id
        ... on Project { key } ... on Environment { key } ... on Flag { key } ... on Segment { key } } }"""
    gone = base64.urlsafe_b64encode(b"Flag:default/production/gone").decode()
    found = story.post(query, ids=[*ids, gone], id=ids[2])
    assert found["node"] == {"__typename": "Flag", "id": ids[2]}
    assert [node and (node["__typename"], node["key"]) for node in found["nodes"]] == [
        ("Project", "default"),
        ("Environment", "production"),
        ("Flag", "a"),
        ("Segment", "inner"),
        None,
    ]
    assert [node["id"] for node in found["nodes"][:4]] == ids


@pytest.mark.parametrize("node_id", ["junk", "", "RmxhZw=="])
def test_a_junk_id_is_bad_input(server: Server, node_id: str) -> None:
    assert server.post("query ($id: ID!) { node(id: $id) { id } }", id=node_id).code == "BAD_USER_INPUT"
