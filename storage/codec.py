"""Domain objects <-> documents of JSON types: one converter for both adapters.

A document has the dataclass's field names. A field that equals its default is left out, so documents stay small
and old ones gain new fields. What users write as JSON (variation and clause values, an audit entry's summary) is
JSON *text* inside the document: no store ever sees its property names (dots, dollars, NUL), takes `true` for 1,
or narrows its numbers. The standard library's parser reads that text, because it keeps integers of any size.
"""

import json
from collections.abc import Iterable, Mapping
from typing import Any, TypeAlias, TypeVar, get_args

import orjson
from cattrs import Converter
from cattrs.gen import make_dict_unstructure_fn

from domain.json import Json
from domain.keys import EnvironmentRef
from domain.model.changes import AuditEntry
from domain.model.flags import EnvironmentFlag, Flag
from domain.model.seen_contexts import SeenContext
from domain.model.segments import Segment
from domain.model.targeting import Targeting
from domain.ports import Entity, EnvironmentState, kind_of

Document: TypeAlias = dict[str, Any]
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


class EnvironmentDecoder:
    """Decodes environments; what did not change since an environment's last decoding stays the same object.

    So a change to one flag costs the decoding of one flag. Documents are told apart by all of their text.
    """

    def __init__(self) -> None:
        self._known: dict[EnvironmentRef, dict[tuple[type, str | bytes], Any]] = {}

    def decode(
        self,
        environment: EnvironmentRef,
        revision: int,
        *,
        flags: Iterable[str | bytes],
        targetings: Iterable[str | bytes],
        segments: Iterable[str | bytes],
    ) -> EnvironmentState:
        """Join what was read at one revision, as JSON: the flags with targeting there, and its segments."""
        before = self._known.get(environment, {})
        now: dict[tuple[type, str | bytes], Any] = {}

        def decoded(value_type: type[T], texts: Iterable[str | bytes]) -> list[T]:
            for text in texts:
                document = value_type, text
                known = before.get(document)
                now[document] = decode(value_type, orjson.loads(text)) if known is None else known
            return [value for (kind, _), value in now.items() if kind is value_type]

        known_flags = {flag.key: flag for flag in decoded(Flag, flags)}
        state = EnvironmentState(
            environment=environment,
            revision=revision,
            flags={
                targeting.flag_key: EnvironmentFlag(known_flags[targeting.flag_key], targeting)
                for targeting in decoded(Targeting, targetings)
                if targeting.flag_key in known_flags
            },
            segments={segment.key: segment for segment in decoded(Segment, segments)},
        )
        if state.flags or state.segments:
            self._known[environment] = now
        else:  # it is gone, or never was: whoever asks for names that nothing has fills no memory
            self._known.pop(environment, None)
        return state
