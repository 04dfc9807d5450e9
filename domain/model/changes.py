"""Changes: the audit log's entries, one per mutation, and what each changed in whom."""

import secrets
import time
from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from enum import Enum

from domain.json import Json

_NANOSECONDS_PER_MILLISECOND = 1_000_000
_LATEST = 2**64 - 1
"""The last nanosecond that an id can tell, in the year 2554."""


def _entry_id() -> str:
    """Return an id whose order is the order of creation, by this machine's clock."""
    return f"{time.time_ns():016x}-{secrets.token_hex(6)}"


def first_entry_id(at_ms: int) -> str:
    """Return what no entry's id from this moment on is below, and every earlier one's is."""
    return f"{min(max(at_ms, 0) * _NANOSECONDS_PER_MILLISECOND, _LATEST):016x}"


class RuleChangeKind(Enum):
    """What became of a rule."""

    ADDED = "ADDED"
    REMOVED = "REMOVED"
    CHANGED = "CHANGED"
    MOVED = "MOVED"


@dataclass(frozen=True, slots=True, kw_only=True)
class FieldChange:
    """A field before and after.

    Attributes:
        path: Where, in the API's names: `clauses[0].values`.
        before: None where there was nothing.
        after: None where there is nothing any more.
        is_shortened: The values are too long to be kept whole: of lists what went and what came is kept, as far
            as there is room, of anything else the beginning of its JSON text.
    """

    path: str
    before: Json = None
    after: Json = None
    is_shortened: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class RuleChange:
    """What became of one rule; `fields` are those of the rule, its clauses among them.

    Attributes:
        rule_id: Its id; where it has none of its own, `#` and its place.
        kind: CHANGED covers a rule that was moved as well: compare its places.
    """

    rule_id: str
    kind: RuleChangeKind
    index_before: int | None = None
    index_after: int | None = None
    fields: tuple[FieldChange, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class TargetsChange:
    """Which context keys of a kind came into a list of individual targets, and which went.

    They are counted, and named as far as there is room.

    Attributes:
        target_list: `targets` of a flag; `included` or `excluded` of a segment.
        variation: The place of the variation that a flag's targets are served.
    """

    target_list: str
    context_kind: str
    variation: int | None = None
    added_count: int = 0
    removed_count: int = 0
    added: tuple[str, ...] = ()
    removed: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class EntityChange:
    """What a change did to one entity.

    Attributes:
        kind: `project`, `environment`, `flag`, `targeting`, `segment`, `credential`, `member` or `role`.
        entity_id: Its id among its kind (of a credential its name, and its environment: its id says something of
            the secret).
        public_id: What a credential is found by, whose name others may have had; empty for all else.
        version_before: None if it was created.
        version_after: None if it was deleted.
        omitted_count: How many of its changed fields, rules and lists of targets there was no room for.
    """

    kind: str
    entity_id: str
    public_id: str = ""
    version_before: int | None = None
    version_after: int | None = None
    fields: tuple[FieldChange, ...] = ()
    rules: tuple[RuleChange, ...] = ()
    targets: tuple[TargetsChange, ...] = ()
    omitted_count: int = 0

    @property
    def subject(self) -> str:
        """Name the entity among all kinds: what the entries of its history are found by."""
        return f"{self.kind}/{self.public_id or self.entity_id}"


@dataclass(frozen=True, slots=True, kw_only=True)
class ChangesPage:
    """Changes that are stored beside an entry, which has no room for them: a stretch of them, by subject.

    Attributes:
        number: Its place among the entry's pages, from 0.
    """

    entry_id: str
    number: int
    changes: tuple[EntityChange, ...] = ()
    version: int = 1

    @property
    def id(self) -> str:
        """Identify the page."""
        return self.id_of(self.entry_id, self.number)

    @property
    def scope(self) -> str:
        """Name what it is listed under: its entry."""
        return self.entry_id

    @staticmethod
    def id_of(entry_id: str, number: int) -> str:
        """Return the id of an entry's page."""
        return f"{entry_id}/{number:06}"


@dataclass(frozen=True, slots=True)
class ActingToken:
    """The access token by which a change was made: its public id, and the name that it had then."""

    id: str
    name: str


@dataclass(frozen=True, slots=True, kw_only=True)
class AuditEntry:
    """Who changed what, when, and why.

    Attributes:
        actor: A name for the caller: `member/<email>`, `token/<name>` or `system`.
        access_token: By which access token; None if by none, as what the service does itself.
        action: What was done, in the API's word (`importFlagData`).
        resource: What it was done to: an id as the model gives it.
        scope: What the entry is listed under: an environment, a project, or "" for the whole service.
        summary: Counts and names of what changed, in JSON types.
        changes: What changed in whom, as far as there is room.
        unlisted_count: How many more entities changed.
        page_starts: The first subject of each page that tells of those.
        revisions: The revisions that the change produced, by scope; filled in by the store as it commits.
        id: Begins with the moment of the change, in nanoseconds.
    """

    actor: str
    action: str
    resource: str
    scope: str = ""
    comment: str = ""
    access_token: ActingToken | None = None
    summary: Mapping[str, object] = field(default_factory=dict)
    changes: tuple[EntityChange, ...] = ()
    unlisted_count: int = 0
    page_starts: tuple[str, ...] = ()
    revisions: Mapping[str, int] = field(default_factory=dict)
    id: str = field(default_factory=_entry_id)
    version: int = 1

    @property
    def at_ms(self) -> int:
        """When it was, in epoch milliseconds."""
        return int(self.id[:16], 16) // _NANOSECONDS_PER_MILLISECOND


@dataclass(frozen=True, slots=True)
class ScopeRevision:
    """A revision that a change produced."""

    scope: str
    revision: int


@dataclass(frozen=True, slots=True, kw_only=True)
class EntryFilter:
    """Which audit entries are wanted; None means that the property does not matter.

    Attributes:
        subjects: What the change touched: at least one of these (see `Commit.subjects`).
        subjects_since_ms: From which moment on a change counts as one of a subject; from ever if it is not here.
        since_ms: At this moment or later.
        until_ms: Before this moment.
    """

    subjects: Collection[str] | None = None
    subjects_since_ms: Mapping[str, int] = field(default_factory=dict)
    actor: str | None = None
    action: str | None = None
    since_ms: int | None = None
    until_ms: int | None = None
