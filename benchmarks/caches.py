"""What a cache saves: each cached unit as a hit, as a miss, and in a service that keeps nothing; over HTTP.

Two services on one store each, asked by turns; medians are compared: `python -m benchmarks.caches`. The rows of
Redis are those of a service that keeps nothing itself, and finds in Redis what another one has looked up.
"""

import json
import tempfile
import time
from collections.abc import Iterator
from itertools import count, islice, repeat
from pathlib import Path
from statistics import median
from typing import Any

from benchmarks.dataset import CONTEXTS, contexts, flag_data
from benchmarks.http import ALL, MANY, ONE, REQUESTS, WARM, Connections, batched, post
from tests.servers import Server
from tests.storage.redis_server import RedisServer
from tests.storage.servers import MongoServer

ROUNDS = 12
LISTED = ONE.replace("flag-0", "on-a-list")
FILL = """mutation ($keys: [String!]!) { addSegmentMembers(input: {
    environment: {project: "default", environment: "production"}, segmentKey: "list", keys: $keys}) {
    segment { key } } }"""
SHARED = "{ cacheStatistics { counts { shared { hits } } } }"
SETTLED_SECONDS = 2.0
UNITS = {
    "responses: evaluate": (ONE, 1),
    "responses: evaluateFlags, 50 flags": (ALL, 1),
    "responses: evaluateBatch, 10 contexts x 50 flags": (MANY, 10),
}


def main() -> None:
    """Measure every unit, and print each row."""
    with tempfile.TemporaryDirectory() as folder:
        examples = Path(folder) / "flags.json"
        examples.write_text(json.dumps(data_with_a_list()))
        options = ("--examples", str(examples))
        with (
            Server(f"sqlite:///{folder}/kept.db", *options) as keeping,
            Server(f"sqlite:///{folder}/not.db", *options, cache_entries="0") as forgetting,
        ):
            for server in (keeping, forgetting):
                server.post(FILL, keys=[user["key"] for user in contexts()[::2]])["addSegmentMembers"]
            kept, nothing = Connections(keeping.port), Connections(forgetting.port)
            print(f"{'microseconds per request':50} {'hit':>8} {'miss':>8} {'none':>8}   none / hit")
            for name, (query, size) in UNITS.items():
                fresh = new_users()
                warm = [question(query, contexts(CONTEXTS)[n : n + size]) for n in range(WARM)]
                hits = repeat(warm * (REQUESTS // WARM))
                misses = batched((question(query, list(islice(fresh, size))) for _ in count()), REQUESTS)
                print_row(name, kept, nothing, hits, misses)
            # The same keys with other attributes: the answers differ, the lists of the keys do not.
            users = contexts(WARM)
            known = (question(LISTED, [dict(users[n % WARM], visit=n)]) for n in count())
            unknown = (question(LISTED, [user]) for user in new_users())
            rows = (batched(asked, REQUESTS) for asked in (known, unknown))
            print_row("largeLists: evaluate, a flag on a large list", kept, nothing, *rows)
        measure_redis(f"sqlite:///{folder}/shared.db", "SQLite", examples)
        with MongoServer(standalone=False, storage_path=f"{folder}/mongo") as mongo:
            measure_redis(mongo.url("caches"), "MongoDB", examples)


def measure_redis(store: str, name: str, examples: Path) -> None:
    """Measure memberships in Redis, on a store."""
    options = ("--examples", str(examples))
    with (
        RedisServer() as redis,
        Server(store, *options, cache_url=redis.url) as other,
        Server(store, cache_url=redis.url, cache_entries="0") as sharing,
        Server(store, cache_entries="0") as forgetting,
    ):
        other.post(FILL, keys=[user["key"] for user in contexts()[::2]])["addSegmentMembers"]
        time.sleep(SETTLED_SECONDS)  # the others follow
        Connections(other.port).time([question(LISTED, [user]) for user in contexts(WARM)])
        users = contexts(WARM)
        known = (question(LISTED, [dict(users[n % WARM], visit=n)]) for n in count())
        unknown = (question(LISTED, [user]) for user in new_users())
        rows = (batched(asked, REQUESTS) for asked in (known, unknown))
        print_row(
            f"largeLists: the same in Redis, {name}",
            Connections(sharing.port),
            Connections(forgetting.port),
            *rows,
        )
        units = [unit["counts"]["shared"] for unit in sharing.post(SHARED)["cacheStatistics"]]
        hits = sum(shared["hits"] for shared in units if shared)
        print(f"  {hits / ((ROUNDS + 1) * REQUESTS):.0%} of the hits came from Redis in time")


def data_with_a_list() -> dict[str, Any]:
    """Make the standard data set, with a flag on a large list."""
    data = flag_data()
    data["segments"]["list"] = {"key": "list", "unbounded": True}
    clause = {"attribute": "", "op": "segmentMatch", "values": ["list"]}
    data["flags"]["on-a-list"] = {
        "key": "on-a-list",
        "on": True,
        "variations": [True, False],
        "rules": [{"clauses": [clause], "variation": 0}],
        "fallthrough": {"variation": 1},
    }
    return data


def new_users() -> Iterator[dict[str, Any]]:
    """Yield contexts that nobody has asked about."""
    users = contexts()
    return (dict(users[n % CONTEXTS], key=f"new-{n}") for n in count())


def question(query: str, users: list[dict[str, Any]]) -> bytes:
    """Make a request's bytes; a batch takes its contexts as a list."""
    return post("/graphql", query, users if query is MANY else users[0])


def print_row(
    name: str, kept: Connections, nothing: Connections, hits: Iterator[list[bytes]], misses: Iterator[list[bytes]]
) -> None:
    """Ask by turns, and print a line of the table; the first round only warms up."""
    rounds = [
        (kept.time(next(hits)), kept.time(missed := next(misses)), nothing.time(missed)) for _ in range(ROUNDS + 1)
    ]
    hit, miss, none = (median(side) for side in zip(*rounds[1:], strict=True))
    print(f"{name:50} {hit:8.1f} {miss:8.1f} {none:8.1f} {none / hit:9.1f}x")


if __name__ == "__main__":
    main()
