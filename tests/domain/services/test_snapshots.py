"""Snapshots follow the store, and outlast it."""

import asyncio
import gc
import math
import time
from collections.abc import Awaitable, Callable
from dataclasses import replace
from typing import Any

import pytest

from domain.access.credentials import Credential, CredentialKind, hash_secret
from domain.access.principals import Principal
from domain.commits import ACCESS_SCOPE, Commit, Delete, Save
from domain.errors import NotFoundError, UnavailableError
from domain.evaluation.snapshot import Snapshot
from domain.keys import EnvironmentRef
from domain.model.changes import AuditEntry
from domain.model.projects import Environment
from domain.ports import Store
from domain.services.access import LOOKS_A_SECOND
from domain.services.access_editing import AccessEdit, AccessEditor
from domain.services.editing import EnvironmentEditor
from domain.services.edits import Decision
from domain.services.evaluation import Caller, Where
from domain.services.flags import FlagService
from domain.services.import_plan import ImportMode
from domain.services.imports import ImportService
from domain.services.new_flags import NewFlag
from domain.services.setup import PRODUCTION
from domain.services.snapshots import SnapshotService
from domain.services.target_limit import TargetLimit
from tests.domain.services.conftest import FickleStore, evaluation_of
from tests.domain.services.waiting import eventually

ADA = {"kind": "user", "key": "ada"}


def served_by(snapshots: SnapshotService) -> Callable[[], Awaitable[object]]:
    async def revision() -> object:
        return snapshots.readiness().revisions[str(PRODUCTION)]

    return revision


def ready(snapshots: SnapshotService) -> Callable[[], Awaitable[object]]:
    async def is_ready() -> object:
        return snapshots.readiness().ready

    return is_ready


async def import_value(imports: ImportService, owner: Principal, value: object) -> int:
    data = {"flagValues": {"f": value}}
    return (await imports.import_flag_data(owner, PRODUCTION, data, ImportMode.MERGE)).revision


async def test_a_change_of_another_process_is_followed(
    snapshots: SnapshotService, elsewhere: ImportService, owner: Principal
) -> None:
    revision = await import_value(elsewhere, owner, 1)
    await eventually(served_by(snapshots), revision)
    assert (await snapshots.get(PRODUCTION)).flags["f"].variations[0].value == 1


async def test_what_did_not_change_is_not_compiled_again(
    snapshots: SnapshotService, elsewhere: ImportService, owner: Principal
) -> None:
    async def imported(**values: object) -> Snapshot:
        report = await elsewhere.import_flag_data(owner, PRODUCTION, {"flagValues": values}, ImportMode.MERGE)
        return await snapshots.refresh(PRODUCTION, report.revision)

    before = await imported(f=1, g=1)
    after = await imported(g=2)
    assert after.compiled_flag(after.flags["f"]) is before.compiled_flag(before.flags["f"]) is not None
    assert after.compiled_flag(after.flags["g"]) is not before.compiled_flag(before.flags["g"])


async def test_evaluation_goes_on_while_the_store_is_away_and_catches_up_when_it_is_back(
    fickle: FickleStore, snapshots: SnapshotService, elsewhere: ImportService, owner: Principal
) -> None:
    evaluation = evaluation_of(fickle, snapshots)
    caller = Caller(owner, 10)
    revision = await import_value(elsewhere, owner, "before")
    await eventually(served_by(snapshots), revision)
    fickle.is_away = True
    await eventually(ready(snapshots), expected=False)
    assert snapshots.readiness().store_away_seconds is not None
    assert (await evaluation.evaluate(caller, Where(PRODUCTION), "f", ADA)).value == "before"
    assert snapshots.access.now(owner) == owner
    later = await import_value(elsewhere, owner, "meanwhile")
    fickle.is_away = False
    await eventually(served_by(snapshots), later)
    await eventually(ready(snapshots), expected=True)
    assert (await evaluation.evaluate(caller, Where(PRODUCTION), "f", ADA)).value == "meanwhile"


async def test_nothing_is_loaded_before_the_store_was_reached(fickle: FickleStore) -> None:
    fickle.is_away = True
    service = SnapshotService(fickle)
    assert not service.readiness().ready
    with pytest.raises(UnavailableError):
        await service.get(PRODUCTION)
    with pytest.raises(UnavailableError):
        await service.access.directory()


