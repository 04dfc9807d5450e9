"""What projects and environments have alike: how new ones are checked, and how their details are edited."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import TypeVar

from domain.access.needs import Change
from domain.access.principals import Principal
from domain.commits import ACCESS_SCOPE, Commit, Save, kind_of
from domain.errors import InputPath, VersionConflictError, Violation
from domain.instructions.clauses import EditScope
from domain.instructions.details import PlaceInstruction, new_name_violations, tag_violations
from domain.keys import key_from_name
from domain.model.changes import AuditEntry, EntityChange
from domain.model.projects import Environment, Project
from domain.ports import Store
from domain.services.access import Wanted
from domain.services.audit import describe_changes
from domain.services.edits import NamedInstruction, apply_all, below_input, check_comment, check_version
from domain.services.snapshots import SnapshotService
from domain.services.tries import Tries

Place = TypeVar("Place", Project, Environment)

_NO_SCOPE = EditScope(frozenset())
"""Names and tags refer to nothing."""


@dataclass(frozen=True, slots=True, kw_only=True)
class NewPlace:
    """A project or an environment to be created; without a key the name gives it."""

    name: str
    key: str | None = None
    tags: Sequence[str] = ()

    @property
    def wanted_key(self) -> str:
        """The key that it is to have."""
        return key_from_name(self.name) if self.key is None else self.key

    @property
    def sorted_tags(self) -> tuple[str, ...]:
        """The tags, each once, sorted."""
        return tuple(sorted(set(self.tags)))

    def violations(self, path: InputPath = ()) -> list[Violation]:
        """Return what is wrong with it, below the path."""
        found = new_name_violations(self.name, self.key) + tag_violations(self.tags, ("tags",))
        return [Violation((*path, *violation.path), violation.message) for violation in found]


@dataclass(frozen=True, slots=True, kw_only=True)
class PlaceEdit:
    """What is to be done to a project or an environment.

    Attributes:
        expected_version: The version that the caller saw; None if any will do.
    """

    instructions: Sequence[NamedInstruction[PlaceInstruction]]
    expected_version: int | None = None
    comment: str = ""

    def apply(self, place: Place) -> Place:
        """Return it with the edit, of the next version; itself if what is wanted holds.

        Raises:
            InvalidInputError: With every violation of every instruction.
            VersionConflictError: It is not at the version expected.
        """
        check_place_version(place, self.expected_version)
        after, violations = apply_all(self.instructions, place, _NO_SCOPE)
        if violations:
            raise below_input(violations)
        return place if after == place else replace(after, version=place.version + 1)


class PlaceEditor:
    """Edits what is not evaluated of projects and environments: only the revision of access grows (their tags)."""

    def __init__(self, store: Store, snapshots: SnapshotService) -> None:
        self._store = store
        self._snapshots = snapshots

    async def edit(self, principal: Principal, place: Place, change: PlaceEdit, resource: str) -> Place:
        """Make an edit of a place, found by its type and id, and return it with the edit.

        Raises:
            NotFoundError: It is gone.
            InvalidInputError: With every violation of every instruction.
            VersionConflictError: It is not at the version expected.
            DomainError: As `AccessService.authorize` and the store say.
        """
        action = f"update{type(place).__name__}"
        check_comment(change.comment)
        tries = Tries(resource)
        while True:
            await tries.next()
            after = change.apply(place)
            if after is place:
                return place
            write = Save(after, place.version)
            await self._snapshots.access.authorize(
                principal, Wanted(environments=(), changes=[Change(place, after)])
            )
            entry = AuditEntry(
                actor=principal.actor,
                access_token=principal.acting_token,
                action=action,
                resource=resource,
                scope=place.id,
                comment=change.comment,
                summary={"instructions": [named.name for named in change.instructions]},
                changes=_changes(place, write),
            )
            try:
                await self._snapshots.commit(
                    Commit(writes=(write,), revise=frozenset({ACCESS_SCOPE}), entry=entry)
                )
            except VersionConflictError:
                place = await self._store.get(type(place), place.id)
            else:
                return after


def _changes(before: Project | Environment, write: Save) -> tuple[EntityChange, ...]:
    return describe_changes([write], lambda _entity: before)


def check_place_version(place: Project | Environment, expected: int | None) -> None:
    """Refuse a place that has changed since the caller saw it.

    Raises:
        VersionConflictError: It is not at the version expected.
    """
    check_version(kind_of(type(place)), place.id, expected=expected, actual=place.version)
