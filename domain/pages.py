"""Pages of a list in the order of keys, or of names.

A cursor names a place in that order, so inserts and deletions never shift a page.
"""

import base64
import binascii
from bisect import bisect_left, bisect_right
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from enum import Enum
from typing import Generic, Protocol, TypeVar

from domain.errors import InvalidInputError, Violation

T = TypeVar("T")

DEFAULT_PAGE_SIZE = 20


_CURSOR = "after"


class ListOrderField(Enum):
    """What a list of flags, segments, projects or environments stands in the order of."""

    KEY = "KEY"
    NAME = "NAME"


class OrderDirection(Enum):
    """Which end of an order comes first."""

    ASC = "ASC"
    DESC = "DESC"


@dataclass(frozen=True, slots=True)
class ListOrder:
    """The order of a list; names in any case, and those that are the same by key."""

    field: ListOrderField = ListOrderField.KEY
    direction: OrderDirection = OrderDirection.ASC


@dataclass(frozen=True, slots=True)
class PageRequest:
    """Which part of a list is wanted: at most `first` items, those after the cursor `after`.

    Attributes:
        order: The order of the whole, for lists that have several.
    """

    first: int | None = None
    after: str | None = None
    order: ListOrder = ListOrder()


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
class Stretch(Generic[T]):
    """A part of a list that is too long to be counted."""

    edges: Sequence[Edge[T]]
    page_info: PageInfo

    @property
    def nodes(self) -> list[T]:
        """The items alone."""
        return [edge.node for edge in self.edges]


@dataclass(frozen=True, slots=True, kw_only=True)
class Page(Stretch[T]):
    """A part of a list, in the order of keys."""

    total_count: int


def cut_page(items: Sequence[T], request: PageRequest, key: Callable[[T], str]) -> Page[T]:
    """Cut a page out of all items, which stand in the order of `key`.

    `first` is 20 where it is left out.

    Raises:
        InvalidInputError: `first` is negative, or `after` is no cursor of ours.
    """
    first, after = page_bounds(request)
    start = 0 if after is None else bisect_right(items, after, key=key)
    return page_of(
        items[start : start + first],
        key,
        has_next_page=start + first < len(items),
        has_previous_page=start > 0,
        total_count=len(items),
    )


class _Named(Protocol):
    @property
    def key(self) -> str: ...

    @property
    def name(self) -> str: ...


N = TypeVar("N", bound=_Named)


def cut_ordered_page(items: Sequence[N], request: PageRequest) -> Page[N]:
    """Cut a page out of all items, in whichever order they stand, by the request's order.

    Raises:
        InvalidInputError: As `cut_page` says, or the cursor is one of another order.
    """
    is_by_name = request.order.field is ListOrderField.NAME

    def place(item: _Named) -> str:
        return f"{item.name.casefold()}\0{item.key}" if is_by_name else item.key

    kind = f"{_CURSOR}-name" if is_by_name else _CURSOR
    first, after = page_bounds(request, kind)
    ordered = sorted(items, key=place)
    if request.order.direction is OrderDirection.ASC:
        start = 0 if after is None else bisect_right(ordered, after, key=place)
    else:
        start = 0 if after is None else len(ordered) - bisect_left(ordered, after, key=place)
        ordered.reverse()
    return page_of(
        ordered[start : start + first],
        place,
        has_next_page=start + first < len(ordered),
        has_previous_page=start > 0,
        total_count=len(ordered),
        cursor_kind=kind,
    )


def page_bounds(request: PageRequest, cursor_kind: str = _CURSOR) -> tuple[int, str | None]:
    """Read a request: how many items are wanted (20 where it is left out), and those after which key.

    Raises:
        InvalidInputError: `first` is negative, or `after` is no cursor of ours, of this kind.
    """
    first = DEFAULT_PAGE_SIZE if request.first is None else request.first
    if first < 0:
        raise InvalidInputError([Violation(("first",), "is negative")])
    return first, None if request.after is None else _read_cursor(request.after, cursor_kind)


def page_of(  # noqa: PLR0913 - the parts of a page
    items: Sequence[T],
    key: Callable[[T], str],
    *,
    has_next_page: bool,
    has_previous_page: bool,
    total_count: int,
    cursor_kind: str = _CURSOR,
) -> Page[T]:
    """Make a page of the items that are on it."""
    edges = [Edge(item, _cursor(key(item), cursor_kind)) for item in items]
    return Page(
        edges=edges,
        page_info=PageInfo(
            has_next_page=has_next_page,
            has_previous_page=has_previous_page,
            start_cursor=edges[0].cursor if edges else None,
            end_cursor=edges[-1].cursor if edges else None,
        ),
        total_count=total_count,
    )


async def cut_stretch(
    read: Callable[[int, str], Awaitable[Sequence[T]]], request: PageRequest, key: Callable[[T], str]
) -> Stretch[T]:
    """Read a part of a long list: `read` returns at most so many items, those after a key ("" for the first).

    Raises:
        InvalidInputError: `first` is negative, or `after` is no cursor of ours.
    """
    first, after = page_bounds(request)
    return stretch_of(await read(first + 1, after or ""), request, key)


def stretch_of(items: Sequence[T], request: PageRequest, key: Callable[[T], str]) -> Stretch[T]:
    """Make a part of a long list of the items that are on it, and one more if others follow.

    Raises:
        InvalidInputError: `first` is negative, or `after` is no cursor of ours.
    """
    first, _ = page_bounds(request)
    edges = [Edge(item, _cursor(key(item))) for item in items[:first]]
    info = PageInfo(
        has_next_page=len(items) > first,
        has_previous_page=request.after is not None,
        start_cursor=edges[0].cursor if edges else None,
        end_cursor=edges[-1].cursor if edges else None,
    )
    return Stretch(edges=edges, page_info=info)


def _cursor(key: str, kind: str = _CURSOR) -> str:
    return base64.urlsafe_b64encode(f"{kind}:{key}".encode()).decode()


def _read_cursor(cursor: str, kind: str) -> str:
    try:
        prefix, _, key = base64.b64decode(cursor, b"-_", validate=True).decode().partition(":")
    except (binascii.Error, UnicodeError, ValueError):
        prefix, key = "", ""
    if prefix != kind:
        raise InvalidInputError(
            [Violation(("after",), "is not a cursor that this service gave out for such a list")]
        )
    return key
