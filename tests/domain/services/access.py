"""Who may do what, stored as another process of the service would."""

from dataclasses import replace
from typing import Any

from domain.access.credentials import Credential, CredentialKind, hash_secret
from domain.access.members import Member
from domain.access.principals import Principal
from domain.access.sight import AccessSight
from domain.commits import Entity, Save
from domain.services.access_editing import AccessEdit
from domain.services.edits import Decision
from domain.services.snapshots import SnapshotService


def saving(*entities: Entity) -> AccessEdit[None]:
    def decide(sight: AccessSight) -> Decision[None]:
        stored = [sight.directory.stored(entity) for entity in entities]
        return Decision(
            [
                Save(entity, None) if old is None else Save(replace(entity, version=old.version + 1), old.version)
                for entity, old in zip(entities, stored, strict=True)
            ]
        )

    return AccessEdit(action="test", resource="acct", decide=decide)


def a_token_of(member: Member, **fields: Any) -> Credential:
    secret = hash_secret(member.id)
    return Credential(id=secret, kind=CredentialKind.ACCESS_TOKEN, name="own", member_id=member.id, **fields)


async def principal_of(snapshots: SnapshotService, token: Credential) -> Principal:
    found = (await snapshots.access.directory()).principal(token.id, 0)
    assert found is not None
    return found
