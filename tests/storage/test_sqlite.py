"""What only the SQLite adapter has: a file."""

import asyncio
import logging
import sqlite3
import threading
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, closing
from pathlib import Path

import aiosqlite
import pytest

from domain.errors import InvalidInputError, UnavailableError
from domain.model.changes import EntryFilter
from domain.model.flags import Flag
from domain.ports import Store
from storage import open_store
from storage.codec import encode_text
from storage.sqlite import connection, members
from storage.sqlite.contexts import AMONG, COUNT
from storage.sqlite.entries import entries_query
from tests.storage.builders import SHOP, a_commit, a_flag, an_entry, create, replace_at

SCOPE = str(SHOP)


async def opened(path: Path) -> Store:
    return await open_store(f"sqlite:///{path}")


@asynccontextmanager
async def using(path: Path) -> AsyncIterator[Store]:
    store = await opened(path)
    try:
        yield store
    finally:
        await store.close()


async def test_the_directory_is_made(tmp_path: Path) -> None:
    store = await opened(tmp_path / "a" / "b" / "store.db")
    await store.commit(a_commit(create(a_flag())))
    await store.close()
    assert (tmp_path / "a" / "b" / "store.db").exists()


async def test_a_relative_path_begins_where_we_are(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    await (await open_store("sqlite:///data/store.db")).close()
    assert (tmp_path / "data" / "store.db").exists()


async def test_a_directory_that_cannot_be_made_is_unavailable(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(UnavailableError, match="directory"):
        await opened(tmp_path / "file" / "store.db")


async def test_a_file_that_cannot_be_opened_leaves_no_thread_behind(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(logging.getLogger("aiosqlite"), "debug", lambda *_: time.sleep(0.05))  # in that thread
    (tmp_path / "store.db").mkdir()
    with pytest.raises(UnavailableError, match="unable to open"):
        await opened(tmp_path / "store.db")
    assert not [thread for thread in threading.enumerate() if "connection_worker" in thread.name]


async def test_a_file_that_is_no_database_is_refused(tmp_path: Path) -> None:
    (tmp_path / "store.db").write_text("not a database, although it is as long as one might be " * 20)
    with pytest.raises(InvalidInputError, match="no SQLite database"):
        await opened(tmp_path / "store.db")


async def test_a_file_of_a_newer_schema_is_refused_and_left_alone(tmp_path: Path) -> None:
    with closing(sqlite3.connect(tmp_path / "store.db")) as file:
        file.execute(f"PRAGMA user_version = {connection.SCHEMA_VERSION + 1}")
    with pytest.raises(InvalidInputError, match="newer Earlybird"):
        await opened(tmp_path / "store.db")
    with closing(sqlite3.connect(tmp_path / "store.db")) as file:
        assert file.execute("SELECT count(*) FROM sqlite_schema").fetchone() == (0,)


async def test_many_can_create_the_file_at_once(tmp_path: Path) -> None:
    for round_ in range(5):
        stores = await asyncio.gather(*(opened(tmp_path / f"{round_}.db") for _ in range(5)))
        for store in stores:
            await store.commit(a_commit(revise=(SCOPE,)))
        assert await stores[0].revisions() == {SCOPE: 5}
        for store in stores:
            await store.close()


async def test_a_file_that_another_process_locks_is_unavailable_for_writes_until_it_is_free(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(connection, "BUSY_SECONDS", 0.2)
    store = await opened(tmp_path / "store.db")
    await store.commit(a_commit(create(a_flag("a"))))
    with closing(sqlite3.connect(tmp_path / "store.db", isolation_level=None)) as other:
        other.execute("BEGIN IMMEDIATE")
        async with asyncio.timeout(2):
            with pytest.raises(UnavailableError, match="locked"):
                await store.commit(a_commit(create(a_flag("b"))))
        assert await store.find(Flag, "shop/a")
        other.execute("ROLLBACK")
    await store.commit(a_commit(create(a_flag("b"))))
    await store.close()


def moved(folder: Path, into: Path) -> None:
    """Move a store's file, with those that SQLite keeps beside it."""
    for file in sorted(folder.glob("store.db*")):
        file.rename(into / file.name)


@pytest.mark.parametrize("is_replaced", [False, True])
async def test_a_file_that_was_removed_or_replaced_is_away_until_it_is_back(
    tmp_path: Path, is_replaced: bool
) -> None:
    (tmp_path / "here").mkdir()
    (tmp_path / "away").mkdir()
    async with using(tmp_path / "here" / "store.db") as store:
        await store.commit(a_commit(create(a_flag("a")), revise=(SCOPE,)))
        feed = store.watch_revisions()
        assert await anext(feed) == {SCOPE: 1}
        moved(tmp_path / "here", tmp_path / "away")
        if is_replaced:
            other = await opened(tmp_path / "here" / "store.db")
            await other.close()
        async with asyncio.timeout(2):
            for work in (
                store.commit(a_commit(create(a_flag("b")))),
                store.add_members("list", 1, ["ada"]),
                store.find(Flag, "shop/a"),
                store.ping(),
                anext(feed),
                anext(store.watch_revisions()),
            ):
                with pytest.raises(UnavailableError, match="removed or replaced"):
                    await work
        assert (tmp_path / "here" / "store.db").exists() == is_replaced
        moved(tmp_path / "away", tmp_path / "here")
        await store.commit(a_commit(create(a_flag("c")), revise=(SCOPE,)))
        assert [flag.key for flag in await store.list_all(Flag, "shop")] == ["a", "c"]
        assert await anext(store.watch_revisions()) == {SCOPE: 2}


async def test_a_commit_is_not_acknowledged_if_its_file_is_gone_by_then(tmp_path: Path) -> None:
    async with using(tmp_path / "store.db") as store:
        with closing(sqlite3.connect(tmp_path / "store.db", isolation_level=None)) as other:
            other.execute("BEGIN IMMEDIATE")
            commit = asyncio.create_task(store.commit(a_commit(create(a_flag("b")))))
            await asyncio.sleep(0.2)  # it waits for its turn by now
            (tmp_path / "store.db").unlink()
            other.execute("ROLLBACK")
        with pytest.raises(UnavailableError, match="removed or replaced"):
            await commit


async def test_every_commit_is_synced_to_disk(tmp_path: Path) -> None:
    """kill -9 leaves the operating system's buffers alone: only the setting itself tells of a power cut."""
    made = await connection.connect(tmp_path / "store.db", reads_only=False)
    assert await connection.fetch(made, "PRAGMA synchronous") == [(2,)]
    assert await connection.fetch(made, "PRAGMA journal_mode") == [("wal",)]
    await made.close()


async def test_closing_does_not_wait_for_ever_for_a_feed_that_is_just_looking(tmp_path: Path) -> None:
    async def listen(store: Store, heard: asyncio.Event) -> None:
        async for _ in store.watch_revisions():
            heard.set()

    for round_ in range(45):
        async with asyncio.timeout(5):
            store = await opened(tmp_path / "store.db")
            heard = asyncio.Event()
            feed = asyncio.create_task(listen(store, heard))
            await heard.wait()
            await asyncio.sleep(round_ * 0.001)
            await store.close()
            await asyncio.wait([feed])
        assert isinstance(feed.exception(), UnavailableError)


async def test_a_file_of_schema_version_1_is_brought_up_to_date_with_everything_in_it(tmp_path: Path) -> None:
    entry = an_entry(id=f"{7_000_000:016x}-a", scope=SCOPE)
    with closing(sqlite3.connect(tmp_path / "store.db")) as file:
        file.executescript(connection._VERSION_1)  # noqa: SLF001 - what an older Earlybird made
        flag = ("flag", "shop/new-checkout", "shop", 1, encode_text(a_flag()))
        file.execute("INSERT INTO entities VALUES (?, ?, ?, ?, ?)", flag)
        file.execute("INSERT INTO entries VALUES (?, ?, ?)", (entry.id, SCOPE, encode_text(entry)))
        file.execute("INSERT INTO revisions VALUES (?, 3)", (SCOPE,))
        file.execute("PRAGMA user_version = 1")
        file.commit()
    store = await opened(tmp_path / "store.db")
    assert await store.get(Flag, "shop/new-checkout") == a_flag()
    assert await store.revisions() == {SCOPE: 3}
    for wanted in (
        EntryFilter(actor="token/ann"),
        EntryFilter(action="test"),
        EntryFilter(subjects=[f"environment/{SCOPE}"]),
        EntryFilter(subjects=["project/shop"]),
        EntryFilter(since_ms=7),
    ):
        assert await store.list_entries(None, first=10, wanted=wanted) == [entry]
    await store.commit(a_commit(replace_at(1, a_flag(version=2)), revise=(SCOPE,)))
    assert await store.revisions() == {SCOPE: 4}
    await store.close()
    await (await opened(tmp_path / "store.db")).close()


@pytest.mark.parametrize(
    "wanted",
    [
        EntryFilter(subjects=["a/b", "c/d"]),
        EntryFilter(actor="a"),
        EntryFilter(action="a"),
        EntryFilter(since_ms=1),
    ],
)
async def test_no_entry_is_looked_for_without_an_index(tmp_path: Path, wanted: EntryFilter) -> None:
    await (await opened(tmp_path / "store.db")).close()
    sql, parameters = entries_query(None, wanted, first=10, before="x")
    with closing(sqlite3.connect(tmp_path / "store.db")) as file:
        plan = [row[3] for row in file.execute(f"EXPLAIN QUERY PLAN {sql}", parameters)]
    assert not [line for line in plan if line.startswith("SCAN") and "subquery" not in line.lower()], plan


async def test_contexts_are_looked_up_by_all_of_an_index(tmp_path: Path) -> None:
    await (await opened(tmp_path / "store.db")).close()
    asked = {"environment": SCOPE, "kind": "user", "keys": "[]", "emails": "[]", "per_email": 9}
    for query, names in ((AMONG, ("key", "key", "email")), (COUNT, ("email",))):
        with closing(sqlite3.connect(tmp_path / "store.db")) as file:
            plan = [row[3] for row in file.execute(f"EXPLAIN QUERY PLAN {query}", asked)]
        searches = [line.partition("(")[2] for line in plan if line.startswith("SEARCH")]
        assert searches == [f"environment=? AND kind=? AND {name}=?)" for name in names], plan
        assert not [line for line in plan if "ORDER BY" in line], "the first are the first of the index"


async def test_an_overwrite_is_undone_in_parts_that_hold_nobody_up(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    rows: list[int] = []

    @asynccontextmanager
    async def counted(writer: aiosqlite.Connection) -> AsyncIterator[None]:
        before = writer.total_changes
        async with connection.transaction(writer):
            yield
        rows.append(writer.total_changes - before)

    monkeypatch.setattr(members, "_CHUNK", 2)
    store = await opened(tmp_path / "store.db")
    await store.add_members("beta", 1, [*"abcde"])
    await store.remove_members("beta", 2, [*"abcde"])
    await store.add_members("beta", 2, [*"fghij"])
    monkeypatch.setattr(members, "transaction", counted)
    await store.discard_members("beta", 1)
    left = await store.list_members("beta", 2, first=99)
    await store.close()
    assert (left, rows) == ([*"abcde"], [2, 2, 1, 2, 2, 1, 0])
