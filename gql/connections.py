"""Relay connections, read from the domain's pages."""

from collections.abc import Sequence
from contextvars import ContextVar
from typing import Annotated, Generic, TypeVar

import strawberry

from domain.errors import LimitExceededError
from domain.pages import DEFAULT_PAGE_SIZE, ListOrder, ListOrderField, OrderDirection, PageRequest
from gql.budget import ExecutionLimits
from gql.enums import register_enum

T = TypeVar("T")

page_size: ContextVar[int] = ContextVar("page_size", default=ExecutionLimits().page_size)
"""How many items a page may have in the operation that is executed."""

First = Annotated[
    int | None,
    strawberry.argument(
        description=f"How many items: {DEFAULT_PAGE_SIZE} if left out, EARLYBIRD_MAX_PAGE_SIZE at most."
    ),
]
After = Annotated[
    str | None, strawberry.argument(description="Return the items after this cursor of an earlier page.")
]
Query = Annotated[str | None, strawberry.argument(description="A part of the key or name, in any case.")]
Tags = Annotated[list[str] | None, strawberry.argument(description="Only what bears at least one of these tags.")]


register_enum(
    ListOrderField,
    "What a list stands in the order of.",
    {
        ListOrderField.KEY: "Of keys.",
        ListOrderField.NAME: "Of names, in any case; what has the same name, by key.",
    },
)
register_enum(
    OrderDirection,
    "Which end of an order comes first.",
    {OrderDirection.ASC: "From a to z.", OrderDirection.DESC: "From z to a."},
)


@strawberry.input(
    name="ListOrder", description="The order of a list. A cursor is good where the field is the same."
)
class ListOrderInput:
    """Input for domain.pages.ListOrder."""

    field: ListOrderField = strawberry.field(description="What it is the order of.")
    direction: OrderDirection = strawberry.field(default=OrderDirection.ASC, description="Which end comes first.")

    def to_domain(self) -> ListOrder:
        """Convert to the domain's order."""
        return ListOrder(self.field, self.direction)


OrderBy = Annotated[ListOrderInput | None, strawberry.argument(description="The order; by key if left out.")]


def page_request(first: int | None, after: str | None, order_by: ListOrderInput | None = None) -> PageRequest:
    """Make the domain's request out of the arguments.

    Raises:
        LimitExceededError: More is asked for than a page may have.
    """
    most = page_size.get()
    wanted = min(DEFAULT_PAGE_SIZE, most) if first is None else first
    _refuse_beyond(most, wanted)
    return PageRequest(wanted, after, order_by.to_domain() if order_by else ListOrder())


def whole_page(first: int | None) -> PageRequest:
    """Make the request for the first page of a list, which is as long as it may be if nothing is said.

    Raises:
        LimitExceededError: As `page_request` says.
    """
    return page_request(page_size.get() if first is None else first, None)


def within_page(items: Sequence[T]) -> Sequence[T]:
    """Return the items, which must not be more than a page has.

    Raises:
        LimitExceededError: They are.
    """
    _refuse_beyond(page_size.get(), len(items))
    return items


def _refuse_beyond(most: int, wanted: int) -> None:
    if wanted > most:
        raise LimitExceededError("items of a page", setting="EARLYBIRD_MAX_PAGE_SIZE", limit=most, actual=wanted)


@strawberry.type(description="Where a page stands in its list.")
class PageInfo:
    """View of domain.pages.PageInfo."""

    has_next_page: bool = strawberry.field(description="Whether items follow.")
    has_previous_page: bool = strawberry.field(description="Whether items precede.")
    start_cursor: str | None = strawberry.field(description="The first item's cursor; null on an empty page.")
    end_cursor: str | None = strawberry.field(
        description="The last item's cursor, to continue after; null on an empty page."
    )


@strawberry.type(description="An item in its list.")
class Edge(Generic[T]):
    """View of domain.pages.Edge."""

    node: T = strawberry.field(description="The item.")
    cursor: str = strawberry.field(
        description="Continues after this item's place in the list; stays good when others come or go."
    )


@strawberry.type(description="A page of a list, in the order of keys unless another one was asked for.")
class Connection(Generic[T]):
    """View of domain.pages.Page."""

    nodes: list[T] = strawberry.field(description="The items.")
    edges: list[Edge[T]] = strawberry.field(description="The items with their cursors.")
    page_info: PageInfo = strawberry.field(description="Where the page stands in the list.")
    total_count: int = strawberry.field(description="How many items the whole list has.")
