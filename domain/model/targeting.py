"""What decides who gets which variation: clauses, rules, rollouts, targets (LaunchDarkly semantics 1.1).

An absent context kind is None and stays None: it makes an attribute a literal name, while "user" makes it an
attribute reference (LaunchDarkly semantics 1.1).
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from enum import Enum

from domain.json import Json
from domain.keys import EnvironmentRef

DEFAULT_CONTEXT_KIND = "user"
FULL_WEIGHT = 100_000
"""Weights are thousandths of a percent: this many are everybody."""


class RolloutKind(Enum):
    """Whether a rollout only splits, or measures too."""

    ROLLOUT = "rollout"
    EXPERIMENT = "experiment"


@dataclass(frozen=True, slots=True, kw_only=True)
class Clause:
    """One condition on a context. `op` may be unknown: such a clause never matches (semantics 2.3)."""

    op: str
    attribute: str = ""
    values: tuple[Json, ...] = ()
    negate: bool = False
    context_kind: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class WeightedVariation:
    """A rollout's share: `weight` in thousandths of a percent, negative ones included (semantics 1.1)."""

    variation: int
    weight: int
    untracked: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Rollout:
    """A split of contexts over variations by a hash. `variations` may be empty: malformed when reached."""

    kind: RolloutKind = RolloutKind.ROLLOUT
    variations: tuple[WeightedVariation, ...] = ()
    context_kind: str | None = None
    bucket_by: str | None = None
    seed: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class VariationOrRollout:
    """What a rule or the fallthrough serves; `variation` wins; neither is malformed when reached."""

    variation: int | None = None
    rollout: Rollout | None = None

    @property
    def places(self) -> frozenset[int]:
        """The places of all variations that it names, those that it does not serve to anybody too."""
        alone = () if self.variation is None else (self.variation,)
        shares = self.rollout.variations if self.rollout else ()
        return frozenset((*alone, *(share.variation for share in shares)))

    @property
    def shares(self) -> list[WeightedVariation]:
        """The variations, each once, with the weight that each is truly served (semantics 2.6).

        Weights need not add up: nobody is left beyond all the weight, and the last share gets who is before. What
        one of its shares tracks is tracked.
        """
        if self.variation is not None:
            return [WeightedVariation(variation=self.variation, weight=FULL_WEIGHT)]
        shares = self.rollout.variations if self.rollout else ()
        served: dict[int, WeightedVariation] = {}
        total = begin = 0
        for place, share in enumerate(shares, 1):
            total += share.weight
            end = FULL_WEIGHT if place == len(shares) else min(total, FULL_WEIGHT)
            known = served.get(share.variation)
            weight = max(0, end - begin) + (known.weight if known else 0)
            untracked = share.untracked and (known is None or known.untracked)
            served[share.variation] = replace(share, weight=weight, untracked=untracked)
            begin = max(begin, end)
        return list(served.values())

    @property
    def split(self) -> Rollout | None:
        """How contexts are split; None where one variation is served."""
        return self.rollout if self.variation is None else None


@dataclass(frozen=True, slots=True, kw_only=True)
class Prerequisite:
    """A flag that must serve the variation with this index before another flag's targeting applies."""

    key: str
    variation: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Target:
    """Context keys that are served one variation. An empty `user` entry gives order (semantics 2.2)."""

    variation: int
    values: tuple[str, ...] = ()
    context_kind: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class FlagRule:
    """ANDed clauses and what they serve; the first rule that matches wins."""

    id: str = ""
    description: str = ""
    clauses: tuple[Clause, ...] = ()
    serves: VariationOrRollout = VariationOrRollout()
    track_events: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Migration:
    """Marks a migration flag; the ratio of consistency checks, one in `check_ratio`."""

    check_ratio: int | None = None


@dataclass(frozen=True, slots=True)
class Variation:
    """One of the values that a flag can serve."""

    value: Json
    name: str = ""
    description: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class ClientSideAvailability:
    """Which kinds of client SDK may see a flag."""

    using_environment_id: bool = False
    using_mobile_key: bool = True


@dataclass(frozen=True, slots=True, kw_only=True)
class Targeting:
    """How one environment targets a flag. Its existence is the flag's existence in that environment.

    Attributes:
        version: Grows with every change to this targeting.
        variations: The variations that hold here although the flag's own differ (an import into one
            environment never changes what another serves); None where the flag's own hold.
        client_side_availability: Likewise.
        debug_events_until_ms: Epoch milliseconds.
    """

    environment: EnvironmentRef
    flag_key: str
    version: int = 1
    on: bool = False
    prerequisites: tuple[Prerequisite, ...] = ()
    targets: tuple[Target, ...] = ()
    context_targets: tuple[Target, ...] = ()
    rules: tuple[FlagRule, ...] = ()
    fallthrough: VariationOrRollout = VariationOrRollout()
    off_variation: int | None = None
    salt: str = ""
    track_events: bool = False
    track_events_fallthrough: bool = False
    debug_events_until_ms: int | None = None
    sampling_ratio: int | None = None
    exclude_from_summaries: bool = False
    migration: Migration | None = None
    variations: tuple[Variation, ...] | None = None
    client_side_availability: ClientSideAvailability | None = None

    @property
    def id(self) -> str:
        """Identify the targeting: `project/environment/flag`."""
        return f"{self.environment}/{self.flag_key}"

    @property
    def scope(self) -> str:
        """Name what it is listed under: its environment."""
        return str(self.environment)

    @property
    def ordered_targets(self) -> Sequence[Target]:
        """The targets in the order they are tried (LaunchDarkly semantics 2.2).

        An empty one of kind user stands for the first of `targets` with its variation.
        """
        if not self.context_targets:
            return self.targets
        users: dict[int, Target] = {}
        for target in self.targets:
            users.setdefault(target.variation, target)
        return [
            users.get(target.variation, target)
            if (target.context_kind or DEFAULT_CONTEXT_KIND) == DEFAULT_CONTEXT_KIND and not target.values
            else target
            for target in self.context_targets
        ]

    @property
    def target_count(self) -> int:
        """The number of individual targets."""
        return sum(len(target.values) for target in (*self.targets, *self.context_targets))
