"""Answers to evaluation, kept as the bytes that were sent: a question that comes again is not even parsed.

A key names all that an answer depends on: who asks, what is served to him now, and the request to the letter.
"""

from hashlib import blake2b

from domain.clock import now_ms
from domain.ports import Cache, Computed
from gql.context import RequestContext

_KEPT_MS = 60_000
"""Contexts are remembered as they are evaluated: who comes every minute must not be forgotten."""


def response_key(context: RequestContext, media_type: str, method: str, question: bytes) -> str:
    """Name the answer to a question: a body, or what stands behind a URL's question mark."""
    credential = context.principal.credential
    parts = (credential.id if credential else "", context.edition, media_type, method)
    return blake2b("\0".join(parts).encode() + b"\0" + question, digest_size=32).hexdigest()


async def keep_response(cache: Cache[bytes], key: str, body: bytes, context: RequestContext) -> None:
    """Keep an answer to one field of a query, if it is an evaluation; nothing else says what it rests on."""
    basis = context.caller.basis
    if basis is not None:
        end = now_ms() + _KEPT_MS
        until = end if basis.valid_until_ms is None else min(end, basis.valid_until_ms)
        # Copied: what orjson returns holds on to the whole buffer that it was written in.
        kept = bytes(memoryview(body))
        await cache.keep(key, Computed(value=kept, size=len(kept), valid_until_ms=until))
