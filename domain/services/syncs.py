"""Synced segments: external tools own their lists, and say who joined and who left.

The first word of a cohort creates its segment. Each message is one change of the list, with its record.
"""

import asyncio
import hashlib
import re
import secrets
import time
from collections.abc import Sequence
from dataclasses import dataclass, replace

from domain.access.actions import SegmentAction
from domain.access.principals import Principal
from domain.errors import (
    AlreadyExistsError,
    InUseError,
    InvalidInputError,
    NotFoundError,
    UnavailableError,
    Violation,
)
from domain.evaluation.snapshot import Snapshot
from domain.keys import KEY_LENGTH_LIMIT, EnvironmentRef, key_violation
from domain.model.contexts import is_context_kind
from domain.model.projects import Environment
from domain.model.segments import Segment, SyncSource, new_list_uid
from domain.model.targeting import DEFAULT_CONTEXT_KIND
from domain.ports import Delete, Entity, Save, Store
from domain.services.editing import Edit, EnvironmentEditor, Snapshots, resource
from domain.services.list_files import member_key_problem
from domain.services.lists import ListService, Sync
from domain.services.snapshots import SnapshotService

_NOT_KEY_CHARACTERS = re.compile(r"[^A-Za-z0-9._-]+")
_HASH_LENGTH = 8
_PATIENCE_SECONDS = 20.0
_PAUSE_SECONDS = 0.02


@dataclass(frozen=True, slots=True, kw_only=True)
class CohortMember:
    """What a tool says of one person; without a key, nothing can be done."""

    user_key: str | None
    cohort_id: str
    cohort_name: str
    is_member: bool
    cohort_url: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class CohortMessage:
    """What a tool says in one request, in its order: the last word of a person in a cohort holds."""

    integration: str
    members: Sequence[CohortMember]
    context_kind: str = DEFAULT_CONTEXT_KIND
    message_id: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class _Cohort:
    """What a message says of a cohort itself."""

    source: SyncSource
    name: str
    context_kind: str

    @classmethod
    def of(cls, message: CohortMessage, member: CohortMember) -> "_Cohort":
        """Read what is said beside one of its members."""
        source = SyncSource(
            integration=message.integration, cohort_id=member.cohort_id, cohort_url=member.cohort_url
        )
        return cls(source=source, name=member.cohort_name, context_kind=message.context_kind)

    @property
    def possible_keys(self) -> list[str]:
        """The keys that its segment may have: one that reads well, if it is short enough, and one of its own."""
        integration, cohort_id = self.source.integration, self.source.cohort_id
        plain = _NOT_KEY_CHARACTERS.sub("-", f"{integration}-{cohort_id}")
        suffix = "-" + hashlib.sha256(f"{integration}/{cohort_id}".encode()).hexdigest()[:_HASH_LENGTH]
        own = plain[: KEY_LENGTH_LIMIT - len(suffix)] + suffix
        return [plain, own] if len(plain) <= KEY_LENGTH_LIMIT else [own]

    def key_in(self, snapshot: Snapshot) -> str:
        """Return the key that its segment has in an environment, or is to have.

        Raises:
            InvalidInputError: Others have the keys that it may have, or its members are of another kind.
        """
        for key in self.possible_keys:
            found = snapshot.segments.get(key)
            if found is not None and self._owns(found.segment):
                if found.segment.member_kind != self.context_kind:
                    text = f"the segment {key!r} has members of the kind {found.segment.member_kind!r}"
                    raise InvalidInputError([Violation(("contextKind",), text)])
                return key
        for key in self.possible_keys:
            if key not in snapshot.segments:
                return key
        text = f"the segment {self.possible_keys[-1]!r} is not this cohort's"
        raise InvalidInputError([Violation(("cohortId",), text)])

    def new_segment(self, environment: EnvironmentRef, key: str) -> Segment:
        """Return its segment as it begins."""
        return Segment(
            environment=environment,
            key=key,
            name=self.name or key,
            salt=secrets.token_hex(8),
            unbounded=True,
            unbounded_context_kind=self.context_kind,
            list_uid=new_list_uid(),
            sync_source=self.source,
        )

    def updated(self, segment: Segment) -> Segment:
        """Return its segment with what is said of the cohort now."""
        known = segment.sync_source.cohort_url if segment.sync_source else ""
        source = replace(self.source, cohort_url=self.source.cohort_url or known)
        return replace(segment, name=self.name or segment.name, sync_source=source)

    def _owns(self, segment: Segment) -> bool:
        owner = segment.sync_source
        ours = self.source
        return owner is not None and (owner.integration, owner.cohort_id) == (ours.integration, ours.cohort_id)


