"""What every resolver can reach: who is asking, and the services."""

from dataclasses import dataclass
from typing import TypeAlias

import strawberry

from domain.access.principals import Principal
from domain.services.catalog import CatalogService
from domain.services.evaluation import EvaluationService
from domain.services.imports import ImportService


@dataclass(frozen=True, slots=True, kw_only=True)
class Services:
    """The use cases, composed once per process."""

    catalog: CatalogService
    evaluation: EvaluationService
    imports: ImportService


@dataclass(frozen=True, slots=True)
class RequestContext:
    """One request: its principal, and the services."""

    principal: Principal
    services: Services


Info: TypeAlias = strawberry.Info[RequestContext, None]
