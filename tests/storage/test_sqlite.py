"""What only the SQLite adapter has: a file."""

import asyncio
import sqlite3
from contextlib import closing
from pathlib import Path

import pytest

from domain.errors import InvalidInputError, UnavailableError
from domain.model.flags import Flag
from domain.ports import Store
from storage import open_store
from storage.sqlite import connection
from tests.storage.builders import SHOP, a_commit, a_flag, create

SCOPE = str(SHOP)


async def opened(path: Path) -> Store:
    return await open_store(f"sqlite:///{path}")


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
