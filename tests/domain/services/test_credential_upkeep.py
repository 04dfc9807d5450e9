"""Uses of credentials are stored beside them, and secrets that were replaced go when their time is over."""

from dataclasses import replace
from unittest.mock import AsyncMock

import pytest

from domain.access.credentials import Credential, CredentialKind, new_sdk_keys
from domain.access.principals import Principal
from domain.access.uses import CredentialUse
from domain.clock import now_ms
from domain.commits import ACCESS_SCOPE, Commit, Delete, Save
from domain.errors import AlreadyExistsError, UnavailableError, VersionConflictError
from domain.ports import EVERY_ENTRY, Store
from domain.services.access_editing import AccessEdit, AccessEditor
from domain.services.credential_upkeep import CredentialUpkeep
from domain.services.edits import Decision
from domain.services.setup import PRODUCTION
from domain.services.snapshots import SnapshotService
from tests.domain.services.conftest import FickleStore


def upkeep_of(store: Store, snapshots: SnapshotService) -> CredentialUpkeep:
    return CredentialUpkeep(store, snapshots.access, AccessEditor(snapshots))


async def test_uses_are_stored_beside_credentials_and_known_in_every_process(
    store: Store, owner: Principal
) -> None:
    here, elsewhere = SnapshotService(store), SnapshotService(store)
    credential = owner.credential
    assert credential is not None
    before = await store.revisions()
    for _ in range(2):
        here.access.uses.note(credential)
        await upkeep_of(store, here).store_uses()
    [use] = await store.list_all(CredentialUse, "")
    assert use.id == credential.public_id
    assert now_ms() - use.at_ms < 10_000
    assert elsewhere.access.uses.last_used_ms(use.id) is None
    await upkeep_of(store, elsewhere).store_uses()
    assert elsewhere.access.uses.last_used_ms(use.id) == here.access.uses.last_used_ms(use.id) == use.at_ms
    assert await store.list_all(CredentialUse, "") == [use]  # what was met elsewhere is not stored again
    assert await store.revisions() == before
    assert await store.find(Credential, credential.id) == credential
    assert len(await store.list_entries(None, first=9)) == 1  # that of the setting up


async def test_a_use_that_cannot_be_stored_now_is_stored_later(
    fickle: FickleStore,
    store: Store,
    snapshots: SnapshotService,
    owner: Principal,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    credential = owner.credential
    assert credential is not None
    upkeep = CredentialUpkeep(fickle, snapshots.access, AccessEditor(snapshots))
    snapshots.access.uses.note(credential)
    fickle.fault = UnavailableError("away")
    with pytest.raises(UnavailableError):
        await upkeep.store_uses()
    for conflict in (
        VersionConflictError("use", "u", expected=1, actual=2),
        AlreadyExistsError("use", "u"),
    ):
        with monkeypatch.context() as patched:
            patched.setattr(fickle, "commit", AsyncMock(side_effect=conflict), raising=False)
            await upkeep.store_uses()  # another process stores some at this moment, which is no fault
    assert await store.list_all(CredentialUse, "") == []
    await upkeep.store_uses()
    assert [use.id for use in await store.list_all(CredentialUse, "")] == [credential.public_id]


async def test_the_use_of_a_credential_that_is_gone_goes(store: Store, owner: Principal) -> None:
    snapshots = SnapshotService(store)
    upkeep = upkeep_of(store, snapshots)
    token = Credential(id="t", kind=CredentialKind.ACCESS_TOKEN, name="t", public_id="gone")
    editor = AccessEditor(snapshots)
    made, deleted = (
        AccessEdit(action="test", resource="acct", decide=lambda _sight: Decision([Save(token, None)], None)),
        AccessEdit(action="test", resource="acct", decide=lambda _sight: Decision([Delete(token)], None)),
    )
    for edit, left in ((made, ["gone"]), (deleted, [])):
        await editor.edit(owner, edit)
        snapshots.access.uses.note(token)
        await upkeep.store_uses()
        assert [use.id for use in await store.list_all(CredentialUse, "")] == left
    assert snapshots.access.uses.last_used_ms("gone") is None


async def test_replaced_secrets_are_removed_when_their_grace_period_is_over_and_others_stay(
    store: Store, owner: Principal
) -> None:
    snapshots = SnapshotService(store)
    upkeep = upkeep_of(store, snapshots)
    past = now_ms() - 1
    token = Credential(id="expired", kind=CredentialKind.ACCESS_TOKEN, name="t", expires_ms=past)
    key = next(iter(new_sdk_keys(PRODUCTION))).credential
    kept = [token, replace(token, id="in-grace", superseded=True, expires_ms=past + 3_600_000)]
    gone = [replace(thing, id=f"old-{thing.id}", superseded=True, expires_ms=past) for thing in (token, key)]
    commit = Commit(
        writes=tuple(Save(thing, None) for thing in (*kept, *gone)), revise=frozenset({ACCESS_SCOPE}), entry=None
    )
    await store.commit(commit)
    assert owner.credential is not None
    for _ in range(2):
        await upkeep.sweep()
        left = {c.id for scope in ("", str(PRODUCTION)) for c in await store.list_all(Credential, scope)}
        assert {"expired", "in-grace", owner.credential.id} <= left
        assert not left & {thing.id for thing in gone}
    entries = await store.list_entries(None, first=9, wanted=EVERY_ENTRY)
    told = [(e.actor, e.resource) for e in entries if e.action == "removeExpiredSecrets"]
    assert sorted(told) == [("system", "acct"), ("system", "proj/default:env/production")]
