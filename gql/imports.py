"""Importing flag data."""

from typing import Annotated

import strawberry

from domain.services.import_plan import ImportedKind, ImportMode, ImportOutcome
from domain.services.imports import ImportReport
from gql.context import Info
from gql.enums import register_enum
from gql.environment_ref import EnvironmentRefInput
from gql.scalars import JSON

register_enum(
    ImportMode,
    "What becomes of flags and segments that the data does not mention.",
    {
        ImportMode.MERGE: "They stay as they are.",
        ImportMode.REPLACE: "They are deleted from the environment.",
    },
)
register_enum(
    ImportedKind,
    "What an imported item is.",
    {ImportedKind.FLAG: "A flag.", ImportedKind.SEGMENT: "A segment."},
)
register_enum(
    ImportOutcome,
    "What became of an item.",
    {
        ImportOutcome.CREATED: "It is new in the environment.",
        ImportOutcome.UPDATED: "It has changed.",
        ImportOutcome.UNCHANGED: "It was the same already.",
        ImportOutcome.DELETED: "It is gone from the environment.",
    },
)


@strawberry.input(description="What to import, where to, and how.")
class ImportFlagDataInput:
    """Input for the import of flag data."""

    environment: EnvironmentRefInput = strawberry.field(description="Where it goes.")
    data: JSON = strawberry.field(
        description='LaunchDarkly\'s flag data JSON: `{"flags": {key: flag}, "flagValues": {key: value}, '
        '"segments": {key: segment}}`, each optional.'
    )
    mode: ImportMode = strawberry.field(
        default=ImportMode.MERGE, description="What becomes of what the data does not mention."
    )
    acknowledge_removal: bool = strawberry.field(
        default=False,
        description="Whether it may delete large lists with members that flags use, before it or after it.",
    )
    comment: str = strawberry.field(default="", description="Why, for the audit log.")


@strawberry.type(name="ImportedItem", description="What the import did with one flag or segment.")
class ImportedItemView:
    """View of domain.services.import_plan.ImportedItem."""

    kind: ImportedKind = strawberry.field(description="What it is.")
    key: str = strawberry.field(description="Its key.")
    outcome: ImportOutcome = strawberry.field(description="What became of it.")
    notes: list[str] = strawberry.field(
        description="What was ignored, what is kept but cannot work as it stands, and which large list has no "
        "members yet."
    )


@strawberry.type(name="ImportCounts", description="How many items had which outcome.")
class ImportCountsView:
    """View of domain.services.imports.ImportCounts."""

    created: int = strawberry.field(description="New in the environment.")
    updated: int = strawberry.field(description="Changed.")
    unchanged: int = strawberry.field(description="The same already.")
    deleted: int = strawberry.field(description="Gone from the environment.")


@strawberry.type(
    name="ImportFlagDataPayload",
    description="What an import did. It took effect as a whole; when it is answered, evaluations know of it.",
)
class ImportFlagDataPayload:
    """View of domain.services.imports.ImportReport."""

    revision: int = strawberry.field(description="The environment's revision with the import in it.")
    items: list[ImportedItemView] | None = strawberry.field(
        description="What became of each flag, then of each segment, by key."
    )
    counts: ImportCountsView | None = strawberry.field(description="How many items had which outcome.")


@strawberry.type
class ImportsMutation:
    """The mutations of imports."""

    @strawberry.mutation(
        graphql_type=ImportFlagDataPayload | None,
        description="Import LaunchDarkly's flag data JSON, all or nothing; violations have paths.",
    )
    async def import_flag_data(
        self,
        info: Info,
        input: Annotated[ImportFlagDataInput, strawberry.argument(description="What to import.")],  # noqa: A002 - GraphQL's name
    ) -> ImportReport:
        """Ask the import service."""
        return await info.context.services.imports.import_flag_data(
            info.context.principal,
            input.environment.to_domain(),
            input.data,
            input.mode,
            acknowledge_removal=input.acknowledge_removal,
            comment=input.comment,
            path=("input", "data"),
        )
