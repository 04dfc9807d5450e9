"""Imports: all or nothing, in the face of others."""

import asyncio
from typing import Any, cast

from domain.access.principals import Principal
from domain.commits import Commit, Save
from domain.keys import EnvironmentRef
from domain.model.changes import AuditEntry
from domain.model.flags import Flag
from domain.ports import Store
from domain.services.editing import EnvironmentEditor
from domain.services.import_plan import ImportMode, ImportOutcome
from domain.services.imports import ImportService
from domain.services.segments import ChangedSegment, NewSegment, SegmentService
from domain.services.setup import PRODUCTION
from domain.services.snapshots import SnapshotService
from domain.services.target_limit import TargetLimit

TEST = EnvironmentRef("default", "test")


async def test_imports_at_the_same_time_all_hold_one_after_the_other(
    store: Store, snapshots: SnapshotService, owner: Principal
) -> None:
    services = [ImportService(store, EnvironmentEditor(store, snapshots)) for _ in range(20)]  # as many processes
    reports = await asyncio.gather(
        *(
            service.import_flag_data(
                owner, PRODUCTION, {"flagValues": {"shared": n, f"own-{n}": n}}, ImportMode.MERGE
            )
            for n, service in enumerate(services)
        )
    )
    assert sorted(report.revision for report in reports) == list(range(1, 21))
    state = await store.load_environment(PRODUCTION)
    assert sorted(state.flags) == sorted(["shared", *(f"own-{n}" for n in range(20))])
    assert state.flags["shared"].version == 20


async def test_an_edit_of_the_same_process_waits_for_an_import_and_does_not_make_it_begin_again(
    store: Store, owner: Principal
) -> None:
    edits: list[asyncio.Task[ChangedSegment]] = []
    plans = 0

    class Busy:
        """A store that is asked for an edit in the midst of each planning."""

        def __getattr__(self, name: str) -> Any:
            return getattr(store, name)

        async def list_all(self, entity_type: type[Any], scope: str) -> Any:
            nonlocal plans
            if entity_type is Flag:
                plans += 1
                new = NewSegment(name=f"during-plan-{plans}")
                edits.append(asyncio.create_task(segments.create(owner, PRODUCTION, new)))
                await asyncio.wait(edits, timeout=0.3)
            return await store.list_all(entity_type, scope)

    busy = cast("Store", Busy())
    editor = EnvironmentEditor(busy, SnapshotService(busy))
    segments = SegmentService(busy, editor, TargetLimit(1))
    report = await ImportService(busy, editor).import_flag_data(
        owner, PRODUCTION, {"flagValues": {"f": 1}}, ImportMode.MERGE
    )
    assert (plans, report.revision) == (1, 1)
    assert [(await edit).revision for edit in edits] == [2]


async def test_replacing_here_and_importing_there_at_the_same_time_loses_no_flag(
    store: Store, snapshots: SnapshotService, owner: Principal
) -> None:
    imports = ImportService(store, EnvironmentEditor(store, snapshots))
    for _ in range(10):
        await imports.import_flag_data(owner, PRODUCTION, {"flagValues": {"f": 1}}, ImportMode.REPLACE)
        await imports.import_flag_data(owner, TEST, {}, ImportMode.REPLACE)
        await asyncio.gather(
            imports.import_flag_data(owner, PRODUCTION, {}, ImportMode.REPLACE),
            imports.import_flag_data(owner, TEST, {"flagValues": {"f": 1}}, ImportMode.MERGE),
        )
        assert "f" in (await store.load_environment(TEST)).flags


async def test_a_flag_goes_with_its_last_targeting(
    store: Store, snapshots: SnapshotService, owner: Principal
) -> None:
    imports = ImportService(store, EnvironmentEditor(store, snapshots))
    await imports.import_flag_data(owner, PRODUCTION, {"flagValues": {"f": 1}}, ImportMode.MERGE)
    await imports.import_flag_data(owner, TEST, {"flagValues": {"f": 1}}, ImportMode.MERGE)
    await imports.import_flag_data(owner, PRODUCTION, {}, ImportMode.REPLACE)
    assert await store.find(Flag, "default/f") is not None
    await imports.import_flag_data(owner, TEST, {}, ImportMode.REPLACE)
    assert await store.find(Flag, "default/f") is None


async def test_an_import_that_changes_a_shared_flag_revises_every_environment_that_has_it(
    store: Store, snapshots: SnapshotService, owner: Principal
) -> None:
    imports = ImportService(store, EnvironmentEditor(store, snapshots))
    for ref in (PRODUCTION, TEST):
        await imports.import_flag_data(owner, ref, {"flagValues": {"f": 1}}, ImportMode.MERGE)
    tagged = {"flags": {"f": {"on": True, "variations": [1], "fallthrough": {"variation": 0}, "tags": ["x"]}}}
    await imports.import_flag_data(owner, PRODUCTION, tagged, ImportMode.MERGE)
    assert (await snapshots.get(TEST)).flags["f"].tags == ("x",)
    assert await store.revisions() == {"access": 1, str(PRODUCTION): 3, str(TEST): 2}


async def test_an_archived_flag_stays_archived_and_the_report_says_so(
    store: Store, snapshots: SnapshotService, owner: Principal
) -> None:
    flag = Flag(project="default", key="f", name="f", archived=True)
    entry = AuditEntry(actor="test", action="archiveFlag", resource="f")
    await store.commit(Commit(writes=(Save(flag, None),), entry=entry))
    imports = ImportService(store, EnvironmentEditor(store, snapshots))
    report = await imports.import_flag_data(owner, PRODUCTION, {"flagValues": {"f": 1}}, ImportMode.MERGE)
    assert report.items[0].outcome is ImportOutcome.CREATED
    assert "archived" in report.items[0].notes[0]
    assert (await snapshots.get(PRODUCTION)).flags["f"].archived


async def test_an_export_imported_elsewhere_evaluates_alike(
    store: Store, snapshots: SnapshotService, owner: Principal
) -> None:
    imports = ImportService(store, EnvironmentEditor(store, snapshots))
    segment = {
        "included": ["a"],
        "rules": [{"clauses": [{"op": "in", "attribute": "x", "values": [1]}], "weight": -1}],
    }
    data = {"flagValues": {"f": {"deep": [1, True, None]}}, "segments": {"s": segment}}
    await imports.import_flag_data(owner, PRODUCTION, data, ImportMode.MERGE)
    exported = await imports.export_flag_data(owner, PRODUCTION)
    await imports.import_flag_data(owner, TEST, exported, ImportMode.MERGE)
    assert await imports.export_flag_data(owner, TEST) == exported


async def test_each_import_leaves_one_audit_entry_and_none_where_nothing_changed(
    store: Store, snapshots: SnapshotService, owner: Principal
) -> None:
    imports = ImportService(store, EnvironmentEditor(store, snapshots))
    for _ in range(2):
        await imports.import_flag_data(owner, PRODUCTION, {"flagValues": {"f": 1}}, ImportMode.MERGE)
    (entry,) = await store.list_entries(str(PRODUCTION), first=10)
    assert (entry.actor, entry.action, entry.revisions) == (
        "token/first-owner",
        "importFlagData",
        {str(PRODUCTION): 1},
    )
    assert entry.summary == {"mode": "MERGE", "created": 1, "updated": 0, "unchanged": 0, "deleted": 0}
