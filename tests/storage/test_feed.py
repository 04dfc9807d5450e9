"""Store.watch_revisions over every adapter."""

import asyncio
import time
from collections.abc import AsyncGenerator, AsyncIterator, Mapping
from contextlib import aclosing

from domain.errors import UnavailableError
from domain.keys import EnvironmentRef
from domain.ports import Store
from tests.storage.builders import SHOP, a_commit
from tests.storage.conftest import OpenStore
from tests.storage.processes import said, writer

SCOPE = str(SHOP)
SOON_SECONDS = 3.0


def feed_of(store: Store) -> aclosing[AsyncGenerator[Mapping[str, int], None]]:
    return aclosing(store.watch_revisions())


async def following(feed: AsyncIterator[Mapping[str, int]]) -> Mapping[str, int]:
    return await asyncio.wait_for(anext(feed), SOON_SECONDS)


async def until(feed: AsyncIterator[Mapping[str, int]], scope: str, revision: int) -> list[int]:
    """Return what the feed says of a scope until it says `revision`."""
    heard: list[int] = []
    while revision not in heard:
        heard += [number for name, number in (await following(feed)).items() if name == scope]
    return heard


async def test_a_feed_begins_with_all_revisions(store: Store) -> None:
    await store.commit(a_commit(revise=(SCOPE, "a.b/$c")))
    await store.commit(a_commit(revise=(SCOPE,)))
    async with feed_of(store) as feed:
        assert await following(feed) == {SCOPE: 2, "a.b/$c": 1}


async def test_a_feed_of_an_empty_store_begins_empty(store: Store) -> None:
    async with feed_of(store) as feed:
        assert await following(feed) == {}


async def test_a_feed_goes_on_with_what_grew_in_order(store: Store) -> None:
    await store.commit(a_commit(revise=(SCOPE, "other")))
    async with feed_of(store) as feed:
        await following(feed)
        for _ in range(10):
            await store.commit(a_commit(revise=(SCOPE,)))
        heard = await until(feed, SCOPE, 11)
        assert heard == sorted(heard)
        await store.commit(a_commit(revise=("new",)))
        assert await following(feed) == {"new": 1}


async def test_a_feed_reports_every_scope_of_a_commit(store: Store) -> None:
    scopes = {str(EnvironmentRef("shop", f"e{n}")) for n in range(5)}
    async with feed_of(store) as feed:
        await following(feed)
        await store.commit(a_commit(revise=tuple(scopes)))
        heard: set[str] = set()
        while heard != scopes:
            heard |= (await following(feed)).keys()


async def test_what_is_committed_while_a_feed_opens_is_not_missed(store: Store, open_another: OpenStore) -> None:
    other = await open_another()
    for number in range(1, 9):
        async with feed_of(store) as feed, asyncio.TaskGroup() as group:
            group.create_task(other.commit(a_commit(revise=(SCOPE,))))
            await until(feed, SCOPE, number)


async def test_two_stores_hear_each_other(store: Store, open_another: OpenStore) -> None:
    other = await open_another()
    async with feed_of(store) as feed, feed_of(other) as others_feed:
        await following(feed)
        await following(others_feed)
        await store.commit(a_commit(revise=(SCOPE,)))
        await until(others_feed, SCOPE, 1)
        await other.commit(a_commit(revise=(SCOPE,)))
        await until(feed, SCOPE, 2)


async def test_what_another_process_commits_is_heard(store: Store, store_url: str) -> None:
    async with feed_of(store) as feed:
        await following(feed)
        async with writer("stream", store_url, 1) as process:
            (number,) = await said(process, 1)
            await until(feed, SCOPE, number)
            heard = (await said(process, 5))[-1]
        revision = (await store.revisions())[SCOPE]
        assert revision >= heard
        await until(feed, SCOPE, revision)


async def test_a_quiet_feed_closes_quickly_and_leaves_nothing_running(store: Store) -> None:
    before = asyncio.all_tasks()

    async def listen() -> None:
        async with feed_of(store) as feed:
            async for _ in feed:
                listening.set()

    listening = asyncio.Event()
    task = asyncio.create_task(listen())
    await asyncio.wait_for(listening.wait(), SOON_SECONDS)
    await asyncio.sleep(0.05)
    began = time.monotonic()
    task.cancel()
    await asyncio.wait([task])
    assert time.monotonic() - began < 0.6
    assert asyncio.all_tasks() == before


async def test_closing_the_store_ends_its_feeds(store: Store) -> None:
    async def listen() -> None:
        async with feed_of(store) as feed:
            async for _ in feed:
                listening.set()

    listening = asyncio.Event()
    task = asyncio.create_task(listen())
    await asyncio.wait_for(listening.wait(), SOON_SECONDS)
    await store.close()
    await asyncio.wait_for(asyncio.wait([task]), SOON_SECONDS)
    assert isinstance(task.exception(), UnavailableError)
