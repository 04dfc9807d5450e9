"""What a thing is in is told from memory, and is never older than what was read of it."""

from dataclasses import replace

import pytest

from domain.access.credentials import Credential, CredentialKind
from domain.access.principals import Principal
from domain.errors import ForbiddenError, NotFoundError, UnauthenticatedError
from domain.instructions.details import UpdateName
from domain.keys import EnvironmentRef
from domain.ports import Store
from domain.services.catalog import CatalogService
from domain.services.editing import EnvironmentEditor
from domain.services.edits import NamedInstruction
from domain.services.environments import EnvironmentService
from domain.services.places import PlaceEdit
from domain.services.projects import ProjectService
from domain.services.setup import PRODUCTION
from domain.services.snapshots import SnapshotService
from tests.domain.access.builders import a_policy, allow, rights_of

RENAMED = PlaceEdit(instructions=[NamedInstruction("updateName", UpdateName("Renamed"))])


@pytest.fixture
async def here(store: Store, owner: Principal) -> SnapshotService:
    """Snapshots that follow nothing."""
    service = SnapshotService(store)
    await CatalogService(store, service).environment(owner, PRODUCTION)
    return service


async def test_what_another_process_just_renamed_has_one_name(
    store: Store, owner: Principal, snapshots: SnapshotService, here: SnapshotService
) -> None:
    editor, catalog = EnvironmentEditor(store, snapshots), CatalogService(store, here)
    await EnvironmentService(store, snapshots, editor).update(owner, PRODUCTION, RENAMED)
    read = await catalog.environment(owner, PRODUCTION)
    assert read is not None
    assert (read.name, catalog.environment_of(owner, PRODUCTION)) == ("Renamed", read)
    await ProjectService(store, snapshots, editor).update(owner, "default", RENAMED)
    project = await catalog.project(owner, "default")
    assert project is not None
    assert (project.name, catalog.project_of(owner, read)) == ("Renamed", project)


async def test_what_is_not_there_any_more_is_not_found(
    store: Store, owner: Principal, snapshots: SnapshotService
) -> None:
    catalog, test = CatalogService(store, snapshots), EnvironmentRef("default", "test")
    editor = EnvironmentEditor(store, snapshots)
    read = await catalog.environment(owner, test)
    assert read is not None
    await EnvironmentService(store, snapshots, editor).delete(owner, test)
    with pytest.raises(NotFoundError, match="environment"):
        catalog.environment_of(owner, test)
    await ProjectService(store, snapshots, editor).delete(owner, "default")
    with pytest.raises(NotFoundError, match="project"):
        catalog.project_of(owner, read)


async def test_what_a_thing_is_in_is_not_for_everybody(
    store: Store, owner: Principal, here: SnapshotService
) -> None:
    catalog = CatalogService(store, here)
    read = await catalog.environment(owner, PRODUCTION)
    assert read is not None
    key = Credential(id="-", kind=CredentialKind.SERVER_SDK_KEY, name="sdk", environment=PRODUCTION)
    rights = (rights_of(a_policy(allow("proj/other"))),)
    for principal, refusal in (
        (Principal(actor="anonymous"), UnauthenticatedError),
        (Principal(actor="token/sdk", credential=key), ForbiddenError),
        (
            Principal(actor="token/stranger", credential=replace(key, environment=None), rights=rights),
            NotFoundError,
        ),
    ):
        with pytest.raises(refusal):
            catalog.environment_of(principal, PRODUCTION)
        with pytest.raises(refusal):
            catalog.project_of(principal, read)
