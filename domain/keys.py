"""Key and tag syntax, keys of contexts, and the name of an environment. One place says what may name a thing."""

import re
from dataclasses import dataclass

from domain.errors import InputPath, Violation

KEY_LENGTH_LIMIT = 256
CONTEXT_KEY_LIMIT = 1_024
"""How many characters the key of a context may have that is a target or a member."""

_KEY = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]*")
_NOT_KEY_CHARACTERS = re.compile(r"[^a-z0-9._-]+")


def key_violation(key: str, path: InputPath) -> Violation | None:
    """Return what is wrong with `key`, or None if it is a key."""
    return _word_violation("key", key, path)


def tag_violation(tag: str, path: InputPath) -> Violation | None:
    """Return what is wrong with `tag`, or None if it is a tag: a word like a key."""
    return _word_violation("tag", tag, path)


def _word_violation(what: str, word: str, path: InputPath) -> Violation | None:
    if _KEY.fullmatch(word) and len(word) <= KEY_LENGTH_LIMIT:
        return None
    return Violation(
        path,
        f"{word[:60]!r} is not a {what}: 1 to {KEY_LENGTH_LIMIT} letters, digits, '.', '_' or '-', "
        "beginning with a letter or digit",
    )


def new_key_violation(key: str, *, is_given: bool) -> Violation | None:
    """Return what is wrong with the key of something new: one that was given, or derived from the name."""
    if key or is_given:
        return key_violation(key, ("key",) if is_given else ("name",))
    return Violation(("name",), "no key can be derived from this name: give one")


def key_from_name(name: str) -> str:
    """Derive a key from a name: `eap: New dashboard` gives `eap-new-dashboard` (may be empty)."""
    return _NOT_KEY_CHARACTERS.sub("-", name.lower()).strip("-._")[:KEY_LENGTH_LIMIT]


def context_key_problem(key: str) -> str | None:
    """Return what is wrong with the key of a context that is to be a target or a member, or None.

    A key is what it is, spaces around it included: evaluation compares all of it.
    """
    if not key or key.isspace():
        return "is blank"
    if len(key) > CONTEXT_KEY_LIMIT:
        return f"has more than {CONTEXT_KEY_LIMIT} characters"
    if "\0" in key:
        return "holds a NUL"
    if not key.isascii():
        try:
            key.encode()
        except UnicodeEncodeError:
            return "is not UTF-8"
    return None


@dataclass(frozen=True, slots=True, order=True)
class EnvironmentRef:
    """An environment's full name: the project's key and its own."""

    project: str
    environment: str

    def __str__(self) -> str:
        """Render `project/environment`; neither part can hold a slash."""
        return f"{self.project}/{self.environment}"

    @property
    def resource(self) -> str:
        """It in the words of policies."""
        return f"proj/{self.project}:env/{self.environment}"
