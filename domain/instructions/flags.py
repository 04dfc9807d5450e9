"""Instructions for a flag's targeting in one environment (LaunchDarkly semantics 3.2)."""

import secrets
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import TypeAlias

from domain.errors import InputPath, InvalidInputError, Violation, quoted
from domain.instructions.clauses import (
    EditScope,
    check_clauses,
    check_variation,
    refusal,
    variation_violations,
)
from domain.instructions.details import description_violations
from domain.instructions.flag_targets import EditFlagTargets
from domain.instructions.limits import (
    PREREQUISITES_LIMIT,
    RULES_LIMIT,
    VARIATIONS_LIMIT,
    too_many,
)
from domain.instructions.rules import (
    AddClauses,
    AddValues,
    RemoveClauses,
    RemoveRules,
    RemoveValues,
    ReorderRules,
    UpdateClause,
    change_rule,
    no_such_rule,
    rule_names,
    with_rule,
)
from domain.model.attribute_references import parse_attribute
from domain.model.contexts import is_context_kind
from domain.model.targeting import (
    FULL_WEIGHT,
    FlagRule,
    Prerequisite,
    Targeting,
    VariationOrRollout,
)


@dataclass(frozen=True, slots=True)
class SetOn:
    """Turn targeting on or off.

    Attributes:
        on: Whether it is to be on.
        wanted: False is refused: not to turn it on might mean to turn it off, or to leave it.
    """

    on: bool
    wanted: bool

    def apply(self, targeting: Targeting, _scope: EditScope) -> Targeting:
        """Return the targeting, on or off."""
        if not self.wanted:
            raise refusal(
                (), f"is true; turn the flag {'off' if self.on else 'on'} by the instruction of that name"
            )
        return replace(targeting, on=self.on)


@dataclass(frozen=True, slots=True)
class AddFlagRule:
    """Add a rule, last or before another."""

    rule: FlagRule
    before_rule: str | None = None

    def apply(self, targeting: Targeting, scope: EditScope) -> Targeting:
        """Return the targeting with the rule, which gets an id."""
        if found := rule_violations(self.rule, scope, ()):
            raise InvalidInputError(found)
        return with_rule(targeting, self.rule, self.before_rule)


@dataclass(frozen=True, slots=True)
class ReplaceFlagRules:
    """Replace all rules. One whose id is the name of a rule there is (see `rule_names`) keeps that one's id."""

    rules: Sequence[FlagRule]

    def apply(self, targeting: Targeting, scope: EditScope) -> Targeting:
        """Return the targeting with the rules, in the order given."""
        count, before = len(self.rules), len(targeting.rules)
        if found := too_many("rules", count, RULES_LIMIT, (), before=before):
            raise InvalidInputError(found)
        ids = dict(zip(rule_names(targeting), (rule.id for rule in targeting.rules), strict=True))
        found = [
            violation
            for index, rule in enumerate(self.rules)
            for violation in rule_violations(rule, scope, (index,))
        ]
        named = [rule.id for rule in self.rules]
        found += [
            Violation(
                (index, "ruleId"),
                no_such_rule(targeting, name) if name not in ids else f"{quoted(name)} stands twice",
            )
            for index, name in enumerate(named)
            if name and (name not in ids or name in named[:index])
        ]
        if found:
            raise InvalidInputError(found)
        rules = [replace(rule, id=ids[rule.id] if rule.id else secrets.token_hex(8)) for rule in self.rules]
        return replace(targeting, rules=tuple(rules))


@dataclass(frozen=True, slots=True)
class UpdateFlagRule:
    """Change a rule's description, what it serves, or whether it tracks events; what is None stays."""

    rule: str
    description: str | None = None
    serves: VariationOrRollout | None = None
    track_events: bool | None = None

    def apply(self, targeting: Targeting, scope: EditScope) -> Targeting:
        """Return the targeting with the rule changed."""
        found = description_violations(self.description or "", ("description",))
        found += check_serves(self.serves, scope, ("serve",)) if self.serves else []
        if found:
            raise InvalidInputError(found)

        def change(rule: FlagRule) -> FlagRule:
            return replace(
                rule,
                description=rule.description if self.description is None else self.description,
                serves=self.serves or rule.serves,
                track_events=rule.track_events if self.track_events is None else self.track_events,
            )

        return change_rule(targeting, self.rule, change)


@dataclass(frozen=True, slots=True)
class UpdateFallthrough:
    """Change what is served when nothing else matches."""

    serves: VariationOrRollout

    def apply(self, targeting: Targeting, scope: EditScope) -> Targeting:
        """Return the targeting with the default rule."""
        if found := check_serves(self.serves, scope, ()):
            raise InvalidInputError(found)
        return replace(targeting, fallthrough=self.serves)


@dataclass(frozen=True, slots=True)
class UpdateOffVariation:
    """Change what is served when off; None is the caller's default."""

    variation: int | None

    def apply(self, targeting: Targeting, scope: EditScope) -> Targeting:
        """Return the targeting with the off variation."""
        if self.variation is not None:
            check_variation(self.variation, scope, ("variation",))
        return replace(targeting, off_variation=self.variation)


