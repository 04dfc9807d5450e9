"""Members, custom roles and credentials as somebody sees them."""

from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING, TypeAlias

from domain.access.credentials import Credential, CredentialKind
from domain.access.members import Member, fold_email
from domain.access.policies import Statement
from domain.access.resources import resource_of
from domain.access.roles import BasePermissions, BaseRole, Grants, ProjectGrant, Role
from domain.clock import moment, now_ms

if TYPE_CHECKING:
    from domain.access.sight import AccessSight


@dataclass(frozen=True, slots=True)
class SeenMember:
    """A member, with what is seen of his roles and tokens."""

    member: Member
    sight: "AccessSight"

    @property
    def id(self) -> str:
        """Identify the member."""
        return self.member.id

    @property
    def resource(self) -> str:
        """The member in the words of policies, without tags."""
        return str(resource_of("member", fold_email(self.email)))

    @property
    def email(self) -> str:
        """The email."""
        return self.member.email

    @property
    def name(self) -> str:
        """The name."""
        return self.member.name

    @property
    def version(self) -> int:
        """Grows with every change."""
        return self.member.version

    @property
    def sort_key(self) -> str:
        """Order members by email; no two have the same."""
        return fold_email(self.member.email)

    @property
    def base_role(self) -> BaseRole:
        """What the member may do everywhere."""
        return self.member.grants.base_role

    @property
    def custom_roles(self) -> list["SeenRole"]:
        """The custom roles."""
        return self.sight.roles_among(self.member.grants.custom_roles)

    @property
    def project_roles(self) -> list[ProjectGrant]:
        """The roles in projects."""
        return self.sight.project_roles(self.member.grants)

    @property
    def tokens(self) -> list["SeenToken"]:
        """The member's access tokens, by name."""
        return self.sight.tokens_of(self.member)


@dataclass(frozen=True, slots=True)
class SeenRole:
    """A custom role."""

    role: Role

    @property
    def id(self) -> str:
        """Identify the role: its key."""
        return self.role.id

    @property
    def resource(self) -> str:
        """The role in the words of policies."""
        return str(self.role.resource)

    @property
    def key(self) -> str:
        """The key."""
        return self.role.key

    @property
    def name(self) -> str:
        """The name."""
        return self.role.name

    @property
    def description(self) -> str:
        """The description."""
        return self.role.description

    @property
    def base_permissions(self) -> BasePermissions:
        """What it allows beside its policy."""
        return self.role.base_permissions

    @property
    def policy(self) -> tuple[Statement, ...]:
        """The statements of its policy."""
        return self.role.policy.statements

    @property
    def version(self) -> int:
        """Grows with every change."""
        return self.role.version


@dataclass(frozen=True, slots=True)
class _SeenCredential:
    credential: Credential
    sight: "AccessSight"

    @property
    def id(self) -> str:
        """Identify it: its id says nothing of the secret."""
        return self.credential.public_id

    @property
    def name(self) -> str:
        """The name."""
        return self.credential.name

    @property
    def created_at(self) -> datetime | None:
        """When it was created, if that is known."""
        return _moment(self.credential.created_ms)

    @property
    def expires_at(self) -> datetime | None:
        """From when on it opens nothing, if it expires."""
        return _moment(self.credential.expires_ms)

    @property
    def last_used_at(self) -> datetime | None:
        """About when it was last shown, if it was."""
        return _moment(self.sight.uses.last_used_ms(self.id))


@dataclass(frozen=True, slots=True)
class SeenToken(_SeenCredential):
    """An access token, with what is seen of whose it is and of its roles."""

    @property
    def version(self) -> int:
        """Grows with every change."""
        return self.credential.version

    @property
    def sort_key(self) -> str:
        """Order tokens by name, in any case."""
        return f"{self.name.casefold()}\0{self.id}"

    @property
    def resource(self) -> str:
        """The token in the words of policies, without tags; with `*` for a member who is not seen."""
        if self.is_service:
            return str(resource_of("service-token", self.id))
        member = self.member
        name = "*" if member is None else fold_email(member.email)
        return str(resource_of("member", name).child("token", self.id))

    @property
    def is_service(self) -> bool:
        """Whether it is a service's, and no member's."""
        return self.credential.is_of_service

    @property
    def member(self) -> SeenMember | None:
        """Whose it is."""
        return self.sight.member(self.credential.member_id)

    @property
    def base_role(self) -> BaseRole | None:
        """What it may do everywhere; None if it has no roles of its own."""
        grants = self.credential.grants
        return None if grants is None else grants.base_role

    @property
    def custom_roles(self) -> list[SeenRole]:
        """Its custom roles."""
        return self.sight.roles_among((self.credential.grants or Grants()).custom_roles)

    @property
    def project_roles(self) -> list[ProjectGrant]:
        """Its roles in projects."""
        return self.sight.project_roles(self.credential.grants or Grants())

    @property
    def policy(self) -> tuple[Statement, ...] | None:
        """The statements of its own policy, if it has one."""
        return None if self.credential.policy is None else self.credential.policy.statements

    @property
    def manages_tokens(self) -> bool:
        """Whether it may manage all tokens of its member, whatever roles it has."""
        return self.credential.manages_tokens

    @property
    def previous_secret_expires_at(self) -> datetime | None:
        """From when on no secret that it had opens it any more, if one still does."""
        secrets = self.sight.directory.secrets_of(self.id)
        ends = [c.expires_ms for c in secrets if c.superseded and c.expires_ms is not None]
        return _moment(max((end for end in ends if end > now_ms()), default=None))


@dataclass(frozen=True, slots=True)
class SeenSdkKey(_SeenCredential):
    """An SDK key."""

    @property
    def kind(self) -> CredentialKind:
        """Whether it is for servers or for clients."""
        return self.credential.kind

    @property
    def sort_key(self) -> tuple[bool, bool, int, str]:
        """Order keys: servers' first, of a kind the one that does not expire, then those that do so last."""
        expires_ms = self.credential.expires_ms
        is_client = self.kind is CredentialKind.CLIENT_SDK_KEY
        return is_client, expires_ms is not None, -(expires_ms or 0), self.id


AccessNode: TypeAlias = SeenMember | SeenRole | SeenToken | SeenSdkKey


def _moment(at_ms: int | None) -> datetime | None:
    return None if at_ms is None else moment(at_ms)
