"""The audit log, as a whole and of one thing."""

from datetime import datetime
from functools import partial
from typing import Annotated, NamedTuple

import strawberry
from strawberry.dataloader import DataLoader

from domain.access.principals import Principal
from domain.access.seen import SeenMember, SeenRole, SeenSdkKey, SeenToken
from domain.clock import moment
from domain.errors import DomainError
from domain.evaluation.usage import EnvironmentSegment
from domain.model.changes import ActingToken, AuditEntry, RuleChangeKind, ScopeRevision
from domain.model.flags import EnvironmentFlag
from domain.model.projects import Project
from domain.pages import PageRequest, Stretch
from domain.services.audit import CHANGES_LIMIT, ENTRY_CHARACTERS, AuditFilter, AuditService
from domain.services.catalog import EnvironmentCatalog
from gql.connections import After, Edge, First, PageInfo, page_request
from gql.context import Info
from gql.enums import register_enum
from gql.environment_ref import EnvironmentRefInput, environment_or_none
from gql.moments import epoch_ms_or_none
from gql.nodes import global_id, read_global_id
from gql.scalars import JSON

register_enum(
    RuleChangeKind,
    "What became of a rule.",
    {
        RuleChangeKind.ADDED: "It is new.",
        RuleChangeKind.REMOVED: "It is gone.",
        RuleChangeKind.CHANGED: "It says something else; compare its places to see whether it moved too.",
        RuleChangeKind.MOVED: "It says the same, at another place among the others.",
    },
)


@strawberry.type(name="FieldChange", description="A field before and after.")
class FieldChangeView:
    """View of domain.model.changes.FieldChange."""

    path: str = strawberry.field(
        description="Which: `on`, `fallthrough.variation`, `clauses[0].values`. A variation that went is told by "
        "the place that it had, all others by those that they have now."
    )
    before: JSON | None = strawberry.field(description="What it was; null where there was nothing.")
    after: JSON | None = strawberry.field(description="What it is; null where there is nothing any more.")
    is_shortened: bool = strawberry.field(
        description="Whether the values were too long to keep: of lists `before` has what went and `after` what "
        "came, as far as there was room; of anything else the beginning of its JSON text is kept."
    )


@strawberry.type(name="RuleChange", description="What became of one rule of a flag or segment.")
class RuleChangeView:
    """View of domain.model.changes.RuleChange."""

    rule_id: str = strawberry.field(description="Its id; `#` and its place if it has none of its own.")
    kind: RuleChangeKind = strawberry.field(description="What became of it.")
    index_before: int | None = strawberry.field(description="Its place before, from 0; null for a new one.")
    index_after: int | None = strawberry.field(description="Its place now, from 0; null for one that is gone.")
    fields: list[FieldChangeView] = strawberry.field(description="What it says, before and after.")


@strawberry.type(name="TargetsChange", description="Who came into a list of individual targets, and who went.")
class TargetsChangeView:
    """View of domain.model.changes.TargetsChange."""

    target_list: str = strawberry.field(
        name="list", description="`targets` of a flag; `included` or `excluded` of a segment."
    )
    context_kind: str = strawberry.field(description="The context kind.")
    variation: int | None = strawberry.field(description="The place of the variation that a flag serves them.")
    added_count: int = strawberry.field(description="How many came.")
    removed_count: int = strawberry.field(description="How many went.")
    added: list[str] = strawberry.field(
        description="The keys of those that came, in order: as many as an entry has room for, some thousands."
    )
    removed: list[str] = strawberry.field(
        description="The keys of those that went, in order: as many as an entry has room for, some thousands."
    )


@strawberry.type(name="EntityChange", description="What a change did to one thing.")
class EntityChangeView:
    """View of domain.model.changes.EntityChange."""

    kind: str = strawberry.field(
        description="`project`, `environment`, `flag`, `targeting` (of a flag in an environment), `segment`, "
        "`member`, `role` or `credential`."
    )
    entity_id: str = strawberry.field(
        description="Its path: `project/environment/segment`; a credential's has its name."
    )
    version_before: int | None = strawberry.field(description="Its version before; null if it was created.")
    version_after: int | None = strawberry.field(description="Its version after; null if it was deleted.")
    fields: list[FieldChangeView] = strawberry.field(description="The fields that changed.")
    rules: list[RuleChangeView] = strawberry.field(description="The rules that changed, by their ids.")
    targets: list[TargetsChangeView] = strawberry.field(description="The individual targets that changed.")
    omitted_count: int = strawberry.field(
        description="How many changes of fields, rules and targets are left out: one entry has room for about "
        f"{ENTRY_CHARACTERS:,} characters."
    )


