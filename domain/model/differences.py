"""What differs between two states of an entity, in the words of the audit log, within the room there is.

Every field is compared as it is declared, so a field that is added to the model is in the log from then on. Rules
are told apart by their ids and individual targets by context kind; neither ever appears as a whole.
"""

import json
from bisect import bisect_left
from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields, is_dataclass
from enum import Enum
from functools import cache
from itertools import accumulate, takewhile
from typing import Any, TypeAlias

from domain.clock import moment
from domain.json import Json, same_json
from domain.model.changes import FieldChange, RuleChange, RuleChangeKind, TargetsChange
from domain.model.segments import Segment, SegmentRule, TargetList
from domain.model.targeting import DEFAULT_CONTEXT_KIND, FlagRule, Targeting

VALUE_CHARACTERS = 2_000
"""How long a value's JSON text may be to be kept whole."""
_CHANGE_CHARACTERS = 100
"""What a change takes beside its values."""
_SEPARATOR = 2
"""What a key in a list takes beside itself."""

_NO_FIELDS = {
    # What identifies the entity, what every change changes, and what nobody reads.
    *("id", "version", "list_uid", "key", "flag_key", "project", "environment"),
    *("public_id", "member_id", "created_ms"),
    # What is told apart.
    *("rules", "targets", "context_targets", "included", "excluded", "included_contexts", "excluded_contexts"),
}

_DEALT = "salt"
"""Tells nothing of what is new or gone; where it changes, rollouts split anew."""
_REMOVALS = "removals"
_PLAIN = (bool, int, float, str, list, dict)

_Rule: TypeAlias = FlagRule | SegmentRule
_ListName: TypeAlias = tuple[str, str, int | None]
"""A list of targets: its name, the context kind, the variation."""


@dataclass(slots=True)
class Room:
    """How much more may be told, in characters."""

    characters: int
    omitted_count: int = 0

    def takes(self, characters: int = 0) -> bool:
        """Take the room for a change with values of so many; count it as omitted if there is none."""
        needed = _CHANGE_CHARACTERS + characters
        if needed > self.characters:
            self.omitted_count += 1
            return False
        self.characters -= needed
        return True

    def first_of(self, keys: Sequence[str]) -> tuple[str, ...]:
        """Take the room for as many of the keys as fit into half of it."""
        ends = accumulate(len(json.dumps(key)) + _SEPARATOR for key in keys)
        taken = list(takewhile(lambda end: 2 * end <= self.characters, ends))
        self.characters -= taken[-1] if taken else 0
        return tuple(keys[: len(taken)])


def changed_fields(
    before: object | None, after: object | None, room: Room, stayed: Sequence[int] | None = None
) -> tuple[FieldChange, ...]:
    """Compare the fields of two dataclasses; of one that is alone, those that differ from their defaults.

    Args:
        before: The one.
        after: The other.
        room: What there is room for.
        stayed: If some of a flag's variations went, the places before of those that are still there.
    """
    thing_type: Any = type(after if before is None else before)
    found: list[tuple[FieldChange, int]] = []
    for name, api_name, default in _declared(thing_type):
        if name in _NO_FIELDS or (name == _DEALT and (before is None or after is None)):
            continue
        values = [default if thing is None else getattr(thing, name) for thing in (before, after)]
        if values[0] is values[1]:  # most fields of most changes, and quickly told
            continue
        olds, news = (_api_fields(name, api_name, value) for value in values)
        for path in dict.fromkeys([*olds, *news]):
            old, new = olds.get(path), news.get(path)
            if not same_json(old, new):
                old, new = None if before is None else old, None if after is None else new
                if stayed is not None and name == "variations":
                    _compare_moved(path, old, new, stayed, found)
                else:
                    _compare(path, old, new, found, is_whole=before is None or after is None)
    return tuple(change for change, characters in found if room.takes(characters))


