"""Importing over HTTP."""

from typing import Any

import pytest

from tests.gql.conftest import a_flag, a_rule_on_segments, data_of
from tests.servers import Server

ADA = {"kind": "user", "key": "ada"}
TEST = {"project": "default", "environment": "test"}
NOT_LOADED = "the members are not in the data: its list has none until startSegmentImport loads them"


@pytest.fixture(autouse=True)
def nothing_elsewhere(server: Server) -> None:
    server.import_flags({}, environment="test")


def outcomes(answer: Any) -> dict[str, str]:
    return {item["key"]: item["outcome"] for item in answer["importFlagData"]["items"]}


def test_an_import_reports_item_by_item(server: Server) -> None:
    server.import_flags(data_of(a_flag("same"), a_flag("old"), a_flag("gone"), segments=({"key": "s"},)))
    answer = server.import_flags(
        data_of(a_flag("same"), a_flag("old", on=False), a_flag("new", colour="red"), segments=({"key": "s"},))
    )
    items = answer["importFlagData"]["items"]
    assert [(i["kind"], i["key"], i["outcome"]) for i in items] == [
        ("FLAG", "gone", "DELETED"),
        ("FLAG", "new", "CREATED"),
        ("FLAG", "old", "UPDATED"),
        ("FLAG", "same", "UNCHANGED"),
        ("SEGMENT", "s", "UNCHANGED"),
    ]
    assert items[1]["notes"] == ["ignored the property 'colour'"]
    assert answer["importFlagData"]["counts"] == {"created": 1, "updated": 1, "unchanged": 2, "deleted": 1}


def test_merging_keeps_what_the_data_does_not_mention(server: Server) -> None:
    server.import_flags(data_of(a_flag("a"), a_flag("b")))
    assert outcomes(server.import_flags(data_of(a_flag("b", on=False)), mode="MERGE")) == {"b": "UPDATED"}
    assert server.evaluate("a", ADA)["evaluate"]["value"] is True


def test_a_tombstone_deletes(server: Server) -> None:
    server.import_flags(data_of(a_flag("a"), a_flag("b"), segments=({"key": "s"},)))
    tombstones = {"flags": {"a": {"key": "a", "deleted": True}}, "segments": {"s": {"deleted": True}}}
    assert outcomes(server.import_flags(tombstones, mode="MERGE")) == {"a": "DELETED", "s": "DELETED"}
    assert server.evaluate("a", ADA)["evaluate"]["reason"]["errorKind"] == "FLAG_NOT_FOUND"


def test_the_same_data_again_changes_nothing(server: Server) -> None:
    data = data_of(a_flag("a", tags=["x"], variations=[1, 1.5, True]), segments=({"key": "s", "salt": "x"},))
    before = server.import_flags(data)["importFlagData"]["revision"]
    again = server.import_flags(data)
    assert set(outcomes(again).values()) == {"UNCHANGED"}
    assert again["importFlagData"]["revision"] == before


def test_true_is_not_one_when_changes_are_looked_for(server: Server) -> None:
    server.import_flags(data_of(a_flag("a", variations=[1, 0])))
    assert outcomes(server.import_flags(data_of(a_flag("a", variations=[True, 0])))) == {"a": "UPDATED"}
    assert server.evaluate("a", ADA)["evaluate"]["value"] is True


def test_each_import_that_changes_something_grows_the_revision_by_one(server: Server) -> None:
    first = server.import_flags(data_of(a_flag("a"), a_flag("b")))["importFlagData"]["revision"]
    second = server.import_flags(data_of(a_flag("a", on=False), a_flag("c")))["importFlagData"]["revision"]
    assert second == first + 1


