"""The instruction for a flag's individual targets, which stand in two lists (LaunchDarkly semantics 2.2)."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import TypeAlias

from domain.errors import InvalidInputError, Violation, quoted
from domain.instructions.clauses import EditScope, variation_violations
from domain.instructions.segments import TargetAction, takes_away, target_violations
from domain.model.targeting import DEFAULT_CONTEXT_KIND, Target, Targeting


@dataclass(frozen=True, slots=True)
class EditFlagTargets:
    """Add, remove or replace the keys of one context kind that are served one variation."""

    action: TargetAction
    variation: int
    context_kind: str
    keys: Sequence[str]

    def apply(self, targeting: Targeting, scope: EditScope) -> Targeting:
        """Return the targeting with the keys; one that another variation has is refused."""
        targets = _ordered(targeting)
        place = (self.context_kind, self.variation)
        before = dict.fromkeys(targets.get(place, ()))
        is_leaving = bool(before) and takes_away(self.action, self.keys)
        found = [] if is_leaving else variation_violations(self.variation, scope, ("variation",))
        if found := found + target_violations(self.action, self.context_kind, self.keys, before):
            raise InvalidInputError(found)
        if self.action is TargetAction.REMOVE:
            removed = set(self.keys)
            after = [key for key in before if key not in removed]
        else:
            kept = before if self.action is TargetAction.ADD else {}
            after = list(kept | dict.fromkeys(self.keys))
        others = {
            key: variation
            for (kind, variation), keys in targets.items()
            if kind == self.context_kind and variation != self.variation
            for key in keys
        }
        found = [
            Violation(("keys", index), f"{quoted(key)} is targeted by variation {others[key]} already")
            for index, key in enumerate(self.keys)
            if self.action is not TargetAction.REMOVE and key in others and key not in before
        ]
        if found:
            raise InvalidInputError(found)
        if after == list(before):
            return targeting
        return _with_targets(targeting, targets | {place: tuple(after)})


_Targets: TypeAlias = dict[tuple[str, int], tuple[str, ...]]
"""Keys by context kind and variation, in the order they are tried."""


def _ordered(targeting: Targeting) -> _Targets:
    """Read both lists of targets as one, as evaluation does (semantics 2.2): the first place of a key holds."""
    found: dict[tuple[str, int], dict[str, None]] = {}
    seen: set[tuple[str, str]] = set()
    for target in targeting.ordered_targets:
        kind = target.context_kind or DEFAULT_CONTEXT_KIND
        place = found.setdefault((kind, target.variation), {})
        place.update({key: None for key in target.values if (kind, key) not in seen})
        seen.update((kind, key) for key in target.values)
    return {place: tuple(keys) for place, keys in found.items()}


def _with_targets(targeting: Targeting, targets: _Targets) -> Targeting:
    """Write targets as LaunchDarkly does: users in a list of their own, with placeholders where kinds mix."""
    users = [
        Target(variation=variation, values=keys)
        for (kind, variation), keys in targets.items()
        if kind == DEFAULT_CONTEXT_KIND and keys
    ]
    if not any(keys for (kind, _), keys in targets.items() if kind != DEFAULT_CONTEXT_KIND):
        return replace(targeting, targets=tuple(users), context_targets=())
    if targeting.context_targets:
        # Users that no placeholder makes count stay as they are.
        users += [t for t in targeting.targets if (DEFAULT_CONTEXT_KIND, t.variation) not in targets]
    contexts = [
        Target(
            variation=variation,
            values=() if kind == DEFAULT_CONTEXT_KIND else keys,
            context_kind=kind,
        )
        for (kind, variation), keys in targets.items()
        # An empty entry for users keeps their place in the order.
        if keys or kind == DEFAULT_CONTEXT_KIND
    ]
    return replace(targeting, targets=tuple(users), context_targets=tuple(contexts))
