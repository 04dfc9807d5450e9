"""What happens between two steps of something, by another's hand, is neither lost nor taken for one's own."""

import asyncio
from dataclasses import replace
from typing import Any, cast

import pytest

from domain.access.members import Member
from domain.access.principals import Principal
from domain.access.roles import Grants, ProjectGrant, ProjectRole
from domain.errors import InvalidInputError, NotFoundError
from domain.instructions.details import UpdateName
from domain.instructions.flag_details import RemoveVariation
from domain.instructions.flags import UpdateOffVariation
from domain.keys import EnvironmentRef
from domain.model.projects import Environment
from domain.model.targeting import Targeting, Variation
from domain.ports import Store
from domain.services.access_editing import AccessEditor
from domain.services.editing import EnvironmentEditor
from domain.services.edits import NamedInstruction
from domain.services.environments import EnvironmentService
from domain.services.flags import FlagEdit, FlagService, TargetingEdit
from domain.services.import_plan import ImportMode
from domain.services.imports import ImportService
from domain.services.new_flags import NewFlag
from domain.services.places import NewPlace, PlaceEdit
from domain.services.projects import ProjectService
from domain.services.setup import PRODUCTION
from domain.services.snapshots import SnapshotService
from domain.services.target_limit import TargetLimit
from tests.domain.services.access import saving
from tests.domain.services.interposed import Interposed

TEST = EnvironmentRef("default", "test")


def environments(store: Store) -> EnvironmentService:
    snapshots = SnapshotService(store)
    return EnvironmentService(store, snapshots, EnvironmentEditor(store, snapshots))


@pytest.mark.parametrize("step", ["load_environment", "commit"])
async def test_nothing_is_imported_into_an_environment_that_is_deleted_meanwhile(
    store: Store, owner: Principal, step: str
) -> None:
    async def delete() -> None:
        await environments(store).delete(owner, TEST)

    interposed = cast("Store", Interposed(store, step, delete))
    imports = ImportService(interposed, EnvironmentEditor(interposed, SnapshotService(interposed)))
    with pytest.raises(NotFoundError):
        await imports.import_flag_data(owner, TEST, {"flagValues": {"f": 1}}, ImportMode.MERGE)
    assert await store.list_all(Targeting, str(TEST)) == []
    await environments(store).create(owner, "default", NewPlace(name="Test"))


@pytest.mark.parametrize("step", ["load_environment", "commit"])
async def test_of_two_who_delete_the_last_environments_the_second_is_told_that_it_is_the_last(
    store: Store, owner: Principal, step: str
) -> None:
    async def delete_the_other() -> None:
        await environments(store).delete(owner, PRODUCTION)

    interposed = cast("Store", Interposed(store, step, delete_the_other))
    with pytest.raises(InvalidInputError, match="environment: is the last environment of its project"):
        await environments(interposed).delete(owner, TEST)
    assert [place.ref for place in await store.list_all(Environment, "default")] == [TEST]


async def test_a_deletion_that_names_no_version_outlasts_a_rename(store: Store, owner: Principal) -> None:
    async def rename() -> None:
        edit = PlaceEdit(instructions=[NamedInstruction("updateName", UpdateName("Other"))])
        await environments(store).update(owner, TEST, edit)

    interposed = cast("Store", Interposed(store, "commit", rename))
    await environments(interposed).delete(owner, TEST)
    with pytest.raises(NotFoundError):
        await SnapshotService(store).get(TEST)


async def test_a_change_during_the_first_load_is_served(store: Store, owner: Principal) -> None:
    loading, imported = asyncio.Event(), asyncio.Event()

    class Slow(Interposed):
        def __getattr__(self, name: str) -> Any:
            found = super().__getattr__(name)
            if name != "load_environment":
                return found

            async def load(*arguments: Any) -> Any:
                state = await found(*arguments)
                if not loading.is_set():
                    loading.set()
                    await imported.wait()
                return state

            return load

    async def nothing() -> None: ...

    snapshots = SnapshotService(cast("Store", Slow(store, "nothing", nothing)))
    first = asyncio.create_task(snapshots.get(PRODUCTION))
    await loading.wait()
    importing = ImportService(store, EnvironmentEditor(store, snapshots)).import_flag_data(
        owner, PRODUCTION, {"flagValues": {"f": 1}}, ImportMode.MERGE
    )
    done = asyncio.create_task(importing)
    await asyncio.sleep(0.05)
    imported.set()
    report = await done
    await first
    assert (await snapshots.get(PRODUCTION)).revision == report.revision


async def test_an_import_is_planned_again_when_a_variation_goes_meanwhile(store: Store, owner: Principal) -> None:
    elsewhere = SnapshotService(store)
    flags = FlagService(EnvironmentEditor(store, elsewhere), TargetLimit(1))
    letters = [Variation(letter) for letter in "abc"]
    await flags.create(owner, NewFlag(project="default", name="f", variations=letters))
    for environment in (PRODUCTION, TEST):
        off: NamedInstruction[Any] = NamedInstruction("updateOffVariation", UpdateOffVariation(0))
        await flags.update_targeting(owner, environment, TargetingEdit(flag_key="f", instructions=[off]))

    async def remove() -> None:
        removal: NamedInstruction[Any] = NamedInstruction("removeVariation", RemoveVariation(1))
        await flags.update(owner, FlagEdit(project="default", flag_key="f", instructions=[removal]))

    interposed = cast("Store", Interposed(store, "commit", remove))
    snapshots = SnapshotService(interposed)
    data = {"flags": {"f": {"variations": [*"abc"], "offVariation": 1, "fallthrough": {"variation": 0}}}}
    await ImportService(interposed, EnvironmentEditor(interposed, snapshots)).import_flag_data(
        owner, PRODUCTION, data, ImportMode.MERGE
    )
    flag = (await snapshots.refresh(PRODUCTION, 1_000_000)).flags["f"]
    assert flag.variations[flag.off_variation or 0].value == "b"
    assert [variation.value for variation in flag.flag.variations] == ["a", "c"]


async def test_a_role_that_is_given_while_its_project_is_deleted_goes_with_it(
    store: Store, owner: Principal
) -> None:
    service = SnapshotService(store)
    member = Member(email="ann@acme.com")
    editor = AccessEditor(service)
    await editor.edit(owner, saving(member))
    grants = Grants(project_roles=(ProjectGrant("default", ProjectRole.VIEWER),))

    async def give() -> None:
        await editor.edit(owner, saving(replace(member, grants=grants)))

    interposed = cast("Store", Interposed(store, "commit", give))
    snapshots = SnapshotService(interposed)
    projects = ProjectService(interposed, snapshots, EnvironmentEditor(interposed, snapshots))
    await projects.delete(owner, "default")
    assert (await store.get(Member, member.id)).grants == Grants()
