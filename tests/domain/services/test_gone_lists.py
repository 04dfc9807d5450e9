"""Large lists that are deleted, and made again by the same name at any moment of that."""

from collections.abc import Awaitable, Callable
from typing import Any, cast

import pytest

from domain.access.principals import Principal
from domain.commits import Commit, Save
from domain.errors import DomainError, UnavailableError
from domain.json import Json
from domain.model.lists import ListChange, ListMode
from domain.model.segments import Segment
from domain.ports import Store
from domain.services.editing import EnvironmentEditor
from domain.services.gone_lists import discard_gone_lists
from domain.services.import_plan import ImportMode
from domain.services.imports import ImportService
from domain.services.list_changes import ListChanges, NewListChange
from domain.services.lists import ListService
from domain.services.segments import NewSegment, SegmentService
from domain.services.setup import PRODUCTION
from domain.services.snapshots import SnapshotService
from domain.services.target_limit import TargetLimit
from storage.key_spool import TemporaryKeySpool
from tests.domain.services.conftest import FickleStore
from tests.domain.services.interposed import Interposed
from tests.domain.services.waiting import eventually

BETA = f"{PRODUCTION}/beta"


class Process:
    """The services that change lists, as one process has them."""

    def __init__(self, store: Any, snapshots: SnapshotService, owner: Principal) -> None:
        editor = EnvironmentEditor(store, snapshots)
        self.owner = owner
        self.segments = SegmentService(store, editor, TargetLimit(10))
        self.lists = ListService(
            store, snapshots, ListChanges(store, snapshots, editor), TemporaryKeySpool, max_removal_percent=50
        )
        self.imports = ImportService(store, editor)

    async def create(self) -> None:
        await self.segments.create(self.owner, PRODUCTION, NewSegment(name="beta", list_context_kind="user"))

    async def add(self, *keys: str) -> None:
        await self.lists.edit_keys(self.owner, PRODUCTION, "beta", ListMode.MERGE, keys)

    async def delete(self) -> None:
        await self.segments.delete(self.owner, PRODUCTION, "beta")

    async def bring(self, segment: Json, mode: ImportMode = ImportMode.MERGE) -> None:
        segments: Json = {"beta": segment} if segment else {}
        await self.imports.import_flag_data(self.owner, PRODUCTION, {"segments": segments}, mode)


@pytest.fixture
def here(fickle: FickleStore, snapshots: SnapshotService, owner: Principal) -> Process:
    return Process(fickle, snapshots, owner)


Meanwhile = Callable[[str, Callable[[], Awaitable[None]]], Process]


@pytest.fixture
def there(store: Store, owner: Principal) -> Meanwhile:
    """What makes another process, before one of whose calls of the store something else is done, once."""

    def make(name: str, meanwhile: Callable[[], Awaitable[None]]) -> Process:
        interposed = cast("Store", Interposed(store, name, meanwhile))
        return Process(interposed, SnapshotService(interposed), owner)

    return make


async def members(store: Store) -> list[str]:
    segment = await store.get(Segment, BETA)
    if segment.generation is None:
        return []
    return await store.list_members(segment.list_id, segment.generation, first=9)


async def test_a_list_made_while_the_one_before_is_still_being_discarded_keeps_its_members(
    here: Process, there: Meanwhile, store: Store
) -> None:
    await here.create()
    await here.add("old")

    async def make_it_again() -> None:
        await here.create()
        await here.add("new")

    await there("discard_members", make_it_again).delete()
    assert await members(store) == ["new"]


async def test_a_list_made_while_an_import_is_about_to_make_it_keeps_its_members(
    here: Process, there: Meanwhile, store: Store
) -> None:
    async def make_it() -> None:
        await here.create()
        await here.add("new")

    await there("commit", make_it).bring({"key": "beta", "unbounded": True, "generation": 1})
    assert await members(store) == ["new"]


@pytest.mark.parametrize("generation", [1, 99])
async def test_an_imported_list_has_nothing_of_the_one_before_whatever_its_generation(
    here: Process, fickle: FickleStore, store: Store, snapshots: SnapshotService, generation: int
) -> None:
    async def is_away() -> bool:
        return snapshots.is_store_away

    await here.create()
    await here.add("old")
    left = (await store.get(Segment, BETA)).list_id
    fickle.goes_away_after_commit = True
    with pytest.raises(UnavailableError):
        await here.delete()
    fickle.goes_away_after_commit = fickle.is_away = False
    await eventually(is_away, expected=False)
    assert await store.list_ids() == [left], "the process died before it could discard them"
    await here.bring({"key": "beta", "unbounded": True, "generation": generation})
    assert await members(store) == []
    await here.add("new")
    await discard_gone_lists(store)
    assert await members(store) == ["new"]
    assert left not in await store.list_ids()


@pytest.mark.parametrize(
    "segment", [{}, {"key": "beta", "deleted": True}, {"key": "beta", "included": ["ann"]}], ids=str
)
async def test_an_import_that_ends_a_list_leaves_nothing_of_it(here: Process, store: Store, segment: Json) -> None:
    await here.create()
    if not (segment and "included" in cast("dict[str, Json]", segment)):  # a list that has members stays one
        await here.add("old")
    list_id = (await store.get(Segment, BETA)).list_id
    await here.bring(segment, ImportMode.MERGE if segment else ImportMode.REPLACE)
    assert await store.list_ids() == []
    assert await store.list_all(ListChange, list_id) == []


async def test_an_import_of_whatever_generation_leaves_a_list_to_the_change_that_is_filling_it(
    here: Process, there: Meanwhile, store: Store
) -> None:
    """It shows nothing of what the change has written so far, and takes nothing of it away."""
    await here.create()

    shown: list[list[str]] = []

    async def bring() -> None:
        await here.bring({"key": "beta", "unbounded": True, "generation": 1})
        shown.append(await members(store))

    await there("add_members", bring).add("ann")
    assert shown == [[]]
    assert await members(store) == ["ann"]
    await discard_gone_lists(store)
    assert await members(store) == ["ann"]


async def test_a_change_of_a_list_that_is_gone_fails_though_there_is_another_one(
    here: Process, there: Meanwhile, store: Store
) -> None:
    await here.create()

    async def make_another() -> None:
        await here.delete()
        await here.create()
        await here.add("new")

    with pytest.raises(DomainError):
        await there("add_members", make_another).add("late")
    assert await members(store) == ["new"]
    assert len(await store.list_ids()) == 1


async def test_a_list_from_before_lists_had_ids_is_kept_and_ends_like_any_other(
    here: Process, store: Store, snapshots: SnapshotService
) -> None:
    older = Segment(environment=PRODUCTION, key="beta", unbounded=True, generation=1, list_size=1)
    await store.add_members(BETA, 1, ["old"])
    revise = frozenset({str(PRODUCTION)})
    await snapshots.commit(Commit(writes=(Save(older, None),), revise=revise, entry=None))
    await here.add("ann")
    await discard_gone_lists(store)
    assert await members(store) == ["ann", "old"]
    await here.delete()
    await here.create()
    await here.add("new")
    assert await members(store) == ["new"]
    assert await store.list_ids() == [(await store.get(Segment, BETA)).list_id] != [BETA]
    started = await here.lists.start(
        here.owner, PRODUCTION, NewListChange(segment_key="beta", mode=ListMode.MERGE)
    )
    assert started.generation == 2
