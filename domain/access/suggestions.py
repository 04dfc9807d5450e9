"""Suggestions: which names may have been meant by one that is none."""

from collections.abc import Iterable
from dataclasses import dataclass
from difflib import get_close_matches

_LENGTH = 60
"""How much of a name is compared."""


@dataclass(slots=True)
class Suggestions:
    """What an answer may still suggest: to compare names takes time, so it does for a few of those that are wrong.

    Attributes:
        left: For how many.
    """

    left: int = 5

    def among(self, name: str, names: Iterable[str]) -> str:
        """Return a sentence that says which of some names may have been meant by another, or nothing."""
        if not self.left:
            return ""
        self.left -= 1
        close = get_close_matches(name[:_LENGTH], sorted(names))
        return f". Did you mean {' or '.join(map(repr, close))}?" if close else ""


def suggestions(*, wanted: bool) -> Suggestions:
    """Return suggestions, or none at all where nobody is told what there is."""
    return Suggestions() if wanted else Suggestions(left=0)
