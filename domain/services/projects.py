"""Projects: create with their first environments, change their details, delete with everything in them."""

from collections.abc import Sequence
from dataclasses import dataclass

from domain.access.credentials import NewSdkKey, new_sdk_keys
from domain.access.needs import Change
from domain.access.principals import Principal
from domain.clock import now_ms
from domain.commits import ACCESS_SCOPE, Commit, Delete, Entity, Save
from domain.errors import Violation
from domain.model.changes import AuditEntry
from domain.model.projects import Environment, Project
from domain.ports import Store
from domain.services.access import Wanted
from domain.services.audit import told_by
from domain.services.editing import EnvironmentEditor
from domain.services.edits import Decision, Edit, Snapshots, below_input, check_comment
from domain.services.environments import contents_of, forget_contents
from domain.services.grants import without_project
from domain.services.places import NewPlace, PlaceEdit, PlaceEditor, check_place_version
from domain.services.snapshots import SnapshotService

FIRST_ENVIRONMENTS = (NewPlace(name="Production"), NewPlace(name="Test"))
"""The environments of a project whose creator named none."""


@dataclass(frozen=True, slots=True)
class CreatedProject:
    """A new project, with the secrets of its SDK keys, the only time they are known."""

    project: Project
    sdk_keys: Sequence[NewSdkKey]


class ProjectService:
    """Changes projects."""

    def __init__(self, store: Store, snapshots: SnapshotService, editor: EnvironmentEditor) -> None:
        self._store = store
        self._snapshots = snapshots
        self._editor = editor
        self._places = PlaceEditor(store, snapshots)

    async def create(
        self,
        principal: Principal,
        new: NewPlace,
        environments: Sequence[NewPlace] = FIRST_ENVIRONMENTS,
        comment: str = "",
    ) -> CreatedProject:
        """Create a project with its first environments.

        Raises:
            InvalidInputError: With every violation.
            AlreadyExistsError: There is one with this key.
            DomainError: As `AccessService.authorize` and the store say.
        """
        principal.require_management()
        check_comment(comment)
        if violations := _violations(new, environments):
            raise below_input(violations)
        now = now_ms()
        project = Project(key=new.wanted_key, name=new.name, tags=new.sorted_tags, created_ms=now)
        places = [
            Environment(
                project=project.key,
                key=place.wanted_key,
                name=place.name,
                tags=place.sorted_tags,
                created_ms=now,
            )
            for place in environments
        ]
        sdk_keys = [key for place in places for key in new_sdk_keys(place.ref)]
        created: list[Entity] = [project, *places, *(key.credential for key in sdk_keys)]
        changes = [Change(None, entity) for entity in created]
        await self._snapshots.access.authorize(principal, Wanted(environments=(), changes=changes))
        writes = tuple(Save(entity, None) for entity in created)
        entry, beside = told_by(
            AuditEntry(
                actor=principal.actor,
                access_token=principal.acting_token,
                action="createProject",
                resource=_resource(project.key),
                scope=project.id,
                comment=comment,
            ),
            writes,
            lambda _entity: None,
        )
        revise = frozenset({ACCESS_SCOPE, *(place.id for place in places)})
        await self._snapshots.commit(Commit(writes=(*writes, *beside), revise=revise, entry=entry))
        return CreatedProject(project, sdk_keys)

    async def update(self, principal: Principal, key: str, change: PlaceEdit) -> Project:
        """Apply instructions to a project's details, all or none.

        Raises:
            NotFoundError: There is no such project.
            DomainError: As `PlaceEditor.edit` says.
        """
        await self._snapshots.access.require_sight(principal, key)
        return await self._places.edit(principal, await self._store.get(Project, key), change, _resource(key))

    async def delete(
        self, principal: Principal, key: str, *, expected_version: int | None = None, comment: str = ""
    ) -> str:
        """Delete a project with its flags and environments and everything in those; return the id that it had.

        The roles that somebody has in it go too: a project that gets its key later is another one.

        Raises:
            NotFoundError: There is no such project.
            VersionConflictError: It is not at the version expected.
            DomainError: As `EnvironmentEditor.make_project` says.
        """

        async def decide(snapshots: Snapshots) -> Decision[Snapshots]:
            project = await self._store.get(Project, key)
            check_place_version(project, expected_version)
            flags = {
                flag_key: seen.flag for snapshot in snapshots.values() for flag_key, seen in snapshot.flags.items()
            }
            writes: list[Save | Delete] = [Delete(project), *map(Delete, flags.values())]
            writes += map(Delete, await self._store.list_all(Environment, key))
            for snapshot in snapshots.values():
                writes += await contents_of(self._store, snapshot)
            directory = await self._snapshots.access.latest()
            return Decision(
                writes,
                snapshots,
                implied=without_project(directory, key),
                based_on={ACCESS_SCOPE: directory.revision},
            )

        edit = Edit(
            action="deleteProject",
            resource=_resource(key),
            scope=key,
            decide=decide,
            comment=comment,
            revise=frozenset({ACCESS_SCOPE}),
            rereads=True,
        )
        _, emptied = await self._editor.make_project(principal, key, edit)
        await forget_contents(self._store, emptied.values())
        return key


def _violations(new: NewPlace, environments: Sequence[NewPlace]) -> list[Violation]:
    found = new.violations()
    if not environments:
        found.append(Violation(("environments",), "a project needs at least one"))
    keys = [place.wanted_key for place in environments]
    for index, place in enumerate(environments):
        found += place.violations(("environments", index))
        if place.wanted_key in keys[:index]:
            found.append(Violation(("environments", index, "key"), f"{place.wanted_key!r} comes twice"))
    return found


def _resource(key: str) -> str:
    return f"proj/{key}"
