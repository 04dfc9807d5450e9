"""Contexts that were met and wait to be stored: so many and so much of them that under load there is a sample."""

from collections.abc import Mapping
from itertools import islice
from typing import TypeAlias

from domain.json import Json
from domain.keys import EnvironmentRef
from domain.model.seen_contexts import LARGEST_CHARACTERS, least_characters

MOST_WAITING = 5_000
MOST_CHARACTERS = 16_777_216
"""How long all of them may be together, by `least_characters`."""

Place: TypeAlias = tuple[EnvironmentRef, str, str]
Met: TypeAlias = tuple[Mapping[str, Json], tuple[str, ...]]
"""Attributes, and references to those of them that are private."""
MetAt: TypeAlias = tuple[Met, int]
"""What was met, and when last, in epoch milliseconds."""


class WaitingContexts:
    """A buffer that drops what it has no room for."""

    def __init__(self) -> None:
        self._met: dict[Place, tuple[MetAt, int]] = {}
        self._characters = 0

    def __len__(self) -> int:
        """Return how many wait."""
        return len(self._met)

    def put(self, place: Place, met: Met, at_ms: int) -> None:
        """Take what was met, in the place of what waits there; drop it if there is no room."""
        waiting, before = self._met.get(place, (None, 0))
        # Under load, what there is no room for, or waits already, costs next to nothing.
        if waiting is not None and waiting[0] == met:
            self._met[place] = ((met, at_ms), before)
            return
        if waiting is None and len(self._met) == MOST_WAITING:
            return
        attributes, private = met
        characters = least_characters(attributes) + sum(map(len, private))
        # One that is too long to be stored is not worth the room.
        if characters <= min(LARGEST_CHARACTERS, MOST_CHARACTERS - self._characters + before):
            self._met[place] = ((met, at_ms), characters)
            self._characters += characters - before

    def take(self, count: int) -> dict[Place, MetAt]:
        """Remove those that have waited longest, and return them."""
        taken = dict(islice(self._met.items(), count))
        for place, (_, characters) in taken.items():
            del self._met[place]
            self._characters -= characters
        return {place: met for place, (met, _) in taken.items()}

    def give_back(self, taken: Mapping[Place, MetAt]) -> None:
        """Take in again what was taken, but for what was met anew meanwhile."""
        for place, (met, at_ms) in taken.items():
            if place not in self._met:
                self.put(place, met, at_ms)

    def clear(self) -> None:
        """Drop all."""
        self._met.clear()
        self._characters = 0
