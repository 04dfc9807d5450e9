"""What is true of a flag in every environment, changed over HTTP."""

from typing import Any

import pytest

from tests.gql.flags import ADA, FLAG, create, mutate, target, violations
from tests.servers import Answer, Server

pytestmark = pytest.mark.usefixtures("empty")


def update(server: Server, *instructions: dict[str, Any], **properties: Any) -> Answer:
    wish = {"project": "default", "flagKey": "flag", "instructions": list(instructions), **properties}
    return mutate(server, "updateFlag", "flags { projectVersion " + FLAG[1:], **wish)


def test_details_change_in_every_environment_at_once(server: Server) -> None:
    create(server, "Flag", tags=["old"])
    seen = update(
        server,
        {"updateName": "Better"},
        {"updateDescription": "What for"},
        {"addTags": ["eap", "new"]},
        {"removeTags": ["old", "nowhere"]},
    )["updateFlag"]["flags"]
    assert [flag["name"] for flag in seen] == ["Better", "Better"]
    assert [flag["tags"] for flag in seen] == [["eap", "new"]] * 2
    assert [flag["projectVersion"] for flag in seen] == [2, 2]


def test_a_new_variation_is_last_and_can_be_served(server: Server) -> None:
    create(server, "Flag")
    seen = update(server, {"addVariation": {"value": {"a": 1}, "name": "object"}})["updateFlag"]["flags"][0]
    assert [variation["value"] for variation in seen["variations"]] == [True, False, {"a": 1}]
    environment = {"project": "default", "environment": "production"}
    wish = {
        "environment": environment,
        "flagKey": "flag",
        "instructions": [{"updateOffVariation": {"variation": 2}}],
    }
    assert mutate(server, "updateFlagTargeting", "revision", **wish)["updateFlagTargeting"]
    assert server.evaluate("flag", ADA)["evaluate"]["value"] == {"a": 1}


def test_another_value_is_served_at_once(server: Server) -> None:
    create(server, "Flag")
    assert server.evaluate("flag", ADA)["evaluate"]["value"] is False
    seen = update(server, {"updateVariationValue": {"index": 1, "value": 0}})["updateFlag"]["flags"][0]
    assert seen["projectVersion"] == 2, "0 is not false"
    assert server.evaluate("flag", ADA)["evaluate"]["value"] == 0
    renamed = update(server, {"renameVariation": {"index": 1, "name": "zero"}})["updateFlag"]["flags"][0]
    assert renamed["variations"][1] == {"index": 1, "value": 0, "name": "zero"}


def test_client_sdk_keys_see_what_was_made_available(secrets: tuple[Server, dict[str, str]]) -> None:
    server, printed = secrets
    server.import_flags({}, mode="MERGE")
    create(server, "Flag", key="flag")
    ask = '{ evaluate(flagKey: "flag", context: {kind: "user", key: "a"}) { reason { errorKind } } }'
    client = printed["client SDK key, production"]
    assert server.post(ask, token=client)["evaluate"]["reason"]["errorKind"] == "FLAG_NOT_FOUND"
    update(server, {"updateClientSideAvailability": {"usingEnvironmentId": True}})
    assert server.post(ask, token=client)["evaluate"]["reason"]["errorKind"] is None


def test_what_clients_may_see_is_read_as_it_was_written(server: Server) -> None:
    available = "flags { clientSideAvailability { usingEnvironmentId usingMobileKey } }"
    create(server, "Flag")
    wish = {"project": "default", "flagKey": "flag"}
    for given in ({"usingEnvironmentId": True}, {"usingMobileKey": False}):
        edit = {**wish, "instructions": [{"updateClientSideAvailability": given}]}
        flags = mutate(server, "updateFlag", available, **edit)["updateFlag"]["flags"]
        assert [flag["clientSideAvailability"].items() >= given.items() for flag in flags] == [True, True]
    assert flags[0]["clientSideAvailability"] == {"usingEnvironmentId": True, "usingMobileKey": False}


def test_a_wanted_state_that_holds_changes_nothing(server: Server) -> None:
    create(server, "Flag", tags=["eap"])
    seen = update(server, {"addTags": ["eap"]}, {"updateName": "Flag"}, {"updateTemporary": False})
    assert seen["updateFlag"]["flags"][0]["projectVersion"] == 1


