"""The composition root: the one place where stores and services meet."""

import asyncio
import contextlib
import logging
import sys
import time
from collections.abc import Awaitable, Callable
from importlib.metadata import version
from typing import Any, TypeVar

from starlette.requests import Request

from domain.access.principals import SYSTEM, Principal
from domain.errors import DomainError, UnauthenticatedError, UnavailableError
from domain.ports import Cache, LoadingCache, Store
from domain.services.access_editing import AccessEditor
from domain.services.access_tokens import AccessTokenService
from domain.services.audit import AuditService
from domain.services.caches import CacheService, UnitStatistics
from domain.services.catalog import CatalogService
from domain.services.contexts import ContextService
from domain.services.credential_upkeep import CredentialUpkeep
from domain.services.editing import EnvironmentEditor
from domain.services.environments import EnvironmentService
from domain.services.evaluation import Caller, EvaluationService
from domain.services.flag_copies import FlagCopyService
from domain.services.flags import FlagService
from domain.services.histories import HistoryService
from domain.services.imports import ImportService
from domain.services.list_changes import ListChanges
from domain.services.list_recovery import ListRecoveryService
from domain.services.lists import ListService
from domain.services.members import MemberService
from domain.services.memberships import MembershipService
from domain.services.patience import Patience
from domain.services.permissions import PermissionService
from domain.services.projects import ProjectService
from domain.services.removals import RemovalService
from domain.services.repeating import repeat
from domain.services.roles import RoleService
from domain.services.sdk_keys import SdkKeyService
from domain.services.segments import SegmentService
from domain.services.setup import FirstSecrets, set_up_store
from domain.services.snapshots import Readiness, SnapshotService
from domain.services.syncs import SyncService
from domain.services.target_limit import TargetLimit
from gql.auth import authenticate
from gql.context import RequestContext, Services
from gql.examples import read_examples
from gql.metrics import Gauges, Metrics
from gql.rates import RequestRate, rate_name
from gql.settings import Settings
from storage import open_store
from storage.cache import MemoryCache, RedisTexts
from storage.key_spool import TemporaryKeySpool
from storage.metered import metered
from storage.shared_cache import MEMBERSHIPS, SharedCache

T = TypeVar("T")

_log = logging.getLogger(__name__)
_RETRY_SECONDS = 1.0
_PING_SECONDS = 2.0
_COUNT_SECONDS = 1.0
_NAMESPACE = f"earlybird-{version('earlybird')}"  # other versions may mean other things by their values
_GUESSABLE_TOKEN = 16


