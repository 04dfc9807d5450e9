"""Attribute references (LaunchDarkly semantics 2.4)."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from domain.model.attribute_references import parse_attribute, parse_reference


@pytest.mark.parametrize(
    ("reference", "names"),
    [
        ("a", ("a",)),
        ("a/b", ("a/b",)),
        ("a~1b", ("a~1b",)),
        ("a~", ("a~",)),
        (" ", (" ",)),
        ("/a", ("a",)),
        ("/a/b/c", ("a", "b", "c")),
        ("/a~1b/~0", ("a/b", "~")),
        ("/~01", ("~1",)),
        ("/ ", (" ",)),
        ("/a/0", ("a", "0")),
    ],
)
def test_a_reference_is_a_name_or_a_path(reference: str, names: tuple[str, ...]) -> None:
    assert parse_reference(reference) == names


@pytest.mark.parametrize(
    "reference", ["", "/", "//", "///", "/a/", "/a//b", "//a", "/~", "/a~", "/a~2", "/a~/b", "/~~0"]
)
def test_anything_else_is_no_reference(reference: str) -> None:
    assert parse_reference(reference) is None


@pytest.mark.parametrize("context_kind", [None, ""])
@pytest.mark.parametrize("attribute", ["a", "/", "//", "/a/b", "a~2"])
def test_without_a_context_kind_an_attribute_is_a_literal_name(attribute: str, context_kind: str | None) -> None:
    assert parse_attribute(attribute, context_kind) == (attribute,)


@pytest.mark.parametrize("context_kind", [None, "", "user"])
def test_no_attribute_has_no_name(context_kind: str | None) -> None:
    assert parse_attribute("", context_kind) is None


def test_with_a_context_kind_an_attribute_is_a_reference() -> None:
    assert parse_attribute("/a/b", "user") == ("a", "b")


@given(st.lists(st.text(min_size=1), min_size=1))
def test_escaped_names_are_read_back(names: list[str]) -> None:
    escaped = "".join("/" + name.replace("~", "~0").replace("/", "~1") for name in names)
    assert parse_reference(escaped) == tuple(names)
