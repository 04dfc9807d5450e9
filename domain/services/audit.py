"""The audit log: what each change puts into it, and reading it."""

from bisect import bisect_left, bisect_right
from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass, replace
from itertools import chain, islice
from typing import TypeAlias

from domain.access.actions import AccountAction, MemberAction
from domain.access.actors import seen_actors
from domain.access.credentials import Credential
from domain.access.principals import Principal
from domain.access.resources import resource_of
from domain.access.sight import ACCESS_NODES, AccessSight
from domain.commits import ACCESS_SCOPE, PROGRESS, Delete, Entity, Save, kind_of, subject_of
from domain.errors import InvalidInputError, Violation
from domain.keys import EnvironmentRef
from domain.model.changes import AuditEntry, ChangesPage, EntityChange, EntryFilter
from domain.model.differences import Room, changed_fields, changed_rules, changed_targets
from domain.pages import PageRequest, Stretch, cut_stretch, page_bounds, stretch_of
from domain.ports import Store
from domain.services.access import AccessService, SeenProjects

CHANGES_LIMIT = 200
"""How many entities an entry tells of itself."""
ENTRY_CHARACTERS = 200_000
"""How much it tells of all of them together."""
PAGE_LIMIT = 50
"""How many entities a page beside it tells of."""
PAGE_CHARACTERS = 50_000
"""How much a page tells of all of them together."""
_KINDS = {
    **{name: name.lower() for name in ("Project", "Environment", "Flag", "Segment", "Member", "Role")},
    **dict.fromkeys(("AccessToken", "SdkKey"), "credential"),
}
"""The kinds of what has a history, by the names of their types in the graph."""
_THINGS = ("Flag", "Segment", *ACCESS_NODES)
"""Those of which an entry's changes concern one; of the others they may concern all that is in them."""
_NEVER_AGAIN = ("Member", "AccessToken", "SdkKey")
"""Those whose ids no later one has. Another secret of an access token looks like the creation of one."""

FindBefore: TypeAlias = Callable[[Entity], Entity | None]
"""Returns what is stored in the place of an entity that is there."""


def told_by(
    entry: AuditEntry,
    writes: Sequence[Save | Delete],
    find_before: FindBefore,
    stayed: Sequence[int] | None = None,
) -> tuple[AuditEntry, Sequence[Save]]:
    """Return an entry that tells what writes change, with the storing of what it has no room for.

    The entry tells of the first `CHANGES_LIMIT`, pages beside it of the others, by what they change: so the change
    of one thing is found without the others.

    Args:
        entry: The entry.
        writes: The writes.
        find_before: Finds what they change.
        stayed: As `changed_fields` says.
    """
    listed = told(writes)
    others = sorted(listed[CHANGES_LIMIT:], key=lambda write: subject_of(write.entity))
    parts = [others[begin : begin + PAGE_LIMIT] for begin in range(0, len(others), PAGE_LIMIT)]
    pages = [
        ChangesPage(entry_id=entry.id, number=number, changes=_describe_all(part, find_before, PAGE_CHARACTERS))
        for number, part in enumerate(parts)
    ]
    entry = replace(
        entry,
        changes=describe_changes(listed[:CHANGES_LIMIT], find_before, stayed),
        unlisted_count=len(others),
        page_starts=tuple(subject_of(part[0].entity) for part in parts),
    )
    return entry, [Save(page, None) for page in pages]


def describe_changes(
    writes: Sequence[Save | Delete], find_before: FindBefore, stayed: Sequence[int] | None = None
) -> tuple[EntityChange, ...]:
    """Tell what some writes change, in the space that an entry has; `stayed` as `changed_fields` says."""
    return _describe_all(writes, find_before, ENTRY_CHARACTERS, stayed)


def _describe_all(
    writes: Sequence[Save | Delete],
    find_before: FindBefore,
    characters: int,
    stayed: Sequence[int] | None = None,
) -> tuple[EntityChange, ...]:
    changes: list[EntityChange] = []
    for write in writes:
        room = Room(characters)
        changes.append(_describe(write, find_before, room, stayed))
        characters = room.characters
    return tuple(changes)


def _told_id(entity: Entity) -> str:
    if not isinstance(entity, Credential):
        return entity.id
    # Each environment has keys of the same names.
    return entity.name if entity.environment is None else f"{entity.environment}/{entity.name}"


def told(writes: Sequence[Save | Delete]) -> Sequence[Save | Delete]:
    """Return the writes that the log tells of."""
    return [write for write in writes if not isinstance(write.entity, PROGRESS)]


