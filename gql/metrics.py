"""Prometheus metrics: what is counted, and how it is read. Nothing else imports prometheus_client.

No label has a value that a client makes up, so that the number of series is bounded (docs/adr/0019). Counters and
histograms are those of all worker processes together, gauges those of the one that answers.
"""

import os
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence

from prometheus_client import CollectorRegistry, Counter, Histogram, disable_created_metrics
from prometheus_client.exposition import choose_encoder
from prometheus_client.metrics_core import GaugeMetricFamily, Metric
from prometheus_client.multiprocess import MultiProcessCollector
from prometheus_client.registry import Collector
from strawberry.types.graphql import OperationType

from domain.commits import Commit
from domain.errors import ErrorCode
from domain.ports import CacheStatistics
from domain.services.caches import UnitStatistics
from domain.services.snapshots import Readiness
from gql.request_record import NOBODY_LEFT

FOLDER = "PROMETHEUS_MULTIPROC_DIR"
"""prometheus_client's own variable: the folder in which the processes of one service count together."""

OTHER = "OTHER"
_CODES = (
    *(code.value for code in ErrorCode),
    "BAD_REQUEST",
    "GRAPHQL_PARSE_FAILED",
    "GRAPHQL_VALIDATION_FAILED",
    "OPERATION_RESOLUTION_FAILURE",
    "PERSISTED_DOCUMENT_NOT_FOUND",
    "PERSISTED_QUERY_NOT_FOUND",
    "PERSISTED_QUERY_NOT_SUPPORTED",
    "PERSISTED_QUERY_ONLY",
    "INTERNAL_SERVER_ERROR",
    OTHER,
)
_SECONDS = (0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 10)
_EMPTY = CacheStatistics(entries=0, bytes=0, hits=0, misses=0, evictions=0)

disable_created_metrics()  # type: ignore[no-untyped-call]  # it has no annotations


class Metrics:
    """What one process counts."""

    def __init__(self) -> None:
        self._registry = counted = CollectorRegistry()
        self._requests = Counter(
            "earlybird_http_requests", "HTTP requests, by route and status.", ["route", "status"], registry=counted
        )
        self._request_seconds = Histogram(
            "earlybird_http_request_duration_seconds",
            "How long HTTP requests took, by route.",
            ["route"],
            buckets=_SECONDS,
            registry=counted,
        )
        self._routes: dict[tuple[str | None, int], tuple[Counter, Histogram]] = {}
        operations = Counter(
            "earlybird_graphql_operations",
            "Operations executed, or answered from the cache.",
            ["type"],
            registry=counted,
        )
        self._operations = {kind: operations.labels(kind.value) for kind in OperationType}
        errors = Counter("earlybird_graphql_errors", "Errors in GraphQL answers.", ["code"], registry=counted)
        self._errors = {code: errors.labels(code) for code in _CODES}
        self._evaluations = Counter(
            "earlybird_evaluations", "Evaluations made; answers from a cache make none.", registry=counted
        )
        self._changes = Counter(
            "earlybird_changes", "Changes committed here, by what was done.", ["action"], registry=counted
        )
        self._list_changes = Counter(
            "earlybird_list_changes",
            "Imports, syncs and edits of large lists that ended here, by how.",
            ["mode", "state"],
            registry=counted,
        )
        self._store_seconds = Histogram(
            "earlybird_store_duration_seconds",
            "How long the store took to answer.",
            ["method"],
            buckets=_SECONDS,
            registry=counted,
        )
        self._store_failures = Counter(
            "earlybird_store_failures", "Questions that the store did not answer.", ["method"], registry=counted
        )
        self._cache_counters = {
            name: Counter(f"earlybird_cache_{name}", text, ["unit"], registry=counted)
            for name, text in (
                ("hits", "Values that a cache had."),
                ("misses", "Values that a cache had not."),
                ("evictions", "Values that had to go from a cache for others."),
            )
        }
        self._shared_counters = {
            name: Counter(f"earlybird_shared_cache_{name}", text, ["unit"], registry=counted)
            for name, text in (
                ("hits", "Values that the shared cache had."),
                ("misses", "Values that the shared cache had not, or not in time."),
                ("write_failures", "Values that the shared cache did not take, or not in time."),
            )
        }
        self._caches: Mapping[str, CacheStatistics] = {}

    def count_request(self, route: str | None, status: int, seconds: float) -> None:
        """Count an HTTP request that was answered; the route is as it is declared, None for what is no route."""
        if (series := self._routes.get((route, status))) is None:
            kind = "none" if status == NOBODY_LEFT else f"{status // 100}xx"
            series = self._requests.labels(route or OTHER, kind), self._request_seconds.labels(route or OTHER)
            self._routes[route, status] = series
        requests, durations = series
        requests.inc()
        durations.observe(seconds)

    def count_operation(self, kind: OperationType) -> None:
        """Count a GraphQL operation that is executed."""
        self._operations[kind].inc()

    def count_errors(self, codes: Iterable[str | None]) -> None:
        """Count the errors of a GraphQL answer, by their codes."""
        for code in codes:
            self._errors[code if code in self._errors else OTHER].inc()

    def count_evaluations(self, number: int) -> None:
        """Count evaluations that are about to be made."""
        self._evaluations.inc(number)

    def count_commit(self, commit: Commit) -> None:
        """Count a commit that holds: the change that it is, and the changes of large lists that end with it."""
        if commit.entry is not None:
            self._changes.labels(commit.entry.action).inc()
        for change in commit.ended_list_changes:
            self._list_changes.labels(change.mode.value, change.state.value).inc()

    def count_store_call(self, method: str, seconds: float, *, failed: bool) -> None:
        """Count a question to the store."""
        self._store_seconds.labels(method).observe(seconds)
        if failed:
            self._store_failures.labels(method).inc()

    def count_caches(self, units: Sequence[UnitStatistics]) -> None:
        """Count what the caches counted since this was last called."""
        for item in units:
            before = self._caches.get(item.unit, _EMPTY)
            for name, counter in self._cache_counters.items():
                counter.labels(item.unit).inc(getattr(item.counts, name) - getattr(before, name))
            for name, counter in self._shared_counters.items() if item.counts.shared else ():
                grown = getattr(item.counts.shared, name) - getattr(before.shared, name, 0)
                counter.labels(item.unit).inc(grown)
        self._caches = {item.unit: item.counts for item in units}

    def write(self, gauges: "Gauges", accept: str) -> tuple[bytes, str]:
        """Return everything in the format that an `Accept` header asks for, and the media type of that."""
        self.count_caches(gauges.caches())
        registry = CollectorRegistry()
        if FOLDER in os.environ:
            MultiProcessCollector(registry)  # type: ignore[no-untyped-call]  # it has no annotations
        else:
            registry.register(self._registry)
        registry.register(gauges)
        encode, media_type = choose_encoder(accept)
        return encode(registry), media_type


