"""Moments, as Go reads them (LaunchDarkly semantics 2.5, 2.9)."""

from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from domain.evaluation.dates import parse_moment
from domain.json import Json

NOON = 1512543600_000_000_000  # 2017-12-06T07:00:00Z, in nanoseconds
SECOND = 1_000_000_000
DAY = 86_400 * SECOND


@pytest.mark.parametrize(
    ("value", "moment"),
    [
        (1512543600000, NOON),
        (1512543600000.0, NOON),
        (1512543600000.9, NOON),
        (-1, -1_000_000),
        ("2017-12-06T07:00:00Z", NOON),
        ("2017-12-06T07:00:00.000Z", NOON),
        ("2017-12-06t07:00:00z", NOON),
        ("2017-12-06T00:00:00-07:00", NOON),
        ("2017-12-06T12:30:00+05:30", NOON),
        ("2017-12-06T7:00:00Z", NOON),
        ("2017-12-06T07:00:00.000000001Z", NOON + 1),
        ("2017-12-06T07:00:00.5Z", NOON + SECOND // 2),
        ("2017-12-06T06:59:60Z", NOON),
        ("2018-02-30T00:00:00Z", 1519948800 * SECOND),  # 2 March
        ("1969-12-31T23:59:59Z", -SECOND),
        ("0000-01-01T00:00:00Z", -719_528 * DAY),
        ("9999-12-31T23:59:59Z", 253402300799 * SECOND),
    ],
)
def test_a_moment_is_read(value: Json, moment: int) -> None:
    assert parse_moment(value) == moment


@pytest.mark.parametrize(
    "value",
    [
        None,
        True,
        "",
        "1512543600000",
        "2017-12-06",
        "2017-12-06T07:00:00",
        "2017-12-06 07:00:00Z",
        "2017-12-06T07:00Z",
        "2017-12-06T07:00:00.Z",
        "2017-12-06T07:00:00+0000",
        "2017-12-06T07:00:00+00",
        "2017-12-06T07:00:00+00:60",
        "2017-12-06T24:00:00Z",
        "2017-12-06T07:60:00Z",
        "2017-12-06T07:00:61Z",
        "2017-12-32T07:00:00Z",
        "2017-13-06T07:00:00Z",
        "2017-00-06T07:00:00Z",
        "2017-12-00T07:00:00Z",
        "17-12-06T07:00:00Z",
        " 2017-12-06T07:00:00Z",
        "2017-12-06T07:00:00Z\n",
        "\uff12017-12-06T07:00:00Z",  # a digit, but not of ASCII
        [1512543600000],
        {"date": 1512543600000},
    ],
)
def test_anything_else_is_no_moment(value: Json) -> None:
    assert parse_moment(value) is None


@given(st.datetimes(min_value=datetime(1, 1, 2), max_value=datetime(9999, 12, 30), timezones=st.timezones()))  # noqa: DTZ001 - hypothesis wants them naive
def test_every_moment_of_the_calendar_is_read_as_datetime_reads_it(moment: datetime) -> None:
    if moment.utcoffset().total_seconds() % 60:  # type: ignore[union-attr]  # they have a time zone
        moment = moment.astimezone(UTC)
    since_epoch = moment - datetime(1970, 1, 1, tzinfo=UTC)
    nanoseconds = (since_epoch.days * 86_400 + since_epoch.seconds) * SECOND + since_epoch.microseconds * 1_000
    assert parse_moment(moment.isoformat()) == nanoseconds
