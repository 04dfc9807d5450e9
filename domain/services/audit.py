"""The audit log: what each change puts into it, and reading it."""

from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass, replace

from domain.access.actions import AccountAction
from domain.access.credentials import Credential
from domain.access.principals import Principal
from domain.errors import InvalidInputError, Violation
from domain.keys import EnvironmentRef
from domain.model.changes import AuditEntry, EntityChange, EntryFilter
from domain.model.differences import Room, changed_fields, changed_rules, changed_targets
from domain.model.lists import ListChange
from domain.pages import PageRequest, Stretch, cut_stretch
from domain.ports import Delete, Entity, Save, Store, kind_of
from domain.services.access import AccessService

CHANGES_LIMIT = 200
"""How many entities an entry tells of."""
ENTRY_CHARACTERS = 200_000
"""How much an entry tells of all of them together."""
_SUBJECT_TYPES = ("Project", "Environment", "Flag", "Segment")


def describe_changes(
    writes: Sequence[Save | Delete], find_before: Callable[[Entity], Entity | None]
) -> tuple[EntityChange, ...]:
    """Tell what writes change, for the first `CHANGES_LIMIT` of them and in bounded space.

    Args:
        writes: The writes.
        find_before: Returns what is stored in the place of an entity that is there.
    """
    characters = ENTRY_CHARACTERS
    changes: list[EntityChange] = []
    for write in told(writes)[:CHANGES_LIMIT]:
        room = Room(characters)
        changes.append(_describe(write, find_before, room))
        characters = room.characters
    return tuple(changes)


def unlisted_count(writes: Sequence[Save | Delete]) -> int:
    """Return how many writes `describe_changes` leaves out."""
    return max(0, len(told(writes)) - CHANGES_LIMIT)


def told(writes: Sequence[Save | Delete]) -> Sequence[Save | Delete]:
    """Return the writes that the log tells of: how far an import has come is no change of anything."""
    return [write for write in writes if not isinstance(write.entity, ListChange)]


def _describe(write: Save | Delete, find_before: Callable[[Entity], Entity | None], room: Room) -> EntityChange:
    entity = write.entity
    before = entity if isinstance(write, Delete) else None
    version_before = entity.version if isinstance(write, Delete) else write.expected_version
    if isinstance(write, Save) and write.expected_version is not None:
        before = find_before(entity)
    after = write.entity if isinstance(write, Save) else None
    change = EntityChange(
        kind=kind_of(type(entity)),
        entity_id=entity.name if isinstance(entity, Credential) else entity.id,
        version_before=version_before,
        version_after=None if after is None else after.version,
    )
    rules_before, rules_after = (getattr(thing, "rules", ()) for thing in (before, after))
    return replace(
        change,
        fields=changed_fields(before, after, room),
        rules=changed_rules(rules_before, rules_after, room),
        targets=changed_targets(before, after, room),
        omitted_count=room.omitted_count,
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class AuditFilter:
    """Which entries are wanted; None means that the property does not matter.

    Attributes:
        project: A project, with everything in it. At most one of this and the next two.
        environment: An environment, with everything in it.
        node: A type of the graph and an id of that type: only what changed this one.
        since_ms: At this moment or later.
        until_ms: Before this moment.
    """

    project: str | None = None
    environment: EnvironmentRef | None = None
    node: tuple[str, str] | None = None
    actor: str | None = None
    action: str | None = None
    since_ms: int | None = None
    until_ms: int | None = None

    @property
    def project_key(self) -> str | None:
        """The key of the project that it is about; None if it is about all."""
        if self.node is not None:
            return self.node[1].partition("/")[0]
        return self.project if self.environment is None else self.environment.project

    def to_entries(self) -> EntryFilter:
        """Return the store's filter.

        Raises:
            InvalidInputError: It names several places, or a node that has no history.
        """
        places = [place for place in (self.project, self.environment, self.node) if place is not None]
        if len(places) > 1:
            message = "name one of project, environment and nodeId"
            raise InvalidInputError([Violation((), message)])
        subjects: Collection[str] | None = None
        if self.project is not None:
            subjects = subjects_of("Project", self.project)
        elif self.environment is not None:
            subjects = subjects_of("Environment", str(self.environment))
        elif self.node is not None:
            subjects = subjects_of(*self.node)
        return EntryFilter(
            subjects=subjects,
            actor=self.actor,
            action=self.action,
            since_ms=self.since_ms,
            until_ms=self.until_ms,
        )


def subjects_of(type_name: str, entity_id: str) -> Collection[str]:
    """Return what the entries of a node of the graph are found by (see `Commit.subjects`).

    Raises:
        InvalidInputError: Nodes of this type have no history.
    """
    if type_name not in _SUBJECT_TYPES:
        raise InvalidInputError(
            [Violation(("nodeId",), "is none of a project, an environment, a flag or a segment")]
        )
    if type_name != "Flag":
        return [f"{type_name.lower()}/{entity_id}"]
    # As an environment sees it: its targeting there, and what is the same everywhere.
    project, _, rest = entity_id.partition("/")
    return [f"targeting/{entity_id}", f"flag/{project}/{rest.partition('/')[2]}"]


class AuditService:
    """Reads the audit log, newest first: of projects that one may view; all of it with a permission of its own."""

    def __init__(self, store: Store, access: AccessService) -> None:
        self._store = store
        self._access = access

    async def log(self, principal: Principal, wanted: AuditFilter, page: PageRequest) -> Stretch[AuditEntry]:
        """Page through the entries that pass a filter.

        Raises:
            InvalidInputError: As `AuditFilter.to_entries` and `cut_stretch` say.
            DomainError: As `AccessService.seen_projects` and the store say.
        """
        seen = await self._access.seen_projects(principal, AccountAction.VIEW_AUDIT_LOG)
        entries = wanted.to_entries()
        if not seen.includes(wanted.project_key):
            keys = seen.keys if wanted.project_key is None else ()
            entries = replace(entries, subjects=[f"project/{key}" for key in keys])
        return await cut_stretch(
            lambda first, after: self._store.list_entries(None, first=first, before=after, wanted=entries),
            page,
            lambda entry: entry.id,
        )
