"""Members: the people who may do something here."""

import re
import secrets
from collections.abc import Mapping
from dataclasses import dataclass, field

from domain.access.policies import Effect, NewStatement, parse_policy
from domain.access.resources import Resource, resource_of
from domain.access.rights import GrantedPolicy, PolicySource, Rights
from domain.access.roles import Grants, Role
from domain.errors import InputPath, Violation

EMAIL_LENGTH_LIMIT = 254
_EMAIL = re.compile(r"[^@:;,/*]+@[^@:;,/*]+")


def kept_email(email: str) -> str:
    """Return an email as it is kept: in lower case, and without spaces around it."""
    return email.strip().lower()


def fold_email(email: str) -> str:
    """Return an email as members are told apart by it; for comparing only: it has `ss` for `ß`."""
    return email.strip().casefold()


def email_violation(email: str, path: InputPath) -> Violation | None:
    """Return what is wrong with an email, or None; none has a character with a meaning in policies."""
    is_plain = email.isprintable() and not any(map(str.isspace, email))
    if _EMAIL.fullmatch(email) and is_plain and len(email) <= EMAIL_LENGTH_LIMIT:
        return None
    return Violation(path, f"{email[:60]!r} is not an email that a member can have")


def new_id() -> str:
    """Make an id of a member or a token that says nothing of it."""
    return secrets.token_hex(8)


@dataclass(frozen=True, slots=True, kw_only=True)
class Member:
    """A person. No two have the same email; policies name it folded, in whatever case they are written."""

    id: str = field(default_factory=new_id)
    email: str
    name: str = ""
    grants: Grants = Grants()
    version: int = 1

    @property
    def scope(self) -> str:
        """Members stand under nothing."""
        return ""

    @property
    def resource(self) -> Resource:
        """The member as policies name it: `member/ann@acme.com;writer`."""
        return resource_of("member", fold_email(self.email), [self.grants.resource_tag])

    def rights(self, custom_roles: Mapping[str, Role]) -> Rights:
        """Return what the member may do: what the roles allow, and to make tokens, none of which may do more."""
        return Rights((*self.grants.rights(custom_roles).granted, self.membership))

    @property
    def membership(self) -> GrantedPolicy:
        """What the member may do whatever his roles are: everything to the tokens of his own."""
        own = NewStatement(effect=Effect.ALLOW, resources=[f"member/{self.email}:token/*"], actions=["*"])
        return GrantedPolicy(source=PolicySource.MEMBERSHIP, policy=parse_policy([own]))
