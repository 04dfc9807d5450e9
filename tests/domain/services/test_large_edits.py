"""Edits of as many targets as there may be hold the event loop for moments only: evaluations go on meanwhile."""

from collections.abc import Sequence
from typing import Any, cast

import pytest

from domain.access.principals import Principal
from domain.clock import now_ms
from domain.instructions.flag_targets import EditFlagTargets
from domain.instructions.segments import EditTargets, TargetAction
from domain.model.segments import TargetList
from domain.services.contexts import ContextService
from domain.services.editing import EnvironmentEditor
from domain.services.edits import NamedInstruction
from domain.services.flags import FlagService, TargetingEdit
from domain.services.import_plan import ImportMode
from domain.services.imports import ImportService
from domain.services.new_flags import NewFlag
from domain.services.segments import NewSegment, SegmentBulkEdit, SegmentEdit, SegmentService
from domain.services.setup import PRODUCTION
from domain.services.snapshots import SnapshotService
from domain.services.target_limit import TargetLimit
from tests.domain.services.conftest import FickleStore
from tests.processor import ProcessorTime

MOST = 15_000
KEYS = [f"user-{number}@example.com" for number in range(MOST)]
HELD_SECONDS = 0.25
"""Of this thread's own time: one step for each pair of keys would take tens of seconds."""


@pytest.fixture
def editor(fickle: FickleStore, snapshots: SnapshotService) -> EnvironmentEditor:
    return EnvironmentEditor(cast("Any", fickle), snapshots)


@pytest.fixture
async def segments(fickle: FickleStore, editor: EnvironmentEditor, owner: Principal) -> SegmentService:
    """A segment `a` that includes all keys."""
    service = SegmentService(cast("Any", fickle), editor, TargetLimit(MOST))
    add: NamedInstruction[Any] = NamedInstruction(
        "addTargets", EditTargets(TargetAction.ADD, TargetList.INCLUDED, "user", KEYS)
    )
    await service.create(owner, PRODUCTION, NewSegment(name="A", instructions=[add]))
    return service


def removal_of(keys: Sequence[str]) -> EditTargets:
    return EditTargets(TargetAction.REMOVE, TargetList.INCLUDED, "user", keys)


@pytest.mark.parametrize("keys", [KEYS[:1], KEYS[::2]], ids=["one", "half"])
async def test_targets_leave_a_long_list_quickly(
    segments: SegmentService, owner: Principal, keys: list[str]
) -> None:
    with ProcessorTime() as held:
        edit = SegmentEdit(segment_key="a", instructions=[NamedInstruction("removeTargets", removal_of(keys))])
        changed = await segments.update(owner, PRODUCTION, edit)
    assert changed.segment.member_count == MOST - len(keys)
    assert held.seconds < HELD_SECONDS


async def test_a_bulk_edit_of_half_a_long_list_is_quick(segments: SegmentService, owner: Principal) -> None:
    with ProcessorTime() as held:
        edit = SegmentBulkEdit(segment_key="a", targets=removal_of(KEYS[::2]))
        changed = await segments.bulk_edit(owner, PRODUCTION, edit)
    assert changed.counts.removed == MOST // 2
    assert held.seconds < HELD_SECONDS


async def test_scheduling_the_removal_of_a_long_list_is_quick(segments: SegmentService, owner: Principal) -> None:
    add = EditTargets(TargetAction.ADD, TargetList.INCLUDED, "user", KEYS, now_ms() + 60_000_000)
    with ProcessorTime() as held:
        edit = SegmentEdit(segment_key="a", instructions=[NamedInstruction("addTargets", add)])
        changed = await segments.update(owner, PRODUCTION, edit)
    assert len(changed.segment.removals) == MOST
    assert held.seconds < 2 * HELD_SECONDS


async def test_targets_leave_a_flags_long_list_quickly(editor: EnvironmentEditor, owner: Principal) -> None:
    flags = FlagService(editor, TargetLimit(MOST))
    await flags.create(owner, NewFlag(project="default", name="F"))
    for action, keys in ((TargetAction.ADD, KEYS), (TargetAction.REMOVE, KEYS[::2])):
        with ProcessorTime() as held:
            named: NamedInstruction[Any] = NamedInstruction("targets", EditFlagTargets(action, 0, "user", keys))
            changed = await flags.update_targeting(
                owner, PRODUCTION, TargetingEdit(flag_key="f", instructions=[named])
            )
        assert held.seconds < HELD_SECONDS
    assert len(changed.flag.targets[0].values) == MOST // 2


async def test_a_long_text_is_resolved_quickly(
    fickle: FickleStore, segments: SegmentService, owner: Principal, snapshots: SnapshotService
) -> None:
    del segments  # it made the segment
    contexts = ContextService(cast("Any", fickle), snapshots.access, retention_days=1, max_entries=MOST)
    snapshot = await snapshots.get(PRODUCTION)
    with ProcessorTime() as held:
        found = await contexts.resolve_targets(owner, snapshot, "\n".join(KEYS), context_kind="user", segment="a")
    assert {each.current for each in found} == {TargetList.INCLUDED}
    assert held.seconds < HELD_SECONDS


async def test_an_import_of_many_flags_holds_nobody_up(
    fickle: FickleStore, editor: EnvironmentEditor, owner: Principal
) -> None:
    clauses = [{"attribute": f"a{number}", "op": "in", "values": [*"abc"]} for number in range(5)]
    rules = [{"id": f"r{number}", "variation": 0, "clauses": clauses} for number in range(5)]
    imports = ImportService(cast("Any", fickle), editor)
    for changed in (False, True):
        flags = {f"f{number}": {"on": changed, "variations": [number], "rules": rules} for number in range(1_000)}
        with ProcessorTime() as held:
            report = await imports.import_flag_data(owner, PRODUCTION, {"flags": flags}, ImportMode.MERGE)
        assert (report.counts.created, report.counts.updated)[changed] == len(flags)
        assert held.seconds < HELD_SECONDS / 2
