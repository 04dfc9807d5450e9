"""Projects and environments: the roots of the management graph."""

from collections.abc import Sequence
from typing import TYPE_CHECKING, Annotated

import strawberry

from domain.evaluation.usage import EarlyAccessProgram, EnvironmentSegment
from domain.keys import EnvironmentRef
from domain.model.flags import EnvironmentFlag
from domain.model.projects import Project
from domain.model.segments import SegmentKind
from domain.pages import Page
from domain.services.catalog import EnvironmentCatalog, TagUse
from domain.services.filters import FlagFilter, PlaceFilter, SegmentFilter
from gql.audit import AuditEntryConnection, environment_history, project_history
from gql.connections import After, Connection, First, OrderBy, Query, Tags, page_request, within_page
from gql.containing import ProjectViewRef, owning_project
from gql.context import Info
from gql.contexts import SeenContextConnection, TargetResolutionView, environment_contexts, resolve_targets
from gql.flags import FlagView
from gql.nodes import Node, global_id, read_global_id
from gql.sdk_keys import SdkKeyView, environment_sdk_keys
from gql.segments import SegmentView
from gql.usage import EarlyAccessProgramView
from gql.viewer_can import viewer_can

if TYPE_CHECKING:
    from gql.tags import TagView

TagRef = Annotated["TagView", strawberry.lazy("gql.tags")]


def _environment_id(root: strawberry.Parent[EnvironmentCatalog]) -> strawberry.ID:
    return global_id("Environment", root.id)


def _project_id(root: strawberry.Parent[Project]) -> strawberry.ID:
    return global_id("Project", root.id)


def _flag(
    root: strawberry.Parent[EnvironmentCatalog],
    key: Annotated[str, strawberry.argument(description="The flag's key.")],
) -> EnvironmentFlag | None:
    return root.flag(key)


def _flags(  # noqa: PLR0913 - GraphQL's arguments
    root: strawberry.Parent[EnvironmentCatalog],
    *,
    first: First = None,
    after: After = None,
    order_by: OrderBy = None,
    query: Query = None,
    tags: Tags = None,
    on: Annotated[bool | None, strawberry.argument(description="Only flags that are on, or off.")] = None,
    archived: Annotated[
        bool | None, strawberry.argument(description="Whether to list archived flags; null lists both.")
    ] = False,
    deprecated: Annotated[
        bool | None,
        strawberry.argument(
            description="Whether to list deprecated flags; null lists both. False hides those that are archived "
            "neither way: that is left to `archived`."
        ),
    ] = False,
    uses_segment: Annotated[
        str | None,
        strawberry.argument(description="Only flags that refer to this segment, directly or through others."),
    ] = None,
) -> Page[EnvironmentFlag]:
    wanted = FlagFilter(
        query=query, tags=tags, on=on, archived=archived, deprecated=deprecated, uses_segment=uses_segment
    )
    return root.flags(wanted, page_request(first, after, order_by))


def _segment(
    root: strawberry.Parent[EnvironmentCatalog],
    key: Annotated[str, strawberry.argument(description="The segment's key.")],
) -> EnvironmentSegment | None:
    return root.segment(key)


def _segments(  # noqa: PLR0913 - GraphQL's arguments
    root: strawberry.Parent[EnvironmentCatalog],
    *,
    first: First = None,
    after: After = None,
    order_by: OrderBy = None,
    query: Query = None,
    tags: Tags = None,
    kinds: Annotated[
        list[SegmentKind] | None, strawberry.argument(description="Only segments of these kinds.")
    ] = None,
    used: Annotated[
        bool | None,
        strawberry.argument(
            description="Only segments that a rule of a flag or of another segment names, or that none does: "
            "those that can be deleted. Archived flags count here (they may be restored); `usage` leaves them out."
        ),
    ] = None,
) -> Page[EnvironmentSegment]:
    wanted = SegmentFilter(query=query, tags=tags, kinds=kinds, used=used)
    return root.segments(wanted, page_request(first, after, order_by))