def changed_rules(before: Sequence[_Rule], after: Sequence[_Rule], room: Room) -> tuple[RuleChange, ...]:
    """Compare rules by their ids: those that are there now in their order, then those that went."""
    olds, news = _by_id(before), _by_id(after)
    stayed = _in_order([olds[rule_id][0] for rule_id in news if rule_id in olds])
    found: list[RuleChange] = []
    for rule_id, (index, rule) in news.items():
        index_before, old = olds.get(rule_id, (None, None))
        is_same = old is not None and same_json(_as_json(old), _as_json(rule))
        if (is_same and index_before in stayed) or not room.takes():
            continue
        changes = () if is_same else changed_fields(old, rule, room)
        kind = RuleChangeKind.MOVED if is_same else RuleChangeKind.CHANGED
        found.append(
            RuleChange(
                rule_id=rule_id,
                kind=RuleChangeKind.ADDED if old is None else kind,
                index_before=index_before,
                index_after=index,
                fields=changes,
            )
        )
    for rule_id, (index, rule) in olds.items():
        if rule_id not in news and room.takes():
            told = changed_fields(rule, None, room)
            removed = RuleChangeKind.REMOVED
            found.append(RuleChange(rule_id=rule_id, kind=removed, index_before=index, fields=told))
    return tuple(found)


def changed_targets(before: object | None, after: object | None, room: Room) -> tuple[TargetsChange, ...]:
    """Compare individual targets, list by list; a key that is in a list twice is in it once."""
    olds, news = _target_lists(before), _target_lists(after)
    found: list[TargetsChange] = []
    for name in sorted(olds.keys() | news.keys(), key=str):
        added, removed = sorted(news[name] - olds[name]), sorted(olds[name] - news[name])
        if not added and not removed:
            continue
        if not room.takes():
            continue
        target_list, context_kind, variation = name
        found.append(
            TargetsChange(
                target_list=target_list,
                context_kind=context_kind,
                variation=variation,
                added_count=len(added),
                removed_count=len(removed),
                added=room.first_of(added),
                removed=room.first_of(removed),
            )
        )
    return tuple(found)


def _api_fields(name: str, api_name: str, value: Any) -> Mapping[str, Json]:  # noqa: ANN401 - as in _field_json
    """Return a field as the API shows it: roles are fields of who has them, and a moment is a date and time."""
    if name == "grants":
        roles = _as_json(value)
        return roles if isinstance(roles, dict) else {}
    if name == "expires_ms":
        return {"expiresAt": None if value is None else moment(value).isoformat()}
    return {api_name: _field_json(name, value)}


def _field_json(name: str, value: Any) -> Json:  # noqa: ANN401 - whatever a model's field holds
    """Write a field's value in JSON types; removals by their targets, those of none too."""
    if name == _REMOVALS and isinstance(value, tuple):
        return {f"{r.target_list.value} {r.context_kind}:{r.key}": r.remove_at.isoformat() for r in value}
    if name == "policy":
        return _as_json(getattr(value, "statements", None))
    return _as_json(value)


def _as_json(value: Any) -> Json:  # noqa: ANN401 - whatever a model's field holds
    """Write a field's value in JSON types, under the API's names."""
    if value is None or isinstance(value, _PLAIN):
        return value
    if isinstance(value, tuple):
        return [_as_json(item) for item in value]
    if isinstance(value, Enum):
        return str(value.name)
    if is_dataclass(value):
        thing_type: Any = type(value)
        return {api_name: _as_json(getattr(value, name)) for name, api_name, _ in _declared(thing_type)}
    return None  # no default at all


@cache
def _declared(thing_type: type) -> Sequence[tuple[str, str, object]]:
    """Return a dataclass's fields: each with its name, the API's name for it, and its default."""
    return [(field.name, _api_name(field.name), field.default) for field in fields(thing_type)]


def _api_name(name: str) -> str:
    first, *others = name.split("_")
    return first + "".join(map(str.title, others))


def _compare(path: str, old: Json, new: Json, found: list[tuple[FieldChange, int]], *, is_whole: bool) -> None:
    """Collect what differs: step into what is there on both sides, but keep lists of plain values whole."""
    if same_json(old, new):
        return
    if not is_whole and isinstance(old, dict) and isinstance(new, dict):
        for name in [*old, *(name for name in new if name not in old)]:
            _compare(f"{path}.{name}", old.get(name), new.get(name), found, is_whole=False)
    elif not is_whole and _holds_objects(old, new):
        for index in range(max(len(old), len(new))):  # type: ignore[arg-type]  # both are lists
            left, right = _at(old, index), _at(new, index)
            _compare(f"{path}[{index}]", left, right, found, is_whole=False)
    else:
        found.append(_field_change(path, old, new))


