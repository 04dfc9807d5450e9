"""What is told of permissions is what the gate goes by, now and here."""

import asyncio
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from domain.access.actions import ACTIONS
from domain.access.members import Member
from domain.access.needs import Surroundings
from domain.access.policies import NewStatement
from domain.access.principals import Principal
from domain.access.roles import BasePermissions, BaseRole, Grants
from domain.commits import Delete
from domain.errors import UnauthenticatedError
from domain.instructions.details import AddTags
from domain.pages import PageRequest
from domain.ports import Store
from domain.services.access_editing import AccessEdit, AccessEditor
from domain.services.catalog import CatalogService
from domain.services.editing import EnvironmentEditor
from domain.services.edits import Decision, NamedInstruction
from domain.services.environments import EnvironmentService
from domain.services.filters import PlaceFilter
from domain.services.import_plan import ImportMode
from domain.services.imports import ImportService
from domain.services.permissions import CatalogThing, PermissionRequest, PermissionService
from domain.services.places import NewPlace, PlaceEdit
from domain.services.projects import ProjectService
from domain.services.setup import PRODUCTION
from domain.services.snapshots import SnapshotService
from tests.domain.access.builders import a_drawn_policy, allow, deny, rights_of, specifiers_of
from tests.domain.services.access import a_token_of, principal_of, saving

DATA: dict[str, Any] = {
    "flags": {"f": {"key": "f", "on": True, "variations": [1], "fallthrough": {"variation": 0}, "tags": ["beta"]}},
    "segments": {"s": {"key": "s", "tags": ["eap", "calm"]}, "t": {"key": "t"}},
}
ANN = Member(id="ann", email="ann@acme.com", grants=Grants(base_role=BaseRole.WRITER))


@pytest.fixture
async def things(store: Store, snapshots: SnapshotService, owner: Principal) -> Sequence[CatalogThing]:
    """A project, an environment, a flag and two segments, with tags at every level."""
    editor = EnvironmentEditor(store, snapshots)
    tagging = PlaceEdit(instructions=[NamedInstruction("addTags", AddTags(["web", "old"]))])
    await ProjectService(store, snapshots, editor).update(owner, "default", tagging)
    await EnvironmentService(store, snapshots, editor).update(owner, PRODUCTION, tagging)
    await ImportService(store, editor).import_flag_data(owner, PRODUCTION, DATA, ImportMode.MERGE)
    catalog = CatalogService(store, snapshots)
    project, here = await catalog.project(owner, "default"), await catalog.environment(owner, PRODUCTION)
    assert project is not None
    assert here is not None
    return [project, here, here.snapshot.flags["f"], here.snapshot.segments["s"], here.snapshot.segments["t"]]


def somebody_with(*statements: NewStatement) -> Principal:
    return Principal(actor="somebody", rights=(rights_of(a_drawn_policy(statements)),))


async def test_a_thing_tells_what_the_gate_would_let_pass_whatever_the_policy(
    snapshots: SnapshotService, things: Sequence[Any]
) -> None:
    service = PermissionService(snapshots, suggests=True)
    project, here, flag, *segments = things
    gate = Surroundings(await snapshots.access.directory(), {flag.flag.id: flag.flag})
    stored = [project, here.environment, flag.targeting, *(found.segment for found in segments)]
    named = [resource for entity in stored for resource in gate.resources(entity)]
    assert list(map(str, named)) == [
        "proj/default;old,web",
        "proj/default;old,web:env/production;old,web",
        "proj/default;old,web:env/production;old,web:flag/f;beta",
        "proj/default;old,web:env/production;old,web:segment/s;calm,eap",
        "proj/default;old,web:env/production;old,web:segment/t",
    ]

    @given(st.data())
    def check(data: st.DataObject) -> None:
        statements: list[NewStatement] = []
        for resource in data.draw(st.lists(st.sampled_from(named), min_size=1, max_size=4)):
            make = data.draw(st.sampled_from([allow, deny]))
            some = st.lists(st.sampled_from(ACTIONS[resource.type]), min_size=1, max_size=4)
            actions = data.draw(st.just(["*"]) | some)
            statements.append(make(data.draw(specifiers_of(resource)), actions=actions))
        somebody = somebody_with(*statements)
        for thing, resource in zip(things, named, strict=True):
            may = [action for action in ACTIONS[resource.type] if somebody.may(action, resource)]
            assert service.actions_on(somebody, thing) == may

    check()


