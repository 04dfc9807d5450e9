"""Synced segments: external tools own their lists, and say who joined and who left.

The first word of a cohort creates its segment. Each message is one change of the list, with its record.
"""

import asyncio
import contextlib
import logging
import random
import secrets
import time
from collections.abc import Collection, Mapping, Sequence
from dataclasses import replace
from typing import TypeAlias

from domain.access.principals import Principal, on_behalf_of
from domain.clock import now_ms
from domain.commits import Commit, Delete, Save, kind_of
from domain.errors import (
    AlreadyExistsError,
    DomainError,
    InvalidInputError,
    NotFoundError,
    UnavailableError,
    VersionConflictError,
)
from domain.evaluation.snapshot import Snapshot
from domain.keys import EnvironmentRef
from domain.model.lists import ListMode
from domain.model.projects import Environment
from domain.model.segments import Segment
from domain.model.syncs import ACCEPTED_SYNCS, APPLIED_SYNCS, AcceptedSync, AppliedSync
from domain.ports import Store
from domain.services.cohorts import Cohort, CohortMessage, CohortSync
from domain.services.list_changes import SYNC, ListChanges, NewListChange
from domain.services.list_effects import Effect, next_generation
from domain.services.list_members import write_joined_and_left
from domain.services.repeating import repeat
from domain.services.snapshots import SnapshotService
from domain.services.tries import Tries

_log = logging.getLogger(__name__)

REMEMBERED_DAYS = 7
"""How long it is remembered that a message was applied."""
_LOOK_SECONDS = 1.0
"""How often it is looked whether another process left something to apply."""
_NOT_YET = "the message is kept, and will be applied later: changes of its lists are under way"
_NOT_AT_ALL = "the message could not be applied as a whole: what it is for changed meanwhile; send it again"
_DAY_MS = 86_400_000
_FORGOTTEN_AT_A_TIME = 1_000

_Cohort: TypeAlias = tuple[str, str, str]
"""An environment, an integration and a cohort."""


