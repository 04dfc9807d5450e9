"""The rows of the table: what was measured, against what, and whether that meets its bar."""

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any, Self

SHARE = 0.8
"""What is to be as fast as something else must reach this part of its speed: equals are never measured equal."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """One line of the table.

    Attributes:
        name: What was measured, beginning with its number in the list of bars.
        ours: How long it takes, or how much.
        unit: Of both sides, and of the limit.
        against: What it is compared with.
        theirs: The same of that.
        times: The bar where there is one: at least so many times as fast (or as small) as theirs.
        limit: The bar of a row without another side: at most so much.
    """

    name: str
    ours: float
    unit: str = "µs"
    against: str = ""
    theirs: float | None = None
    times: float | None = None
    limit: float | None = None

    @classmethod
    def faster(  # noqa: PLR0913 - what a comparison has
        cls, name: str, against: str, ours: float, theirs: float, *, times: float | None, unit: str = "µs"
    ) -> Self:
        """Make the row of a comparison."""
        return cls(name=name, against=against, ours=ours, theirs=theirs, times=times, unit=unit)

    @property
    def ratio(self) -> float | None:
        """How many times as fast as theirs."""
        return None if self.theirs is None else self.theirs / self.ours

    @property
    def score(self) -> float | None:
        """How often the bar fits into what was reached: 1 meets it exactly; None without a bar."""
        if self.limit is not None:
            return self.limit / self.ours
        return None if self.ratio is None or self.times is None else self.ratio / self.times

    @property
    def is_met(self) -> bool | None:
        """Whether it meets its bar; None without one."""
        return None if self.score is None else self.score >= 1

    @property
    def bar(self) -> str:
        """The bar in words."""
        if self.limit is not None:
            return f"at most {self.limit:g} {self.unit}"
        return "" if self.times is None else f"{self.times:.2g}x"

    @property
    def verdict(self) -> str:
        """The last column."""
        return {None: "", True: "met", False: "**missed**"}[self.is_met]


def table(rows: Sequence[Row]) -> str:
    """Render the rows as Markdown."""
    lines = ["| what | against | ours | theirs | ratio | bar | |", "|---|---|---:|---:|---:|---:|---|"]
    for row in rows:
        theirs = "" if row.theirs is None else amount(row.theirs, row.unit)
        ratio = "" if row.ratio is None else f"{row.ratio:.2f}x"
        cells = (row.name, row.against, amount(row.ours, row.unit), theirs, ratio, row.bar, row.verdict)
        lines.append(f"| {' | '.join(cells)} |")
    return "\n".join(lines)


def amount(value: float, unit: str) -> str:
    """Write a figure with its unit, with as many digits as mean something."""
    return f"{value:,.0f} {unit}" if value >= 100 else f"{value:.3g} {unit}"  # noqa: PLR2004 - three digits


def to_json(row: Row) -> dict[str, Any]:
    """Write a row with what follows from it."""
    return {**asdict(row), "ratio": row.ratio, "met": row.is_met}
