"""Inputs: the instructions that change a segment."""

from collections.abc import Callable
from datetime import datetime
from functools import partial
from typing import Any

import strawberry

from domain.clock import epoch_ms
from domain.instructions.details import AddTags, RemoveTags, UpdateDescription, UpdateName
from domain.instructions.segments import (
    AddRule,
    CancelRemoval,
    EditTargets,
    ScheduleRemoval,
    SegmentInstruction,
    TargetAction,
    UpdateRule,
)
from domain.model.segments import SegmentRule
from domain.model.targeting import DEFAULT_CONTEXT_KIND
from domain.services.edits import NamedInstruction
from gql.moments import epoch_ms_or_none
from gql.rule_edits import (
    CLAUSE_CONVERSIONS,
    RULE_ID,
    ClauseInput,
    RuleInstructionsInput,
    named_instruction,
)
from gql.targeting import TargetList


@strawberry.input(description="Individual targets of one context kind.")
class SegmentTargetsInput:
    """Input for domain.instructions.segments.EditTargets."""

    keys: list[str] = strawberry.field(description="The context keys.")
    list: TargetList = strawberry.field(description="Which list.")
    context_kind: str = strawberry.field(default=DEFAULT_CONTEXT_KIND, description="Their kind.")


@strawberry.input(description="Individual targets to add or to put in place of those that are there.")
class AddSegmentTargetsInput(SegmentTargetsInput):
    """Input for domain.instructions.segments.EditTargets."""

    remove_at: datetime | None = strawberry.field(
        default=None,
        description="When to remove them again; null leaves what is scheduled for those that are targets already.",
    )


@strawberry.input(description="When individual targets of one context kind are to be removed.")
class ScheduleSegmentRemovalInput(SegmentTargetsInput):
    """Input for domain.instructions.segments.ScheduleRemoval."""

    remove_at: datetime = strawberry.field(
        description="The moment from which on they are no targets any more, to the millisecond."
    )


@strawberry.input(description="All individual targets of one context kind.")
class ClearSegmentTargetsInput:
    """Input for domain.instructions.segments.EditTargets."""

    list: TargetList = strawberry.field(description="Which list.")
    context_kind: str = strawberry.field(default=DEFAULT_CONTEXT_KIND, description="Their kind.")


@strawberry.input(description="The share of the contexts that match a rule.")
class SegmentRolloutInput:
    """Input for the share of domain.model.segments.SegmentRule."""

    weight: int | None = strawberry.field(
        default=None, description="In thousandths of a percent; null takes all of them."
    )
    context_kind: str | None = strawberry.field(
        default=None, description="The context kind the share is taken of; null means user."
    )
    bucket_by: str | None = strawberry.field(
        default=None, description="The attribute the share is taken by; null is the key."
    )

    def to_domain(self) -> SegmentRule:
        """Convert to a rule that has the share only."""
        return SegmentRule(
            weight=self.weight,
            bucket_by=self.bucket_by or None,
            rollout_context_kind=self.context_kind or None,
        )


@strawberry.input(description="A new rule.")
class AddSegmentRuleInput:
    """Input for domain.instructions.segments.AddRule."""

    clauses: list[ClauseInput] = strawberry.field(description="The conditions, all of which must hold.")
    description: str = strawberry.field(default="", description="Its name or purpose.")
    rollout: SegmentRolloutInput | None = strawberry.field(
        default=None, description="The share of those that match; null takes all of them."
    )
    before_rule_id: str | None = strawberry.field(
        default=None, description=f"The rule to stand before; null means last. {RULE_ID}"
    )

    def to_domain(self) -> AddRule:
        """Convert to the domain's instruction."""
        share = self.rollout.to_domain() if self.rollout else SegmentRule()
        rule = SegmentRule(
            description=self.description,
            clauses=tuple(clause.to_domain() for clause in self.clauses),
            weight=share.weight,
            bucket_by=share.bucket_by,
            rollout_context_kind=share.rollout_context_kind,
        )
        return AddRule(rule, self.before_rule_id)