class SyncService:
    """Takes in what external tools say of their cohorts."""

    def __init__(self, store: Store, snapshots: SnapshotService, changes: ListChanges) -> None:
        self._store = store
        self._snapshots = snapshots
        self._access = snapshots.access
        self._changes = changes
        self._accepted = asyncio.Event()

    async def check_environment(self, principal: Principal, environment: EnvironmentRef) -> Environment:
        """Return an environment, if there is one: tools ask before they are connected.

        Raises:
            NotFoundError: There is none.
            DomainError: As `AccessService.require_sight` says.
        """
        await self._access.require_sight(principal, environment)
        return await self._store.get(Environment, str(environment))

    async def take_in(self, principal: Principal, environment: EnvironmentRef, message: CohortMessage) -> None:
        """Do as a message says, cohort by cohort; each is one change, with its record.

        Nothing is done of a message that cannot be taken in as a whole. One of several cohorts is kept first, as
        `accept` does, so that no crash leaves some of them out.

        Raises:
            NotFoundError: There is no such environment.
            InvalidInputError: The message breaks rules; or a cohort's segment has members of another kind, or
                others have the keys that it could have.
            UnavailableError: Other syncs of a cohort went on and on, or the store is away. What is kept by then
                is applied later.
            DomainError: As `AccessService.require_sight` and `ListChanges.authorize_list` say.
        """
        stored = await self.check_environment(principal, environment)
        syncs = await self._checked(principal, environment, message)
        # Nothing overtakes what is kept.
        if len(syncs) == 1 and not await self._store.list_page(AcceptedSync, ACCEPTED_SYNCS, first=1):
            await self._sync(principal, stored, syncs[0])
            return
        kept = await self._keep(principal, stored, syncs)
        refused = await self._apply_kept({*map(_cohort_of, kept)})
        for accepted in kept:
            if accepted.id in refused:
                raise refused[accepted.id]
            if await self._store.find(AcceptedSync, accepted.id) is not None:
                raise UnavailableError(_NOT_YET)
            # Whoever else looked at what is kept may have been quicker, and have found it impossible.
            if await self._store.find(AppliedSync, _applied(stored, _sync_of(accepted)).id) is None:
                raise UnavailableError(_NOT_AT_ALL)

    async def accept(self, principal: Principal, environment: EnvironmentRef, message: CohortMessage) -> None:
        """Keep a message that can be taken in, to be applied soon, by this process or another.

        Raises:
            DomainError: As `take_in` says.
        """
        stored = await self.check_environment(principal, environment)
        await self._keep(principal, stored, await self._checked(principal, environment, message))
        self._accepted.set()

    async def run(self) -> None:
        """Apply what was accepted until cancelled; what fails is tried again."""
        await repeat(self._apply_next, 0, "applying what was accepted failed")

    async def _apply_next(self) -> None:
        with contextlib.suppress(TimeoutError):
            # Processes that look at different moments seldom meet over the same message.
            async with asyncio.timeout(_LOOK_SECONDS * random.uniform(0.5, 1.5)):  # noqa: S311 - spreads tries, keeps no secret
                await self._accepted.wait()
        self._accepted.clear()
        await self.apply_accepted()

    async def apply_accepted(self) -> None:
        """Apply every message that was accepted, each once, those of a cohort in their order.

        What fails is left for the next time, and keeps no other cohort waiting.

        Raises:
            UnavailableError: The store cannot be reached.
        """
        await self._apply_kept()

    async def _keep(
        self, principal: Principal, environment: Environment, syncs: Sequence[CohortSync]
    ) -> Sequence[AcceptedSync]:
        kept = [_accepted(environment, sync, principal) for sync in syncs]
        await self._store.commit(Commit(writes=tuple(Save(accepted, None) for accepted in kept), entry=None))
        return kept

    async def _apply_kept(self, cohorts: Collection[_Cohort] | None = None) -> Mapping[str, DomainError]:
        """Apply what is kept of some cohorts or (None) of all; return why some of it, by id, cannot be applied.

        It is applied on behalf of who sent it, who was allowed to when it was kept.
        """
        refused: dict[str, DomainError] = {}
        held: set[_Cohort] = set()
        after = ""
        while page := await self._store.list_page(AcceptedSync, ACCEPTED_SYNCS, first=1, after=after):
            [accepted] = page
            after = accepted.id
            place = _cohort_of(accepted)
            if place in held or not (cohorts is None or place in cohorts):
                continue
            sender = on_behalf_of(accepted.actor, accepted.access_token)
            try:
                if error := await self._apply(sender, accepted):
                    refused[accepted.id] = error
            except Exception:  # noqa: BLE001 - whatever it is, other cohorts must not wait for a restart
                held.add(place)
                _log.warning("a message on %s is not applied yet", accepted.source.cohort_id, exc_info=True)
        return refused

    async def forget_applied(self) -> None:
        """Forget that messages were applied which no tool sends again.

        Raises:
            UnavailableError: The store cannot be reached.
        """
        before_ms = now_ms() - REMEMBERED_DAYS * _DAY_MS
        after = ""
        while page := await self._store.list_page(
            AppliedSync, APPLIED_SYNCS, first=_FORGOTTEN_AT_A_TIME, after=after
        ):
            after = page[-1].id
            old = [Delete(applied) for applied in page if applied.applied_ms < before_ms]
            if old:
                with contextlib.suppress(VersionConflictError):  # another process forgets them
                    await self._store.commit(Commit(writes=tuple(old), entry=None))

    async def _checked(
        self, principal: Principal, environment: EnvironmentRef, message: CohortMessage
    ) -> list[CohortSync]:
        """Return what a message says, when it can be taken in as a whole."""
        if violations := await asyncio.to_thread(message.violations):
            raise InvalidInputError(violations)
        syncs = await asyncio.to_thread(message.syncs)
        snapshot = await self._now(environment)
        keys: list[str] = []
        for sync in syncs:
            key = sync.cohort.key_in(snapshot, keys)
            keys.append(key)
            found = snapshot.segments.get(key)
            segment = sync.cohort.new_segment(environment, key) if found is None else found.segment
            await self._changes.authorize_list(principal, segment, is_new=found is None)
        return syncs

    async def _now(self, environment: EnvironmentRef) -> Snapshot:
        revision = (await self._store.revisions()).get(str(environment), 0)
        return await self._snapshots.refresh(environment, revision)

    async def _apply(self, principal: Principal, accepted: AcceptedSync) -> DomainError | None:
        """Apply what is kept, and keep it no longer; return why it cannot be applied, if it cannot."""
        refused: DomainError | None = None
        try:
            environment = await self.check_environment(principal, accepted.environment)
            if accepted.environment_ms != environment.created_ms:  # it was for another that had the name
                raise NotFoundError("environment", environment.id)
            await self._sync(principal, environment, _sync_of(accepted))
        except (UnavailableError, VersionConflictError):
            raise
        except DomainError as error:  # what it was accepted for is gone, or became another thing
            _log.warning("a message on %s cannot be applied: %s", accepted.source.cohort_id, error.message)
            refused = error
        with contextlib.suppress(VersionConflictError):  # somebody else applied it, or recorded why it cannot be
            await self._store.commit(Commit(writes=(Delete(accepted),), entry=None))
            if refused is not None:
                await self._record(principal, accepted, refused)
        return refused

    async def _record(self, principal: Principal, accepted: AcceptedSync, refusal: DomainError) -> None:
        """Leave a failed change in the records of a cohort's list, if it has one, that says why it failed."""
        cohort = _sync_of(accepted).cohort
        with contextlib.suppress(DomainError):  # the refusal itself, too: it ends the change
            snapshot = await self._now(accepted.environment)
            for key in cohort.keys_owned_in(snapshot):
                new = NewListChange(segment_key=key, mode=ListMode.MERGE, action=SYNC)
                async with self._changes.running(principal, accepted.environment, new):
                    raise refusal

    async def _sync(self, principal: Principal, environment: Environment, sync: CohortSync) -> None:
        """Apply it in its turn, once: tools send several messages of one cohort at a time, and some twice."""
        tries = Tries(f"segments of {sync.cohort.source.integration}")
        while True:
            await tries.next()
            try:
                applies = _applied(environment, sync) if sync.message_id else None
                await self._change(principal, await self._now(environment.ref), sync, applies)
            except AlreadyExistsError as error:  # another sync made the segment
                if error.details["kind"] == kind_of(AppliedSync):
                    return
            except NotFoundError as error:  # somebody deleted it
                if error.details["kind"] != "large list":
                    raise
            else:
                return

    async def _change(
        self, principal: Principal, snapshot: Snapshot, sync: CohortSync, applies: AppliedSync | None
    ) -> None:
        """Change a cohort's list, and what is said of it, at one instant; if need be that creates its segment."""
        cohort, environment = sync.cohort, snapshot.environment
        key = cohort.key_in(snapshot)
        new = NewListChange(
            segment_key=key,
            mode=ListMode.MERGE,
            action=SYNC,
            creates=None if key in snapshot.segments else cohort.new_segment(environment, key),
            applies=applies,
        )
        async with self._changes.running(principal, environment, new) as running:
            segment = running.creates
            if segment is None:
                _, segment = await self._changes.find_of(running.change, principal)
            written = await write_joined_and_left(self._store, segment, running, sync.joined, sync.left)
            counts = replace(sync.read, added=written.added, already=written.already, removed=written.removed)
            is_unchanged = segment.generation is not None and counts.change_nothing
            if is_unchanged and cohort.updated(segment) == segment:
                await self._changes.complete_unchanged(principal, running, counts)
                return
            step = next_generation(running.change, counts)

            def next_state(before: Segment) -> Segment:
                return cohort.updated(before if is_unchanged else step(before))

            effect = Effect(
                counts=counts,
                next_state=next_state,
                is_unchanged=is_unchanged,
                check=lambda snapshot: cohort.check_key(snapshot, key),
            )
            await self._changes.take_effect(principal, running, effect)