def _early_access_programs(  # noqa: PLR0913 - GraphQL's arguments
    root: strawberry.Parent[EnvironmentCatalog],
    *,
    tag: Annotated[str, strawberry.argument(description="The tag that makes a segment a program.")] = "eap",
    by_name: Annotated[
        bool,
        strawberry.argument(description="Whether a name that begins with `eap:`, or a key with `eap-`, does too."),
    ] = False,
    active: Annotated[
        bool | None,
        strawberry.argument(description="Only programs that a flag that is on targets, or that none does."),
    ] = None,
    first: First = None,
    after: After = None,
) -> Page[EarlyAccessProgram]:
    return root.early_access_programs(tag, page_request(first, after), by_name=by_name, active=active)


def _tags(
    root: strawberry.Parent[EnvironmentCatalog], query: Query = None, first: First = None, after: After = None
) -> Page[TagUse]:
    return root.tags(query, page_request(first, after))


async def _environments(  # noqa: PLR0913 - GraphQL's arguments
    root: strawberry.Parent[Project],
    info: Info,
    *,
    first: First = None,
    after: After = None,
    order_by: OrderBy = None,
    query: Query = None,
    tags: Tags = None,
) -> Page[EnvironmentCatalog]:
    caller = info.context
    wanted = PlaceFilter(query=query, tags=tags)
    return await caller.services.catalog.environments(
        caller.principal, root.key, wanted, page_request(first, after, order_by)
    )


@strawberry.type(name="Environment", description="Owns targeting and segments of one project.")
class EnvironmentView(Node):
    """View of domain.services.catalog.EnvironmentCatalog."""

    id: strawberry.ID = strawberry.field(resolver=_environment_id, description="The global id.")
    key: str = strawberry.field(description="Its key.")
    name: str = strawberry.field(description="Its name.")
    project = strawberry.field(
        resolver=owning_project, graphql_type=ProjectViewRef, description="The project that it is in."
    )
    own_tags: list[str] = strawberry.field(description="Its own tags, sorted; `tags` has those in use in it.")
    version: int = strawberry.field(description="Grows with every change of its name and tags.")
    revision: int = strawberry.field(description="Grows by one with every change to what is evaluated.")
    flag = strawberry.field(
        resolver=_flag, graphql_type=FlagView | None, description="A flag, by key; null if there is none."
    )
    flags = strawberry.field(resolver=_flags, graphql_type=Connection[FlagView], description="The flags.")
    segment = strawberry.field(
        resolver=_segment, graphql_type=SegmentView | None, description="A segment, by key; null if there is none."
    )
    segments = strawberry.field(
        resolver=_segments, graphql_type=Connection[SegmentView], description="The segments."
    )
    early_access_programs = strawberry.field(
        resolver=_early_access_programs,
        graphql_type=Connection[EarlyAccessProgramView],
        description="The early access programs, by key, with the flags that target them and what those serve.",
    )
    tags = strawberry.field(
        resolver=_tags,
        graphql_type=Connection[TagRef],
        description="The tags that the environment and what is in it bear, by name, with counts.",
    )

    contexts = strawberry.field(
        resolver=environment_contexts,
        graphql_type=SeenContextConnection,
        description="The contexts that evaluation met here, by kind and key. Anonymous ones are not remembered.",
    )
    resolve_targets = strawberry.field(
        resolver=resolve_targets,
        graphql_type=list[TargetResolutionView],
        description="Look up a text of keys or emails, for a bulk edit of individual targets: each entry once, in "
        "their order. An entry is a known key first of all, else an email, in any case.",
    )
    sdk_keys = strawberry.field(
        resolver=environment_sdk_keys,
        graphql_type=list[SdkKeyView],
        description="Its SDK keys: those of servers first; what expires comes last of its kind.",
    )
    history = strawberry.field(
        resolver=environment_history,
        graphql_type=AuditEntryConnection,
        description="What changed it or anything in it; newest first.",
    )

    viewer_can = strawberry.field(
        resolver=viewer_can,
        graphql_type=list[str],
        description="The actions, as policies name them, that the viewer may do to it as it is; what is in it has "
        "its own.",
    )

    @classmethod
    def is_type_of(cls, obj: object, _info: object) -> bool:
        """Tell whether an object that `node` found is shown by this view."""
        return isinstance(obj, EnvironmentCatalog)


