"""Keeps one compiled snapshot per environment, and the directory, as fresh as the store's feed of revisions.

A snapshot is replaced whole and its revision never goes back. While the store is away, the last ones serve on.
"""

import asyncio
import contextlib
import logging
import time
from collections.abc import Mapping, Sequence
from contextlib import aclosing
from dataclasses import dataclass
from weakref import WeakValueDictionary

from domain.clock import now_ms
from domain.commits import ACCESS_SCOPE, Commit
from domain.errors import InvalidInputError, NotFoundError, UnavailableError, Violation
from domain.evaluation.snapshot import Snapshot
from domain.keys import EnvironmentRef
from domain.model.projects import Environment
from domain.ports import Store
from domain.services.access import AccessService
from domain.services.asked_store import asked_store

_log = logging.getLogger(__name__)
_RETRY_SECONDS = 0.5


@dataclass(frozen=True, slots=True, kw_only=True)
class Readiness:
    """Whether answers are up to date.

    Attributes:
        loaded: Whether all environments were loaded once.
        followed: Whether the store is followed: a fault may have ended that.
        revisions: The revisions that are served, by environment.
        taken_ms: When what is served was taken in, by environment, in epoch milliseconds.
        store_away_seconds: How long the store has been out of reach; None while it answers.
    """

    loaded: bool
    followed: bool
    revisions: Mapping[str, int]
    taken_ms: Mapping[str, int]
    store_away_seconds: float | None

    @property
    def ready(self) -> bool:
        """Whether requests should come here: evaluation works and knows every change."""
        return self.loaded and self.followed and self.store_away_seconds is None