def _cohort_of(accepted: AcceptedSync) -> _Cohort:
    return str(accepted.environment), accepted.source.integration, accepted.source.cohort_id


def _sync_of(accepted: AcceptedSync) -> CohortSync:
    return CohortSync(
        cohort=Cohort(source=accepted.source, name=accepted.name, context_kind=accepted.context_kind),
        joined=frozenset(accepted.joined),
        left=frozenset(accepted.left),
        read=accepted.read,
        message_id=accepted.message_id,
    )


def _accepted(environment: Environment, sync: CohortSync, sender: Principal) -> AcceptedSync:
    # In the order of acceptance, by this machine's clock.
    id_ = f"{time.time_ns():016x}-{secrets.token_hex(6)}"
    return AcceptedSync(
        id=id_,
        environment=environment.ref,
        environment_ms=environment.created_ms,
        source=sync.cohort.source,
        name=sync.cohort.name,
        context_kind=sync.cohort.context_kind,
        joined=tuple(sync.joined),
        left=tuple(sync.left),
        read=sync.read,
        message_id=sync.message_id or id_,
        actor=sender.actor,
        access_token=sender.acting_token,
    )


def _applied(environment: Environment, sync: CohortSync) -> AppliedSync:
    return AppliedSync(
        environment=environment.ref,
        environment_ms=environment.created_ms,
        integration=sync.cohort.source.integration,
        cohort_id=sync.cohort.source.cohort_id,
        message_id=sync.message_id,
        applied_ms=now_ms(),
    )
