"""How many requests a caller may make in a second: one bucket of tokens for each, which refills all the time."""

import math
from collections.abc import Callable
from time import monotonic

from domain.access.principals import Principal
from domain.errors import LimitExceededError
from gql.answers import RefusedRequestError
from gql.errors import explain

# As many callers are known at a time; those who asked longest ago make room, with full buckets.
KNOWN_CALLERS = 10_000


def rate_name(principal: Principal, address: str) -> str:
    """Name whose bucket a request takes from: a credential's, or else a client's.

    Anybody can read a client SDK key, so that each client with it has a bucket of its own.
    """
    if principal.credential is None:
        return address
    return f"{principal.credential.id} {address}" if principal.is_client_side else principal.credential.id


class RequestRate:
    """The buckets of one process; each holds the requests of a second."""

    def __init__(self, per_second: int, clock: Callable[[], float] = monotonic) -> None:
        self._per_second = per_second
        self._clock = clock
        # When each bucket will be full: what a bucket lacks, in seconds from now.
        self._full_at: dict[str, float] = {}

    def take(self, name: str) -> None:
        """Take a token from a bucket.

        Raises:
            RefusedRequestError: It is empty; tells when there is one again.
        """
        now = self._clock()
        full_at = max(now, self._full_at.pop(name, now)) + 1 / self._per_second
        wait = full_at - now - 1
        if wait > 1e-9:  # noqa: PLR2004 - what adding fractions is off by
            self._full_at[name] = full_at - 1 / self._per_second
            raise self._refusal(wait)
        self._full_at[name] = full_at
        if len(self._full_at) > KNOWN_CALLERS:
            del self._full_at[next(iter(self._full_at))]

    def _refusal(self, wait: float) -> RefusedRequestError:
        error = LimitExceededError(
            "This caller's requests a second",
            setting="EARLYBIRD_MAX_REQUESTS_PER_SECOND",
            limit=self._per_second,
            actual=self._per_second + 1,
        )
        headers = {"Retry-After": str(math.ceil(wait))}
        return RefusedRequestError(429, *explain(error), headers)
