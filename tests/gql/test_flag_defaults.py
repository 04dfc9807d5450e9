"""Default variations over HTTP: what a flag begins with in environments where it is new."""

from typing import Any

import pytest

from domain.access.actions import FlagAction
from tests.domain.access.builders import allow
from tests.gql.conftest import a_flag, data_of
from tests.gql.flags import PRODUCTION, TEST, create, mutate, target, violations
from tests.gql.grants import a_token_with
from tests.servers import Answer, Server

DEFAULTS = "defaults { onVariation offVariation }"
BEGUN = f"offVariation fallthrough {{ variation {{ index }} }} {DEFAULTS}"


pytestmark = pytest.mark.usefixtures("empty")


def abc(server: Server, **properties: Any) -> Answer:
    return create(server, "f", variations=[{"value": value} for value in "abc"], **properties)


def update(server: Server, *instructions: dict[str, Any], token: Any = None) -> Answer:
    mutation = (
        f"mutation ($i: UpdateFlagInput!) {{ updateFlag(input: $i) {{ flags {{ projectVersion {DEFAULTS} }} }} }}"
    )
    wish = {"project": "default", "flagKey": "f", "instructions": list(instructions)}
    return server.post(mutation, token=token, i=wish)


def choose(server: Server, **places: int) -> Answer:
    return update(server, {"updateDefaultVariation": places})


def begun(server: Server, environment: str = "production") -> tuple[int, int]:
    """What the flag serves on, and off."""
    query = f"""query ($k: String!) {{ environment(project: "default", key: $k) {{ flag(key: "f") {{ {BEGUN} }} }} }}"""
    flag = server.post(query, k=environment)["environment"]["flag"]
    return flag["fallthrough"][0]["variation"]["index"], flag["offVariation"]


def defaults(server: Server) -> tuple[int, int]:
    query = f"""{{ environment(project: "default", key: "production") {{ flag(key: "f") {{ {DEFAULTS} }} }} }}"""
    found = server.post(query)["environment"]["flag"]["defaults"]
    return found["onVariation"], found["offVariation"]


def begun_in_a_new_environment(server: Server) -> tuple[int, int]:
    assert mutate(server, "createEnvironment", "__typename", project="default", name="new")["createEnvironment"]
    try:
        return begun(server, "new")
    finally:
        gone = {"project": "default", "environment": "new"}
        assert mutate(server, "deleteEnvironment", "__typename", environment=gone)["deleteEnvironment"]


def test_unless_somebody_chose_they_are_the_first_and_the_last_variation(server: Server) -> None:
    abc(server)
    assert defaults(server) == begun(server) == (0, 2)
    update(server, {"addVariation": {"value": "d"}})
    assert defaults(server) == begun_in_a_new_environment(server) == (0, 3)
    for environment in ("production", "test"):
        target(server, {"updateFallthrough": {"variation": 1}}, environment=environment, key="f")
    update(server, {"removeVariation": {"index": 0}})
    assert defaults(server) == begun_in_a_new_environment(server) == (0, 2)


def test_a_new_flag_begins_with_those_that_it_comes_with(server: Server) -> None:
    abc(server, defaults={"onVariation": 2, "offVariation": 1})
    assert defaults(server) == begun(server) == begun(server, "test") == (2, 1)
    create(server, "g", key="g", defaults={"offVariation": 0})
    query = f"""{{ environment(project: "default", key: "production") {{ flag(key: "g") {{ {BEGUN} }} }} }}"""
    flag = server.post(query)["environment"]["flag"]
    assert flag["defaults"] == {"onVariation": 0, "offVariation": 0}


def test_others_are_for_environments_that_come_later(server: Server) -> None:
    abc(server)
    assert choose(server, onVariation=1)["updateFlag"]["flags"][0] == {
        "projectVersion": 2,
        "defaults": {"onVariation": 1, "offVariation": 2},
    }
    assert choose(server, offVariation=0)["updateFlag"]["flags"][0]["defaults"]["onVariation"] == 1, (
        "what is null stays"
    )
    assert begun(server) == begun(server, "test") == (0, 2)
    assert begun_in_a_new_environment(server) == (1, 0)
    again = choose(server, onVariation=1, offVariation=0)["updateFlag"]["flags"][0]
    assert again["projectVersion"] == 3


def test_a_flag_that_is_copied_to_where_it_is_new_begins_with_them(server: Server) -> None:
    server.import_flags(data_of(a_flag("f", variations=[*"abc"])), environment="test")
    choose(server, onVariation=2, offVariation=0)
    wish = {"source": TEST, "target": PRODUCTION, "flagKey": "f", "include": ["ON"]}
    assert mutate(server, "copyFlagTargeting", "revision", **wish)["copyFlagTargeting"]
    assert begun(server) == (2, 0)


