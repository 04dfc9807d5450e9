"""Access tokens: how many there may be, and what their secrets may do to one another."""

import pytest

from domain.access.credentials import Credential, CredentialKind
from domain.access.members import Member
from domain.access.principals import Principal
from domain.access.roles import BaseRole
from domain.errors import InvalidInputError
from domain.services.access_editing import AccessEditor
from domain.services.access_tokens import AccessTokenService, NewToken, TokenReset
from domain.services.grants import NewGrants
from domain.services.snapshots import SnapshotService
from domain.services.token_rules import MEMBER_TOKENS_LIMIT, SERVICE_TOKENS_LIMIT
from tests.domain.services.access import saving


async def test_a_member_and_all_services_have_so_many_secrets_and_no_more(
    snapshots: SnapshotService, owner: Principal
) -> None:
    access = snapshots.access
    editor = AccessEditor(snapshots)
    service = AccessTokenService(access, editor, suggests=False)
    member = Member(id="m", email="m@acme.com")
    tokens = [
        Credential(id=f"{whose}{number}", kind=CredentialKind.ACCESS_TOKEN, name=f"{number}", member_id=whose)
        for whose, count in (("m", MEMBER_TOKENS_LIMIT - 1), (None, SERVICE_TOKENS_LIMIT - 2))
        for number in range(count)
    ]
    await editor.edit(owner, saving(member, *tokens))
    own = NewToken(name="own", member_email="m@acme.com")
    last = await service.create(owner, own)
    with pytest.raises(InvalidInputError, match="would be 101 secrets of the member"):
        await service.create(owner, own)
    with pytest.raises(InvalidInputError, match="gracePeriodSeconds: would be 101 secrets of the member"):
        await service.reset(owner, last.access_token.id, TokenReset(grace_ms=1_000))
    await service.reset(owner, last.access_token.id, TokenReset())
    roles = NewGrants(base_role=BaseRole.READER)
    await service.create(owner, NewToken(name="ci", is_service=True, grants=roles))
    with pytest.raises(InvalidInputError, match="would be 1001 secrets of services"):
        await service.create(owner, NewToken(name="another", is_service=True, grants=roles))
