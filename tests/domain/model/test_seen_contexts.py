"""What is kept of a context, and what is not."""

from typing import Any

import pytest

from domain.json import NESTING_LIMIT
from domain.model.seen_contexts import LARGEST_CHARACTERS, attributes_text, public_attributes


@pytest.mark.parametrize(
    ("private", "left"),
    [
        ((), {"name": "Ada", "address": {"street": "S", "city": "C"}, "a/b": 1, "~": 2, "tags": ["x"]}),
        (("name", "/name", "gone"), {"address": {"street": "S", "city": "C"}, "a/b": 1, "~": 2, "tags": ["x"]}),
        (("/address/street",), {"name": "Ada", "address": {"city": "C"}, "a/b": 1, "~": 2, "tags": ["x"]}),
        (("address", "/address/city"), {"name": "Ada", "a/b": 1, "~": 2, "tags": ["x"]}),
        (
            ("/address/street/no", "/name/first", "/tags/0", "/gone/x"),
            {"name": "Ada", "address": {"street": "S", "city": "C"}, "a/b": 1, "~": 2, "tags": ["x"]},
        ),
        (("/a~1b", "/~0", "tags"), {"name": "Ada", "address": {"street": "S", "city": "C"}}),
        (("a/b", "~"), {"name": "Ada", "address": {"street": "S", "city": "C"}, "tags": ["x"]}),
    ],
)
def test_private_attributes_are_left_out_wherever_they_stand(private: tuple[str, ...], left: object) -> None:
    attributes: dict[str, Any] = {"kind": "user", "key": "k", "anonymous": False, "name": "Ada"}
    attributes |= {"address": {"street": "S", "city": "C"}, "a/b": 1, "~": 2, "tags": ["x"]}
    before = repr(attributes)
    text = attributes_text(attributes)
    assert text is not None
    assert public_attributes(text, private) == left
    assert repr(attributes) == before


def nested(depth: int) -> Any:
    return [nested(depth - 1)] if depth else "x"


@pytest.mark.parametrize("value", ["x" * LARGEST_CHARACTERS, "\ud800", "\0", float("inf"), nested(NESTING_LIMIT)])
def test_what_cannot_be_kept_is_not(value: Any) -> None:
    assert attributes_text({"key": "k", "value": value}) is None


def test_what_is_nested_as_deep_as_an_answer_can_be_is_kept() -> None:
    assert attributes_text({"key": "k", "value": nested(NESTING_LIMIT - 1)}) is not None
