"""The journal that makes commits atomic on a MongoDB server without transactions (storage/mongo/standalone.py)."""

import asyncio
import contextlib
import math
from collections.abc import Iterator
from typing import Any

import pytest
from pymongo import MongoClient

from domain.commits import Commit
from domain.errors import UnavailableError
from domain.model.flags import Flag
from domain.model.segments import Segment
from domain.ports import Store
from storage.mongo import standalone as journal
from storage.mongo.client import Database
from storage.mongo.layout import StoredWrite, apply, plan
from tests.storage.builders import SHOP, a_commit, a_flag, a_segment, create
from tests.storage.conftest import fresh_database
from tests.storage.processes import all_said, writer
from tests.storage.servers import MongoServer, opened
from tests.storage.writers import SEGMENTS, numbered

SCOPE = str(SHOP)


@pytest.fixture
def url(standalone: MongoServer) -> Iterator[str]:
    yield from fresh_database(standalone.url())


async def number_everywhere(store: Store) -> int:
    """Return the number that the last commit wrote, having seen it in every place."""
    state = await store.load_environment(SHOP)
    flag = await store.get(Flag, a_flag().id)
    segments = await store.list_all(Segment, SCOPE)
    entries = await store.list_entries(None, first=10)
    assert {segment.version for segment in segments} == {flag.version}
    assert len(segments) == SEGMENTS
    assert state.revision == flag.version == len(entries)
    assert state.segments == {segment.key: segment for segment in segments}
    return flag.version


async def die_before_write(server: MongoServer, number: int) -> tuple[bool, int]:
    """Kill a process before a write of its commit; tell if it was acknowledged, and which number holds."""
    for url in fresh_database(server.url()):
        async with opened(url) as store:
            await store.commit(numbered(1))
        async with writer("crash", url, number) as process:
            acknowledged = await all_said(process) == ["acknowledged"]
        async with opened(url) as fresh:
            found = await number_everywhere(fresh)
            assert found == 2 if acknowledged else found in {1, 2}
            await fresh.commit(numbered(found + 1))
            assert await number_everywhere(fresh) == found + 1
        with MongoClient[dict[str, Any]](url) as client:
            assert client.get_default_database()["staged"].count_documents({}) == 0
    return acknowledged, found


async def test_a_writer_killed_between_any_two_writes_leaves_all_of_its_commit_or_nothing(
    standalone: MongoServer,
) -> None:
    survived: list[tuple[bool, int]] = []
    while not any(acknowledged for acknowledged, _ in survived):
        two = (die_before_write(standalone, len(survived) + n) for n in (1, 2))
        survived += await asyncio.gather(*two)
    found = [number for _, number in survived]
    assert found == sorted(found), "once the commit holds, it holds at every later write"
    assert found.count(1) >= 3
    assert found.count(2) >= 5


@pytest.mark.parametrize("command", ["find", "findAndModify", "insert", "update", "delete"])
async def test_a_commit_whose_connection_breaks_holds_entirely_or_not_at_all(
    standalone: MongoServer, url: str, command: str
) -> None:
    async with opened(url, lease_seconds=0.6) as store:
        await store.commit(numbered(1))
        standalone.fail_once(command, closeConnection=True)
        with contextlib.suppress(UnavailableError):
            await store.commit(numbered(2))
        found = await number_everywhere(store)
        assert found in {1, 2}
        assert await store.commit(numbered(found + 1)) == {SCOPE: found + 1}


async def test_a_reader_waits_out_a_dead_writer_and_finishes_its_commit(url: str) -> None:
    async with opened(url) as reader:
        await reader.commit(numbered(1))
        async with writer("crash", url, 6) as process:
            await all_said(process)
        assert await number_everywhere(reader) == 2


async def test_finishing_a_commit_that_is_half_applied_completes_it(url: str) -> None:
    async with opened(url) as store:
        await store.commit(numbered(1))
        with MongoClient[dict[str, Any]](url) as client:
            segments = client.get_default_database()["segment"]
            old = segments.find_one({"_id": f"{SCOPE}/s1"})
            assert old
            async with writer("crash", url, 8) as process:
                await all_said(process)
            segments.replace_one({"_id": old["_id"], "version": 2}, old)
        assert await number_everywhere(store) == 2