class SyncService:
    """Takes in what external tools say of their cohorts."""

    def __init__(
        self, store: Store, snapshots: SnapshotService, editor: EnvironmentEditor, lists: ListService
    ) -> None:
        self._store = store
        self._snapshots = snapshots
        self._editor = editor
        self._lists = lists

    async def check_environment(self, principal: Principal, environment: EnvironmentRef) -> None:
        """Tell whether there is an environment: tools ask before they are connected.

        Raises:
            NotFoundError: There is none.
            DomainError: As `AccessService.require_sight` says.
        """
        await self._editor.access.require_sight(principal, environment, "syncSegment")
        await self._store.get(Environment, str(environment))

    async def take_in(self, principal: Principal, environment: EnvironmentRef, message: CohortMessage) -> None:
        """Do as a message says, cohort by cohort; each is done as a whole, and has its record.

        Nothing is done of a message that cannot be taken in as a whole.

        Raises:
            NotFoundError: There is no such environment.
            InvalidInputError: The integration's name or the context kind is malformed, or not that of a cohort's
                segment; or others have the keys that a cohort's segment could have.
            UnavailableError: Other syncs of a cohort went on and on, or the store is away.
            DomainError: As `AccessService.require_sight` and `authorize` say.
        """
        await self._editor.access.require_sight(principal, environment, "syncSegment")
        violations = [key_violation(message.integration, ("integration",))]
        if not is_context_kind(message.context_kind):
            violations.append(Violation(("contextKind",), "is not a context kind"))
        if found := [violation for violation in violations if violation]:
            raise InvalidInputError(found)
        cohorts: dict[str, list[CohortMember]] = {}
        for member in message.members:
            cohorts.setdefault(member.cohort_id, []).append(member)
        await self.check_environment(principal, environment)
        named = [_Cohort.of(message, members[-1]) for members in cohorts.values()]
        revision = (await self._store.revisions()).get(str(environment), 0)
        snapshot = await self._snapshots.refresh(environment, revision)
        for cohort in named:
            cohort.key_in(snapshot)
        keys = [await self._put_segment(principal, environment, cohort) for cohort in named]
        for key, members in zip(keys, cohorts.values(), strict=True):
            await self._sync(principal, environment, _sync(key, members, message.message_id))

    async def _put_segment(self, principal: Principal, environment: EnvironmentRef, cohort: _Cohort) -> str:
        """Create a cohort's segment, or update it, if need be; return its key."""
        for key in cohort.possible_keys:
            try:
                await self._editor.edit(principal, environment, _segment_edit(environment, cohort, key))
            except AlreadyExistsError:
                continue
            return key
        text = f"segments of {cohort.source.integration} were created and deleted meanwhile; send it again"
        raise UnavailableError(text)

    async def _sync(self, principal: Principal, environment: EnvironmentRef, sync: Sync) -> None:
        """Apply it in its turn: tools send several messages of one cohort at a time."""
        give_up = time.monotonic() + _PATIENCE_SECONDS
        while True:
            try:
                await self._lists.sync(principal, environment, sync)
            except InUseError as error:
                if time.monotonic() > give_up:
                    text = f"other syncs of {sync.segment_key} went on for {_PATIENCE_SECONDS:g} s; send it again"
                    raise UnavailableError(text) from error
                await asyncio.sleep(_PAUSE_SECONDS)
            else:
                return


def _segment_edit(environment: EnvironmentRef, cohort: _Cohort, key: str) -> Edit:
    """Return the edit that creates a cohort's segment with a key, or updates it, if need be."""
    uses: list[tuple[str, Entity]] = []
    implied: list[Save | Delete] = []

    def decide(snapshots: Snapshots) -> Sequence[Save | Delete]:
        snapshot = snapshots[environment]
        if cohort.key_in(snapshot) != key:
            raise AlreadyExistsError("segment", key)
        if key not in snapshot.segments:
            return [Save(cohort.new_segment(environment, key), None)]
        before = snapshot.segments[key].segment
        after = cohort.updated(before)
        # The tool's name of its cohort comes with the members, and needs no permission of its own.
        uses[:] = [(SegmentAction.UPDATE_INCLUDED, before)]
        implied[:] = [] if after == before else [Save(replace(after, version=before.version + 1), before.version)]
        return implied

    return Edit(
        action="syncSegment",
        resource=resource(environment, "segment", key),
        scope=str(environment),
        decide=decide,
        summary={"integration": cohort.source.integration, "cohort": cohort.source.cohort_id},
        uses=uses,
        implied=implied,
    )


def _sync(key: str, members: Sequence[CohortMember], message_id: str) -> Sync:
    last: dict[str, bool] = {}
    skipped = 0
    for member in members:
        if member.user_key is None or member_key_problem(member.user_key):
            skipped += 1
        else:
            last[member.user_key] = member.is_member
    return Sync(
        segment_key=key,
        joined=frozenset(user for user, is_in in last.items() if is_in),
        left=frozenset(user for user, is_in in last.items() if not is_in),
        skipped=skipped,
        message_id=message_id,
    )


def environment_of(text: str) -> EnvironmentRef:
    """Read the id that tools are given for an environment: `project/environment`.

    Raises:
        NotFoundError: It is none.
    """
    project, separator, environment = text.partition("/")
    if not separator:
        raise NotFoundError("environment", text)
    return EnvironmentRef(project, environment)
