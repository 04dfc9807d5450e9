"""Edits environments: decided on one revision, committed on that revision, decided again if it has grown.

So no two edits at the same time can break together what neither breaks alone (a circle of segments, say).
"""

import asyncio
from collections.abc import Awaitable, Callable, Mapping, Sequence
from functools import partial
from typing import Any, TypeAlias
from weakref import WeakValueDictionary

from domain.access.directory import AccessDirectory
from domain.access.needs import change_of
from domain.access.principals import Principal
from domain.commits import Commit, Delete, Entity, kind_of
from domain.errors import (
    AlreadyExistsError,
    DomainError,
    NotFoundError,
    RevisionConflictError,
    VersionConflictError,
)
from domain.evaluation.snapshot import Snapshot
from domain.keys import EnvironmentRef
from domain.model.changes import AuditEntry
from domain.model.flags import Flag
from domain.model.projects import Environment, Project
from domain.model.segments import Segment
from domain.model.targeting import Targeting
from domain.ports import Store
from domain.services.access import Wanted
from domain.services.audit import FindBefore, told_by
from domain.services.edits import Decision, Edit, Outcome, Snapshots, Writes, check_comment
from domain.services.snapshots import SnapshotService
from domain.services.tries import Tries

_PLACES = {kind_of(Project), kind_of(Environment)}

Revisions: TypeAlias = Mapping[EnvironmentRef, int]


class EnvironmentEditor:
    """Makes edits. The change is served here when it returns.

    What an edit needs is asked of who makes it within the decision, so that nothing can come between.

    Attributes:
        access: The gate that every edit passes.
    """

    def __init__(self, store: Store, snapshots: SnapshotService) -> None:
        self.access = snapshots.access
        self._store = store
        self._snapshots = snapshots
        self._turns: WeakValueDictionary[str, asyncio.Lock] = WeakValueDictionary()  # gone with who holds them

    async def edit(
        self, principal: Principal, environment: EnvironmentRef, edit: Edit[Outcome]
    ) -> tuple[Snapshot, Outcome]:
        """Make an edit of one environment; return it with the edit, and the decision's outcome.

        Raises:
            NotFoundError: There is no such environment.
            DomainError: As `AccessService.require_sight` and `authorize`, and the edit's decision say.
            UnavailableError: The environment kept changing, or the store cannot be reached.
        """
        snapshots, outcome = await self.edit_several(principal, [environment], edit)
        return snapshots[environment], outcome

    async def make(
        self, principal: Principal, environment: EnvironmentRef, edit: Edit[Outcome]
    ) -> tuple[int, Outcome]:
        """Make an edit of one environment; return its revision with the edit, and the decision's outcome.

        That is known though the store goes away before the edit can be served.

        Raises:
            DomainError: As `edit` says.
        """
        revisions, outcome = await self._edit_these(principal, [environment], edit)
        return revisions[environment], outcome

    async def edit_several(
        self, principal: Principal, environments: Sequence[EnvironmentRef], edit: Edit[Outcome]
    ) -> tuple[Snapshots, Outcome]:
        """Make an edit that is decided on several environments of one project; return them with it, as `edit`.

        The revisions of all of them grow: only so does the edit hold on what it was decided on.

        Raises:
            DomainError: As `edit` says.
        """
        revisions, outcome = await self._edit_these(principal, environments, edit)
        return await self._at(revisions), outcome

    async def edit_project(
        self, principal: Principal, project: str, edit: Edit[Outcome]
    ) -> tuple[Snapshots, Outcome]:
        """Make an edit of all environments of a project; return those that are left with it, as `edit`.

        An environment that is created or deleted meanwhile revises all others, so the edit is decided again.

        Raises:
            NotFoundError: There is no such project.
            DomainError: As `edit` says.
        """
        revisions, outcome = await self.make_project(principal, project, edit)
        return await self._at(revisions), outcome

    async def make_project(
        self, principal: Principal, project: str, edit: Edit[Outcome]
    ) -> tuple[Revisions, Outcome]:
        """Make an edit of all environments of a project; return the revisions of those that are left, as `make`.

        Raises:
            DomainError: As `edit_project` says.
        """

        async def all_of_them() -> Sequence[EnvironmentRef]:
            environments = await self._store.list_all(Environment, project)
            if not environments:
                raise NotFoundError("project", project)
            return [environment.ref for environment in environments]

        await self.access.require_sight(principal, project)
        return await self._edit_in_turn(principal, project, all_of_them, edit)

    async def _edit_these(
        self, principal: Principal, environments: Sequence[EnvironmentRef], edit: Edit[Outcome]
    ) -> tuple[Revisions, Outcome]:
        async def these() -> Sequence[EnvironmentRef]:
            return environments

        await self.access.require_sight(principal, environments[0])
        return await self._edit_in_turn(principal, environments[0].project, these, edit)

    async def _edit_in_turn(
        self,
        principal: Principal,
        project: str,
        list_environments: Callable[[], Awaitable[Sequence[EnvironmentRef]]],
        edit: Edit[Outcome],
    ) -> tuple[Revisions, Outcome]:
        """Make an edit; return the revisions that have it, and the decision's outcome."""
        check_comment(edit.comment)
        # Edits of this process take turns, so that only other processes can come between.
        async with self._turns.setdefault(project, asyncio.Lock()):
            revisions: Mapping[str, int] = {}
            tries = Tries(edit.scope)
            while True:
                await tries.next()
                snapshots = await self._those_listed(list_environments, revisions)
                try:
                    decided = edit.decide(snapshots)
                    decision = await decided if isinstance(decided, Awaitable) else decided
                    # To tell what thousands of writes want or change takes a while; evaluations go on meanwhile.
                    find_before = partial(_stored, decision, snapshots, self.access.known)
                    wanted = await asyncio.to_thread(_wanted, decision, snapshots, find_before)
                    await self.access.authorize(principal, wanted)
                except DomainError:
                    # What another process has just done may be the reason; nothing is refused on what was before.
                    if revisions := await self._later(snapshots):
                        continue
                    raise
                if not decision.all_writes:
                    if revisions := await self._later(snapshots):
                        continue
                    return {ref: snapshot.revision for ref, snapshot in snapshots.items()}, decision.outcome
                try:
                    commit = await asyncio.to_thread(_commit, principal, edit, decision, snapshots, find_before)
                    revisions = await self._snapshots.commit(commit)
                except RevisionConflictError as conflict:
                    revisions = {conflict.details["key"]: conflict.details["actualVersion"]}
                except (AlreadyExistsError, VersionConflictError) as conflict:
                    # What is not evaluated, a name or tags, changes without a revision.
                    is_place = isinstance(conflict, VersionConflictError) and conflict.details["kind"] in _PLACES
                    if not (is_place or edit.rereads):
                        raise
                else:
                    removed = _removed(decision.writes)
                    made = {ref: revisions[str(ref)] for ref in snapshots if ref not in removed}
                    return made, decision.outcome

    async def _those_listed(
        self, list_environments: Callable[[], Awaitable[Sequence[EnvironmentRef]]], revisions: Mapping[str, int]
    ) -> Snapshots:
        """Return the environments of a list at these revisions or later."""
        while True:
            environments = await list_environments()
            try:
                return await self._at({ref: revisions.get(str(ref), 0) for ref in environments})
            except NotFoundError:
                # One that has been deleted since is listed no more.
                if await list_environments() == environments:
                    raise

    async def _later(self, snapshots: Snapshots) -> Mapping[str, int]:
        """Return the store's revisions if one of them is later than its snapshot, else none."""
        stored = await self._store.revisions()
        is_later = any(stored.get(str(ref), 0) > snapshot.revision for ref, snapshot in snapshots.items())
        return stored if is_later else {}

    async def _at(self, revisions: Revisions) -> Snapshots:
        """Return environments at these revisions or later."""
        return {ref: await self._snapshots.refresh(ref, revision) for ref, revision in revisions.items()}


