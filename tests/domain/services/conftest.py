"""A real embedded store that can be made to go away."""

import asyncio
import contextlib
from collections.abc import AsyncGenerator, AsyncIterator
from pathlib import Path
from typing import Any, cast

import pytest

from domain.access.principals import Principal
from domain.errors import UnavailableError
from domain.evaluation.subject import Membership
from domain.ports import EnvironmentState, Store
from domain.services.asked_store import asked_store
from domain.services.contexts import ContextService
from domain.services.editing import EnvironmentEditor
from domain.services.evaluation import EvaluationService
from domain.services.imports import ImportService
from domain.services.memberships import MembershipService
from domain.services.patience import Patience
from domain.services.setup import FirstSecrets, set_up_store
from domain.services.snapshots import SnapshotService
from storage import open_store
from storage.cache import MemoryCache


class FickleStore:
    """A store behind a door: while it is shut, everything raises, a feed that is under way too.

    Attributes:
        is_away: Whether the door is shut.
        is_hanging: Whether nothing that is called returns; a feed goes on.
        is_emptied: Whether its feed knows no revisions any more.
        goes_away_after_commit: Whether a commit is the last thing that works.
        fault: Raised once by the next call of anything.
        stale: Handed out, once, in place of the next environment that is loaded.
        loads: How often an environment was loaded.
        calls: How often anything was called, but for feeds.
    """

    def __init__(self, store: Store) -> None:
        self.store = store
        self.is_away = False
        self.is_hanging = False
        self.is_emptied = False
        self.fault: Exception | None = None
        self.stale: EnvironmentState | None = None
        self.goes_away_after_commit = False
        self.loads = 0
        self.calls = 0

    def __getattr__(self, name: str) -> Any:
        async def call(*arguments: Any, **options: Any) -> Any:
            self.calls += 1
            self.check()
            if self.is_hanging:
                await asyncio.Event().wait()
            self.loads += name == "load_environment"
            if name == "load_environment" and self.stale is not None:
                stale, self.stale = self.stale, None
                return stale
            result = await getattr(self.store, name)(*arguments, **options)
            self.is_away |= name == "commit" and self.goes_away_after_commit
            return result

        return call

    async def watch_revisions(self) -> AsyncGenerator[Any, None]:
        self.check()
        feed = self.store.watch_revisions().__aiter__()
        while True:
            following = asyncio.ensure_future(anext(feed))
            while not following.done():
                await asyncio.wait([following], timeout=0.01)
                if self.is_away:
                    following.cancel()
                    await asyncio.wait([following])
                    self.check()
            yield {} if self.is_emptied else following.result()

    def check(self) -> None:
        if self.is_away:
            raise UnavailableError("away")
        if self.fault is not None:
            fault, self.fault = self.fault, None
            raise fault


def evaluation_of(store: Any, snapshots: SnapshotService) -> EvaluationService:
    """Evaluation with a cache of memberships, as the service has it."""
    asked = asked_store(store, lambda: snapshots.is_store_away)
    cache = MemoryCache[Membership](max_entries=1_000, max_bytes=1_000_000)
    memberships = MembershipService(asked, cache, Patience(asked.ping))
    contexts = ContextService(store, snapshots.access, retention_days=0, max_entries=1)
    return EvaluationService(snapshots, memberships, contexts)


@pytest.fixture
async def store(tmp_path: Path) -> AsyncIterator[Store]:
    opened = await open_store(f"sqlite:///{tmp_path}/store.db")
    yield opened
    await opened.close()


@pytest.fixture
def fickle(store: Store) -> FickleStore:
    return FickleStore(store)


@pytest.fixture
async def secrets(store: Store) -> FirstSecrets:
    found = await set_up_store(store)
    assert found is not None
    return found


@pytest.fixture
def owner(secrets: FirstSecrets) -> Principal:
    return secrets.owner


@pytest.fixture
async def snapshots(fickle: FickleStore, secrets: FirstSecrets) -> AsyncIterator[SnapshotService]:
    """Snapshots that follow the fickle store."""
    del secrets  # the store must be set up
    service = SnapshotService(cast("Store", fickle))
    running = asyncio.create_task(service.run())
    await service.wait_until_loaded()
    yield service
    running.cancel()
    with contextlib.suppress(asyncio.CancelledError):
        await running


@pytest.fixture
def elsewhere(store: Store, secrets: FirstSecrets) -> ImportService:
    """Imports as another process makes them."""
    del secrets
    return ImportService(store, EnvironmentEditor(store, SnapshotService(store)))
