"""What growth is measured as: one figure of several panels over the same sizes."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class Panel:
    """One thing that may grow; a line for each way it is measured, with a value for each size."""

    title: str
    unit: str
    lines: Mapping[str, Sequence[float]]


@dataclass(frozen=True, slots=True, kw_only=True)
class Growth:
    """What becomes of several things as one thing grows.

    Attributes:
        key: Names the plot's file.
        of: What grows.
    """

    key: str
    title: str
    of: str
    sizes: Sequence[int]
    panels: Sequence[Panel]