def test_every_violation_is_told_and_nothing_changes(server: Server) -> None:
    create(server, "Flag")
    refused = update(
        server,
        {"updateDescription": "not kept"},
        {"updateName": " "},
        {"addTags": ["ok", "not ok"]},
        {"renameVariation": {"index": 2, "name": "x"}},
    )
    assert [violation["path"] for violation in refused.errors[0]["extensions"]["violations"]] == [
        ["input", "instructions", 1, "updateName"],
        ["input", "instructions", 2, "addTags", 1],
        ["input", "instructions", 3, "renameVariation", "index"],
    ]
    assert update(server, {"addTags": []})["updateFlag"]["flags"][0]["description"] == ""


def test_another_version_is_refused_with_both(server: Server) -> None:
    create(server, "Flag")
    refused = update(server, {"addTags": ["x"]}, expectedVersion=7)
    assert refused.code == "VERSION_CONFLICT"
    details = refused.errors[0]["extensions"]
    assert (details["expectedVersion"], details["actualVersion"]) == (7, 1)


TARGETED = "flags { version projectVersion offVariation variations { value } prerequisites { variation } }"


def test_no_two_variations_are_given_the_same_value(server: Server) -> None:
    repeated = create(
        server, "Flag", variations=[{"value": value} for value in ({"a": 1, "b": 2}, 1, {"b": 2, "a": 1})]
    )
    assert violations(repeated) == {"input.variations": "variations 0 and 2 would have the same value"}
    assert not create(server, "Flag", variations=[{"value": value} for value in (1, True, "1", None)]).errors
    for instruction in ({"addVariation": {"value": True}}, {"updateVariationValue": {"index": 3, "value": True}}):
        refused = violations(update(server, instruction))
        assert list(refused) == ["input.instructions"]
        assert refused["input.instructions"].startswith("variations 1 and ")
    swap = [{"updateVariationValue": {"index": index, "value": value}} for index, value in ((0, "1"), (2, 1))]
    seen = update(server, *swap)["updateFlag"]["flags"][0]
    assert [variation["value"] for variation in seen["variations"]] == ["1", True, 1, None]


def test_values_that_an_import_repeated_stay_and_are_repeated_no_more(server: Server) -> None:
    flag = {
        "key": "flag",
        "version": 1,
        "variations": ["a", "a", "b"],
        "offVariation": 0,
        "fallthrough": {"variation": 0},
    }
    server.import_flags({"flags": {"flag": flag}})
    assert not update(server, {"addTags": ["t"]}, {"updateVariationValue": {"index": 1, "value": "a"}}).errors
    assert not update(
        server, {"renameVariation": {"index": 1, "name": "again"}}, {"addVariation": {"value": "c"}}
    ).errors
    refused = violations(update(server, {"updateVariationValue": {"index": 3, "value": "a"}}))
    assert refused == {"input.instructions": "variations 0 and 3 would have the same value"}
    assert not update(server, {"updateVariationValue": {"index": 1, "value": "d"}}).errors
    assert violations(update(server, {"updateVariationValue": {"index": 1, "value": "a"}}))


def test_removing_a_variation_shifts_those_after_it_wherever_they_are_named(server: Server) -> None:
    create(server, "Flag", variations=[{"value": value} for value in "abc"])
    create(server, "Other")
    target(server, {"turnOn": True}, {"addTargets": {"variation": 2, "keys": ["ada"]}})
    needs_c = {"addPrerequisites": [{"key": "flag", "variation": 2}]}
    target(server, {"turnOn": True}, needs_c, key="other")
    assert server.evaluate("other", ADA)["evaluate"]["value"] is True
    wish = {"project": "default", "flagKey": "flag", "instructions": [{"removeVariation": {"index": 1}}]}
    seen = mutate(server, "updateFlag", TARGETED, **wish)["updateFlag"]["flags"]
    assert [flag["variations"] for flag in seen] == [[{"value": "a"}, {"value": "c"}]] * 2
    assert [flag["offVariation"] for flag in seen] == [1, 1]
    answer = server.evaluate("flag", ADA)["evaluate"]
    assert (answer["value"], answer["variationIndex"]) == ("c", 1)
    assert server.evaluate("other", ADA)["evaluate"]["value"] is True


