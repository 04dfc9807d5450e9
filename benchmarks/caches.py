"""What a cache saves: each cached unit as a hit, as a miss, and where nothing is looked for in a cache.

In this process, on the embedded store. A batch of one context stands for answers without a cache: batches have
none. Rounds alternate, medians are compared. Run it with `python -m benchmarks.caches`.
"""

import asyncio
import tempfile
import time
from collections.abc import Awaitable, Callable
from functools import partial
from statistics import median
from typing import Any

from benchmarks.dataset import contexts, flag_data
from domain.access.credentials import Credential, CredentialKind
from domain.access.principals import Principal
from domain.json import Json
from domain.ports import Store
from domain.services.contexts import ContextService
from domain.services.evaluation import Caller, ContextEvaluations, EvaluationService, Where
from domain.services.import_plan import ImportMode
from domain.services.imports import ImportService
from domain.services.memberships import MembershipService
from domain.services.setup import PRODUCTION, set_up_store
from domain.services.snapshots import SnapshotService
from storage import open_store
from storage.cache import MemoryCache

ROUNDS = 15
CONTEXTS = 200
OWNER = Principal(Credential(id="", kind=CredentialKind.OWNER_TOKEN, name="benchmark"))
WHERE = Where(PRODUCTION)
LISTED_FLAG = "on-a-list"

Ask = Callable[[EvaluationService, Json], Awaitable[object]]


def main() -> None:
    """Measure, and print each row."""
    asyncio.run(measure())


async def measure() -> None:
    """Measure every unit on a store of its own."""
    with tempfile.TemporaryDirectory() as folder:
        store = await open_store(f"sqlite:///{folder}/caches.db")
        await set_up_store(store)
        snapshots = SnapshotService(store)
        data = flag_data()
        keys = list(data["flags"])
        data["segments"]["list"] = {"key": "list", "unbounded": True, "generation": 1}
        clause = {"attribute": "", "op": "segmentMatch", "values": ["list"]}
        data["flags"][LISTED_FLAG] = {
            "key": LISTED_FLAG,
            "on": True,
            "variations": [True, False],
            "rules": [{"clauses": [clause], "variation": 0}],
            "fallthrough": {"variation": 1},
        }
        await ImportService(store, snapshots).import_flag_data(OWNER, PRODUCTION, data, ImportMode.REPLACE)
        await store.add_members("default/production/list", 1, [user["key"] for user in contexts()[::2]])
        print(f"{'us':26} {'hit':>8} {'miss':>8} {'none':>8}   none / hit")
        for count in (5, 10, 20, 50):
            row = await compare(store, snapshots, partial(many, keys[:count]), partial(batch, keys[:count]))
            print_row(f"{count} flags of a context", *row)
        row = await compare(store, snapshots, partial(one, LISTED_FLAG), partial(one, LISTED_FLAG))
        print_row("a flag on a large list", *row)
        print(f"one flag {await single(store, snapshots):.1f}, a fruitless look {await look():.1f}")
        await store.close()


async def one(flag_key: str, evaluation: EvaluationService, user: Json) -> object:
    """Ask for one flag."""
    return await evaluation.evaluate(Caller(OWNER, 1), WHERE, flag_key, user)


async def many(keys: list[str], evaluation: EvaluationService, user: Json) -> object:
    """Ask for several flags."""
    return await evaluation.evaluate_flags(Caller(OWNER, len(keys)), WHERE, user, keys)


async def batch(keys: list[str], evaluation: EvaluationService, user: Json) -> object:
    """Ask for several flags, without a cache."""
    return await evaluation.evaluate_batch(Caller(OWNER, len(keys)), WHERE, [user], keys)


async def compare(store: Store, snapshots: SnapshotService, ask: Ask, plain: Ask) -> tuple[float, float, float]:
    """Return the microseconds of a hit, of a miss, and of the same without a cache."""
    cached, empty = (service(store, snapshots, entries) for entries in (100_000, 0))
    users: list[Any] = contexts(CONTEXTS)
    await timed(cached, users, ask)
    rounds = [
        (await timed(cached, users, ask), await timed(empty, users, ask), await timed(empty, users, plain))
        for _ in range(ROUNDS)
    ]
    hits, misses, plains = zip(*rounds, strict=True)
    return median(hits), median(misses), median(plains)


async def single(store: Store, snapshots: SnapshotService) -> float:
    """Return the microseconds of one flag, which is not cached."""
    evaluation = service(store, snapshots, 0)
    ask = partial(one, "flag-0")
    return median([await timed(evaluation, contexts(CONTEXTS), ask) for _ in range(ROUNDS)])


def print_row(name: str, hit: float, miss: float, plain: float) -> None:
    """Print a line of the table."""
    print(f"{name:26} {hit:8.1f} {miss:8.1f} {plain:8.1f} {plain / hit:9.1f}x")


def service(store: Store, snapshots: SnapshotService, entries: int) -> EvaluationService:
    """Make an evaluation service whose caches hold so many entries."""
    memberships = MembershipService(store, snapshots, MemoryCache(max_entries=entries, max_bytes=100_000_000))
    answers = MemoryCache[ContextEvaluations](max_entries=entries, max_bytes=100_000_000)
    none_remembered = ContextService(store, retention_days=0, max_entries=1)
    return EvaluationService(snapshots, memberships, none_remembered, answers, worth_keeping=0)


async def timed(evaluation: EvaluationService, users: list[Any], ask: Ask) -> float:
    """Return the microseconds that a question takes."""
    start = time.perf_counter()
    for user in users:
        await ask(evaluation, user)
    return (time.perf_counter() - start) / len(users) * 1e6


async def look() -> float:
    """Return the microseconds that aiocache takes to look a key up."""
    cache = MemoryCache[None](max_entries=1, max_bytes=1)
    start = time.perf_counter()
    for _ in range(10_000):
        await cache.multi_get(["key"])
    return (time.perf_counter() - start) / 10_000 * 1e6


if __name__ == "__main__":
    main()
