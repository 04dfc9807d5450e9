"""Large lists that are gone: what goes with them, at once or, after a crash, when it is next looked for.

A list's id is never used again, so nobody reads what is still kept of one that is gone.
"""

import contextlib
from collections.abc import Sequence

from domain.commits import Commit, Delete
from domain.errors import VersionConflictError
from domain.model.lists import ListChange
from domain.model.segments import Segment, segment_id_of
from domain.ports import Store


async def records_of(store: Store, segment: Segment) -> Sequence[Delete]:
    """Return the deletion of the records of a list's changes, but of one that runs: it has to fail."""
    changes = await store.list_all(ListChange, segment.list_id) if segment.unbounded else []
    return [Delete(change) for change in changes if not change.is_running]


async def discard_gone_lists(store: Store) -> None:
    """Forget the members, and the records of changes, of lists that no segment has any more.

    Raises:
        UnavailableError: The store cannot be reached.
    """
    for list_id in await store.list_ids():
        changes = await store.list_all(ListChange, list_id)
        if any(change.is_running and change.is_open for change in changes):
            continue  # it may be about to make the segment; if not, what it wrote is undone
        # Asked after that: what made the segment has done so by now, in one commit with the end of its change.
        segment = await store.find(Segment, segment_id_of(list_id))
        if segment is None or not segment.unbounded or segment.list_id != list_id:
            await store.discard_members(list_id, None)
            with contextlib.suppress(VersionConflictError):  # another process forgets them
                await store.commit(Commit(writes=tuple(map(Delete, changes)), entry=None))
