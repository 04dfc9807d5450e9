"""What storage owes the domain. These docstrings are the contract; tests/storage proves each sentence of it.

A store holds *entities*: frozen dataclasses with an `id` unique among their class, a `scope` they are listed
under, and a `version`. It also holds *revisions*: integers by scope that only grow. An environment's scope is
`str(EnvironmentRef)`; what concerns access has the scope `ACCESS_SCOPE`.
"""

from collections.abc import AsyncGenerator, Awaitable, Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Generic, Protocol, TypeAlias, TypeVar

from domain.commits import Commit, E
from domain.keys import EnvironmentRef
from domain.model.changes import AuditEntry, EntryFilter
from domain.model.flags import EnvironmentFlag
from domain.model.lists import ListChange
from domain.model.seen_contexts import EVERY_CONTEXT, ContextFilter, SeenContext
from domain.model.segments import Segment

V = TypeVar("V")

EVERY_ENTRY = EntryFilter()


@dataclass(frozen=True, slots=True)
class EnvironmentState:
    """Everything that evaluation in one environment needs, at one revision; flags and segments by their keys."""

    environment: EnvironmentRef
    revision: int
    flags: Mapping[str, EnvironmentFlag]
    segments: Mapping[str, Segment]


class Store(Protocol):
    """Durable, versioned entities. Each method raises UnavailableError, in bounded time, if it cannot work."""

    async def find(self, entity_type: type[E], entity_id: str) -> E | None:
        """Return the entity, or None."""

    async def get(self, entity_type: type[E], entity_id: str) -> E:
        """Return the entity.

        Raises:
            NotFoundError: There is none.
        """

    async def list_page(self, entity_type: type[E], scope: str, *, first: int, after: str = "") -> list[E]:
        """Return at most `first` entities of a scope, by id (code point order), those after the id `after`.

        An entity that is there throughout is on exactly one page, whatever is written between the pages.
        """

    async def list_all(self, entity_type: type[E], scope: str) -> list[E]:
        """Return all entities of a scope, by id."""

    async def load_environment(self, environment: EnvironmentRef) -> EnvironmentState:
        """Return an environment's flags (those with targeting in it) and segments at one revision.

        Never half a commit, and never older than the last commit that was acknowledged before the call. An
        environment without changes has revision 0. What did not change since this process last loaded it is the
        same object again.
        """

    async def commit(self, commit: Commit) -> Mapping[str, int]:
        """Apply a commit, durably, and return the new revisions by scope.

        Once it returns, a crash of the process or of the store's server loses nothing of it. If it raises,
        nothing was changed, except that UnavailableError may come when it is not known.

        Raises:
            AlreadyExistsError: Something to be created is there.
            VersionConflictError: Something is not at the version expected (or gone).
            RevisionConflictError: A revision that the change is based on has grown (looked at before versions).
        """

    async def revisions(self) -> Mapping[str, int]:
        """Return all revisions by scope."""

    def watch_revisions(self) -> AsyncGenerator[Mapping[str, int], None]:
        """Yield revisions by scope: first all of them, then those that grew, soon after they did.

        A growth may be reported with a later one of its scope, or twice; the last one is always reported.
        What other processes commit is reported too. While the store is away the iterator raises
        UnavailableError once, and likewise when the store is closed; a new one starts afresh.
        """

    async def list_entries(
        self, scope: str | None, *, first: int, before: str = "", wanted: EntryFilter = EVERY_ENTRY
    ) -> list[AuditEntry]:
        """Return audit entries of one scope or (None) of all, by id, newest first; those before `before`.

        Only those that pass the filter. An index finds what touched a subject, what somebody did, and when.
        """

    async def latest_entries(
        self, subjects: Sequence[Collection[str]], *, first: int, before: str = ""
    ) -> list[list[AuditEntry]]:
        """Return of each of several sets of subjects the entries that touched one of them, as `list_entries` does.

        One or two questions to the store for up to a hundred sets; never one for each.
        """

    async def add_members(self, list_id: str, generation: int, keys: Collection[str]) -> None:
        """Let keys be in a large list from a generation on. Keys that it has since that generation stay.

        This and `remove_members` are durable and can be repeated; what a crash leaves is for `discard_members`.
        """

    async def remove_members(self, list_id: str, generation: int, keys: Collection[str]) -> None:
        """Let keys be out of a large list from a generation on; in those before it they stay."""

    async def discard_members(self, list_id: str, generation: int | None) -> None:
        """Undo what was written for all generations after one; with None, forget the list."""

    async def purge_members(self, list_id: str, generation: int) -> None:
        """Forget the keys that were out of a large list by a generation: those before it can be read no more."""

    async def list_members(self, list_id: str, generation: int, *, first: int, after: str = "") -> list[str]:
        """Return at most `first` keys of a large list at a generation, by code points, those after `after`."""

    async def list_ids(self) -> list[str]:
        """Return the ids of the large lists that members, former ones or changes are kept of."""

    async def list_open_changes(self) -> list[ListChange]:
        """Return the changes of all large lists that are not over. An index finds them among those that are."""

    async def members_among(
        self, generations: Mapping[str, int], keys: Collection[str]
    ) -> frozenset[tuple[str, str]]:
        """Return which keys are in which large lists, each at its generation: pairs of list and key.

        One question to the store for up to a thousand pairs; never one for each.
        """

    async def remember_contexts(self, contexts: Collection[SeenContext]) -> None:
        """Keep contexts, of different places, each in the place of what is known of its kind and key."""

    async def list_contexts(
        self, environment: EnvironmentRef, wanted: ContextFilter = EVERY_CONTEXT, *, first: int, after: str = ""
    ) -> list[SeenContext]:
        """Return at most `first` contexts of an environment, by `sort_key` (code points), those after one.

        Only those that pass the filter.
        """

    async def contexts_among(
        self,
        environment: EnvironmentRef,
        kind: str,
        *,
        keys: Collection[str],
        emails: Collection[str],
        per_email: int,
    ) -> list[SeenContext]:
        """Return the contexts of a kind that have one of the keys or (in lower case, folded) emails, each once.

        Of an email that more than `per_email` have, those are returned that come first by key (code points). One
        question to the store for up to a thousand of them, and one for each such email at most.
        """

    async def count_contexts(
        self, environment: EnvironmentRef, kind: str, *, emails: Collection[str]
    ) -> Mapping[str, int]:
        """Return how many contexts of a kind have each of the (folded) emails; none is left out."""

    async def forget_contexts(self, environment: EnvironmentRef | None, *, before_ms: int | None = None) -> None:
        """Forget the contexts of an environment or (None) of all: those last seen before a moment, or all."""

    async def ping(self) -> None:
        """Return if the store answers."""

    async def close(self) -> None:
        """Release everything; nothing that was acknowledged is lost. A closed store raises UnavailableError."""


