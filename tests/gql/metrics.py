"""What a service tells of itself: its metrics, and how its caches do."""

from collections.abc import Callable

import httpx
from prometheus_client.parser import text_string_to_metric_families

from tests.servers import Server

Series = dict[tuple[str, frozenset[tuple[str, str]]], float]


def scrape(server: Server, *, anew: bool = False) -> Series:
    """Read all series, on a connection of its own if `anew`."""
    answer = server.client.get("/metrics", headers={"Connection": "close"} if anew else {})
    assert answer.status_code == httpx.codes.OK
    assert answer.headers["content-type"].startswith("text/plain; version=0.0.4")
    families = text_string_to_metric_families(answer.text)
    samples = [sample for family in families for sample in family.samples]
    series = {(sample.name, frozenset(sample.labels.items())): sample.value for sample in samples}
    assert len(series) == len(samples)
    return series


def value(series: Series, name: str, **labels: str) -> float:
    return series.get((f"earlybird_{name}", frozenset(labels.items())), 0)


def growth(server: Server, work: Callable[[], object]) -> Callable[..., float]:
    """Do something; return how much a series has grown by it."""
    before = scrape(server)
    work()
    after = scrape(server)
    return lambda name, **labels: value(after, name, **labels) - value(before, name, **labels)


STATISTICS = "{ cacheStatistics { unit counts { entries bytes hits misses evictions } } }"


def statistics(server: Server, unit: str) -> dict[str, int]:
    found = {item["unit"]: item["counts"] for item in server.post(STATISTICS)["cacheStatistics"]}
    counts: dict[str, int] = found[unit]
    return counts
