from collections.abc import Mapping
from dataclasses import fields, is_dataclass, replace
from enum import EnumType
from types import NoneType
from typing import Any, get_args, get_origin, get_type_hints

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from domain.commits import Entity
from domain.json import Json, same_json
from domain.model.changes import AuditEntry
from domain.model.flags import Flag
from domain.model.segments import Segment, SegmentRule
from domain.model.targeting import Clause, Targeting
from storage.codec import EnvironmentDecoder, decode, decode_text, encode, encode_text
from tests.storage.builders import SHOP, a_flag, a_segment, a_targeting, an_entry

# What strict JSON can say: no lone surrogates, no NaN.
TEXTS = st.text(st.characters(exclude_categories=["Cs"]), max_size=6)
JSONS: st.SearchStrategy[Json] = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | TEXTS,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(TEXTS, inner, max_size=3),
    max_leaves=4,
)
LEAVES: list[tuple[Any, st.SearchStrategy[Any]]] = [
    (Json, JSONS),
    (Mapping[str, object], st.dictionaries(TEXTS, JSONS, max_size=2)),
    (Mapping[str, int], st.dictionaries(TEXTS, st.integers(), max_size=2)),
    (str, TEXTS),
    (bool, st.booleans()),
    (int, st.integers()),
    (NoneType, st.none()),
]


def everything_of(declared: object) -> st.SearchStrategy[Any]:
    """Draw a value of a declared type; of a dataclass every field, those with defaults too."""
    for leaf, strategy in LEAVES:
        if declared == leaf:
            return strategy
    arguments = get_args(declared)
    if get_origin(declared) is tuple:
        return st.lists(everything_of(arguments[0]), max_size=2).map(tuple)
    if arguments:
        return st.one_of(*map(everything_of, arguments))
    if isinstance(declared, type) and is_dataclass(declared):
        hints = get_type_hints(declared)
        return st.builds(declared, **{field.name: everything_of(hints[field.name]) for field in fields(declared)})
    assert isinstance(declared, EnumType)
    return st.sampled_from(list(declared))


@pytest.mark.parametrize("value_type", [*get_args(Entity), AuditEntry])
@settings(max_examples=60)
@given(data=st.data())
def test_decoding_gives_back_what_was_encoded(value_type: type[Any], data: st.DataObject) -> None:
    value = data.draw(everything_of(value_type))
    assert decode(value_type, encode(value)) == value
    assert decode_text(value_type, encode_text(value)) == value


@given(JSONS)
def test_json_values_keep_their_types_and_names(value: Json) -> None:
    flag = decode_text(Flag, encode_text(a_flag(values=(value,))))
    assert same_json(flag.variations[0].value, value)


@pytest.mark.parametrize("value", [True, 1, 1.0, -0.0, 2**64, -(2**70), {"a.b": {"$c": "\0"}}, None, "", [[], {}]])
def test_odd_json_values_survive(value: Json) -> None:
    segment = a_segment(rules=(SegmentRule(clauses=(Clause(op="in", values=(value, value)),)),))
    for decoded in (decode(Segment, encode(segment)), decode_text(Segment, encode_text(segment))):
        assert all(same_json(kept, value) for kept in decoded.rules[0].clauses[0].values)


def test_integers_beyond_64_bits_never_reach_the_store_as_integers() -> None:
    document = encode(a_targeting(sampling_ratio=2**64))
    assert document["sampling_ratio"] == str(2**64)
    assert decode(Targeting, document).sampling_ratio == 2**64


def test_a_field_that_equals_its_default_is_left_out() -> None:
    assert encode(a_targeting("a")) == {
        "environment": {"project": SHOP.project, "environment": SHOP.environment},
        "flag_key": "a",
    }


def test_an_entry_keeps_its_time_even_when_it_is_now() -> None:
    entry = an_entry()
    assert decode(AuditEntry, encode(entry)).at_ms == entry.at_ms > 0


def test_a_document_of_a_later_version_can_be_read() -> None:
    assert decode(Flag, {**encode(a_flag("a")), "invented_later": 1}) == a_flag("a")


def test_a_lone_surrogate_is_refused() -> None:
    with pytest.raises(TypeError, match="surrogates"):
        encode_text(a_flag(name="\ud800"))


def test_what_did_not_change_is_the_same_object_again() -> None:
    decoder = EnvironmentDecoder()
    flags, segments = [encode_text(a_flag("a")), encode_text(a_flag("b"))], [encode_text(a_segment())]
    targetings = [encode_text(a_targeting("a")), encode_text(a_targeting("b"))]
    first = decoder.decode(SHOP, 1, flags=flags, targetings=targetings, segments=segments)
    targetings[0] = encode_text(a_targeting("a", on=not a_targeting("a").on))
    again = decoder.decode(SHOP, 2, flags=flags, targetings=targetings, segments=segments)
    assert again.flags["b"] is first.flags["b"]
    assert again.segments[a_segment().key] is first.segments[a_segment().key]
    assert again.flags["a"].flag is first.flags["a"].flag
    assert again.flags["a"].targeting == replace(first.flags["a"].targeting, on=not first.flags["a"].on)
    flags[1] = encode_text(a_flag("b", name="another"))
    renamed = decoder.decode(SHOP, 3, flags=flags, targetings=targetings, segments=segments)
    assert renamed.flags["b"].name == "another"
    assert renamed.flags["a"] is again.flags["a"]


def test_nothing_is_kept_of_an_environment_that_is_gone() -> None:
    decoder = EnvironmentDecoder()
    flags, targetings = [encode_text(a_flag())], [encode_text(a_targeting())]
    first = decoder.decode(SHOP, 1, flags=flags, targetings=targetings, segments=[]).flags[a_flag().key]
    again = decoder.decode(SHOP, 2, flags=flags, targetings=targetings, segments=[]).flags[a_flag().key]
    assert again.flag is first.flag
    decoder.decode(SHOP, 3, flags=flags, targetings=[], segments=[])
    anew = decoder.decode(SHOP, 4, flags=flags, targetings=targetings, segments=[]).flags[a_flag().key]
    assert anew.flag == first.flag
    assert anew.flag is not first.flag
