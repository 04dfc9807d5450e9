"""Semantic versions (LaunchDarkly semantics 2.5)."""

from itertools import pairwise

import pytest

from domain.evaluation.versions import parse_version
from domain.json import Json


@pytest.mark.parametrize(
    ("left", "right"),
    [
        ("2", "2.0.0"),
        ("2.0", "2.0.0"),
        ("2-rc", "2.0.0-rc"),
        ("2.1-rc.1", "2.1.0-rc.1"),
        ("2.0.0+a", "2.0.0+b"),
        ("2+a", "2.0.0"),
        ("2.0.0-rc+a", "2.0.0-rc"),
    ],
)
def test_versions_are_equal(left: str, right: str) -> None:
    assert parse_version(left) == parse_version(right) is not None


def test_versions_order_as_semver_orders_them() -> None:
    ordered = (
        "0", "1.0.0-1", "1.0.0-2", "1.0.0-10", "1.0.0--", "1.0.0-alpha", "1.0.0-alpha.1", "1.0.0-alpha.beta",
        "1.0.0-beta", "1.0.0-beta.2", "1.0.0-beta.11", "1.0.0-beta.11.0", "1.0.0-rc.1", "1", "1.0.1", "1.1", "1.9",
        "1.10", "2-rc", "2", "10",
    )  # fmt: skip # reads as a table, one case or group a line
    versions = [parse_version(text) for text in ordered]
    assert all(one is not None and other is not None and one < other for one, other in pairwise(versions))


@pytest.mark.parametrize(
    "value",
    [
        "", "v2", "V2", "02", "2.01", "2.0.01", "2.0.0.0", "2.", ".2", "2..0", "2.0.0-", "2.0.0+", "2.0.0-01", "2.0.0-a..b",
        "2.0.0-a_b", "2.x", "2 ", " 2", "2\n", "2.0.0-é", "٢", "9999999999999999999", "2.0.0-9999999999999999999", "-2",
        2, 2.0, None, True, ["2"],
    ],
)  # fmt: skip # reads as a table, one case or group a line
def test_anything_else_is_no_version(value: Json) -> None:
    assert parse_version(value) is None


def test_identifiers_may_be_as_long_as_they_like_where_they_are_no_numbers() -> None:
    assert parse_version("2.0.0-" + "a" * 100) is not None
    assert parse_version("2.0.0-00a") is not None