def test_places_that_are_not_there_are_refused(server: Server) -> None:
    abc(server)
    refused = choose(server, onVariation=3, offVariation=-1)
    place = "input.instructions.0.updateDefaultVariation"
    assert violations(refused) == {
        f"{place}.onVariation": "the flag has no variation 3, only 0 to 2",
        f"{place}.offVariation": "the flag has no variation -1, only 0 to 2",
    }
    refused = create(server, "g", defaults={"onVariation": 2})
    assert list(violations(refused)) == ["input.defaults.onVariation"]
    assert list(violations(create(server, "g", variations=[], defaults={"onVariation": 0}))) == [
        "input.variations"
    ]


def test_one_that_was_chosen_is_not_removed_and_the_others_follow(server: Server) -> None:
    abc(server, defaults={"onVariation": 2, "offVariation": 2})
    refused = update(server, {"removeVariation": {"index": 2}})
    assert refused.code == "IN_USE"
    [default, *_] = refused.errors[0]["extensions"]["users"]
    assert default == {"kind": "defaults", "key": "f", "environment": None, "archived": False}
    update(server, {"removeVariation": {"index": 0}})
    assert defaults(server) == begun_in_a_new_environment(server) == (1, 1)
    newest = '{ auditLog(first: 1, action: "updateFlag") { nodes { changes { fields { path } } } } }'
    paths = [field["path"] for field in server.post(newest)["auditLog"]["nodes"][0]["changes"][0]["fields"]]
    assert paths == ["variations[0]"], "the default is the same variation"


def test_one_that_is_no_default_any_more_can_go_at_once(server: Server) -> None:
    abc(server, defaults={"onVariation": 1, "offVariation": 1})
    for environment in ("production", "test"):
        instructions = {"updateFallthrough": {"variation": 0}}, {"updateOffVariation": {"variation": 0}}
        target(server, *instructions, environment=environment, key="f")
    another = {"updateDefaultVariation": {"onVariation": 0, "offVariation": 0}}
    assert update(server, {"removeVariation": {"index": 1}}, another).code == "IN_USE"
    assert not update(server, another, {"removeVariation": {"index": 1}}).errors
    assert defaults(server) == (0, 0)


def test_the_log_tells_what_was_chosen(server: Server) -> None:
    abc(server)
    choose(server, onVariation=1)
    newest = "{ auditLog(first: 1) { nodes { summary changes { fields { path before after } } } } }"
    [entry] = server.post(newest)["auditLog"]["nodes"]
    assert entry["summary"] == {"instructions": ["updateDefaultVariation"]}
    assert entry["changes"] == [{"fields": [{"path": "defaults.onVariation", "before": None, "after": 1}]}]


def test_to_choose_is_an_action_of_its_own_and_to_follow_is_none(server: Server) -> None:
    abc(server, defaults={"onVariation": 2, "offVariation": 2})
    here = ["proj/*:env/*:flag/*"]
    views = allow("proj/*", actions=["viewProject"])
    varies = a_token_with(server, [views, allow(*here, actions=[FlagAction.UPDATE_VARIATIONS])])
    chooses = a_token_with(server, [views, allow(*here, actions=[FlagAction.UPDATE_DEFAULT_VARIATIONS])])
    choice = {"updateDefaultVariation": {"offVariation": 1}}
    refused = update(server, choice, token=varies)
    denied = {"action": "updateFlagDefaultVariations", "resource": "proj/default:env/production:flag/f"}
    assert (refused.code, refused.errors[0]["extensions"]["denied"][0]) == ("FORBIDDEN", denied)
    assert not update(server, choice, token=chooses).errors
    assert update(server, {"removeVariation": {"index": 0}}, token=chooses).code == "FORBIDDEN"
    assert not update(server, {"removeVariation": {"index": 0}}, token=varies).errors
    assert defaults(server) == (1, 0)


def test_an_import_keeps_them_but_for_those_that_it_removes(server: Server) -> None:
    server.import_flags(data_of(a_flag("f", variations=[*"abc"])))
    choose(server, onVariation=1, offVariation=2)
    server.import_flags(data_of(a_flag("f", variations=[*"abd"])))
    assert defaults(server) == (1, 2)
    server.import_flags(data_of(a_flag("f", variations=[*"ab"])))
    assert defaults(server) == (1, 1)
    server.import_flags(data_of(a_flag("f", variations=[*"abcd"])))
    assert defaults(server) == (1, 3), "what went is no default any more"
