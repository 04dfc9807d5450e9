"""The MongoDB server dies and comes back; the store is never opened again."""

import asyncio
import time
from collections.abc import Iterator
from contextlib import aclosing
from pathlib import Path

import pytest

from domain.errors import UnavailableError
from domain.model.flags import Flag
from domain.model.segments import Segment
from domain.ports import Store
from storage import open_store
from tests.storage.builders import SHOP, a_flag
from tests.storage.servers import MongoServer, free_port, opened
from tests.storage.writers import SEGMENTS, numbered

SCOPE = str(SHOP)
BOUND_SECONDS = 15.0


@pytest.fixture(params=[False, True], ids=["replica-set", "standalone"])
def server(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[MongoServer]:
    with MongoServer(standalone=request.param, storage_path=str(tmp_path / "data")) as server:
        yield server


async def test_a_killed_server_loses_nothing_acknowledged_and_the_store_works_again(server: MongoServer) -> None:
    async with opened(server.url("eb") + "?serverSelectionTimeoutMS=1000", lease_seconds=1.5) as store:
        acknowledged = await commit_until_killed(server, store)
        await asyncio.to_thread(server.start)
        flag = await store.get(Flag, a_flag().id)
        assert flag.version in {acknowledged, acknowledged + 1}
        state = await store.load_environment(SHOP)
        assert state.revision == flag.version
        assert [s.version for s in await store.list_all(Segment, SCOPE)] == [flag.version] * SEGMENTS
        assert await store.commit(numbered(flag.version + 1)) == {SCOPE: flag.version + 1}
        async with aclosing(store.watch_revisions()) as feed:
            assert await anext(feed) == {SCOPE: flag.version + 1}


async def commit_until_killed(server: MongoServer, store: Store) -> int:
    """Kill the server during a stream of commits; return the last number that was acknowledged."""
    acknowledged = 0
    enough = asyncio.Event()

    async def commit_until_it_is_gone() -> None:
        nonlocal acknowledged
        while True:
            await store.commit(numbered(acknowledged + 1))
            acknowledged += 1
            if acknowledged == 15:
                enough.set()

    async def hear_until_it_is_gone() -> None:
        async with aclosing(store.watch_revisions()) as feed:
            async for _ in feed:
                pass

    commits = asyncio.create_task(commit_until_it_is_gone())
    feed = asyncio.create_task(hear_until_it_is_gone())
    await asyncio.wait_for(enough.wait(), BOUND_SECONDS)
    began = time.monotonic()
    await asyncio.to_thread(server.kill)
    ended = await asyncio.gather(commits, feed, store.ping(), store.find(Flag, "x"), return_exceptions=True)
    assert [type(outcome) for outcome in ended] == [UnavailableError] * 4
    assert time.monotonic() - began < BOUND_SECONDS
    return acknowledged


async def test_opening_without_a_server_ends_in_bounded_time() -> None:
    began = time.monotonic()
    with pytest.raises(UnavailableError):
        await open_store(f"mongodb://127.0.0.1:{free_port()}/eb?serverSelectionTimeoutMS=300")
    assert time.monotonic() - began < 3
