"""Pages of a list in the order of keys. A cursor names a key, so inserts and deletions never shift a page."""

import base64
import binascii
from bisect import bisect_right
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Generic, TypeVar

from domain.errors import InvalidInputError, Violation

T = TypeVar("T")

PAGE_SIZE_LIMIT = 100
DEFAULT_PAGE_SIZE = 20


@dataclass(frozen=True, slots=True)
class PageRequest:
    """Which part of a list is wanted: at most `first` items, those after the cursor `after`."""

    first: int | None = None
    after: str | None = None


@dataclass(frozen=True, slots=True)
class Edge(Generic[T]):
    """An item in its list, with the cursor that continues after it."""

    node: T
    cursor: str


@dataclass(frozen=True, slots=True, kw_only=True)
class PageInfo:
    """Where a page stands in its list."""

    has_next_page: bool
    has_previous_page: bool
    start_cursor: str | None
    end_cursor: str | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Page(Generic[T]):
    """A part of a list, in the order of keys."""

    edges: Sequence[Edge[T]]
    page_info: PageInfo
    total_count: int

    @property
    def nodes(self) -> list[T]:
        """The items alone."""
        return [edge.node for edge in self.edges]


def cut_page(items: Sequence[T], request: PageRequest, key: Callable[[T], str]) -> Page[T]:
    """Cut a page out of all items, which stand in the order of `key`.

    `first` is capped at 100, and 20 where it is left out.

    Raises:
        InvalidInputError: `first` is negative, or `after` is no cursor of ours.
    """
    first = DEFAULT_PAGE_SIZE if request.first is None else min(request.first, PAGE_SIZE_LIMIT)
    if first < 0:
        raise InvalidInputError([Violation(("first",), "is negative")])
    start = 0 if request.after is None else bisect_right(items, _read_cursor(request.after), key=key)
    edges = [Edge(item, _cursor(key(item))) for item in items[start : start + first]]
    return Page(
        edges=edges,
        page_info=PageInfo(
            has_next_page=start + first < len(items),
            has_previous_page=start > 0,
            start_cursor=edges[0].cursor if edges else None,
            end_cursor=edges[-1].cursor if edges else None,
        ),
        total_count=len(items),
    )


def _cursor(key: str) -> str:
    return base64.urlsafe_b64encode(f"after:{key}".encode()).decode()


def _read_cursor(cursor: str) -> str:
    try:
        prefix, _, key = base64.b64decode(cursor, b"-_", validate=True).decode().partition(":")
    except (binascii.Error, UnicodeError, ValueError):
        prefix, key = "", ""
    if prefix != "after":
        raise InvalidInputError([Violation(("after",), "is not a cursor that this service gave out")])
    return key
