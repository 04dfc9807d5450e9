"""The caches: how they do."""

import strawberry

from domain.services.caches import UnitStatistics
from gql.context import Info


@strawberry.type(
    name="SharedCacheStatistics", description="How a process did with the cache that it shares with others."
)
class SharedCacheStatisticsView:
    """View of domain.ports.SharedStatistics."""

    is_away: bool = strawberry.field(description="Whether it does not answer, so that the process does without.")
    hits: float = strawberry.field(description="How many values it had that the process itself had not.")
    misses: float = strawberry.field(description="How many it had not, or not in time.")


@strawberry.type(name="CacheStatistics", description="How a cache did since its process began.")
class CacheStatisticsView:
    """View of domain.ports.CacheStatistics. What may outgrow 32 bits is a Float, which is exact far beyond."""

    entries: int = strawberry.field(description="How many values it holds.")
    bytes: float = strawberry.field(description="About how much memory they take.")
    hits: float = strawberry.field(description="How many values were there.")
    misses: float = strawberry.field(description="How many were not.")
    evictions: float = strawberry.field(description="How many values had to go for others.")
    shared: SharedCacheStatisticsView | None = strawberry.field(
        description="How the shared cache behind it does; null where values are kept in the process only."
    )


@strawberry.type(name="CachedUnit", description="One unit of what is cached.")
class CachedUnitView:
    """View of domain.services.caches.UnitStatistics."""

    unit: str = strawberry.field(
        description="`responses` (answers to evaluation, as they were sent) or `largeLists` (the lists that a "
        "context key is on)."
    )
    counts: CacheStatisticsView = strawberry.field(description="How its cache does.")


@strawberry.type
class CachesQuery:
    """The root of the caches."""

    @strawberry.field(
        graphql_type=list[CachedUnitView],
        description="How the caches of the process that answers do. Needs `viewCacheStatistics`.",
    )
    def cache_statistics(self, info: Info) -> list[UnitStatistics]:
        """Ask the cache service."""
        return info.context.services.caches.statistics(info.context.principal)
