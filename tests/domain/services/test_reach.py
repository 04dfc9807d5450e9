"""No sequence of edits that the guide's policies allow widens their reach."""

import asyncio
import tempfile
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import pytest
from hypothesis import Phase, given, settings
from hypothesis import strategies as st

from domain.access.credentials import Credential, CredentialKind
from domain.access.policies import NewStatement, parse_policy
from domain.access.principals import OPERATOR, Principal
from domain.access.roles import BasePermissions, Grants, Role
from domain.commits import Save
from domain.errors import DomainError, ForbiddenError
from domain.instructions.details import AddTags, RemoveTags, UpdateName
from domain.instructions.segments import AddRule, EditTargets, TargetAction
from domain.keys import EnvironmentRef
from domain.model.lists import ListMode
from domain.model.segments import Segment, SegmentRule, TargetList
from domain.model.targeting import Clause
from domain.services.access_editing import AccessEdit, AccessEditor
from domain.services.cohorts import CohortMembers, CohortMessage
from domain.services.editing import EnvironmentEditor
from domain.services.edits import Decision, NamedInstruction
from domain.services.flag_copies import FlagCopy, FlagCopyService
from domain.services.import_plan import ImportMode
from domain.services.imports import ImportService
from domain.services.list_changes import ListChanges
from domain.services.lists import ListService
from domain.services.segments import NewSegment, SegmentBulkEdit, SegmentEdit, SegmentService
from domain.services.setup import PRODUCTION, set_up_store
from domain.services.snapshots import SnapshotService
from domain.services.syncs import SyncService
from domain.services.target_limit import TargetLimit
from storage import open_store
from storage.key_spool import TemporaryKeySpool
from tests.domain.access.builders import allow

TEST = EnvironmentRef("default", "test")
VIEWING = allow("proj/default", actions=["viewProject"])
POLICIES: dict[str, tuple[NewStatement, Callable[[Segment], bool]]] = {
    "by name": (allow("proj/*:env/*:segment/eap-*"), lambda segment: segment.key.startswith("eap-")),
    "by tag": (allow("proj/*:env/*:segment/*;eap"), lambda segment: "eap" in segment.tags),
}
DATA: dict[str, Any] = {
    "flags": {"gate": {"key": "gate", "on": True, "variations": [True, False], "fallthrough": {"variation": 0}}},
    "segments": {
        "eap-a": {"key": "eap-a", "included": ["ann"], "tags": ["eap"]},
        "eap-bare": {"key": "eap-bare", "included": ["bob"]},
        "tagged": {"key": "tagged", "tags": ["eap"]},
        "vips": {"key": "vips", "included": ["cyd"]},
    },
}
KEYS = st.sampled_from(["eap-a", "eap-bare", "tagged", "vips", "eap-new", "new", "list"])
TAGS = st.lists(st.sampled_from(["eap", "beta"]), unique=True, max_size=2)
STEPS = st.tuples(
    st.sampled_from(["create", "tag", "untag", "rename", "include", "nest", "bulk", "delete"])
    | st.sampled_from(["import", "replace", "sync", "members", "copy"]),
    KEYS,
    TAGS,
)