@strawberry.type(name="ScopeRevision", description="A revision that a change produced.")
class ScopeRevisionView:
    """View of domain.model.changes.ScopeRevision."""

    scope: str = strawberry.field(description="`project/environment`; `access` for who may do what.")
    revision: int = strawberry.field(description="The revision with the change.")


def _revisions(root: strawberry.Parent[AuditEntry]) -> list[ScopeRevision]:
    return [ScopeRevision(scope, revision) for scope, revision in root.revisions.items()]


def _entry_id(root: strawberry.Parent[AuditEntry]) -> strawberry.ID:
    return global_id("AuditEntry", root.id)


def _at(root: strawberry.Parent[AuditEntry]) -> datetime:
    return moment(root.at_ms)


def _summary(root: strawberry.Parent[AuditEntry]) -> JSON:
    return dict(root.summary)


def _acting_token_id(root: strawberry.Parent[ActingToken]) -> strawberry.ID:
    return global_id("AccessToken", root.id)


@strawberry.type(name="ActingToken", description="The access token by which a change was made.")
class ActingTokenView:
    """View of domain.model.changes.ActingToken."""

    id: strawberry.ID = strawberry.field(
        resolver=_acting_token_id, description="The global id of the access token, which may be gone since."
    )
    name: str = strawberry.field(description="The name that it had then.")


def _access_token(root: strawberry.Parent[AuditEntry], info: Info) -> ActingToken | None:
    caller = info.context
    return caller.services.permissions.sight(caller.principal).acting_token(root)


@strawberry.type(name="AuditEntry", description="Who changed what, when, and why.")
class AuditEntryView:
    """View of domain.model.changes.AuditEntry."""

    id: strawberry.ID = strawberry.field(
        resolver=_entry_id, description="Its id, the same wherever it is listed; `node` does not find it."
    )
    at: datetime = strawberry.field(resolver=_at, description="When it was.")
    actor: str = strawberry.field(
        description="Who: `member/` and the email, `token/` and the name of a service's token, or `system`. "
        "Of whom you may not view: `member`, or `token`."
    )
    access_token = strawberry.field(
        resolver=_access_token,
        graphql_type=ActingTokenView | None,
        description="By which access token: a member may have several, made by others too. Null if by none, and "
        "if you may not view it.",
    )
    action: str = strawberry.field(description="What was done: the mutation's name.")
    resource: str = strawberry.field(description="What it was done to, in the words of policies.")
    comment: str = strawberry.field(description="Why; empty if nobody said.")
    summary: JSON = strawberry.field(
        resolver=_summary,
        description="Names of instructions, counts of an import and the like. Where variations of a flag went, "
        "`renumbered` has the new places of the others by their old ones: the changes are told by the new.",
    )
    changes: list[EntityChangeView] = strawberry.field(
        description=f"What it did to each thing that it changed: the first {CHANGES_LIMIT}. In the history of one "
        "that is neither a project nor an environment, and in the log by its `nodeId`, what it did to that one, "
        "however many others it changed."
    )
    unlisted_count: int = strawberry.field(
        description="How many more things it changed. Ask for one of them by its `nodeId`."
    )
    revisions = strawberry.field(
        resolver=_revisions,
        graphql_type=list[ScopeRevisionView],
        description="The revisions that it produced; that of `access` for whoever may view members.",
    )


@strawberry.type(
    name="AuditEntryConnection",
    description="A page of the audit log, newest first. It is too long to be counted: there is no totalCount.",
)
class AuditEntryConnection:
    """View of domain.pages.Stretch."""

    nodes: list[AuditEntryView] = strawberry.field(description="The entries.")
    edges: list[Edge[AuditEntryView]] = strawberry.field(description="The entries with their cursors.")
    page_info: PageInfo = strawberry.field(description="Where the page stands in the log.")


_MOST_HISTORIES = 100
"""How many histories are asked for at a time."""


class _History(NamedTuple):
    type_name: str
    entity_id: str
    page: PageRequest


async def _load_histories(
    audit: AuditService, principal: Principal, asked: list[_History]
) -> list[Stretch[AuditEntry] | DomainError]:
    found: dict[_History, Stretch[AuditEntry] | DomainError] = {}
    for page in dict.fromkeys(history.page for history in asked):
        alike = [history for history in asked if history.page == page]
        nodes = [(history.type_name, history.entity_id) for history in alike]
        try:
            found |= zip(alike, await audit.histories(principal, nodes, page), strict=True)
        except DomainError as error:
            found |= dict.fromkeys(alike, error)
    return [found[history] for history in asked]


