"""Edits of who may do what hold at once, on one revision, and leave an owner."""

import asyncio
import time
from dataclasses import replace
from typing import cast

import pytest

from domain.access.credentials import Credential, CredentialKind, hash_secret
from domain.access.members import Member
from domain.access.principals import Principal
from domain.access.roles import BasePermissions, BaseRole, Grants, Role
from domain.access.sight import AccessSight
from domain.commits import Delete, Entity, Save
from domain.errors import AlreadyExistsError, ForbiddenError, InvalidInputError, UnauthenticatedError
from domain.ports import Store
from domain.services.access_editing import AccessEdit, AccessEditor
from domain.services.access_tokens import AccessTokenService, TokenReset
from domain.services.edits import Decision
from domain.services.snapshots import SnapshotService
from tests.domain.access.builders import a_policy, allow
from tests.domain.services.access import a_token_of, principal_of, saving
from tests.domain.services.conftest import FickleStore
from tests.domain.services.waiting import eventually

ADMIN = Member(id="admin", email="admin@acme.com", grants=Grants(base_role=BaseRole.ADMIN))


def deleting(entity: Entity) -> AccessEdit[None]:
    return AccessEdit(action="test", resource="acct", decide=lambda _sight: Decision([Delete(entity)], None))


async def test_a_role_that_changes_changes_what_its_holders_may_here_at_once_and_elsewhere_soon(
    store: Store, snapshots: SnapshotService, owner: Principal
) -> None:
    here = SnapshotService(store)
    role = Role(key="r", base_permissions=BasePermissions.NO_ACCESS)
    member = Member(id="m", email="m@acme.com", grants=Grants(custom_roles=("r",)))
    token = a_token_of(member)
    editor = AccessEditor(here)
    await editor.edit(owner, saving(role, member, token))
    holder = await principal_of(here, token)
    for policy in (a_policy(allow("role/*", actions=["createRole"])), a_policy()):
        await editor.edit(owner, saving(replace(role, policy=policy)))

        async def may(service: SnapshotService) -> bool:
            found = (await service.access.directory()).principal(token.id, 0)
            return found is not None and found.may("createRole", role.resource)

        assert await may(here) is bool(policy.statements)
        await eventually(lambda: may(snapshots), bool(policy.statements))
    await editor.edit(owner, deleting(token))
    with pytest.raises(UnauthenticatedError):
        here.access.now(holder)


async def test_edits_at_the_same_time_in_several_processes_are_all_made(store: Store, owner: Principal) -> None:
    editors = [AccessEditor(SnapshotService(store)) for _ in range(3)]
    await asyncio.gather(
        *(editor.edit(owner, saving(Role(key=f"r{n}-{m}"))) for n, editor in enumerate(editors) for m in range(3))
    )
    assert len(await store.list_all(Role, "")) == 9


async def test_an_edit_that_was_stored_is_answered_though_the_store_goes_away_right_then(
    store: Store, fickle: FickleStore, owner: Principal
) -> None:
    snapshots = SnapshotService(cast("Store", fickle))
    services = AccessTokenService(snapshots.access, AccessEditor(snapshots), suggests=False)
    token = owner.credential
    assert token is not None
    fickle.goes_away_after_commit = True
    reset = await services.reset(owner, token.public_id, TokenReset())
    assert reset.access_token.version == token.version + 1
    assert await store.find(Credential, hash_secret(reset.secret)) is not None


async def test_of_two_edits_only_one_takes_the_last_name_that_is_free(store: Store, owner: Principal) -> None:
    def decide(sight: AccessSight) -> Decision[None]:
        if sight.directory.member_with("ann@acme.com"):
            raise AlreadyExistsError("member", "ann@acme.com")
        return Decision([Save(Member(email="ann@acme.com"), None)])

    edit = AccessEdit(action="createMember", resource="member/*", decide=decide)
    editors = [AccessEditor(SnapshotService(store)) for _ in range(4)]
    outcomes = await asyncio.gather(*(editor.edit(owner, edit) for editor in editors), return_exceptions=True)
    assert sum(isinstance(outcome, AlreadyExistsError) for outcome in outcomes) == 3
    assert len(await store.list_all(Member, "")) == 1


async def test_the_last_owner_cannot_lock_himself_out(
    store: Store, snapshots: SnapshotService, owner: Principal
) -> None:
    editor = AccessEditor(snapshots)
    first = owner.credential
    assert first is not None
    for edit in (
        deleting(first),
        saving(replace(first, grants=Grants(base_role=BaseRole.ADMIN))),
        saving(replace(first, expires_ms=1)),
    ):
        with pytest.raises(InvalidInputError, match="nobody would be left"):
            await editor.edit(owner, edit)
    boss = Member(email="boss@acme.com", grants=Grants(base_role=BaseRole.OWNER))
    token = a_token_of(boss)
    await editor.edit(owner, saving(boss, token))
    await editor.edit(owner, deleting(first))
    again = await principal_of(snapshots, token)
    for edit in (deleting(token), deleting(boss), saving(replace(boss, grants=Grants()))):
        with pytest.raises(InvalidInputError, match="nobody would be left"):
            await editor.edit(again, edit)
    assert await store.find(Credential, first.id) is None


async def test_an_admin_manages_all_but_owners_as_they_were_and_as_they_become(
    snapshots: SnapshotService, owner: Principal
) -> None:
    editor = AccessEditor(snapshots)
    boss = Member(email="boss@acme.com", grants=Grants(base_role=BaseRole.OWNER))
    token = a_token_of(ADMIN)
    await editor.edit(owner, saving(ADMIN, token, boss))
    admin = await principal_of(snapshots, token)
    writer = Member(email="w@acme.com", grants=Grants(base_role=BaseRole.WRITER))
    await editor.edit(admin, saving(writer))
    first = owner.credential
    assert first is not None
    for edit in (
        saving(replace(ADMIN, grants=Grants(base_role=BaseRole.OWNER))),
        saving(replace(writer, grants=Grants(base_role=BaseRole.OWNER))),
        saving(replace(boss, grants=Grants())),
        saving(Member(email="new@acme.com", grants=Grants(base_role=BaseRole.OWNER))),
        saving(Credential(id="s", kind=CredentialKind.ACCESS_TOKEN, name="s", grants=first.grants)),
        saving(Credential(id="b", kind=CredentialKind.ACCESS_TOKEN, name="b", member_id=boss.id)),
        deleting(boss),
        deleting(first),
    ):
        with pytest.raises(ForbiddenError):
            await editor.edit(admin, edit)
    await editor.edit(owner, saving(replace(boss, name="Boss")))


async def test_large_policies_are_compared_beside_the_event_loop(
    snapshots: SnapshotService, owner: Principal
) -> None:
    def a_large_role(key: str, area: str, environments: str = "*") -> Role:
        names = [[f"proj/{area}{few}-{one}*:env/{environments}:flag/*" for one in range(100)] for few in range(5)]
        return Role(key=key, policy=a_policy(*(allow(*some) for some in names)))

    editor = AccessEditor(snapshots)
    manager = Role(key="manager", policy=a_policy(allow("role/*")))
    roles = [manager, *(a_large_role(f"r{number}", f"x{number}-") for number in range(3))]
    holder = Member(email="h@acme.com", grants=Grants(custom_roles=tuple(role.key for role in roles)))
    token = a_token_of(holder)
    await editor.edit(owner, saving(*roles, holder, token))
    principal = await principal_of(snapshots, token)
    start = time.thread_time()  # what runs in other threads does not count
    await editor.edit(principal, saving(a_large_role("new", "x2-", "live")))
    assert time.thread_time() - start < 0.25
