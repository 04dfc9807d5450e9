"""Keys and tags."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from domain.keys import KEY_LENGTH_LIMIT, EnvironmentRef, key_from_name, key_violation


@pytest.mark.parametrize("key", ["a", "A", "0", "new-dashboard", "a.b_c-d", "a" * KEY_LENGTH_LIMIT, "a-"])
def test_keys(key: str) -> None:
    assert key_violation(key, ()) is None


@pytest.mark.parametrize(
    "key", ["", "-a", ".a", "_a", "a b", "a/b", "a:b", "a;b", "a*", "é", "a\n", "a" * (KEY_LENGTH_LIMIT + 1)]
)
def test_anything_else_is_no_key(key: str) -> None:
    violation = key_violation(key, ("flags", "x", "key"))
    assert violation is not None
    assert violation.path == ("flags", "x", "key")


def test_a_long_key_is_cut_short_in_the_message() -> None:
    violation = key_violation("x" * 100_000, ())
    assert violation is not None
    assert len(violation.message) < 300


@pytest.mark.parametrize(
    ("name", "key"),
    [
        ("eap: New dashboard", "eap-new-dashboard"),
        ("  A  b ", "a-b"),
        ("v2.0_rc", "v2.0_rc"),
        ("Übersicht", "bersicht"),
        ("--a--", "a"),
        ("日本", ""),
        ("", ""),
    ],
)
def test_a_name_gives_a_key(name: str, key: str) -> None:
    assert key_from_name(name) == key


@given(st.text())
def test_a_key_from_a_name_is_a_key_or_empty(name: str) -> None:
    key = key_from_name(name)
    assert key == "" or key_violation(key, ()) is None


def test_an_environment_is_named_with_its_project() -> None:
    assert str(EnvironmentRef("shop", "production")) == "shop/production"