class Gauges(Collector):
    """What is as it is at the moment of a scrape, in the process that answers."""

    def __init__(self, readiness: Callable[[], Readiness], caches: Callable[[], Sequence[UnitStatistics]]) -> None:
        self._readiness = readiness
        self.caches = caches

    def collect(self) -> Iterator[Metric]:
        """Read everything now: an environment that was deleted is gone from the next scrape on."""
        readiness = self._readiness()
        ready = GaugeMetricFamily("earlybird_ready", "Whether evaluation works and knows every change.")
        ready.add_metric([], readiness.ready)
        yield ready
        away = GaugeMetricFamily(
            "earlybird_store_away_seconds", "How long the store has been out of reach; 0 while it answers."
        )
        away.add_metric([], readiness.store_away_seconds or 0)
        yield away
        revision = GaugeMetricFamily(
            "earlybird_snapshot_revision", "The revision that is served.", labels=["environment"]
        )
        taken = GaugeMetricFamily(
            "earlybird_snapshot_timestamp_seconds",
            "When it was taken in (its age: time() less this).",
            labels=["environment"],
        )
        for environment, number in readiness.revisions.items():
            revision.add_metric([environment], number)
        for environment, at_ms in readiness.taken_ms.items():
            taken.add_metric([environment], at_ms / 1_000)
        yield from (revision, taken)
        entries = GaugeMetricFamily("earlybird_cache_entries", "Values that a cache holds.", labels=["unit"])
        size = GaugeMetricFamily("earlybird_cache_bytes", "About how much memory they take.", labels=["unit"])
        shared = GaugeMetricFamily(
            "earlybird_shared_cache_away_seconds",
            "How long the shared cache has not answered; 0 while it does.",
            labels=["unit"],
        )
        for item in self.caches():
            if item.counts.shared is not None:
                shared.add_metric([item.unit], item.counts.shared.away_seconds or 0)
            entries.add_metric([item.unit], item.counts.entries)
            size.add_metric([item.unit], item.counts.bytes)
        yield from (entries, size, shared)
