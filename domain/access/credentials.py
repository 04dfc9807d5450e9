"""Credentials: secrets that requests carry, stored hashed."""

import hashlib
import secrets
from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import Enum

from domain.access.members import Member, new_id
from domain.access.policies import Policy
from domain.access.resources import Resource, resource_of
from domain.access.rights import GrantedPolicy, PolicySource, Rights
from domain.access.roles import Grants, Role
from domain.clock import now_ms
from domain.keys import EnvironmentRef


class CredentialKind(Enum):
    """What a secret opens."""

    ACCESS_TOKEN = "ACCESS_TOKEN"  # noqa: S105 - the name of a kind, not a secret
    SERVER_SDK_KEY = "SERVER_SDK_KEY"
    CLIENT_SDK_KEY = "CLIENT_SDK_KEY"


_PREFIXES = {
    CredentialKind.ACCESS_TOKEN: "eb_token_",
    CredentialKind.SERVER_SDK_KEY: "eb_server_",
    CredentialKind.CLIENT_SDK_KEY: "eb_client_",
}


def new_secret(kind: CredentialKind) -> str:
    """Make a secret of 32 random bytes, with a prefix that tells people and secret scanners what it is."""
    return _PREFIXES[kind] + secrets.token_urlsafe(32)


def hash_secret(secret: str) -> str:
    """Hash a secret for storage and look-up: SHA-256, in hexadecimal.

    Secrets that we make have 256 random bits, so a slow password hash would add nothing but latency.
    """
    return hashlib.sha256(secret.encode("utf-8", "surrogatepass")).hexdigest()


@dataclass(frozen=True, slots=True, kw_only=True)
class Credential:
    """A secret's record.

    An SDK key has the environment that it evaluates in. An access token is a member's, or a service's, which has
    none. A service token may do what its grants and its policy allow together. A member's token may do what the
    member may; if it has grants or a policy, only what these allow too.

    Attributes:
        id: The secret's hash.
        public_id: What it is named by: its id says something of the secret. An access token keeps it when it gets
            another secret.
        name: No two service tokens have the same.
        expires_ms: From when on it opens nothing, in epoch milliseconds; None if it does not expire.
        superseded: Whether another secret has taken its place, so that it is about to expire.
        manages_tokens: Whether a member's token may manage all of the member's, whatever roles of its own it has:
            as long as the member has the base role that it has.
    """

    id: str
    kind: CredentialKind
    name: str
    environment: EnvironmentRef | None = None
    public_id: str = field(default_factory=new_id)
    member_id: str | None = None
    grants: Grants | None = None
    policy: Policy | None = None
    created_ms: int | None = None
    expires_ms: int | None = None
    superseded: bool = False
    manages_tokens: bool = False
    version: int = 1

    @property
    def scope(self) -> str:
        """Name what it is listed under: its environment, or the whole service."""
        return str(self.environment) if self.environment else ""

    @property
    def is_access_token(self) -> bool:
        """Whether it may do more than evaluate."""
        return self.kind is CredentialKind.ACCESS_TOKEN

    @property
    def is_of_service(self) -> bool:
        """Whether it is a service's access token, and no member's."""
        return self.is_access_token and self.member_id is None

    def is_expired(self, now_ms: int) -> bool:
        """Tell whether it opens nothing any more."""
        return self.expires_ms is not None and self.expires_ms <= now_ms

    def resource(self, member: Member | None) -> Resource:
        """Return the access token as policies name it: `member/ann@acme.com:token/…`, or `service-token/…`."""
        if member is not None:
            return member.resource.child("token", self.public_id)
        return resource_of("service-token", self.public_id, [(self.grants or Grants()).resource_tag])

    def own_rights(self, custom_roles: Mapping[str, Role]) -> Rights:
        """Return what its grants and its policy allow together."""
        granted = () if self.grants is None else self.grants.rights(custom_roles).granted
        if self.policy is None:
            return Rights(granted)
        return Rights((*granted, GrantedPolicy(source=PolicySource.ACCESS_TOKEN, policy=self.policy)))

    @property
    def is_restricted(self) -> bool:
        """Whether a member's token may do less than the member."""
        return self.grants is not None or self.policy is not None


@dataclass(frozen=True, slots=True)
class NewSdkKey:
    """An SDK key with its secret, the only time that is known."""

    environment: EnvironmentRef
    kind: CredentialKind
    secret: str

    @property
    def environment_key(self) -> str:
        """The environment's own key."""
        return self.environment.environment

    @property
    def is_client_side(self) -> bool:
        """Whether it is for clients, where anybody can read it."""
        return self.kind is CredentialKind.CLIENT_SDK_KEY

    @property
    def credential(self) -> Credential:
        """What is stored of it."""
        name = f"{self.environment_key}-{'client' if self.is_client_side else 'server'}"
        return Credential(
            id=hash_secret(self.secret),
            kind=self.kind,
            name=name,
            environment=self.environment,
            created_ms=now_ms(),
        )


def new_sdk_keys(environment: EnvironmentRef) -> list[NewSdkKey]:
    """Make the first SDK keys of an environment: one for servers, one for clients."""
    kinds = (CredentialKind.SERVER_SDK_KEY, CredentialKind.CLIENT_SDK_KEY)
    return [NewSdkKey(environment, kind, new_secret(kind)) for kind in kinds]
