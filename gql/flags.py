"""Flags, as one environment sees them."""

import strawberry

from domain.model.flags import EnvironmentFlag
from domain.model.targeting import FULL_WEIGHT
from gql.audit import AuditEntryConnection, flag_history
from gql.containing import EnvironmentViewRef, owning_environment
from gql.flag_segments import FlagSegmentConnection, flag_segments
from gql.nodes import Node, global_id
from gql.scalars import JSON
from gql.targeting import ClauseView, RolloutView
from gql.viewer_can import viewer_can


def _flag_id(root: strawberry.Parent[EnvironmentFlag]) -> strawberry.ID:
    return global_id("Flag", root.id)


@strawberry.type(name="Variation", description="One of the values that a flag can serve.")
class VariationView:
    """View of domain.model.flags.IndexedVariation."""

    index: int = strawberry.field(description="Its place among the flag's variations, from 0.")
    value: JSON | None = strawberry.field(description="The value served.")
    name: str = strawberry.field(description="Its name; empty if it has none.")
    description: str = strawberry.field(description="What it does; empty if nobody said.")


@strawberry.type(
    name="DefaultVariations",
    description="What a flag begins with in an environment where it is new: places of its variations there.",
)
class DefaultVariationsView:
    """View of domain.model.flags.DefaultVariations."""

    on_variation: int = strawberry.field(description="Its `fallthrough`; the first variation, if nobody chose.")
    off_variation: int = strawberry.field(description="Its `offVariation`; the last variation, if nobody chose.")


@strawberry.type(name="ServedVariation", description="A variation with its share.")
class ServedVariationView:
    """View of domain.model.flags.ServedVariation."""

    variation: VariationView = strawberry.field(description="The variation.")
    weight: int = strawberry.field(
        description="How many evaluation serves it to, in thousandths of a percent, whatever the weights of a "
        f"rollout add up to; {FULL_WEIGHT} is everyone."
    )
    untracked: bool = strawberry.field(description="Whether an experiment leaves it out.")


@strawberry.type(name="Prerequisite", description="What another flag must serve first.")
class PrerequisiteView:
    """View of domain.model.targeting.Prerequisite."""

    key: str = strawberry.field(description="The other flag's key.")
    variation: int = strawberry.field(description="The place of the variation that it must serve.")


@strawberry.type(name="FlagTarget", description="Context keys that are served one variation.")
class FlagTargetView:
    """View of domain.model.targeting.Target."""

    context_kind: str | None = strawberry.field(description="Their kind; null means user.")
    variation: int = strawberry.field(description="The place of the variation served.")
    values: list[str] = strawberry.field(
        description="The keys; an empty entry of kind user only gives order: its keys stand in `targets`."
    )


@strawberry.type(name="FlagRule", description="Conditions, and what is served where all of them hold.")
class FlagRuleView:
    """View of domain.model.flags.ServingRule."""

    index: int = strawberry.field(description="Its place among the flag's rules, from 0: the first match wins.")
    id: str = strawberry.field(description="Its id within the flag; empty if it has none.")
    description: str = strawberry.field(description="Its name or purpose; empty if nobody said.")
    clauses: list[ClauseView] = strawberry.field(description="The conditions, all of which must hold.")
    serves: list[ServedVariationView] = strawberry.field(
        description="One variation, or a rollout's several; empty where it serves nothing that exists."
    )
    rollout: RolloutView | None = strawberry.field(description="How contexts are split; null for one variation.")
    track_events: bool = strawberry.field(
        description="Whether clients are to send an event for each evaluation that it decides."
    )


@strawberry.type(name="ClientSideAvailability", description="Which client SDKs may see a flag.")
class ClientSideAvailabilityView:
    """View of domain.model.targeting.ClientSideAvailability."""

    using_environment_id: bool = strawberry.field(
        description="Whether those in browsers may, and all that show a client SDK key."
    )
    using_mobile_key: bool = strawberry.field(description="Whether those in mobile applications may.")


@strawberry.type(name="Flag", description="A feature flag, as one environment sees it.")
class FlagView(Node):
    """View of domain.model.flags.EnvironmentFlag."""

    id: strawberry.ID = strawberry.field(resolver=_flag_id, description="The global id.")
    key: str = strawberry.field(description="The key that code asks for.")
    environment = strawberry.field(
        resolver=owning_environment,
        graphql_type=EnvironmentViewRef,
        description="The environment that sees it so.",
    )
    name: str = strawberry.field(description="The name that people read.")
    description: str = strawberry.field(description="What it is for; empty if nobody said.")
    tags: list[str] = strawberry.field(description="Its tags, sorted.")
    temporary: bool = strawberry.field(description="Whether it is meant to be removed one day.")
    archived: bool = strawberry.field(description="Whether it is archived: it then evaluates as unknown.")
    deprecated: bool = strawberry.field(
        description="Whether it is not to be used any more; it evaluates as before."
    )
    version: int = strawberry.field(description="Grows with every change to its targeting here.")
    project_version: int = strawberry.field(
        description="Grows with every change to what is true of it in every environment."
    )
    on: bool = strawberry.field(description="Whether targeting is on; off serves `offVariation` to all.")
    off_variation: int | None = strawberry.field(
        description="The place of the variation served when off; null means the caller's default."
    )
    indexed_variations: list[VariationView] = strawberry.field(
        name="variations", description="The values it can serve here."
    )
    defaults: DefaultVariationsView = strawberry.field(
        description="What it begins with in environments where it is new."
    )
    prerequisites: list[PrerequisiteView] = strawberry.field(
        description="What other flags must serve before its targeting applies, in order."
    )
    targets: list[FlagTargetView] = strawberry.field(description="Individually targeted users.")
    context_targets: list[FlagTargetView] = strawberry.field(
        description="Individually targeted contexts of any kind, in the order they are tried."
    )
    serving_rules: list[FlagRuleView] = strawberry.field(
        name="rules", description="The rules, in the order they are tried."
    )
    fallthrough_serves: list[ServedVariationView] = strawberry.field(
        name="fallthrough", description="What is served when it is on and nothing else matches."
    )
    fallthrough_rollout: RolloutView | None = strawberry.field(
        description="How contexts are split when it is on and nothing else matches; null for one variation."
    )
    client_side_availability: ClientSideAvailabilityView = strawberry.field(
        description="Which client SDKs may see it."
    )
    track_events: bool = strawberry.field(description="Whether clients are to send an event for each evaluation.")
    track_events_fallthrough: bool = strawberry.field(
        description="Whether clients are to send an event for each evaluation that `fallthrough` decides."
    )
    segments = strawberry.field(
        resolver=flag_segments,
        graphql_type=FlagSegmentConnection,
        description="The segments that its rules depend on, by rule and segment; one of several paths to it is "
        "the shortest. What a rule names that does not exist is not listed.",
    )
    history = strawberry.field(
        resolver=flag_history,
        graphql_type=AuditEntryConnection,
        description="What changed it here or in all environments, imports too; newest first.",
    )

    viewer_can = strawberry.field(
        resolver=viewer_can,
        graphql_type=list[str],
        description="The actions, as policies name them, that the viewer may do to it as it is here. What changes "
        "it in all environments (its name, tags, variations, and to archive or deprecate it) takes the action in "
        "each of them.",
    )

    @classmethod
    def is_type_of(cls, obj: object, _info: object) -> bool:
        """Tell whether an object that `node` found is shown by this view."""
        return isinstance(obj, EnvironmentFlag)
