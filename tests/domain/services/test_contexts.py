"""Remembering contexts: what is dropped, what is stored again, what is forgotten."""

import asyncio
import logging
from collections.abc import Collection
from typing import Any, cast

import pytest

from domain.access.principals import Principal
from domain.errors import UnavailableError
from domain.json import Json
from domain.model.contexts import parse_context
from domain.model.seen_contexts import SeenContext
from domain.ports import Store
from domain.services import contexts
from domain.services.access import AccessService
from domain.services.contexts import ContextService, TargetStatus
from domain.services.editing import EnvironmentEditor
from domain.services.environments import EnvironmentService
from domain.services.places import NewPlace
from domain.services.setup import PRODUCTION, FirstSecrets
from domain.services.snapshots import SnapshotService
from tests.domain.services.conftest import FickleStore

NOW = 4_000_000_000_000  # later than the environments, which are made at the real time
MINUTE = 60_000
DAY = 24 * 60 * MINUTE


class WatchedStore(FickleStore):
    """A fickle store that keeps the keys of what it was to remember, call by call, and counts what is read."""

    def __init__(self, store: Store) -> None:
        super().__init__(store)
        self.written: list[list[str]] = []
        self.read = 0

    async def contexts_among(self, *place: Any, **wanted: Any) -> list[SeenContext]:
        found = await self.store.contexts_among(*place, **wanted)
        self.read += len(found)
        return found

    async def remember_contexts(self, contexts: Collection[SeenContext]) -> None:
        self.written.append([context.key for context in contexts])
        self.check()
        await self.store.remember_contexts(contexts)


@pytest.fixture
def watched(store: Store) -> WatchedStore:
    return WatchedStore(store)


@pytest.fixture
def service(watched: WatchedStore, secrets: FirstSecrets) -> ContextService:
    del secrets  # the store must be set up
    return ContextService(cast("Store", watched), AccessService(watched.store), retention_days=30, max_entries=10)


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """The time, to be set."""
    time = [NOW]
    monkeypatch.setattr(contexts, "now_ms", lambda: time[0])
    return time


def meet(service: ContextService, *keys: str, **attributes: Json) -> None:
    people: list[dict[str, Any]] = [{"kind": "user", "key": key, **attributes} for key in keys]
    for person in people:
        service.remember(PRODUCTION, parse_context(person))


async def stored(store: Store) -> list[str]:
    return [context.key for context in await store.list_contexts(PRODUCTION, first=10_000)]


async def test_a_context_is_stored_again_when_it_changed_or_after_minutes(
    service: ContextService, watched: WatchedStore, clock: list[int]
) -> None:
    meet(service, "a", "b", "a")
    await service.flush()
    clock[0] += 4 * MINUTE
    meet(service, "a", "b")
    await service.flush()
    meet(service, "a", plan="pro")
    meet(service, "b")
    await service.flush()
    clock[0] += 2 * MINUTE
    meet(service, "a", plan="pro")
    meet(service, "b")
    await service.flush()
    await service.flush()
    assert watched.written == [["a", "b"], ["a"], ["b"]]
    one, two = await watched.store.list_contexts(PRODUCTION, first=10)
    assert (one.attributes, one.last_seen_ms) == ({"plan": "pro"}, NOW + 4 * MINUTE)
    assert two.last_seen_ms == NOW + 6 * MINUTE


async def test_what_became_private_is_taken_out(service: ContextService, watched: WatchedStore) -> None:
    meet(service, "a", email="a@x.test")
    await service.flush()
    meet(service, "a", email="a@x.test", _meta={"privateAttributes": ["email"]})
    await service.flush()
    (context,) = await watched.store.list_contexts(PRODUCTION, first=10)
    assert context.email is None