CHANGES = """{ auditLog(first: 1) { nodes { action summary changes { entityId versionBefore versionAfter
  fields { path before after } rules { ruleId } targets { variation added removed } } } } }"""


def test_the_log_tells_what_went_and_no_change_where_only_places_follow(server: Server) -> None:
    create(server, "Flag", variations=[{"value": value} for value in "abcd"])
    create(server, "Other")
    clause = {"attribute": "email", "op": "in", "values": ["x"]}
    rollout = {"variations": [{"variation": 1, "weight": 50000}, {"variation": 3, "weight": 50000}]}
    target(server, {"updateFallthrough": {"variation": 2}}, {"addTargets": {"variation": 2, "keys": ["k"]}})
    target(server, {"addRule": {"clauses": [clause], "serve": {"rollout": rollout}}})
    target(
        server,
        {"updateFallthrough": {"variation": 1}},
        {"updateOffVariation": {"variation": 1}},
        environment="test",
    )
    target(server, {"addPrerequisites": [{"key": "flag", "variation": 2}]}, key="other")
    update(server, {"updateVariationValue": {"index": 3, "value": "D"}}, {"removeVariation": {"index": 0}})
    [entry] = server.post(CHANGES)["auditLog"]["nodes"]
    assert entry["summary"] == {
        "instructions": ["updateVariationValue", "removeVariation"],
        "renumbered": {"1": 0, "2": 1, "3": 2},
    }
    flag, *targetings = entry["changes"]
    assert flag["fields"] == [
        {"path": "variations[0]", "before": {"value": "a", "name": "", "description": ""}, "after": None},
        {"path": "variations[2].value", "before": "d", "after": "D"},
    ]
    nothing: dict[str, Any] = {"fields": [], "rules": [], "targets": []}
    ids = ["default/production/flag", "default/production/other", "default/test/flag"]
    assert sorted(targetings, key=lambda change: str(change["entityId"])) == [
        {"entityId": entity_id, "versionBefore": version, "versionAfter": version + 1, **nothing}
        for entity_id, version in zip(ids, (3, 2, 2), strict=True)
    ]


def test_the_log_tells_no_new_places_where_the_last_variation_goes(server: Server) -> None:
    create(server, "Flag", variations=[{"value": value} for value in "abc"])
    update(
        server,
        {"addVariation": {"value": "d"}},
        {"removeVariation": {"index": 1}},
        {"removeVariation": {"index": 2}},
    )
    assert server.post(CHANGES)["auditLog"]["nodes"][0]["summary"]["renumbered"] == {"2": 1}
    update(server, {"addVariation": {"value": "d"}})
    update(server, {"removeVariation": {"index": 2}})
    [entry] = server.post(CHANGES)["auditLog"]["nodes"]
    assert entry["summary"] == {"instructions": ["removeVariation"]}
    [change] = entry["changes"]
    assert [field["path"] for field in change["fields"]] == ["variations[2]"]


def test_a_variation_that_something_names_stays_and_every_place_is_told(server: Server) -> None:
    create(server, "Flag", variations=[{"value": value} for value in "abc"])
    create(server, "Other")
    rollout = {"variations": [{"variation": 0, "weight": 100000}, {"variation": 1, "weight": 0}]}
    clause = {"attribute": "email", "op": "in", "values": ["x"]}
    target(server, {"updateFallthrough": {"rollout": rollout}}, {"updateOffVariation": {"variation": 1}})
    target(server, {"addRule": {"clauses": [clause], "serve": {"variation": 1}}}, environment="test")
    target(server, {"addTargets": {"variation": 1, "keys": ["ada"]}}, environment="test")
    target(server, {"addPrerequisites": [{"key": "flag", "variation": 1}]}, key="other")
    refused = update(server, {"updateName": "not kept"}, {"removeVariation": {"index": 1}})
    assert refused.code == "IN_USE"
    found = refused.errors[0]["extensions"]["users"]
    assert [user["environment"] for user in found] == ["default/production"] * 3 + ["default/test"] * 2
    users = [(user["kind"], user["key"]) for user in found]
    kinds = [kind for kind, _ in users]
    assert kinds == ["offVariation", "fallthrough", "prerequisite", "targets", "rule"]
    assert users[2] == ("prerequisite", "other")
    assert users[4][1].startswith("flag/")
    assert update(server, {"addTags": []})["updateFlag"]["flags"][0]["name"] == "Flag"


