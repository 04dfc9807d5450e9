"""A new store is set up once."""

import asyncio

from domain.access.credentials import Credential, hash_secret
from domain.clock import now_ms
from domain.model.projects import Environment, Project
from domain.ports import Store
from domain.services.setup import set_up_store


async def test_a_new_store_is_set_up_once_however_many_processes_begin(store: Store) -> None:
    found = await asyncio.gather(*(set_up_store(store) for _ in range(5)))
    assert len([secrets for secrets in found if secrets]) == 1
    assert [e.key for e in await store.list_all(Environment, "default")] == ["production", "test"]


async def test_it_is_told_when_the_project_and_its_environments_were_created(store: Store) -> None:
    began = now_ms()
    await set_up_store(store)
    created = [project.created_ms for project in await store.list_all(Project, "")]
    created += [environment.created_ms for environment in await store.list_all(Environment, "default")]
    assert len(created) == 3
    assert all(began <= created_ms <= now_ms() for created_ms in created)


async def test_the_bootstrap_token_becomes_the_owner_and_is_stored_hashed(store: Store) -> None:
    secrets = await set_up_store(store, "a secret of my own")
    assert secrets is not None
    assert secrets.owner_token == "a secret of my own"
    assert [c.id for c in await store.list_all(Credential, "")] == [hash_secret("a secret of my own")]


async def test_a_store_that_is_set_up_keeps_its_secrets(store: Store) -> None:
    await set_up_store(store, "a secret of my own")
    assert await set_up_store(store, "another secret") is None
    assert await store.find(Credential, hash_secret("another secret")) is None


async def test_the_log_begins_with_the_project_by_its_name_in_policies(store: Store) -> None:
    await set_up_store(store)
    [entry] = await store.list_entries(None, first=9)
    assert (entry.action, entry.resource) == ("setUp", "proj/default")
