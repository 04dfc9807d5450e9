"""Usage and early access programs over HTTP."""

import json
from pathlib import Path
from typing import Any

import pytest

from tests.gql.conftest import a_flag, a_rule_on_segments, data_of
from tests.servers import Server

HEAD = 'environment(project: "default", key: "production")'


@pytest.fixture
def examples(server: Server) -> Server:
    server.import_flags(json.loads(Path("examples/flag-data.json").read_text()))
    return server


def programs(server: Server, arguments: str = "") -> dict[str, Any]:
    query = f"""{{ {HEAD} {{ earlyAccessPrograms{arguments} {{ totalCount nodes {{ segment {{ key kind memberCount }} active
        flagCount usage {{ flag {{ key }} on rule {{ id }} ruleIndex negated path {{ key }} serves {{ variation {{ index value }} weight }} }}
        variations {{ flag {{ key }} variations {{ value }} }} }} }} }} }}"""
    found: dict[str, Any] = server.post(query)["environment"]["earlyAccessPrograms"]
    return found


def test_the_active_programs_come_with_their_flags_and_what_these_serve(examples: Server) -> None:
    found = programs(examples, "(active: true)")
    assert [(p["segment"]["key"], p["active"], p["flagCount"]) for p in found["nodes"]] == [
        ("amplitude-power-users", True, 1),
        ("eap-ai-summaries", True, 1),
        ("eap-new-dashboard", True, 3),
        ("eap-research-panel", True, 1),
    ]
    dashboard = found["nodes"][2]
    assert [(u["flag"]["key"], [s["key"] for s in u["path"]]) for u in dashboard["usage"]] == [
        ("ai-summaries", ["eap-ai-summaries"]),
        ("dashboard-layout", []),
        ("new-dashboard", []),
    ]
    assert dashboard["usage"][1]["serves"] == [
        {"variation": {"index": 1, "value": "cards"}, "weight": 50000},
        {"variation": {"index": 2, "value": "timeline"}, "weight": 50000},
    ]
    assert {v["flag"]["key"]: [x["value"] for x in v["variations"]] for v in dashboard["variations"]} == {
        "ai-summaries": [True],
        "dashboard-layout": ["cards", "timeline"],
        "new-dashboard": [True],
    }


def test_programs_are_found_by_any_tag_and_by_name_on_request(examples: Server) -> None:
    assert [p["segment"]["key"] for p in programs(examples, "(active: false)")["nodes"]] == ["eap-offline-mode"]
    assert programs(examples, '(tag: "internal")')["nodes"][0]["segment"]["key"] == "employees"
    assert programs(examples, '(tag: "no such tag")')["totalCount"] == 0
    assert programs(examples, '(tag: "no such tag", byName: true)')["totalCount"] == 5


def test_a_segment_tells_who_uses_it(examples: Server) -> None:
    query = f"""{{ {HEAD} {{ segment(key: "eap-new-dashboard") {{ usage {{ flagCount segments {{ key }}
        flags(first: 2) {{ totalCount nodes {{ flag {{ key }} ruleIndex }} pageInfo {{ hasNextPage endCursor }} }} }}
        direct: usage(transitive: false) {{ flagCount }} off: usage {{ flags(on: false) {{ totalCount }} }} }} }} }}"""
    segment = examples.post(query)["environment"]["segment"]
    assert segment["usage"]["flagCount"] == 3
    assert segment["usage"]["segments"] == [{"key": "eap-ai-summaries"}]
    assert [n["flag"]["key"] for n in segment["usage"]["flags"]["nodes"]] == ["ai-summaries", "dashboard-layout"]
    assert segment["direct"]["flagCount"] == 2
    assert segment["off"]["flags"]["totalCount"] == 0
    after = segment["usage"]["flags"]["pageInfo"]["endCursor"]
    query = f'{{ {HEAD} {{ segment(key: "eap-new-dashboard") {{ usage {{ flags(after: "{after}") {{ nodes {{ flag {{ key }} }} }} }} }} }} }}'
    rest = examples.post(query)["environment"]["segment"]["usage"]["flags"]["nodes"]
    assert [n["flag"]["key"] for n in rest] == ["new-dashboard"]


def test_a_flag_tells_which_segments_it_depends_on_and_how(examples: Server) -> None:
    fields = "segment { key } rule { id } ruleIndex negated path { key } serves { variation { value } weight }"
    query = f"""{{ {HEAD} {{ flag(key: "ai-summaries") {{ segments {{ totalCount nodes {{ {fields} }} }}
        direct: segments(transitive: false, first: 1) {{ totalCount nodes {{ segment {{ key }} }} pageInfo {{ hasNextPage }} }} }} }} }}"""
    flag = examples.post(query)["environment"]["flag"]
    found = {node["segment"]["key"]: node for node in flag["segments"]["nodes"]}
    assert found["eap-new-dashboard"]["path"] == [{"key": "eap-ai-summaries"}]
    assert (found["regulated-regions"]["negated"], found["regulated-regions"]["path"]) == (True, [])
    assert found["eap-ai-summaries"]["rule"] == {"id": "eap"}
    assert found["eap-ai-summaries"]["serves"] == [{"variation": {"value": True}, "weight": 100000}]
    assert flag["direct"]["totalCount"] == 2 < flag["segments"]["totalCount"]
    assert flag["direct"]["nodes"] == [{"segment": {"key": "eap-ai-summaries"}}]
    assert flag["direct"]["pageInfo"]["hasNextPage"]