def test_all_violations_come_at_once_and_nothing_is_stored(server: Server) -> None:
    server.import_flags(data_of(a_flag("kept")))
    bad = {
        "flags": {
            "fine": a_flag("fine"),
            "a": {"on": "yes", "rules": [{"clauses": [{"op": 7}]}], "fallthrough": {"variation": 0.5}},
            "b b": {},
        },
        "segments": {"s": {"included": ["x", 1]}},
    }
    answer = server.import_flags(bad)
    assert answer.code == "BAD_USER_INPUT"
    paths = {".".join(map(str, v["path"])) for v in answer.errors[0]["extensions"]["violations"]}
    assert paths == {
        f"input.data.{place}"
        for place in (
            "flags.a.on",
            "flags.a.rules.0.clauses.0.op",
            "flags.a.fallthrough.variation",
            "flags.b b",
            "segments.s.included.1",
        )
    }
    assert server.evaluate("fine", ADA)["evaluate"]["reason"]["errorKind"] == "FLAG_NOT_FOUND"
    assert server.evaluate("kept", ADA)["evaluate"]["value"] is True


def test_data_that_is_no_flag_data_is_refused(server: Server) -> None:
    server.import_flags(data_of(a_flag("kept")))
    wrong: list[Any] = [[], "x", 7, {"flag": {}}, {"flags": []}]
    for data in wrong:
        assert server.import_flags(data).code == "BAD_USER_INPUT"
    assert server.evaluate("kept", ADA)["evaluate"]["value"] is True


def test_an_unknown_environment_is_not_found(server: Server) -> None:
    assert server.import_flags({"flagValues": {"a": 1}}, environment="nowhere").code == "NOT_FOUND"


def test_an_import_never_changes_what_another_environment_serves(server: Server) -> None:
    server.import_flags({"flagValues": {"greeting": "hello"}})
    answer = server.import_flags({"flagValues": {"greeting": "moin"}}, environment="test")
    assert "hold in this one only" in answer["importFlagData"]["items"][0]["notes"][0]
    assert server.evaluate("greeting", ADA)["evaluate"]["value"] == "hello"
    assert server.evaluate("greeting", ADA, e=TEST)["evaluate"]["value"] == "moin"
    server.import_flags({})
    assert server.evaluate("greeting", ADA)["evaluate"]["reason"]["errorKind"] == "FLAG_NOT_FOUND"
    assert server.evaluate("greeting", ADA, e=TEST)["evaluate"]["value"] == "moin"
    server.import_flags({}, environment="test")


def test_a_flag_keeps_the_name_and_tags_that_later_data_does_not_speak_of(server: Server) -> None:
    server.import_flags(data_of(a_flag("a", name="Alpha", tags=["x"])))
    server.import_flags(data_of(a_flag("a", on=False)))
    query = '{ environment(project: "default", key: "production") { flag(key: "a") { name tags on version } } }'
    assert server.post(query)["environment"]["flag"] == {"name": "Alpha", "tags": ["x"], "on": False, "version": 2}


def test_the_next_read_sees_the_import(server: Server) -> None:
    for number in range(20):
        server.import_flags({"flagValues": {"n": number}})
        assert server.evaluate("n", ADA)["evaluate"]["value"] == number


def test_unknown_operators_are_kept_and_reported(server: Server) -> None:
    rule = {"clauses": [{"attribute": "a", "op": "sounds like", "values": []}], "variation": 1}
    answer = server.import_flags(data_of(a_flag("f", rules=[rule, a_rule_on_segments("gone")])))
    assert "'sounds like'" in answer["importFlagData"]["items"][0]["notes"][0]


def notes(answer: Any) -> dict[str, list[str]]:
    items = answer["importFlagData"]["items"]
    return {item["key"]: item["notes"] for item in items if item["outcome"] != "DELETED"}


def test_a_key_that_is_not_what_it_stands_under_is_reported(server: Server) -> None:
    data = {"flags": {"a": a_flag("b")}, "segments": {"s": {"key": "t"}, "u": {}}}
    assert notes(server.import_flags(data)) == {
        "b": ["it stands under 'a', but is 'b' by its key"],
        "t": ["it stands under 's', but is 't' by its key"],
        "u": [],
    }


