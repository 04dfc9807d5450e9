"""Tells owners how the caches of this process do."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from domain.access.principals import Principal
from domain.ports import Cache, CacheStatistics


@dataclass(frozen=True, slots=True)
class UnitStatistics:
    """How one unit of what is cached does."""

    unit: str
    counts: CacheStatistics


class CacheService:
    """The caches, by what they keep."""

    def __init__(self, caches: Mapping[str, Cache[Any]]) -> None:
        self._caches = caches

    def statistics(self, principal: Principal) -> list[UnitStatistics]:
        """Return how each cache did since the process began.

        Raises:
            DomainError: As `Principal.require_management` says.
        """
        principal.require_management("cacheStatistics", "service")
        return [UnitStatistics(unit, cache.statistics) for unit, cache in self._caches.items()]
