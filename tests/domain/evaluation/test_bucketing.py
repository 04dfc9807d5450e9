"""Buckets (LaunchDarkly semantics 2.6)."""

from collections.abc import Mapping
from dataclasses import replace
from itertools import accumulate, pairwise
from unittest.mock import patch

import pytest
from hypothesis import given
from hypothesis import strategies as st

from domain.evaluation import flags
from domain.evaluation.bucketing import bucket, bucket_prefix, compile_bucketer
from domain.json import Json
from domain.model.targeting import FULL_WEIGHT, RolloutKind, WeightedVariation
from tests.builders import (
    a_context,
    a_flag,
    a_multi_context,
    a_rollout,
    a_rule,
    an_experiment,
    evaluate,
    malformed,
)

PREFIX = bucket_prefix("hashKey", "saltyA")
VECTORS = {"userKeyA": 0.42157587, "userKeyB": 0.67084850, "userKeyC": 0.10343106}
SEEDED = {"userKeyA": 0.09801207, "userKeyB": 0.14483777, "userKeyC": 0.92426409}


def bucket_of(
    bucket_by: str | None, attributes: Mapping[str, Json] | None = None, context_kind: str | None = None
) -> float | None:
    bucketer = compile_bucketer(PREFIX, bucket_by, context_kind)
    return None if bucketer is None else bucketer({"key": "userKeyA", **(attributes or {})})


@pytest.mark.parametrize(("key", "expected"), VECTORS.items())
def test_key_and_salt_are_hashed(key: str, expected: float) -> None:
    assert bucket(PREFIX, key) == pytest.approx(expected, abs=1e-8)


@pytest.mark.parametrize(("key", "expected"), SEEDED.items())
def test_a_seed_stands_for_key_and_salt(key: str, expected: float) -> None:
    assert bucket(bucket_prefix("hashKey", "saltyA", 61), key) == pytest.approx(expected, abs=1e-8)


def test_the_seed_0_is_a_seed() -> None:
    assert bucket_prefix("hashKey", "saltyA", 0) == "0."


@pytest.mark.parametrize(
    ("value", "expected"), [(33333, 0.54771423), (99999, 0.73096580), ("33333", 0.54771423), (33333.0, 0.54771423)]
)
def test_an_integer_is_hashed_as_its_decimals(value: Json, expected: float) -> None:
    assert bucket_of("n", {"n": value}) == pytest.approx(expected, abs=1e-8)


@pytest.mark.parametrize("value", [None, True, False, 1.5, [], ["a"], {}, {"a": 1}, 2.0**63, 1e300])
def test_what_cannot_be_hashed_has_bucket_0(value: Json) -> None:
    assert bucket_of("n", {"n": value}) == 0


@pytest.mark.parametrize("bucket_by", [None, "", "key"])
def test_the_key_is_hashed_by_default(bucket_by: str | None) -> None:
    assert bucket_of(bucket_by) == pytest.approx(VECTORS["userKeyA"], abs=1e-8)


def test_bucket_by_is_a_literal_name_without_a_context_kind_and_a_reference_with_one() -> None:
    attributes: dict[str, Json] = {"/a/b": "userKeyB", "a": {"b": "userKeyC"}}
    assert bucket_of("/a/b", attributes) == pytest.approx(VECTORS["userKeyB"], abs=1e-8)
    assert bucket_of("/a/b", attributes, "user") == pytest.approx(VECTORS["userKeyC"], abs=1e-8)


@given(st.text(), st.text())
def test_buckets_lie_between_0_and_1(prefix: str, value: str) -> None:
    assert 0 <= bucket(prefix, value) <= 1


# Rollouts, by the vectors of seed 61


def served(*weights: int, key: str = "userKeyA", **more: object) -> int | None:
    rollout = a_rollout(*weights, seed=61, **more)  # type: ignore[arg-type]  # passed on
    return evaluate(a_flag(fallthrough=rollout), context=a_context(key=key)).variation_index


def test_the_first_share_whose_end_lies_beyond_the_bucket_is_served() -> None:
    assert [served(12_000, 3_000, 85_000, key=key) for key in SEEDED] == [0, 1, 2]


def test_a_context_past_the_last_share_is_served_the_last() -> None:
    assert served(1_000, 1_000) == 1


def test_a_share_of_weight_0_or_less_is_served_to_nobody() -> None:
    assert served(0, 100_000) == 1
    assert served(-5, 100_005) == 1


def test_a_negative_weight_shifts_the_shares_after_it() -> None:
    assert served(-5_000, 14_801, 100_000) == 2  # its end: 9801, just before the bucket 9801.2
    assert served(-5_000, 14_802, 100_000) == 1


def test_without_the_attribute_the_bucket_is_0() -> None:
    assert served(0, 1, 99_999, bucket_by="missing", key="userKeyC") == 1


def test_without_the_kind_the_first_share_of_positive_end_is_served() -> None:
    assert served(1, 99_999, context_kind="org", key="userKeyC") == 0
    assert served(0, 1, 99_999, context_kind="org", key="userKeyC") == 1
    assert served(-5, 5, 100_000, context_kind="org") == 2
    assert served(0, 0, context_kind="org") == 1


WEIGHTS = st.one_of(st.integers(-60_000, 120_000), st.sampled_from([-5, 0, 1, 50_000, 99_999, 100_000]))


