"""Evaluation: what contexts get."""

from datetime import datetime
from typing import Annotated

import strawberry

from domain.evaluation.results import BigSegmentsStatus, Evaluation, EvaluationErrorKind, ReasonKind
from domain.evaluation.segments import MembershipReason
from domain.evaluation.snapshot import SegmentMembership
from domain.services.evaluation import BatchEvaluation, ContextEvaluations, Where
from gql.context import Info
from gql.enums import register_enum
from gql.environment_ref import EnvironmentRefInput, environment_or_none
from gql.scalars import JSON
from gql.segments import SegmentView

register_enum(
    ReasonKind,
    "Why a variation was served.",
    {
        ReasonKind.OFF: "The flag is off.",
        ReasonKind.FALLTHROUGH: "The flag is on, and nothing else matched.",
        ReasonKind.TARGET_MATCH: "The context is targeted individually.",
        ReasonKind.RULE_MATCH: "A rule matched: see `ruleIndex` and `ruleId`.",
        ReasonKind.PREREQUISITE_FAILED: "A prerequisite did not serve what it must: see `prerequisiteKey`.",
        ReasonKind.ERROR: "The flag could not be evaluated: see `errorKind`.",
    },
)
register_enum(
    EvaluationErrorKind,
    "What kept a flag from being evaluated; the default is served.",
    {
        EvaluationErrorKind.CLIENT_NOT_READY: "Nothing is loaded yet.",
        EvaluationErrorKind.FLAG_NOT_FOUND: "There is no such flag, or it is archived.",
        EvaluationErrorKind.MALFORMED_FLAG: "The flag, or a segment or prerequisite it reaches, is broken.",
        EvaluationErrorKind.USER_NOT_SPECIFIED: "The context is invalid.",
        EvaluationErrorKind.WRONG_TYPE: "The value is of another type than the one asked for.",
        EvaluationErrorKind.EXCEPTION: "An unexpected fault.",
    },
)
register_enum(
    BigSegmentsStatus,
    "How well the large lists that were consulted are known.",
    {
        BigSegmentsStatus.HEALTHY: "Known, and up to date.",
        BigSegmentsStatus.STALE: "Known, but not updated for a while.",
        BigSegmentsStatus.STORE_ERROR: "They could not be read; rules were still tried.",
        BigSegmentsStatus.NOT_CONFIGURED: "There is nothing to read them from; rules were still tried.",
    },
)
register_enum(
    MembershipReason,
    "Why a context is in a segment.",
    {
        MembershipReason.TARGET: "It is included individually.",
        MembershipReason.RULE: "A rule of the segment matches.",
        MembershipReason.LIST: "It is on the segment's large list.",
    },
)


@strawberry.type(name="EvaluationReason", description="Why a value was served.")
class EvaluationReasonView:
    """View of domain.evaluation.results.EvaluationReason."""

    kind: ReasonKind = strawberry.field(description="Which step of the evaluation decided.")
    rule_index: int | None = strawberry.field(description="The place of the rule that matched, from 0.")
    rule_id: str | None = strawberry.field(description="The id of the rule that matched, if it has one.")
    prerequisite_key: str | None = strawberry.field(description="The prerequisite that failed.")
    in_experiment: bool = strawberry.field(description="Whether the answer is part of an experiment.")
    error_kind: EvaluationErrorKind | None = strawberry.field(description="What went wrong, for ERROR.")
    big_segments_status: BigSegmentsStatus | None = strawberry.field(
        description="The worst status of the large lists that were consulted; null if none was."
    )


@strawberry.type(name="Evaluation", description="What one flag serves to one context.")
class EvaluationView:
    """View of domain.evaluation.results.Evaluation."""

    flag_key: str = strawberry.field(description="The flag's key.")
    value: JSON | None = strawberry.field(description="The value served; the default where nothing could be.")
    variation_index: int | None = strawberry.field(
        description="The place of the variation served, from 0; null means that the default holds."
    )
    reason: EvaluationReasonView = strawberry.field(description="Why it was served.")


@strawberry.type(name="ContextEvaluations", description="What one context gets, flag by flag, at one revision.")
class ContextEvaluationsView:
    """View of domain.services.evaluation.ContextEvaluations."""

    revision: int = strawberry.field(description="The environment's revision that the answer is true of.")
    valid_until: datetime | None = strawberry.field(
        description="When a scheduled change may make the answer untrue; null if only a new revision can."
    )
    context_key: str | None = strawberry.field(
        description="The context's fully qualified key; null if the context is invalid."
    )
    evaluations: list[EvaluationView] = strawberry.field(
        description="In the order of `flagKeys`, each flag once, else by flag key."
    )
    error: EvaluationErrorKind | None = strawberry.field(
        description="Why nothing could be evaluated; each evaluation's reason then says so too."
    )
    error_message: str | None = strawberry.field(
        description="What is wrong with the context: the first three violations."
    )


@strawberry.type(name="BatchEvaluation", description="What many contexts get, all at one revision.")
class BatchEvaluationView:
    """View of domain.services.evaluation.BatchEvaluation."""

    revision: int = strawberry.field(description="The environment's revision that all answers are true of.")
    valid_until: datetime | None = strawberry.field(
        description="When a scheduled change may make an answer untrue; null if only a new revision can."
    )
    results: list[ContextEvaluationsView] = strawberry.field(description="In the order of `contexts`.")


