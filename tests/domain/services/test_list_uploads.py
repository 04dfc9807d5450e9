"""Imports while their files come in."""

import asyncio
import io
from dataclasses import replace

import pytest

from domain.access.principals import Principal
from domain.commits import Commit, Save
from domain.errors import ImportOverError, InUseError
from domain.model.lists import ListChange, ListMode
from domain.ports import Store
from domain.services import list_uploads
from domain.services.editing import EnvironmentEditor
from domain.services.list_changes import ListChanges, NewListChange
from domain.services.lists import ListService
from domain.services.segments import NewSegment, SegmentService
from domain.services.setup import PRODUCTION
from domain.services.snapshots import SnapshotService
from domain.services.target_limit import TargetLimit
from storage.key_spool import TemporaryKeySpool
from tests.domain.services.conftest import FickleStore

NEW = NewListChange(segment_key="beta", mode=ListMode.MERGE)


@pytest.fixture
async def lists(fickle: FickleStore, snapshots: SnapshotService, owner: Principal) -> ListService:
    """Lists, of which there is one."""
    editor = EnvironmentEditor(fickle, snapshots)
    segments = SegmentService(fickle, editor, TargetLimit(10))
    await segments.create(owner, PRODUCTION, NewSegment(name="beta", list_context_kind="user"))
    return ListService(
        fickle, snapshots, ListChanges(fickle, snapshots, editor), TemporaryKeySpool, max_removal_percent=50
    )


async def test_an_import_whose_file_begins_to_come_late_is_not_taken_for_dead(
    lists: ListService, store: Store, owner: Principal
) -> None:
    begun = await lists.start(owner, PRODUCTION, NEW)
    late = replace(begun, beat_ms=begun.beat_ms - 60_000, version=begun.version + 1)
    await store.commit(Commit(writes=(Save(late, begun.version),), entry=None))

    async def receive() -> None:
        with pytest.raises(InUseError):
            await lists.start(owner, PRODUCTION, NEW)

    changed = await lists.upload(owner, begun.id, io.BytesIO(b"ann\n"), receive)
    assert changed.segment.member_count == 1


async def test_a_file_that_comes_slowly_is_not_received_to_its_end_once_its_import_is_cancelled(
    lists: ListService, store: Store, owner: Principal, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(list_uploads, "_LOOK_SECONDS", 0.05)
    begun = await lists.start(owner, PRODUCTION, NEW)
    ended = asyncio.Event()

    async def receive() -> None:
        await lists.cancel(owner, begun.id)
        try:
            await asyncio.sleep(60)
        finally:
            ended.set()

    with pytest.raises(ImportOverError, match="the import was cancelled"):
        await asyncio.wait_for(lists.upload(owner, begun.id, io.BytesIO(), receive), 20)
    assert ended.is_set()
    assert not (await store.get(ListChange, begun.id)).is_open
