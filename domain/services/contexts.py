"""Remembers the contexts that evaluation meets, beside the requests' path, and finds them again."""

import asyncio
import logging
import re
from collections import OrderedDict, defaultdict
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from enum import Enum

from domain.access.principals import Principal
from domain.clock import now_ms
from domain.errors import DomainError, InvalidInputError, LimitExceededError, NotFoundError, Violation
from domain.evaluation.snapshot import Snapshot
from domain.keys import EnvironmentRef, context_key_problem
from domain.model.contexts import Context, is_context_kind
from domain.model.projects import Environment
from domain.model.seen_contexts import ContextFilter, SeenContext, attributes_text, public_attributes
from domain.model.segments import Segment, TargetList
from domain.pages import PageRequest, Stretch, cut_stretch
from domain.ports import Store
from domain.services.access import AccessService
from domain.services.repeating import repeat
from domain.services.waiting_contexts import MetAt, Place, WaitingContexts

_log = logging.getLogger(__name__)
_FLUSH_SECONDS = 1.0
_SWEEP_SECONDS = 3600.0
_BATCH = 500
_MOST_RECENT = 20_000
_AFRESH_MS = 5 * 60_000
"""How long what was stored is not stored again, unless it changed."""
_DAY_MS = 86_400_000
TEXT_LIMIT = 1_000_000
"""How many characters a bulk edit's text may have if nothing else is said."""
_BYTE_ORDER_MARK = "\ufeff"
CANDIDATES_LIMIT = 10
"""How many contexts an ambiguous entry is answered with."""


class TargetStatus(Enum):
    """What is known of an entry of a bulk edit's text."""

    MATCHED = "MATCHED"
    UNKNOWN = "UNKNOWN"
    AMBIGUOUS = "AMBIGUOUS"


@dataclass(frozen=True, slots=True, kw_only=True)
class TargetResolution:
    """An entry of a bulk edit's text, looked up.

    Attributes:
        contexts: The one context that it means, or the first of those that it may mean, by key.
        context_count: How many it may mean.
        key: The key to edit with: that of the one context, the entry itself if none is known, or None. What can
            be no target is none, unless the segment has it.
        current: In which list of the segment that key stands; None if in none, or if no segment was named.
    """

    input: str
    status: TargetStatus
    contexts: Sequence[SeenContext]
    context_count: int
    key: str | None
    current: TargetList | None


