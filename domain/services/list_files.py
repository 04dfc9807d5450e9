"""Reads the files that fill large lists: CSV as in RFC 4180, keys in the first column, no header row.

Everything is read as it comes: memory does not grow with the file.
"""

import csv
import io
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import IO

from domain.errors import InvalidInputError, Violation
from domain.keys import context_key_problem
from domain.model.lists import ListCounts, MalformedLine
from domain.ports import KeySpool

LINE_LIMIT = 1_048_576
"""How many characters a line of a file may have."""
MALFORMED_LINES_LIMIT = 100
"""How many malformed lines are told one by one."""
_CHUNK = 10_000


@dataclass(slots=True)
class FileReading:
    """How much of a file, or of a sync, was read, and what was found. One thread writes it; others may look."""

    lines: int = 0
    duplicates: int = 0
    malformed: int = 0
    malformed_lines: list[MalformedLine] = field(default_factory=list)
    skipped: int = 0

    @property
    def counts(self) -> ListCounts:
        """What was read."""
        return ListCounts(
            lines=self.lines,
            duplicates=self.duplicates,
            malformed=self.malformed,
            malformed_lines=tuple(self.malformed_lines),
            skipped=self.skipped,
        )

    def refuse(self, line: int, message: str) -> None:
        """Note a line that is left out."""
        self.malformed += 1
        if len(self.malformed_lines) < MALFORMED_LINES_LIMIT:
            self.malformed_lines.append(MalformedLine(line, message))


def read_list_file(file: IO[bytes], spool: KeySpool, reading: FileReading) -> None:
    """Read a file's keys into a spool, and what else there is to tell into `reading`.

    Raises:
        InvalidInputError: A quote is never closed, and lines follow; a line is too long; or what is quoted is, so
            that it cannot be told whether its quote is ever closed.
    """
    # A byte order mark is left out. Bytes that are no UTF-8 become lone surrogates: their line alone is malformed.
    text = io.TextIOWrapper(file, encoding="utf-8-sig", errors="surrogateescape", newline="")
    chunk: list[str] = []
    for key in _keys(text, reading):
        chunk.append(key)
        if len(chunk) == _CHUNK:
            reading.duplicates += len(chunk) - spool.add(chunk)
            chunk = []
    reading.duplicates += len(chunk) - spool.add(chunk)
    text.detach()


def _lines(text: io.TextIOWrapper) -> Iterator[str]:
    """Yield lines with their ends; a line break in quotes ends a line too."""
    number = 1
    while line := text.readline(LINE_LIMIT + 1):
        if len(line) > LINE_LIMIT:
            raise _unreadable(f"line {number} has more than {LINE_LIMIT} characters")
        yield line
        number += 1


def _keys(text: io.TextIOWrapper, reading: FileReading) -> Iterator[str]:
    rows = csv.reader(_lines(text), strict=True)
    while True:
        line = rows.line_num + 1
        try:
            row = next(rows)
        except StopIteration:
            return
        except csv.Error as error:
            if "unexpected end" in str(error) and rows.line_num > line:
                raise _unreadable(
                    f"a quote in line {line} is never closed, and takes the rest of the file in"
                ) from None
            if "field limit" in str(error):
                # To read on from the middle of a quotation would take its text for keys.
                message = f"a column that begins in line {line} has more than {csv.field_size_limit()} characters"
                raise _unreadable(f"{message}; is a quote never closed?") from None
            reading.lines += 1
            reading.refuse(line, f"it is no CSV: {error}")
            continue
        if not row or (len(row) == 1 and not row[0].strip()):
            continue
        reading.lines += 1
        if problem := context_key_problem(row[0]):
            reading.refuse(line, f"its key {problem}")
        else:
            yield row[0]


def _unreadable(message: str) -> InvalidInputError:
    return InvalidInputError([Violation(("file",), message)])
