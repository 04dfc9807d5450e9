"""Edits an environment: decided on one revision, committed on that revision, decided again if it has grown.

So no two edits at the same time can break together what neither breaks alone (a circle of segments, say).
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field

from domain.access.principals import Principal
from domain.errors import RevisionConflictError, UnavailableError, VersionConflictError
from domain.evaluation.snapshot import Snapshot
from domain.keys import EnvironmentRef
from domain.model.changes import AuditEntry
from domain.ports import Commit, Delete, Save
from domain.services.snapshots import SnapshotService

_ATTEMPTS = 20


@dataclass(frozen=True, slots=True, kw_only=True)
class Edit:
    """What is to be done to an environment.

    Attributes:
        action: What is done, in the API's word.
        resource: What it is done to, in the words of policies.
        decide: Turns the environment as it is into writes; none if what is wanted holds. Raises DomainError.
        summary: What the audit log's entry says beside, in JSON types.
    """

    action: str
    resource: str
    decide: Callable[[Snapshot], Sequence[Save | Delete]]
    comment: str = ""
    summary: Mapping[str, object] = field(default_factory=dict)


class EnvironmentEditor:
    """Makes edits. The change is served here when it returns."""

    def __init__(self, snapshots: SnapshotService) -> None:
        self._snapshots = snapshots

    async def edit(self, principal: Principal, environment: EnvironmentRef, edit: Edit) -> Snapshot:
        """Make an edit and return the environment with it.

        Raises:
            NotFoundError: There is no such environment.
            DomainError: As `Principal.require_management` and the edit's decision say.
            UnavailableError: The environment kept changing, or the store cannot be reached.
        """
        principal.require_management(edit.action, edit.resource)
        snapshot = await self._snapshots.get(environment)
        scope = str(environment)
        for _ in range(_ATTEMPTS):
            writes = edit.decide(snapshot)
            if not writes:
                return snapshot
            commit = Commit(
                writes=tuple(writes),
                revise=frozenset({scope}),
                based_on={scope: snapshot.revision},
                entry=AuditEntry(
                    actor=principal.actor,
                    action=edit.action,
                    resource=edit.resource,
                    scope=scope,
                    comment=edit.comment,
                    summary=edit.summary,
                ),
            )
            try:
                revisions = await self._snapshots.commit(commit)
            except RevisionConflictError as conflict:
                snapshot = await self._snapshots.refresh(environment, conflict.details["actualVersion"])
            except VersionConflictError:
                # Something outside of the environment, a flag of the project, changed.
                snapshot = await self._snapshots.refresh(environment, snapshot.revision + 1)
            else:
                return await self._snapshots.refresh(environment, revisions[scope])
        raise UnavailableError(f"the environment {environment} kept changing; nothing was stored")
