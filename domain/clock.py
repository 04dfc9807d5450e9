"""The time, as the domain counts it: epoch milliseconds."""

import time
from datetime import UTC, datetime, timedelta

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


def now_ms() -> int:
    """Return the time now."""
    return time.time_ns() // 1_000_000


def moment(at_ms: int) -> datetime:
    """Return a moment as a date and time in UTC."""
    return _EPOCH + timedelta(milliseconds=at_ms)
