"""Moments: what clients send as DateTime, as the domain counts time."""

from datetime import datetime

from domain.clock import epoch_ms


def epoch_ms_or_none(moment: datetime | None) -> int | None:
    """Convert a moment to epoch milliseconds, if there is one."""
    return None if moment is None else epoch_ms(moment)
