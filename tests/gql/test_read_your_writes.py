"""A caller reads its own write from another process, if it says which revision it has seen."""

from collections.abc import Iterator
from typing import Any

import pytest

from tests.gql.conftest import a_flag, data_of
from tests.servers import Server

PLACE = {"project": "default", "environment": "production"}
ADA = {"kind": "user", "key": "ada"}
FIELDS = {
    "evaluate": 'evaluate(environment: $e, flagKey: "f", context: $c, atLeastRevision: $r) { value }',
    "evaluateFlags": "evaluateFlags(environment: $e, context: $c, atLeastRevision: $r) { evaluations { value } }",
    "evaluateBatch": "evaluateBatch(environment: $e, contexts: [$c], atLeastRevision: $r) { results { evaluations { value } } }",
    "segmentMemberships": "segmentMemberships(environment: $e, context: $c, atLeastRevision: $r) { isMember }",
}  # fmt: skip # reads as a table, one case or group a line


@pytest.fixture(scope="module")
def two(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Server, Server]]:
    store = f"sqlite:///{tmp_path_factory.mktemp('two')}/earlybird.db"
    with Server(store) as first, Server(store) as second:
        yield first, second


def ask(server: Server, field: str, revision: int | None) -> Any:
    query = f"query ($e: EnvironmentRef, $c: JSON!, $r: Int) {{ {FIELDS[field]} }}"
    return server.post(query, e=PLACE, c=ADA, r=revision)


def leaf(found: Any) -> Any:
    """The one value at the bottom of an answer."""
    while isinstance(found, dict | list):
        found = next(iter(found.values())) if isinstance(found, dict) else found[0]
    return found


@pytest.mark.parametrize("field", list(FIELDS))
def test_each_write_is_read_at_once_from_the_other_process(two: tuple[Server, Server], field: str) -> None:
    for number in range(20):
        writer, reader = two if number % 2 else reversed(two)
        is_member = field == "segmentMemberships"
        value = number % 2 == 0 if is_member else number
        flag = a_flag("f", variations=[number, None])
        segment = {"key": "s", "included": ["ada"] if number % 2 == 0 else []}
        written = writer.import_flags(data_of(flag, segments=(segment,)))["importFlagData"]["revision"]
        assert leaf(ask(reader, field, written).data) == value


def test_a_revision_that_is_still_to_come_is_refused(two: tuple[Server, Server]) -> None:
    first, _ = two
    revision = first.import_flags(data_of(a_flag("other")))["importFlagData"]["revision"]
    for field in FIELDS:
        refused = ask(first, field, revision + 1)
        assert refused.code == "BAD_USER_INPUT"
        assert str(revision) in refused.errors[0]["message"]
        assert not ask(first, field, None).errors
        assert not ask(first, field, -1).errors


def test_what_one_process_wrote_can_be_edited_through_another_at_once(two: tuple[Server, Server]) -> None:
    create = "mutation ($input: CreateFlagInput!) { createFlag(input: $input) { flags { key } } }"
    update = """mutation ($input: UpdateFlagTargetingInput!) { updateFlagTargeting(input: $input) { flag { on version } } }"""
    for number in range(20):
        writer, other = two if number % 2 else reversed(two)
        assert not writer.post(create, input={"project": "default", "name": f"Edited {number}"}).errors
        edit = {"environment": PLACE, "flagKey": f"edited-{number}"}
        on = {**edit, "instructions": [{"turnOn": True}], "expectedVersion": 1}
        assert other.post(update, input=on)["updateFlagTargeting"]["flag"] == {"on": True, "version": 2}
        off = {**edit, "instructions": [{"turnOff": True}]}
        assert writer.post(update, input=off)["updateFlagTargeting"]["flag"] == {"on": False, "version": 3}
        assert writer.post(update, input=on).errors[0]["extensions"]["actualVersion"] == 3


def test_a_secret_that_one_process_made_opens_the_other_at_once(two: tuple[Server, Server]) -> None:
    create = "mutation ($input: CreateProjectInput!) { createProject(input: $input) { sdkKeys { kind secret } } }"
    ask = "query ($c: JSON!) { evaluateFlags(context: $c, atLeastRevision: 1) { revision } }"
    for number in range(12):
        writer, other = two if number % 2 else reversed(two)
        made = writer.post(create, input={"name": f"Fresh {number}"})["createProject"]["sdkKeys"]
        server_key = next(key["secret"] for key in made if key["kind"] == "SERVER_SDK_KEY")
        assert other.post(ask, token=server_key, c=ADA)["evaluateFlags"] == {"revision": 1}
