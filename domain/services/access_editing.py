"""Edits who may do what: decided on one revision of the directory, committed on it, decided again if it has grown.

So of two edits at the same time neither breaks what the other rests on, and somebody may always do everything.
"""

import asyncio
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, Generic, TypeVar

from domain.access.directory import AccessDirectory
from domain.access.escalation import escalations
from domain.access.needs import Surroundings, change_of, directory_with, needs
from domain.access.principals import Permission, Principal
from domain.access.resources import Level, Resource
from domain.access.seen import SeenMember, SeenRole, SeenToken
from domain.access.sight import AccessSight
from domain.commits import ACCESS_SCOPE, Commit
from domain.errors import (
    ForbiddenError,
    InvalidInputError,
    NotFoundError,
    RevisionConflictError,
    Violation,
)
from domain.model.changes import AuditEntry
from domain.services.audit import told_by
from domain.services.edits import Decision, Outcome, Writes, check_comment, check_version
from domain.services.snapshots import SnapshotService
from domain.services.tries import Tries

S = TypeVar("S", SeenMember, SeenRole, SeenToken)


@dataclass(frozen=True, slots=True, kw_only=True)
class AccessEdit(Generic[Outcome]):
    """What is to be done.

    Attributes:
        action: What is done, in the API's word.
        resource: What it is done to, in the words of policies.
        decide: Decides it on the directory, as who edits sees it: writes of members, roles and credentials, and an
            outcome. Raises DomainError.
        scope: What the audit log lists it under: an environment, whose revision grows too; or nothing.
    """

    action: str
    resource: str
    decide: Callable[[AccessSight], Decision[Outcome]]
    comment: str = ""
    scope: str = ""
    summary: Mapping[str, object] = field(default_factory=dict)


class AccessEditor:
    """Makes edits of members, roles, access tokens and SDK keys.

    They hold here when it returns; if the store went away right after one, then as soon as it is back.
    """

    def __init__(self, snapshots: SnapshotService) -> None:
        self._snapshots = snapshots
        self._turns = asyncio.Lock()

    async def edit(self, principal: Principal, edit: AccessEdit[Outcome]) -> tuple[AccessSight, Outcome]:
        """Make an edit; return the directory with it, as who made it saw it, and the decision's outcome.

        Raises:
            UnauthenticatedError: No secret was shown.
            ForbiddenError: With everything that is denied, or that would be given without being had; or who may do
                what would change by a secret that was replaced.
            InvalidInputError: Nobody would be left who may do everything.
            DomainError: As the edit's decision and the store say.
        """
        principal.require_management()
        check_comment(edit.comment)
        access = self._snapshots.access
        async with self._turns:  # edits of this process take turns, so that only other processes can come between
            tries = Tries("who may do what")
            while True:
                await tries.next()
                directory = await access.latest()
                sight = AccessSight(directory, access.now(principal), access.uses)
                decision = edit.decide(sight)
                writes = decision.writes
                if not writes:
                    return sight, decision.outcome
                # To compare policies takes a while; evaluations go on meanwhile.
                after = await asyncio.to_thread(_authorized, sight, writes)
                _refuse_without_owner(after)
                try:
                    await self._snapshots.commit(_commit(principal, edit, directory, writes))
                except RevisionConflictError:
                    continue
                # Not asked of the store again, which may be away by now: a secret is answered this once.
                return AccessSight(after, sight.principal, access.uses), decision.outcome


def seen_at(found: S | None, kind: str, key: str, expected_version: int | None = None) -> S:
    """Return what was looked for where it is seen.

    Args:
        found: What was found.
        kind: What it is.
        key: What it was looked for by.
        expected_version: The version that the caller saw; None if any will do.

    Raises:
        NotFoundError: Nothing was found.
        VersionConflictError: It is not at the version expected.
    """
    if found is None:
        raise NotFoundError(kind, key)
    check_version(kind, key, expected=expected_version, actual=found.version)
    return found


def _authorized(sight: AccessSight, writes: Writes) -> AccessDirectory:
    """Return the directory as it becomes with writes, if who looks may make them.

    Raises:
        ForbiddenError: As `AccessEditor.edit` says.
    """
    directory, principal = sight.directory, sight.principal
    changes = [change_of(write, directory.stored) for write in writes]
    needed = needs(changes, Surroundings(directory, {}))
    _refuse(sight, "you may not", principal.lacking(needed))
    if principal.is_replaced:
        # What it gives would outlive it: it would go on in another secret, or another member.
        message = "this secret was replaced: show the one that your access token has now"
        _refuse(sight, message, [permission for permission in needed if permission.gives_access])
    after = directory_with(directory, changes)
    if beyond := escalations(changes, after, principal):
        seen = replace(sight, directory=after)
        told = [lack for granted, lacks in beyond if seen.sees_policy(granted) for lack in lacks]
        raise ForbiddenError(
            "you may not give what you may not do yourself",
            [(lack.action, str(lack.resource)) for lack in dict.fromkeys(told)],
            has_others=not all(seen.sees_policy(granted) for granted, _ in beyond),
        )
    return after


def _refuse(sight: AccessSight, message: str, denied: Sequence[Permission]) -> None:
    """Refuse what is denied, if anything is, by the names that who looks may know.

    Raises:
        ForbiddenError: With everything that is denied.
    """
    if denied:
        raise ForbiddenError(message, [(d.action, str(_as_named(d.resource, sight))) for d in denied])


def _as_named(resource: Resource, sight: AccessSight) -> Resource:
    """Return a thing, which is seen, as it may be named: with `*` for a member who is not."""
    first, *rest = resource.levels
    member = sight.directory.member_with(first.key) if first.type == "member" else None
    if member is None or sight.member(member.id) is not None:
        return resource
    return Resource((Level(first.type, "*"), *rest))


def _refuse_without_owner(directory: AccessDirectory) -> None:
    """Keep the last owner from locking himself out.

    Raises:
        InvalidInputError: No access token that may always do everything would be left.
    """
    if not any(directory.owns(token) and token.expires_ms is None for token in directory.credentials.values()):
        message = "nobody would be left who may always do everything: an owner needs a token that does not expire"
        raise InvalidInputError([Violation(("input",), message)])


def _commit(principal: Principal, edit: AccessEdit[Any], directory: AccessDirectory, writes: Writes) -> Commit:
    entry = AuditEntry(
        actor=principal.actor,
        access_token=principal.acting_token,
        action=edit.action,
        resource=edit.resource,
        scope=edit.scope,
        comment=edit.comment,
        summary=edit.summary,
    )
    entry, beside = told_by(entry, writes, directory.stored)
    return Commit(
        writes=(*writes, *beside),
        # A deletion of the environment at the same time is decided again, with what was written here.
        revise=frozenset({ACCESS_SCOPE, edit.scope} - {""}),
        based_on={ACCESS_SCOPE: directory.revision},
        entry=entry,
    )
