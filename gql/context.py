"""What every resolver can reach: who is asking, and the services."""

from dataclasses import dataclass, field
from typing import Any, TypeAlias

import strawberry
from starlette.requests import Request
from strawberry.dataloader import DataLoader

from domain.access.principals import Principal
from domain.services.access_tokens import AccessTokenService
from domain.services.audit import AuditService
from domain.services.caches import CacheService
from domain.services.catalog import CatalogService
from domain.services.contexts import ContextService
from domain.services.environments import EnvironmentService
from domain.services.evaluation import Caller, EvaluationService
from domain.services.flag_copies import FlagCopyService
from domain.services.flags import FlagService
from domain.services.imports import ImportService
from domain.services.lists import ListService
from domain.services.members import MemberService
from domain.services.permissions import PermissionService
from domain.services.projects import ProjectService
from domain.services.roles import RoleService
from domain.services.sdk_keys import SdkKeyService
from domain.services.segments import SegmentService
from domain.services.syncs import SyncService


@dataclass(frozen=True, slots=True, kw_only=True)
class Services:
    """The use cases, composed once per process."""

    access_tokens: AccessTokenService
    audit: AuditService
    caches: CacheService
    catalog: CatalogService
    contexts: ContextService
    environments: EnvironmentService
    evaluation: EvaluationService
    flag_copies: FlagCopyService
    flags: FlagService
    imports: ImportService
    lists: ListService
    members: MemberService
    permissions: PermissionService
    projects: ProjectService
    roles: RoleService
    sdk_keys: SdkKeyService
    segments: SegmentService
    syncs: SyncService


@dataclass(frozen=True, slots=True)
class RequestContext:
    """One request: who makes it, the services, and what came over HTTP.

    Attributes:
        edition: Names what was served to the caller when the request came (`SnapshotService.edition`).
        loaders: What asks a service once for what many items of a list ask for, by name; made when first used.
    """

    caller: Caller
    edition: str
    services: Services
    request: Request
    loaders: dict[str, DataLoader[Any, Any]] = field(default_factory=dict)

    @property
    def base_url(self) -> str:
        """The address that it was sent to (`http://host:port`)."""
        return str(self.request.base_url).rstrip("/")

    @property
    def principal(self) -> Principal:
        """Who is asking."""
        return self.caller.principal


Info: TypeAlias = strawberry.Info[RequestContext, None]
