"""Imports flag data into an environment, all or nothing, and exports it.

An import into one environment never changes what a flag serves in another.
"""

import asyncio
from collections import Counter, defaultdict
from collections.abc import Sequence
from dataclasses import asdict, dataclass

from domain.access.principals import Principal
from domain.clock import now_ms
from domain.errors import InputPath
from domain.evaluation.references import References, flags_reaching
from domain.evaluation.snapshot import Snapshot
from domain.flag_data import FlagData, read_flag_data, write_flag_data
from domain.json import Json
from domain.keys import EnvironmentRef
from domain.model.flags import Flag
from domain.model.projects import Environment
from domain.model.targeting import Targeting
from domain.ports import EnvironmentState, Store
from domain.services.editing import EnvironmentEditor
from domain.services.edits import Decision, Edit, Snapshots, check_comment
from domain.services.gone_lists import records_of
from domain.services.import_plan import ImportedItem, ImportMode, ImportOutcome, ImportPlan
from domain.services.list_guard import DEFAULT_REMOVAL_PERCENT, ListLoss, check_losses
from domain.services.removals import edit_segments


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


def _losses(snapshot: Snapshot, plan: ImportPlan) -> Sequence[ListLoss]:
    """Return the loss of each list with members that goes, and that flags use as they are or as they are to be."""
    lists = [segment for segment in plan.gone_lists if segment.list_size]
    if not lists:
        return []
    flags, segments = References(plan.targetings), References(plan.segments)
    return [
        ListLoss(segment.key, segment.list_size, segment.list_size)
        for segment in lists
        if snapshot.usage.flags_using(segment.key) or flags_reaching(segment.key, flags, segments)
    ]


class ImportService:
    """Reads and writes whole environments.

    Args:
        store: What is read and written.
        editor: Makes the edits.
        max_removal_percent: As in `ListService`.
    """

    def __init__(
        self, store: Store, editor: EnvironmentEditor, *, max_removal_percent: int = DEFAULT_REMOVAL_PERCENT
    ) -> None:
        self._store = store
        self._editor = editor
        self._max_removal_percent = max_removal_percent

    async def import_flag_data(  # noqa: PLR0913 - who imports what, where to, how and why
        self,
        principal: Principal,
        environment: EnvironmentRef,
        data: Json,
        mode: ImportMode,
        *,
        acknowledge_removal: bool = False,
        comment: str = "",
        path: InputPath = (),
    ) -> ImportReport:
        """Import LaunchDarkly's flag data JSON; when it returns, evaluations here know of it.

        Raises:
            InvalidInputError: With every violation, below `path`; nothing was stored.
            LimitExceededError: It would delete large lists that flags use, and nobody acknowledged that.
            NotFoundError: There is no such environment.
            DomainError: As `AccessService.require_sight` and `authorize` say.
        """
        await self._editor.access.require_sight(principal, environment)
        check_comment(comment)
        await self._store.get(Environment, str(environment))
        read = await asyncio.to_thread(read_flag_data, data, environment, path)

        async def decide(snapshots: Snapshots) -> Decision[ImportPlan]:
            plan = await self._plan(snapshots[environment], read, mode)
            if not acknowledge_removal:
                losses = await asyncio.to_thread(_losses, snapshots[environment], plan)
                check_losses(losses, self._max_removal_percent)
            records = [record for segment in plan.gone_lists for record in await records_of(self._store, segment)]
            return Decision(
                [*plan.writes, *records],
                plan,
                flags=plan.project_flags,
                revise=[*map(str, plan.revised)],
                summary={"mode": mode.value, **asdict(_count(plan.items))},
            )

        edit = Edit(
            action="importFlagData",
            resource=environment.resource,
            scope=str(environment),
            decide=decide,
            comment=comment,
            rereads=True,
        )
        revision, plan = await edit_segments(self._editor, principal, environment, edit)
        for segment in plan.gone_lists:
            await self._store.discard_members(segment.list_id, None)
        return ImportReport(environment, revision, plan.items)

    async def export_flag_data(self, principal: Principal, environment: EnvironmentRef) -> dict[str, Json]:
        """Export an environment; importing it again gives the same evaluations.

        Raises:
            NotFoundError: There is no such environment.
            DomainError: As `AccessService.require_sight` says.
        """
        await self._editor.access.require_sight(principal, environment)
        state = await self._store.load_environment(environment)
        await self._store.get(Environment, str(environment))
        now = now_ms()
        return write_flag_data(state.flags.values(), [segment.at(now) for segment in state.segments.values()])

    async def _plan(self, snapshot: Snapshot, read: FlagData, mode: ImportMode) -> ImportPlan:
        environment = snapshot.environment
        project_flags = await self._store.list_all(Flag, environment.project)
        used_elsewhere: dict[str, set[EnvironmentRef]] = defaultdict(set)
        for other in await self._store.list_all(Environment, environment.project):
            if other.ref != environment:
                for targeting in await self._store.list_all(Targeting, str(other.ref)):
                    used_elsewhere[targeting.flag_key].add(other.ref)
        segments = {key: segment.segment for key, segment in snapshot.segments.items()}
        plan = ImportPlan(
            EnvironmentState(environment, snapshot.revision, snapshot.flags, segments),
            {flag.key: flag for flag in project_flags},
            {key: frozenset(others) for key, others in used_elsewhere.items()},
            mode,
        )
        await asyncio.to_thread(plan.add_all, read)
        return plan
