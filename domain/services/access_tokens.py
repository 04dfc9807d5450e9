"""Access tokens: read, create, change, reset and delete them."""

from collections.abc import Sequence
from dataclasses import dataclass, replace

from domain.access.actions import TokenAction
from domain.access.credentials import Credential, CredentialKind, hash_secret, new_secret
from domain.access.members import Member, new_id
from domain.access.policies import NewStatement
from domain.access.principals import Principal
from domain.access.roles import Grants
from domain.access.seen import SeenToken
from domain.access.sight import AccessSight
from domain.access.suggestions import suggestions
from domain.clock import now_ms
from domain.commits import Delete, Save
from domain.errors import AlreadyExistsError, NotFoundError, Violation
from domain.pages import Page, PageRequest, cut_page
from domain.services.access import AccessService
from domain.services.access_editing import AccessEdit, AccessEditor, seen_at
from domain.services.edits import Decision, below_input
from domain.services.grace import grace_violations, superseded
from domain.services.grants import NewGrants, read_policy
from domain.services.token_rules import (
    as_shown,
    end_of,
    expiry_violations,
    rights_violations,
    room_violations,
    token_name_violations,
)

_KIND = CredentialKind.ACCESS_TOKEN
_NAME = "access token"


@dataclass(frozen=True, slots=True, kw_only=True)
class TokenFilter:
    """Which access tokens are wanted; None means that the property does not matter.

    Attributes:
        is_service: Whether they are services'.
        member_email: Whose they are.
        role: The key of a custom role that they have themselves.
    """

    is_service: bool | None = None
    member_email: str | None = None
    role: str | None = None

    def select(self, sight: AccessSight) -> list[SeenToken]:
        """Return those that pass, by name."""
        member = None if self.member_email is None else sight.member_with(self.member_email)
        return [
            token
            for token in sight.tokens()
            if self.is_service in {None, token.is_service}
            and (self.member_email is None or (member is not None and token.credential.member_id == member.id))
            and (self.role is None or self.role in {role.key for role in token.custom_roles})
        ]


@dataclass(frozen=True, slots=True, kw_only=True)
class NewToken:
    """An access token to be created.

    Attributes:
        is_service: Whether it is a service's; a member's otherwise.
        member_email: Whose it is to be; None if that is who creates it.
        grants: Its own roles: a service needs some, or a policy. Another member's has those of the member, as
            they are now, if neither is given.
        expires_ms: When it expires; None makes that the end of the request's own secret, if it has one.
    """

    name: str
    is_service: bool = False
    member_email: str | None = None
    grants: NewGrants = NewGrants()
    policy: Sequence[NewStatement] | None = None
    expires_ms: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class TokenReset:
    """How an access token gets another secret.

    Attributes:
        grace_ms: How long the secrets that it had open it still.
        expires_ms: When it expires from now on; None leaves that as it is, or makes it the end of the request's
            own secret if that is sooner.
        expected_version: The version that the caller saw; None if any will do.
    """

    grace_ms: int = 0
    expires_ms: int | None = None
    expected_version: int | None = None
    comment: str = ""


@dataclass(frozen=True, slots=True)
class TokenWithSecret:
    """An access token with its secret, the only time that is known."""

    access_token: SeenToken
    secret: str


