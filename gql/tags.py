"""Tags: the words that things bear, with what bears them."""

from typing import Annotated

import strawberry

from domain.evaluation.usage import EnvironmentSegment
from domain.model.flags import EnvironmentFlag
from domain.model.projects import Project
from domain.pages import Page, cut_page
from domain.services.catalog import EnvironmentCatalog, TagUse
from gql.connections import After, Connection, First, Query, page_request
from gql.context import Info
from gql.environments import EnvironmentView, ProjectView
from gql.flags import FlagView
from gql.segments import SegmentView


def _projects(root: strawberry.Parent[TagUse], first: First = None, after: After = None) -> Page[Project]:
    return cut_page(root.projects, page_request(first, after), lambda project: project.id)


def _environments(
    root: strawberry.Parent[TagUse], first: First = None, after: After = None
) -> Page[EnvironmentCatalog]:
    return cut_page(root.environments, page_request(first, after), lambda environment: environment.id)


def _flags(root: strawberry.Parent[TagUse], first: First = None, after: After = None) -> Page[EnvironmentFlag]:
    return cut_page(root.flags, page_request(first, after), lambda flag: flag.id)


def _segments(
    root: strawberry.Parent[TagUse], first: First = None, after: After = None
) -> Page[EnvironmentSegment]:
    return cut_page(root.segments, page_request(first, after), lambda segment: segment.id)


@strawberry.type(
    name="Tag",
    description="A word on flags, segments, projects and environments, with those that bear it where it was asked "
    "for: in one environment, in a project, or anywhere. Archived flags do not count.",
)
class TagView:
    """View of domain.services.catalog.TagUse."""

    name: str = strawberry.field(description="The tag.")
    flag_count: int = strawberry.field(
        description="How many flags bear it, each counted once however many environments see it."
    )
    segment_count: int = strawberry.field(description="How many segments bear it.")
    project_count: int = strawberry.field(description="How many projects bear it; none within one environment.")
    environment_count: int = strawberry.field(description="How many environments bear it themselves.")
    flags = strawberry.field(
        resolver=_flags,
        graphql_type=Connection[FlagView],
        description="The flags that bear it, as each environment sees them, by project, environment and key.",
    )
    segments = strawberry.field(
        resolver=_segments,
        graphql_type=Connection[SegmentView],
        description="The segments that bear it, by project, environment and key.",
    )
    projects = strawberry.field(
        resolver=_projects, graphql_type=Connection[ProjectView], description="The projects that bear it, by key."
    )
    environments = strawberry.field(
        resolver=_environments,
        graphql_type=Connection[EnvironmentView],
        description="The environments that bear it themselves, by project and key.",
    )


@strawberry.type
class TagsQuery:
    """The root of tags."""

    @strawberry.field(
        graphql_type=Connection[TagView],
        description="The tags that anything in a project, or in all of them, bears, by name, with counts.",
    )
    async def tags(
        self,
        info: Info,
        *,
        project: Annotated[str | None, strawberry.argument(description="Only what is in this project.")] = None,
        query: Query = None,
        first: First = None,
        after: After = None,
    ) -> Page[TagUse]:
        """Ask the catalog for tags."""
        caller = info.context
        return await caller.services.catalog.tags(caller.principal, project, query, page_request(first, after))