class SlowPlan:
    """Holds the first commit up between taking its turn and writing."""

    def __init__(self, seconds: float) -> None:
        self._seconds = seconds
        self.began = asyncio.Event()

    async def __call__(self, database: Database, commit: Commit) -> tuple[dict[str, int], list[StoredWrite]]:
        if not self.began.is_set():
            self.began.set()
            await asyncio.sleep(self._seconds)
        return await plan(database, commit)


async def test_a_writer_that_outlived_its_lease_writes_nothing(url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    slow = SlowPlan(0.6)
    monkeypatch.setattr(journal, "plan", slow)
    async with opened(url, lease_seconds=0.3) as late, opened(url) as other:
        commit = asyncio.ensure_future(late.commit(a_commit(create(a_flag("late")), revise=(SCOPE,))))
        await slow.began.wait()
        assert await other.commit(a_commit(create(a_flag("other")), revise=(SCOPE,))) == {SCOPE: 1}
        with pytest.raises(UnavailableError):
            await commit
        assert [flag.key for flag in await other.list_all(Flag, SHOP.project)] == ["other"]
        assert await other.revisions() == {SCOPE: 1}


async def test_the_journal_refuses_a_late_writer_even_if_its_clock_stood_still(
    url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    slow = SlowPlan(0.6)
    monkeypatch.setattr(journal, "plan", slow)
    monkeypatch.setattr(journal.Standalone, "_lease_end", lambda _: math.inf)
    async with opened(url, lease_seconds=0.3) as late, opened(url) as other:
        commit = asyncio.ensure_future(late.commit(a_commit(create(a_flag("late")), revise=(SCOPE,))))
        await slow.began.wait()
        await other.commit(a_commit(create(a_flag("other")), revise=(SCOPE,)))
        with pytest.raises(UnavailableError, match="nothing was changed"):
            await commit
        assert [flag.key for flag in await other.list_all(Flag, SHOP.project)] == ["other"]
        await other.commit(a_commit(create(a_flag("next"))))


async def test_a_commit_that_takes_longer_than_its_lease_keeps_it(
    url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def slowly(database: Database, collection: str, writes: list[StoredWrite]) -> None:
        await asyncio.sleep(0.1)
        await apply(database, collection, writes)

    monkeypatch.setattr(journal, "CHUNK", 10)
    monkeypatch.setattr(journal, "apply", slowly)
    segments = [a_segment(f"s{n:03}") for n in range(150)]
    async with opened(url, lease_seconds=1.0) as one, opened(url) as other:
        long = asyncio.ensure_future(one.commit(a_commit(*map(create, segments), revise=(SCOPE,))))
        await asyncio.sleep(0.3)
        assert await other.commit(a_commit(revise=(SCOPE,))) == {SCOPE: 2}
        assert await long == {SCOPE: 1}
        assert await other.list_all(Segment, SCOPE) == segments


async def test_a_live_writer_is_waited_for(url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    slow = SlowPlan(0.3)
    monkeypatch.setattr(journal, "plan", slow)
    async with opened(url) as one, opened(url) as other:
        commit = asyncio.ensure_future(one.commit(a_commit(revise=(SCOPE,))))
        await slow.began.wait()
        assert await other.commit(a_commit(revise=(SCOPE,))) == {SCOPE: 2}
        assert await commit == {SCOPE: 1}


async def test_a_reader_that_commits_keep_disturbing_takes_a_turn(
    url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(journal, "OPTIMISTIC_READS", 0)
    async with opened(url) as store:
        await store.commit(numbered(1))
        assert await number_everywhere(store) == 1
        await store.commit(numbered(2))
        assert await number_everywhere(store) == 2


async def test_waiting_for_a_busy_store_ends(url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    slow = SlowPlan(1.0)
    monkeypatch.setattr(journal, "plan", slow)
    monkeypatch.setattr(journal, "PATIENCE_SECONDS", 0.3)
    async with opened(url) as one, opened(url) as other:
        commit = asyncio.ensure_future(one.commit(a_commit(revise=(SCOPE,))))
        await slow.began.wait()
        with pytest.raises(UnavailableError, match="nothing was changed"):
            await other.commit(a_commit(revise=(SCOPE,)))
        assert await commit == {SCOPE: 1}