def _compare_moved(
    path: str, old: Json, new: Json, stayed: Sequence[int], found: list[tuple[FieldChange, int]]
) -> None:
    """Collect what differs in a list: what went by the place that it had, all else by the one that it has."""
    places = {*stayed}
    for index, item in enumerate(old if isinstance(old, list) else ()):
        if index not in places:
            found.append(_field_change(f"{path}[{index}]", item, None))
    for index, item in enumerate(new if isinstance(new, list) else ()):
        was = _at(old, stayed[index]) if index < len(stayed) else None
        _compare(f"{path}[{index}]", was, item, found, is_whole=False)


def _at(items: Json, index: int) -> Json:
    return items[index] if isinstance(items, list) and index < len(items) else None


def _holds_objects(old: Json, new: Json) -> bool:
    return (
        isinstance(old, list)
        and isinstance(new, list)
        and any(isinstance(item, dict) for item in (*old, *new))
        and all(isinstance(item, dict) for item in (*old, *new))
    )


def _field_change(path: str, old: Json, new: Json) -> tuple[FieldChange, int]:
    """Return the change of a field, with the characters that its values take."""
    texts = json.dumps(old), json.dumps(new)
    if max(map(len, texts)) <= VALUE_CHARACTERS:
        return FieldChange(path=path, before=old, after=new), sum(map(len, texts))
    before: Json
    after: Json
    before = after = None
    if isinstance(old, list) and isinstance(new, list):
        before, after = _only_in(old, new), _only_in(new, old)
    if not before and not after:
        before, after = (
            text[:VALUE_CHARACTERS] if len(text) > VALUE_CHARACTERS else value
            for value, text in ((old, texts[0]), (new, texts[1]))
        )
    change = FieldChange(path=path, before=before, after=after, is_shortened=True)
    return change, len(json.dumps(before)) + len(json.dumps(after))


def _only_in(items: list[Any], others: list[Any]) -> list[Any]:
    """Return the first of the items that the others lack, as many as fit into a value."""
    known = {json.dumps(item, sort_keys=True) for item in others}
    found: list[Any] = []
    characters = 0
    for item in items:
        text = json.dumps(item, sort_keys=True)
        if text not in known:
            characters += len(text)
            if characters > VALUE_CHARACTERS:
                break
            found.append(item)
    return found


def _by_id(rules: Sequence[_Rule]) -> Mapping[str, tuple[int, _Rule]]:
    """Return rules with their places, by their ids; by their places where an id does not tell them apart."""
    counts = Counter(rule.id for rule in rules)
    return {
        rule.id if rule.id and counts[rule.id] == 1 else f"#{index}": (index, rule)
        for index, rule in enumerate(rules)
    }


def _in_order(numbers: Sequence[int]) -> set[int]:
    """Return the numbers of a longest run that grows: all others have moved around them."""
    ends: list[int] = []
    previous: dict[int, int | None] = {}
    for number in numbers:
        place = bisect_left(ends, number)
        previous[number] = ends[place - 1] if place else None
        ends[place : place + 1] = [number]
    run: set[int] = set()
    last = ends[-1] if ends else None
    while last is not None:
        run.add(last)
        last = previous[last]
    return run


def _target_lists(thing: object | None) -> defaultdict[_ListName, set[str]]:
    lists: defaultdict[_ListName, set[str]] = defaultdict(set)
    if isinstance(thing, Targeting):
        for target in (*thing.targets, *thing.context_targets):
            kind = target.context_kind or DEFAULT_CONTEXT_KIND
            lists["targets", kind, target.variation].update(target.values)
    elif isinstance(thing, Segment):
        for name, target_list in (("included", TargetList.INCLUDED), ("excluded", TargetList.EXCLUDED)):
            for kind, keys in thing.target_keys(target_list).items():
                lists[name, kind, None] = keys
    return lists
