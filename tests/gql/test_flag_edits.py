"""Creating, targeting, archiving and deleting flags over HTTP."""

from typing import Any

import pytest

from tests.gql.conftest import a_flag, data_of
from tests.gql.flags import ADA, FLAG, PRODUCTION, TEST, create, mutate, update, updated, value, violations
from tests.servers import Server

OPTED_IN = {"attribute": "eap-opt-in", "op": "in", "values": ["yes"]}


pytestmark = pytest.mark.usefixtures("empty")


def test_a_new_flag_is_off_in_every_environment_and_serves_its_last_variation(server: Server) -> None:
    flags = create(server, "New dashboard", tags=["eap"])["createFlag"]["flags"]
    assert [(f["key"], f["on"], f["tags"], f["version"]) for f in flags] == [
        ("new-dashboard", False, ["eap"], 1)
    ] * 2
    for environment in (PRODUCTION, TEST):
        answer = server.evaluate("new-dashboard", ADA, e=environment)["evaluate"]
        assert (answer["value"], answer["reason"]["kind"]) == (False, "OFF")
    assert create(server, "Other", key="new-dashboard").code == "ALREADY_EXISTS"


def test_turning_a_flag_on_concerns_one_environment(server: Server) -> None:
    create(server, "f", variations=[{"value": "a", "name": "A"}, {"value": {"deep": [1]}}])
    assert updated(server, "f", {"turnOn": True})["on"] is True
    assert value(server, "f") == "a"
    assert value(server, "f", e=TEST) == {"deep": [1]}
    for unclear in ("turnOn", "turnOff"):
        [place] = violations(update(server, "f", {unclear: False}))
        assert place.endswith(f"0.{unclear}"), place
    assert updated(server, "f", {"turnOff": True})["on"] is False


def test_the_guides_walk_targets_a_segment_and_finds_the_active_program(server: Server) -> None:
    rule = {"addRule": {"clauses": [OPTED_IN]}}
    mutate(
        server,
        "createSegment",
        "revision",
        environment=PRODUCTION,
        name="eap: New dashboard",
        tags=["eap"],
        instructions=[rule],
    )
    create(server, "New dashboard")
    in_segment = {"op": "segmentMatch", "values": ["eap-new-dashboard"]}
    flag = updated(
        server,
        "new-dashboard",
        {"addRule": {"description": "EAP", "clauses": [in_segment], "serve": {"variation": 0}}},
        {"updateFallthrough": {"variation": 1}},
        {"turnOn": True},
    )
    assert flag["rules"][0]["serves"] == [{"variation": {"index": 0}, "weight": 100000}]
    assert value(server, "new-dashboard", {**ADA, "eap-opt-in": ["no", "yes"]}) is True
    assert value(server, "new-dashboard", ADA) is False
    query = """{ environment(project: "default", key: "production") { earlyAccessPrograms(active: true) {
        nodes { segment { key } variations { flag { key } variations { value } } } } } }"""
    assert server.post(query)["environment"]["earlyAccessPrograms"]["nodes"] == [
        {
            "segment": {"key": "eap-new-dashboard"},
            "variations": [{"flag": {"key": "new-dashboard"}, "variations": [{"value": True}]}],
        }
    ]


def test_individual_targets_of_several_kinds_are_tried_in_their_order(server: Server) -> None:
    create(server, "f")
    flag = updated(
        server,
        "f",
        {"turnOn": True},
        {"addTargets": {"variation": 1, "keys": ["ada", "bob", "ada"]}},
        {"addTargets": {"variation": 0, "keys": ["acme"], "contextKind": "org"}},
    )
    assert flag["targets"] == [{"variation": 1, "values": ["ada", "bob"]}]
    assert flag["contextTargets"] == [
        {"contextKind": "user", "variation": 1, "values": []},
        {"contextKind": "org", "variation": 0, "values": ["acme"]},
    ]
    both = {"kind": "multi", "user": {"key": "ada"}, "org": {"key": "acme"}}
    assert value(server, "f", both) is False
    answer = update(server, "f", {"addTargets": {"variation": 0, "keys": ["carl", "ada"]}})
    assert violations(answer) == {
        "input.instructions.0.addTargets.keys.1": "'ada' is targeted by variation 1 already"
    }
    moved = [
        {"removeTargets": {"variation": 1, "keys": ["ada"]}},
        {"addTargets": {"variation": 0, "keys": ["ada"]}},
        {"clearTargets": {"variation": 0, "contextKind": "org"}},
    ]
    flag = updated(server, "f", *moved)
    assert flag["contextTargets"] == []
    assert {t["variation"]: t["values"] for t in flag["targets"]} == {1: ["bob"], 0: ["ada"]}