async def test_more_than_can_wait_are_dropped_and_stored_in_batches(
    service: ContextService, watched: WatchedStore
) -> None:
    meet(service, *(f"k{number}" for number in range(6_000)))
    meet(service, "k1", plan="latest")
    await service.flush()
    assert [len(batch) for batch in watched.written] == [500] * 10
    (found,) = await watched.store.contexts_among(PRODUCTION, "user", keys=["k1"], emails=[], per_email=9)
    assert found.attributes == {"plan": "latest"}
    meet(service, "k5999")
    await service.flush()
    assert len(await stored(watched.store)) == 5_001


async def test_while_the_store_is_away_contexts_are_dropped_and_evaluation_goes_on(
    service: ContextService, watched: WatchedStore, caplog: pytest.LogCaptureFixture
) -> None:
    watched.is_away = True
    meet(service, *(f"k{number}" for number in range(1_000)))
    await service.flush()
    assert watched.calls == 1, "one failure is enough"
    meet(service, "k1")
    await service.flush()
    assert caplog.text.count("not remembered") == 1, "it is said once, not each second"
    watched.is_away = False
    await service.flush()
    assert await stored(watched.store) == []
    meet(service, "k1")
    await service.flush()
    assert await stored(watched.store) == ["k1"], "what was dropped is no recent one"
    watched.is_away = True
    meet(service, "k2")
    await service.flush()
    assert caplog.text.count("not remembered") == 2, "another absence is said again"


async def test_long_ones_wait_in_bounded_space_and_make_room_again(
    service: ContextService, watched: WatchedStore
) -> None:
    for turn in ("first", "second"):
        texts = ["x" * 16_000] * 10
        for number in range(1_100):
            meet(service, f"{turn}{number}", text=texts[number % 10])
            meet(service, f"{turn}0", text="y" * 15_000)  # one that waits makes room for itself
        await service.flush()
    kept = await stored(watched.store)
    counts = [sum(key.startswith(turn) for key in kept) for turn in ("first", "second")]
    assert counts == [1_046, 1_046], "16 MiB of 16,000 each"


async def test_what_is_far_too_long_is_dropped_at_once(service: ContextService) -> None:
    meet(service, "a", numbers=[0] * 1_000_000)
    meet(service, "b", deep=[[{"x" * 20_000: 1}]])
    meet(service, "c", _meta={"privateAttributes": ["x" * 20_000]})
    assert len(service._waiting) == 0  # noqa: SLF001 - what waits is nobody else's business


async def test_what_waits_while_its_environment_is_deleted_is_not_kept(
    service: ContextService, watched: WatchedStore, owner: Principal
) -> None:
    snapshots = SnapshotService(cast("Store", watched))
    environments = EnvironmentService(
        cast("Store", watched), snapshots, EnvironmentEditor(cast("Store", watched), snapshots)
    )
    meet(service, "ada")
    await service.flush()
    meet(service, "ada", "bob", plan="pro")
    await environments.delete(owner, PRODUCTION)
    await service.flush()
    assert await stored(watched.store) == []
    await environments.create(owner, "default", NewPlace(name="Production"))
    meet(service, "ada")
    await service.flush()
    assert await stored(watched.store) == ["ada"], "it is no recent one of the new environment"


async def test_what_was_met_before_an_environment_is_deleted_is_no_part_of_the_next_that_has_its_name(
    service: ContextService, watched: WatchedStore, owner: Principal, monkeypatch: pytest.MonkeyPatch
) -> None:
    snapshots = SnapshotService(cast("Store", watched))
    environments = EnvironmentService(
        cast("Store", watched), snapshots, EnvironmentEditor(cast("Store", watched), snapshots)
    )

    async def make_again() -> None:
        await environments.delete(owner, PRODUCTION)
        await asyncio.sleep(0.01)
        await environments.create(owner, "default", NewPlace(name="Production"))

    meet(service, "ada", "stored before")
    await service.flush()
    meet(service, "ada", "bob", plan="pro")
    await make_again()
    await service.flush()
    assert await stored(watched.store) == []
    meet(service, "bob", "cy")
    await make_again()
    meet(service, "ada", "cy", "stored before")
    await service.flush()
    assert await stored(watched.store) == ["ada", "cy", "stored before"], "met, or met again, in the new one"

    async def remember_late(found: Collection[SeenContext]) -> None:
        await make_again()
        await WatchedStore.remember_contexts(watched, found)

    monkeypatch.setattr(watched, "remember_contexts", remember_late)
    meet(service, "dan")
    await service.flush()
    assert await stored(watched.store) == []


