"""What the transactions of storage/mongo/replica_set.py add: repetition, and durability that is asked for."""

from collections.abc import Iterator

import pytest
from pymongo import monitoring

from domain.errors import InvalidInputError
from domain.model.flags import Flag
from domain.ports import Store
from tests.storage.builders import SHOP, a_commit, a_flag, a_segment, create
from tests.storage.conftest import fresh_database
from tests.storage.servers import MongoServer, opened

SCOPE = str(SHOP)


@pytest.fixture
def url(replica_set: MongoServer) -> Iterator[str]:
    yield from fresh_database(replica_set.url())


async def commit_once_despite_failure(store: Store) -> None:
    assert await store.commit(a_commit(create(a_flag()), revise=(SCOPE,))) == {SCOPE: 1}
    assert await store.get(Flag, a_flag().id) == a_flag()
    assert await store.revisions() == {SCOPE: 1}
    assert len(await store.list_entries(None, first=10)) == 1


@pytest.mark.parametrize("command", ["find", "update", "commitTransaction"])
async def test_a_commit_whose_connection_breaks_is_made_once(
    replica_set: MongoServer, url: str, command: str
) -> None:
    async with opened(url) as store:
        replica_set.fail_once(command, closeConnection=True)
        await commit_once_despite_failure(store)


async def test_a_commit_that_loses_a_race_is_repeated(replica_set: MongoServer, url: str) -> None:
    async with opened(url) as store:
        replica_set.fail_once("update", errorCode=112, errorLabels=["TransientTransactionError"])
        await commit_once_despite_failure(store)


class Concerns(monitoring.CommandListener):
    """Keeps the write concerns that commits were sent with."""

    def __init__(self) -> None:
        self.seen: list[object] = []

    def started(self, event: monitoring.CommandStartedEvent) -> None:
        if event.command_name == "commitTransaction":
            self.seen.append(event.command["writeConcern"])

    def succeeded(self, event: monitoring.CommandSucceededEvent) -> None: ...

    def failed(self, event: monitoring.CommandFailedEvent) -> None: ...


async def test_a_commit_waits_for_the_journals_of_a_majority(url: str) -> None:
    concerns = Concerns()
    monitoring.register(concerns)
    async with opened(url) as store:
        await store.commit(a_commit(create(a_flag())))
    assert concerns.seen == [{"w": "majority", "j": True}]


async def test_a_thing_too_large_for_a_document_is_refused_and_nothing_changes(url: str) -> None:
    large = a_segment(included=tuple(f"{number:010}" for number in range(900_000)))
    async with opened(url) as store:
        with pytest.raises(InvalidInputError, match="16 MB"):
            await store.commit(a_commit(create(a_flag()), create(large), revise=(SCOPE,)))
        assert (await store.find(Flag, a_flag().id), await store.revisions()) == (None, {})