@pytest.mark.parametrize(
    "instructions",
    [
        [{"clearTargets": {"variation": 5}}, {"clearTargets": {"variation": 5, "contextKind": "a b"}}],
        [
            {"removeTargets": {"variation": 5, "keys": ["ann", "bob"]}},
            {"removeTargets": {"variation": 5, "contextKind": "a b", "keys": ["acme"]}},
        ],
    ],
)
def test_targets_that_an_import_brought_can_go_though_no_edit_could_write_them(
    server: Server, instructions: list[dict[str, Any]]
) -> None:
    bad = [{"variation": 5, "values": ["ann", "bob"]}]
    contexts = [
        {"variation": 5, "contextKind": "user"},
        {"variation": 5, "contextKind": "a b", "values": ["acme"]},
    ]
    server.import_flags(data_of(a_flag("f", targets=bad, contextTargets=contexts)))
    assert server.evaluate("f", {"key": "ann"})["evaluate"]["reason"]["errorKind"] == "MALFORMED_FLAG"
    refused = update(server, "f", {"addTargets": {"variation": 5, "keys": ["cy"]}})
    assert "input.instructions.0.addTargets.variation" in dict(violations(refused))
    flag = updated(server, "f", *instructions)
    assert (flag["targets"], flag["contextTargets"]) == ([], [])
    assert server.evaluate("f", {"key": "ann"})["evaluate"]["reason"]["kind"] == "FALLTHROUGH"
    again = update(server, "f", {"clearTargets": {"variation": 5}})
    assert "input.instructions.0.clearTargets.variation" in dict(violations(again)), "there is none any more"


def test_what_is_no_key_of_a_context_is_no_target(server: Server) -> None:
    create(server, "f")
    answer = update(server, "f", {"addTargets": {"variation": 1, "keys": ["   ", "a", "n\0l", "x" * 1_025]}})
    places = [path.rsplit(".", 1)[1] for path in violations(answer)]
    assert places == ["0", "2", "3"]


def test_rules_serve_rollouts_and_are_edited_in_place(server: Server) -> None:
    create(server, "f")
    rollout = {
        "variations": [{"variation": 0, "weight": 30000}, {"variation": 1, "weight": 70000}],
        "bucketBy": "team",
    }
    flag = updated(server, "f", {"addRule": {"clauses": [OPTED_IN], "serve": {"rollout": rollout}}})
    first = flag["rules"][0]["id"]
    flag = updated(
        server,
        "f",
        {"addRule": {"clauses": [OPTED_IN], "serve": {"variation": 1}, "beforeRuleId": first}},
        {"updateRule": {"ruleId": first, "description": "thirds"}},
        {"updateFallthrough": {"rollout": rollout}},
        {"updateOffVariation": {"variation": None}},
        {"addValuesToClause": {"ruleId": first, "clauseIndex": 0, "values": ["sure"]}},
    )
    assert [r["description"] for r in flag["rules"]] == ["", "thirds"]
    assert [s["weight"] for s in flag["rules"][1]["serves"]] == [30000, 70000]
    assert flag["rules"][1]["clauses"][0]["values"] == ["yes", "sure"]
    assert (flag["offVariation"], flag["fallthrough"][1]["weight"]) == (None, 70000)
    assert [r["id"] for r in updated(server, "f", {"removeRules": [first]})["rules"]] != [first]


