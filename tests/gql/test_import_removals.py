"""Imports of flag data that delete large lists."""

from typing import Any

from tests.gql.conftest import a_flag, a_rule_on_segments, data_of
from tests.gql.lists import create, load, look, target
from tests.gql.syncs import a_batch, send
from tests.servers import Answer, Server


def replaced(
    server: Server, *flags: dict[str, Any], segments: tuple[dict[str, Any], ...] = (), **more: Any
) -> Answer:
    return server.import_flags(data_of(*flags, segments=segments), acknowledge_removal=False, **more)


def refused_for(answer: Answer, *lists: str) -> None:
    extensions = answer.errors[0]["extensions"]
    assert (answer.code, extensions["setting"]) == ("LIMIT_EXCEEDED", "EARLYBIRD_MAX_REMOVAL_PERCENT")
    message = answer.errors[0]["message"]
    assert f"from large lists that flags use: {', '.join(f'{key!r} (2 of 2)' for key in lists)} (ack" in message


def test_a_replacing_import_that_deletes_lists_in_use_needs_a_word(server: Server) -> None:
    """In use as they are, as they would be, or through other segments; nothing of the data is stored."""
    on_lists = a_flag("f", rules=[a_rule_on_segments("l-after", "around")])
    around = {"key": "around", "rules": [a_rule_on_segments("l-around")]}
    server.import_flags({})
    for key in ("l-before", "l-after", "l-around", "l-empty", "l-idle"):
        create(server, key)
        if key != "l-empty":
            load(server, key, "ann\nbob\n")
    target(server, "was", "l-before")
    target(server, "was-empty", "l-empty")
    refused_for(replaced(server, on_lists, segments=(around,)), "l-after", "l-around", "l-before")
    assert [look(server, key)["hasMember"] for key in ("l-before", "l-after", "l-around")] == [True] * 3
    done = server.import_flags(data_of(on_lists, segments=(around,)))["importFlagData"]
    gone = [item["key"] for item in done["items"] if item["kind"] == "SEGMENT" and item["outcome"] == "DELETED"]
    assert gone == ["l-after", "l-around", "l-before", "l-empty", "l-idle"]


def test_an_import_deletes_empty_lists_and_those_that_nothing_uses_without_a_word(server: Server) -> None:
    server.import_flags({})
    create(server, "idle")
    load(server, "idle", "ann\nbob\n")
    create(server, "emptied")
    load(server, "emptied", "ann\n")
    load(server, "emptied", "ann\n", "REMOVE")
    target(server, "on-emptied", "emptied")
    assert replaced(server)["importFlagData"]["counts"]["deleted"] == 3


def test_a_tombstone_of_a_list_in_use_needs_a_word(server: Server) -> None:
    server.import_flags({})
    create(server, "tomb")
    load(server, "tomb", "ann\nbob\n")
    target(server, "on-tomb", "tomb")
    tombstone = {"key": "tomb", "deleted": True}
    refused_for(replaced(server, segments=(tombstone,), mode="MERGE"), "tomb")
    assert look(server, "tomb")["hasMember"]
    assert server.import_flags(data_of(segments=(tombstone,)), mode="MERGE").data


def test_a_replacing_import_that_deletes_a_cohort_in_use_needs_a_word(server: Server) -> None:
    server.import_flags({})
    send(server, "amplitude", a_batch("lost", {"ann": True}))
    target(server, "on-lost", "amplitude-lost")
    refused = server.import_flags({}, acknowledge_removal=False)
    assert (refused.code, "'amplitude-lost' (1 of 1)" in str(refused.errors)) == ("LIMIT_EXCEEDED", True)
    assert look(server, "amplitude-lost")["hasMember"]