class Backend:
    """The store and the services of one process; not connected while the store is away at the start."""

    def __init__(self, settings: Settings, metrics: Metrics) -> None:
        self.settings = settings
        self.metrics = metrics
        self.store: Store | None = None
        self._snapshots: SnapshotService | None = None
        self._services: Services | None = None
        self._contexts: ContextService | None = None
        self._upkeep: CredentialUpkeep | None = None
        url = settings.cache_url
        self._redis = RedisTexts(url.get_secret_value(), namespace=_NAMESPACE) if url else None
        self._connected = asyncio.Event()
        self._began = time.monotonic()
        self._rate = RequestRate(settings.max_requests_per_second) if settings.max_requests_per_second else None
        self.responses: Cache[bytes] = self._cache()

    async def run(self) -> None:
        """Connect, set a new store up, then follow the store until cancelled."""
        examples = await asyncio.to_thread(read_examples, self.settings.examples)
        self.store = await self._connect()
        snapshots = SnapshotService(self.store)
        store = snapshots.store
        editor = EnvironmentEditor(store, snapshots)
        access_editor = AccessEditor(snapshots)
        imports = ImportService(store, editor, max_removal_percent=self.settings.max_removal_percent)
        changes = ListChanges(store, snapshots, editor)
        lists = ListService(
            store,
            snapshots,
            changes,
            TemporaryKeySpool,
            max_removal_percent=self.settings.max_removal_percent,
        )
        syncs = SyncService(store, snapshots, changes)
        owner = await self._set_up(store)
        if owner is not None:
            await _until_available(lambda: examples.load(owner, imports, lists, syncs))
        self._contexts = contexts = ContextService(
            store,
            snapshots.access,
            retention_days=self.settings.context_retention_days,
            max_entries=self.settings.max_targets,
            max_characters=self.settings.max_targets_characters,
        )
        self._upkeep = CredentialUpkeep(store, snapshots.access, access_editor)
        self._snapshots = snapshots
        memberships: LoadingCache[Any] = self._cache()
        patience = Patience(store.ping)
        lookups = MembershipService(store, memberships, patience)
        if self._redis is not None:
            memberships = SharedCache(memberships, self._redis, unit="largeLists", codec=MEMBERSHIPS)
            lookups = MembershipService(store, memberships, patience, HistoryService(store, patience))
        self._services = Services(
            access_tokens=AccessTokenService(snapshots.access, access_editor, suggests=self.settings.suggestions),
            audit=AuditService(store, snapshots.access),
            catalog=CatalogService(store, snapshots),
            contexts=contexts,
            environments=EnvironmentService(store, snapshots, editor),
            caches=CacheService({"responses": self.responses, "largeLists": memberships}),
            evaluation=EvaluationService(snapshots, lookups, contexts, self.settings.context_limits),
            flags=FlagService(editor, TargetLimit(self.settings.max_targets)),
            flag_copies=FlagCopyService(editor, TargetLimit(self.settings.max_targets)),
            imports=imports,
            lists=lists,
            syncs=syncs,
            members=MemberService(snapshots.access, access_editor),
            permissions=PermissionService(snapshots, suggests=self.settings.suggestions),
            projects=ProjectService(store, snapshots, editor),
            roles=RoleService(snapshots.access, access_editor, suggests=self.settings.suggestions),
            sdk_keys=SdkKeyService(snapshots.access, access_editor),
            segments=SegmentService(store, editor, TargetLimit(self.settings.max_targets)),
        )
        self._connected.set()
        async with asyncio.TaskGroup() as group:
            group.create_task(snapshots.run())
            if self._redis is not None:
                group.create_task(self._redis.look())
            group.create_task(RemovalService(snapshots, editor).run())
            group.create_task(contexts.run())
            group.create_task(self._upkeep.run())
            group.create_task(syncs.run())
            group.create_task(ListRecoveryService(store, changes, syncs).run())
            group.create_task(repeat(self._count_caches, _COUNT_SECONDS, "counting what the caches did failed"))

    async def _set_up(self, store: Store) -> Principal | None:
        """Set a new store up, and show its secrets; return its owner, or None if it was set up before."""
        token = self.settings.bootstrap_token
        if token is not None and len(token) < _GUESSABLE_TOKEN:
            _log.warning("EARLYBIRD_BOOTSTRAP_TOKEN is short enough to be guessed: fit for trying things out only")
        secrets = await _until_available(lambda: set_up_store(store, token.get_secret_value() if token else None))
        if secrets is None:
            return None
        if token is None:
            _print_secrets(secrets, self.settings)
        return secrets.owner

    async def close(self) -> None:
        """Finish what was accepted, and release the store."""
        if self._contexts is not None:
            await self._contexts.flush()
        if self._upkeep is not None:
            with contextlib.suppress(DomainError):
                await self._upkeep.store_uses()
        if self._redis is not None:
            await self._redis.close()
        if self.store is not None:
            await self.store.close()

    async def wait_until_loaded(self) -> None:
        """Return when requests can be answered."""
        await self._connected.wait()
        if self._snapshots is not None:
            await self._snapshots.wait_until_loaded()

    async def request_context(self, request: Request) -> RequestContext:
        """Authenticate a request.

        Raises:
            UnavailableError: The store has been away since the start.
            UnauthenticatedError: The secret is unknown.
            RefusedRequestError: The caller makes too many requests.
        """
        if self._snapshots is None or self._services is None:
            raise UnavailableError("the store has not been reached yet")
        principal = await self._authenticated(request, self._snapshots)
        caller = Caller(principal, self.settings.max_batch_evaluations, count=self.metrics.count_evaluations)
        edition = self._snapshots.edition(principal.credential.environment if principal.credential else None)
        return RequestContext(caller, edition, self._services, request)

    async def _authenticated(self, request: Request, snapshots: SnapshotService) -> Principal:
        """Tell who is asking, within the rate; whoever shows what is no secret here is known by the address."""
        if self._rate is None:
            return await authenticate(request, snapshots)
        address = request.client.host if request.client else ""
        try:
            principal = await authenticate(request, snapshots)
        except UnauthenticatedError:
            self._rate.take(address)
            raise
        self._rate.take(rate_name(principal, address))
        return principal

    async def readiness(self) -> dict[str, object]:
        """Tell what `/readyz` answers; `ready` decides."""
        if self.store is None or self._snapshots is None:
            return {"ready": False, "store": "away", "snapshots": {"loaded": 0, "staleSeconds": None}}
        try:
            async with asyncio.timeout(_PING_SECONDS):
                await self.store.ping()
            reachable = True
        except (UnavailableError, TimeoutError):
            reachable = False
        readiness = self._snapshots.readiness()
        return {
            "ready": reachable and readiness.ready,
            "store": "reachable" if reachable else "away",
            **self._cache_readiness(),
            "snapshots": {
                "loaded": len(readiness.revisions),
                "staleSeconds": round(readiness.store_away_seconds or 0, 1),
            },
        }

    def _cache_readiness(self) -> dict[str, object]:
        """Tell whether the shared cache answers, if there is one; without it answers are only slower."""
        if self._redis is None:
            return {}
        return {"cache": "reachable" if self._redis.away_seconds is None else "away"}

    def gauges(self) -> Gauges:
        """Return what is to be measured at the moment of a scrape."""
        return Gauges(self._readiness, self._cache_statistics)

    def _readiness(self) -> Readiness:
        if self._snapshots is not None:
            return self._snapshots.readiness()
        away_seconds = time.monotonic() - self._began
        return Readiness(loaded=False, followed=False, revisions={}, taken_ms={}, store_away_seconds=away_seconds)

    def _cache_statistics(self) -> list[UnitStatistics]:
        return [] if self._services is None else self._services.caches.statistics(SYSTEM)

    async def _count_caches(self) -> None:
        """Count what the caches did: the next scrape may be answered by another process."""
        self.metrics.count_caches(self._cache_statistics())

    def _cache(self) -> MemoryCache[Any]:
        """Make the cache of one unit: each of the two has half of the memory."""
        settings = self.settings
        return MemoryCache(max_entries=settings.cache_entries, max_bytes=settings.cache_bytes // 2)

    async def _connect(self) -> Store:
        return metered(await _until_available(lambda: open_store(self.settings.store)), self.metrics)


async def _until_available(work: Callable[[], Awaitable[T]]) -> T:
    """Do something with the store; while it is away, wait and say so, again where the reason is another one."""
    reason = ""
    while True:
        try:
            return await work()
        except UnavailableError as error:
            if error.message != reason:
                reason = error.message
                _log.warning("waiting for the store: %s", reason)
            await asyncio.sleep(_RETRY_SECONDS)


def _print_secrets(secrets: FirstSecrets, settings: Settings) -> None:
    """Show the secrets on standard output, the only time they are known."""
    lines = [
        "",
        f"Earlybird is new here: http://{settings.host}:{settings.port}/graphql",
        "These secrets are shown once:",
        f"  owner token                  {secrets.owner_token}",
        *(
            f"  {'client' if key.is_client_side else 'server'} SDK key, {key.environment_key:<10}   {key.secret}"
            for key in secrets.sdk_keys
        ),
        "",
    ]
    sys.stdout.write("\n".join(lines) + "\n")
    sys.stdout.flush()
