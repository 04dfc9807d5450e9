"""What the removal of a variation means for targetings: who keeps it from going, and whose indexes shift."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import TypeVar

from domain.instructions.rules import rule_names
from domain.model.flags import ChosenDefaults, Flag
from domain.model.targeting import Rollout, Target, Targeting, VariationOrRollout

Numbered = TypeVar("Numbered", Flag, Targeting)
"""What names variations by their places."""


@dataclass(frozen=True, slots=True, kw_only=True)
class VariationRemoval:
    """Variations of a flag that go, one after the other.

    Attributes:
        key: The flag's key.
        indexes: The place of each, as it is when it goes.
        stayed: The places, before, of those that are still there, in their order; None if none was to go.
    """

    key: str = ""
    indexes: tuple[int, ...] = ()
    stayed: tuple[int, ...] | None = None

    @property
    def summary(self) -> dict[str, object]:
        """What the audit log says of it: the new places of variations, by their old ones, where they differ."""
        moves = {str(old): new for new, old in enumerate(self.stayed or ()) if old != new}
        return {"renumbered": moves} if moves else {}

    def renumbered(self, thing: Numbered) -> Numbered:
        """Return what names the variations by their new places; those that a flag has are the same."""
        for index in self.indexes:
            if isinstance(thing, Targeting):
                thing = without_variation(thing, self.key, index)
            else:
                thing = replace(thing, defaults=shifted_defaults(thing.defaults, index))
        return thing


def variation_users(targeting: Targeting, key: str, index: int) -> list[tuple[str, str]]:
    """Return what in a targeting names a variation of the flag `key`, each place with its kind and key.

    A place's key is its flag's, `flag/rule` that of a rule.

    A share of weight 0 counts, and so does what stands in reserve: it would serve the variation one edit later.
    """
    users = [
        ("prerequisite", targeting.flag_key)
        for prerequisite in targeting.prerequisites
        if (prerequisite.key, prerequisite.variation) == (key, index)
    ]
    if targeting.flag_key != key:
        return users
    if targeting.off_variation == index:
        users.append(("offVariation", key))
    if index in targeting.fallthrough.places:
        users.append(("fallthrough", key))
    if _targets_name(targeting, index):
        users.append(("targets", key))
    users += [
        ("rule", f"{key}/{name}")
        for name, rule in zip(rule_names(targeting), targeting.rules, strict=True)
        if index in rule.serves.places
    ]
    return users


def without_variation(targeting: Targeting, key: str, index: int) -> Targeting:
    """Return a targeting in which nothing names a variation of the flag `key`: the places above it shift down."""
    shifted = replace(
        targeting,
        prerequisites=tuple(
            replace(prerequisite, variation=_shifted(prerequisite.variation, index))
            if prerequisite.key == key
            else prerequisite
            for prerequisite in targeting.prerequisites
        ),
    )
    if targeting.flag_key != key:
        return shifted
    off = targeting.off_variation
    return replace(
        shifted,
        off_variation=None if off is None else _shifted(off, index),
        fallthrough=_serves(targeting.fallthrough, index),
        targets=_targets(targeting.targets, index),
        context_targets=_targets(targeting.context_targets, index),
        rules=tuple(replace(rule, serves=_serves(rule.serves, index)) for rule in targeting.rules),
    )


def shifted_defaults(defaults: ChosenDefaults, removed: int) -> ChosenDefaults:
    """Return default variations that name the same ones when one goes: the places above it shift down."""
    on, off = (
        None if place is None else _shifted(place, removed)
        for place in (defaults.on_variation, defaults.off_variation)
    )
    return ChosenDefaults(on_variation=on, off_variation=off)


def _targets_name(targeting: Targeting, index: int) -> bool:
    """Tell whether keys are served the variation.

    Empty entries serve nobody, but without any `targets` that do not count would begin to (semantics 2.2).
    """
    contexts = targeting.context_targets
    return any(target.values and target.variation == index for target in (*targeting.targets, *contexts)) or (
        bool(targeting.targets and contexts) and all(target.variation == index for target in contexts)
    )


def _shifted(variation: int, removed: int) -> int:
    return variation - 1 if variation > removed else variation


def _serves(serves: VariationOrRollout, removed: int) -> VariationOrRollout:
    variation = serves.variation
    return VariationOrRollout(
        variation=None if variation is None else _shifted(variation, removed),
        rollout=None if serves.rollout is None else _rollout(serves.rollout, removed),
    )


def _rollout(rollout: Rollout, removed: int) -> Rollout:
    shares = (replace(share, variation=_shifted(share.variation, removed)) for share in rollout.variations)
    return replace(rollout, variations=tuple(shares))


def _targets(targets: Sequence[Target], removed: int) -> tuple[Target, ...]:
    """Shift targets; an empty entry of the variation has nothing left to give order to."""
    return tuple(
        replace(target, variation=_shifted(target.variation, removed))
        for target in targets
        if target.variation != removed
    )
