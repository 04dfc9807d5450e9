"""Editing many individual targets of a segment at once."""

from typing import Annotated

import strawberry

from domain.instructions.segments import EditTargets, TargetAction
from domain.model.targeting import DEFAULT_CONTEXT_KIND
from domain.services.segments import BulkEditedSegment, SegmentBulkEdit
from gql.context import Info
from gql.enums import register_enum
from gql.environment_ref import EnvironmentRefInput
from gql.segments import SegmentView
from gql.targeting import TargetList

register_enum(
    TargetAction,
    "What becomes of one context kind's keys in a list.",
    {
        TargetAction.ADD: "The keys join the list.",
        TargetAction.REMOVE: "The keys leave the list.",
        TargetAction.REPLACE: "The keys take the place of all that are there.",
    },
)


@strawberry.input(description="Individual targets of one context kind to add, remove or put in place.")
class BulkEditSegmentTargetsInput:
    """Input for domain.services.segments.SegmentBulkEdit."""

    environment: EnvironmentRefInput = strawberry.field(description="Where.")
    segment_key: str = strawberry.field(description="Which segment.")
    action: TargetAction = strawberry.field(description="What becomes of the keys.")
    keys: list[str] = strawberry.field(
        description="The context keys; `Environment.resolveTargets` finds them from a text."
    )
    list: TargetList = strawberry.field(description="Which list.")
    context_kind: str = strawberry.field(default=DEFAULT_CONTEXT_KIND, description="Their kind.")
    expected_version: int | None = strawberry.field(
        default=None, description="The version you saw; another one is refused. Null takes any."
    )
    comment: str = strawberry.field(default="", description="Why, for the audit log.")

    def to_domain(self) -> SegmentBulkEdit:
        """Convert to the domain's wish."""
        return SegmentBulkEdit(
            segment_key=self.segment_key,
            targets=EditTargets(self.action, self.list, self.context_kind, self.keys),
            expected_version=self.expected_version,
            comment=self.comment,
        )


@strawberry.type(name="TargetCounts", description="What a bulk edit did to one kind's keys in a list.")
class TargetCountsView:
    """View of domain.services.segments.TargetCounts."""

    added: int = strawberry.field(description="How many keys joined the list.")
    removed: int = strawberry.field(description="How many keys left the list.")
    unchanged: int = strawberry.field(
        description="How many of the keys given, each counted once, were already as they were wanted."
    )


@strawberry.type(description="A segment after a bulk edit.")
class BulkEditSegmentTargetsPayload:
    """View of domain.services.segments.BulkEditedSegment."""

    segment: SegmentView | None = strawberry.field(description="The segment after the change.")
    revision: int = strawberry.field(description="The environment's revision with the change.")
    counts: TargetCountsView | None = strawberry.field(description="How much it changed.")


@strawberry.type
class SegmentBulkEditsMutation:
    """The mutation of many targets."""

    @strawberry.mutation(
        graphql_type=BulkEditSegmentTargetsPayload | None,
        description="Add, remove or replace many individual targets of a segment. Refused are contexts that would "
        "be both included and excluded, and more targets than EARLYBIRD_MAX_TARGETS.",
    )
    async def bulk_edit_segment_targets(
        self,
        info: Info,
        input: Annotated[BulkEditSegmentTargetsInput, strawberry.argument(description="The edit.")],  # noqa: A002 - GraphQL's name
    ) -> BulkEditedSegment:
        """Ask the segment service."""
        return await info.context.services.segments.bulk_edit(
            info.context.principal, input.environment.to_domain(), input.to_domain()
        )
