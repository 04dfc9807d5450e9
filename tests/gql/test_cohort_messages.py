"""What external tools send of their cohorts, as it is read."""

import gc
import sys
import time
from collections.abc import Callable
from types import FrameType

import orjson
import pytest

from domain.errors import InvalidInputError
from gql.cohort_messages import read_batch, read_webhook

USERS = 100_000


def seconds(work: Callable[[], object]) -> float:
    """Return how much of the processor some work takes, at best."""

    def once() -> float:
        begun = time.thread_time()
        work()
        return time.thread_time() - begun

    return min(once() for _ in range(3))


def test_to_read_a_webhook_takes_a_few_times_what_its_json_takes() -> None:
    """A message is answered within a second, and may be of half a million users."""
    users = [{"user_id": f"user-{number:06}"} for number in range(USERS)]
    body = orjson.dumps({"cohort_id": "c", "in_cohort": True, "users": users})
    [sync] = read_webhook(body, "amplitude").syncs()
    assert len(sync.joined) == USERS
    assert seconds(read_webhook(body, "amplitude").syncs) < 2 * seconds(lambda: orjson.loads(body))
    assert seconds(lambda: read_webhook(body, "amplitude")) < 5 * seconds(lambda: orjson.loads(body))


def longest_call(work: Callable[[], object]) -> float:
    """Return how much of the processor the longest call of an extension takes, at best: no thread gets in."""

    def once() -> float:
        longest = begun = 0.0

        def note(_frame: FrameType, event: str, _called: object) -> None:
            nonlocal longest, begun
            if event == "c_call":
                begun = time.thread_time()
            elif event == "c_return":
                longest = max(longest, time.thread_time() - begun)

        gc.disable()  # the service collects seldom, and these tests hold much more
        sys.setprofile(note)
        try:
            work()
        finally:
            sys.setprofile(None)
            gc.enable()
        return longest

    return min(once() for _ in range(3))


def a_batch(members: list[dict[str, object]]) -> bytes:
    return orjson.dumps({"environmentId": "default/production", "batch": members})


def test_no_call_holds_everybody_up_for_much_longer_than_a_batchs_json() -> None:
    people: list[dict[str, object]] = [
        {"userId": f"u{number:06}", "cohortId": "c", "cohortName": "Users", "value": True}
        for number in range(USERS // 2)
    ]
    body = a_batch(people)
    [sync] = read_batch(body, "amplitude")[1].syncs()
    assert len(sync.joined) == len(people)
    assert longest_call(lambda: read_batch(body, "amplitude")) < 2 * seconds(lambda: orjson.loads(body))


def test_every_member_that_is_none_is_named_wherever_it_is_in_a_batch() -> None:
    people: list[dict[str, object]] = [{"userId": "u", "cohortId": "c", "value": True} for _ in range(2_500)]
    people[3] = {"userId": 3, "value": True}
    people[2_400] = {"userId": "u", "cohortId": "", "value": "yes"}
    with pytest.raises(InvalidInputError) as refused:
        read_batch(a_batch(people), "amplitude")
    assert [violation.path for violation in refused.value.violations] == [
        ("batch", 3, "userId"),
        ("batch", 3, "cohortId"),
        ("batch", 2_400, "cohortId"),
        ("batch", 2_400, "value"),
    ]
