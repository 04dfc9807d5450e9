"""The segments that a flag depends on."""

from typing import TYPE_CHECKING, Annotated

import strawberry

from domain.evaluation.dependencies import FlagSegmentNode
from domain.model.flags import EnvironmentFlag
from domain.pages import Page
from gql.connections import After, Connection, First, page_request
from gql.context import Info

if TYPE_CHECKING:
    from gql.flags import FlagRuleView, ServedVariationView
    from gql.segments import SegmentView

_SegmentRef = Annotated["SegmentView", strawberry.lazy("gql.segments")]
_RuleRef = Annotated["FlagRuleView", strawberry.lazy("gql.flags")]
_ServedRef = Annotated["ServedVariationView", strawberry.lazy("gql.flags")]


@strawberry.type(name="FlagSegmentNode", description="A segment that a rule of the flag depends on.")
class FlagSegmentNodeView:
    """View of domain.evaluation.dependencies.FlagSegmentNode."""

    segment: _SegmentRef = strawberry.field(description="The segment.")
    rule: _RuleRef = strawberry.field(description="The rule.")
    rule_index: int = strawberry.field(description="The rule's place among the flag's rules, from 0.")
    negated: bool = strawberry.field(
        description="Whether the rule is for those not in the segment (an odd number of negations on the path)."
    )
    path: list[_SegmentRef] = strawberry.field(
        description="The segments on the way to the segment, nearest to the flag first; empty if direct."
    )
    serves: list[_ServedRef] = strawberry.field(
        description="What the rule serves: one variation, or a rollout's several with their weights."
    )


@strawberry.type(
    name="FlagSegmentConnection",
    description="A page of segments, by rule and segment, the negated last. A cursor names a rule by its place: "
    "where the flag's rules change between two pages, the second may miss a segment, or have one again.",
)
class FlagSegmentConnection(Connection[FlagSegmentNodeView]):
    """View of domain.pages.Page."""


async def flag_segments(
    root: strawberry.Parent[EnvironmentFlag],
    info: Info,
    *,
    transitive: Annotated[
        bool,
        strawberry.argument(description="Whether to follow other segments, or only tell those that rules name."),
    ] = True,
    first: First = None,
    after: After = None,
) -> Page[FlagSegmentNode]:
    """Ask the catalog for the segments of a flag."""
    caller = info.context
    return await caller.services.catalog.segments_of(
        caller.principal, root, page_request(first, after), transitive=transitive
    )
