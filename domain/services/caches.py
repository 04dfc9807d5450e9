"""Tells how the caches of this process do."""

from collections.abc import Mapping
from dataclasses import dataclass

from domain.access.actions import AccountAction
from domain.access.principals import Principal
from domain.access.resources import ACCOUNT, resource_of
from domain.ports import CacheStatistics, CountedCache


@dataclass(frozen=True, slots=True)
class UnitStatistics:
    """How one unit of what is cached does."""

    unit: str
    counts: CacheStatistics


class CacheService:
    """The caches, by what they keep."""

    def __init__(self, caches: Mapping[str, CountedCache]) -> None:
        self._caches = caches

    def statistics(self, principal: Principal) -> list[UnitStatistics]:
        """Return how each cache did since the process began.

        Raises:
            DomainError: As `Principal.authorize` says.
        """
        principal.authorize(AccountAction.VIEW_CACHE_STATISTICS, resource_of(ACCOUNT))
        return [UnitStatistics(unit, cache.statistics) for unit, cache in self._caches.items()]
