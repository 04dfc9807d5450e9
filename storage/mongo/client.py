"""The driver: the only file that imports Motor. Its errors leave as the domain's; its options are set here.

MOTOR_MAX_WORKERS is read when Motor is imported: its threads serve every call of the process, and each waiting
change stream holds one.
"""

import asyncio
import contextlib
import os
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, TypeAlias
from urllib.parse import parse_qsl, urlsplit

os.environ.setdefault("MOTOR_MAX_WORKERS", "64")

# The environment has to be set before these are loaded.
from motor.motor_asyncio import AsyncIOMotorClient, AsyncIOMotorClientSession, AsyncIOMotorDatabase
from pymongo.errors import (
    BulkWriteError,
    ConfigurationError,
    DocumentTooLarge,
    DuplicateKeyError,
    InvalidURI,
    PyMongoError,
)
from pymongo.read_concern import ReadConcern
from pymongo.write_concern import WriteConcern

from domain.errors import InvalidInputError, UnavailableError, Violation

Database: TypeAlias = AsyncIOMotorDatabase[dict[str, Any]]
Session: TypeAlias = AsyncIOMotorClientSession

DEFAULT_DATABASE = "earlybird"
_DEFAULTS: dict[str, Any] = {
    "w": "majority",
    "journal": True,
    "retryWrites": True,
    "serverSelectionTimeoutMS": 3000,
    "connectTimeoutMS": 2000,
    "socketTimeoutMS": 8000,  # not timeoutMS: it would take the place of the wait for a server as well
    "maxPoolSize": 50,
    "appname": "earlybird",
}
_DUPLICATE_KEY = 11000


@dataclass(frozen=True, slots=True)
class Connected:
    """A client that has reached its server.

    Attributes:
        has_transactions: The server is a replica set or a router (mongos): it also has change streams.
    """

    client: "AsyncIOMotorClient[dict[str, Any]]"
    database: Database
    has_transactions: bool


@contextlib.contextmanager
def driver_errors() -> Iterator[None]:
    """Turn the driver's errors into the domain's; the cause, with hosts in it, stays for the log."""
    try:
        yield
    except DocumentTooLarge as error:
        raise InvalidInputError([Violation((), "one flag or segment is larger than MongoDB's 16 MB")]) from error
    except PyMongoError as error:
        message = f"the store (MongoDB) cannot do this now ({type(error).__name__})"
        raise UnavailableError(message) from error


async def connect(url: str) -> Connected:
    """Connect on the running loop; options in the URL win over the defaults.

    Raises:
        InvalidInputError: The URL is malformed.
        UnavailableError: No server answers.
    """
    try:
        given = {name.lower() for name, _ in parse_qsl(urlsplit(url).query, keep_blank_values=True)}
        defaults = {name: value for name, value in _DEFAULTS.items() if name.lower() not in given}
        if "j" in given:
            del defaults["journal"]
        client: AsyncIOMotorClient[dict[str, Any]] = AsyncIOMotorClient(
            url, io_loop=asyncio.get_running_loop(), **defaults
        )
        database: Database = client.get_default_database(DEFAULT_DATABASE)
    except (InvalidURI, ConfigurationError, ValueError) as error:
        # The driver's words may quote the password.
        message = f"is no usable MongoDB URL ({type(error).__name__})"
        raise InvalidInputError([Violation(("url",), message)]) from error
    try:
        with driver_errors():
            hello = await client.admin.command("hello")
    except UnavailableError as error:
        client.close()
        hosts = urlsplit(url).netloc.rpartition("@")[2]  # without user and password
        message = f"{error.message}, at {hosts}"
        raise UnavailableError(message) from error
    except BaseException:
        client.close()
        raise
    has_transactions = "setName" in hello or hello.get("msg") == "isdbgrid"
    if has_transactions:
        database = database.with_options(read_concern=ReadConcern("majority"))
    return Connected(client, database, has_transactions)


def begin_transaction(session: Session) -> contextlib.AbstractAsyncContextManager[object]:
    """Begin a transaction that reads one instant and, once committed, survives the loss of a minority."""
    return session.start_transaction(ReadConcern("snapshot"), WriteConcern("majority", j=True))


def is_duplicate(error: PyMongoError) -> bool:
    """Tell whether all that went wrong is that unique keys were there already."""
    if isinstance(error, BulkWriteError):
        problems = (error.details or {}).get("writeErrors", [])
        return bool(problems) and all(problem["code"] == _DUPLICATE_KEY for problem in problems)
    return isinstance(error, DuplicateKeyError)
