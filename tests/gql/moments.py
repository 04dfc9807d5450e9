"""Moments, as clients write them."""

from datetime import UTC, datetime, timedelta


def in_seconds(seconds: float) -> str:
    moment = datetime.now(UTC) + timedelta(seconds=seconds)
    return moment.isoformat(timespec="milliseconds")


def same_moment(left: str, right: str) -> bool:
    return datetime.fromisoformat(left) == datetime.fromisoformat(right)
