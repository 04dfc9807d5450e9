"""The time, as the domain counts it: epoch milliseconds."""

import time
from datetime import UTC, datetime, timedelta

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MILLISECOND = timedelta(milliseconds=1)


def now_ms() -> int:
    """Return the time now."""
    return time.time_ns() // 1_000_000


def moment(at_ms: int) -> datetime:
    """Return a moment as a date and time in UTC."""
    return _EPOCH + at_ms * _MILLISECOND


def epoch_ms(moment: datetime) -> int:
    """Return the millisecond that a moment, which knows its offset from UTC, is in."""
    return (moment - _EPOCH) // _MILLISECOND
