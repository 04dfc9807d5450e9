"""Changing large lists: imports from files, single keys, and the way back."""

from typing import Annotated

import strawberry

from domain.model.lists import ListChange, ListFileMode, ListMode
from domain.services.list_changes import NewListChange
from domain.services.list_effects import ChangedList
from domain.services.lists import KEYS_LIMIT
from gql.context import Info
from gql.enums import register_enum
from gql.environment_ref import EnvironmentRefInput
from gql.member_files import UPLOAD_PATH
from gql.nodes import read_id_of
from gql.segment_lists import SegmentImportView
from gql.segments import SegmentView

register_enum(
    ListFileMode,
    "What becomes of a list's members when a file comes in.",
    {
        ListFileMode.MERGE: "The keys join them.",
        ListFileMode.OVERWRITE: "The keys take their place.",
        ListFileMode.REMOVE: "The keys leave.",
    },
    name="SegmentImportMode",
)


@strawberry.input(description="An import of a file into a large list.")
class StartSegmentImportInput:
    """Input for domain.services.list_changes.NewListChange."""

    environment: EnvironmentRefInput = strawberry.field(description="Where.")
    segment_key: str = strawberry.field(description="Which segment.")
    mode: ListFileMode = strawberry.field(description="What becomes of the members.")
    acknowledge_removal: bool = strawberry.field(
        default=False, description="Let it remove most of a list that flags use."
    )
    comment: str = strawberry.field(default="", description="Why, for the audit log.")

    def to_domain(self) -> NewListChange:
        """Convert to the domain's wish."""
        return NewListChange(
            segment_key=self.segment_key,
            mode=self.mode.list_mode,
            acknowledge_removal=self.acknowledge_removal,
            comment=self.comment,
        )


@strawberry.input(description="Keys that join a large list.")
class AddSegmentMembersInput:
    """Input for single keys of a large list."""

    environment: EnvironmentRefInput = strawberry.field(description="Where.")
    segment_key: str = strawberry.field(description="Which segment.")
    keys: list[str] = strawberry.field(
        description=f"The context keys, as they are: at most {KEYS_LIMIT}; more belong in a file."
    )
    comment: str = strawberry.field(default="", description="Why, for the audit log.")


@strawberry.input(description="Keys that leave a large list.")
class RemoveSegmentMembersInput(AddSegmentMembersInput):
    """Input for single keys of a large list."""


@strawberry.input(description="A large list to bring back.")
class RestoreSegmentMembersInput:
    """Input for the restoration of a large list."""

    environment: EnvironmentRefInput = strawberry.field(description="Where.")
    segment_key: str = strawberry.field(description="Which segment.")
    acknowledge_removal: bool = strawberry.field(
        default=False, description="Let it remove most of a list that flags use."
    )
    comment: str = strawberry.field(default="", description="Why, for the audit log.")


@strawberry.input(description="An import to cancel.")
class CancelSegmentImportInput:
    """Input for the end of an import."""

    import_id: strawberry.ID = strawberry.field(description="Which.")


def _self(root: strawberry.Parent[ListChange]) -> ListChange:
    return root


def _upload_url(root: strawberry.Parent[ListChange], info: Info) -> str:
    return f"{info.context.base_url}{UPLOAD_PATH}{root.id}"


@strawberry.type(description="An import that waits for its file.")
class StartSegmentImportPayload:
    """View of domain.model.lists.ListChange."""

    segment_import = strawberry.field(
        resolver=_self, graphql_type=SegmentImportView | None, description="The import, to watch."
    )
    upload_url: str = strawberry.field(
        resolver=_upload_url,
        description="Where to PUT the file within an hour, as text/csv (packed with `Content-Encoding: gzip`, if "
        "you like), with the same Authorization header: keys in the first column, no header row. Spaces are part "
        "of a key, as evaluation compares it; blank lines are skipped. The answer comes when the import is over; "
        "its status says whether it took effect.",
    )


@strawberry.type(description="An import that was cancelled.")
class CancelSegmentImportPayload:
    """View of domain.model.lists.ListChange."""

    segment_import = strawberry.field(
        resolver=_self,
        graphql_type=SegmentImportView | None,
        description="The import; one that was running is undone within seconds.",
    )