def test_variations_that_do_not_exist_are_kept_and_reported(server: Server) -> None:
    shares = [{"variation": 1, "weight": 50000}, {"variation": 3, "weight": 50000}]
    flag = a_flag(
        "f",
        rules=[
            {**a_rule_on_segments("s"), "variation": -1},
            a_rule_on_segments("s", variation=1) | {"id": "fine"},
        ],
        targets=[{"variation": 2, "values": ["ada"]}],
        fallthrough={"rollout": {"variations": shares}},
        offVariation=9,
    )
    assert notes(server.import_flags(data_of(flag, segments=({"key": "s"},))))["f"] == [
        f"kept the variation {place} of {what}, which does not exist"
        for place, what in ((-1, "rule 'on-s'"), (2, "a target"), (3, "the fallthrough"), (9, "offVariation"))
    ]
    assert server.evaluate("f", ADA)["evaluate"]["reason"]["errorKind"] == "MALFORMED_FLAG"


def test_rules_and_prerequisites_on_what_does_not_exist_after_the_import_are_kept_and_reported(
    server: Server,
) -> None:
    server.import_flags(data_of(a_flag("here"), a_flag("gone"), segments=({"key": "s"}, {"key": "going"})))
    rules = [a_rule_on_segments("s", "nope", "new"), a_rule_on_segments("going", negate=True)]
    rules.append({**a_rule_on_segments("nope"), "id": ""})
    needed = [{"key": key, "variation": 0} for key in ("here", "nope", "new", "gone")]
    data = data_of(
        a_flag("f", rules=rules, prerequisites=needed), a_flag("new"), segments=(in_segment("new", "s", "nope"),)
    )
    data["segments"]["going"] = data["flags"]["gone"] = {"deleted": True}
    assert notes(server.import_flags(data, mode="MERGE")) == {
        "f": [
            "kept the prerequisite 'nope', which does not exist",
            "kept the prerequisite 'gone', which does not exist",
            "kept the segment 'nope' of rule 'on-s-nope-new', which does not exist",
            "kept the segment 'going' of rule 'on-going', which does not exist",
            "kept the segment 'nope' of rule '#2', which does not exist",
        ],
        "new": ["kept the segment 'nope' of rule 'r', which does not exist"],
    }


def test_prerequisites_that_are_never_met_and_what_serves_nothing_are_kept_and_reported(server: Server) -> None:
    needed = [{"key": "two", "variation": 2}, {"key": "two", "variation": 1}, {"key": "kept-away", "variation": 0}]
    empty: dict[str, Any] = {"rollout": {"variations": []}}
    rules = [{"id": "nothing", "clauses": []}, {"id": "nobody", "clauses": [], **empty}]
    flag = a_flag("f", rules=rules, prerequisites=needed, fallthrough={})
    archived = a_flag("kept-away", archived=True)
    assert notes(server.import_flags(data_of(flag, a_flag("two"), archived)))["f"] == [
        "rule 'nothing' serves nothing: the flag is malformed for whoever gets there",
        "rule 'nobody' serves nothing: the flag is malformed for whoever gets there",
        "the fallthrough serves nothing: the flag is malformed for whoever gets there",
        "kept the prerequisite 'two', which has no variation 2: it is never met",
        "kept the prerequisite 'kept-away', which is archived: until it is restored it is never met",
    ]


def a_rollout(*shares: tuple[int, int]) -> dict[str, Any]:
    return {"rollout": {"variations": [{"variation": place, "weight": weight} for place, weight in shares]}}