@pytest.mark.parametrize("what", ["project", "environment"])
async def test_what_another_process_just_made_tells_it_too(
    store: Store, owner: Principal, snapshots: SnapshotService, what: str
) -> None:
    here = SnapshotService(store)  # which follows nothing
    await here.access.directory()
    editor, new = EnvironmentEditor(store, snapshots), NewPlace(name="new")
    catalog, service = CatalogService(store, here), PermissionService(here, suggests=True)
    found: Sequence[CatalogThing]
    if what == "project":
        await ProjectService(store, snapshots, editor).create(owner, new)
        found = (await catalog.projects(owner, PlaceFilter(), PageRequest())).nodes
    else:
        await EnvironmentService(store, snapshots, editor).create(owner, "default", new)
        found = (await catalog.environments(owner, "default", PlaceFilter(), PageRequest())).nodes
    assert "new" in [thing.key for thing in found]
    type_name = "proj" if what == "project" else "proj:env"
    assert [service.actions_on(owner, thing) for thing in found] == [[*ACTIONS[type_name]] for _ in found]


async def test_what_somebody_may_no_more_he_is_told_no_more(
    snapshots: SnapshotService, owner: Principal, things: Sequence[Any]
) -> None:
    segment = things[-1]
    token = a_token_of(ANN)
    editor, service = AccessEditor(snapshots), PermissionService(snapshots, suggests=True)
    await editor.edit(owner, saving(ANN, token))
    ann = await principal_of(snapshots, token)
    assert service.actions_on(ann, segment) == [*ACTIONS["proj:env:segment"]]
    await editor.edit(owner, saving(replace(ANN, grants=Grants(base_role=BaseRole.READER))))
    assert service.actions_on(ann, segment) == []
    revoke = AccessEdit(action="test", resource="acct", decide=lambda _sight: Decision([Delete(token)], None))
    await editor.edit(owner, revoke)
    with pytest.raises(UnauthenticatedError):
        service.actions_on(ann, segment)


async def test_a_thing_whose_environment_is_gone_tells_nothing(
    store: Store, snapshots: SnapshotService, owner: Principal, things: Sequence[Any]
) -> None:
    editor = EnvironmentEditor(store, snapshots)
    await EnvironmentService(store, snapshots, editor).delete(owner, PRODUCTION)
    told = [PermissionService(snapshots, suggests=True).actions_on(owner, thing) for thing in things]
    assert told == [[*ACTIONS["proj"]], [], [], [], []]


async def test_others_are_served_while_a_long_policy_is_tried_out_which_takes_no_more_than_it_may(
    snapshots: SnapshotService, owner: Principal
) -> None:
    policy = [allow(*[f"proj/p{n}:env/*:segment/x{m}*" for n in range(100)]) for m in range(5)]
    request = PermissionRequest("updateRules", "proj/p99:env/e:segment/y")
    turns = 0

    async def count() -> None:
        nonlocal turns
        while True:
            turns += 1
            await asyncio.sleep(0)

    counting = asyncio.create_task(count())
    await asyncio.sleep(0)
    service = PermissionService(snapshots, suggests=True)
    decided = await service.simulate(owner, policy, BasePermissions.NO_ACCESS, [request] * 5)
    counting.cancel()
    assert [decision.allowed for decision in decided] == [False] * 5
    assert turns >= 5
