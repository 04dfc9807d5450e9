"""Cleans up after scheduled removals: evaluation knows the moment, the stored entry goes a little later."""

import asyncio
import logging
import random
from dataclasses import replace

from domain.access.principals import SYSTEM
from domain.clock import now_ms
from domain.errors import DomainError
from domain.model.segments import Segment
from domain.ports import Save
from domain.services.editing import Edit, EnvironmentEditor, Snapshots, Writes, resource
from domain.services.snapshots import SnapshotService

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
        while True:
            # Processes that look at different moments seldom meet over the same removal.
            await asyncio.sleep(_LOOK_SECONDS * random.uniform(0.5, 1.5))  # noqa: S311 - spreads tries, keeps no secret
            try:
                await self.clean_up()
            except Exception:  # noqa: BLE001 - whatever it is, other removals must not wait for a restart
                _log.exception("cleaning up scheduled removals failed, trying again")

    async def clean_up(self) -> None:
        """Remove every target whose moment has come, with one entry of the audit log for each segment.

        What fails is left for the next time, and keeps no other segment waiting.
        """
        for snapshot in self._snapshots.served:
            for segment in snapshot.removals:
                if segment.at(now_ms()) is not segment:
                    try:
                        await self._clean_up(segment)
                    except DomainError as error:
                        _log.warning("scheduled removals are not cleaned up yet: %s", error.message)

    async def _clean_up(self, segment: Segment) -> None:
        environment = segment.environment

        def decide(snapshots: Snapshots) -> Writes:
            found = snapshots[environment].segments.get(segment.key)
            if found is None:
                return []
            left = found.segment.at(now_ms())
            return [] if left is found.segment else [Save(replace(left, version=left.version + 1), left.version)]

        edit = Edit(
            action="removeExpiredTargets",
            resource=resource(environment, "segment", segment.key),
            scope=str(environment),
            decide=decide,
        )
        await self._editor.edit(SYSTEM, environment, edit)