def test_rules_are_replaced_as_a_whole_and_keep_the_ids_they_are_called_by(server: Server) -> None:
    create(server, "f")
    clauses = [OPTED_IN]
    added = {"addRule": {"clauses": clauses, "serve": {"variation": 0}}}
    first, second = (rule["id"] for rule in updated(server, "f", added, added)["rules"])
    rules = [
        {"clauses": clauses, "serve": {"variation": 1}, "description": "new"},
        {"ruleId": second, "clauses": clauses, "serve": {"variation": 1}},
    ]
    flag = updated(server, "f", {"replaceRules": rules})
    assert [rule["serves"][0]["variation"]["index"] for rule in flag["rules"]] == [1, 1]
    assert flag["rules"][1]["id"] == second
    assert flag["rules"][0]["id"] not in {"", first, second}
    kept = [{**rule, "ruleId": was["id"]} for rule, was in zip(rules, flag["rules"], strict=True)]
    assert updated(server, "f", {"replaceRules": kept})["version"] == flag["version"]
    wrong = [{**kept[0], "clauses": []}, {**kept[0], "serve": {"variation": 2}}, {**kept[0], "ruleId": first}]
    assert list(violations(update(server, "f", {"replaceRules": wrong}))) == [
        "input.instructions.0.replaceRules.0.clauses",
        "input.instructions.0.replaceRules.1.serve.variation",
        "input.instructions.0.replaceRules.1.ruleId",
        "input.instructions.0.replaceRules.2.ruleId",
    ]
    assert updated(server, "f", {"replaceRules": []})["rules"] == []


def test_events_are_tracked_for_a_flag_its_fallthrough_and_a_rule(server: Server) -> None:
    create(server, "f")
    rule = {"clauses": [OPTED_IN], "serve": {"variation": 0}}
    one, other = (r["id"] for r in updated(server, "f", {"addRule": rule}, {"addRule": rule})["rules"])
    tracked = "flag { trackEvents trackEventsFallthrough rules { trackEvents } version }"
    instructions = [
        {"updateTrackEvents": True},
        {"updateTrackEventsFallthrough": True},
        {"updateRule": {"ruleId": other, "trackEvents": True}},
        {"updateRule": {"ruleId": one, "description": "stays untracked"}},
    ]
    wish = {"environment": PRODUCTION, "flagKey": "f", "instructions": instructions}
    seen = mutate(server, "updateFlagTargeting", tracked, **wish)["updateFlagTargeting"]["flag"]
    assert (seen["trackEvents"], seen["trackEventsFallthrough"]) == (True, True)
    assert seen["rules"] == [{"trackEvents": False}, {"trackEvents": True}]
    wish["instructions"] = [{"updateTrackEvents": False}]
    seen = mutate(server, "updateFlagTargeting", tracked, **wish)["updateFlagTargeting"]["flag"]
    assert (seen["trackEvents"], seen["trackEventsFallthrough"]) == (False, True)


def test_everything_wrong_is_listed_at_its_instruction(server: Server) -> None:
    create(server, "f")
    short = {
        "variations": [{"variation": 0, "weight": -1}, {"variation": 5, "weight": 70000}],
        "contextKind": "a b",
    }
    answer = update(
        server,
        "f",
        {"addRule": {"clauses": [{"op": "segmentMatch", "values": ["gone"]}], "serve": {"variation": 2}}},
        {"updateFallthrough": {"rollout": short}},
        {"updateOffVariation": {"variation": -1}},
        {"addTargets": {"variation": 9, "keys": ["a"]}},
        {"updateRule": {"ruleId": "gone"}},
        {"addPrerequisites": [{"key": "nobody", "variation": 0}]},
    )
    assert list(violations(answer)) == [
        "input.instructions.0.addRule.clauses.0.values.0",
        "input.instructions.0.addRule.serve.variation",
        "input.instructions.1.updateFallthrough.rollout.variations.1.variation",
        "input.instructions.1.updateFallthrough.rollout.variations.0.weight",
        "input.instructions.1.updateFallthrough.rollout.variations",
        "input.instructions.1.updateFallthrough.rollout.contextKind",
        "input.instructions.2.updateOffVariation.variation",
        "input.instructions.3.addTargets.variation",
        "input.instructions.4.updateRule.ruleId",
        "input.instructions.5.addPrerequisites.0.key",
    ]
    assert updated(server, "f")["version"] == 1


