"""Sets up a new store: the default project, its environments, their SDK keys and a first owner token."""

from collections.abc import Mapping
from dataclasses import dataclass

from domain.access.credentials import Credential, CredentialKind, hash_secret, new_secret
from domain.access.principals import Principal
from domain.errors import AlreadyExistsError
from domain.keys import EnvironmentRef
from domain.model.changes import AuditEntry
from domain.model.projects import Environment, Project
from domain.ports import ACCESS_SCOPE, Commit, Entity, Save, Store
from domain.services.audit import describe_changes

DEFAULT_PROJECT = "default"
PRODUCTION = EnvironmentRef(DEFAULT_PROJECT, "production")
_ENVIRONMENTS = {"production": "Production", "test": "Test"}
_SDK_KEY_KINDS = {"server": CredentialKind.SERVER_SDK_KEY, "client": CredentialKind.CLIENT_SDK_KEY}


@dataclass(frozen=True, slots=True)
class FirstSecrets:
    """The secrets of a new store, the only time they are known.

    Attributes:
        owner: Its principal, for what is done next.
        owner_token: The first owner token.
        sdk_keys: By environment, then `server` or `client`; none with a bootstrap token: nobody would see them.
    """

    owner: Principal
    owner_token: str
    sdk_keys: Mapping[EnvironmentRef, Mapping[str, str]]


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
    owner_token = bootstrap_token or new_secret(CredentialKind.OWNER_TOKEN)
    owner = Credential(id=hash_secret(owner_token), kind=CredentialKind.OWNER_TOKEN, name="first-owner")
    project = Project(key=DEFAULT_PROJECT, name="Default")
    environments = [
        Environment(project=DEFAULT_PROJECT, key=key, name=name) for key, name in _ENVIRONMENTS.items()
    ]
    sdk_keys = {
        environment.ref: {label: new_secret(kind) for label, kind in _SDK_KEY_KINDS.items()}
        for environment in (environments if bootstrap_token is None else [])
    }
    credentials = [
        Credential(
            id=hash_secret(secret), kind=_SDK_KEY_KINDS[label], name=f"{ref.environment}-{label}", environment=ref
        )
        for ref, keys in sdk_keys.items()
        for label, secret in keys.items()
    ]
    entities: list[Entity] = [project, *environments, owner, *credentials]
    writes = tuple(Save(entity, None) for entity in entities)
    changes = describe_changes(writes, lambda _entity: None)
    commit = Commit(
        writes=writes,
        revise=frozenset({ACCESS_SCOPE}),
        entry=AuditEntry(actor="system", action="setUp", resource=DEFAULT_PROJECT, changes=changes),
    )
    try:
        await store.commit(commit)
    except AlreadyExistsError:
        return None  # another process was quicker
    return FirstSecrets(Principal(owner), owner_token, sdk_keys)
