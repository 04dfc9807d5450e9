"""Creating, changing and deleting segments."""

from typing import Annotated

import strawberry

from domain.model.targeting import DEFAULT_CONTEXT_KIND
from domain.services.segments import ChangedSegment, DeletedSegment, NewSegment, SegmentEdit
from gql.context import Info
from gql.environment_ref import EnvironmentRefInput
from gql.nodes import global_id
from gql.segment_instructions import SegmentInstructionInput
from gql.segments import SegmentView


@strawberry.input(description="A list of members that is kept apart, of any length.")
class LargeListInput:
    """Input for the list of domain.services.segments.NewSegment."""

    context_kind: str = strawberry.field(
        default=DEFAULT_CONTEXT_KIND, description="The members' context kind. It never changes."
    )


@strawberry.input(description="A segment to create.")
class CreateSegmentInput:
    """Input for domain.services.segments.NewSegment."""

    environment: EnvironmentRefInput = strawberry.field(description="Where.")
    name: str = strawberry.field(description="The name that people read.")
    key: str | None = strawberry.field(
        default=None, description="The key; null derives it from the name. It never changes."
    )
    description: str = strawberry.field(default="", description="What it is for.")
    tags: list[str] = strawberry.field(default_factory=list, description="Its tags.")
    large_list: LargeListInput | None = strawberry.field(
        default=None, description="Makes it a large list, which is empty at first."
    )
    instructions: list[SegmentInstructionInput] = strawberry.field(
        default_factory=list, description="What to do with it at once, as in `updateSegment`."
    )
    comment: str = strawberry.field(default="", description="Why, for the audit log.")

    def to_domain(self) -> NewSegment:
        """Convert to the domain's wish."""
        return NewSegment(
            name=self.name,
            key=self.key,
            description=self.description,
            tags=self.tags,
            list_context_kind=self.large_list.context_kind if self.large_list else None,
            instructions=[instruction.to_domain() for instruction in self.instructions],
            comment=self.comment,
        )


@strawberry.input(description="Changes of a segment, all or none.")
class UpdateSegmentInput:
    """Input for domain.services.segments.SegmentEdit."""

    environment: EnvironmentRefInput = strawberry.field(description="Where.")
    segment_key: str = strawberry.field(description="Which segment.")
    instructions: list[SegmentInstructionInput] = strawberry.field(description="The changes, in their order.")
    expected_version: int | None = strawberry.field(
        default=None, description="The version you saw; another one is refused. Null takes any."
    )
    comment: str = strawberry.field(default="", description="Why, for the audit log.")

    def to_domain(self) -> SegmentEdit:
        """Convert to the domain's wish."""
        return SegmentEdit(
            segment_key=self.segment_key,
            instructions=[instruction.to_domain() for instruction in self.instructions],
            expected_version=self.expected_version,
            comment=self.comment,
        )


@strawberry.input(description="A segment to delete.")
class DeleteSegmentInput:
    """Input for the deletion of a segment."""

    environment: EnvironmentRefInput = strawberry.field(description="Where.")
    segment_key: str = strawberry.field(description="Which segment.")
    expected_version: int | None = strawberry.field(
        default=None, description="The version you saw; another one is refused. Null takes any."
    )
    comment: str = strawberry.field(default="", description="Why, for the audit log.")


@strawberry.type(description="A created segment.")
class CreateSegmentPayload:
    """View of domain.services.segments.ChangedSegment."""

    segment: SegmentView | None = strawberry.field(description="The segment.")
    revision: int = strawberry.field(description="The environment's revision with it.")


@strawberry.type(description="A changed segment.")
class UpdateSegmentPayload:
    """View of domain.services.segments.ChangedSegment."""

    segment: SegmentView | None = strawberry.field(description="The segment after the change.")
    revision: int = strawberry.field(description="The environment's revision with the change.")


def _deleted_id(root: strawberry.Parent[DeletedSegment]) -> strawberry.ID:
    return global_id("Segment", root.id)


@strawberry.type(description="A deleted segment.")
class DeleteSegmentPayload:
    """View of domain.services.segments.DeletedSegment."""

    deleted_segment_id: strawberry.ID = strawberry.field(
        resolver=_deleted_id, description="The global id that it had."
    )
    revision: int = strawberry.field(description="The environment's revision without it.")


@strawberry.type
class SegmentsMutation:
    """The mutations of segments."""

    @strawberry.mutation(graphql_type=CreateSegmentPayload | None, description="Create a segment.")
    async def create_segment(
        self,
        info: Info,
        input: Annotated[CreateSegmentInput, strawberry.argument(description="The segment.")],  # noqa: A002 - GraphQL's name
    ) -> ChangedSegment:
        """Ask the segment service."""
        return await info.context.services.segments.create(
            info.context.principal, input.environment.to_domain(), input.to_domain()
        )

    @strawberry.mutation(
        graphql_type=UpdateSegmentPayload | None,
        description="Change a segment by instructions, all or none. Refused are circles of segments, and contexts "
        "that would be both included and excluded.",
    )
    async def update_segment(
        self,
        info: Info,
        input: Annotated[UpdateSegmentInput, strawberry.argument(description="The changes.")],  # noqa: A002 - GraphQL's name
    ) -> ChangedSegment:
        """Ask the segment service."""
        return await info.context.services.segments.update(
            info.context.principal, input.environment.to_domain(), input.to_domain()
        )

    @strawberry.mutation(
        graphql_type=DeleteSegmentPayload | None,
        description="Delete a segment. One that a flag or segment uses is refused (IN_USE), with its users.",
    )
    async def delete_segment(
        self,
        info: Info,
        input: Annotated[DeleteSegmentInput, strawberry.argument(description="Which.")],  # noqa: A002 - GraphQL's name
    ) -> DeletedSegment:
        """Ask the segment service."""
        return await info.context.services.segments.delete(
            info.context.principal,
            input.environment.to_domain(),
            input.segment_key,
            expected_version=input.expected_version,
            comment=input.comment,
        )
