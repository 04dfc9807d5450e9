"""Starts tests.storage.writers in processes of their own."""

import asyncio
import contextlib
import sys
from collections.abc import AsyncIterator
from pathlib import Path

ROOT = Path(__file__).parents[2]


@contextlib.asynccontextmanager
async def writer(mode: str, url: str, number: int) -> AsyncIterator[asyncio.subprocess.Process]:
    """Run a writer; kill it, as `kill -9` does, if it is still there at the end."""
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "tests.storage.writers", mode, url, str(number),
        cwd=ROOT, stdout=asyncio.subprocess.PIPE,
    )  # fmt: skip # reads as a table, one case or group a line
    try:
        yield process
    finally:
        if process.returncode is None:
            process.kill()
        await process.communicate()


async def said(process: asyncio.subprocess.Process, lines: int) -> list[int]:
    """Wait for a writer's next lines."""
    assert process.stdout
    return [int(await asyncio.wait_for(process.stdout.readline(), 20)) for _ in range(lines)]


async def all_said(process: asyncio.subprocess.Process) -> list[str]:
    """Wait for a writer's end; return the rest of its lines."""
    output, _ = await asyncio.wait_for(process.communicate(), 30)
    return output.decode().split()