def test_everything_wrong_with_targets_is_listed_at_once(server: Server) -> None:
    create(server, "Flag")
    wish = {"addTargets": {"variation": 9, "contextKind": "a b", "keys": ["", "x"]}}
    place = "input.instructions.0.addTargets"
    assert set(violations(update(server, "flag", wish))) == {
        f"{place}.variation",
        f"{place}.contextKind",
        f"{place}.keys.0",
    }


def test_prerequisites_form_no_circle_and_protect_what_they_need(server: Server) -> None:
    for key in "abc":
        create(server, key)
    updated(server, "a", {"addPrerequisites": [{"key": "b", "variation": 0}]})
    updated(server, "b", {"addPrerequisites": [{"key": "c", "variation": 1}]})
    answer = update(server, "c", {"addPrerequisites": [{"key": "a", "variation": 0}]})
    place = "input.instructions.0.addPrerequisites.0.key"
    assert violations(answer)[place].endswith("c -> a -> b -> c")
    itself = update(server, "a", {"addPrerequisites": [{"key": "a", "variation": 0}]})
    assert violations(itself)[place].endswith("a -> a")
    for action in ("archiveFlag", "deleteFlag"):
        refused = mutate(server, action, "__typename", project="default", flagKey="c")
        assert refused.code == "IN_USE"
        users = [(user["key"], user["environment"]) for user in refused.errors[0]["extensions"]["users"]]
        assert users == [("b", "default/production")]
    updated(server, "b", {"removePrerequisites": ["c", "never there"]})
    assert not mutate(server, "archiveFlag", "__typename", project="default", flagKey="c").errors


def test_prerequisites_are_replaced_as_a_whole(server: Server) -> None:
    for key in "abc":
        create(server, key)
    updated(server, "a", {"addPrerequisites": [{"key": "b", "variation": 0}]})
    replaced = {"replacePrerequisites": [{"key": "c", "variation": 0}, {"key": "c", "variation": 1}]}
    assert updated(server, "a", replaced)["prerequisites"] == [{"key": "c", "variation": 1}]
    answer = update(server, "c", {"replacePrerequisites": [{"key": "a", "variation": 0}]})
    place = "input.instructions.0.replacePrerequisites.0.key"
    assert violations(answer)[place].endswith("c -> a -> c")
    assert updated(server, "a", {"replacePrerequisites": []})["prerequisites"] == []


def test_archiving_is_felt_everywhere_and_undone_by_restoring(server: Server) -> None:
    create(server, "f")
    archived = mutate(server, "archiveFlag", f"flags {FLAG}", project="default", flagKey="f")["archiveFlag"][
        "flags"
    ]
    assert [flag["archived"] for flag in archived] == [True, True]
    for environment in (PRODUCTION, TEST):
        assert server.evaluate("f", ADA, e=environment)["evaluate"]["reason"]["errorKind"] == "FLAG_NOT_FOUND"
    mutate(server, "restoreFlag", "__typename", project="default", flagKey="f")
    assert value(server, "f") is False


def test_a_deleted_flag_is_gone_everywhere(server: Server) -> None:
    create(server, "f")
    deleted = mutate(server, "deleteFlag", "deletedFlagIds", project="default", flagKey="f")["deleteFlag"]
    assert len(set(deleted["deletedFlagIds"])) == 2
    query = "query ($ids: [ID!]!) { nodes(ids: $ids) { id } }"
    assert server.post(query, ids=deleted["deletedFlagIds"])["nodes"] == [None, None]
    assert mutate(server, "deleteFlag", "__typename", project="default", flagKey="f").code == "NOT_FOUND"
    assert not create(server, "f").errors


