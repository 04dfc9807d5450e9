"""Members of large lists: what Store promises of them, on every adapter."""

import asyncio
from dataclasses import replace
from typing import Any

from domain.clock import now_ms
from domain.commits import Delete
from domain.keys import EnvironmentRef
from domain.model.lists import ListChange, ListChangeState, ListMode
from domain.ports import Store
from storage.mongo.members import MEMBERS, Members
from tests.storage.builders import a_commit, create, replace_at
from tests.storage.conftest import OpenStore

LIST = "shop/production/big"


async def keys_of(store: Store, generation: int, list_id: str = LIST) -> list[str]:
    return await store.list_members(list_id, generation, first=1000)


async def test_members_are_in_from_their_generation_on(store: Store) -> None:
    await store.add_members(LIST, 1, ["b", "a"])
    await store.add_members(LIST, 2, ["c"])
    assert await keys_of(store, 0) == []
    assert await keys_of(store, 1) == ["a", "b"]
    assert await keys_of(store, 3) == ["a", "b", "c"]


async def test_members_that_leave_stay_in_the_generations_before(store: Store) -> None:
    await store.add_members(LIST, 1, ["a", "b"])
    await store.remove_members(LIST, 2, ["a", "nobody"])
    assert await keys_of(store, 1) == ["a", "b"]
    assert await keys_of(store, 2) == ["b"]


async def test_a_member_that_left_can_come_back(store: Store) -> None:
    await store.add_members(LIST, 1, ["a"])
    await store.remove_members(LIST, 2, ["a"])
    await store.add_members(LIST, 3, ["a"])
    assert [await keys_of(store, generation) for generation in (1, 2, 3)] == [["a"], [], ["a"]]


async def test_writing_members_twice_changes_nothing(store: Store) -> None:
    for _ in range(2):
        await store.add_members(LIST, 1, ["a", "b"])
        await store.remove_members(LIST, 2, ["a"])
    assert await keys_of(store, 1) == ["a", "b"]
    assert await keys_of(store, 2) == ["b"]


async def test_what_is_discarded_was_never_written(store: Store) -> None:
    await store.add_members(LIST, 1, ["a", "b"])
    await store.add_members(LIST, 2, ["c"])
    await store.remove_members(LIST, 2, ["a"])
    await store.discard_members(LIST, 1)
    assert await keys_of(store, 1) == ["a", "b"]
    assert await keys_of(store, 9) == ["a", "b"]


async def test_a_forgotten_list_is_empty_and_others_are_not(store: Store) -> None:
    await store.add_members(LIST, 1, [str(number) for number in range(1_100)])
    await store.add_members(LIST + "ger", 1, ["a"])
    await store.discard_members(LIST, None)
    assert await keys_of(store, 1) == []
    assert await keys_of(store, 1, LIST + "ger") == ["a"]


async def test_a_purge_forgets_those_who_left_by_a_generation_only(store: Store) -> None:
    await store.add_members(LIST, 1, ["a", "b", "c"])
    await store.remove_members(LIST, 2, ["a"])
    await store.remove_members(LIST, 3, ["b"])
    await store.purge_members(LIST, 2)
    assert await keys_of(store, 2) == ["b", "c"]
    assert await keys_of(store, 3) == ["c"]
    assert await keys_of(store, 1) == ["b", "c"]


async def test_members_are_paged_by_code_points(store: Store) -> None:
    keys = ["", "A", "a", "b", "é", "日本", "😀", "x.y$z", "'quoted', with comma"][1:]
    await store.add_members(LIST, 1, keys)
    first = await store.list_members(LIST, 1, first=3)
    rest = await store.list_members(LIST, 1, first=1000, after=first[-1])
    assert first + rest == sorted(keys)


async def test_one_question_finds_members_of_several_lists_at_their_generations(store: Store) -> None:
    await store.add_members(LIST, 1, ["a", "b"])
    await store.add_members(LIST, 2, ["c"])
    await store.add_members("other", 5, ["a", "z"])
    found = await store.members_among({LIST: 1, "other": 5, "nowhere": 1}, ["a", "c", "z", "nobody"])
    assert found == {(LIST, "a"), ("other", "a"), ("other", "z")}
    assert await store.members_among({}, ["a"]) == frozenset()
    assert await store.members_among({LIST: 1}, []) == frozenset()


async def test_lists_are_known_by_their_members_those_that_left_too(store: Store) -> None:
    assert await store.list_ids() == []
    await store.add_members(LIST, 1, ["a", "b"])
    await store.add_members(f"{LIST}/1f", 1, ["a"])
    await store.add_members("a/b/c", 1, ["a"])
    await store.remove_members("a/b/c", 2, ["a"])
    assert sorted(await store.list_ids()) == ["a/b/c", LIST, f"{LIST}/1f"]
    await store.discard_members(LIST, None)
    assert sorted(await store.list_ids()) == ["a/b/c", f"{LIST}/1f"]


async def test_lists_are_known_by_their_changes_too(store: Store) -> None:
    await store.add_members("a/b/c", 1, ["a"])
    first = a_change("a/b/c", 1)
    changes = (first, a_change("a/b/c", 2), a_change(LIST, 1))
    await store.commit(a_commit(*map(create, changes)))
    assert sorted(await store.list_ids()) == ["a/b/c", LIST]
    await store.commit(a_commit(*map(Delete, changes[1:])))
    assert await store.list_ids() == ["a/b/c"]


async def test_changes_that_are_not_over_are_found_among_all(store: Store) -> None:
    assert await store.list_open_changes() == []
    waiting, over = a_change("a/b/c", 2), a_change("a/b/c", 1, finished_ms=1)
    await store.commit(a_commit(create(waiting), create(over)))
    assert await store.list_open_changes() == [waiting]
    await store.commit(a_commit(replace_at(1, replace(waiting, finished_ms=2, version=2))))
    assert await store.list_open_changes() == []


async def test_a_change_began_when_it_did_however_often_it_is_read(store: Store) -> None:
    await store.commit(a_commit(create(a_change(LIST, 1, started_ms=now_ms()))))
    [first] = await store.list_open_changes()
    await asyncio.sleep(0.005)
    assert await store.list_open_changes() == [first]


def a_change(list_id: str, generation: int, **fields: Any) -> ListChange:
    project, environment, key = list_id.split("/")
    return ListChange(
        environment=EnvironmentRef(project, environment),
        segment_key=key,
        generation=generation,
        mode=ListMode.MERGE,
        state=ListChangeState.WAITING,
        actor="token/ann",
        **fields,
    )


async def test_ten_thousand_keys_go_in_one_question(store: Store) -> None:
    keys = [f"key-{number}" for number in range(10_000)]
    await store.add_members(LIST, 1, keys[::2])
    found = await store.members_among({LIST: 1}, keys)
    assert len(found) == 5_000


class RecordingCollection:
    """Takes any number of writes at once, as a fast server does, and tells how many."""

    def __init__(self) -> None:
        self.sizes: list[int] = []

    async def bulk_write(self, writes: list[object], **_options: object) -> None:
        self.sizes.append(len(writes))


async def test_no_write_to_mongodb_is_so_large_that_a_slow_server_answers_it_too_late() -> None:
    members = RecordingCollection()
    database: Any = {MEMBERS: members}
    await Members(database).add(LIST, 1, [str(number) for number in range(2_500)])
    assert members.sizes == [1_000, 1_000, 500]


async def test_members_outlive_the_store_that_wrote_them(store: Store, open_another: OpenStore) -> None:
    await store.add_members(LIST, 1, ["a"])
    await store.close()
    assert await keys_of(await open_another(), 1) == ["a"]
