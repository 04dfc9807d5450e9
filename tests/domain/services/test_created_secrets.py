"""Secrets that are shown once are answered, though the store goes away right after it has them."""

from collections.abc import Sequence
from typing import cast

from domain.access.credentials import Credential, NewSdkKey, hash_secret
from domain.access.principals import Principal
from domain.ports import Store
from domain.services.editing import EnvironmentEditor
from domain.services.environments import EnvironmentService
from domain.services.places import NewPlace
from domain.services.projects import ProjectService
from domain.services.snapshots import SnapshotService
from tests.domain.services.conftest import FickleStore


async def are_stored(sdk_keys: Sequence[NewSdkKey], store: Store, environment: str) -> bool:
    stored = {credential.id for credential in await store.list_all(Credential, environment)}
    return {hash_secret(key.secret) for key in sdk_keys} == stored != set()


async def test_the_sdk_keys_of_a_new_environment(store: Store, fickle: FickleStore, owner: Principal) -> None:
    away = cast("Store", fickle)
    snapshots = SnapshotService(away)
    service = EnvironmentService(away, snapshots, EnvironmentEditor(away, snapshots))
    fickle.goes_away_after_commit = True
    created = await service.create(owner, "default", NewPlace(name="Staging"))
    assert await are_stored(created.sdk_keys, store, "default/staging")


async def test_the_sdk_keys_of_a_new_project(store: Store, fickle: FickleStore, owner: Principal) -> None:
    away = cast("Store", fickle)
    snapshots = SnapshotService(away)
    service = ProjectService(away, snapshots, EnvironmentEditor(away, snapshots))
    fickle.goes_away_after_commit = True
    created = await service.create(owner, NewPlace(name="Shop"), [NewPlace(name="Live")])
    assert await are_stored(created.sdk_keys, store, "shop/live")
