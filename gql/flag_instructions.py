"""Inputs: the instructions that change a flag's targeting."""

from collections.abc import Callable, Mapping
from functools import partial
from typing import Any

import strawberry

from domain.instructions.flag_targets import EditFlagTargets
from domain.instructions.flags import (
    AddFlagRule,
    AddPrerequisites,
    FlagInstruction,
    RemovePrerequisites,
    ReplaceFlagRules,
    ReplacePrerequisites,
    SetOn,
    UpdateFallthrough,
    UpdateFlagRule,
    UpdateOffVariation,
    UpdateTrackEvents,
    UpdateTrackEventsFallthrough,
)
from domain.instructions.segments import TargetAction
from domain.model.targeting import (
    DEFAULT_CONTEXT_KIND,
    FULL_WEIGHT,
    FlagRule,
    Prerequisite,
    Rollout,
    RolloutKind,
    VariationOrRollout,
    WeightedVariation,
)
from domain.services.edits import NamedInstruction
from gql.rule_edits import (
    CLAUSE_CONVERSIONS,
    RULE_ID,
    ClauseInput,
    RuleInstructionsInput,
    named_instruction,
)
from gql.scalars import Long


@strawberry.input(description="A variation's share of a rollout.")
class WeightedVariationInput:
    """Input for domain.model.targeting.WeightedVariation."""

    variation: int = strawberry.field(description="The place of the variation, from 0.")
    weight: int = strawberry.field(
        description=f"In thousandths of a percent; all of them add up to {FULL_WEIGHT}."
    )
    untracked: bool = strawberry.field(default=False, description="Whether an experiment leaves it out.")


@strawberry.input(description="How to split contexts over variations.")
class RolloutInput:
    """Input for domain.model.targeting.Rollout."""

    variations: list[WeightedVariationInput] = strawberry.field(description="The shares.")
    kind: RolloutKind = strawberry.field(default=RolloutKind.ROLLOUT, description="Whether it measures too.")
    context_kind: str | None = strawberry.field(
        default=None, description="The context kind that is split; null means user."
    )
    bucket_by: str | None = strawberry.field(
        default=None, description="The attribute to split by; null is the key."
    )
    seed: Long | None = strawberry.field(
        default=None, description="What to hash in place of the flag's key and salt."
    )

    def to_domain(self) -> Rollout:
        """Convert to the domain's rollout."""
        return Rollout(
            kind=self.kind,
            variations=tuple(
                WeightedVariation(variation=v.variation, weight=v.weight, untracked=v.untracked)
                for v in self.variations
            ),
            context_kind=self.context_kind or None,
            bucket_by=self.bucket_by or None,
            seed=self.seed,
        )


@strawberry.input(one_of=True, description="What to serve: one variation, or a rollout.")
class ServeInput:
    """Input for domain.model.targeting.VariationOrRollout."""

    variation: strawberry.Maybe[int] = strawberry.field(description="The place of a variation, from 0.")
    rollout: strawberry.Maybe[RolloutInput] = strawberry.field(description="A split over several.")

    def to_domain(self) -> VariationOrRollout:
        """Convert to the domain's choice."""
        if self.rollout is not None:
            return VariationOrRollout(rollout=self.rollout.value.to_domain())
        return VariationOrRollout(variation=self.variation.value if self.variation else None)


@strawberry.input(description="Context keys of one kind that are served one variation.")
class FlagTargetsInput:
    """Input for domain.instructions.flag_targets.EditFlagTargets."""

    variation: int = strawberry.field(description="The place of the variation, from 0.")
    keys: list[str] = strawberry.field(description="The context keys.")
    context_kind: str = strawberry.field(default=DEFAULT_CONTEXT_KIND, description="Their kind.")


@strawberry.input(description="All context keys of one kind that are served one variation.")
class ClearFlagTargetsInput:
    """Input for domain.instructions.flag_targets.EditFlagTargets."""

    variation: int = strawberry.field(description="The place of the variation, from 0.")
    context_kind: str = strawberry.field(default=DEFAULT_CONTEXT_KIND, description="Their kind.")


@strawberry.input(description="A rule, as it is to be.")
class FlagRuleInput:
    """Input for domain.model.targeting.FlagRule."""

    clauses: list[ClauseInput] = strawberry.field(description="The conditions, all of which must hold.")
    serve: ServeInput = strawberry.field(description="What to serve where they do.")
    description: str = strawberry.field(default="", description="Its name or purpose.")
    track_events: bool = strawberry.field(
        default=False, description="Whether clients are to send an event for each evaluation that it decides."
    )

    def rule(self, rule_id: str = "") -> FlagRule:
        """Convert to the domain's rule."""
        return FlagRule(
            id=rule_id,
            description=self.description,
            clauses=tuple(clause.to_domain() for clause in self.clauses),
            serves=self.serve.to_domain(),
            track_events=self.track_events,
        )


@strawberry.input(description="A new rule.")
class AddFlagRuleInput(FlagRuleInput):
    """Input for domain.instructions.flags.AddFlagRule."""

    before_rule_id: str | None = strawberry.field(
        default=None, description=f"The rule to stand before; null means last. {RULE_ID}"
    )

    def to_domain(self) -> AddFlagRule:
        """Convert to the domain's instruction."""
        return AddFlagRule(self.rule(), self.before_rule_id)


@strawberry.input(description="One of the rules that take the place of all.")
class ReplaceFlagRuleInput(FlagRuleInput):
    """Input for domain.instructions.flags.ReplaceFlagRules."""

    rule_id: str | None = strawberry.field(
        default=None, description=f"The rule that it is now, which keeps its id; null makes a new one. {RULE_ID}"
    )

    def to_domain(self) -> FlagRule:
        """Convert to the domain's rule."""
        return self.rule(self.rule_id or "")


