"""Writes what a change makes of a list's members, under its generation that nobody reads yet."""

import asyncio
import heapq
from collections.abc import Collection, Iterable, Iterator
from itertools import islice

from domain.model.lists import ListCounts, ListMode
from domain.model.segments import Segment
from domain.ports import Store
from domain.services.running_changes import RunningChange

CHUNK = 10_000
"""How many members are written, or read, at a time."""


async def write_keys(
    store: Store, segment: Segment, running: RunningChange, chunks: Iterable[list[str]]
) -> ListCounts:
    """Let keys, which come in order, join the members, take their place or leave, as the change's mode says."""
    change = running.change
    after = ""
    iterator = iter(chunks)
    while chunk := await asyncio.to_thread(next, iterator, None):
        there = await _members_among(store, segment, chunk)
        if change.mode is ListMode.REMOVE:
            await running.during(store.remove_members(segment.list_id, change.generation, there))
            running.note(left=sorted(there))
            running.removed += len(there)
        else:
            if change.mode is ListMode.OVERWRITE:
                await _remove_between(store, segment, running, after, chunk)
            new = [key for key in chunk if key not in there]
            await running.during(store.add_members(segment.list_id, change.generation, new))
            running.note(joined=new)
            running.added += len(new)
            running.already += len(there)
        after = chunk[-1]
        await running.alive()
    if change.mode is ListMode.OVERWRITE:
        await _remove_between(store, segment, running, after, [])
    return running.counts


async def write_joined_and_left(
    store: Store, segment: Segment, running: RunningChange, joined: frozenset[str], left: frozenset[str]
) -> ListCounts:
    """Let keys join the members, and others leave."""
    generation = running.change.generation
    added = removed = 0
    chunks = _in_order([*joined, *left])
    while chunk := await asyncio.to_thread(next, chunks, None):
        there = await _members_among(store, segment, chunk)
        joining = [key for key in chunk if key in joined and key not in there]
        leaving = [key for key in chunk if key in left and key in there]
        await running.during(store.add_members(segment.list_id, generation, joining))
        await running.during(store.remove_members(segment.list_id, generation, leaving))
        running.note(joined=joining, left=leaving)
        added += len(joining)
        removed += len(leaving)
    return ListCounts(added=added, already=len(joined) - added, removed=removed)


def _in_order(keys: list[str]) -> Iterator[list[str]]:
    """Yield keys in order, in chunks. To sort a million of them at a stroke would hold up every other thread."""
    runs = [sorted(keys[start : start + CHUNK]) for start in range(0, len(keys), CHUNK)]
    merged = heapq.merge(*runs)
    while chunk := list(islice(merged, CHUNK)):
        yield chunk


async def _members_among(store: Store, segment: Segment, keys: Collection[str]) -> frozenset[str]:
    if segment.generation is None:
        return frozenset()
    found = await store.members_among({segment.list_id: segment.generation}, keys)
    return frozenset(key for _, key in found)


async def _remove_between(
    store: Store, segment: Segment, running: RunningChange, after: str, kept: list[str]
) -> None:
    """Remove the members after a key that are not among those kept, up to the last of these."""
    keep = frozenset(kept)
    while segment.generation is not None:
        page = await store.list_members(segment.list_id, segment.generation, first=CHUNK, after=after)
        reached = [key for key in page if not kept or key <= kept[-1]]
        gone = [key for key in reached if key not in keep]
        if gone:
            await running.during(store.remove_members(segment.list_id, running.change.generation, gone))
            running.note(left=gone)
        running.removed += len(gone)
        await running.alive()
        if len(reached) < CHUNK:
            break
        after = reached[-1]
