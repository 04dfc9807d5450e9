"""Files of members, plain or packed by gzip: over HTTP never more than the settings allow.

The command line reads them without a limit: who is there has the store.
"""

import asyncio
import gzip
import io
import zlib
from collections.abc import AsyncGenerator, AsyncIterator
from email.message import EmailMessage
from typing import IO, BinaryIO, cast

import anyio
from starlette.requests import ClientDisconnect, Request

from domain.errors import InvalidInputError, LimitExceededError, Violation
from gql.answers import RefusedRequestError
from gql.bodies import BodyLimits

KEPT_IN_MEMORY = 1_048_576
"""How many bytes of a file are kept in memory; the rest goes to the disk."""
_PIECE = 1_048_576
_CHARSETS = {"utf-8", "utf8", "us-ascii", "ascii"}
_GZIP_BEGINS = b"\x1f\x8b"
_GZIP_FORMAT = 16 + zlib.MAX_WBITS


class TooLargeError(LimitExceededError):
    """The file has more bytes than files may have."""

    def __init__(self, what: str, *, limit: int, actual: int) -> None:
        super().__init__(what, setting="EARLYBIRD_MAX_IMPORT_BYTES", limit=limit, actual=actual)


class TooSlowError(LimitExceededError):
    """Nothing of the file comes any more."""

    def __init__(self, seconds: int) -> None:
        what = "The seconds that a piece of the file takes"
        super().__init__(what, setting="EARLYBIRD_MAX_BODY_SECONDS", limit=seconds, actual=seconds + 1)


def check_upload(request: Request, max_bytes: int) -> None:
    """Refuse what need not be read to be refused.

    Raises:
        RefusedRequestError: It is not text/csv in UTF-8, or packed by something else than gzip.
        TooLargeError: It says itself that it is too large.
    """
    media_type = EmailMessage()
    media_type["Content-Type"] = request.headers.get("content-type", "text/csv")
    if media_type.get_content_type() != "text/csv" or media_type.get_content_charset("utf-8") not in _CHARSETS:
        raise RefusedRequestError(415, "A file of members is text/csv in UTF-8", headers={"Accept": "text/csv"})
    if _encoding(request) not in {"identity", "gzip"}:
        message = "A file of members comes as it is, or with Content-Encoding: gzip"
        raise RefusedRequestError(415, message, headers={"Accept-Encoding": "gzip"})
    length = request.headers.get("content-length", "")
    if length.isdecimal() and int(length) > max_bytes:
        raise TooLargeError("The file's bytes", limit=max_bytes, actual=int(length))


async def receive_upload(request: Request, file: IO[bytes], limits: BodyLimits) -> None:
    """Write a file down as it comes, unpacked, and go to its beginning.

    It may take any time, but no piece of it more than a body may.

    Raises:
        InvalidInputError: Its client went away, or it is no gzip though it says so.
        TooLargeError: It is too large, as far as read.
        TooSlowError: Its client fell silent.
    """
    chunks = request.stream()
    if _encoding(request) == "gzip":
        chunks = _unpacked(chunks)
    received = 0
    clock = asyncio.get_running_loop().time
    try:
        async with asyncio.timeout(limits.max_seconds) as patience:
            async for chunk in chunks:
                patience.reschedule(clock() + limits.max_seconds)
                received += len(chunk)
                if received > limits.max_bytes:
                    raise TooLargeError(
                        "The file's bytes, as far as read", limit=limits.max_bytes, actual=received
                    )
                if received > KEPT_IN_MEMORY:
                    await anyio.to_thread.run_sync(file.write, chunk)
                else:
                    file.write(chunk)
    except ClientDisconnect:
        raise _broken("its upload broke off") from None
    except TimeoutError:
        raise TooSlowError(limits.max_seconds) from None
    except zlib.error as error:
        raise _broken(f"is no gzip: {error}") from None
    file.seek(0)


def unpacked_file(source: BinaryIO) -> IO[bytes]:
    """Return what reads a file, which may be a pipe; gzip is known by its first bytes: no key has them."""
    reader = io.BufferedReader(cast("io.RawIOBase", source))
    is_packed = reader.peek(len(_GZIP_BEGINS)).startswith(_GZIP_BEGINS)
    return cast("IO[bytes]", gzip.GzipFile(fileobj=reader) if is_packed else reader)


async def _unpacked(chunks: AsyncIterator[bytes]) -> AsyncGenerator[bytes, None]:
    """Unpack gzip in pieces: a small file may be a huge one."""
    member = zlib.decompressobj(_GZIP_FORMAT)
    async for chunk in chunks:
        rest = chunk
        while rest:
            if member.eof:  # files that were packed one by one are one file
                member = zlib.decompressobj(_GZIP_FORMAT)
            yield member.decompress(rest, _PIECE)
            rest = member.unused_data if member.eof else member.unconsumed_tail
    if not member.eof:
        raise _broken("is no gzip: its end is missing")


def _encoding(request: Request) -> str:
    return request.headers.get("content-encoding", "identity").strip().lower()


def _broken(message: str) -> InvalidInputError:
    return InvalidInputError([Violation(("file",), message)])
