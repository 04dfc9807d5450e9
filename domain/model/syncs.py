"""What external tools say of their cohorts, on its way into segments, and that it arrived."""

import hashlib
import json
from dataclasses import dataclass

from domain.keys import EnvironmentRef
from domain.model.changes import ActingToken
from domain.model.lists import ListCounts
from domain.model.segments import SyncSource

ACCEPTED_SYNCS = "accepted-syncs"
"""What messages that are still to be applied are listed under."""
APPLIED_SYNCS = "applied-syncs"
"""What messages that were applied are listed under."""


@dataclass(frozen=True, slots=True, kw_only=True)
class AcceptedSync:
    """What a message says of one cohort: it was accepted, and is to be applied, in the order of ids.

    Attributes:
        environment_ms: When the environment was created: another that has its name does not get the message.
        source: The cohort.
        joined: Keys that are in.
        left: Keys that are out.
        read: How many people it names, and which of them were left out.
        message_id: What tells the message from the tool's others.
        actor: Who sent it.
        access_token: By which access token.
    """

    id: str
    environment: EnvironmentRef
    environment_ms: int
    source: SyncSource
    name: str
    context_kind: str
    joined: tuple[str, ...]
    left: tuple[str, ...]
    read: ListCounts
    message_id: str
    actor: str
    access_token: ActingToken | None = None
    version: int = 1

    @property
    def scope(self) -> str:
        """Name what it is listed under."""
        return ACCEPTED_SYNCS


@dataclass(frozen=True, slots=True, kw_only=True)
class AppliedSync:
    """That a message was applied to a cohort. It outlives the segment, so that no repetition makes that again.

    Attributes:
        environment_ms: When the environment was created: to another that has its name, nothing was applied.
    """

    environment: EnvironmentRef
    environment_ms: int
    integration: str
    cohort_id: str
    message_id: str
    applied_ms: int
    version: int = 1

    @property
    def id(self) -> str:
        """Identify it by the environment, and by all that the tool calls it by, which may be of any length."""
        names = json.dumps([self.environment_ms, self.integration, self.cohort_id, self.message_id])
        return f"{self.environment}/{hashlib.sha256(names.encode()).hexdigest()}"

    @property
    def scope(self) -> str:
        """Name what it is listed under."""
        return APPLIED_SYNCS
