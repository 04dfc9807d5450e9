"""Synced segments: external tools own their lists, and say who joined and who left.

The first word of a cohort creates its segment. Each message is one change of the list, with its record.
"""

import asyncio
import re
import secrets
import time
from collections.abc import Sequence
from dataclasses import dataclass, replace

from domain.access.principals import Principal
from domain.errors import InUseError, InvalidInputError, NotFoundError, UnavailableError, Violation
from domain.keys import EnvironmentRef, key_violation
from domain.model.contexts import is_context_kind
from domain.model.projects import Environment
from domain.model.segments import Segment, SyncSource
from domain.model.targeting import DEFAULT_CONTEXT_KIND
from domain.ports import Delete, Save, Store
from domain.services.editing import Edit, EnvironmentEditor, Snapshots, resource
from domain.services.list_files import member_key_problem
from domain.services.lists import ListService, Sync

_NOT_KEY_CHARACTERS = re.compile(r"[^A-Za-z0-9._-]+")
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


class SyncService:
    """Takes in what external tools say of their cohorts."""

    def __init__(self, store: Store, editor: EnvironmentEditor, lists: ListService) -> None:
        self._store = store
        self._editor = editor
        self._lists = lists

    async def check_environment(self, environment: EnvironmentRef) -> None:
        """Tell whether there is an environment: tools ask before they are connected.

        Raises:
            NotFoundError: There is none.
        """
        await self._store.get(Environment, str(environment))

    async def take_in(self, principal: Principal, environment: EnvironmentRef, message: CohortMessage) -> None:
        """Do as a message says, cohort by cohort; each is done as a whole, and has its record.

        Raises:
            NotFoundError: There is no such environment.
            InvalidInputError: The integration's name or the context kind is malformed, or a segment is not the
                cohort's.
            UnavailableError: Other syncs of a cohort went on and on, or the store is away.
            DomainError: As `Principal.require_management` says.
        """
        principal.require_management("syncSegment", resource(environment, "segment", f"{message.integration}-*"))
        violations = [key_violation(message.integration, ("integration",))]
        if not is_context_kind(message.context_kind):
            violations.append(Violation(("contextKind",), "is not a context kind"))
        if found := [violation for violation in violations if violation]:
            raise InvalidInputError(found)
        cohorts: dict[str, list[CohortMember]] = {}
        for member in message.members:
            cohorts.setdefault(member.cohort_id, []).append(member)
        await self.check_environment(environment)
        keys = [
            await self._segment_of(principal, environment, message, members[-1]) for members in cohorts.values()
        ]
        for key, members in zip(keys, cohorts.values(), strict=True):
            await self._sync(principal, environment, _sync(key, members, message.message_id))

    async def _segment_of(
        self, principal: Principal, environment: EnvironmentRef, message: CohortMessage, cohort: CohortMember
    ) -> str:
        """Return the key of a cohort's segment; create or update the segment, if need be."""
        key = _NOT_KEY_CHARACTERS.sub("-", f"{message.integration}-{cohort.cohort_id}")
        if violation := key_violation(key, ("cohortId",)):
            raise InvalidInputError([violation])

        def decide(snapshots: Snapshots) -> Sequence[Save | Delete]:
            found = snapshots[environment].segments.get(key)
            source = SyncSource(
                integration=message.integration, cohort_id=cohort.cohort_id, cohort_url=cohort.cohort_url
            )
            if found is None:
                segment = Segment(
                    environment=environment,
                    key=key,
                    name=cohort.cohort_name or key,
                    salt=secrets.token_hex(8),
                    unbounded=True,
                    unbounded_context_kind=message.context_kind,
                    sync_source=source,
                )
                return [Save(segment, None)]
            before = found.segment
            owner = before.sync_source
            if owner is None or (owner.integration, owner.cohort_id) != (source.integration, source.cohort_id):
                raise InvalidInputError([Violation(("cohortId",), f"the segment {key!r} is not this cohort's")])
            if before.member_kind != message.context_kind:
                text = f"the segment {key!r} has members of the kind {before.member_kind!r}"
                raise InvalidInputError([Violation(("contextKind",), text)])
            after = replace(
                before,
                name=cohort.cohort_name or before.name,
                sync_source=replace(source, cohort_url=source.cohort_url or owner.cohort_url),
            )
            return [] if after == before else [Save(replace(after, version=before.version + 1), before.version)]

        edit = Edit(
            action="syncSegment",
            resource=resource(environment, "segment", key),
            scope=str(environment),
            decide=decide,
            summary={"integration": message.integration, "cohort": cohort.cohort_id},
        )
        await self._editor.edit(principal, environment, edit)
        return key

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
