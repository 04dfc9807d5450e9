"""RFC 3339 moments and epoch milliseconds, as LaunchDarkly's Go evaluator reads them (semantics 2.5, 2.9)."""

import re
from datetime import date

from domain.json import Json

_MOMENT = re.compile(
    r"(\d{4})-(\d{2})-(\d{2})[Tt](\d{1,2}):(\d{2}):(\d{2})(?:\.(\d{1,9}))?(?:[Zz]|([+-])(\d{2}):(\d{2}))",
    re.ASCII,
)
_DAYS_PER_400_YEARS = 146_097
_LARGEST = (12, 31, 23, 59, 60)


def parse_moment(value: Json) -> int | None:
    """Return nanoseconds since the epoch; None if `value` is neither a number nor a date with time and zone.

    Days past a month's end roll over, seconds may be 60, hours may have one digit: as in Go.
    """
    if isinstance(value, bool):
        return None
    if isinstance(value, int | float):
        return int(value) * 1_000_000
    match = _MOMENT.fullmatch(value) if isinstance(value, str) else None
    if not match:
        return None
    year, *fields = (int(group) for group in match.group(1, 2, 3, 4, 5, 6))
    month, day, hour, minute, second = fields
    if any(field > largest for field, largest in zip(fields, _LARGEST, strict=True)) or not month or not day:
        return None
    # The calendar repeats every 400 years, and datetime has no year 0 and none beyond 9999.
    cycles, year_of_cycle = divmod(year, 400)
    first_of_month = date(year_of_cycle + 400, month, 1).toordinal() + (cycles - 1) * _DAYS_PER_400_YEARS
    days = first_of_month - date(1970, 1, 1).toordinal() + day - 1
    seconds = ((days * 24 + hour) * 60 + minute) * 60 + second
    sign, offset_hours, offset_minutes = match.group(8, 9, 10)
    if sign:
        if int(offset_minutes) > 59:  # noqa: PLR2004 - minutes
            return None
        offset = (int(offset_hours) * 60 + int(offset_minutes)) * 60
        seconds += -offset if sign == "+" else offset
    return seconds * 1_000_000_000 + int((match.group(7) or "").ljust(9, "0"))
