"""storage.open_store: which URLs name a store."""

import re
import subprocess
import sys

import pytest

from domain.errors import InvalidInputError, UnavailableError
from storage import open_store
from tests.storage.servers import free_port


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


async def test_a_mongodb_that_is_not_there_is_named_without_its_user_and_password() -> None:
    host = f"127.0.0.1:{free_port()}"
    with pytest.raises(UnavailableError, match=f"at {host}$") as caught:
        await open_store(f"mongodb://ann:secret@{host}/db?serverSelectionTimeoutMS=100")
    assert not {"ann", "secret"} & set(re.split(r"\W", caught.value.message))


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