@strawberry.type(name="SegmentMembership", description="Whether a context is in a segment, and why.")
class SegmentMembershipView:
    """View of domain.evaluation.snapshot.SegmentMembership."""

    segment: SegmentView = strawberry.field(description="The segment.")
    is_member: bool = strawberry.field(description="Whether the context is in it.")
    reason: MembershipReason | None = strawberry.field(description="Why it is; null if it is not.")
    rule_index: int | None = strawberry.field(description="The place of the rule that matched, from 0.")
    rule_id: str | None = strawberry.field(description="The id of that rule, if it has one.")
    big_segments_status: BigSegmentsStatus | None = strawberry.field(
        description="The worst status of the large lists that were consulted; null if none was."
    )
    error_kind: EvaluationErrorKind | None = strawberry.field(
        description="What kept the segment from being evaluated; null if nothing did."
    )


EnvironmentArgument = Annotated[
    EnvironmentRefInput | None,
    strawberry.argument(description="Where to evaluate; an SDK key implies its own environment."),
]
AtLeastRevisionArgument = Annotated[
    int | None,
    strawberry.argument(
        description="The answer must know of this revision of the environment: pass what a mutation answered to "
        "read your own write from whichever process the request reaches."
    ),
]
ContextArgument = Annotated[
    JSON,
    strawberry.argument(
        description='Who is asking: a context of one kind, `{"kind": "user", "key": "ada", "email": …}`, of '
        'several, `{"kind": "multi", "user": {"key": …}, "org": {"key": …}}`, or an old user without a kind.'
    ),
]
FlagKeysArgument = Annotated[
    list[str] | None,
    strawberry.argument(description="The flags to evaluate, in this order; all that are visible if left out."),
]
TagsArgument = Annotated[
    list[str] | None,
    strawberry.argument(
        description="Only flags that bear at least one of these tags. What is unknown of `flagKeys` bears none, "
        "so it has no evaluation then, and without `tags` one that says FLAG_NOT_FOUND."
    ),
]


def _where(environment: EnvironmentRefInput | None, at_least_revision: int | None) -> Where:
    return Where(environment_or_none(environment), at_least_revision)


@strawberry.type
class EvaluationQuery:
    """The roots of evaluation."""

    @strawberry.field(
        graphql_type=EvaluationView,
        description="Evaluate one flag for one context. An unknown or malformed flag is an answer, not an error.",
    )
    async def evaluate(  # noqa: PLR0913 - GraphQL's arguments
        self,
        info: Info,
        *,
        flag_key: Annotated[str, strawberry.argument(description="The flag's key.")],
        context: ContextArgument,
        environment: EnvironmentArgument = None,
        default: Annotated[
            JSON | None, strawberry.argument(description="The value where nothing can be served.")
        ] = None,
        at_least_revision: AtLeastRevisionArgument = None,
    ) -> Evaluation:
        """Ask the evaluation service for one flag."""
        request = info.context
        return await request.services.evaluation.evaluate(
            request.caller, _where(environment, at_least_revision), flag_key, context, default
        )

    @strawberry.field(
        graphql_type=ContextEvaluationsView,
        description="Evaluate several flags, or all, for one context: what a front end needs at its start.",
    )
    async def evaluate_flags(  # noqa: PLR0913 - GraphQL's arguments
        self,
        info: Info,
        *,
        context: ContextArgument,
        environment: EnvironmentArgument = None,
        flag_keys: FlagKeysArgument = None,
        tags: TagsArgument = None,
        at_least_revision: AtLeastRevisionArgument = None,
    ) -> ContextEvaluations:
        """Ask the evaluation service for one context."""
        request = info.context
        return await request.services.evaluation.evaluate_flags(
            request.caller, _where(environment, at_least_revision), context, flag_keys, tags
        )

    @strawberry.field(
        graphql_type=BatchEvaluationView,
        description="Evaluate the same flags for many contexts at one revision. An invalid context spoils "
        "only its own answer. Contexts x flags of a request are limited by EARLYBIRD_MAX_BATCH_EVALUATIONS.",
    )
    async def evaluate_batch(  # noqa: PLR0913 - GraphQL's arguments
        self,
        info: Info,
        *,
        contexts: Annotated[list[JSON], strawberry.argument(description="Who is asking, each as in `evaluate`.")],
        environment: EnvironmentArgument = None,
        flag_keys: FlagKeysArgument = None,
        tags: TagsArgument = None,
        at_least_revision: AtLeastRevisionArgument = None,
    ) -> BatchEvaluation:
        """Ask the evaluation service for many contexts."""
        request = info.context
        return await request.services.evaluation.evaluate_batch(
            request.caller, _where(environment, at_least_revision), contexts, flag_keys, tags
        )

    @strawberry.field(
        graphql_type=list[SegmentMembershipView],
        description="Tell for every segment, by key, whether the context is in it, and why.",
    )
    async def segment_memberships(
        self,
        info: Info,
        context: ContextArgument,
        environment: EnvironmentArgument = None,
        at_least_revision: AtLeastRevisionArgument = None,
    ) -> list[SegmentMembership]:
        """Ask the evaluation service for memberships."""
        request = info.context
        return await request.services.evaluation.segment_memberships(
            request.caller, _where(environment, at_least_revision), context
        )