@strawberry.type(name="Project", description="Owns flags and environments.")
class ProjectView(Node):
    """View of domain.model.projects.Project."""

    id: strawberry.ID = strawberry.field(resolver=_project_id, description="The global id.")
    key: str = strawberry.field(description="Its key.")
    name: str = strawberry.field(description="Its name.")
    tags: list[str] = strawberry.field(description="Its tags, sorted.")
    version: int = strawberry.field(description="Grows with every change of its name and tags.")
    environments = strawberry.field(
        resolver=_environments, graphql_type=Connection[EnvironmentView], description="Its environments."
    )

    history = strawberry.field(
        resolver=project_history,
        graphql_type=AuditEntryConnection,
        description="What changed it or anything in it; newest first.",
    )

    viewer_can = strawberry.field(
        resolver=viewer_can,
        graphql_type=list[str],
        description="The actions, as policies name them, that the viewer may do to it as it is; what is in it has "
        "its own.",
    )

    @classmethod
    def is_type_of(cls, obj: object, _info: object) -> bool:
        """Tell whether an object that `node` found is shown by this view."""
        return isinstance(obj, Project)


@strawberry.type
class EnvironmentsQuery:
    """The roots of the management graph."""

    @strawberry.field(graphql_type=ProjectView | None, description="A project, by key; null if there is none.")
    async def project(
        self, info: Info, key: Annotated[str, strawberry.argument(description="The project's key.")]
    ) -> Project | None:
        """Ask the catalog for a project."""
        return await info.context.services.catalog.project(info.context.principal, key)

    @strawberry.field(graphql_type=Connection[ProjectView], description="All projects.")
    async def projects(  # noqa: PLR0913 - GraphQL's arguments
        self,
        info: Info,
        *,
        first: First = None,
        after: After = None,
        order_by: OrderBy = None,
        query: Query = None,
        tags: Tags = None,
    ) -> Page[Project]:
        """Ask the catalog for projects."""
        caller = info.context
        wanted = PlaceFilter(query=query, tags=tags)
        return await caller.services.catalog.projects(
            caller.principal, wanted, page_request(first, after, order_by)
        )

    @strawberry.field(
        graphql_type=EnvironmentView | None, description="An environment, by key; null if there is none."
    )
    async def environment(
        self,
        info: Info,
        project: Annotated[str, strawberry.argument(description="The project's key.")],
        key: Annotated[str, strawberry.argument(description="The environment's key.")],
    ) -> EnvironmentCatalog | None:
        """Ask the catalog for an environment."""
        return await info.context.services.catalog.environment(
            info.context.principal, EnvironmentRef(project, key)
        )

    @strawberry.field(graphql_type=Node | None, description="Whatever has this global id; null if it is gone.")
    async def node(
        self,
        info: Info,
        id: Annotated[strawberry.ID, strawberry.argument(description="The global id.")],  # noqa: A002 - GraphQL's name
    ) -> object | None:
        """Ask the catalog for a node."""
        return await info.context.services.catalog.node(info.context.principal, *read_global_id(id))

    @strawberry.field(
        graphql_type=list[Node | None],
        description="Whatever has these global ids (at most EARLYBIRD_MAX_PAGE_SIZE), in their order; null "
        "for those that are gone.",
    )
    async def nodes(
        self,
        info: Info,
        ids: Annotated[list[strawberry.ID], strawberry.argument(description="The global ids.")],
    ) -> Sequence[object | None]:
        """Ask the catalog for nodes."""
        return await info.context.services.catalog.nodes(
            info.context.principal,
            [read_global_id(node_id, ("ids", index)) for index, node_id in enumerate(within_page(ids))],
        )