def test_an_edit_against_another_version_is_refused_and_names_both(server: Server) -> None:
    server.import_flags(data_of(a_flag("f", version=7)))
    update(server, "f", {"turnOff": True}, expectedVersion=7)
    answer = update(server, "f", {"turnOn": True}, expectedVersion=7)
    assert answer.code == "VERSION_CONFLICT"
    extensions = answer.errors[0]["extensions"]
    assert (extensions["expectedVersion"], extensions["actualVersion"]) == (7, 8)
    assert updated(server, "f", {"turnOff": True})["version"] == 8


@pytest.mark.parametrize(
    ("wish", "path"),
    [
        ({"name": "?"}, "input.name"),
        ({"name": "x", "key": "-x"}, "input.key"),
        ({"name": "x", "tags": ["a b"]}, "input.tags.0"),
        ({"name": "x", "variations": []}, "input.variations"),
    ],
)
def test_what_cannot_be_a_flag_is_refused(server: Server, wish: dict[str, Any], path: str) -> None:
    assert path in violations(create(server, **wish))


def test_what_does_not_exist_is_named(server: Server) -> None:
    assert update(server, "gone", {"turnOn": True}).code == "NOT_FOUND"
    answer = mutate(server, "createFlag", "__typename", project="nowhere", name="f")
    assert (answer.code, answer.errors[0]["extensions"]["key"]) == ("NOT_FOUND", "nowhere")


@pytest.mark.parametrize(
    "instruction",
    [
        {"addTargets": {"variation": 1, "keys": ["n"]}},
        {"addTargets": {"variation": 2, "keys": ["new"]}},
        {"addTargets": {"variation": 2, "contextKind": "org", "keys": ["acme"]}},
        {"removeTargets": {"variation": 0, "keys": ["n"]}},
        {"clearTargets": {"variation": 0, "contextKind": "org"}},
        {"removeTargets": {"variation": 1, "keys": ["e"]}},
    ],
)
def test_targets_that_an_instruction_does_not_name_stay(server: Server, instruction: dict[str, Any]) -> None:
    targets = [{"variation": v, "values": [k]} for v, k in ((1, "e"), (0, "f"), (1, "e2"), (0, "e2"))]
    server.import_flags(
        data_of(a_flag("f", variations=["a", "b", "c"], fallthrough={"variation": 2}, targets=targets))
    )
    updated(server, "f", instruction)
    assert (value(server, "f", {"key": "e2"}), value(server, "f", {"key": "f"})) == ("b", "a")


def test_users_that_do_not_count_stay_stored_and_do_not_count(server: Server) -> None:
    dormant = a_flag(
        "f",
        fallthrough={"variation": 0},
        targets=[{"variation": 1, "values": ["e"]}],
        contextTargets=[{"contextKind": "org", "variation": 1, "values": ["acme"]}],
    )
    server.import_flags(data_of(dormant))
    flag = updated(server, "f", {"addTargets": {"variation": 0, "keys": ["new"]}})
    assert {"variation": 1, "values": ["e"]} in flag["targets"]
    assert value(server, "f", {"key": "e"}) is True


def test_removing_a_target_and_adding_it_again_keeps_the_order_of_kinds(server: Server) -> None:
    mixed = a_flag(
        "f",
        variations=["a", "b", "c"],
        targets=[{"variation": 1, "values": ["e"]}],
        contextTargets=[
            {"contextKind": "user", "variation": 1, "values": []},
            {"contextKind": "org", "variation": 2, "values": ["o"]},
        ],
    )
    server.import_flags(data_of(mixed))
    both = {"kind": "multi", "user": {"key": "e"}, "org": {"key": "o"}}
    assert value(server, "f", both) == "b"
    one = {"variation": 1, "keys": ["e"]}
    updated(server, "f", {"removeTargets": one})
    assert value(server, "f", both) == "c"
    updated(server, "f", {"addTargets": one})
    assert value(server, "f", both) == "b"
