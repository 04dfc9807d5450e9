"""Large lists: their members, and the changes that they went through."""

from datetime import datetime
from typing import Annotated

import strawberry

from domain.clock import moment
from domain.evaluation.usage import EnvironmentSegment
from domain.model.lists import ListChange, ListChangeState, ListMode
from domain.model.segments import Segment
from domain.pages import Page
from domain.services.list_changes import CHANGES_KEPT
from domain.services.list_files import MALFORMED_LINES_LIMIT
from gql.connections import After, Connection, First, page_request
from gql.context import Info
from gql.enums import register_enum
from gql.nodes import global_id

register_enum(
    ListMode,
    "What becomes of a list's members when keys come in.",
    {
        ListMode.MERGE: "The keys join them.",
        ListMode.OVERWRITE: "The keys take their place.",
        ListMode.REMOVE: "The keys leave.",
        ListMode.RESTORE: "Those before the last change come back: what `restoreSegmentMembers` does.",
    },
)
register_enum(
    ListChangeState,
    "How far a change of a list has come.",
    {
        ListChangeState.WAITING: "It waits for its file.",
        ListChangeState.RUNNING: "Its file is coming in or being read, or members are written.",
        ListChangeState.CANCELLING: "It is being undone.",
        ListChangeState.COMPLETED: "It took effect, at one instant.",
        ListChangeState.FAILED: "It changed nothing: see `error`.",
        ListChangeState.CANCELLED: "It changed nothing.",
    },
)


def _import_id(root: strawberry.Parent[ListChange]) -> strawberry.ID:
    return global_id("SegmentImport", root.id)


def _started_at(root: strawberry.Parent[ListChange]) -> datetime:
    return moment(root.started_ms)


def _finished_at(root: strawberry.Parent[ListChange]) -> datetime | None:
    return None if root.finished_ms is None else moment(root.finished_ms)


@strawberry.type(name="MalformedLine", description="A line of a file that was left out.")
class MalformedLineView:
    """View of domain.model.lists.MalformedLine."""

    line: int = strawberry.field(description="Its number, counted from 1.")
    message: str = strawberry.field(description="What is wrong with it: `its key is blank`.")


@strawberry.type(name="SegmentImportCounts", description="What an import read and did.")
class ListCountsView:
    """View of domain.model.lists.ListCounts."""

    lines: int = strawberry.field(
        description="Lines read that were not blank; it grows while the file is read. Of a sync, the people that "
        "it names, each by their place."
    )
    added: int = strawberry.field(
        description="Keys that were not members; the three grow while members are written, and are 0 if it fails."
    )
    already: int = strawberry.field(description="Keys that were members and stay.")
    removed: int = strawberry.field(description="Members that are none any more.")
    duplicates: int = strawberry.field(description="Keys that came again.")
    malformed: int = strawberry.field(description="Lines that were left out.")
    malformed_lines: list[MalformedLineView] = strawberry.field(
        description=f"The first {MALFORMED_LINES_LIMIT} of those."
    )
    skipped: int = strawberry.field(description="People of a sync that had no key.")


@strawberry.type(
    name="SegmentImport",
    description="A change of a large list, from a file or key by key. It takes effect at one instant, or never.",
)
class SegmentImportView:
    """View of domain.model.lists.ListChange."""

    id: strawberry.ID = strawberry.field(
        resolver=_import_id, description="Good for `segmentImport`; `node` does not find it."
    )
    segment_key: str = strawberry.field(description="The segment's key.")
    generation: int = strawberry.field(
        description="The number of the list that it makes; if nothing was to change, there never is one of it."
    )
    mode: ListMode = strawberry.field(description="What becomes of the members.")
    state: ListChangeState = strawberry.field(description="How far it has come.")
    actor: str = strawberry.field(description="Whose it is, as in the audit log.")
    comment: str = strawberry.field(description="Why; empty if nobody said.")
    started_at: datetime = strawberry.field(resolver=_started_at, description="When it began.")
    finished_at: datetime | None = strawberry.field(resolver=_finished_at, description="When it was over.")
    counts: ListCountsView = strawberry.field(description="What it read and did.")
    error: str | None = strawberry.field(description="Why it failed.")


async def _has_member(
    root: strawberry.Parent[Segment],
    info: Info,
    key: Annotated[str, strawberry.argument(description="A context key.")],
) -> bool:
    return await info.context.services.lists.has_member(info.context.principal, root, key)


async def _members(
    root: strawberry.Parent[Segment], info: Info, first: First = None, after: After = None
) -> Page[str]:
    return await info.context.services.lists.members(info.context.principal, root, page_request(first, after))


async def _imports(root: strawberry.Parent[Segment], info: Info) -> list[ListChange]:
    return await info.context.services.lists.changes(info.context.principal, root)


@strawberry.type(name="SyncSource", description="The external tool that owns a list.")
class SyncSourceView:
    """View of domain.model.segments.SyncSource."""

    integration: str = strawberry.field(description="The tool's name.")
    cohort_id: str = strawberry.field(description="What the tool calls the list.")
    cohort_url: str = strawberry.field(description="Where the tool shows it; empty if it did not say.")


@strawberry.type(name="LargeList", description="A list of members that is kept apart, of any length.")
class LargeListView:
    """View of domain.model.segments.Segment."""

    member_kind: str = strawberry.field(description="The members' context kind.")
    member_count: int = strawberry.field(description="How many members it has.")
    generation: int | None = strawberry.field(
        description="The number of the list that holds; null until one was loaded."
    )
    previous_generation: int | None = strawberry.field(
        description="The list before it, while `restoreSegmentMembers` can bring it back."
    )
    sync_source: SyncSourceView | None = strawberry.field(
        description="The tool that owns the list; null if it is kept here. Each sync is one of `imports`."
    )
    has_member = strawberry.field(
        resolver=_has_member, graphql_type=bool, description="Whether a key is a member."
    )
    members = strawberry.field(
        resolver=_members, graphql_type=Connection[str], description="The members' keys, in order."
    )
    imports = strawberry.field(
        resolver=_imports,
        graphql_type=list[SegmentImportView],
        description=f"Its last changes, newest first: at most {CHANGES_KEPT + 1}.",
    )


def large_list(root: strawberry.Parent[EnvironmentSegment]) -> Segment | None:
    """Return the segment that has the list, if it has one."""
    return root.segment if root.segment.unbounded else None
