"""What access tokens may be: their names, their ends, how many there are, and what they may do themselves."""

import re
from dataclasses import replace

from domain.access.actions import TokenAction
from domain.access.credentials import Credential
from domain.access.policies import Effect, Policy
from domain.access.principals import OPERATOR, Principal
from domain.access.roles import BaseRole, Grants
from domain.access.sight import AccessSight
from domain.clock import moment, now_ms
from domain.errors import InputPath, Violation
from domain.instructions.details import name_violations
from domain.instructions.limits import too_many

MEMBER_TOKENS_LIMIT = 100
"""How many secrets a member may have, those in a grace period too: each has a policy that is kept in memory."""
SERVICE_TOKENS_LIMIT = 1_000
"""How many secrets all services may have."""

_MEANING = re.compile("[:;*,]")


def token_name_violations(name: str, *, is_of_service: bool) -> list[Violation]:
    """Return what is wrong with a token's name; the log tells a service's by it, so none reads as another."""
    found = name_violations(name, ("name",))
    if found or not is_of_service:
        return found
    if name != name.strip() or not name.isprintable() or _MEANING.search(name):
        message = f"{name[:60]!r} has spaces around it, a character that is not seen, or one of ':;*,'"
        return [Violation(("name",), message)]
    if f"token/{name.casefold()}" == OPERATOR.actor:
        return [Violation(("name",), "is what the log calls the command line")]
    return []


def rights_violations(*, is_of_service: bool, has_roles: bool, policy: Policy | None) -> list[Violation]:
    """Return what is wrong with what a token is to have of its own: roles, or a policy that allows something."""
    if policy is None:
        message = "a service's token needs roles or a policy of its own"
        return [Violation(("isService",), message)] if is_of_service and not has_roles else []
    if has_roles:
        return [Violation(("policy",), "is given beside roles: a token has the one or the other")]
    if all(statement.effect is Effect.DENY for statement in policy.statements):
        return [Violation(("policy",), "allows nothing: it needs a statement that allows")]
    return []


def _own_end(sight: AccessSight) -> int | None:
    """Return when the secret of the request expires: none that it makes may outlive it."""
    own = sight.principal.credential
    return None if own is None else own.expires_ms


def end_of(wanted_ms: int | None, before_ms: int | None, sight: AccessSight) -> int | None:
    """Return when a secret expires: as is wanted, else as before, else as the request's own does."""
    if wanted_ms is not None:
        return wanted_ms
    return min((end for end in (before_ms, _own_end(sight)) if end is not None), default=None)


def expiry_violations(expires_ms: int | None, sight: AccessSight) -> list[Violation]:
    """Return what is wrong with an end that is wanted."""
    if expires_ms is None:
        return []
    if expires_ms <= now_ms():
        return [Violation(("expiresAt",), "is past")]
    own_end = _own_end(sight)
    if own_end is not None and expires_ms > own_end:
        return [Violation(("expiresAt",), f"is later than your own secret's end, {moment(own_end).isoformat()}")]
    return []


def as_shown(token: Credential, sight: AccessSight) -> Credential:
    """Return a member's token as it is when its secret is shown, so that who is shown it gains nothing later.

    One that is not restricted is so from then on, unless it is who is shown it who is not: by what restricts him,
    if it is his own; by the base role that lets him do all, or all but to owners; else by the roles that the
    member has now. He manages his tokens nevertheless, if who is shown the secret may do that too.
    """
    member, principal = sight.directory.member_of(token), sight.principal
    if member is None or token.is_restricted:
        return token
    own = principal.credential
    if own is not None and own.member_id == member.id:
        return replace(token, grants=own.grants, policy=own.policy, manages_tokens=own.manages_tokens)
    if (bound := _base_role_of(principal)) is not None:
        return replace(token, grants=Grants(base_role=bound))
    manages = all(principal.may(action, token.resource(member)) for action in TokenAction)
    return replace(token, grants=member.grants, manages_tokens=manages)


def _base_role_of(principal: Principal) -> BaseRole | None:
    """Return the base role that allows all that an owner or an admin may do, if no less restricts him."""
    secret, member = principal.credential, principal.member
    grants = [holder.grants for holder in (secret, member) if holder is not None]
    roles = {found.base_role for found in grants if found is not None}
    if not roles <= {BaseRole.OWNER, BaseRole.ADMIN} or (secret is not None and secret.policy is not None):
        return None
    return BaseRole.ADMIN if BaseRole.ADMIN in roles else BaseRole.OWNER


def room_violations(token: Credential, sight: AccessSight, path: InputPath) -> list[Violation]:
    """Return what is wrong with another secret of whoever a token is of."""
    secrets = [c for c in sight.directory.credentials.values() if c.is_access_token]
    count = 1 + sum(secret.member_id == token.member_id for secret in secrets)
    if token.is_of_service:
        return too_many("secrets of services", count, SERVICE_TOKENS_LIMIT, path)
    return too_many("secrets of the member", count, MEMBER_TOKENS_LIMIT, path)
