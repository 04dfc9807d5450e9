"""Storage remembers: two adapters of domain.ports.Store, one codec."""

import asyncio
from pathlib import Path

from domain.errors import InvalidInputError, Violation
from domain.ports import Store

__all__ = ["open_store"]


async def open_store(url: str, *, create: bool = True) -> Store:
    """Connect to a store, create what is missing in it, and finish what a crash left half done.

    Args:
        url: `sqlite:///relative/path`, `sqlite:////absolute/path`, `mongodb://…` or `mongodb+srv://…`; the path
            of a MongoDB URL names the database (by default `earlybird`).
        create: Whether a file that is not there is made.

    Raises:
        InvalidInputError: The URL has none of these forms, or a newer Earlybird wrote the store.
        UnavailableError: The store cannot be reached.
    """
    scheme, separator, path = url.partition(":///")
    if scheme == "sqlite" and separator and path.strip("/") and path != ":memory:":
        if not create and not await asyncio.to_thread(Path(path).exists):
            raise InvalidInputError([Violation(("url",), f"there is no store at {path}")])
        from storage.sqlite.store import SqliteStore  # noqa: PLC0415 - each store loads its own driver only

        return await SqliteStore.open(Path(path))
    if url.startswith(("mongodb://", "mongodb+srv://")):
        from storage.mongo.store import MongoStore  # noqa: PLC0415 - each store loads its own driver only

        return await MongoStore.open(url)
    message = (
        "is none of sqlite:///relative/path, sqlite:////absolute/path, mongodb://host/database, "
        "mongodb+srv://host/database"
    )
    raise InvalidInputError([Violation(("url",), message)])  # the URL itself may hold a password
