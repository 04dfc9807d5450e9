"""storage.open_store: which URLs name a store."""

import subprocess
import sys

import pytest

from domain.errors import InvalidInputError
from storage import open_store


@pytest.mark.parametrize(
    "url", ["", "store.db", "sqlite://store.db", "sqlite:///", "sqlite:////", "postgres://ann:secret@host/db"]
)
async def test_an_unknown_url_is_refused_with_the_forms_that_exist(url: str) -> None:
    with pytest.raises(InvalidInputError, match=r"sqlite:////absolute/path.*mongodb\+srv://") as caught:
        await open_store(url)
    assert "secret" not in str(caught.value.details)


@pytest.mark.parametrize("url", ["mongodb://", "mongodb://host:port/db", "mongodb://ann:a@b@host/db"])
async def test_a_malformed_mongodb_url_is_refused(url: str) -> None:
    with pytest.raises(InvalidInputError, match="MongoDB URL"):
        await open_store(url)


def test_sqlite_needs_no_mongodb_driver() -> None:
    program = (
        "import asyncio, sys, tempfile, storage\n"
        "async def use(directory):\n"
        "    await (await storage.open_store(f'sqlite:///{directory}/store.db')).close()\n"
        "with tempfile.TemporaryDirectory() as directory:\n"
        "    asyncio.run(use(directory))\n"
        "sys.exit(any(name.startswith(('motor', 'pymongo')) for name in sys.modules))\n"
    )
    assert subprocess.run([sys.executable, "-c", program], check=False).returncode == 0  # noqa: S603 - ourselves
