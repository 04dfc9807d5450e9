"""Looks contexts up in large lists: in all that may be asked for, and are not cached, in one call to the store."""

from collections.abc import Mapping, Sequence

from domain.errors import UnavailableError
from domain.evaluation.fingerprints import fingerprint
from domain.evaluation.results import BigSegmentsStatus
from domain.evaluation.snapshot import Snapshot
from domain.evaluation.subject import Membership
from domain.keys import context_key_problem
from domain.model.contexts import Context
from domain.model.segments import Segment
from domain.ports import Computed, LoadingCache, Store
from domain.services.histories import HistoryService
from domain.services.patience import Patience

_STORE_ERROR = Membership(BigSegmentsStatus.STORE_ERROR)
_LISTED_NOWHERE = Membership(BigSegmentsStatus.HEALTHY)
_SIZE = 150  # of a membership without lists: 112 as measured
_REFERENCE_SIZE = 200  # of one list, its name apart: 178 as measured for the first, less for more


class MembershipService:
    """What the store of large lists knows of context keys, by the revision that names the lists' generations."""

    def __init__(
        self,
        store: Store,
        cache: LoadingCache[Membership],
        patience: Patience,
        histories: HistoryService | None = None,
    ) -> None:
        """Take what it needs; the histories only if the cache is shared with other processes."""
        self._store = store
        self._cache = cache
        self._histories = histories
        self._patience = patience

    async def look_up(
        self, snapshot: Snapshot, contexts: Sequence[Context], asked: Sequence[Segment]
    ) -> Mapping[str, Membership]:
        """Return, by context key, which of the lists asked for it is in; if none can tell, that is the status.

        Nobody waits for a store that does not answer; what is cached is answered.
        A key is looked up once, whatever its context kind (LaunchDarkly semantics 2.7).
        """
        lists = {segment.list_id: segment for segment in asked if segment.generation is not None}
        kinds = {segment.member_kind for segment in lists.values()}
        keys = {
            str(attributes["key"])
            for context in contexts
            for kind, attributes in context.individuals.items()
            if kind in kinds
        }
        generations = {id_: segment.generation for id_, segment in lists.items() if segment.generation is not None}

        async def ask_the_store(missing: Sequence[str]) -> Mapping[str, Computed[Membership]]:
            name_of = {names[name]: name for name in missing}
            listed: dict[str, dict[str, bool]] = {name: {} for name in missing}
            try:
                found = await self._patience.wait_for(lambda: self._store.members_among(generations, name_of))
            except UnavailableError:
                # Over at once: told to who asks now, not kept, and no matter for contexts that are cached.
                return dict.fromkeys(missing, Computed(value=_STORE_ERROR, size=0, valid_until_ms=0))
            for list_id, key in found:
                listed[name_of[key]][lists[list_id].list_reference] = True
            return {
                name: Computed(
                    value=Membership(BigSegmentsStatus.HEALTHY, references),
                    size=_SIZE + sum(_REFERENCE_SIZE + len(reference) for reference in references),
                )
                for name, references in listed.items()
            }

        try:
            state = await self._histories.name(snapshot) if self._histories and keys else None
        except UnavailableError:
            return dict.fromkeys(keys, _STORE_ERROR)
        # The revision names the generations of the lists.
        place = (str(snapshot.environment), snapshot.revision, state, fingerprint(*sorted(lists)))
        names = {fingerprint(*place, key): key for key in keys if context_key_problem(key) is None}
        known = await self._cache.get_or_compute(list(names), ask_the_store)
        return dict.fromkeys(keys, _LISTED_NOWHERE) | {names[name]: found for name, found in known.items()}