async def test_a_snapshot_never_goes_back(
    fickle: FickleStore, snapshots: SnapshotService, elsewhere: ImportService, owner: Principal
) -> None:
    revision = await import_value(elsewhere, owner, 1)
    assert (await snapshots.refresh(PRODUCTION, revision)).revision == revision
    fickle.stale = replace(await fickle.store.load_environment(PRODUCTION), revision=revision - 1)
    assert (await snapshots.refresh(PRODUCTION, revision + 1)).revision == revision
    assert fickle.stale is None


async def test_an_unexpected_fault_does_not_end_the_following(
    fickle: FickleStore, snapshots: SnapshotService, elsewhere: ImportService, owner: Principal
) -> None:
    fickle.fault = RuntimeError("a bug")
    revision = await import_value(elsewhere, owner, 1)
    await eventually(served_by(snapshots), revision)
    await eventually(ready(snapshots), expected=True)
    assert fickle.fault is None


async def test_a_store_that_is_known_to_be_away_is_not_asked(
    fickle: FickleStore, snapshots: SnapshotService, owner: Principal
) -> None:
    async def is_away() -> bool:
        return snapshots.is_store_away

    imports = ImportService(snapshots.store, EnvironmentEditor(snapshots.store, snapshots))
    revision = await import_value(imports, owner, 1)
    flags = FlagService(EnvironmentEditor(snapshots.store, snapshots), TargetLimit(10))
    fickle.is_away = True
    await eventually(is_away, expected=True)
    asked = fickle.calls
    for edit in (
        import_value(imports, owner, 2),
        flags.create(owner, NewFlag(project="default", name="New")),
        AccessEditor(snapshots).edit(
            owner, AccessEdit(action="createRole", resource="*", decide=lambda _: Decision((), None))
        ),
        snapshots.get(PRODUCTION, at_least=revision + 9),
        snapshots.get(EnvironmentRef("default", "invented")),
        snapshots.access.latest(),
    ):
        with pytest.raises(UnavailableError):
            await edit
    assert fickle.calls == asked
    fickle.is_away = False
    await eventually(is_away, expected=False)
    assert await import_value(imports, owner, 2) > revision


async def test_what_cannot_be_served_can_still_be_mended(
    fickle: FickleStore, snapshots: SnapshotService, elsewhere: ImportService, owner: Principal
) -> None:
    async def fault() -> object:
        return fickle.fault

    fickle.fault = RuntimeError("a bug")
    await import_value(elsewhere, owner, 1)
    await eventually(fault, None)
    assert (
        await import_value(ImportService(snapshots.store, EnvironmentEditor(snapshots.store, snapshots)), owner, 2)
        == 2
    )
    assert not snapshots.is_store_away


async def test_a_change_that_is_stored_is_no_failure_though_it_cannot_be_served_yet(
    fickle: FickleStore, snapshots: SnapshotService, owner: Principal
) -> None:
    here = ImportService(fickle, EnvironmentEditor(fickle, snapshots))
    await import_value(here, owner, 1)

    fickle.goes_away_after_commit = True
    assert await import_value(here, owner, 2) == 2
    fickle.is_away = False
    await eventually(served_by(snapshots), 2)


async def test_those_who_want_the_same_revision_share_one_load(
    fickle: FickleStore, snapshots: SnapshotService, elsewhere: ImportService, owner: Principal
) -> None:
    revision = await import_value(elsewhere, owner, 1)
    before = fickle.loads
    await asyncio.gather(*(snapshots.refresh(PRODUCTION, revision) for _ in range(20)))
    assert fickle.loads - before <= 1


async def test_an_unknown_environment_is_not_found_until_it_is_there(
    store: Store, snapshots: SnapshotService
) -> None:
    ref = EnvironmentRef("default", "staging")
    with pytest.raises(NotFoundError):
        await snapshots.get(ref)
    entry = AuditEntry(actor="test", action="createEnvironment", resource=str(ref))
    await store.commit(Commit(writes=(Save(Environment(project="default", key="staging"), None),), entry=entry))
    assert (await snapshots.get(ref)).revision == 0


