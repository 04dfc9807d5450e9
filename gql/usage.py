"""Usage: which flags target a segment and what they serve; early access programs."""

from typing import TYPE_CHECKING, Annotated

import strawberry

from domain.evaluation.usage import EarlyAccessProgram, EnvironmentSegment, SegmentUsage, SegmentUsageNode
from domain.pages import Page, cut_page
from gql.connections import After, Connection, First, page_request, whole_page
from gql.flags import FlagRuleView, FlagView, ServedVariationView, VariationView

if TYPE_CHECKING:
    from gql.segments import SegmentView

SegmentRef = Annotated["SegmentView", strawberry.lazy("gql.segments")]
Transitive = Annotated[
    bool, strawberry.argument(description="Whether to follow other segments, or only count direct references.")
]
OnlyOn = Annotated[
    bool | None, strawberry.argument(description="Only rules of flags that are on, or that are off.")
]
OnlyTags = Annotated[
    list[str] | None,
    strawberry.argument(description="Only rules of flags that bear at least one of these tags."),
]
OnlyVariation = Annotated[
    int | None,
    strawberry.argument(
        description="Only rules that serve the variation in this place of their flag to somebody."
    ),
]
FirstRules = Annotated[
    int | None,
    strawberry.argument(description="How many rules to return: EARLYBIRD_MAX_PAGE_SIZE, or fewer."),
]


@strawberry.type(name="SegmentUsageNode", description="A rule of a flag that targets a segment.")
class SegmentUsageNodeView:
    """View of domain.evaluation.usage.SegmentUsageNode."""

    flag: FlagView = strawberry.field(description="The flag.")
    on: bool = strawberry.field(description="Whether the flag is on.")
    rule: FlagRuleView = strawberry.field(description="The rule.")
    rule_index: int = strawberry.field(description="The rule's place among the flag's rules, from 0.")
    negated: bool = strawberry.field(
        description="Whether the rule is for those not in the segment (an odd number of negations on the path)."
    )
    path: list[SegmentRef] = strawberry.field(
        description="The segments on the way to the flag, nearest to the segment first; empty if direct."
    )
    serves: list[ServedVariationView] = strawberry.field(
        description="What the rule serves: one variation, or a rollout's several with their weights."
    )


@strawberry.type(
    name="SegmentUsageConnection",
    description="A page of rules, by flag and rule. A cursor names a rule by its place among its flag's rules: "
    "where those change between two pages, the second may miss one, or have one again.",
)
class SegmentUsageConnection(Connection[SegmentUsageNodeView]):
    """View of domain.pages.Page."""


def _flags(  # noqa: PLR0913 - GraphQL's arguments
    root: strawberry.Parent[SegmentUsage],
    *,
    first: First = None,
    after: After = None,
    on: OnlyOn = None,
    tags: OnlyTags = None,
    variation: OnlyVariation = None,
) -> Page[SegmentUsageNode]:
    rules = root.rules_that(on=on, tags=tags, variation=variation)
    return cut_page(rules, page_request(first, after), lambda node: node.sort_key)


def _program_usage(
    root: strawberry.Parent[EarlyAccessProgram], first: FirstRules = None
) -> list[SegmentUsageNode]:
    return cut_page(root.usage, whole_page(first), lambda node: node.sort_key).nodes


@strawberry.type(name="SegmentUsage", description="What refers to a segment.")
class SegmentUsageView:
    """View of domain.evaluation.usage.SegmentUsage."""

    flag_count: int = strawberry.field(description="How many flags target it; archived ones do not count.")
    flags = strawberry.field(
        resolver=_flags,
        graphql_type=SegmentUsageConnection,
        description="The rules that target it, by flag and rule, each by the shortest path. A rule that has paths "
        "for those in it and for those not in it is there twice, the negated one last.",
    )
    segments: list[SegmentRef] = strawberry.field(description="The segments that refer to it, by key.")


@strawberry.type(name="FlagVariations", description="A flag with those of its variations that are served here.")
class FlagVariationsView:
    """View of domain.evaluation.usage.FlagVariations."""

    flag: FlagView = strawberry.field(description="The flag.")
    variations: list[VariationView] = strawberry.field(description="The variations, in their order.")


@strawberry.type(
    name="EarlyAccessProgram",
    description="A segment that is a program, with the flags that target it, directly or through others.",
)
class EarlyAccessProgramView:
    """View of domain.evaluation.usage.EarlyAccessProgram."""

    segment: SegmentRef = strawberry.field(description="Its members.")
    active: bool = strawberry.field(
        description="Whether a flag that is on targets it; a rule for those who are not in it counts too."
    )
    flag_count: int = strawberry.field(description="How many flags target it.")
    usage = strawberry.field(
        resolver=_program_usage,
        graphql_type=list[SegmentUsageNodeView],
        description="The rules that target it, by flag and rule: the first EARLYBIRD_MAX_PAGE_SIZE. All are in "
        "`segment { usage { flags } }`, in pages, with filters.",
    )
    variations: list[FlagVariationsView] = strawberry.field(
        description="What its members get: the variations that rules for those in it serve, for each flag that "
        "is on. `usage` has the rules of flags that are off, and those for who is not in it, too."
    )


def segment_usage(root: strawberry.Parent[EnvironmentSegment], transitive: Transitive = True) -> SegmentUsage:  # noqa: FBT002 - GraphQL's arguments have names
    """Return what refers to a segment."""
    return root.usage(transitive=transitive)
