"""Circles among things that refer to each other: found all at once, in time that grows with the references."""

import contextlib
from collections import defaultdict
from collections.abc import Collection, Mapping, Sequence
from graphlib import CycleError, TopologicalSorter
from typing import TypeAlias

_References: TypeAlias = Mapping[str, Collection[str]]


def circles(references: _References) -> Mapping[str, Sequence[str]]:
    """Return a circle for each thing that is in one: the keys from the first one back to it.

    Args:
        references: By key, the keys of what a thing refers to.
    """
    # Nothing that leads to no circle, nor what only leads to one, can be in one.
    left = _reversed(_in_knots(_reversed(_in_knots(references))))
    found: dict[str, Sequence[str]] = {}
    for key in sorted(left):
        if key not in found and (circle := _circle_of(key, left)):
            for member in circle:
                found.setdefault(member, circle)
    return found


def _in_knots(references: _References) -> _References:
    """Return the things from which a circle can be reached, with what they refer to among themselves."""
    sorter = TopologicalSorter(references)
    with contextlib.suppress(CycleError):  # what leads to no circle can be sorted all the same
        sorter.prepare()
    sorted_keys: set[str] = set()
    while ready := sorter.get_ready():
        sorted_keys.update(ready)
        sorter.done(*ready)
    return {
        key: [other for other in others if other not in sorted_keys]
        for key, others in references.items()
        if key not in sorted_keys
    }


def _reversed(references: _References) -> _References:
    users: defaultdict[str, list[str]] = defaultdict(list)
    for key, others in references.items():
        for other in others:
            users[other].append(key)
    return users


def _circle_of(start: str, references: _References) -> Sequence[str]:
    """Return a shortest way from a thing back to it; nothing if it only is between circles."""
    before: dict[str, str] = {}
    waiting = [start]
    for key in waiting:
        for other in references[key]:
            if other == start:
                way = [key]
                while way[-1] != start:
                    way.append(before[way[-1]])
                return [*reversed(way), start]
            if other not in before:
                before[other] = key
                waiting.append(other)
    return []
