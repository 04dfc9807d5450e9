"""What is true of a flag in every environment, changed over HTTP."""

from typing import Any

import pytest

from tests.gql.test_flag_edits import ADA, FLAG, create, mutate
from tests.servers import Answer, Server


@pytest.fixture(autouse=True)
def empty(server: Server) -> None:
    server.import_flags({})
    server.import_flags({}, environment="test")


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
