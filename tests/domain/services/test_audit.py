"""What entries tell, and where it is found, when more changes than one entry has room for."""

from dataclasses import replace
from typing import Any

import pytest

from domain.access.credentials import Credential, CredentialKind
from domain.access.principals import SYSTEM, Principal
from domain.access.rights import Rights
from domain.clock import now_ms
from domain.commits import Save
from domain.instructions.segments import EditTargets, TargetAction
from domain.model.changes import AuditEntry, EntityChange
from domain.model.segments import TargetList
from domain.pages import PageRequest
from domain.ports import Store
from domain.services.access import AccessService
from domain.services.access_editing import AccessEdit, AccessEditor
from domain.services.audit import CHANGES_LIMIT, ENTRY_CHARACTERS, AuditFilter, AuditService
from domain.services.editing import EnvironmentEditor
from domain.services.edits import Decision, NamedInstruction
from domain.services.import_plan import ImportMode
from domain.services.imports import ImportService
from domain.services.projects import ProjectService
from domain.services.segments import NewSegment, SegmentBulkEdit, SegmentEdit, SegmentService
from domain.services.setup import PRODUCTION
from domain.services.snapshots import SnapshotService
from domain.services.target_limit import TargetLimit
from storage.codec import encode_text

MANY = range(CHANGES_LIMIT + 150)


def a_flag(number: int, *, on: bool) -> dict[str, Any]:
    return {"on": on, "variations": [number, 0], "fallthrough": {"variation": 0}, "offVariation": 1}


@pytest.fixture
async def imported(store: Store, snapshots: SnapshotService, owner: Principal) -> int:
    """Many flags and a segment that were imported, and imported again with a change; how often."""
    imports = ImportService(store, EnvironmentEditor(store, snapshots))
    for on in (False, True):
        data = {
            "flags": {f"f{number:03}": a_flag(number, on=on) for number in MANY},
            "segments": {"z": {"included": ["ada"] if on else []}},
        }
        await imports.import_flag_data(owner, PRODUCTION, data, ImportMode.MERGE)
    return 2


async def history(store: Store, owner: Principal, type_name: str, entity_id: str) -> list[AuditEntry]:
    wanted = AuditFilter(node=(type_name, entity_id))
    stretch = await AuditService(store, AccessService(store)).log(owner, wanted, PageRequest(first=10))
    return [edge.node for edge in stretch.edges]


def versions(change: EntityChange) -> tuple[str, str, int | None, int | None]:
    return change.kind, change.entity_id, change.version_before, change.version_after


@pytest.mark.parametrize("number", [0, CHANGES_LIMIT - 1, CHANGES_LIMIT, MANY[-1]])
async def test_the_history_of_a_flag_has_its_change_however_many_others_changed(
    store: Store, owner: Principal, imported: int, number: int
) -> None:
    key = f"f{number:03}"
    updated, created, *older = await history(store, owner, "Flag", f"{PRODUCTION}/{key}")
    assert (older, imported) == ([], 2)
    [change] = updated.changes
    assert versions(change) == ("targeting", f"{PRODUCTION}/{key}", 1, 2)
    assert [(field.path, field.before, field.after) for field in change.fields] == [("on", False, True)]
    assert updated.unlisted_count == len(MANY)
    told = [versions(change) for change in created.changes]
    assert told == [("targeting", f"{PRODUCTION}/{key}", None, 1), ("flag", f"default/{key}", None, 1)]
    assert created.unlisted_count == 2 * len(MANY) + 1 - 2
    variations = [
        field.after for change in created.changes for field in change.fields if field.path == "variations"
    ]
    assert variations == [
        [{"value": number, "name": "", "description": ""}, {"value": 0, "name": "", "description": ""}]
    ]


async def test_the_history_of_a_segment_behind_many_flags_names_its_targets(
    store: Store, owner: Principal, imported: int
) -> None:
    updated, created = await history(store, owner, "Segment", f"{PRODUCTION}/z")
    assert (versions(updated.changes[0])[2:], versions(created.changes[0])[2:]) == ((1, imported), (None, 1))
    assert updated.changes[0].targets[0].added == ("ada",)