async def test_a_shared_email_is_answered_with_some_and_the_number_of_all(
    service: ContextService, watched: WatchedStore, owner: Principal
) -> None:
    meet(service, *(f"k{number:02}" for number in range(25)), email="all@x.test")
    await service.flush()
    snapshot = await SnapshotService(cast("Store", watched)).get(PRODUCTION)
    (found,) = await service.resolve_targets(owner, snapshot, "all@x.test", context_kind="user", segment=None)
    assert found.status is TargetStatus.AMBIGUOUS
    assert [context.key for context in found.contexts] == [f"k{number:02}" for number in range(10)]
    assert found.context_count == 25
    assert watched.read == 10, "however many share it, no more are read than are answered"


async def test_what_cannot_be_stored_spoils_nothing_else(service: ContextService, watched: WatchedStore) -> None:
    meet(service, "big", text="x" * 20_000)
    meet(service, "a\ud800", "fine")
    service.remember(PRODUCTION, parse_context({"key": ""}))
    await service.flush()
    assert await stored(watched.store) == ["fine"]


async def test_it_stores_and_forgets_by_itself_whatever_fails_once(
    service: ContextService,
    watched: WatchedStore,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    monkeypatch.setattr(contexts, "_FLUSH_SECONDS", 0.01)
    monkeypatch.setattr(contexts, "_SWEEP_SECONDS", 0.01)
    for key, fault in (("a", RuntimeError("a fault")), ("b", UnavailableError("away"))):
        old = SeenContext(environment=PRODUCTION, kind="user", key="old", attributes={}, last_seen_ms=1)
        await watched.store.forget_contexts(None)
        await watched.store.remember_contexts([old])
        watched.fault = fault
        running = asyncio.create_task(service.run())
        async with asyncio.timeout(5):
            # One that was met just before the round began may be stored in it too.
            while key not in (kept := await stored(watched.store)) or "old" in kept:
                meet(service, key)
                await asyncio.sleep(0.01)
        assert not running.done()
        running.cancel()
        await asyncio.wait([running])
    faults = [record.levelno for record in caplog.records if "remembered now: away" not in record.message]
    assert faults == [logging.ERROR]


async def test_contexts_are_forgotten_after_their_retention(
    service: ContextService, watched: WatchedStore, clock: list[int]
) -> None:
    meet(service, "early")
    await service.flush()
    clock[0] += DAY
    meet(service, "later")
    await service.flush()
    clock[0] = NOW + 30 * DAY
    await service.sweep()
    assert await stored(watched.store) == ["early", "later"]
    clock[0] += 1
    await service.sweep()
    assert await stored(watched.store) == ["later"]


async def test_what_is_being_stored_at_a_stop_is_stored_last_of_all(
    service: ContextService, watched: WatchedStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    begun = asyncio.Event()

    async def hang(_contexts: Collection[SeenContext]) -> None:
        begun.set()
        await asyncio.Event().wait()

    meet(service, "a", "b", plan="early")
    monkeypatch.setattr(watched, "remember_contexts", hang)
    running = asyncio.create_task(service.run())
    async with asyncio.timeout(5):
        await begun.wait()
    meet(service, "b", plan="late")
    running.cancel()
    await asyncio.wait([running])
    monkeypatch.undo()
    await service.flush()
    kept = await watched.store.list_contexts(PRODUCTION, first=10)
    assert [(context.key, context.attributes["plan"]) for context in kept] == [("a", "early"), ("b", "late")]
