"""Fingerprints never overlap, are the same everywhere, and know what reads the same."""

import json
import subprocess
import sys
from itertools import combinations

from hypothesis import given
from hypothesis import strategies as st

from domain.evaluation.fingerprints import fingerprint
from domain.json import Json, same_json
from tests.strategies import JSON


@given(st.lists(JSON, max_size=4), st.lists(JSON, max_size=4))
def test_two_have_one_fingerprint_only_if_they_read_the_same(left: list[Json], right: list[Json]) -> None:
    assert (fingerprint(*left) == fingerprint(*right)) == same_json(left, right)


@given(st.dictionaries(st.text(max_size=3), JSON, max_size=5))
def test_properties_have_no_order(properties: dict[str, Json]) -> None:
    assert fingerprint(properties) == fingerprint(dict(reversed(properties.items())))


def test_what_looks_alike_is_told_apart() -> None:
    alike: list[tuple[Json, ...]] = [
        (True,), (1,), (1.0,), ("1",), ("true",), (None,), ("",), ("null",), (0,), (False,), (-0.0,), (0.0,),
        ("a,b",), (["a", "b"],), ("a", "b"), ("ab",), ("a", "b", None), ({"a": "b"},), ([],), ({},), (), ("[]",),
        ("\ud800",), ("\\ud800",), ("\u00e9",), ("e\u0301",),
    ]  # fmt: skip # reads as a table, one case or group a line
    assert [pair for pair in combinations(alike, 2) if fingerprint(*pair[0]) == fingerprint(*pair[1])] == []


def test_it_is_the_same_in_every_process() -> None:
    parts: list[Json] = ["default/production", 7, True, {"user": {"key": "ada", "n": 1.5, "tags": ["x", None]}}]
    program = (
        "import json, sys; from domain.evaluation.fingerprints import fingerprint; "
        "print(fingerprint(*json.loads(sys.argv[1])))"
    )
    command = [sys.executable, "-c", program, json.dumps(parts)]
    other = subprocess.run(command, check=True, capture_output=True, text=True)  # noqa: S603 - our own code
    assert other.stdout.strip() == fingerprint(*parts)
