"""Keeps answers as the service does, in a process of its own: prints what the cache says they take, and what they do."""

import asyncio
import os
import sys
from pathlib import Path

import orjson

from domain.services.evaluation import Basis
from domain.services.setup import PRODUCTION
from gql.responses import keep_response
from storage.cache import MemoryCache
from tests.gql.contexts import a_context

ANSWERS = 5_000


def memory() -> int:
    pages = int(Path("/proc/self/statm").read_text().split()[1])
    return pages * os.sysconf("SC_PAGE_SIZE")


async def main() -> None:
    cache = MemoryCache[bytes](max_entries=ANSWERS, max_bytes=100_000_000)
    context = a_context(basis=Basis(PRODUCTION, 1, None))
    before = memory()
    for number in range(ANSWERS):
        reason = {"kind": "RULE_MATCH", "ruleId": str(number), "errorKind": None, "bigSegmentsStatus": None}
        answer = {"data": {"evaluate": {"flagKey": "f", "value": True, "reason": reason}}}
        await keep_response(cache, f"{number:064x}", orjson.dumps(answer), context)
    sys.stdout.write(f"{cache.statistics.bytes} {memory() - before}\n")


if __name__ == "__main__":
    asyncio.run(main())
