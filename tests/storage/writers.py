"""Further processes that use a store: `python -m tests.storage.writers {race|stream|crash} URL NUMBER`."""

import asyncio
import os
import signal
import sys
from typing import Any

from pymongo import monitoring

from domain.commits import Commit, Save
from domain.errors import VersionConflictError
from domain.model.flags import Flag
from domain.ports import Store
from storage import open_store
from tests.storage.builders import SHOP, a_commit, a_flag, a_segment

SEGMENTS = 4
WRITE_COMMANDS = {"insert", "update", "delete", "findAndModify", "bulkWrite"}


def numbered(number: int) -> Commit:
    """Return the commit that writes `number` in several places; each but number 1 follows the one before."""
    expected = number - 1 or None
    segments = [a_segment(f"s{n}", version=number) for n in range(SEGMENTS)]
    return a_commit(
        Save(a_flag(version=number), expected), *(Save(s, expected) for s in segments), revise=(str(SHOP),)
    )


def say(*words: object) -> None:
    print(*words, flush=True)  # noqa: T201 - how the parent hears what was acknowledged


async def race(store: Store, wins: int) -> None:
    """Win `wins` compare-and-sets on one flag; say the versions that were won."""
    while wins:
        flag = await store.get(Flag, a_flag().id)
        try:
            await store.commit(a_commit(Save(a_flag(version=flag.version + 1), flag.version)))
        except VersionConflictError:
            continue
        say(flag.version + 1)
        wins -= 1


async def stream(store: Store, number: int) -> None:
    """Commit for ever, from `number` on; say each number that was acknowledged."""
    while True:
        await store.commit(numbered(number))
        say(number)
        number += 1


class KillBeforeWrite(monitoring.CommandListener):
    """Kills this process when the driver is about to send its `number`-th write."""

    def __init__(self, number: int) -> None:
        self.armed = False
        self._left = number

    def started(self, event: monitoring.CommandStartedEvent) -> None:
        if self.armed and event.command_name in WRITE_COMMANDS:
            self._left -= 1
            if self._left == 0:
                os.kill(os.getpid(), signal.SIGKILL)

    def succeeded(self, event: monitoring.CommandSucceededEvent) -> None: ...

    def failed(self, event: monitoring.CommandFailedEvent) -> None: ...


async def crash(url: str, number: int) -> None:
    """Make commit 2, dying before the `number`-th write of it; say so if it was acknowledged."""
    from storage.mongo.store import MongoStore  # noqa: PLC0415 - SQLite's processes need no driver

    killer = KillBeforeWrite(number)
    monitoring.register(killer)
    store = await MongoStore.open(url, lease_seconds=0.6)
    killer.armed = True
    await store.commit(numbered(2))
    say("acknowledged")
    await store.close()


async def main(mode: str, url: str, number: str) -> None:
    if mode == "crash":
        await crash(url, int(number))
        return
    modes: dict[str, Any] = {"race": race, "stream": stream}
    store = await open_store(url)
    await modes[mode](store, int(number))
    await store.close()


if __name__ == "__main__":
    asyncio.run(main(*sys.argv[1:]))
