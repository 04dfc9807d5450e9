"""Domain objects <-> documents of JSON types: one converter for both adapters.

A document has the dataclass's field names. A field that equals its default is left out, so documents stay small
and old ones gain new fields. What users write as JSON (variation and clause values, an audit entry's summary) is
JSON *text* inside the document: no store ever sees its property names (dots, dollars, NUL), takes `true` for 1,
or narrows its numbers. The standard library's parser reads that text, because it keeps integers of any size.
"""

import asyncio
import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any, TypeAlias, TypeVar, get_args

import orjson
from cattrs import Converter
from cattrs.gen import make_dict_unstructure_fn

from domain.commits import Entity, kind_of
from domain.json import Json
from domain.keys import EnvironmentRef
from domain.model.changes import AuditEntry
from domain.model.flags import EnvironmentFlag, Flag
from domain.model.seen_contexts import SeenContext
from domain.model.segments import Segment
from domain.model.targeting import Targeting
from domain.ports import EnvironmentState

Document: TypeAlias = dict[str, Any]
Text: TypeAlias = str | bytes
T = TypeVar("T")

_JSON_TYPES = (Json, tuple[Json, ...], Mapping[str, object], Mapping[str, int])
_SMALLEST, _LARGEST = -(2**63), 2**63 - 1


def _is_json(declared: object) -> bool:
    return declared in _JSON_TYPES


def _to_text(value: object) -> str:
    return json.dumps(value, ensure_ascii=False, allow_nan=False, separators=(",", ":"))


def _from_text(text: str, declared: object) -> object:
    value = json.loads(text)
    return tuple(value) if declared == tuple[Json, ...] else value


def _integer(value: int) -> int | str:
    """Keep what BSON can hold; write larger integers in digits (structuring reads either)."""
    return value if _SMALLEST <= value <= _LARGEST else str(value)


_converter = Converter(
    omit_if_default=True, detailed_validation=False, unstruct_collection_overrides={tuple: list}
)
_converter.register_unstructure_hook(int, _integer)
_converter.register_unstructure_hook_func(_is_json, _to_text)
_converter.register_structure_hook_func(_is_json, _from_text)
# Its defaults (the time, a random id) are made anew each time, so equal to one means nothing.
_converter.register_unstructure_hook(
    AuditEntry, make_dict_unstructure_fn(AuditEntry, _converter, _cattrs_omit_if_default=False)
)

ENTITY_TYPES: tuple[type[Entity], ...] = get_args(Entity)


KINDS: tuple[str, ...] = tuple(kind_of(entity_type) for entity_type in ENTITY_TYPES)


def encode(value: Entity | AuditEntry | SeenContext) -> Document:
    """Turn a domain object into its document."""
    document: Document = _converter.unstructure(value)
    return document


def decode(value_type: type[T], document: Mapping[str, Any]) -> T:
    """Turn a document into the domain object that it was encoded from."""
    value: T = _converter.structure(document, value_type)
    return value


def encode_text(value: Entity | AuditEntry | SeenContext) -> str:
    """Turn a domain object into its document's JSON text."""
    return orjson.dumps(encode(value)).decode()


def decode_text(value_type: type[T], text: str) -> T:
    """Turn a document's JSON text into the domain object that it was encoded from."""
    return decode(value_type, orjson.loads(text))


async def decode_entries(documents: Iterable[Mapping[str, Any] | str]) -> list[AuditEntry]:
    """Decode entries, in a thread: an import's tells thousands of things, and evaluations go on meanwhile."""

    def decode_one(document: Mapping[str, Any] | str) -> AuditEntry:
        return decode(AuditEntry, orjson.loads(document) if isinstance(document, str) else document)

    return await asyncio.to_thread(lambda: [decode_one(document) for document in documents])


@dataclass(frozen=True, slots=True)
class _Decoded:
    """What an environment's texts were decoded to, and the flags joined with their targeting, by key."""

    flags: Mapping[Text, Flag] = field(default_factory=dict)
    targetings: Mapping[Text, Targeting] = field(default_factory=dict)
    segments: Mapping[Text, Segment] = field(default_factory=dict)
    joined: Mapping[str, EnvironmentFlag] = field(default_factory=dict)


_NOTHING = _Decoded()


class EnvironmentDecoder:
    """Decodes environments; what did not change since an environment's last decoding stays the same object.

    So a change to one flag costs the decoding of one flag. Documents are told apart by all of their text.
    """

    def __init__(self) -> None:
        self._known: dict[EnvironmentRef, _Decoded] = {}

    def decode(
        self,
        environment: EnvironmentRef,
        revision: int,
        *,
        flags: Iterable[Text],
        targetings: Iterable[Text],
        segments: Iterable[Text],
    ) -> EnvironmentState:
        """Join what was read at one revision, as JSON: the flags with targeting there, and its segments."""
        before = self._known.get(environment, _NOTHING)
        known_flags = _decode_all(Flag, flags, before.flags)
        known_targetings = _decode_all(Targeting, targetings, before.targetings)
        joined = _join(known_flags.values(), known_targetings.values(), before.joined)
        now = _Decoded(known_flags, known_targetings, _decode_all(Segment, segments, before.segments), joined)
        if joined or now.segments:
            self._known[environment] = now
        else:  # it is gone, or never was: whoever asks for names that nothing has fills no memory
            self._known.pop(environment, None)
        return EnvironmentState(
            environment=environment,
            revision=revision,
            flags=joined,
            segments={segment.key: segment for segment in now.segments.values()},
        )


def _decode_all(value_type: type[T], texts: Iterable[Text], before: Mapping[Text, T]) -> dict[Text, T]:
    """Decode texts, but for those that were decoded before."""
    return {text: before.get(text) or decode(value_type, orjson.loads(text)) for text in texts}


def _join(
    flags: Iterable[Flag], targetings: Iterable[Targeting], before: Mapping[str, EnvironmentFlag]
) -> dict[str, EnvironmentFlag]:
    """Join flags with their targeting, by key; what has the same halves as before is the same object again."""
    by_key = {flag.key: flag for flag in flags}
    joined: dict[str, EnvironmentFlag] = {}
    for targeting in targetings:
        key = targeting.flag_key
        if (flag := by_key.get(key)) is not None:
            known = before.get(key)
            if known is None or known.flag is not flag or known.targeting is not targeting:
                known = EnvironmentFlag(flag, targeting)
            joined[key] = known
    return joined
