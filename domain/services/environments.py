"""Environments: create, change their details, delete with everything in them."""

import secrets
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace

from domain.access.credentials import Credential, NewSdkKey, new_sdk_keys
from domain.access.principals import Principal
from domain.clock import now_ms
from domain.commits import ACCESS_SCOPE, Delete, Entity, Save
from domain.errors import AlreadyExistsError, InvalidInputError, NotFoundError, Violation
from domain.evaluation.snapshot import Snapshot
from domain.keys import EnvironmentRef
from domain.model.flags import Flag
from domain.model.projects import Environment
from domain.model.segments import Segment
from domain.model.targeting import Targeting, VariationOrRollout
from domain.ports import Store
from domain.services.catalog import EnvironmentCatalog
from domain.services.editing import EnvironmentEditor
from domain.services.edits import Decision, Edit, Snapshots, Writes, below_input
from domain.services.gone_lists import records_of
from domain.services.places import NewPlace, PlaceEdit, PlaceEditor, check_place_version
from domain.services.snapshots import SnapshotService


@dataclass(frozen=True, slots=True)
class CreatedEnvironment:
    """A new environment, with the secrets of its SDK keys, the only time they are known.

    What is in it is asked for later: that may fail, and the secrets must not be lost with it.
    """

    environment: Environment
    sdk_keys: Sequence[NewSdkKey]


class EnvironmentService:
    """Changes environments."""

    def __init__(self, store: Store, snapshots: SnapshotService, editor: EnvironmentEditor) -> None:
        self._store = store
        self._snapshots = snapshots
        self._editor = editor
        self._places = PlaceEditor(store, snapshots)

    async def create(
        self, principal: Principal, project: str, new: NewPlace, comment: str = ""
    ) -> CreatedEnvironment:
        """Create an environment with all flags of its project: off, beginning with their default variations.

        Raises:
            InvalidInputError: With every violation.
            AlreadyExistsError: There is one with this key.
            NotFoundError: There is no such project.
            DomainError: As `EnvironmentEditor.make_project` says.
        """
        await self._editor.access.require_sight(principal, project)
        if violations := new.violations():
            raise below_input(violations)
        environment = Environment(project=project, key=new.wanted_key, name=new.name, tags=new.sorted_tags)
        ref = environment.ref
        sdk_keys = new_sdk_keys(ref)

        def decide(snapshots: Snapshots) -> Decision[None]:
            if ref in snapshots:
                raise AlreadyExistsError("environment", str(ref))
            flags = {key: seen.flag for snapshot in snapshots.values() for key, seen in snapshot.flags.items()}
            targetings = [first_targeting(flag, ref) for flag in flags.values()]
            credentials = [key.credential for key in sdk_keys]
            # Not before whatever had its key is gone.
            created: list[Entity] = [replace(environment, created_ms=now_ms()), *targetings, *credentials]
            return Decision([Save(entity, None) for entity in created])

        edit = Edit(
            action="createEnvironment",
            resource=ref.resource,
            scope=str(ref),
            decide=decide,
            comment=comment,
            revise=frozenset({str(ref), ACCESS_SCOPE}),
        )
        await self._editor.make_project(principal, project, edit)
        return CreatedEnvironment(environment, sdk_keys)

    async def update(
        self, principal: Principal, environment: EnvironmentRef, change: PlaceEdit
    ) -> EnvironmentCatalog:
        """Apply instructions to an environment's details, all or none.

        Raises:
            NotFoundError: There is no such environment.
            DomainError: As `PlaceEditor.edit` says.
        """
        await self._editor.access.require_sight(principal, environment)
        before = await self._store.get(Environment, str(environment))
        after = await self._places.edit(principal, before, change, environment.resource)
        return EnvironmentCatalog(after, await self._snapshots.get(environment))

    async def delete(
        self,
        principal: Principal,
        environment: EnvironmentRef,
        *,
        expected_version: int | None = None,
        comment: str = "",
    ) -> str:
        """Delete an environment with its targeting, segments and SDK keys; return the id that it had.

        Raises:
            NotFoundError: There is no such environment.
            VersionConflictError: It is not at the version expected.
            InvalidInputError: It is the last one of its project.
            DomainError: As `EnvironmentEditor.make_project` says.
        """

        async def decide(snapshots: Snapshots) -> Decision[Snapshot]:
            stored = await self._store.get(Environment, str(environment))
            check_place_version(stored, expected_version)
            if environment not in snapshots:  # it was created a moment ago
                raise NotFoundError("environment", str(environment))
            if len(snapshots) == 1:
                message = "is the last environment of its project: delete the project"
                raise InvalidInputError([Violation(("input", "environment"), message)])
            emptied = snapshots[environment]
            elsewhere = {key for ref, other in snapshots.items() if ref != environment for key in other.flags}
            flags = [seen.flag for key, seen in emptied.flags.items() if key not in elsewhere]
            contents = await contents_of(self._store, emptied)
            return Decision([Delete(stored), *map(Delete, flags), *contents], emptied)

        edit = Edit(
            action="deleteEnvironment",
            resource=environment.resource,
            scope=str(environment),
            decide=decide,
            comment=comment,
            revise=frozenset({ACCESS_SCOPE}),
        )
        _, emptied = await self._editor.make_project(principal, environment.project, edit)
        await forget_contents(self._store, [emptied])
        return str(environment)


def first_targeting(flag: Flag, environment: EnvironmentRef) -> Targeting:
    """Return how an environment targets a flag that is new there: off, with its default variations."""
    defaults = flag.default_variations
    return Targeting(
        environment=environment,
        flag_key=flag.key,
        off_variation=defaults.off_variation,
        fallthrough=VariationOrRollout(variation=defaults.on_variation),
        salt=secrets.token_hex(8),
    )


async def contents_of(store: Store, snapshot: Snapshot) -> Writes:
    """Return the deletion of everything in an environment, its SDK keys too."""
    writes: list[Save | Delete] = [Delete(seen.targeting) for seen in snapshot.flags.values()]
    for seen in snapshot.segments.values():
        writes += await deletion_of(store, seen.segment)
    return [*writes, *map(Delete, await store.list_all(Credential, str(snapshot.environment)))]


async def deletion_of(store: Store, segment: Segment) -> Writes:
    """Return the deletion of a segment, with what goes with its large list."""
    return [Delete(segment), *await records_of(store, segment)]


async def forget_contents(store: Store, emptied: Iterable[Snapshot]) -> None:
    """Forget what is kept beside environments that are gone: the members of large lists, and contexts."""
    for snapshot in emptied:
        await store.forget_contexts(snapshot.environment)
        for segment in snapshot.large_lists:
            await store.discard_members(segment.list_id, None)
