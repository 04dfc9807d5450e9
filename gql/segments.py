"""Segments: named audiences."""

from datetime import datetime

import strawberry

from domain.evaluation.usage import EnvironmentSegment
from domain.model.segments import ScheduledRemoval, SegmentKind, TargetedContext
from domain.pages import Page, cut_page
from gql.audit import AuditEntryConnection, segment_history
from gql.connections import After, Connection, First, page_request
from gql.containing import EnvironmentViewRef, owning_environment
from gql.enums import register_enum
from gql.nodes import Node, global_id
from gql.segment_lists import LargeListView, large_list
from gql.targeting import ClauseView, TargetList
from gql.usage import SegmentUsageView, segment_usage
from gql.viewer_can import viewer_can

register_enum(
    SegmentKind,
    "How a segment gets its members.",
    {
        SegmentKind.RULE_BASED: "By rules, beside individual includes and excludes.",
        SegmentKind.INDIVIDUAL_TARGETS: "By individual includes and excludes only.",
        SegmentKind.LARGE_LIST: "By a list of any length that is kept apart.",
        SegmentKind.SYNCED: "By such a list, which an external tool owns; it is read-only here.",
    },
)


def _segment_id(root: strawberry.Parent[EnvironmentSegment]) -> strawberry.ID:
    return global_id("Segment", root.id)


def _included(
    root: strawberry.Parent[EnvironmentSegment], first: First = None, after: After = None
) -> Page[TargetedContext]:
    return cut_page(root.included_targets, page_request(first, after), lambda context: context.sort_key)


def _excluded(
    root: strawberry.Parent[EnvironmentSegment], first: First = None, after: After = None
) -> Page[TargetedContext]:
    return cut_page(root.excluded_targets, page_request(first, after), lambda context: context.sort_key)


@strawberry.type(name="Target", description="An individually targeted context.")
class TargetView:
    """View of domain.model.segments.TargetedContext."""

    context_kind: str = strawberry.field(description="Its kind.")
    key: str = strawberry.field(description="Its key.")
    remove_at: datetime | None = strawberry.field(
        description="The moment from which on it is no target any more; null if it stays."
    )


@strawberry.type(name="ScheduledRemoval", description="An individual target that is to be removed.")
class ScheduledRemovalView:
    """View of domain.model.segments.ScheduledRemoval."""

    target_list: TargetList = strawberry.field(name="list", description="The list that it is in.")
    context_kind: str = strawberry.field(description="Its kind.")
    key: str = strawberry.field(description="Its key.")
    remove_at: datetime = strawberry.field(description="The moment from which on it is no target any more.")


def _removals(
    root: strawberry.Parent[EnvironmentSegment], first: First = None, after: After = None
) -> Page[ScheduledRemoval]:
    return cut_page(root.removals, page_request(first, after), lambda removal: removal.sort_key)


@strawberry.type(name="SegmentRule", description="Conditions; contexts that meet all of them are in the segment.")
class SegmentRuleView:
    """View of domain.model.segments.SegmentRule."""

    id: str = strawberry.field(description="Its id within the segment; empty if it has none.")
    description: str = strawberry.field(description="Its name or purpose; empty if nobody said.")
    clauses: list[ClauseView] = strawberry.field(description="The conditions, all of which must hold.")
    weight: int | None = strawberry.field(
        description="The share of the contexts that match, in thousandths of a percent; null means all."
    )
    bucket_by: str | None = strawberry.field(
        description="The attribute that the share is taken by; null is the key."
    )
    rollout_context_kind: str | None = strawberry.field(
        description="The context kind that the share is taken of; null means user."
    )


@strawberry.type(name="Segment", description="A named audience of one environment.")
class SegmentView(Node):
    """View of domain.evaluation.usage.EnvironmentSegment."""

    id: strawberry.ID = strawberry.field(resolver=_segment_id, description="The global id.")
    key: str = strawberry.field(description="The key that rules refer to.")
    environment = strawberry.field(
        resolver=owning_environment, graphql_type=EnvironmentViewRef, description="The environment that it is in."
    )
    name: str = strawberry.field(description="The name that people read.")
    description: str = strawberry.field(description="What it is for; empty if nobody said.")
    tags: list[str] = strawberry.field(description="Its tags, sorted.")
    kind: SegmentKind = strawberry.field(description="How it gets its members.")
    version: int = strawberry.field(description="Grows with every change.")
    rules: list[SegmentRuleView] = strawberry.field(description="The rules; any that matches makes a member.")
    included = strawberry.field(
        resolver=_included,
        graphql_type=Connection[TargetView],
        description="The contexts that are in by name, by kind and key.",
    )
    excluded = strawberry.field(
        resolver=_excluded,
        graphql_type=Connection[TargetView],
        description="The contexts that are out by name, by kind and key.",
    )
    scheduled_removals = strawberry.field(
        resolver=_removals,
        graphql_type=Connection[ScheduledRemovalView],
        description="The individual targets that are to be removed, soonest first.",
    )
    member_count: int = strawberry.field(description="How many contexts are in by name, or by the large list.")
    large_list = strawberry.field(
        resolver=large_list,
        graphql_type=LargeListView | None,
        description="The list of members that is kept apart; null if it has none.",
    )
    usage = strawberry.field(
        resolver=segment_usage,
        graphql_type=SegmentUsageView,
        description="Which flags and segments refer to it, and what those flags serve.",
    )

    history = strawberry.field(
        resolver=segment_history,
        graphql_type=AuditEntryConnection,
        description="What changed it, imports too; newest first.",
    )

    viewer_can = strawberry.field(
        resolver=viewer_can,
        graphql_type=list[str],
        description="The actions, as policies name them, that the viewer may do to it as it is.",
    )

    @classmethod
    def is_type_of(cls, obj: object, _info: object) -> bool:
        """Tell whether an object that `node` found is shown by this view."""
        return isinstance(obj, EnvironmentSegment)
