"""Processes that change large lists, and die of it."""

from collections.abc import Awaitable, Callable
from typing import Any

from domain.errors import UnavailableError
from domain.model.segments import Segment
from domain.ports import Store
from domain.services.cohorts import CohortMembers, CohortMessage
from domain.services.editing import EnvironmentEditor
from domain.services.list_changes import ListChanges
from domain.services.list_recovery import ListRecoveryService
from domain.services.lists import ListService
from domain.services.segments import SegmentService
from domain.services.setup import PRODUCTION
from domain.services.snapshots import SnapshotService
from domain.services.syncs import SyncService
from domain.services.target_limit import TargetLimit
from storage.key_spool import TemporaryKeySpool

KEPT_HERE = f"{PRODUCTION}/beta"
SYNCED = f"{PRODUCTION}/amplitude-c"


class Process:
    """The services that change lists and clean up, as one process has them."""

    def __init__(self, store: Any) -> None:
        snapshots = SnapshotService(store)
        editor = EnvironmentEditor(store, snapshots)
        self.segments = SegmentService(store, editor, TargetLimit(10))
        changes = ListChanges(store, snapshots, editor)
        self.lists = ListService(store, snapshots, changes, TemporaryKeySpool, max_removal_percent=50)
        self.syncs = SyncService(store, snapshots, changes)
        self.recovery = ListRecoveryService(store, changes, self.syncs)


class DyingStore:
    """A store that does something of a test's after the first call of a method, or else is gone from then on."""

    def __init__(self, store: Store, name: str, then: Callable[[], Awaitable[None]] | None = None) -> None:
        self._store = store
        self._name = name
        self._then = then or self._die
        self._is_dead = False

    def __getattr__(self, name: str) -> Any:
        async def call(*arguments: Any, **options: Any) -> Any:
            if self._is_dead:
                raise UnavailableError("the process is dead")
            result = await getattr(self._store, name)(*arguments, **options)
            if name == self._name:
                self._name = ""
                await self._then()
            return result

        return call

    async def _die(self) -> None:
        self._is_dead = True
        raise UnavailableError("the process is dead")


def message(*keys: str, message_id: str = "", is_member: bool = True) -> CohortMessage:
    members = [CohortMembers(user_keys=[key], cohort_id="c", cohort_name="", is_member=is_member) for key in keys]
    return CohortMessage(integration="amplitude", members=members, message_id=message_id)


async def members(store: Store, segment_id: str) -> list[str]:
    segment = await store.get(Segment, segment_id)
    assert segment.generation is not None
    return await store.list_members(segment.list_id, segment.generation, first=99)