@strawberry.input(description="A change of a rule; what is null stays.")
class UpdateSegmentRuleInput:
    """Input for domain.instructions.segments.UpdateRule."""

    rule_id: str = strawberry.field(description=RULE_ID)
    description: str | None = strawberry.field(default=None, description="Its new name or purpose.")
    rollout: SegmentRolloutInput | None = strawberry.field(
        default=None, description="The new share of those that match, as a whole: what it leaves out becomes null."
    )


def _targets(action: TargetAction, given: SegmentTargetsInput) -> EditTargets:
    remove_at = given.remove_at if isinstance(given, AddSegmentTargetsInput) else None
    return EditTargets(action, given.list, given.context_kind, given.keys, epoch_ms_or_none(remove_at))


def _schedule(given: ScheduleSegmentRemovalInput) -> ScheduleRemoval:
    return ScheduleRemoval(given.list, given.context_kind, given.keys, epoch_ms(given.remove_at))


_CONVERSIONS: dict[str, Callable[[Any], SegmentInstruction]] = {
    "updateName": UpdateName,
    "updateDescription": UpdateDescription,
    "addTags": AddTags,
    "removeTags": RemoveTags,
    "addTargets": partial(_targets, TargetAction.ADD),
    "removeTargets": partial(_targets, TargetAction.REMOVE),
    "replaceTargets": partial(_targets, TargetAction.REPLACE),
    "clearTargets": lambda given: EditTargets(TargetAction.REPLACE, given.list, given.context_kind, ()),
    "scheduleRemoval": _schedule,
    "cancelRemoval": lambda given: CancelRemoval(given.list, given.context_kind, given.keys),
    "addRule": AddSegmentRuleInput.to_domain,
    "updateRule": lambda given: UpdateRule(
        given.rule_id, given.description, given.rollout and given.rollout.to_domain()
    ),
    **CLAUSE_CONVERSIONS,
}
"""What each field of an instruction means to the domain, by its name in the API."""


@strawberry.input(
    name="SegmentInstruction",
    one_of=True,
    description="One change of a segment. One whose wanted state already holds succeeds and changes nothing.",
)
class SegmentInstructionInput(RuleInstructionsInput):
    """Input for domain.instructions.segments.SegmentInstruction."""

    update_name: strawberry.Maybe[str] = strawberry.field(description="Give it another name.")
    update_description: strawberry.Maybe[str] = strawberry.field(description="Give it another description.")
    add_tags: strawberry.Maybe[list[str]] = strawberry.field(description="Add tags.")
    remove_tags: strawberry.Maybe[list[str]] = strawberry.field(description="Remove tags.")
    add_targets: strawberry.Maybe[AddSegmentTargetsInput] = strawberry.field(description="Add individual targets.")
    remove_targets: strawberry.Maybe[SegmentTargetsInput] = strawberry.field(
        description="Remove individual targets."
    )
    replace_targets: strawberry.Maybe[AddSegmentTargetsInput] = strawberry.field(
        description="Replace all individual targets of the kind."
    )
    clear_targets: strawberry.Maybe[ClearSegmentTargetsInput] = strawberry.field(
        description="Remove all individual targets of the kind."
    )
    schedule_removal: strawberry.Maybe[ScheduleSegmentRemovalInput] = strawberry.field(
        description="Let individual targets be removed at a moment; a moment that was set before gives way."
    )
    cancel_removal: strawberry.Maybe[SegmentTargetsInput] = strawberry.field(
        description="Let individual targets stay that were to be removed."
    )
    add_rule: strawberry.Maybe[AddSegmentRuleInput] = strawberry.field(description="Add a rule.")
    update_rule: strawberry.Maybe[UpdateSegmentRuleInput] = strawberry.field(description="Change a rule.")

    def to_domain(self) -> NamedInstruction[SegmentInstruction]:
        """Convert the one field that is set."""
        return NamedInstruction(*named_instruction(self, _CONVERSIONS))