@dataclass
class Services:
    """What somebody could change segments by."""

    segments: SegmentService
    imports: ImportService
    lists: ListService
    syncs: SyncService
    copies: FlagCopyService

    async def take(self, principal: Principal, step: str, key: str, tags: Sequence[str]) -> None:
        instructions: dict[str, Any] = {
            "tag": AddTags(tags),
            "untag": RemoveTags(tags),
            "rename": UpdateName(f"eap-{key}"),
            "include": EditTargets(TargetAction.ADD, TargetList.INCLUDED, "user", ["eve"]),
            "nest": AddRule(SegmentRule(clauses=(Clause(op="segmentMatch", values=("eap-a",)),))),
        }
        match step:
            case "create":
                await self.segments.create(principal, PRODUCTION, NewSegment(name=key, key=key, tags=tags))
            case "bulk":
                edit = SegmentBulkEdit(segment_key=key, targets=instructions["include"])
                await self.segments.bulk_edit(principal, PRODUCTION, edit)
            case "delete":
                await self.segments.delete(principal, PRODUCTION, key)
            case "import" | "replace":
                data = {"segments": {key: {"key": key, "included": ["eve"], "tags": list(tags)}}}
                mode = ImportMode.MERGE if step == "import" else ImportMode.REPLACE
                await self.imports.import_flag_data(principal, PRODUCTION, data, mode)
            case "sync":
                member = CohortMembers(user_keys=["eve"], cohort_id=key, cohort_name=key, is_member=True)
                await self.syncs.take_in(principal, PRODUCTION, CohortMessage(integration="eap", members=[member]))
            case "members":
                await self.lists.edit_keys(principal, PRODUCTION, key, ListMode.MERGE, ["eve"])
            case "copy":
                await self.copies.copy(principal, FlagCopy(source=TEST, target=PRODUCTION, flag_key="gate"))
            case _:
                named = NamedInstruction(step, instructions[step])
                await self.segments.update(
                    principal, PRODUCTION, SegmentEdit(segment_key=key, instructions=[named])
                )


async def take_steps(policy: str, steps: Sequence[tuple[str, str, Sequence[str]]], folder: str) -> None:
    statement, is_inside = POLICIES[policy]
    store = await open_store(f"sqlite:///{folder}/store.db")
    await set_up_store(store)
    snapshots = SnapshotService(store)
    editor = EnvironmentEditor(store, snapshots)
    changes = ListChanges(store, snapshots, editor)
    lists = ListService(store, snapshots, changes, TemporaryKeySpool, max_removal_percent=50)
    segments = SegmentService(store, editor, TargetLimit(100))
    imports = ImportService(store, editor)
    services = Services(
        segments, imports, lists, SyncService(store, snapshots, changes), FlagCopyService(editor, TargetLimit(10))
    )
    await imports.import_flag_data(OPERATOR, PRODUCTION, DATA, ImportMode.MERGE)
    await imports.import_flag_data(OPERATOR, TEST, {"flags": DATA["flags"]}, ImportMode.MERGE)
    await segments.create(OPERATOR, PRODUCTION, NewSegment(name="list", list_context_kind="user"))
    role = Role(key="r", base_permissions=BasePermissions.NO_ACCESS, policy=parse_policy([VIEWING, statement]))
    token = Credential(id="t", kind=CredentialKind.ACCESS_TOKEN, name="t", grants=Grants(custom_roles=("r",)))
    made = AccessEdit(
        action="test", resource="acct", decide=lambda _: Decision([Save(role, None), Save(token, None)], None)
    )
    sight, _ = await AccessEditor(snapshots).edit(OPERATOR, made)
    holder = sight.directory.principal("t", 0)
    assert holder is not None
    before = await store.load_environment(PRODUCTION)
    for step, key, tags in steps:
        try:
            await services.take(holder, step, key, tags)
        except ForbiddenError:
            assert await store.load_environment(PRODUCTION) == before, (step, key, tags)
        except DomainError:
            pass
        after = await store.load_environment(PRODUCTION)
        assert after.flags == before.flags
        for name in before.segments.keys() | after.segments.keys():
            old, new = before.segments.get(name), after.segments.get(name)
            if old != new:
                assert all(is_inside(segment) for segment in (old, new) if segment is not None), (step, key, tags)
        before = after
    await store.close()


@pytest.mark.parametrize("policy", POLICIES)
@settings(max_examples=20, phases=[Phase.explicit, Phase.reuse, Phase.generate])  # each takes long
@given(steps=st.lists(STEPS, min_size=4, max_size=10))
def test_no_sequence_of_allowed_edits_widens_a_policy_s_reach(
    policy: str, steps: list[tuple[str, str, Sequence[str]]]
) -> None:
    with tempfile.TemporaryDirectory() as folder:
        asyncio.run(take_steps(policy, steps, folder))