def test_a_removal_is_felt_though_the_variations_look_as_before(server: Server) -> None:
    create(server, "Flag", variations=[{"value": value} for value in "ab"])
    for environment in ("production", "test"):
        target(server, {"updateFallthrough": {"variation": 1}}, environment=environment)
    like_before = {"updateVariationValue": {"index": 0, "value": "a"}}, {"addVariation": {"value": "b"}}
    update(server, {"removeVariation": {"index": 0}}, *like_before)
    assert server.evaluate("flag", ADA)["evaluate"]["value"] == "a", "what served b serves what became of it"


def test_a_removal_is_a_new_version_of_no_targeting_that_stays_as_it_is(server: Server) -> None:
    create(server, "Flag", variations=[{"value": value} for value in "abc"])
    create(server, "Other")
    target(server, {"updateOffVariation": {"variation": 0}})
    seen = update(server, {"removeVariation": {"index": 1}})["updateFlag"]["flags"]
    assert [(flag["offVariation"], flag["version"]) for flag in seen] == [(0, 2), (1, 2)]
    log = server.post("{ auditLog(first: 1) { nodes { changes { entityId } } } }")["auditLog"]["nodes"]
    changed = sorted(change["entityId"] for change in log[0]["changes"])
    assert changed == ["default/flag", "default/test/flag"]


def test_one_variation_at_least_stays(server: Server) -> None:
    create(server, "Flag")
    target(server, {"updateOffVariation": {"variation": 0}})
    target(server, {"updateOffVariation": {"variation": 0}}, environment="test")
    refused = update(server, {"removeVariation": {"index": 1}}, {"removeVariation": {"index": 0}})
    assert [violation["path"] for violation in refused.errors[0]["extensions"]["violations"]] == [
        ["input", "instructions", 1, "removeVariation", "index"]
    ]
    assert len(update(server, {"removeVariation": {"index": 1}})["updateFlag"]["flags"][0]["variations"]) == 1


def test_an_environment_that_keeps_variations_of_its_own_keeps_its_places(server: Server) -> None:
    create(server, "Flag", variations=[{"value": value} for value in "abc"])
    own = {"key": "flag", "version": 9, "on": True, "variations": ["x", "y", "z"], "fallthrough": {"variation": 1}}
    server.import_flags({"flags": {"flag": own}}, environment="test", mode="MERGE")
    update(server, {"removeVariation": {"index": 1}})
    test = {"project": "default", "environment": "test"}
    assert server.evaluate("flag", ADA, e=test)["evaluate"]["value"] == "y"
    assert server.evaluate("flag", ADA)["evaluate"]["value"] == "c"


@pytest.mark.parametrize(
    "action", ["archiveFlag", "restoreFlag", "deprecateFlag", "restoreDeprecatedFlag", "deleteFlag"]
)
def test_a_flag_of_another_version_is_neither_archived_nor_deprecated_nor_restored_nor_deleted(
    server: Server, action: str
) -> None:
    create(server, "Flag")
    update(server, {"addTags": ["seen"]})
    undone = {"restoreFlag": "archiveFlag", "restoreDeprecatedFlag": "deprecateFlag"}.get(action)
    if undone is not None:
        mutate(server, undone, "__typename", project="default", flagKey="flag", expectedVersion=2)
    version = 2 if undone is None else 3
    wish = {"project": "default", "flagKey": "flag"}
    refused = mutate(server, action, "__typename", **wish, expectedVersion=1)
    assert refused.code == "VERSION_CONFLICT"
    assert refused.errors[0]["extensions"]["actualVersion"] == version
    assert not mutate(server, action, "__typename", **wish, expectedVersion=version).errors