@given(st.lists(st.tuples(st.integers(0, 3), WEIGHTS), min_size=1, max_size=6))
def test_what_is_told_of_a_rollout_is_what_it_serves_whatever_it_adds_up_to(shares: list[tuple[int, int]]) -> None:
    variations = tuple(WeightedVariation(variation=place, weight=weight) for place, weight in shares)
    flag = a_flag(rules=[a_rule(serves=replace(a_rollout(bucket_by="at"), variations=variations))])
    ends = {min(max(end, 0), FULL_WEIGHT) for end in accumulate(weight for _, weight in shares)}
    measured = dict.fromkeys(range(3), 0)
    with patch.object(flags, "compile_bucketer", lambda *_: lambda attributes: attributes["at"]):
        for begin, end in pairwise(sorted({0, *ends, FULL_WEIGHT})):
            at = (begin + end) / 2 / FULL_WEIGHT
            index = evaluate(flag, context=a_context(at=at)).variation_index
            if index is not None:  # the variation 3 does not exist
                measured[index] += end - begin
    told = {share.variation.index: share.weight for share in flag.serving_rule(0).serves}
    assert told == {place: measured[place] for place in told}
    assert flag.served == (frozenset(place for place, weight in measured.items() if weight),)


def test_the_context_of_the_rollouts_kind_is_hashed() -> None:
    flag = a_flag(fallthrough=a_rollout(12_000, 88_000, seed=61, context_kind="org"))
    assert evaluate(flag, context=a_multi_context(user="userKeyC", org="userKeyA")).variation_index == 0
    assert evaluate(flag, context=a_multi_context(user="userKeyA", org="userKeyC")).variation_index == 1


def test_without_a_seed_the_flags_key_and_salt_are_hashed() -> None:
    flag = a_flag(key="hashKey", salt="saltyA", fallthrough=a_rollout(20_000, 30_000, 50_000))
    indexes = {key: evaluate(flag, context=a_context(key=key)).variation_index for key in VECTORS}
    assert indexes == {"userKeyA": 1, "userKeyB": 2, "userKeyC": 0}


@pytest.mark.parametrize("serves", ["rule", "fallthrough"])
def test_an_invalid_bucket_by_is_malformed(serves: str) -> None:
    rollout = a_rollout(100_000, bucket_by="//", context_kind="user")
    flag = a_flag(fallthrough=rollout) if serves == "fallthrough" else a_flag(rules=[a_rule(serves=rollout)])
    assert evaluate(flag) == malformed()


def test_an_invalid_bucket_by_is_malformed_even_where_the_kind_is_missing() -> None:
    assert evaluate(a_flag(fallthrough=a_rollout(100_000, bucket_by="//", context_kind="org"))) == malformed()


# Experiments


def measured(*weights: int, key: str = "userKeyA", **more: object) -> tuple[int | None, bool]:
    rollout = an_experiment(*weights, seed=61, **more)  # type: ignore[arg-type]  # passed on
    result = evaluate(a_flag(fallthrough=rollout), context=a_context(key=key))
    return result.variation_index, result.reason.in_experiment


def test_an_experiment_is_named_in_the_reason() -> None:
    assert measured(50_000, 50_000) == (0, True)


def test_an_experiment_in_a_rule_is_named_in_the_reason() -> None:
    reason = evaluate(a_flag(rules=[a_rule(serves=an_experiment(100_000))])).reason
    assert (reason.rule_index, reason.in_experiment) == (0, True)


def test_a_plain_rollout_is_no_experiment() -> None:
    flag = a_flag(fallthrough=a_rollout(100_000, kind=RolloutKind.ROLLOUT))
    assert not evaluate(flag).reason.in_experiment


def test_an_untracked_share_is_in_no_experiment() -> None:
    assert measured(50_000, 50_000, untracked=[0]) == (0, False)
    assert measured(50_000, 50_000, untracked=[1]) == (0, True)


def test_an_untracked_last_share_is_in_no_experiment_past_its_end() -> None:
    assert measured(1, 1, untracked=[1]) == (1, False)
    assert measured(1, 1) == (1, True)


def test_an_experiment_ignores_bucket_by_even_an_invalid_one() -> None:
    assert measured(12_000, 88_000, bucket_by="missing", key="userKeyC") == (1, True)
    assert measured(12_000, 88_000, bucket_by="//", context_kind="user", key="userKeyC") == (1, True)


def test_without_its_kind_a_context_is_in_no_experiment() -> None:
    assert measured(50_000, 50_000, context_kind="org") == (0, False)


def test_an_experiment_that_serves_a_variation_that_is_not_there_is_malformed() -> None:
    assert evaluate(a_flag(variations=["only"], fallthrough=an_experiment(0, 100_000))) == malformed()


@given(key=st.text(min_size=1), first=st.integers(0, 100_000), more=st.integers(0, 100_000))
def test_growing_the_first_share_moves_no_context_out_of_it(key: str, first: int, more: int) -> None:
    grown = min(first + more, 100_000)
    before = evaluate(a_flag(fallthrough=a_rollout(first, 100_000 - first)), context=a_context(key=key))
    after = evaluate(a_flag(fallthrough=a_rollout(grown, 100_000 - grown)), context=a_context(key=key))
    assert not (before.variation_index == 0 and after.variation_index == 1)
