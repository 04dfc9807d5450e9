"""Relay connections, read from the domain's pages."""

from typing import Annotated, Generic, TypeVar

import strawberry

from domain.pages import ListOrder, ListOrderField, OrderDirection, PageRequest
from gql.enums import register_enum

T = TypeVar("T")

First = Annotated[
    int | None,
    strawberry.argument(description="How many items to return: 20 if left out, capped at 100."),
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
    """Make the domain's request out of the arguments."""
    return PageRequest(first, after, order_by.to_domain() if order_by else ListOrder())


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
    cursor: str = strawberry.field(description="Continues after this item; stays good when others come or go.")


@strawberry.type(description="A page of a list, in the order of keys unless another one was asked for.")
class Connection(Generic[T]):
    """View of domain.pages.Page."""

    nodes: list[T] = strawberry.field(description="The items.")
    edges: list[Edge[T]] = strawberry.field(description="The items with their cursors.")
    page_info: PageInfo = strawberry.field(description="Where the page stands in the list.")
    total_count: int = strawberry.field(description="How many items the whole list has.")
