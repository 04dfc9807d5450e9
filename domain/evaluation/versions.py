"""Semantic versions whose minor and patch may be left out (LaunchDarkly semantics 2.5)."""

import re
from typing import TypeAlias

from domain.json import Json

_NUMBER = r"(0|[1-9]\d*)"
_IDENTIFIER = r"(?:0|[1-9]\d*|\d*[A-Za-z-][0-9A-Za-z-]*)"
_VERSION = re.compile(
    rf"{_NUMBER}(?:\.{_NUMBER}(?:\.{_NUMBER})?)?(?:-({_IDENTIFIER}(?:\.{_IDENTIFIER})*))?(?:\+[0-9A-Za-z-]+(?:\.[0-9A-Za-z-]+)*)?",
    re.ASCII,
)
_LONGEST_NUMBER = 18
"""Digits a component may have; beyond it Go's integers overflow and the version is invalid."""

Version: TypeAlias = tuple[tuple[int, int, int], bool, tuple[tuple[bool, int, str], ...]]
"""Orders as SemVer 2.0 does: numbers, then prerelease before release, then identifiers."""


def parse_version(value: Json) -> Version | None:
    """Return something that orders and equals as the version does; None if `value` is no version.

    Build metadata is ignored; numeric identifiers order by number and before the others.
    """
    match = _VERSION.fullmatch(value) if isinstance(value, str) else None
    if not match:
        return None
    numbers = [number or "0" for number in match.group(1, 2, 3)]
    identifiers = match.group(4).split(".") if match.group(4) else []
    if any(len(text) > _LONGEST_NUMBER and text.isdigit() for text in numbers + identifiers):
        return None
    major, minor, patch = map(int, numbers)
    return (
        (major, minor, patch),
        not identifiers,
        tuple((False, int(text), "") if text.isdigit() else (True, 0, text) for text in identifiers),
    )
