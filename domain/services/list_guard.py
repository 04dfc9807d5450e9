"""Keeps large lists that flags use from losing most of their members by mistake."""

from collections.abc import Sequence
from dataclasses import dataclass

from domain.errors import LimitExceededError

DEFAULT_REMOVAL_PERCENT = 50
_SHOWN = 5


@dataclass(frozen=True, slots=True)
class ListLoss:
    """What a list that flags use is to lose."""

    segment_key: str
    removed: int
    size: int

    @property
    def percent(self) -> int:
        """How much of it that is."""
        return 100 * self.removed // max(1, self.size)

    def __str__(self) -> str:
        """Render `'key' (removed of size)`."""
        return f"{self.segment_key!r} ({self.removed} of {self.size})"


def check_losses(losses: Sequence[ListLoss], max_percent: int) -> None:
    """Refuse that lists which flags use lose more than the limit of the settings; nobody acknowledged it.

    Raises:
        LimitExceededError: They would; it names them.
    """
    found = [loss for loss in losses if loss.percent > max_percent]
    if found:
        names = ", ".join(map(str, found[:_SHOWN]))
        more = f" and {len(found) - _SHOWN} more" if len(found) > _SHOWN else ""
        raise LimitExceededError(
            f"percent of the members removed from large lists that flags use: {names}{more} "
            "(acknowledgeRemoval lets it happen)",
            setting="EARLYBIRD_MAX_REMOVAL_PERCENT",
            limit=max_percent,
            actual=max(loss.percent for loss in found),
        )