class ContextService:
    """Remembers and finds contexts.

    Args:
        store: Where they are kept.
        access: The gate.
        retention_days: How long one that is not met any more is kept; with 0, none is remembered.
        max_entries: How many entries a bulk edit's text may have.
        max_characters: How many characters it may have.
    """

    def __init__(
        self,
        store: Store,
        access: AccessService,
        *,
        retention_days: int,
        max_entries: int,
        max_characters: int = TEXT_LIMIT,
    ) -> None:
        self._store = store
        self._access = access
        self._retention_ms = retention_days * _DAY_MS
        self._max_entries = max_entries
        self._max_characters = max_characters
        self._waiting = WaitingContexts()
        self._recent: OrderedDict[Place, tuple[int, int]] = OrderedDict()
        """What was stored lately: a hash of it, and when."""
        self._is_away = False

    def remember(self, environment: EnvironmentRef, context: Context) -> None:
        """Take a context that was met in, without waiting for anything; anonymous ones are not remembered."""
        if not self._retention_ms:
            return
        now = now_ms()
        for kind, attributes in context.individuals.items():
            key = str(attributes["key"])  # an old user's may be empty
            if key and not attributes["anonymous"]:
                private = context.private_attributes.get(kind, ())
                self._waiting.put((environment, kind, key), (attributes, private), now)

    async def run(self) -> None:
        """Store what was met about each second, and forget what has become old each hour, until cancelled."""
        async with asyncio.TaskGroup() as group:
            group.create_task(repeat(self.flush, _FLUSH_SECONDS, "contexts that were met are not remembered"))
            group.create_task(repeat(self.sweep, _SWEEP_SECONDS, "old contexts are not forgotten yet"))

    async def flush(self) -> None:
        """Store what was met and is not stored yet; drop it if that fails."""
        try:
            left = len(self._waiting)
            while left > 0:
                batch = self._waiting.take(_BATCH)
                left -= _BATCH
                try:
                    await self._flush(batch)
                except asyncio.CancelledError:  # at a stop, what waits is stored last of all
                    self._waiting.give_back(batch)
                    raise
        except DomainError as error:
            self._waiting.clear()
            if not self._is_away:
                _log.warning("contexts that are met are not remembered now: %s", error.message)
            self._is_away = True

    async def sweep(self) -> None:
        """Forget the contexts that were not met for as long as they are kept.

        Raises:
            DomainError: As the store says.
        """
        await self._store.forget_contexts(None, before_ms=now_ms() - self._retention_ms)

    async def contexts(
        self, principal: Principal, environment: EnvironmentRef, wanted: ContextFilter, page: PageRequest
    ) -> Stretch[SeenContext]:
        """Page through the contexts that were met in an environment, by kind and key.

        Raises:
            DomainError: As `AccessService.require_sight`, `cut_stretch` and the store say.
        """
        await self._access.require_sight(principal, environment)

        async def read(first: int, after: str) -> list[SeenContext]:
            return await self._store.list_contexts(environment, wanted, first=first, after=after)

        return await cut_stretch(read, page, lambda context: context.sort_key)

    async def resolve_targets(
        self, principal: Principal, snapshot: Snapshot, text: str, *, context_kind: str, segment: str | None
    ) -> list[TargetResolution]:
        """Look up a text of keys or emails, separated by commas or new lines, each entry once.

        An entry is first of all a key; one that is no known key is an email, in any case.

        Raises:
            InvalidInputError: The kind is no context kind.
            NotFoundError: There is no such segment.
            LimitExceededError: The text is too long, or has too many entries.
            DomainError: As `AccessService.require_sight` and the store say.
        """
        await self._access.require_sight(principal, snapshot.environment)
        if not is_context_kind(context_kind):
            raise InvalidInputError([Violation(("contextKind",), "is not a context kind")])
        if len(text) > self._max_characters:
            raise LimitExceededError(
                "characters of the text",
                setting="EARLYBIRD_MAX_TARGETS_CHARACTERS",
                limit=self._max_characters,
                actual=len(text),
            )
        listed = _listed(snapshot, segment, context_kind)
        pasted = text.removeprefix(_BYTE_ORDER_MARK)  # as text comes from some files
        entries = list(dict.fromkeys(filter(None, map(str.strip, re.split(r"[,\r\n]", pasted)))))
        if len(entries) > self._max_entries:
            raise LimitExceededError(
                "entries of the text",
                setting="EARLYBIRD_MAX_TARGETS",
                limit=self._max_entries,
                actual=len(entries),
            )
        folded = {entry.casefold() for entry in entries}
        place = (snapshot.environment, context_kind)
        known = await self._store.contexts_among(*place, keys=entries, emails=folded, per_email=CANDIDATES_LIMIT)
        by_key = {context.key: context for context in known}
        by_email: defaultdict[str | None, list[SeenContext]] = defaultdict(list)
        for context in sorted(known, key=lambda context: context.key):
            by_email[context.folded_email].append(context)
        shared = [email for email in folded if len(by_email[email]) >= CANDIDATES_LIMIT]
        counts = await self._store.count_contexts(*place, emails=shared) if shared else {}
        return [
            _resolution(entry, [by_key[entry]], 1, listed)
            if entry in by_key
            else _resolution(entry, by_email[entry.casefold()], counts.get(entry.casefold()), listed)
            for entry in entries
        ]

    async def _flush(self, batch: dict[Place, MetAt]) -> None:
        """Store those of a batch that were not stored lately as they are; none of an environment that is gone."""
        environments = {environment for environment, _, _ in batch}
        created = await self._created_ms(environments)
        prepared = await asyncio.to_thread(self._prepare, batch, created)
        if not prepared:
            return
        await self._store.remember_contexts([context for context, _ in prepared])
        self._is_away = False
        for context, digest in prepared:
            place = (context.environment, context.kind, context.key)
            self._recent[place] = (digest, context.last_seen_ms)
            self._recent.move_to_end(place)
        while len(self._recent) > _MOST_RECENT:
            self._recent.popitem(last=False)
        # Asked after storing: a deletion that comes later than the answer forgets them itself.
        after = await self._created_ms(environments)
        for environment in [one for one in created if after.get(one) != created[one]]:
            await self._store.forget_contexts(environment, before_ms=after.get(environment))

    async def _created_ms(self, environments: Collection[EnvironmentRef]) -> dict[EnvironmentRef, int]:
        """Return when those of some environments that there are were created."""
        found = [await self._store.find(Environment, str(environment)) for environment in environments]
        return {environment.ref: environment.created_ms for environment in found if environment is not None}

    def _prepare(
        self, batch: dict[Place, MetAt], created: Mapping[EnvironmentRef, int]
    ) -> list[tuple[SeenContext, int]]:
        """Return what is to be stored of a batch, without private attributes, each with its hash.

        What was met, or stored, before an environment was created is of another one that had its key.
        """
        prepared = []
        for place, ((attributes, private), met_ms) in batch.items():
            environment, kind, key = place
            since_ms = created.get(environment)
            text = None if since_ms is None or met_ms < since_ms else attributes_text(attributes)
            if text is None or since_ms is None:
                continue
            digest = hash((text, private))
            before, stored_ms = self._recent.get(place, (None, 0))
            if digest == before and stored_ms >= since_ms and met_ms - stored_ms < _AFRESH_MS:
                continue
            context = SeenContext(
                environment=environment,
                kind=kind,
                key=key,
                attributes=public_attributes(text, private),
                last_seen_ms=met_ms,
            )
            prepared.append((context, digest))
        return prepared


def _listed(snapshot: Snapshot, segment: str | None, context_kind: str) -> dict[str, TargetList]:
    """Return the keys of a kind that a segment targets, each with the list that decides."""
    if segment is None:
        return {}
    found = snapshot.segments.get(segment)
    if found is None:
        raise NotFoundError("segment", segment)
    current: Segment = found.segment.at(now_ms())
    return {
        key: target_list
        for target_list in (TargetList.EXCLUDED, TargetList.INCLUDED)
        for key in current.target_keys(target_list).get(context_kind, ())
    }


def _resolution(
    entry: str, candidates: Sequence[SeenContext], count: int | None, listed: Mapping[str, TargetList]
) -> TargetResolution:
    """Tell what an entry means, of whose candidates there may be more than were read."""
    if len(candidates) > 1:
        status, key = TargetStatus.AMBIGUOUS, None
    elif candidates:
        status, key = TargetStatus.MATCHED, candidates[0].key
    else:
        status, key = TargetStatus.UNKNOWN, entry
    if key is not None and key not in listed and context_key_problem(key):
        key = None
    return TargetResolution(
        input=entry,
        status=status,
        contexts=candidates[:CANDIDATES_LIMIT],
        context_count=max(len(candidates), count or 0),
        key=key,
        current=None if key is None else listed.get(key),
    )
