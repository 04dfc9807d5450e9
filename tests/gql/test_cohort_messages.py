"""What external tools send of their cohorts, as it is read."""

import time
from collections.abc import Callable

import orjson

from gql.cohort_messages import read_webhook

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
