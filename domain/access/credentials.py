"""Credentials: secrets that requests carry, stored hashed."""

import hashlib
import secrets
from dataclasses import dataclass
from enum import Enum

from domain.keys import EnvironmentRef


class CredentialKind(Enum):
    """What a secret opens."""

    OWNER_TOKEN = "OWNER_TOKEN"  # noqa: S105 - the name of a kind, not a secret
    SERVER_SDK_KEY = "SERVER_SDK_KEY"
    CLIENT_SDK_KEY = "CLIENT_SDK_KEY"


_PREFIXES = {
    CredentialKind.OWNER_TOKEN: "eb_token_",
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
    """A secret's record; `id` is the secret's hash. SDK keys have the environment they evaluate in."""

    id: str
    kind: CredentialKind
    name: str
    environment: EnvironmentRef | None = None
    version: int = 1

    @property
    def scope(self) -> str:
        """Name what it is listed under: its environment, or the whole service."""
        return str(self.environment) if self.environment else ""


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
        return Credential(id=hash_secret(self.secret), kind=self.kind, name=name, environment=self.environment)


def new_sdk_keys(environment: EnvironmentRef) -> list[NewSdkKey]:
    """Make the first SDK keys of an environment: one for servers, one for clients."""
    kinds = (CredentialKind.SERVER_SDK_KEY, CredentialKind.CLIENT_SDK_KEY)
    return [NewSdkKey(environment, kind, new_secret(kind)) for kind in kinds]