@pytest.mark.parametrize(
    ("arguments", "flags"),
    [
        ('tags: ["ai", "no such tag"]', ["ai-summaries"]),
        ('tags: ["dashboard"]', ["dashboard-layout", "new-dashboard"]),
        ("variation: 0", ["ai-summaries", "new-dashboard"]),
        ("variation: 2", ["dashboard-layout"]),
        ('variation: 0, tags: ["dashboard"], on: true', ["new-dashboard"]),
        ("variation: 3", []),
    ],
)
def test_usage_is_filtered_by_tags_and_by_the_variation_served(
    examples: Server, arguments: str, flags: list[str]
) -> None:
    query = f'{{ {HEAD} {{ segment(key: "eap-new-dashboard") {{ usage {{ flags({arguments}) {{ nodes {{ flag {{ key }} }} }} }} }} }} }}'
    nodes = examples.post(query)["environment"]["segment"]["usage"]["flags"]["nodes"]
    assert [node["flag"]["key"] for node in nodes] == flags


def test_a_programs_rules_are_capped_and_its_flags_are_not(server: Server) -> None:
    rules = [{**a_rule_on_segments("eap-x"), "id": f"r{n}"} for n in range(60)]
    segment = {"key": "eap-x", "version": 1, "tags": ["eap"]}
    server.import_flags(data_of(a_flag("a", rules=rules), a_flag("b", rules=rules), segments=(segment,)))
    query = f"""{{ {HEAD} {{ earlyAccessPrograms {{ nodes {{ flagCount usage {{ ruleIndex }} one: usage(first: 1) {{ ruleIndex }}
        segment {{ usage {{ flags {{ totalCount }} }} }} }} }} }} }}"""
    [program] = server.post(query)["environment"]["earlyAccessPrograms"]["nodes"]
    assert (program["flagCount"], len(program["usage"]), len(program["one"])) == (2, 100, 1)
    assert program["segment"]["usage"]["flags"]["totalCount"] == 120
    refused = server.post(query.replace("first: 1", "first: -1"))
    assert refused.code == "BAD_USER_INPUT"


def test_pages_hold_a_rule_for_those_in_a_segment_and_those_not_in_it_once_each(server: Server) -> None:
    either = {**a_rule_on_segments("s"), "id": "either"}
    either["clauses"] += a_rule_on_segments("s", negate=True)["clauses"]
    server.import_flags(data_of(a_flag("f", rules=[either]), segments=({"key": "s", "version": 1},)))
    found, after = [], None
    for _ in range(3):
        query = f"""query ($after: String) {{ {HEAD} {{ segment(key: "s") {{ usage {{ flagCount flags(first: 1, after: $after) {{
            totalCount nodes {{ rule {{ id }} negated }} pageInfo {{ hasNextPage endCursor }} }} }} }} }} }}"""
        usage = server.post(query, after=after)["environment"]["segment"]["usage"]
        assert (usage["flagCount"], usage["flags"]["totalCount"]) == (1, 2)
        found += [(node["rule"]["id"], node["negated"]) for node in usage["flags"]["nodes"]]
        after = usage["flags"]["pageInfo"]["endCursor"]
    assert found == [("either", False), ("either", True)]


def test_a_programs_variations_leave_out_what_its_members_do_not_get(server: Server) -> None:
    flags = (
        a_flag("for-members", rules=[a_rule_on_segments("eap-x"), a_rule_on_segments("eap-x", variation=1, negate=True)]),
        a_flag("for-others", rules=[a_rule_on_segments("eap-x", negate=True)]),
        a_flag("off", on=False, rules=[a_rule_on_segments("eap-x")]),
    )  # fmt: skip # reads as a table, one case or group a line
    server.import_flags(data_of(*flags, segments=({"key": "eap-x", "version": 1, "tags": ["eap"]},)))
    [program] = programs(server)["nodes"]
    assert program["variations"] == [{"flag": {"key": "for-members"}, "variations": [{"value": True}]}]
    assert [(u["flag"]["key"], u["on"], u["negated"]) for u in program["usage"]] == [
        ("for-members", True, False),
        ("for-members", True, True),
        ("for-others", True, True),
        ("off", False, False),
    ]
    assert (program["active"], program["flagCount"]) == (True, 3)


def test_an_unused_segment_is_one_that_can_be_deleted(server: Server) -> None:
    loop = {"key": "loop", "version": 1, "rules": [a_rule_on_segments("loop")]}
    inner, outer = (
        {"key": "inner", "version": 1},
        {"key": "outer", "version": 1, "rules": [a_rule_on_segments("inner")]},
    )
    kept = {"key": "kept", "version": 1}
    flag = a_flag("old", rules=[a_rule_on_segments("kept")])
    server.import_flags(data_of(flag, segments=(loop, inner, outer, kept)))
    text = 'mutation { archiveFlag(input: {project: "default", flagKey: "old"}) { __typename } }'
    assert not server.post(text).errors
    query = f"""{{ {HEAD} {{ used: segments(used: true) {{ nodes {{ key usage {{ flagCount }} }} }}
        unused: segments(used: false) {{ nodes {{ key }} }} }} }}"""
    found = server.post(query)["environment"]
    assert [(s["key"], s["usage"]["flagCount"]) for s in found["used"]["nodes"]] == [("inner", 0), ("kept", 0)]
    assert [segment["key"] for segment in found["unused"]["nodes"]] == ["loop", "outer"]
    text = """mutation ($input: DeleteSegmentInput!) { deleteSegment(input: $input) { __typename } }"""
    place = {"project": "default", "environment": "production"}
    refused = {key: bool(server.post(text, input={"environment": place, "segmentKey": key}).errors) for key in ("inner", "kept", "loop", "outer")}  # fmt: skip # reads as a table, one case or group a line
    assert refused == {"inner": True, "kept": True, "loop": False, "outer": False}