async def _history_of(
    type_name: str, entity_id: str, info: Info, first: int | None, after: str | None
) -> Stretch[AuditEntry]:
    """Ask for a history together with those that are asked for at the same time; none is kept: it may grow."""
    loaders = info.context.loaders
    if "histories" not in loaders:
        # Not bound to the context, which keeps the loader: that would be a cycle, freed only when it is collected.
        load = partial(_load_histories, info.context.services.audit, info.context.principal)
        loaders["histories"] = DataLoader(load, max_batch_size=_MOST_HISTORIES, cache=False)
    history: Stretch[AuditEntry] = await loaders["histories"].load(
        _History(type_name, entity_id, page_request(first, after))
    )
    return history


async def flag_history(
    root: strawberry.Parent[EnvironmentFlag], info: Info, first: First = None, after: After = None
) -> Stretch[AuditEntry]:
    """Ask for what changed a flag, here or in all environments."""
    return await _history_of("Flag", root.id, info, first, after)


async def segment_history(
    root: strawberry.Parent[EnvironmentSegment], info: Info, first: First = None, after: After = None
) -> Stretch[AuditEntry]:
    """Ask for what changed a segment."""
    return await _history_of("Segment", root.id, info, first, after)


async def environment_history(
    root: strawberry.Parent[EnvironmentCatalog], info: Info, first: First = None, after: After = None
) -> Stretch[AuditEntry]:
    """Ask for what changed an environment or anything in it."""
    return await _history_of("Environment", root.id, info, first, after)


async def project_history(
    root: strawberry.Parent[Project], info: Info, first: First = None, after: After = None
) -> Stretch[AuditEntry]:
    """Ask for what changed a project or anything in it."""
    return await _history_of("Project", root.id, info, first, after)


async def member_history(
    root: strawberry.Parent[SeenMember], info: Info, first: First = None, after: After = None
) -> Stretch[AuditEntry]:
    """Ask for what changed a member."""
    return await _history_of("Member", root.id, info, first, after)


async def role_history(
    root: strawberry.Parent[SeenRole], info: Info, first: First = None, after: After = None
) -> Stretch[AuditEntry]:
    """Ask for what changed a custom role."""
    return await _history_of("Role", root.id, info, first, after)


async def access_token_history(
    root: strawberry.Parent[SeenToken], info: Info, first: First = None, after: After = None
) -> Stretch[AuditEntry]:
    """Ask for what changed an access token or its secrets."""
    return await _history_of("AccessToken", root.id, info, first, after)


async def sdk_key_history(
    root: strawberry.Parent[SeenSdkKey], info: Info, first: First = None, after: After = None
) -> Stretch[AuditEntry]:
    """Ask for what changed an SDK key."""
    return await _history_of("SdkKey", root.id, info, first, after)


@strawberry.type
class AuditQuery:
    """The root of the audit log."""

    @strawberry.field(
        graphql_type=AuditEntryConnection,
        description="The audit log, newest first: one entry for each mutation that changed something.",
    )
    async def audit_log(  # noqa: PLR0913 - GraphQL's arguments
        self,
        info: Info,
        *,
        project: Annotated[
            str | None, strawberry.argument(description="Only changes of this project or in it.")
        ] = None,
        environment: Annotated[
            EnvironmentRefInput | None,
            strawberry.argument(description="Only changes of this environment or in it; not with `project`."),
        ] = None,
        node_id: Annotated[
            strawberry.ID | None,
            strawberry.argument(
                description="Only changes of the project, environment, flag, segment, member, role, access token "
                "or SDK key with this global id, which may be gone since; not with `project` or `environment`."
            ),
        ] = None,
        actor: Annotated[
            str | None,
            strawberry.argument(description="Only what this actor did; nothing of whom you may not view."),
        ] = None,
        action: Annotated[
            str | None, strawberry.argument(description="Only this action: a mutation's name.")
        ] = None,
        since: Annotated[
            datetime | None, strawberry.argument(description="Only what was done at this moment or later.")
        ] = None,
        until: Annotated[
            datetime | None, strawberry.argument(description="Only what was done before this moment.")
        ] = None,
        first: First = None,
        after: After = None,
    ) -> Stretch[AuditEntry]:
        """Ask the audit service."""
        return await info.context.services.audit.log(
            info.context.principal,
            AuditFilter(
                project=project,
                environment=environment_or_none(environment),
                node=None if node_id is None else read_global_id(node_id, ("nodeId",)),
                actor=actor,
                action=action,
                since_ms=epoch_ms_or_none(since),
                until_ms=epoch_ms_or_none(until),
            ),
            page_request(first, after),
        )
