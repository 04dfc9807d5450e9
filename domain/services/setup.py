"""Sets up a new store: the default project, its environments, their SDK keys and a first owner token."""

from collections.abc import Sequence
from dataclasses import dataclass

from domain.access.credentials import (
    Credential,
    CredentialKind,
    NewSdkKey,
    hash_secret,
    new_sdk_keys,
    new_secret,
)
from domain.access.principals import Principal
from domain.access.roles import OWNER_GRANTS
from domain.clock import now_ms
from domain.commits import ACCESS_SCOPE, Commit, Entity, Save
from domain.errors import AlreadyExistsError
from domain.keys import EnvironmentRef
from domain.model.changes import AuditEntry
from domain.model.projects import Environment, Project
from domain.ports import Store
from domain.services.audit import describe_changes

DEFAULT_PROJECT = "default"
PRODUCTION = EnvironmentRef(DEFAULT_PROJECT, "production")
_ENVIRONMENTS = {"production": "Production", "test": "Test"}


@dataclass(frozen=True, slots=True)
class FirstSecrets:
    """The secrets of a new store, the only time they are known.

    Attributes:
        owner: Its principal, for what is done next.
        owner_token: The first owner token.
        sdk_keys: Those of its environments; none with a bootstrap token: nobody would see them.
    """

    owner: Principal
    owner_token: str
    sdk_keys: Sequence[NewSdkKey]


async def set_up_store(store: Store, bootstrap_token: str | None = None) -> FirstSecrets | None:
    """Set up an empty store; return None if it was set up before, by this process or another.

    Args:
        store: The store.
        bootstrap_token: The secret to be the first owner token; None makes one.

    Raises:
        UnavailableError: The store cannot be reached.
    """
    if await store.list_page(Credential, "", first=1):
        return None
    now = now_ms()
    kind = CredentialKind.ACCESS_TOKEN
    owner_token = bootstrap_token or new_secret(kind)
    owner = Credential(
        id=hash_secret(owner_token), kind=kind, name="first-owner", grants=OWNER_GRANTS, created_ms=now
    )
    project = Project(key=DEFAULT_PROJECT, name="Default", created_ms=now)
    environments = [
        Environment(project=DEFAULT_PROJECT, key=key, name=name, created_ms=now)
        for key, name in _ENVIRONMENTS.items()
    ]
    sdk_keys = [
        key for environment in environments if bootstrap_token is None for key in new_sdk_keys(environment.ref)
    ]
    entities: list[Entity] = [project, *environments, owner, *(key.credential for key in sdk_keys)]
    writes = tuple(Save(entity, None) for entity in entities)
    changes = describe_changes(writes, lambda _entity: None)
    commit = Commit(
        writes=writes,
        revise=frozenset({ACCESS_SCOPE}),
        entry=AuditEntry(actor="system", action="setUp", resource=f"proj/{DEFAULT_PROJECT}", changes=changes),
    )
    try:
        await store.commit(commit)
    except AlreadyExistsError:
        return None  # another process was quicker
    rights = (owner.own_rights({}),)
    principal = Principal(actor=f"token/{owner.name}", credential=owner, rights=rights)
    return FirstSecrets(principal, owner_token, sdk_keys)
