"""What the audit log tells of a flag whose variations come and go."""

from collections.abc import Sequence

import pytest

from domain.json import Json
from domain.model.differences import Room, changed_fields
from domain.model.flags import Flag
from domain.model.targeting import Variation
from tests.builders import a_segment


def told(before: str, after: str, stayed: Sequence[int] | None = None) -> list[tuple[str, Json, Json]]:
    old, new = (
        Flag(project="shop", key="f", variations=tuple(Variation(letter) for letter in letters))
        for letters in (before, after)
    )
    return [(change.path, change.before, change.after) for change in changed_fields(old, new, Room(9_999), stayed)]


def whole(value: str) -> dict[str, Json]:
    return {"value": value, "name": "", "description": ""}


@pytest.mark.parametrize(
    ("after", "stayed", "expected"),
    [
        ("bcd", [1, 2, 3], [("variations[0]", whole("a"), None)]),
        ("abc", [0, 1, 2], [("variations[3]", whole("d"), None)]),
        ("ad", [0, 3], [("variations[1]", whole("b"), None), ("variations[2]", whole("c"), None)]),
        ("bCd", [1, 2, 3], [("variations[0]", whole("a"), None), ("variations[1].value", "c", "C")]),
        ("bcde", [1, 2, 3], [("variations[0]", whole("a"), None), ("variations[3]", None, whole("e"))]),
        # The first went and another took its value: not the last one went.
        ("acd", [1, 2, 3], [("variations[0]", whole("a"), None), ("variations[0].value", "b", "a")]),
    ],
)
def test_a_variation_that_went_is_told_alone(
    after: str, stayed: list[int], expected: list[tuple[str, Json, Json]]
) -> None:
    assert told("abcd", after, stayed) == expected


@pytest.mark.parametrize(
    ("after", "expected"),
    [
        ("abcde", [("variations[4]", None, whole("e"))]),
        ("abcD", [("variations[3].value", "d", "D")]),
        ("abdc", [("variations[2].value", "c", "d"), ("variations[3].value", "d", "c")]),
    ],
)
def test_variations_that_came_or_serve_something_else_are_told_by_their_places(
    after: str, expected: list[tuple[str, Json, Json]]
) -> None:
    assert told("abcd", after) == expected


def test_a_salt_is_told_where_it_changes() -> None:
    old, new = (a_segment(key="s", salt=salt) for salt in ("q1", "q2"))
    told_of = [
        changed_fields(before, after, Room(9_999)) for before, after in ((None, new), (old, None), (old, new))
    ]
    assert ["salt" in [change.path for change in changes] for changes in told_of] == [False, False, True]