class AccessTokenService:
    """Reads and changes access tokens.

    Args:
        access: The directory.
        editor: Makes the changes.
        suggests: Whether it says which actions somebody may have meant.
    """

    def __init__(self, access: AccessService, editor: AccessEditor, *, suggests: bool) -> None:
        self._access = access
        self._suggests = suggests
        self._editor = editor

    async def tokens(self, principal: Principal, wanted: TokenFilter, page: PageRequest) -> Page[SeenToken]:
        """Page through the access tokens, by name.

        Raises:
            DomainError: As `AccessService.sight` and `cut_page` say.
        """
        sight = await self._access.sight(principal)
        return cut_page(wanted.select(sight), page, lambda token: token.sort_key)

    async def create(self, principal: Principal, new: NewToken, comment: str = "") -> TokenWithSecret:
        """Create an access token.

        Raises:
            InvalidInputError: With every violation.
            NotFoundError: There is no such member.
            AlreadyExistsError: There is a service token of this name.
            DomainError: As `AccessEditor.edit` says.
        """
        action = "createAccessToken"
        member = _holder(await self._access.sight(principal), new)
        secret = new_secret(_KIND)
        public_id = new_id()
        blank = Credential(
            id=hash_secret(secret),
            kind=_KIND,
            name=new.name,
            public_id=public_id,
            member_id=None if member is None else member.id,
            created_ms=now_ms(),
        )

        def decide(sight: AccessSight) -> Decision[Credential]:
            found = token_name_violations(new.name, is_of_service=new.is_service)
            found += expiry_violations(new.expires_ms, sight)
            found += room_violations(blank, sight, ())
            found += new.grants.violations(sight)
            has_roles = not new.grants.says_nothing
            faults: list[Violation] = []
            suggest = suggestions(wanted=self._suggests)
            policy = None if new.policy is None else read_policy(new.policy, faults, suggest)
            found += faults or rights_violations(is_of_service=new.is_service, has_roles=has_roles, policy=policy)
            if found:
                raise below_input(found)
            grants = new.grants.applied_to(Grants(), sight) if has_roles else None
            end = end_of(new.expires_ms, None, sight)
            created = replace(blank, grants=grants, policy=policy, expires_ms=end)
            if member is not None and member.id not in sight.directory.members:
                raise NotFoundError("member", member.email)
            created = as_shown(created, sight)
            _refuse_taken(created, TokenAction.CREATE, sight)
            return Decision([Save(created, None)], created)

        edit = AccessEdit(action=action, resource=_resource(blank, member), decide=decide, comment=comment)
        sight, created = await self._editor.edit(principal, edit)
        return TokenWithSecret(SeenToken(created, sight), secret)

    async def rename(
        self,
        principal: Principal,
        token_id: str,
        name: str,
        *,
        expected_version: int | None = None,
        comment: str = "",
    ) -> SeenToken:
        """Change an access token's name.

        Raises:
            InvalidInputError: The name cannot be one.
            NotFoundError: There is no such token.
            VersionConflictError: It is not at the version expected.
            AlreadyExistsError: There is another service token of this name.
            DomainError: As `AccessEditor.edit` says.
        """
        action = "updateAccessToken"
        found = await self._found(principal, token_id)

        def decide(sight: AccessSight) -> Decision[Credential]:
            before = seen_at(sight.token(token_id), _NAME, token_id, expected_version).credential
            after = replace(before, name=name)
            if violations := token_name_violations(name, is_of_service=before.is_of_service):
                raise below_input(violations)
            _refuse_taken(after, TokenAction.UPDATE_NAME, sight)
            if after == before:
                return Decision((), before)
            after = replace(after, version=before.version + 1)
            others = [c for c in sight.directory.secrets_of(token_id) if c.superseded]
            renamed = [Save(replace(c, name=name, version=c.version + 1), c.version) for c in others]
            return Decision([Save(after, before.version), *renamed], after)

        edit = AccessEdit(action=action, resource=_resource_of(found), decide=decide, comment=comment)
        sight, after = await self._editor.edit(principal, edit)
        return SeenToken(after, sight)

    async def reset(self, principal: Principal, token_id: str, reset: TokenReset) -> TokenWithSecret:
        """Give an access token another secret; those that it had open it until the grace period ends.

        Raises:
            InvalidInputError: With every violation.
            NotFoundError: There is no such token.
            VersionConflictError: It is not at the version expected.
            DomainError: As `AccessEditor.edit` says.
        """
        action = "resetAccessToken"
        found = await self._found(principal, token_id)
        secret = new_secret(_KIND)

        def decide(sight: AccessSight) -> Decision[Credential]:
            before = seen_at(sight.token(token_id), _NAME, token_id, reset.expected_version).credential
            violations = grace_violations(reset.grace_ms) + expiry_violations(reset.expires_ms, sight)
            if reset.grace_ms:
                violations += room_violations(before, sight, ("gracePeriodSeconds",))
            if reset.expires_ms is None and before.is_expired(now_ms()):
                violations.append(Violation(("expiresAt",), "is needed: the token has expired"))
            if violations:
                raise below_input(violations)
            after = replace(
                as_shown(before, sight),
                id=hash_secret(secret),
                expires_ms=end_of(reset.expires_ms, before.expires_ms, sight),
                version=before.version + 1,
            )
            replaced = superseded(sight.directory.secrets_of(token_id), after, reset.grace_ms)
            return Decision([Save(after, None), *replaced], after)

        edit = AccessEdit(action=action, resource=_resource_of(found), decide=decide, comment=reset.comment)
        sight, after = await self._editor.edit(principal, edit)
        return TokenWithSecret(SeenToken(after, sight), secret)

    async def delete(
        self, principal: Principal, token_id: str, *, expected_version: int | None = None, comment: str = ""
    ) -> str:
        """Delete an access token, which opens nothing from then on; return the id that it had.

        Raises:
            NotFoundError: There is no such token.
            VersionConflictError: It is not at the version expected.
            DomainError: As `AccessEditor.edit` says.
        """
        action = "deleteAccessToken"
        found = await self._found(principal, token_id)

        def decide(sight: AccessSight) -> Decision[None]:
            seen_at(sight.token(token_id), _NAME, token_id, expected_version)
            return Decision([Delete(credential) for credential in sight.directory.secrets_of(token_id)])

        edit = AccessEdit(action=action, resource=_resource_of(found), decide=decide, comment=comment)
        await self._editor.edit(principal, edit)
        return token_id

    async def _found(self, principal: Principal, token_id: str) -> SeenToken:
        """Find an access token that is to be changed.

        Raises:
            NotFoundError: There is none with this id.
            DomainError: As `AccessService.sight` says.
        """
        sight = await self._access.sight(principal)
        return seen_at(sight.token(token_id), _NAME, token_id)


def _holder(sight: AccessSight, new: NewToken) -> Member | None:
    """Return whose a new token is; None for a service's.

    Raises:
        NotFoundError: There is no such member.
        InvalidInputError: A service's is no member's; or who creates it is none.
    """
    if new.is_service:
        if new.member_email is not None:
            raise below_input([Violation(("memberEmail",), "a service's token is no member's")])
        return None
    if new.member_email is None:
        if sight.principal.member is None:
            message = "you are no member yourself: name one, or make a service's token"
            raise below_input([Violation(("memberEmail",), message)])
        return sight.principal.member
    return seen_at(sight.member_with(new.member_email), "member", new.member_email).member


def _refuse_taken(token: Credential, action: str, sight: AccessSight) -> None:
    """Refuse a name that another service's token has; who may not give it is not told that.

    Raises:
        ForbiddenError: He may not.
        AlreadyExistsError: There is another service token of this name.
    """
    if token.is_of_service and sight.directory.has_other_service_token(token):
        sight.principal.authorize(action, token.resource(None))
        raise AlreadyExistsError("service token", token.name)


def _resource(token: Credential, member: Member | None) -> str:
    """Name an access token in the words of policies."""
    return (
        f"service-token/{token.public_id}" if member is None else f"member/{member.email}:token/{token.public_id}"
    )


def _resource_of(token: SeenToken) -> str:
    return _resource(token.credential, token.sight.directory.member_of(token.credential))
