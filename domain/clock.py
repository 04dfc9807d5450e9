"""The time, as the domain counts it: epoch milliseconds."""

import time
from datetime import UTC, datetime


def now_ms() -> int:
    """Return the time now."""
    return time.time_ns() // 1_000_000


def moment(at_ms: int) -> datetime:
    """Return a moment as a date and time in UTC."""
    return datetime.fromtimestamp(at_ms / 1000, UTC)