@strawberry.input(description="A change of a rule; what is null stays.")
class UpdateFlagRuleInput:
    """Input for domain.instructions.flags.UpdateFlagRule."""

    rule_id: str = strawberry.field(description=RULE_ID)
    description: str | None = strawberry.field(default=None, description="Its new name or purpose.")
    serve: ServeInput | None = strawberry.field(default=None, description="What to serve now.")
    track_events: bool | None = strawberry.field(
        default=None, description="Whether clients are to send an event for each evaluation that it decides."
    )


@strawberry.input(description="What a flag serves when it is off.")
class OffVariationInput:
    """Input for domain.instructions.flags.UpdateOffVariation."""

    variation: int | None = strawberry.field(description="The place of a variation; null is the caller's default.")


@strawberry.input(description="What another flag must serve first.")
class PrerequisiteInput:
    """Input for domain.model.targeting.Prerequisite."""

    key: str = strawberry.field(description="The other flag's key.")
    variation: int = strawberry.field(description="The place of the variation that it must serve.")

    def to_domain(self) -> Prerequisite:
        """Convert to the domain's prerequisite."""
        return Prerequisite(key=self.key, variation=self.variation)


def _targets(action: TargetAction, given: FlagTargetsInput) -> EditFlagTargets:
    return EditFlagTargets(action, given.variation, given.context_kind, given.keys)


_CONVERSIONS: Mapping[str, Callable[[Any], Any]] = {
    "turnOn": partial(SetOn, True),  # noqa: FBT003 - the instruction says which
    "turnOff": partial(SetOn, False),  # noqa: FBT003 - likewise
    "addTargets": partial(_targets, TargetAction.ADD),
    "removeTargets": partial(_targets, TargetAction.REMOVE),
    "replaceTargets": partial(_targets, TargetAction.REPLACE),
    "clearTargets": lambda given: EditFlagTargets(TargetAction.REPLACE, given.variation, given.context_kind, ()),
    "addRule": AddFlagRuleInput.to_domain,
    "replaceRules": lambda given: ReplaceFlagRules([rule.to_domain() for rule in given]),
    "updateRule": lambda given: UpdateFlagRule(
        given.rule_id, given.description, given.serve and given.serve.to_domain(), given.track_events
    ),
    "updateFallthrough": lambda given: UpdateFallthrough(given.to_domain()),
    "updateOffVariation": lambda given: UpdateOffVariation(given.variation),
    "updateTrackEvents": UpdateTrackEvents,
    "updateTrackEventsFallthrough": UpdateTrackEventsFallthrough,
    "addPrerequisites": lambda given: AddPrerequisites([p.to_domain() for p in given]),
    "replacePrerequisites": lambda given: ReplacePrerequisites([p.to_domain() for p in given]),
    "removePrerequisites": RemovePrerequisites,
    **CLAUSE_CONVERSIONS,
}
"""What each field of an instruction means to the domain, by its name in the API."""


@strawberry.input(
    name="FlagInstruction",
    one_of=True,
    description="One change of a flag's targeting. One whose wanted state already holds changes nothing.",
)
class FlagInstructionInput(RuleInstructionsInput):
    """Input for domain.instructions.flags.FlagInstruction."""

    turn_on: strawberry.Maybe[bool] = strawberry.field(description="Turn the flag on; always true.")
    turn_off: strawberry.Maybe[bool] = strawberry.field(description="Turn the flag off; always true.")
    add_targets: strawberry.Maybe[FlagTargetsInput] = strawberry.field(description="Add individual targets.")
    remove_targets: strawberry.Maybe[FlagTargetsInput] = strawberry.field(description="Remove individual targets.")
    replace_targets: strawberry.Maybe[FlagTargetsInput] = strawberry.field(
        description="Replace all individual targets of the kind and variation."
    )
    clear_targets: strawberry.Maybe[ClearFlagTargetsInput] = strawberry.field(
        description="Remove all individual targets of the kind and variation."
    )
    add_rule: strawberry.Maybe[AddFlagRuleInput] = strawberry.field(description="Add a rule.")
    replace_rules: strawberry.Maybe[list[ReplaceFlagRuleInput]] = strawberry.field(
        description="Replace all rules, by these in their order."
    )
    update_rule: strawberry.Maybe[UpdateFlagRuleInput] = strawberry.field(description="Change a rule.")
    update_fallthrough: strawberry.Maybe[ServeInput] = strawberry.field(
        description="Change what is served when nothing else matches."
    )
    update_off_variation: strawberry.Maybe[OffVariationInput] = strawberry.field(
        description="Change what is served when the flag is off."
    )
    update_track_events: strawberry.Maybe[bool] = strawberry.field(
        description="Whether clients are to send an event for each evaluation."
    )
    update_track_events_fallthrough: strawberry.Maybe[bool] = strawberry.field(
        description="Whether clients are to send an event for each evaluation that the fallthrough decides."
    )
    add_prerequisites: strawberry.Maybe[list[PrerequisiteInput]] = strawberry.field(
        description="Add prerequisites; one on the same flag takes the other's place."
    )
    replace_prerequisites: strawberry.Maybe[list[PrerequisiteInput]] = strawberry.field(
        description="Replace all prerequisites; of several on one flag the last holds."
    )
    remove_prerequisites: strawberry.Maybe[list[str]] = strawberry.field(
        description="Remove prerequisites, by the flags' keys."
    )

    def to_domain(self) -> NamedInstruction[FlagInstruction]:
        """Convert the one field that is set."""
        return NamedInstruction(*named_instruction(self, _CONVERSIONS))
