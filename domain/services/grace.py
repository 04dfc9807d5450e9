"""Grace periods: how long a secret opens what it did, though another one has taken its place."""

from collections.abc import Iterable
from dataclasses import replace

from domain.access.credentials import Credential
from domain.clock import now_ms
from domain.commits import Delete, Save
from domain.errors import Violation
from domain.services.edits import Writes

GRACE_DAYS_LIMIT = 90
_LIMIT_MS = GRACE_DAYS_LIMIT * 86_400_000


def grace_violations(grace_ms: int) -> list[Violation]:
    """Return what is wrong with a grace period."""
    if 0 <= grace_ms <= _LIMIT_MS:
        return []
    return [Violation(("gracePeriodSeconds",), f"is not between 0 and {GRACE_DAYS_LIMIT} days")]


def superseded(credentials: Iterable[Credential], new: Credential, grace_ms: int) -> Writes:
    """Return how credentials end as a new one takes their place: at once, or as the grace period does.

    What ends before that anyway ends then, and none outlives the new one.
    """
    if not grace_ms:
        return list(map(Delete, credentials))
    end = now_ms() + grace_ms
    return [
        Save(
            replace(
                old,
                superseded=True,
                expires_ms=min(known for known in (old.expires_ms, new.expires_ms, end) if known is not None),
                version=old.version + 1,
            ),
            old.version,
        )
        for old in credentials
    ]
