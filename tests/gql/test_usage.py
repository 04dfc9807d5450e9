"""Usage and early access programs over HTTP."""

import json
from pathlib import Path
from typing import Any

import pytest

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
        ("eap-ai-summaries", True, 1),
        ("eap-new-dashboard", True, 3),
    ]
    dashboard = found["nodes"][1]
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
    assert programs(examples, '(tag: "no such tag", byName: true)')["totalCount"] == 3


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
