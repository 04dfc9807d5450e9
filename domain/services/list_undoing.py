"""Undoes changes of large lists that did not take effect, so that they leave nothing behind."""

import contextlib
from dataclasses import replace

from domain.clock import now_ms
from domain.commits import Commit, Delete
from domain.errors import VersionConflictError
from domain.model.lists import ListChange, ListChangeState, ListCounts
from domain.model.segments import Segment
from domain.ports import Store
from domain.services.running_changes import RunningChange, save_change
from domain.services.tries import Tries


async def undo(
    store: Store, change: ListChange, error: str, counts: ListCounts, *, is_dead: bool = False
) -> ListChange | None:
    """Undo a change, and give its list free; return None if it took effect, or others undo it.

    One that is taken for dead is left alone if it gave a sign of life meanwhile.

    Raises:
        NotFoundError: There is no such change any more.
        VersionConflictError: Others undid it meanwhile.
        DomainError: As the store says.
    """
    tries = Tries(f"the import {change.id}")
    while True:
        await tries.next()
        stored = await store.get(ListChange, change.id)
        if not stored.is_open or (is_dead and stored.version != change.version):
            return None
        # Whoever began to undo it, and died of that, said why: nobody cancelled it.
        is_cancelled = stored.state is ListChangeState.CANCELLING and stored.error is None
        why = None if is_cancelled else stored.error or error
        with contextlib.suppress(VersionConflictError):  # it was cancelled, or gave a sign of life: look again
            # This makes a commit that is still under way, and would let it take effect, fail.
            claimed = replace(stored, state=ListChangeState.CANCELLING, error=why, beat_ms=now_ms())
            undoing = await save_change(store, claimed)
            break
    segment = await store.find(Segment, change.segment_id)
    running = RunningChange(store, undoing)
    is_gone = segment is None or segment.list_id != change.scope
    # Still beating: whoever took it for dead would write what is discarded here.
    kept = None if segment is None or is_gone else segment.generation
    await running.during(store.discard_members(change.scope, kept))
    undone = replace(
        running.change,
        state=ListChangeState.CANCELLED if is_cancelled else ListChangeState.FAILED,
        counts=replace(counts, added=0, already=0, removed=0),  # whatever was written, nothing took effect
        finished_ms=now_ms(),
    )
    if is_gone:  # nobody can ask for it
        await store.commit(Commit(writes=(Delete(running.change),), entry=None))
        return undone
    return await save_change(store, undone)
