"""Moments: what clients send as DateTime, as the domain counts time."""

from datetime import datetime
from typing import overload

from domain.errors import InvalidInputError, Violation


@overload
def epoch_ms(moment: datetime, argument: str) -> int: ...
@overload
def epoch_ms(moment: datetime | None, argument: str) -> int | None: ...
def epoch_ms(moment: datetime | None, argument: str) -> int | None:
    """Convert a moment to epoch milliseconds.

    Raises:
        InvalidInputError: It has no offset from UTC.
    """
    if moment is None:
        return None
    if moment.tzinfo is None:
        raise InvalidInputError([Violation((argument,), "needs an offset from UTC, such as Z")])
    return round(moment.timestamp() * 1000)
