"""Fingerprints: names for answers, made of everything that an answer depends on.

Two requests have one fingerprint only if they read the same, so whoever has one answer has the other. It is the
same in every process.
"""

import hashlib
import json

from domain.json import Json

_canonical = json.JSONEncoder(sort_keys=True, separators=(",", ":")).encode
_BYTES = 32  # too many for anybody to find two texts of one digest


def fingerprint(*parts: Json) -> str:
    """Digest values as JSON: `true` is not `1`, `1` is not `1.0`, and properties have no order."""
    return hashlib.blake2b(_canonical(parts).encode("ascii"), digest_size=_BYTES).hexdigest()