class SnapshotService:
    """The snapshots that this process serves from. `run` must be under way to follow other processes.

    Attributes:
        access: The directory that goes with them.
        store: The store for all others: it refuses at once what would wait for it in vain.
    """

    def __init__(self, store: Store) -> None:
        self.store = asked_store(store, lambda: self.is_store_away)
        self.access = AccessService(store, self.store)
        self._store = store
        self._snapshots: dict[EnvironmentRef, Snapshot] = {}
        self._taken_ms: dict[EnvironmentRef, int] = {}
        # Weak: whoever loads keeps the lock, and of names that are invented none is left.
        self._locks: WeakValueDictionary[EnvironmentRef, asyncio.Lock] = WeakValueDictionary()
        self._store_away_since: float | None = None
        self._is_out_of_reach = False
        self._loaded = asyncio.Event()
        self._is_followed = False
        self._changes = 0

    async def run(self) -> None:
        """Load everything, then follow the feed of revisions until cancelled; the store may go and come."""
        self._is_followed = True
        try:
            await self._keep_following()
        finally:
            self._is_followed = False

    async def _keep_following(self) -> None:
        while True:
            try:
                async with aclosing(self._store.watch_revisions()) as feed:
                    is_first = True
                    async for revisions in feed:
                        if is_first:
                            self._check_history(revisions)
                            is_first = False
                        await self._follow(revisions)
                        self._back()
            except UnavailableError as error:
                self._is_out_of_reach = True
                self._away(error.message)
            except Exception:  # noqa: BLE001 - whatever it is, to serve on without following would be worse
                self._is_out_of_reach = False  # an edit may mend what cannot be served
                _log.exception("following the store failed, trying again")
                self._away("an unexpected fault")
            await asyncio.sleep(_RETRY_SECONDS)

    async def wait_until_loaded(self) -> None:
        """Return when every environment was loaded once."""
        await self._loaded.wait()

    def readiness(self) -> Readiness:
        """Tell whether answers are up to date."""
        since = self._store_away_since
        return Readiness(
            loaded=self._loaded.is_set(),
            followed=self._is_followed,
            revisions={str(ref): snapshot.revision for ref, snapshot in self._snapshots.items()},
            taken_ms={str(ref): self._taken_ms[ref] for ref in self._snapshots},
            store_away_seconds=None if since is None else time.monotonic() - since,
        )

    @property
    def is_store_away(self) -> bool:
        """Whether the store is known to be out of reach: whoever asked it would wait in vain."""
        return self._is_out_of_reach

    @property
    def served(self) -> Sequence[Snapshot]:
        """The snapshots that are served now."""
        return list(self._snapshots.values())

    def edition(self, environment: EnvironmentRef | None) -> str:
        """Name what is served now in an environment, or (None) in all of them; no other time has the name.

        Only this process knows it: others count their changes from their own beginning.
        """
        if environment is None:
            return f"{self._changes}+{self.access.changes}"
        snapshot = self._snapshots.get(environment)
        return f"{environment}@{snapshot.revision if snapshot else None}+{self.access.changes}"

    def current(self, environment: EnvironmentRef) -> Snapshot:
        """Return the snapshot that is served now in the environment of something that was found in one.

        Raises:
            NotFoundError: The environment is gone.
        """
        if (current := self._snapshots.get(environment)) is None:
            raise NotFoundError("environment", str(environment))
        return current

    async def get(self, environment: EnvironmentRef, *, at_least: int = 0) -> Snapshot:
        """Return the environment's snapshot, at a revision or later.

        Raises:
            NotFoundError: There is no such environment.
            InvalidInputError: It has no such revision yet.
            UnavailableError: What is wanted is not loaded, and the store cannot be reached.
        """
        current = self._snapshots.get(environment)
        if current is None:
            if self.is_store_away:
                message = f"{environment} is not loaded, and the store is away"
                raise UnavailableError(message)
            current = await self.refresh(environment, 0)
        if current.revision >= at_least:
            return current
        stored = (await self.store.revisions()).get(str(environment), 0)
        if stored < at_least:
            message = f"{environment} is at revision {stored}, and {at_least} is still to come"
            raise InvalidInputError([Violation(("atLeastRevision",), message)])
        return await self.refresh(environment, at_least)

    async def refresh(self, environment: EnvironmentRef, revision: int) -> Snapshot:
        """Return the environment's snapshot at `revision` or later, loading it if need be.

        Raises:
            NotFoundError: There is no such environment.
            UnavailableError: The store cannot be reached.
        """
        lock = self._locks.setdefault(environment, asyncio.Lock())
        async with lock:
            current = self._snapshots.get(environment)
            if current is not None and current.revision >= revision:
                return current
            state = await self._store.load_environment(environment)
            # Asked after loading: a deletion that comes later than the answer makes a later revision.
            if await self._store.find(Environment, str(environment)) is None:
                self._snapshots.pop(environment, None)
                self._taken_ms.pop(environment, None)
                self._changes += 1
                raise NotFoundError("environment", str(environment))
            # In a thread: a thousand flags take tens of milliseconds, and evaluations go on meanwhile.
            snapshot = await asyncio.to_thread(
                Snapshot, environment, state.revision, state.flags, state.segments, before=current
            )
            latest = self._snapshots.get(environment)
            if latest is not None and snapshot.revision < latest.revision:
                return latest
            self._taken_ms[environment] = now_ms()
            self._snapshots[environment] = snapshot
            self._changes += 1
            return snapshot

    async def commit(self, commit: Commit) -> Mapping[str, int]:
        """Commit a change and serve by it: whoever asks this process next sees it.

        Returns:
            The new revisions by scope.

        Raises:
            DomainError: As `Store.commit` says.
        """
        revisions = await self.store.commit(commit)
        try:
            await self._serve(revisions)
        except UnavailableError as error:  # the change holds; the feed brings it when the store is back
            _log.warning("a change is stored but not served yet: %s", error.message)
        return revisions

    async def _follow(self, revisions: Mapping[str, int]) -> None:
        if not self._loaded.is_set():
            directory = await self.access.refresh(revisions.get(ACCESS_SCOPE, 0))
            for environment in directory.environments.values():
                with contextlib.suppress(NotFoundError):  # it was deleted meanwhile
                    await self.refresh(environment.ref, revisions.get(str(environment.ref), 0))
            self._loaded.set()
            return
        await self._serve(revisions)

    async def _serve(self, revisions: Mapping[str, int]) -> None:
        """Serve what has these revisions, as far as it is served; an environment may be gone."""
        if ACCESS_SCOPE in revisions:
            await self.access.refresh(revisions[ACCESS_SCOPE])
        for ref in {*self._snapshots, *self._locks}:  # one that is being loaded for the first time has a lock
            if str(ref) in revisions:
                with contextlib.suppress(NotFoundError):
                    await self.refresh(ref, revisions[str(ref)])

    def _check_history(self, revisions: Mapping[str, int]) -> None:
        """Refuse to follow a store that knows less than is served: it was emptied, or put back from a copy."""
        for ref, snapshot in self._snapshots.items():
            stored = revisions.get(str(ref), 0)
            if stored < snapshot.revision:
                message = f"the store has {ref} at revision {stored}, but {snapshot.revision} is served"
                raise UnavailableError(f"{message}; start again to serve what the store has")

    def _away(self, reason: str) -> None:
        if self._store_away_since is None:
            self._store_away_since = time.monotonic()
            _log.warning("the store is away, serving from the last snapshots: %s", reason)

    def _back(self) -> None:
        if self._store_away_since is not None:
            _log.warning("the store is back after %.1f s", time.monotonic() - self._store_away_since)
            self._store_away_since = None
            self._is_out_of_reach = False
