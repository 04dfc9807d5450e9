"""Moments: what clients send as DateTime, as the domain counts time."""

from datetime import UTC, datetime, timedelta
from typing import overload

from domain.errors import InvalidInputError, Violation

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


@overload
def epoch_ms(moment: datetime, argument: str) -> int: ...
@overload
def epoch_ms(moment: datetime | None, argument: str) -> int | None: ...
def epoch_ms(moment: datetime | None, argument: str) -> int | None:
    """Convert a moment to epoch milliseconds.

    Raises:
        InvalidInputError: It has no offset from UTC, or is out of the calendar there.
    """
    if moment is None:
        return None
    if moment.tzinfo is None:
        raise InvalidInputError([Violation((argument,), "needs an offset from UTC, such as Z")])
    try:
        return (moment.astimezone(UTC) - _EPOCH) // timedelta(milliseconds=1)
    except OverflowError:
        raise InvalidInputError([Violation((argument,), "is not between the years 1 and 9999 in UTC")]) from None
