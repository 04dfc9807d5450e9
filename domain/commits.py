"""What is stored, and the changes of it: entities, and commits of what is written of them."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TypeVar

from domain.access.credentials import Credential
from domain.access.members import Member
from domain.access.roles import Role
from domain.access.uses import CredentialUse
from domain.model.changes import AuditEntry, ChangesPage
from domain.model.flags import Flag
from domain.model.lists import ListChange
from domain.model.projects import Environment, Project
from domain.model.segments import Segment
from domain.model.syncs import AcceptedSync, AppliedSync
from domain.model.targeting import Targeting

Entity = (
    Project
    | Environment
    | Flag
    | Targeting
    | Segment
    | Credential
    | Member
    | Role
    | ListChange
    | AcceptedSync
    | AppliedSync
    | CredentialUse
    | ChangesPage
)
E = TypeVar(
    "E",
    Project,
    Environment,
    Flag,
    Targeting,
    Segment,
    Credential,
    Member,
    Role,
    ListChange,
    AcceptedSync,
    AppliedSync,
    CredentialUse,
    ChangesPage,
)
PROGRESS = (ListChange, AcceptedSync, AppliedSync, CredentialUse)
"""How far changes have come, and what was used: no change of anything that the audit log tells of."""

ACCESS_SCOPE = "access"


def kind_of(entity_type: type) -> str:
    """Name a class of entities in storage, in the audit log and in errors: `flag`."""
    return entity_type.__name__.lower()


def subject_of(entity: Entity) -> str:
    """Name an entity among all kinds: what the entries of its history are found by.

    Credentials go by their public ids: their own say something of secrets.
    """
    entity_id = entity.public_id if isinstance(entity, Credential) else entity.id
    return f"{kind_of(type(entity))}/{entity_id}"


@dataclass(frozen=True, slots=True)
class Save:
    """Store `entity` as it is, its new version included.

    Attributes:
        expected_version: The version that must be stored now; None if nothing may be stored yet.
    """

    entity: Entity
    expected_version: int | None


@dataclass(frozen=True, slots=True)
class Delete:
    """Remove `entity`, whose version must be the one stored now."""

    entity: Entity


@dataclass(frozen=True, slots=True, kw_only=True)
class Commit:
    """One change: everything in it takes effect at one instant, or nothing does.

    Attributes:
        writes: At most one per entity.
        revise: The scopes whose revision grows by one.
        based_on: Revisions, by scopes that are in `revise`, that must still hold: what the change was decided on.
        entry: The audit log's entry; the store fills in `revisions`. None for what is no mutation: how far one has
            come.
    """

    writes: tuple[Save | Delete, ...]
    revise: frozenset[str] = field(default_factory=frozenset)
    based_on: Mapping[str, int] = field(default_factory=dict)
    entry: AuditEntry | None

    @property
    def subjects(self) -> frozenset[str]:
        """What the change touches, each as `kind/id`: what it writes, and the environments and projects of that.

        A flag that changes does so in every environment that is revised. An environment that is revised only so
        that the change holds on what it was decided on is not touched: its name is `revision/id`.

        How far changes have come is left out, but for the segments of lists; so is what the entry has no room for.
        """
        untold = (ChangesPage, *PROGRESS)
        entities = [write.entity for write in self.writes if not isinstance(write.entity, untold)]
        lists = [write.entity for write in self.writes if isinstance(write.entity, ListChange)]
        saved = [write for write in self.writes if isinstance(write, Save) and write.expected_version is not None]
        changes_flags = any(isinstance(write.entity, Flag) for write in saved)
        places = {*(e.scope for e in entities), *(str(e.environment) for e in lists)}
        places |= {self.entry.scope} if self.entry else set()
        environments = {place for place in places | (self.revise if changes_flags else set()) if "/" in place}
        revised = {place for place in self.revise - environments if "/" in place}
        projects = {place.partition("/")[0] for place in places | self.revise} - {"", ACCESS_SCOPE}
        return frozenset(
            [subject_of(entity) for entity in entities]
            + [f"{kind_of(Segment)}/{change.segment_id}" for change in lists]
            + [f"environment/{environment}" for environment in environments]
            + [f"revision/{environment}" for environment in revised]
            + [f"project/{project}" for project in projects]
        )

    @property
    def ended_list_changes(self) -> list[ListChange]:
        """The changes of large lists that it ends, as they ended."""
        saved = [write.entity for write in self.writes if isinstance(write, Save)]
        return [entity for entity in saved if isinstance(entity, ListChange) and not entity.is_open]