@dataclass(frozen=True, slots=True)
class UpdateTrackEvents:
    """Say whether clients are to send an event for each evaluation."""

    track_events: bool

    def apply(self, targeting: Targeting, _scope: EditScope) -> Targeting:
        """Return the targeting, tracked or not."""
        return replace(targeting, track_events=self.track_events)


@dataclass(frozen=True, slots=True)
class UpdateTrackEventsFallthrough:
    """Say whether clients are to send an event for each evaluation that the fallthrough decides."""

    track_events: bool

    def apply(self, targeting: Targeting, _scope: EditScope) -> Targeting:
        """Return the targeting, its fallthrough tracked or not."""
        return replace(targeting, track_events_fallthrough=self.track_events)


@dataclass(frozen=True, slots=True)
class AddPrerequisites:
    """Add prerequisites; one on a flag that is one already takes its place."""

    prerequisites: Sequence[Prerequisite]

    def apply(self, targeting: Targeting, _scope: EditScope) -> Targeting:
        """Return the targeting with the prerequisites."""
        return _with_prerequisites(targeting, (*targeting.prerequisites, *self.prerequisites))


@dataclass(frozen=True, slots=True)
class ReplacePrerequisites:
    """Replace all prerequisites; of several on one flag the last holds."""

    prerequisites: Sequence[Prerequisite]

    def apply(self, targeting: Targeting, _scope: EditScope) -> Targeting:
        """Return the targeting with these prerequisites only."""
        return _with_prerequisites(targeting, self.prerequisites)


@dataclass(frozen=True, slots=True)
class RemovePrerequisites:
    """Remove prerequisites, by flag; those that are not there do not matter."""

    keys: Sequence[str]

    def apply(self, targeting: Targeting, _scope: EditScope) -> Targeting:
        """Return the targeting without the prerequisites."""
        removed = set(self.keys)
        return replace(targeting, prerequisites=tuple(p for p in targeting.prerequisites if p.key not in removed))


FlagInstruction: TypeAlias = (
    SetOn
    | EditFlagTargets
    | AddFlagRule
    | ReplaceFlagRules
    | RemoveRules
    | ReorderRules
    | UpdateFlagRule
    | AddClauses
    | RemoveClauses
    | UpdateClause
    | AddValues
    | RemoveValues
    | UpdateFallthrough
    | UpdateOffVariation
    | UpdateTrackEvents
    | UpdateTrackEventsFallthrough
    | AddPrerequisites
    | ReplacePrerequisites
    | RemovePrerequisites
)


def _with_prerequisites(targeting: Targeting, prerequisites: Sequence[Prerequisite]) -> Targeting:
    """Return the targeting with prerequisites, of which the last on each flag holds."""
    by_key = {prerequisite.key: prerequisite for prerequisite in prerequisites}
    before = len(targeting.prerequisites)
    if found := too_many("prerequisites", len(by_key), PREREQUISITES_LIMIT, (), before=before):
        raise InvalidInputError(found)
    return replace(targeting, prerequisites=tuple(by_key.values()))


def rule_violations(rule: FlagRule, scope: EditScope, path: InputPath) -> list[Violation]:
    """Return everything that is wrong with a rule that is to be written."""
    found = description_violations(rule.description, (*path, "description"))
    found += check_clauses(rule.clauses, scope, (*path, "clauses"))
    if not rule.clauses:
        found.append(Violation((*path, "clauses"), "a rule needs at least one clause"))
    return found + check_serves(rule.serves, scope, (*path, "serve"))


def check_serves(serves: VariationOrRollout, scope: EditScope, path: InputPath) -> list[Violation]:
    """Return everything that is wrong with what a rule or the default rule is to serve."""
    if serves.variation is not None:
        return variation_violations(serves.variation, scope, (*path, "variation"))
    rollout = serves.rollout
    if rollout is None:
        return [Violation(path, "needs a variation or a rollout")]
    place = (*path, "rollout")
    shares = len(rollout.variations)
    found = too_many("shares", shares, VARIATIONS_LIMIT, (*place, "variations")) or [
        violation
        for index, share in enumerate(rollout.variations)
        for violation in variation_violations(share.variation, scope, (*place, "variations", index, "variation"))
    ]
    found += [
        Violation((*place, "variations", index, "weight"), "is negative")
        for index, share in enumerate(rollout.variations)
        if share.weight < 0
    ]
    if (total := sum(share.weight for share in rollout.variations)) != FULL_WEIGHT:
        found.append(Violation((*place, "variations"), f"the weights add up to {total}, not to {FULL_WEIGHT}"))
    if rollout.context_kind is not None and not is_context_kind(rollout.context_kind):
        found.append(Violation((*place, "contextKind"), "is not a context kind"))
    if rollout.bucket_by is not None and parse_attribute(rollout.bucket_by, rollout.context_kind) is None:
        found.append(Violation((*place, "bucketBy"), "is not an attribute or a reference to one"))
    return found