async def test_the_history_of_an_access_token_has_all_its_secrets_however_many_others_changed(
    store: Store, snapshots: SnapshotService, owner: Principal
) -> None:
    kind = CredentialKind.ACCESS_TOKEN
    ours = {0, *range(CHANGES_LIMIT + 20, MANY[-1])}  # in the entry, and on more than one page beside it
    secrets = [
        Credential(id=f"{n:03}", kind=kind, name="ci", public_id="ours" if n in ours else f"{n:03}") for n in MANY
    ]
    edit = AccessEdit(
        action="test", resource="acct", decide=lambda _sight: Decision([Save(one, None) for one in secrets], None)
    )
    await AccessEditor(snapshots).edit(SYSTEM, edit)
    [entry] = await history(store, owner, "AccessToken", "ours")
    assert len(entry.changes) == len(ours)
    assert {change.public_id for change in entry.changes} == {"ours"}
    assert entry.unlisted_count == len(MANY) - len(ours)


async def test_histories_that_are_read_together_are_those_that_are_read_alone(
    store: Store, owner: Principal, imported: int
) -> None:
    nodes = [("Flag", f"{PRODUCTION}/f{number:03}") for number in (0, 1, MANY[-2], MANY[-1])]
    nodes += [("Segment", f"{PRODUCTION}/z"), ("Environment", str(PRODUCTION)), ("Project", "default")]
    nodes += [("Flag", f"{PRODUCTION}/gone"), ("Project", "gone")]
    blind = replace(owner, rights=(Rights(),))
    service = AuditService(store, AccessService(store))
    for principal in (owner, blind):
        page = PageRequest(first=2)
        together = await service.histories(principal, nodes, page)
        assert together == [await service.log(principal, AuditFilter(node=node), page) for node in nodes]
        told = [len(stretch.edges) for stretch in together]
        assert told == ([imported] * 7 + [0, 0] if principal is owner else [0] * 9)


async def test_the_history_of_an_environment_has_the_first_changes_and_counts_the_others(
    store: Store, owner: Principal, imported: int
) -> None:
    updated, created, *_ = await history(store, owner, "Environment", str(PRODUCTION))
    assert (len(updated.changes), updated.unlisted_count) == (CHANGES_LIMIT, len(MANY) + 1 - CHANGES_LIMIT)
    assert (len(created.changes), created.unlisted_count) == (CHANGES_LIMIT, 2 * len(MANY) + 1 - CHANGES_LIMIT)
    # What is stored beside entries is nothing that they touched.
    assert len(await store.list_entries(str(PRODUCTION), first=10)) == imported


async def test_what_went_with_its_project_is_told_too(
    store: Store, snapshots: SnapshotService, owner: Principal, imported: int
) -> None:
    await ProjectService(store, snapshots, EnvironmentEditor(store, snapshots)).delete(owner, "default")
    for number in (0, MANY[-1]):
        key = f"f{number:03}"
        deleted, *older = await history(store, owner, "Flag", f"{PRODUCTION}/{key}")
        assert len(older) == imported
        assert [versions(change) for change in deleted.changes] == [
            ("targeting", f"{PRODUCTION}/{key}", 2, None),
            ("flag", f"default/{key}", 1, None),
        ]


@pytest.mark.parametrize("removed_in_ms", [None, 3_600_000])
async def test_thousands_of_targets_are_counted_and_named_as_far_as_there_is_room(
    store: Store, snapshots: SnapshotService, owner: Principal, removed_in_ms: int | None
) -> None:
    service = SegmentService(store, EnvironmentEditor(store, snapshots), TargetLimit(15_000))
    await service.create(owner, PRODUCTION, NewSegment(name="big"))
    keys = [f"user-{number:05}@example.com" for number in range(15_000)]
    remove_at_ms = None if removed_in_ms is None else now_ms() + removed_in_ms
    add = EditTargets(TargetAction.ADD, TargetList.INCLUDED, "user", keys, remove_at_ms)
    if remove_at_ms is None:
        await service.bulk_edit(owner, PRODUCTION, SegmentBulkEdit(segment_key="big", targets=add))
    else:
        edit = SegmentEdit(segment_key="big", instructions=[NamedInstruction("addTargets", add)])
        await service.update(owner, PRODUCTION, edit)
    [entry] = await store.list_entries(None, first=1)
    [targets] = entry.changes[0].targets
    assert targets.added_count == len(keys)
    assert targets.added == tuple(keys[: len(targets.added)])
    assert len(targets.added) > 3_000
    assert len(encode_text(entry)) < 1.2 * ENTRY_CHARACTERS
    paths = [field.path for field in entry.changes[0].fields]
    assert (paths[:1] == [f"removals.INCLUDED user:{keys[0]}"]) is (removed_in_ms is not None)
    assert len(paths) + entry.changes[0].omitted_count == (0 if removed_in_ms is None else len(keys))