async def test_of_names_that_are_invented_nothing_is_left(
    fickle: FickleStore, snapshots: SnapshotService, store: Store
) -> None:
    ref = EnvironmentRef("default", "staging")
    fickle.fault = UnavailableError("away")
    with pytest.raises(UnavailableError):
        await snapshots.get(ref)
    with pytest.raises(NotFoundError):
        await snapshots.get(ref)
    gc.collect()  # an error knows where it was raised
    assert ref not in snapshots._locks  # noqa: SLF001 - the memory it takes is seen nowhere else
    entry = AuditEntry(actor="test", action="createEnvironment", resource=str(ref))
    await store.commit(Commit(writes=(Save(Environment(project="default", key="staging"), None),), entry=entry))
    assert (await snapshots.get(ref)).revision == 0


async def test_a_new_credential_is_known_soon_and_a_deleted_one_no_longer(
    store: Store, snapshots: SnapshotService
) -> None:
    credential = Credential(id=hash_secret("s"), kind=CredentialKind.ACCESS_TOKEN, name="second")

    async def known() -> Credential | None:
        return (await snapshots.access.directory()).credentials.get(credential.id)

    entry = AuditEntry(actor="test", action="createToken", resource="second")
    access = frozenset({ACCESS_SCOPE})
    await store.commit(Commit(writes=(Save(credential, None),), revise=access, entry=entry))
    await eventually(known, credential)
    entry = AuditEntry(actor="test", action="deleteToken", resource="second")
    await store.commit(Commit(writes=(Delete(credential),), revise=access, entry=entry))
    await eventually(known, None)


async def test_invented_secrets_are_no_load_on_the_store(
    fickle: FickleStore, snapshots: SnapshotService, owner: Principal
) -> None:
    async def is_away() -> bool:
        return snapshots.is_store_away

    asked = fickle.calls
    began = time.monotonic()
    for number in range(100):
        assert await snapshots.access.principal(f"invented-{number}") is None
    seconds = math.ceil(time.monotonic() - began) + 1
    assert 0 < fickle.calls - asked <= LOOKS_A_SECOND * seconds
    fickle.is_away = True
    await eventually(is_away, expected=True)
    asked = fickle.calls
    await asyncio.sleep(1)  # it may be looked again by then
    with pytest.raises(UnavailableError):  # it may be known to the store by now
        await snapshots.access.principal("invented")
    assert owner.credential is not None
    assert await snapshots.access.principal(owner.credential.id) == owner
    assert fickle.calls == asked


async def test_a_store_that_lost_what_is_served_is_not_followed_and_not_ready(
    fickle: FickleStore, snapshots: SnapshotService, owner: Principal
) -> None:
    await import_value(ImportService(fickle, EnvironmentEditor(fickle, snapshots)), owner, "kept")
    fickle.is_away = True
    await eventually(ready(snapshots), expected=False)
    fickle.is_emptied = True
    fickle.is_away = False
    await asyncio.sleep(1.2)
    assert not snapshots.readiness().ready
    assert (await snapshots.get(PRODUCTION)).flags["f"].variations[0].value == "kept"


async def test_who_does_not_follow_the_store_any_more_is_not_ready(store: Store, owner: Principal) -> None:
    del owner  # the store must be set up
    service = SnapshotService(store)
    running = asyncio.create_task(service.run())
    await service.wait_until_loaded()
    await eventually(ready(service), expected=True)
    running.cancel()  # as a fault of something beside it does
    await asyncio.wait([running])
    assert not service.readiness().ready


async def test_an_environment_that_is_deleted_during_the_start_does_not_hold_it_up(
    store: Store, owner: Principal, caplog: pytest.LogCaptureFixture
) -> None:
    class LosingStore(FickleStore):
        """A store whose directory names an environment that is gone when it is looked for."""

        async def find(self, entity_type: type[Environment], entity_id: str) -> Environment | None:
            return None if entity_id == str(PRODUCTION) else await self.store.find(entity_type, entity_id)

    del owner  # the store must be set up
    losing: Any = LosingStore(store)
    service = SnapshotService(losing)
    running = asyncio.create_task(service.run())
    async with asyncio.timeout(5):
        await service.wait_until_loaded()
    assert list(service.readiness().revisions) == ["default/test"]
    assert not caplog.records
    running.cancel()