def test_rollouts_that_do_not_add_up_are_kept_and_reported_with_who_gets_the_rest(server: Server) -> None:
    clauses: list[Any] = []
    rules = [
        {"id": "short", "clauses": clauses, **a_rollout((0, 20000), (1, 30000))},
        {"id": "long", "clauses": clauses, **a_rollout((0, 90000), (1, 30000))},
        {"id": "even", "clauses": clauses, **a_rollout((0, -5), (1, 100005))},
        {"id": "alone", "clauses": clauses, "variation": 0, **a_rollout((0, 1))},
    ]
    flag = a_flag("f", rules=rules, fallthrough=a_rollout((1, 0), (0, 99999)))
    assert notes(server.import_flags(data_of(flag)))["f"] == [
        "the weights of rule 'short' add up to 50000, not 100000: the last, variation 1, gets the rest",
        "the weights of rule 'long' add up to 120000, not 100000: what is beyond that gets nobody",
        "the weights of the fallthrough add up to 99999, not 100000: the last, variation 0, gets the rest",
    ]


def test_a_large_list_has_no_generation_until_members_are_loaded_here(server: Server) -> None:
    large = {"key": "fresh", "unbounded": True, "generation": 5}
    listed = {"key": "listed", "unbounded": True}
    for outcome in ("CREATED", "UNCHANGED"):
        answer = server.import_flags(data_of(segments=(large, listed)))
        assert outcomes(answer) | {"fresh": outcome, "listed": outcome} == outcomes(answer)
        found = notes(answer)
        assert found["fresh"] == found["listed"] == [NOT_LOADED]
    query = """{ environment(project: "default", key: "production") { segment(key: "fresh") {
        largeList { generation } } } }"""
    assert server.post(query)["environment"]["segment"]["largeList"] == {"generation": None}


def in_segment(key: str, *others: str) -> dict[str, Any]:
    clauses = [{"attribute": "", "op": "segmentMatch", "values": list(others)}]
    return {"key": key, "rules": [{"id": "r", "clauses": clauses}]}


def test_circles_are_kept_and_reported_also_those_closed_with_what_is_there(server: Server) -> None:
    def needing(key: str, *others: str) -> dict[str, Any]:
        return a_flag(key, prerequisites=[{"key": other, "variation": 0} for other in others])

    missing = "kept the segment 's2' of rule 'r', which does not exist"
    data = data_of(needing("f1", "f2"), needing("f2", "f1"), segments=(in_segment("s1", "s2"), in_segment("s3")))
    assert notes(server.import_flags(data)) == {
        "f1": ["kept in a circle, which makes it malformed: f1 -> f2 -> f1"],
        "f2": ["kept in a circle, which makes it malformed: f1 -> f2 -> f1"],
        "s1": [missing],
        "s3": [],
    }
    assert server.evaluate("f1", ADA)["evaluate"]["reason"]["errorKind"] == "MALFORMED_FLAG"
    closing = data_of(needing("f2"), segments=(in_segment("s2", "s1"),))
    assert notes(server.import_flags(closing, mode="MERGE")) == {
        "f2": [],
        "s2": ["kept in a circle, which makes it malformed: s1 -> s2 -> s1"],
    }


def nested(depth: int) -> Any:
    value: Any = 1
    for _ in range(depth):
        value = [value]
    return value


def test_values_nest_a_hundred_deep_and_no_deeper(server: Server) -> None:
    server.import_flags(data_of(a_flag("deep", variations=[nested(100)])))
    assert server.evaluate("deep", ADA)["evaluate"]["value"] == nested(100)
    for depth in (101, 800):
        answer = server.import_flags(data_of(a_flag("deep", variations=[nested(depth)])))
        assert answer.errors[0]["extensions"]["violations"] == [
            {
                "path": ["input", "data", "flags", "deep", "variations", 0],
                "message": "is nested more than 100 deep",
            }
        ]
        assert server.import_flags({"flagValues": {"deep": nested(depth)}}).code == "BAD_USER_INPUT"
    assert server.evaluate("gone", ADA, d=nested(800)).code == "BAD_USER_INPUT"


