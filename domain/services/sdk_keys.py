"""SDK keys: read and rotate them."""

from dataclasses import dataclass

from domain.access.credentials import CredentialKind, NewSdkKey, new_secret
from domain.access.principals import Principal
from domain.access.seen import SeenSdkKey
from domain.access.sight import AccessSight
from domain.commits import Save
from domain.errors import NotFoundError
from domain.keys import EnvironmentRef
from domain.services.access import AccessService
from domain.services.access_editing import AccessEdit, AccessEditor
from domain.services.edits import Decision, below_input
from domain.services.grace import grace_violations, superseded


@dataclass(frozen=True, slots=True)
class SdkKeyWithSecret:
    """An SDK key with its secret, the only time that is known."""

    sdk_key: SeenSdkKey
    secret: str


class SdkKeyService:
    """Reads and changes SDK keys."""

    def __init__(self, access: AccessService, editor: AccessEditor) -> None:
        self._access = access
        self._editor = editor

    async def sdk_keys(self, principal: Principal, environment: EnvironmentRef) -> list[SeenSdkKey]:
        """Return the SDK keys of an environment: those of servers first, those that expire last of their kind.

        Raises:
            DomainError: As `AccessService.sight` says.
        """
        sight = await self._access.sight(principal)
        return sight.sdk_keys(environment)

    async def rotate(
        self,
        principal: Principal,
        environment: EnvironmentRef,
        kind: CredentialKind,
        *,
        grace_ms: int = 0,
        comment: str = "",
    ) -> SdkKeyWithSecret:
        """Give an environment another SDK key; the one that it had, if any, works until the grace period ends.

        Args:
            principal: Who asks.
            environment: Where.
            kind: Which of its two kinds of SDK keys.
            grace_ms: How long that is.
            comment: Why.

        Raises:
            InvalidInputError: With every violation.
            NotFoundError: There is no such environment.
            DomainError: As `AccessEditor.edit` says.
        """
        secret = new_secret(kind)
        created = NewSdkKey(environment, kind, secret).credential

        def decide(sight: AccessSight) -> Decision[None]:
            if sight.directory.environment(environment) is None or not sight.sees_project(environment.project):
                raise NotFoundError("environment", str(environment))
            if violations := grace_violations(grace_ms):
                raise below_input(violations)
            olds = [key.credential for key in sight.sdk_keys(environment) if key.kind is kind]
            return Decision([Save(created, None), *superseded(olds, created, grace_ms)])

        edit = AccessEdit(
            action="rotateSdkKey",
            resource=environment.resource,
            scope=str(environment),
            decide=decide,
            comment=comment,
        )
        sight, _ = await self._editor.edit(principal, edit)
        return SdkKeyWithSecret(SeenSdkKey(created, sight), secret)