def _change(root: strawberry.Parent[ChangedList]) -> ListChange:
    return root.change


@strawberry.type(description="A large list that keys joined.")
class AddSegmentMembersPayload:
    """View of domain.services.list_effects.ChangedList."""

    segment: SegmentView | None = strawberry.field(description="The segment.")
    segment_import = strawberry.field(
        resolver=_change, graphql_type=SegmentImportView | None, description="The change's record."
    )
    revision: int = strawberry.field(description="The environment's revision with the change.")


@strawberry.type(description="A large list that keys left.")
class RemoveSegmentMembersPayload(AddSegmentMembersPayload):
    """View of domain.services.list_effects.ChangedList."""


@strawberry.type(description="A large list that is what it was.")
class RestoreSegmentMembersPayload(AddSegmentMembersPayload):
    """View of domain.services.list_effects.ChangedList."""


@strawberry.type
class SegmentListsQuery:
    """The queries of imports."""

    @strawberry.field(graphql_type=SegmentImportView | None, description="An import into a large list, by its id.")
    async def segment_import(
        self,
        info: Info,
        id: Annotated[strawberry.ID, strawberry.argument(description="Its id.")],  # noqa: A002 - GraphQL's name
    ) -> ListChange | None:
        """Ask the list service."""
        return await info.context.services.lists.change(info.context.principal, read_id_of("SegmentImport", id))


@strawberry.type
class SegmentListsMutation:
    """The mutations of large lists."""

    @strawberry.mutation(
        graphql_type=StartSegmentImportPayload | None,
        description="Begin an import into a large list. A second one at a time is refused (IN_USE).",
    )
    async def start_segment_import(
        self,
        info: Info,
        input: Annotated[StartSegmentImportInput, strawberry.argument(description="The import.")],  # noqa: A002 - GraphQL's name
    ) -> ListChange:
        """Ask the list service."""
        return await info.context.services.lists.start(
            info.context.principal, input.environment.to_domain(), input.to_domain()
        )

    @strawberry.mutation(
        graphql_type=CancelSegmentImportPayload | None, description="Cancel an import that has not taken effect."
    )
    async def cancel_segment_import(
        self,
        info: Info,
        input: Annotated[CancelSegmentImportInput, strawberry.argument(description="Which.")],  # noqa: A002 - GraphQL's name
    ) -> ListChange:
        """Ask the list service."""
        return await info.context.services.lists.cancel(
            info.context.principal, read_id_of("SegmentImport", input.import_id, ("input", "importId"))
        )

    @strawberry.mutation(graphql_type=AddSegmentMembersPayload | None, description="Add keys to a large list.")
    async def add_segment_members(
        self,
        info: Info,
        input: Annotated[AddSegmentMembersInput, strawberry.argument(description="The keys.")],  # noqa: A002 - GraphQL's name
    ) -> ChangedList:
        """Ask the list service."""
        return await info.context.services.lists.edit_keys(
            info.context.principal,
            input.environment.to_domain(),
            input.segment_key,
            ListMode.MERGE,
            input.keys,
            input.comment,
        )

    @strawberry.mutation(
        graphql_type=RemoveSegmentMembersPayload | None, description="Remove keys from a large list."
    )
    async def remove_segment_members(
        self,
        info: Info,
        input: Annotated[RemoveSegmentMembersInput, strawberry.argument(description="The keys.")],  # noqa: A002 - GraphQL's name
    ) -> ChangedList:
        """Ask the list service."""
        return await info.context.services.lists.edit_keys(
            info.context.principal,
            input.environment.to_domain(),
            input.segment_key,
            ListMode.REMOVE,
            input.keys,
            input.comment,
        )

    @strawberry.mutation(
        graphql_type=RestoreSegmentMembersPayload | None,
        description="Let a large list be again what it was before its last change.",
    )
    async def restore_segment_members(
        self,
        info: Info,
        input: Annotated[RestoreSegmentMembersInput, strawberry.argument(description="Which.")],  # noqa: A002 - GraphQL's name
    ) -> ChangedList:
        """Ask the list service."""
        return await info.context.services.lists.restore(
            info.context.principal,
            input.environment.to_domain(),
            input.segment_key,
            acknowledge_removal=input.acknowledge_removal,
            comment=input.comment,
        )