class KeySpool(Protocol):
    """Keys on their way into a store: each once, in order, in memory that does not grow with their number.

    What it holds goes with it, and with the process.
    """

    def add(self, keys: Collection[str]) -> int:
        """Take keys; return how many of them are new."""

    def chunks(self, size: int) -> Iterator[list[str]]:
        """Yield all keys by code points, at most `size` at a time."""

    def close(self) -> None:
        """Forget everything."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Computed(Generic[V]):
    """A value that took work, as a cache keeps it; None is a value too.

    Attributes:
        size: About how many bytes of memory it takes, rather too many than too few.
        valid_until_ms: When it stops being true, in epoch milliseconds; None if it is true for ever.
    """

    value: V
    size: int
    valid_until_ms: int | None = None


Compute: TypeAlias = Callable[[Sequence[str]], Awaitable[Mapping[str, Computed[V]]]]
"""Does the work for some keys, all of which it returns."""


@dataclass(frozen=True, slots=True, kw_only=True)
class SharedStatistics:
    """How this process did with the cache that it shares with others.

    Attributes:
        hits: Values that were not here but there.
        misses: Values that were not there either, or could not be had in time.
        write_failures: Values that it did not take: it was full, or not in time.
        away_seconds: For how long the shared cache has not answered; None while it does.
    """

    hits: int
    misses: int
    write_failures: int
    away_seconds: float | None

    @property
    def is_away(self) -> bool:
        """Whether the shared cache does not answer."""
        return self.away_seconds is not None


@dataclass(frozen=True, slots=True, kw_only=True)
class CacheStatistics:
    """How a cache did since the process began.

    Attributes:
        bytes: About how much memory it takes.
        hits: Values that were there.
        misses: Values that were not, whoever did the work.
        evictions: Values that had to go for others.
        shared: How the shared cache behind it did; None if there is none.
    """

    entries: int
    bytes: int
    hits: int
    misses: int
    evictions: int
    shared: SharedStatistics | None = None


class CountedCache(Protocol):
    """Values by keys that name all they depend on, so that none is ever wrong: they only grow old and go.

    It is bounded, in entries and in bytes. What it hands out is shared, and never changed.
    """

    @property
    def statistics(self) -> CacheStatistics:
        """How it did so far."""


class Cache(CountedCache, Protocol[V]):
    """A cache of what whoever asks makes himself."""

    async def find(self, key: str) -> Computed[V] | None:
        """Return what was kept, unless it had to go or is past its end."""

    async def keep(self, key: str, computed: Computed[V]) -> None:
        """Keep a value that was not found, which makes it a miss, until its end or until others need the room."""


class LoadingCache(CountedCache, Protocol[V]):
    """A cache that has what is not there made."""

    async def get_or_compute(self, keys: Sequence[str], compute: Compute[V]) -> Mapping[str, V]:
        """Return the values of keys; do the work for those that are not there, in one call, and keep them.

        Work for a key that is under way is waited for, not done twice. A caller that gives up stops nobody
        else's work. What the work raises reaches all who wait for it, and is not kept; nor is a value kept, or
        handed out again, past its end.
        """
