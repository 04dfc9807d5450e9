"""Principals: who is asking. Every service asks them before it does anything."""

from dataclasses import dataclass

from domain.access.credentials import Credential, CredentialKind
from domain.errors import ForbiddenError, InvalidInputError, UnauthenticatedError, Violation
from domain.keys import EnvironmentRef


@dataclass(frozen=True, slots=True)
class Principal:
    """The holder of a credential; None is somebody who showed no secret.

    Attributes:
        is_system: Whether it is the service itself, at what nobody asked for.
    """

    credential: Credential | None
    is_system: bool = False

    @property
    def actor(self) -> str:
        """The name that the audit log gives the principal."""
        if self.is_system:
            return "system"
        return f"token/{self.credential.name}" if self.credential else "anonymous"

    def evaluates_in(self, environment: EnvironmentRef | None, action: str) -> EnvironmentRef:
        """Return the environment to evaluate in: the one named, or the one an SDK key implies.

        Raises:
            UnauthenticatedError: No secret was shown.
            ForbiddenError: An SDK key of another environment.
            InvalidInputError: None was named, and a token implies none.
        """
        credential = self._authenticated()
        implied = credential.environment
        if implied is None and environment is None:
            message = "name the environment: only an SDK key implies one"
            raise InvalidInputError([Violation(("environment",), message)])
        if implied is not None and environment not in {None, implied}:
            raise _forbidden(f"this SDK key evaluates in {implied} only", action, str(environment))
        return environment or implied  # type: ignore[return-value]  # not both are None, see above

    @property
    def is_client_side(self) -> bool:
        """Whether it is a client SDK key, for which only flags made available to clients exist."""
        return self.credential is not None and self.credential.kind is CredentialKind.CLIENT_SDK_KEY

    def require_server_side(self, action: str, resource: str) -> None:
        """Refuse client SDK keys, which anybody can read out of an application.

        Raises:
            ForbiddenError: The credential is a client SDK key.
        """
        self._authenticated()
        if self.is_client_side:
            raise _forbidden("a client SDK key may only evaluate flags", action, resource)

    def require_management(self, action: str, resource: str) -> None:
        """Refuse whoever may not manage flags and segments.

        Raises:
            UnauthenticatedError: No secret was shown.
            ForbiddenError: The credential is an SDK key.
        """
        if not self.is_system and self._authenticated().kind is not CredentialKind.OWNER_TOKEN:
            raise _forbidden("an SDK key may only evaluate", action, resource)

    def _authenticated(self) -> Credential:
        if self.credential is None:
            message = "send a secret: Authorization: Bearer <access token or SDK key>"
            raise UnauthenticatedError(message)
        return self.credential


ANONYMOUS = Principal(None)
SYSTEM = Principal(None, is_system=True)


def _forbidden(message: str, action: str, resource: str) -> ForbiddenError:
    return ForbiddenError(f"{message} ({action} on {resource})", action=action, resource=resource)
