"""Attribute references: which value of a context a clause or rollout reads (LaunchDarkly semantics 2.4)."""

import re

_BAD_ESCAPE = re.compile(r"~(?![01])")


def parse_reference(reference: str) -> tuple[str, ...] | None:
    """Split a reference into the names it walks through; None if it is invalid.

    Without a leading slash the whole string is one name. With one, names are split at slashes, `~1` is a slash
    and `~0` a tilde; empty names and other escapes are invalid.
    """
    if not reference.startswith("/"):
        return (reference,) if reference else None
    names = reference[1:].split("/")
    if "" in names or _BAD_ESCAPE.search(reference):
        return None
    return tuple(name.replace("~1", "/").replace("~0", "~") for name in names)


def parse_attribute(attribute: str, context_kind: str | None) -> tuple[str, ...] | None:
    """Split an attribute into names; a literal name where no context kind is set; None if it is invalid."""
    if context_kind:
        return parse_reference(attribute)
    return (attribute,) if attribute else None
