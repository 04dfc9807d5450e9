"""Contexts that evaluation met: found by key, name or email, and by the text of a bulk edit."""

from datetime import datetime
from typing import Annotated

import strawberry

from domain.model.seen_contexts import ContextFilter, SeenContext
from domain.model.targeting import DEFAULT_CONTEXT_KIND
from domain.pages import Stretch
from domain.services.catalog import EnvironmentCatalog
from domain.services.contexts import CANDIDATES_LIMIT, TargetResolution, TargetStatus
from gql.connections import After, Edge, First, PageInfo, page_request
from gql.context import Info
from gql.enums import register_enum
from gql.scalars import JSON
from gql.targeting import TargetList

register_enum(
    TargetStatus,
    "What is known of an entry of a text.",
    {
        TargetStatus.MATCHED: "It means one context.",
        TargetStatus.UNKNOWN: "No context is known by it; it can be added as a key, if it can be one.",
        TargetStatus.AMBIGUOUS: "Several contexts have this email: choose one of `contexts`.",
    },
)


def _attributes(root: strawberry.Parent[SeenContext]) -> JSON:
    return dict(root.attributes)


@strawberry.type(name="Context", description="A context that evaluation met.")
class SeenContextView:
    """View of domain.model.seen_contexts.SeenContext."""

    kind: str = strawberry.field(description="Its kind.")
    key: str = strawberry.field(description="Its key.")
    name: str | None = strawberry.field(description="Its name; null if it has none, or a private one.")
    email: str | None = strawberry.field(description="Its email; null if it has none, or a private one.")
    last_seen_at: datetime = strawberry.field(description="When it was met last, to some minutes.")
    attributes: JSON = strawberry.field(
        resolver=_attributes, description="Its attributes, name and email too; never private ones."
    )


@strawberry.type(
    name="ContextConnection",
    description="A page of contexts, by kind and key. They are too many to be counted: there is no totalCount.",
)
class SeenContextConnection:
    """View of domain.pages.Stretch."""

    nodes: list[SeenContextView] = strawberry.field(description="The contexts.")
    edges: list[Edge[SeenContextView]] = strawberry.field(description="The contexts with their cursors.")
    page_info: PageInfo = strawberry.field(description="Where the page stands in the list.")


@strawberry.type(name="TargetResolution", description="An entry of a bulk edit's text, looked up.")
class TargetResolutionView:
    """View of domain.services.contexts.TargetResolution."""

    input: str = strawberry.field(description="The entry: a key or an email.")
    status: TargetStatus = strawberry.field(description="What is known of it.")
    contexts: list[SeenContextView] = strawberry.field(
        description=f"The context that it means, or those that it may mean, by key: {CANDIDATES_LIMIT} at most."
    )
    context_count: int = strawberry.field(description="How many contexts it may mean.")
    key: str | None = strawberry.field(
        description="The key for `bulkEditSegmentTargets`: the context's, or the entry; null if it is ambiguous, "
        "or can be no target."
    )
    current: TargetList | None = strawberry.field(
        description="The list of the segment that this key stands in; null if in none."
    )


async def environment_contexts(  # noqa: PLR0913 - GraphQL's arguments
    root: strawberry.Parent[EnvironmentCatalog],
    info: Info,
    *,
    query: Annotated[
        str | None, strawberry.argument(description="A part of the key, name or email, in any case.")
    ] = None,
    kinds: Annotated[list[str] | None, strawberry.argument(description="Only contexts of these kinds.")] = None,
    first: First = None,
    after: After = None,
) -> Stretch[SeenContext]:
    """Ask the context service for a page of an environment's contexts."""
    caller = info.context
    wanted = ContextFilter(query=query, kinds=kinds)
    return await caller.services.contexts.contexts(
        caller.principal, root.environment.ref, wanted, page_request(first, after)
    )


async def resolve_targets(
    root: strawberry.Parent[EnvironmentCatalog],
    info: Info,
    *,
    text: Annotated[
        str,
        strawberry.argument(
            description="Keys or emails, separated by commas or new lines: at most EARLYBIRD_MAX_TARGETS, in "
            "EARLYBIRD_MAX_TARGETS_CHARACTERS."
        ),
    ],
    context_kind: Annotated[
        str, strawberry.argument(description="The context kind to look among.")
    ] = DEFAULT_CONTEXT_KIND,
    segment: Annotated[
        str | None, strawberry.argument(description="The key of the segment that `current` tells of.")
    ] = None,
) -> list[TargetResolution]:
    """Ask the context service what a text means."""
    caller = info.context
    return await caller.services.contexts.resolve_targets(
        caller.principal, root.snapshot, text, context_kind=context_kind, segment=segment
    )