def test_an_archived_flag_evaluates_as_an_unknown_one_also_as_a_prerequisite(server: Server) -> None:
    needs = a_flag("needs", prerequisites=[{"key": "old", "variation": 0}])
    server.import_flags(data_of(a_flag("old", archived=True), needs))
    assert server.evaluate("old", ADA)["evaluate"]["reason"]["errorKind"] == "FLAG_NOT_FOUND"
    assert server.evaluate("needs", ADA)["evaluate"]["reason"]["kind"] == "PREREQUISITE_FAILED"
    query = '{ environment(project: "default", key: "production") { flags(archived: true) { nodes { key } } } }'
    assert server.post(query)["environment"]["flags"]["nodes"] == [{"key": "old"}]
    server.import_flags(data_of(a_flag("old", archived=False)))
    assert server.evaluate("old", ADA)["evaluate"]["value"] is True


def test_archiving_by_import_leaves_other_environments_alone(server: Server) -> None:
    server.import_flags(data_of(a_flag("shared")))
    answer = server.import_flags(data_of(a_flag("shared", archived=True)), environment="test")
    assert "it was left as it is" in answer["importFlagData"]["items"][0]["notes"][0]
    assert server.evaluate("shared", ADA)["evaluate"]["value"] is True
    server.import_flags({}, environment="test")


@pytest.mark.parametrize(
    ("op", "value", "shown"),
    [
        ("matches", "(?=a)", "'(?=a)'"),
        ("before", "today", "'today'"),
        ("semVerEqual", "v1", "'v1'"),
        ("in", None, "null"),
        ("startsWith", True, "true"),
    ],
)
def test_values_that_can_never_match_are_kept_and_reported(
    server: Server, op: str, value: Any, shown: str
) -> None:
    rule = {"clauses": [{"attribute": "a", "op": op, "values": [value]}], "variation": 1}
    answer = server.import_flags(data_of(a_flag("f", rules=[rule])))
    assert answer["importFlagData"]["items"][0]["notes"] == [
        f"kept the value {shown} of {op}, which never matches"
    ]


def test_a_flood_of_violations_is_cut_off(server: Server) -> None:
    answer = server.import_flags({"segments": {"s": {"included": [1] * 100_000}}})
    violations = answer.errors[0]["extensions"]["violations"]
    assert len(violations) == 1_001
    assert "the rest is not listed" in violations[-1]["message"]


def test_numbers_that_the_graph_cannot_show_are_refused(server: Server) -> None:
    assert server.import_flags(data_of(a_flag("a", version=2**30))).code == "BAD_USER_INPUT"
    rollout = {"seed": 2**40, "variations": [{"variation": 0, "weight": -5}, {"variation": 1, "weight": 100005}]}
    server.import_flags(data_of(a_flag("a", rules=[{"rollout": rollout}], version=2**30 - 1)))
    query = '{ environment(project: "default", key: "production") { flag(key: "a") { version rules { rollout { seed } serves { weight } } } } }'
    assert server.post(query)["environment"]["flag"] == {
        "version": 2**30 - 1,
        "rules": [{"rollout": {"seed": 2**40}, "serves": [{"weight": 0}, {"weight": 100000}]}],
    }


def test_individual_targets_beside_a_large_list_are_kept_ignored_and_noted(server: Server) -> None:
    beside = {"key": "beside", "unbounded": True, "included": ["ada"]}
    flag = a_flag("on-beside", fallthrough={"variation": 1}, rules=[a_rule_on_segments("beside")])
    for outcome in ("CREATED", "UNCHANGED"):
        answer = server.import_flags(data_of(flag, segments=(beside,)))
        [item] = [item for item in answer["importFlagData"]["items"] if item["kind"] == "SEGMENT"]
        assert (item["outcome"], item["notes"]) == (
            outcome,
            [NOT_LOADED, "kept individual targets, which evaluation ignores beside a large list"],
        )
    assert server.evaluate("on-beside", ADA)["evaluate"]["value"] is False
