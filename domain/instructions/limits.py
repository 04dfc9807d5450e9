"""How much a thing may hold. What an import brought beyond that may stay, but an edit does not add to it."""

import re

from domain.errors import InputPath, Violation

NAME_CHARACTERS = 256
DESCRIPTION_CHARACTERS = 4_096
COMMENT_CHARACTERS = 4_096
TAGS_LIMIT = 100
VARIATIONS_LIMIT = 100
PREREQUISITES_LIMIT = 100
RULES_LIMIT = 1_000
CLAUSES_LIMIT = 100
VALUES_LIMIT = 5_000
PATTERNS_LIMIT = 2_000
"""Of a thing's rules, and of an edit: each takes some twenty microseconds to compile."""
INSTRUCTIONS_LIMIT = 200
URL_CHARACTERS = 2_048
COHORTS_LIMIT = 100

_CONTROL_CHARACTER = re.compile(r"[\x00-\x1f\x7f-\x9f]")
_INVISIBLE_CHARACTER = re.compile("[\u00ad\u180e\u200b\u2028-\u202e\u2060-\u206f\ufeff\ufff9-\ufffb\U000e0001]")
"""What turns a text round, or shows nothing. Joiners and marks of direction are parts of scripts and of emoji."""


def too_long(text: str, limit: int, path: InputPath) -> list[Violation]:
    """Return what is wrong with a text's length."""
    if len(text) <= limit:
        return []
    return [Violation(path, f"has {len(text)} characters: at most {limit} are allowed")]


def text_violations(text: str, path: InputPath) -> list[Violation]:
    """Return what is wrong with a name, or with what others call a thing: it may be empty, but not look so."""
    if text and not text.strip():
        return [Violation(path, "holds nothing but spaces")]
    if _CONTROL_CHARACTER.search(text):
        return [Violation(path, "holds a control character"), *too_long(text, NAME_CHARACTERS, path)]
    if found := _INVISIBLE_CHARACTER.search(text):
        message = f"holds the invisible character U+{ord(found[0]):04X}"
        return [Violation(path, message), *too_long(text, NAME_CHARACTERS, path)]
    return too_long(text, NAME_CHARACTERS, path)


def too_many(what: str, count: int, limit: int, path: InputPath, *, before: int = 0) -> list[Violation]:
    """Return what is wrong with a number of things, of which there may be as many as there were before."""
    if count <= max(limit, before):
        return []
    return [Violation(path, f"would be {count} {what}: at most {limit} are allowed")]
