"""Several processes on one store, and the death of one."""

import asyncio

from domain.model.flags import Flag
from domain.model.segments import Segment
from domain.ports import Store
from tests.storage.builders import SHOP, a_commit, a_flag, create
from tests.storage.conftest import OpenStore
from tests.storage.processes import all_said, said, writer
from tests.storage.writers import SEGMENTS, numbered

WINS = 25


async def test_of_two_processes_exactly_one_wins_each_compare_and_set(store: Store, store_url: str) -> None:
    await store.commit(a_commit(create(a_flag())))
    async with writer("race", store_url, WINS) as one, writer("race", store_url, WINS) as other:
        won = await asyncio.gather(all_said(one), all_said(other))
    assert sorted(int(version) for version in won[0] + won[1]) == list(range(2, 2 * WINS + 2))
    assert (await store.get(Flag, a_flag().id)).version == 2 * WINS + 1


async def test_what_a_killed_process_had_acknowledged_is_there(store_url: str, open_another: OpenStore) -> None:
    async with writer("stream", store_url, 1) as process:
        heard = await said(process, 20)
        process.kill()
        heard += [int(line) for line in (await all_said(process))]
    store = await open_another()
    flag = await store.get(Flag, a_flag().id)
    assert flag.version in {heard[-1], heard[-1] + 1}
    segments = await store.list_all(Segment, str(SHOP))
    assert [segment.version for segment in segments] == [flag.version] * SEGMENTS
    assert await store.revisions() == {str(SHOP): flag.version}
    assert len(await store.list_entries(None, first=1000)) == flag.version
    await store.commit(numbered(flag.version + 1))
