"""Access tokens over HTTP: how they end, how their secrets do, which one stays, and when one was last used."""

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta

import pytest

from domain.access.roles import BaseRole, Grants
from tests.gql.api import violations
from tests.gql.grants import a_token, change
from tests.gql.tokens import MADE, VIEW, listed, lives, made, once_it_is_dead, sees_project
from tests.servers import Answer, Server


@pytest.fixture(scope="module")
def service(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    with Server(f"sqlite:///{tmp_path_factory.mktemp('ends')}/earlybird.db") as running:
        yield running


def test_what_expired_needs_another_end_to_be_reset(service: Server) -> None:
    soon = (datetime.now(UTC) + timedelta(seconds=4)).isoformat()
    token = made(service, name="short", isService=True, policy=[VIEW], expiresAt=soon)
    where = {"accessTokenId": token["accessToken"]["id"]}
    once_it_is_dead(service, token["secret"])
    assert violations(change(service, "resetAccessToken", "secret", **where)) == [["input", "expiresAt"]]
    later = (datetime.now(UTC) + timedelta(hours=1)).isoformat()
    secret = change(service, "resetAccessToken", "secret", **where, expiresAt=later)["resetAccessToken"]["secret"]
    assert lives(service, secret)


def test_what_a_secret_makes_ends_no_later_than_it(service: Server) -> None:
    end, later = (datetime.now(UTC).replace(microsecond=0) + timedelta(hours=hours) for hours in (1, 2))
    ending = made(service, name="ending", isService=True, baseRole="OWNER", expiresAt=end.isoformat())
    lasting = made(service, name="lasting", isService=True, policy=[VIEW])
    ids = [{"accessTokenId": token["accessToken"]["id"]} for token in (ending, lasting)]
    new = {"name": "heir", "isService": True, "policy": [VIEW]}
    for mutation, wish in (("createAccessToken", new), *(("resetAccessToken", where) for where in ids)):
        too_late = {**wish, "expiresAt": later.isoformat()}
        refused = change(service, mutation, "secret", token=ending["secret"], **too_late)
        assert violations(refused) == [["input", "expiresAt"]]
    assert lives(service, lasting["secret"])
    made_by_it = [
        made(service, ending["secret"], **new),
        change(service, "resetAccessToken", MADE, token=ending["secret"], **ids[1])["resetAccessToken"],
        change(service, "resetAccessToken", MADE, token=ending["secret"], **ids[0])["resetAccessToken"],
    ]
    assert [token["accessToken"]["expiresAt"] for token in made_by_it] == [end.isoformat()] * 3
    reset = change(service, "resetAccessToken", MADE, **ids[1], expiresAt=later.isoformat())["resetAccessToken"]
    assert reset["accessToken"]["expiresAt"] == later.isoformat()


def test_a_secret_that_was_replaced_neither_makes_nor_ends_any(service: Server) -> None:
    old = made(service, name="replaced", isService=True, baseRole="OWNER")
    where = {"accessTokenId": old["accessToken"]["id"]}
    asked = "accessToken { previousSecretExpiresAt } secret"
    new = change(service, "resetAccessToken", asked, **where, gracePeriodSeconds=3600)["resetAccessToken"]
    until = datetime.fromisoformat(new["accessToken"]["previousSecretExpiresAt"])
    assert timedelta(minutes=59) < until - datetime.now(UTC) <= timedelta(hours=1)
    assert not change(service, "createMember", "member { id }", email="mo@acme.com").errors
    own = made(service, name="mo's", memberEmail="mo@acme.com")["secret"]
    for mutation, wish in (
        ("createAccessToken", {"name": "second heir", "isService": True, "policy": [VIEW]}),
        ("resetAccessToken", where),
        ("resetAccessToken", {**where, "gracePeriodSeconds": 60}),
        ("deleteAccessToken", where),
        ("updateAccessToken", {**where, "name": "other"}),
        ("createMember", {"email": "heir@acme.com", "baseRole": "OWNER"}),
        ("assignRoles", {"memberEmail": "mo@acme.com", "baseRole": "OWNER"}),
        ("deleteMember", {"memberEmail": "mo@acme.com"}),
        ("createRole", {"name": "heir", "policy": []}),
    ):
        refused = change(service, mutation, "__typename", token=old["secret"], **wish)
        assert refused.code == "FORBIDDEN"
        assert "this secret was replaced" in refused.errors[0]["message"]
    can = """{ viewer { create: can(action: "createMember", resource: "member/heir@acme.com")
      view: can(action: "viewMember", resource: "member/heir@acme.com") } }"""
    assert service.post(can, token=old["secret"])["viewer"] == {"create": False, "view": True}
    assert service.post(can, token=new["secret"])["viewer"] == {"create": True, "view": True}
    assert lives(service, new["secret"])
    assert lives(service, own)
    last = change(service, "resetAccessToken", asked, token=new["secret"], **where)["resetAccessToken"]
    assert last["accessToken"]["previousSecretExpiresAt"] is None


def refuses_without_owner(answer: Answer) -> bool:
    return answer.code == "BAD_USER_INPUT" and "nobody would be left" in answer.errors[0]["message"]


def test_the_last_owner_cannot_lock_himself_out(tmp_path_factory: pytest.TempPathFactory) -> None:
    folder = tmp_path_factory.mktemp("owner")
    with Server(f"sqlite:///{folder}/earlybird.db") as service:
        boss = {"email": "boss@acme.com"}
        assert not change(service, "createMember", "member { id }", **boss, baseRole="OWNER").errors
        own = made(service, name="boss's", memberEmail="boss@acme.com")
        [first] = listed(service, s=True)
        assert not change(service, "deleteAccessToken", "__typename", accessTokenId=first["id"]).errors
        service.token = own["secret"]
        made(service, name="restricted", policy=[VIEW])
        soon = (datetime.now(UTC) + timedelta(hours=1)).isoformat()
        made(service, name="short", expiresAt=soon)
        where = {"accessTokenId": own["accessToken"]["id"]}
        for mutation, wish in (
            ("deleteAccessToken", where),
            ("resetAccessToken", {**where, "expiresAt": soon, "gracePeriodSeconds": 60}),
            ("deleteMember", {"memberEmail": "boss@acme.com"}),
            ("assignRoles", {"memberEmail": "boss@acme.com", "baseRole": "ADMIN"}),
        ):
            assert refuses_without_owner(change(service, mutation, "__typename", **wish)), mutation
        service.token = change(service, "resetAccessToken", "secret", **where)["resetAccessToken"]["secret"]
        assert sees_project(service, service.token)
        assert not lives(service, own["secret"])


def test_when_a_token_was_last_used_outlives_the_process(tmp_path_factory: pytest.TempPathFactory) -> None:
    folder = tmp_path_factory.mktemp("used")
    used = "{ accessTokens { nodes { name version lastUsedAt } } }"
    with Server(f"sqlite:///{folder}/earlybird.db") as service:
        secret = a_token(service, name="robot", grants=Grants(base_role=BaseRole.READER))
        made(service, name="idle", isService=True, policy=[VIEW])
        begun = datetime.now(UTC) - timedelta(milliseconds=1)
        assert lives(service, secret)
        _, idle, robot = service.post(used)["accessTokens"]["nodes"]
        assert (idle["name"], idle["lastUsedAt"]) == ("idle", None)
        at = datetime.fromisoformat(robot["lastUsedAt"])
        assert (robot["name"], robot["version"], begun <= at <= datetime.now(UTC)) == ("robot", 1, True)
        service.stop()
        service.start()
        *_, again = service.post(used)["accessTokens"]["nodes"]
        assert again == robot
