"""Sorts any number of keys in bounded memory: a private SQLite database that spills to a file without a name."""

import sqlite3
from collections.abc import Collection, Iterator

_CACHE_KIB = 16_384


class TemporaryKeySpool:
    """Implements domain.ports.KeySpool. Used by one thread at a time."""

    def __init__(self) -> None:
        self._database = sqlite3.connect("", isolation_level=None, check_same_thread=False)
        self._database.execute(f"PRAGMA cache_size = -{_CACHE_KIB}")
        self._database.execute("PRAGMA journal_mode = OFF")
        self._database.execute("PRAGMA synchronous = OFF")
        self._database.execute("CREATE TABLE keys (key TEXT PRIMARY KEY) WITHOUT ROWID")

    def add(self, keys: Collection[str]) -> int:
        """See KeySpool.add."""
        before = self._database.total_changes
        self._database.execute("BEGIN")
        self._database.executemany("INSERT OR IGNORE INTO keys VALUES (?)", ((key,) for key in sorted(keys)))
        self._database.execute("COMMIT")
        return self._database.total_changes - before

    def chunks(self, size: int) -> Iterator[list[str]]:
        """See KeySpool.chunks."""
        rows = self._database.execute("SELECT key FROM keys ORDER BY key")
        while chunk := [key for (key,) in rows.fetchmany(size)]:
            yield chunk

    def close(self) -> None:
        """See KeySpool.close."""
        self._database.close()
