"""Rollouts: a stable hash puts each context into a bucket (LaunchDarkly semantics 2.6)."""

from collections.abc import Callable, Mapping
from hashlib import sha1
from struct import Struct
from typing import Any, TypeAlias

from domain.json import Json
from domain.model.attribute_references import parse_attribute

_LONG_SCALE = float(0xFFFFFFFFFFFFFFF)
_first_64_bits: Callable[[bytes], tuple[int]] = Struct(">Q12x").unpack
_LARGEST_GO_INTEGER = 2**63

Bucketer: TypeAlias = Callable[[Mapping[str, Json]], float]
"""Puts an individual context, given by its attributes, into a bucket from 0 to 1."""


def bucket_prefix(key: str, salt: str, seed: int | None = None) -> str:
    """Return what is hashed before the value: the seed, or the flag's or segment's key and salt."""
    return f"{key}.{salt}." if seed is None else f"{seed}."


def bucket(prefix: str, value: str) -> float:
    """Hash a value into 0 to 1: the first 15 hexadecimal digits of SHA-1, which are its first 60 bits."""
    digest = sha1((prefix + value).encode()).digest()  # noqa: S324 - a spread, not a secret; saying so costs 5 %
    return (_first_64_bits(digest)[0] >> 4) / _LONG_SCALE


def _bucketable(value: Json) -> str | None:
    """Strings as they are, integers (3.0 too) as decimals; nothing else can be hashed."""
    if isinstance(value, str):
        return value
    if isinstance(value, bool) or not isinstance(value, int | float):
        return None
    return str(int(value)) if abs(value) < _LARGEST_GO_INTEGER and value == int(value) else None


def read_path(attributes: Any, names: tuple[str, ...]) -> Any:  # noqa: ANN401 - walks any JSON
    """Return the value that a reference leads to, through objects only; None if there is none."""
    for name in names:
        if attributes.__class__ is not dict:
            return None
        attributes = attributes.get(name)
    return attributes


def compile_bucketer(prefix: str, bucket_by: str | None, context_kind: str | None) -> Bucketer | None:
    """Return the bucketer for an attribute (the key by default); None if the reference is invalid."""
    if not bucket_by:

        def by_key(attributes: Mapping[str, Any]) -> float:
            # As `bucket` does, without the call: most evaluations come by here.
            digest = sha1((prefix + attributes["key"]).encode()).digest()  # noqa: S324 - as there
            return (_first_64_bits(digest)[0] >> 4) / _LONG_SCALE

        return by_key
    names = parse_attribute(bucket_by, context_kind)
    if names is None:
        return None

    def by_attribute(attributes: Mapping[str, Any]) -> float:
        value = _bucketable(read_path(attributes, names))
        return 0.0 if value is None else bucket(prefix, value)

    return by_attribute
