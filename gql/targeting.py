"""Views of what flags and segments target by: clauses and rollouts."""

import strawberry

from domain.model.segments import TargetList
from domain.model.targeting import RolloutKind
from gql.enums import register_enum
from gql.scalars import JSON, Long

__all__ = ["ClauseView", "RolloutView", "TargetList"]

register_enum(
    RolloutKind,
    "Whether a rollout only splits, or measures too.",
    {
        RolloutKind.ROLLOUT: "It only splits contexts over variations.",
        RolloutKind.EXPERIMENT: "It is an experiment: reasons say `inExperiment`.",
    },
)

register_enum(
    TargetList,
    "Which of a segment's two lists of individual targets.",
    {TargetList.INCLUDED: "Those who are in.", TargetList.EXCLUDED: "Those who are out."},
)


@strawberry.type(name="Clause", description="One condition on a context.")
class ClauseView:
    """View of domain.model.targeting.Clause."""

    context_kind: str | None = strawberry.field(
        description="The context kind it looks at; null means user, and `attribute` is then a literal name."
    )
    attribute: str = strawberry.field(
        description="The attribute, or a reference to one (`/address/city`); empty for segmentMatch."
    )
    op: str = strawberry.field(
        description="The operator: in, startsWith, endsWith, contains, matches, lessThan, lessThanOrEqual, "
        "greaterThan, greaterThanOrEqual, before, after, semVerEqual, semVerLessThan, semVerGreaterThan, "
        "segmentMatch."
    )
    values: list[JSON | None] = strawberry.field(
        description="Any of these must match; segment keys for segmentMatch."
    )
    negate: bool = strawberry.field(description="Whether the condition is turned round.")


@strawberry.type(name="Rollout", description="How contexts are split over variations.")
class RolloutView:
    """View of domain.model.targeting.Rollout."""

    kind: RolloutKind = strawberry.field(description="Whether it measures too.")
    context_kind: str | None = strawberry.field(description="The context kind that is split; null means user.")
    bucket_by: str | None = strawberry.field(description="The attribute to split by; null means the key.")
    seed: Long | None = strawberry.field(description="What is hashed in place of the flag's key and salt.")
