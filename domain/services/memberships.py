"""Looks contexts up in the large lists of an environment: all of them in one call to the store."""

from collections.abc import Sequence

from domain.errors import UnavailableError
from domain.evaluation.results import BigSegmentsStatus
from domain.evaluation.snapshot import Snapshot
from domain.evaluation.subject import Membership
from domain.model.contexts import Context
from domain.ports import Store
from domain.services.list_files import member_key_problem


async def look_up(store: Store, snapshot: Snapshot, contexts: Sequence[Context]) -> dict[str, Membership]:
    """Return, by context key, what the store knows of it; if it is away, that is the status.

    A key is looked up once, whatever its context kind (LaunchDarkly semantics 2.7).
    """
    lists = {segment.id: segment for segment in snapshot.large_lists if segment.generation is not None}
    kinds = {segment.member_kind for segment in lists.values()}
    keys = {
        str(attributes["key"])
        for context in contexts
        for kind, attributes in context.individuals.items()
        if kind in kinds
    }
    known = {key for key in keys if member_key_problem(key) is None}
    generations = {id_: segment.generation for id_, segment in lists.items() if segment.generation is not None}
    try:
        found = await store.members_among(generations, known)
    except UnavailableError:
        return dict.fromkeys(keys, Membership(BigSegmentsStatus.STORE_ERROR))
    listed: dict[str, dict[str, bool]] = {key: {} for key in keys}
    for list_id, key in found:
        listed[key][lists[list_id].list_reference] = True
    return {key: Membership(BigSegmentsStatus.HEALTHY, references) for key, references in listed.items()}
