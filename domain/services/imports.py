"""Imports flag data into an environment, all or nothing, and exports it.

An import into one environment never changes what a flag serves in another.
"""

import asyncio
from collections import Counter, defaultdict
from collections.abc import Sequence
from dataclasses import asdict, dataclass

from domain.access.needs import change_of
from domain.access.principals import Principal
from domain.clock import now_ms
from domain.errors import AlreadyExistsError, RevisionConflictError, VersionConflictError
from domain.flag_data import FlagData, read_flag_data, write_flag_data
from domain.json import Json
from domain.keys import EnvironmentRef
from domain.model.changes import AuditEntry
from domain.model.flags import Flag
from domain.model.projects import Environment
from domain.model.targeting import Targeting
from domain.ports import Commit, Delete, Store
from domain.services.access import Wanted
from domain.services.audit import told_by
from domain.services.editing import EnvironmentEditor, check_comment
from domain.services.gone_lists import records_of
from domain.services.import_plan import ImportedItem, ImportMode, ImportOutcome, ImportPlan
from domain.services.removals import remove_expired_targets
from domain.services.snapshots import SnapshotService
from domain.services.tries import Tries


@dataclass(frozen=True, slots=True, kw_only=True)
class ImportCounts:
    """How many items had which outcome."""

    created: int
    updated: int
    unchanged: int
    deleted: int


@dataclass(frozen=True, slots=True)
class ImportReport:
    """What an import did, item by item: flags first, then segments, by key.

    Attributes:
        revision: The environment's revision with the import in it.
    """

    environment: EnvironmentRef
    revision: int
    items: Sequence[ImportedItem]

    @property
    def counts(self) -> ImportCounts:
        """How many items had which outcome."""
        return _count(self.items)


def _count(items: Sequence[ImportedItem]) -> ImportCounts:
    counts = Counter(item.outcome.value.lower() for item in items)
    return ImportCounts(**{outcome.value.lower(): counts[outcome.value.lower()] for outcome in ImportOutcome})


class ImportService:
    """Reads and writes whole environments."""

    def __init__(self, store: Store, snapshots: SnapshotService) -> None:
        self._store = store
        self._snapshots = snapshots
        self._editor = EnvironmentEditor(store, snapshots)

    async def import_flag_data(  # noqa: PLR0913 - who imports what, where to, how and why
        self,
        principal: Principal,
        environment: EnvironmentRef,
        data: Json,
        mode: ImportMode,
        *,
        comment: str = "",
        path: tuple[str | int, ...] = (),
    ) -> ImportReport:
        """Import LaunchDarkly's flag data JSON; when it returns, evaluations here know of it.

        Raises:
            InvalidInputError: With every violation, below `path`; nothing was stored.
            NotFoundError: There is no such environment.
            DomainError: As `AccessService.require_sight` and `authorize` say.
        """
        await self._snapshots.access.require_sight(principal, environment, "importFlagData")
        check_comment(comment)
        await self._store.get(Environment, str(environment))
        read = await asyncio.to_thread(read_flag_data, data, environment, path)
        begun_ms = now_ms()
        tries = Tries(str(environment))
        while True:
            await tries.next()
            plan = await self._plan(environment, read, mode)
            segments = plan.state.segments.values()
            if expired := [segment.key for segment in segments if segment.at(begun_ms) is not segment]:
                for key in expired:  # what is due to be removed is not the import's doing
                    await remove_expired_targets(self._editor, environment, key)
                continue
            await self._snapshots.access.authorize(principal, _wanted(plan))
            if not plan.writes:
                revision = (await self._store.revisions()).get(str(environment), 0)
                return ImportReport(environment, revision, plan.items)
            records = [record for segment in plan.gone_lists for record in await records_of(self._store, segment)]
            try:
                # To tell what thousands of writes change takes a while; evaluations go on meanwhile.
                commit = await asyncio.to_thread(_commit, principal, plan, mode, comment, records)
                revisions = await self._snapshots.commit(commit)
            except (RevisionConflictError, VersionConflictError, AlreadyExistsError):
                continue  # the environment changed since it was looked at: look again
            for segment in plan.gone_lists:
                await self._store.discard_members(segment.list_id, None)
            return ImportReport(environment, revisions[str(environment)], plan.items)

    async def export_flag_data(self, principal: Principal, environment: EnvironmentRef) -> dict[str, Json]:
        """Export an environment; importing it again gives the same evaluations.

        Raises:
            NotFoundError: There is no such environment.
            DomainError: As `AccessService.require_sight` says.
        """
        await self._snapshots.access.require_sight(principal, environment, "exportFlagData")
        state = await self._store.load_environment(environment)
        await self._store.get(Environment, str(environment))
        now = now_ms()
        return write_flag_data(state.flags.values(), [segment.at(now) for segment in state.segments.values()])

    async def _plan(self, environment: EnvironmentRef, read: FlagData, mode: ImportMode) -> ImportPlan:
        state = await self._store.load_environment(environment)
        # Asked after loading: a deletion that comes later than the answer makes a later revision.
        await self._store.get(Environment, str(environment))
        project_flags = await self._store.list_all(Flag, environment.project)
        used_elsewhere: dict[str, set[EnvironmentRef]] = defaultdict(set)
        for other in await self._store.list_all(Environment, environment.project):
            if other.ref != environment:
                for targeting in await self._store.list_all(Targeting, str(other.ref)):
                    used_elsewhere[targeting.flag_key].add(other.ref)
        plan = ImportPlan(
            state,
            {flag.key: flag for flag in project_flags},
            {key: frozenset(others) for key, others in used_elsewhere.items()},
            mode,
        )
        await asyncio.to_thread(plan.add_all, read)
        return plan


def _wanted(plan: ImportPlan) -> Wanted:
    return Wanted(
        environments=[plan.state.environment],
        changes=[change_of(write, plan.stored) for write in plan.writes],
        flags={flag.id: flag for flag in plan.project_flags.values()},
    )


def _commit(
    principal: Principal, plan: ImportPlan, mode: ImportMode, comment: str, records: Sequence[Delete]
) -> Commit:
    environment = str(plan.state.environment)
    entry, beside = told_by(
        AuditEntry(
            actor=principal.actor,
            action="importFlagData",
            resource=_resource(plan.state.environment),
            scope=environment,
            comment=comment,
            summary={"mode": mode.value, **asdict(_count(plan.items))},
        ),
        plan.writes,
        plan.stored,
    )
    return Commit(
        writes=(*plan.writes, *records, *beside),
        revise=frozenset(map(str, plan.revised)),
        based_on={environment: plan.state.revision},
        entry=entry,
    )


def _resource(environment: EnvironmentRef) -> str:
    return f"proj/{environment.project}:env/{environment.environment}"
