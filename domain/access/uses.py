"""When credentials were last shown: noted in memory as it happens, stored now and then."""

from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass

from domain.access.credentials import Credential
from domain.clock import now_ms


@dataclass(frozen=True, slots=True, kw_only=True)
class CredentialUse:
    """About when a credential was last shown. It stands beside that, so that to note a use changes nothing else.

    Attributes:
        id: The credential's public id.
    """

    id: str
    at_ms: int
    version: int = 1

    @property
    def scope(self) -> str:
        """Uses stand under nothing."""
        return ""


class CredentialUses:
    """What this process knows of uses: those that it met, and those that were stored when it last looked."""

    def __init__(self) -> None:
        self._met: dict[str, int] = {}
        self._stored: Mapping[str, int] = {}

    def note(self, credential: Credential) -> None:
        """Take note that a credential was shown; there are no more notes than credentials."""
        self._met[credential.public_id] = now_ms()

    def last_used_ms(self, public_id: str) -> int | None:
        """Return about when a credential was last shown, if it was."""
        moments = [uses[public_id] for uses in (self._met, self._stored) if public_id in uses]
        return max(moments, default=None)

    def know(self, stored: Iterable[CredentialUse], public_ids: Collection[str]) -> None:
        """Take in what is stored; forget credentials that are gone."""
        self._stored = {use.id: use.at_ms for use in stored if use.id in public_ids}
        self._met = {public_id: at_ms for public_id, at_ms in self._met.items() if public_id in public_ids}

    def later(self) -> list[tuple[str, int]]:
        """Return what was met and is not stored yet."""
        return [(key, at_ms) for key, at_ms in self._met.items() if at_ms > self._stored.get(key, -1)]
