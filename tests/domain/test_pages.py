"""Pages in any order: walked through to the end they hold everything once, whatever comes and goes meanwhile."""

from dataclasses import dataclass

import pytest
from hypothesis import given
from hypothesis import strategies as st

from domain.errors import InvalidInputError
from domain.pages import ListOrder, ListOrderField, OrderDirection, PageRequest, cut_ordered_page


@dataclass(frozen=True)
class Thing:
    key: str
    name: str


names = st.text(alphabet="aAbB-", max_size=3)
things = st.dictionaries(st.text(alphabet="abcdef", min_size=1, max_size=3), names, max_size=12).map(
    lambda found: [Thing(key, name) for key, name in found.items()]
)
orders = st.builds(ListOrder, st.sampled_from(ListOrderField), st.sampled_from(OrderDirection))


def in_order(items: list[Thing], order: ListOrder) -> list[Thing]:
    if order.field is ListOrderField.KEY:
        found = sorted(items, key=lambda thing: thing.key)
    else:
        found = sorted(items, key=lambda thing: (thing.name.casefold(), thing.key))
    return found if order.direction is OrderDirection.ASC else found[::-1]


@given(things, things, orders, st.integers(1, 4))
def test_what_stays_is_met_once_in_order_while_others_come_and_go(
    stay: list[Thing], others: list[Thing], order: ListOrder, first: int
) -> None:
    keys = {thing.key for thing in stay}
    passing = [thing for thing in others if thing.key not in keys]
    met: list[Thing] = []
    after: str | None = None
    for turn in range(100):
        here = [*stay, *passing] if turn % 2 else stay
        page = cut_ordered_page(here, PageRequest(first, after, order))
        met += page.nodes
        assert page.total_count == len(here)
        if page.nodes:
            assert page.page_info.has_previous_page is (page.nodes[0] != in_order(here, order)[0])
        if not page.page_info.has_next_page:
            break
        after = page.page_info.end_cursor
    assert [thing for thing in met if thing in stay] == in_order(stay, order)


@pytest.mark.parametrize("field", ListOrderField)
def test_a_cursor_of_another_order_is_refused(field: ListOrderField) -> None:
    things = [Thing("a", "x"), Thing("b", "y")]
    cursor = cut_ordered_page(things, PageRequest(1, order=ListOrder(field))).page_info.end_cursor
    other = next(other for other in ListOrderField if other is not field)
    with pytest.raises(InvalidInputError):
        cut_ordered_page(things, PageRequest(1, cursor, ListOrder(other)))
