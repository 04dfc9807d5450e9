"""Principals: who is asking. Every service asks them before it does anything."""

from collections.abc import Iterable
from dataclasses import dataclass, replace
from enum import Enum

from domain.access.actions import ACTIONS, MemberAction, ProjectAction, RoleAction, TokenAction
from domain.access.credentials import Credential, CredentialKind
from domain.access.members import Member
from domain.access.resources import Resource
from domain.access.rights import Rights
from domain.access.roles import OWNER_GRANTS
from domain.errors import ForbiddenError, InvalidInputError, UnauthenticatedError, Violation
from domain.keys import EnvironmentRef
from domain.model.changes import ActingToken


class PrincipalKind(Enum):
    """What somebody is, by what he shows."""

    MEMBER = "MEMBER"
    SERVICE_TOKEN = "SERVICE_TOKEN"  # noqa: S105 - the name of a kind, not a secret
    SDK_KEY = "SDK_KEY"
    ANONYMOUS = "ANONYMOUS"


@dataclass(frozen=True, slots=True)
class Permission:
    """An action on a resource, which somebody may need."""

    action: str
    resource: Resource

    @property
    def needs_sight(self) -> bool:
        """Whether it is good for nothing unless one may view the project too, which is there before the action."""
        return self.resource.levels[0].type == "proj" and self.action != ProjectAction.CREATE

    @property
    def gives_access(self) -> bool:
        """Whether it is one to change who may do what: members, roles or access tokens."""
        is_viewing = self.action in {MemberAction.VIEW, RoleAction.VIEW, TokenAction.VIEW}
        return self.resource.levels[0].type in {"member", "role", "service-token"} and not is_viewing


@dataclass(frozen=True, slots=True, kw_only=True)
class Principal:
    """Who is asking, with what he may do now.

    Attributes:
        actor: The name that the audit log gives him.
        credential: What he showed; None if that is nothing.
        member: Whose token it is; None if it is nobody's.
        rights: He may do what each of these allows, and nothing if there are none: an SDK key only evaluates. Of a
            member the first are all that he has; those of a token that is restricted follow.
        asked_by: The access token that he showed, where he asked before and what he showed may be gone.
    """

    actor: str
    credential: Credential | None = None
    member: Member | None = None
    rights: tuple[Rights, ...] = ()
    asked_by: ActingToken | None = None

    @property
    def id(self) -> str:
        """Who he is, whatever he is called now: a member's id, a token's public id; of nobody stored the actor."""
        if self.member is not None:
            return f"member/{self.member.id}"
        return self.actor if self.credential is None else f"token/{self.credential.public_id}"

    @property
    def kind(self) -> PrincipalKind:
        """What he is."""
        if self.credential is None:
            return PrincipalKind.ANONYMOUS
        if not self.credential.is_access_token:
            return PrincipalKind.SDK_KEY
        return PrincipalKind.SERVICE_TOKEN if self.member is None else PrincipalKind.MEMBER

    @property
    def acting_token(self) -> ActingToken | None:
        """The access token that he shows, as the audit log names it."""
        shown = self.credential
        if shown is None:
            return self.asked_by
        return ActingToken(shown.public_id, shown.name) if shown.is_access_token else None

    @property
    def evaluates_only_in(self) -> EnvironmentRef | None:
        """The environment that an SDK key implies."""
        return None if self.credential is None else self.credential.environment

    def may(self, action: str, resource: Resource) -> bool:
        """Tell whether he may do something."""
        return bool(self.rights) and all(rights.allow(action, resource) for rights in self.rights)

    def actions_on(self, resource: Resource) -> list[str]:
        """Return all that he may do to a thing, in the order of ACTIONS."""
        actions = ACTIONS[resource.type]
        if not self.rights:
            return []
        allowed = [rights.allowed_among(actions, resource) for rights in self.rights]
        return [action for action in actions if all(action in among for among in allowed)]

    def lacking(self, permissions: Iterable[Permission]) -> list[Permission]:
        """Return those of some permissions that he has not, each once."""
        wanted = dict.fromkeys(permissions)
        return [permission for permission in wanted if not self.may(permission.action, permission.resource)]

    @property
    def is_replaced(self) -> bool:
        """Whether he shows a secret that another has taken the place of, so that it is about to end."""
        return self.credential is not None and self.credential.superseded

    def may_view(self, project: Resource) -> bool:
        """Tell whether a project exists for him, with all that is in it."""
        return self.may(ProjectAction.VIEW, project)

    def authorize(self, action: str, *resources: Resource) -> None:
        """Refuse an action on any of some resources: on a thing as it is and as it becomes, say.

        Raises:
            UnauthenticatedError: No secret was shown.
            ForbiddenError: With every resource on which he may not do it.
        """
        self.authorize_all(Permission(action, resource) for resource in resources)

    def authorize_all(self, permissions: Iterable[Permission]) -> None:
        """Refuse to whoever lacks one of some permissions.

        Raises:
            UnauthenticatedError: No secret was shown.
            ForbiddenError: With everything that is denied.
        """
        if denied := self.lacking(permissions):
            self._authenticated()
            raise ForbiddenError("you may not", [(d.action, str(d.resource)) for d in denied])

    def evaluates_in(self, environment: EnvironmentRef | None) -> EnvironmentRef:
        """Return the environment to evaluate in: the one named, or the one an SDK key implies.

        Raises:
            UnauthenticatedError: No secret was shown.
            ForbiddenError: An SDK key of another environment.
            InvalidInputError: None was named, and a token implies none.
        """
        self._authenticated()
        implied = self.evaluates_only_in
        if implied is None and environment is None:
            message = "name the environment: only an SDK key implies one"
            raise InvalidInputError([Violation(("environment",), message)])
        if implied is not None and environment not in {None, implied}:
            raise ForbiddenError(f"this SDK key evaluates in {implied} only")
        return environment or implied  # type: ignore[return-value]  # not both are None, see above

    @property
    def is_client_side(self) -> bool:
        """Whether it is a client SDK key, for which only flags made available to clients exist."""
        return self.credential is not None and self.credential.kind is CredentialKind.CLIENT_SDK_KEY

    def require_server_side(self) -> None:
        """Refuse client SDK keys, which anybody can read out of an application.

        Raises:
            ForbiddenError: The credential is a client SDK key.
        """
        self._authenticated()
        if self.is_client_side:
            raise ForbiddenError("a client SDK key may only evaluate flags")

    def require_management(self) -> None:
        """Refuse SDK keys, and whoever showed nothing.

        Raises:
            UnauthenticatedError: No secret was shown.
            ForbiddenError: The credential is an SDK key.
        """
        self._authenticated()
        if not self.rights:
            raise ForbiddenError("an SDK key may only evaluate")

    def _authenticated(self) -> None:
        if self.credential is None and not self.rights:
            message = "send a secret: Authorization: Bearer <access token or SDK key>"
            raise UnauthenticatedError(message)


_EVERYTHING = (OWNER_GRANTS.rights({}),)

ANONYMOUS = Principal(actor="anonymous")
SYSTEM = Principal(actor="system", rights=_EVERYTHING)
"""The service itself, at what nobody asked for."""
OPERATOR = Principal(actor="token/command-line", rights=_EVERYTHING)
"""Whoever can read and write the store itself needs no token."""


def on_behalf_of(actor: str, access_token: ActingToken | None) -> Principal:
    """Return the service itself, at what somebody asked for before, by an access token, and was allowed then."""
    return replace(SYSTEM, actor=actor, asked_by=access_token)
