"""Entries of the audit log are found by their ids, which tell their moments."""

from hypothesis import example, given
from hypothesis import strategies as st

from domain.model.changes import first_entry_id

IN_9999_MS = 253_402_300_799_999
moments = st.integers(-IN_9999_MS, IN_9999_MS)


@given(moments, moments)
@example(1_795_620_050_772, 23_036_140_800_000)  # in 2026, and in 2700
def test_a_later_moment_never_comes_before_an_earlier_one(one: int, other: int) -> None:
    earlier, later = sorted((one, other))
    assert first_entry_id(earlier) <= first_entry_id(later)
