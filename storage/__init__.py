"""Storage remembers: two adapters of domain.ports.Store, one codec."""

from pathlib import Path

from domain.errors import InvalidInputError, Violation
from domain.ports import Store

__all__ = ["open_store"]


async def open_store(url: str) -> Store:
    """Connect to a store, create what is missing in it, and finish what a crash left half done.

    Args:
        url: `sqlite:///relative/path`, `sqlite:////absolute/path`, `mongodb://…` or `mongodb+srv://…`; the path
            of a MongoDB URL names the database (by default `earlybird`).

    Raises:
        InvalidInputError: The URL has none of these forms.
        UnavailableError: The store cannot be reached, or a newer Earlybird wrote it.
    """
    scheme, separator, path = url.partition(":///")
    if scheme == "sqlite" and separator and path.strip("/"):
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
