"""The names of environments' states, on every adapter: one name in all processes, and no name for two states."""

import sqlite3
from collections.abc import AsyncIterator
from contextlib import closing
from pathlib import Path

import pytest

from domain.access.principals import SYSTEM
from domain.evaluation.snapshot import Snapshot
from domain.ports import Store
from domain.services.editing import EnvironmentEditor
from domain.services.histories import HistoryService
from domain.services.import_plan import ImportMode
from domain.services.imports import ImportService
from domain.services.patience import Patience
from domain.services.setup import PRODUCTION, set_up_store
from domain.services.snapshots import SnapshotService
from storage import open_store
from tests.storage.builders import a_commit, an_entry
from tests.storage.conftest import OpenStore


async def change(store: Store, value: object) -> Snapshot:
    """Change the environment, as a process of its own does, and return what it is then."""
    snapshots = SnapshotService(store)
    data = {"flagValues": {"f": value}}
    await ImportService(store, EnvironmentEditor(store, snapshots)).import_flag_data(
        SYSTEM, PRODUCTION, data, ImportMode.MERGE
    )
    return await snapshots.get(PRODUCTION)


def history(store: Store) -> HistoryService:
    return HistoryService(store, Patience(store.ping))


async def test_a_state_has_one_name_in_all_processes_and_no_other_state_has_it(open_another: OpenStore) -> None:
    first, second = await open_another(), await open_another()
    await set_up_store(first)
    here, there = history(first), history(second)
    names = []
    for number in range(5):
        snapshot = await change(first if number % 2 else second, number)
        names.append(await here.name(snapshot))
        assert await there.name(snapshot) == await here.name(snapshot) == names[-1]
    assert len(set(names)) == len(names)


async def test_a_state_that_an_edit_of_another_environment_made_has_one_name_too(open_another: OpenStore) -> None:
    """Such an edit, a copy from here say, is none of this environment's history."""
    first, second = await open_another(), await open_another()
    await set_up_store(first)
    await change(first, 1)
    entry = an_entry(scope="default/test")
    await first.commit(a_commit(revise=(str(PRODUCTION), "default/test"), entry=entry))
    snapshot = await SnapshotService(first).get(PRODUCTION)
    assert await history(first).name(snapshot) == await history(second).name(snapshot) == entry.id


async def test_it_is_asked_for_once(store: Store) -> None:
    await set_up_store(store)
    snapshot = await change(store, 1)
    histories = history(store)
    name = await histories.name(snapshot)
    await store.close()
    assert await histories.name(snapshot) == name


@pytest.fixture
async def elsewhere(tmp_path: Path) -> AsyncIterator[Store]:
    """Another store, which counts from 1 too."""
    store = await open_store(f"sqlite:///{tmp_path}/elsewhere.db")
    await set_up_store(store)
    yield store
    await store.close()


async def test_equal_revisions_of_two_stores_have_two_names(store: Store, elsewhere: Store) -> None:
    await set_up_store(store)
    here, there = await change(store, 1), await change(elsewhere, 1)
    assert here.revision == there.revision
    assert await history(store).name(here) != await history(elsewhere).name(there)


async def test_a_store_that_was_put_back_from_a_copy_goes_on_under_other_names(
    elsewhere: Store, tmp_path: Path
) -> None:
    before = await change(elsewhere, 1)
    with (
        closing(sqlite3.connect(tmp_path / "elsewhere.db")) as source,
        closing(sqlite3.connect(tmp_path / "copy.db")) as target,
    ):
        source.backup(target)
    copy = await open_store(f"sqlite:///{tmp_path}/copy.db")
    histories = history(elsewhere), history(copy)
    assert await histories[0].name(before) == await histories[1].name(before)
    after = await change(elsewhere, 2), await change(copy, 3)
    assert after[0].revision == after[1].revision
    assert await histories[0].name(after[0]) != await histories[1].name(after[1])
    await copy.close()


async def test_a_state_whose_entry_is_not_found_is_shared_with_nobody(elsewhere: Store) -> None:
    await change(elsewhere, 1)
    unknown = Snapshot(PRODUCTION, 7, {}, {})
    here, there = history(elsewhere), history(elsewhere)
    assert await here.name(unknown) == await here.name(unknown)
    assert await here.name(unknown) != await there.name(unknown)
    known = await change(elsewhere, 2)
    assert known.revision < unknown.revision
    assert await here.name(known) == await there.name(known)
