"""Circles are found wherever they are, once for each thing that is in one."""

import time
from itertools import pairwise

from hypothesis import given
from hypothesis import strategies as st

from domain.services.circles import circles

KEYS = st.sampled_from("abcdefg")


@given(st.dictionaries(KEYS, st.lists(KEYS, max_size=3)))
def test_who_is_in_a_circle_is_told_one_that_is_there(references: dict[str, list[str]]) -> None:
    found = circles(references)
    assert set(found) == {key for key in references if key in reached(references[key], references)}
    for key, circle in found.items():
        assert key in circle
        assert circle[0] == circle[-1]
        assert len(set(circle)) == len(circle) - 1
        assert all(after in references[before] for before, after in pairwise(circle))


def reached(start: list[str], references: dict[str, list[str]]) -> set[str]:
    """Return everything that can be reached from some keys, these included."""
    found: set[str] = set()
    waiting = [*start]
    while waiting:
        key = waiting.pop()
        if key not in found:
            found.add(key)
            waiting += references.get(key, ())
    return found


def test_ten_thousand_in_a_row_or_in_one_circle_take_no_time() -> None:
    row = {str(number): [str(number + 1)] for number in range(10_000)}
    begun = time.process_time()
    assert circles(row) == {}
    assert len(circles({**row, "10000": ["0"]})) == 10_001
    assert time.process_time() - begun < 1