def _describe(
    write: Save | Delete, find_before: FindBefore, room: Room, stayed: Sequence[int] | None
) -> EntityChange:
    entity = write.entity
    before = entity if isinstance(write, Delete) else None
    version_before = entity.version if isinstance(write, Delete) else write.expected_version
    if isinstance(write, Save) and write.expected_version is not None:
        before = find_before(entity)
    after = write.entity if isinstance(write, Save) else None
    change = EntityChange(
        kind=kind_of(type(entity)),
        entity_id=_told_id(entity),
        public_id=entity.public_id if isinstance(entity, Credential) else "",
        version_before=version_before,
        version_after=None if after is None else after.version,
    )
    rules_before, rules_after = (getattr(thing, "rules", ()) for thing in (before, after))
    return replace(
        change,
        rules=changed_rules(rules_before, rules_after, room),
        targets=changed_targets(before, after, room),
        fields=changed_fields(before, after, room, stayed),
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
        """The key of the project that it is about; None if it is about all, or what concerns access."""
        if self.access_node is not None:
            return None
        if self.node is not None:
            return self.node[1].partition("/")[0]
        return self.project if self.environment is None else self.environment.project

    @property
    def access_node(self) -> tuple[str, str] | None:
        """The node if it is a member, a role, an access token or an SDK key."""
        return self.node if self.node is not None and self.node[0] in ACCESS_NODES else None

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


def subjects_of(type_name: str, entity_id: str) -> Sequence[str]:
    """Return what the entries of a node of the graph are found by (see `Commit.subjects`), its own name last.

    Raises:
        InvalidInputError: Nodes of this type have no history.
    """
    if type_name not in _KINDS:
        message = "is of nothing that has a history: a flag, segment, environment, project, member, role or secret"
        raise InvalidInputError([Violation(("nodeId",), message)])
    if type_name != "Flag":
        return [f"{_KINDS[type_name]}/{entity_id}"]
    # As an environment sees it: its targeting there, and what is the same everywhere.
    project, _, rest = entity_id.partition("/")
    return [f"targeting/{entity_id}", f"flag/{project}/{rest.partition('/')[2]}"]


def _since_creation(entries: Sequence[AuditEntry], subject: str) -> list[AuditEntry]:
    """Return entries, newest first, as far back as the one that created a subject, if that is among them."""
    for index, entry in enumerate(entries):
        if any(change.subject == subject and change.version_before is None for change in entry.changes):
            return list(entries[: index + 1])
    return list(entries)


def _shows(node: tuple[str, str], seen: SeenProjects, sight: AccessSight) -> bool:
    """Tell whether somebody sees the entries of a node that concerns access.

    Those of an SDK key are of its project. All others are of none, and so are those of what is gone: for whoever
    sees all of the log, unless the node is there and he may not view it.
    """
    if seen.sees_all:
        return not sight.hides(*node)
    return node[0] == "SdkKey" and sight.node(*node) is not None


def _pages_of(subject: str, entry: AuditEntry) -> range:
    """Return the numbers of the pages beside an entry that may tell of a subject, of which it may tell itself."""
    starts = entry.page_starts
    return range(max(bisect_left(starts, subject) - 1, 0), bisect_right(starts, subject))


class AuditService:
    """Reads the audit log, newest first: of projects that one may view; all of it with a permission of its own."""

    def __init__(self, store: Store, access: AccessService) -> None:
        self._store = store
        self._access = access

    async def log(self, principal: Principal, wanted: AuditFilter, page: PageRequest) -> Stretch[AuditEntry]:
        """Page through the entries that pass a filter.

        Who does not see all of the log sees of a project what was done since it was created. Of whom he may not
        view he sees no name, and by that name nothing is found.

        Raises:
            InvalidInputError: As `AuditFilter.to_entries` and `cut_stretch` say.
            DomainError: As `AccessService.seen_projects` and the store say.
        """
        seen = await self._access.seen_projects(principal, AccountAction.VIEW_AUDIT_LOG)
        entries = wanted.to_entries()
        if (key := wanted.project_key) is not None:
            entries = replace(entries, since_ms=max(wanted.since_ms or 0, seen.since_ms(key)))
        [is_seen] = await self._visible(principal, [wanted], seen)
        if not is_seen:
            is_of_all = key is None and wanted.access_node is None
            since_ms = {f"project/{one}": at for one, at in seen.created_ms.items()} if is_of_all else {}
            entries = replace(entries, subjects=since_ms.keys(), subjects_since_ms=since_ms)
        if (actor := wanted.actor) and seen_actors([actor], principal, self._access.known)[actor] != actor:
            entries = replace(entries, subjects=())
        is_of_thing = wanted.node is not None and wanted.node[0] in _THINGS

        async def read(first: int, after: str) -> Sequence[AuditEntry]:
            found = await self._store.list_entries(None, first=first, before=after, wanted=entries)
            found = self._as_seen(principal, found)
            if not is_of_thing:
                return found
            return [await self._only_of(entry, entries.subjects or (), {}) for entry in found]

        return await cut_stretch(read, page, lambda entry: entry.id)

    async def histories(
        self, principal: Principal, nodes: Sequence[tuple[str, str]], page: PageRequest
    ) -> list[Stretch[AuditEntry]]:
        """Page alike through what changed each of several nodes, as `log` does, with one question to the store.

        A history begins with the creation of its node: what had the key before was another thing.

        Raises:
            InvalidInputError: As `AuditFilter.to_entries` and `cut_stretch` say.
            DomainError: As `AccessService.seen_projects` and the store say.
        """
        seen = await self._access.seen_projects(principal, AccountAction.VIEW_AUDIT_LOG)
        wanted = [AuditFilter(node=node) for node in nodes]
        subjects = [subjects_of(*node) for node in nodes]
        visible = await self._visible(principal, wanted, seen)
        asked = [of_node if is_seen else () for of_node, is_seen in zip(subjects, visible, strict=True)]
        first, after = page_bounds(page)
        found = await self._store.latest_entries(asked, first=first + 1, before=after or "")
        starts = [seen.since_ms(node.project_key or "") for node in wanted]
        found = [
            [entry for entry in entries if entry.at_ms >= since_ms]
            for entries, since_ms in zip(found, starts, strict=True)
        ]
        redacted = iter(self._as_seen(principal, [*chain.from_iterable(found)]))
        found = [list(islice(redacted, len(entries))) for entries in found]
        pages: dict[str, ChangesPage] = {}
        for index, (type_name, _) in enumerate(nodes):
            if type_name in _THINGS:
                found[index] = [await self._only_of(entry, subjects[index], pages) for entry in found[index]]
            if type_name not in _NEVER_AGAIN:
                found[index] = _since_creation(found[index], subjects[index][-1])
        return [stretch_of(entries, page, lambda entry: entry.id) for entries in found]

    def _as_seen(self, principal: Principal, entries: Sequence[AuditEntry]) -> list[AuditEntry]:
        """Return entries without the names that somebody may not see, nor how often who may do what changed."""
        found = self._access.with_seen_actors(principal, entries)
        if principal.may(MemberAction.VIEW, resource_of("member", "*")):
            return found
        return [
            replace(entry, revisions={scope: r for scope, r in entry.revisions.items() if scope != ACCESS_SCOPE})
            for entry in found
        ]

    async def _visible(
        self, principal: Principal, wanted: Sequence[AuditFilter], seen: SeenProjects
    ) -> list[bool]:
        """Tell of filters whether somebody sees all that they find, if he sees what they are about.

        Raises:
            DomainError: As `AccessService.sight` says.
        """
        if not any(one.access_node for one in wanted):
            return [seen.includes(one.project_key) for one in wanted]
        sight = await self._access.sight(principal)
        return [
            _shows(node, seen, sight) if (node := one.access_node) else seen.includes(one.project_key)
            for one in wanted
        ]

    async def _only_of(
        self, entry: AuditEntry, subjects: Collection[str], pages: dict[str, ChangesPage]
    ) -> AuditEntry:
        """Return an entry with the changes of some subjects only; the others are counted.

        Args:
            entry: The entry.
            subjects: The subjects.
            pages: The pages beside entries that were read already; those that are read are put in.
        """
        parts = [entry.changes]
        for number in sorted({number for subject in subjects for number in _pages_of(subject, entry)}):
            page_id = ChangesPage.id_of(entry.id, number)
            if page_id not in pages:
                pages[page_id] = await self._store.get(ChangesPage, page_id)
            parts.append(pages[page_id].changes)
        told: dict[str, list[EntityChange]] = {subject: [] for subject in subjects}
        for change in chain.from_iterable(parts):
            if (subject := change.subject) in told:
                told[subject].append(change)
        found = [*chain.from_iterable(told.values())]
        count = len(entry.changes) + entry.unlisted_count
        return replace(entry, changes=tuple(found), unlisted_count=count - len(found))
