"""Every adapter, each over a real connection and with a fresh database per test."""

import os
import uuid
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from pathlib import Path

import pytest
from pymongo import MongoClient

from domain.ports import Store
from storage import open_store
from tests.storage.redis_server import RedisServer
from tests.storage.servers import MongoServer

OpenStore = Callable[[], Awaitable[Store]]
MONGODB_TEST_URL = os.environ.get("MONGODB_TEST_URL", "")
ADAPTERS = ["sqlite", "mongo-replica-set", "mongo-standalone", *(["mongodb-test-url"] if MONGODB_TEST_URL else [])]


@pytest.fixture(scope="session")
def replica_set() -> Iterator[MongoServer]:
    with MongoServer(standalone=False) as server:
        yield server


@pytest.fixture(scope="session")
def standalone() -> Iterator[MongoServer]:
    with MongoServer(standalone=True) as server:
        yield server


@pytest.fixture(scope="session")
def redis_server() -> Iterator[RedisServer]:
    """One that goes on while the tests run; those that end it have their own."""
    with RedisServer() as server:
        yield server


def fresh_database(server_url: str) -> Iterator[str]:
    """Name a database of a server; drop it in the end."""
    name = f"test-{uuid.uuid4().hex[:12]}"
    base, question, options = server_url.partition("?")
    yield f"{base.rstrip('/')}/{name}{question}{options}"
    with MongoClient[dict[str, object]](server_url) as client:
        client.drop_database(name)


@pytest.fixture(params=ADAPTERS)
def store_url(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[str]:
    if request.param == "sqlite":
        yield f"sqlite:///{tmp_path}/store.db"
    elif request.param == "mongodb-test-url":
        yield from fresh_database(MONGODB_TEST_URL)
    else:
        server: MongoServer = request.getfixturevalue(request.param.removeprefix("mongo-").replace("-", "_"))
        yield from fresh_database(server.url())


@pytest.fixture
async def open_another(store_url: str) -> AsyncIterator[OpenStore]:
    """Open further stores on the test's database, as further processes would."""
    opened: list[Store] = []

    async def open_one() -> Store:
        opened.append(await open_store(store_url))
        return opened[-1]

    yield open_one
    for store in opened:
        await store.close()


@pytest.fixture
async def store(open_another: OpenStore) -> Store:
    return await open_another()
