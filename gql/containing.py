"""What a thing of the graph is in: the environment of a flag or segment, the project of an environment."""

from typing import TYPE_CHECKING, Annotated

import strawberry

from domain.evaluation.usage import EnvironmentSegment
from domain.model.flags import EnvironmentFlag
from domain.model.projects import Project
from domain.services.catalog import EnvironmentCatalog
from gql.context import Info

if TYPE_CHECKING:
    from gql.environments import EnvironmentView, ProjectView

EnvironmentViewRef = Annotated["EnvironmentView", strawberry.lazy("gql.environments")]
ProjectViewRef = Annotated["ProjectView", strawberry.lazy("gql.environments")]


def owning_environment(
    root: strawberry.Parent[EnvironmentFlag | EnvironmentSegment], info: Info
) -> EnvironmentCatalog:
    """Ask the catalog, which has what it needs in memory: a page of flags asks as often as it has flags."""
    return info.context.services.catalog.environment_of(info.context.principal, root.environment)


def owning_project(root: strawberry.Parent[EnvironmentCatalog], info: Info) -> Project:
    """Ask the catalog, likewise."""
    return info.context.services.catalog.project_of(info.context.principal, root)