def _wanted(decision: Decision[Any], snapshots: Snapshots, find_before: FindBefore) -> Wanted:
    changes = [change_of(write, find_before) for write in decision.writes]
    return Wanted(
        environments=snapshots.keys(),
        changes=changes,
        flags={flag.id: flag for flag in decision.flags.values()}
        | {
            seen.flag.id: seen.flag
            for thing in (*(change.entity for change in changes), *(thing for _, thing in decision.uses))
            for snapshot in snapshots.values()
            if (seen := snapshot.flags.get(_flag_key(thing))) is not None
        },
        uses=decision.uses,
    )


def _flag_key(thing: Entity) -> str:
    return thing.flag_key if isinstance(thing, Targeting) else thing.key if isinstance(thing, Flag) else ""


def _commit(
    principal: Principal, edit: Edit[Any], decision: Decision[Any], snapshots: Snapshots, find_before: FindBefore
) -> Commit:
    writes = decision.all_writes
    entry = AuditEntry(
        actor=principal.actor,
        access_token=principal.acting_token,
        action=edit.action,
        resource=edit.resource,
        scope=edit.scope,
        comment=edit.comment,
        summary={**edit.summary, **decision.summary},
    )
    entry, beside = told_by(entry, writes, find_before, decision.removal.stayed)
    return Commit(
        writes=(*writes, *beside),
        revise=frozenset(map(str, snapshots)).union(edit.revise, decision.revise),
        based_on={**decision.based_on} | {str(ref): snapshot.revision for ref, snapshot in snapshots.items()},
        entry=entry,
    )


def _removed(writes: Writes) -> set[EnvironmentRef]:
    """Return the environments that writes delete."""
    return {
        write.entity.ref for write in writes if isinstance(write, Delete) and isinstance(write.entity, Environment)
    }


def _stored(
    decision: Decision[Any], snapshots: Snapshots, directory: AccessDirectory, entity: Entity
) -> Entity | None:
    """Return what is in the place of an entity, as the edit was decided on it, with variations' new places."""
    for snapshot in snapshots.values():
        if isinstance(entity, Flag) and entity.key in snapshot.flags:
            return decision.removal.renumbered(snapshot.flags[entity.key].flag)
        if str(snapshot.environment) == entity.scope:
            if isinstance(entity, Targeting) and entity.flag_key in snapshot.flags:
                return decision.removal.renumbered(snapshot.flags[entity.flag_key].targeting)
            if isinstance(entity, Segment) and entity.key in snapshot.segments:
                return snapshot.segments[entity.key].segment
    return decision.flags.get(entity.key) if isinstance(entity, Flag) else directory.stored(entity)
