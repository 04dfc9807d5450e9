"""Changes: the audit log's entries, one per mutation."""

import secrets
import time
from collections.abc import Mapping
from dataclasses import dataclass, field


def _entry_id() -> str:
    """Return an id whose order is the order of creation, by this machine's clock."""
    return f"{time.time_ns():016x}-{secrets.token_hex(6)}"


@dataclass(frozen=True, slots=True, kw_only=True)
class AuditEntry:
    """Who changed what, when, and why.

    Attributes:
        at_ms: Epoch milliseconds.
        actor: A name for the caller, `token/<name>` or `system`.
        action: What was done, in the API's word (`importFlagData`).
        resource: What it was done to: an id as the model gives it.
        scope: What the entry is listed under: an environment, a project, or "" for the whole service.
        summary: Counts and names of what changed, in JSON types.
        revisions: The revisions that the change produced, by scope; filled in by the store as it commits.
    """

    actor: str
    action: str
    resource: str
    scope: str = ""
    comment: str = ""
    summary: Mapping[str, object] = field(default_factory=dict)
    revisions: Mapping[str, int] = field(default_factory=dict)
    at_ms: int = field(default_factory=lambda: time.time_ns() // 1_000_000)
    id: str = field(default_factory=_entry_id)
    version: int = 1
