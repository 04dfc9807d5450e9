"""Cleans up after scheduled removals: evaluation knows the moment, the stored entry goes a little later.

An edit that comes between has it cleaned up first, so that its own entry of the audit log tells of nothing else.
"""

import logging
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import replace
from functools import partial
from typing import TypeVar

from domain.access.principals import SYSTEM, Principal
from domain.clock import now_ms
from domain.commits import Save
from domain.errors import DomainError
from domain.evaluation.snapshot import Snapshot
from domain.keys import EnvironmentRef
from domain.model.segments import Segment
from domain.services.editing import EnvironmentEditor
from domain.services.edits import Decision, Edit, Outcome, Snapshots, resource
from domain.services.repeating import repeat
from domain.services.snapshots import SnapshotService

T = TypeVar("T")

_log = logging.getLogger(__name__)
_LOOK_SECONDS = 1.0
"""How often it is looked whether a moment has come."""


class RemovalService:
    """Removes targets whose moment has come, each once, however many processes do so."""

    def __init__(self, snapshots: SnapshotService, editor: EnvironmentEditor) -> None:
        self._snapshots = snapshots
        self._editor = editor

    async def run(self) -> None:
        """Clean up until cancelled; what fails is tried again."""
        await repeat(self.clean_up, _LOOK_SECONDS, "cleaning up scheduled removals failed")

    async def clean_up(self) -> None:
        """Remove every target whose moment has come, with one entry of the audit log for each segment.

        What fails is left for the next time, and keeps no other segment waiting.
        """
        for snapshot in self._snapshots.served:
            for segment in snapshot.removals:
                if segment.at(now_ms()) is not segment:
                    try:
                        await remove_expired_targets(self._editor, snapshot.environment, segment.key)
                    except DomainError as error:
                        _log.warning("scheduled removals are not cleaned up yet: %s", error.message)


class _ExpiredTargetsError(Exception):
    """An edit was to be decided on targets whose moment had come when it began."""

    def __init__(self, keys: Sequence[str]) -> None:
        super().__init__()
        self.keys = keys


async def edit_segment(
    editor: EnvironmentEditor, principal: Principal, environment: EnvironmentRef, key: str, edit: Edit[Outcome]
) -> tuple[Snapshot, Outcome]:
    """Make an edit of a segment without the targets whose moment has come, which the system removes before.

    Those whose moment comes while it is made are still there for it.

    Raises:
        DomainError: As `EnvironmentEditor.edit` says.
    """
    edits = partial(editor.edit, principal, environment)
    return await _make(editor, environment, edit, edits, lambda segment: segment.key == key)


async def edit_segments(
    editor: EnvironmentEditor, principal: Principal, environment: EnvironmentRef, edit: Edit[Outcome]
) -> tuple[int, Outcome]:
    """Make an edit of any segments of an environment, as `edit_segment` does; return the revision with it.

    Raises:
        DomainError: As `EnvironmentEditor.make` says.
    """
    return await _make(editor, environment, edit, partial(editor.make, principal, environment), lambda _: True)


async def _make(
    editor: EnvironmentEditor,
    environment: EnvironmentRef,
    edit: Edit[Outcome],
    make: Callable[[Edit[Outcome]], Awaitable[T]],
    is_edited: Callable[[Segment], bool],
) -> T:
    begun_ms = now_ms()

    def decide(snapshots: Snapshots) -> Decision[Outcome] | Awaitable[Decision[Outcome]]:
        edited = filter(is_edited, snapshots[environment].removals)
        if expired := [segment.key for segment in edited if segment.at(begun_ms) is not segment]:
            raise _ExpiredTargetsError(expired)
        return edit.decide(snapshots)

    while True:
        try:
            return await make(replace(edit, decide=decide))
        except _ExpiredTargetsError as expired:
            for key in expired.keys:
                await remove_expired_targets(editor, environment, key)


async def remove_expired_targets(editor: EnvironmentEditor, environment: EnvironmentRef, key: str) -> None:
    """Remove a segment's targets whose moment has come, in the system's name; nothing if somebody else did.

    Raises:
        DomainError: As `EnvironmentEditor.edit` says.
    """

    def decide(snapshots: Snapshots) -> Decision[None]:
        found = snapshots[environment].segments.get(key)
        if found is None:
            return Decision()
        left = found.segment.at(now_ms())
        if left is found.segment:
            return Decision()
        return Decision([Save(replace(left, version=left.version + 1), left.version)])

    edit = Edit(
        action="removeExpiredTargets",
        resource=resource(environment, "segment", key),
        scope=str(environment),
        decide=decide,
    )
    await editor.edit(SYSTEM, environment, edit)
