"""Flags: what a project knows of one, and the flag as one environment sees it."""

from dataclasses import dataclass
from functools import cached_property

from domain.json import Json
from domain.keys import EnvironmentRef
from domain.model.targeting import (
    Clause,
    ClientSideAvailability,
    FlagRule,
    Prerequisite,
    Rollout,
    Target,
    Targeting,
    Variation,
    VariationOrRollout,
)


@dataclass(frozen=True, slots=True)
class DefaultVariations:
    """What a flag begins with in an environment where it is new: the places of two of its variations.

    Attributes:
        on_variation: What its fallthrough serves.
        off_variation: What it serves when off.
    """

    on_variation: int
    off_variation: int


@dataclass(frozen=True, slots=True, kw_only=True)
class ChosenDefaults:
    """The default variations that somebody chose, by their places.

    Attributes:
        on_variation: None if nobody did: it is the first variation, whichever that is.
        off_variation: Likewise, the last one.
    """

    on_variation: int | None = None
    off_variation: int | None = None

    def among(self, count: int) -> "ChosenDefaults":
        """Return those that are there among so many variations."""
        on, off = (
            None if place is None or place >= count else place for place in (self.on_variation, self.off_variation)
        )
        return ChosenDefaults(on_variation=on, off_variation=off)


@dataclass(frozen=True, slots=True, kw_only=True)
class Flag:
    """What is true of a flag in every environment of its project.

    Attributes:
        defaults: What it begins with in environments where it is new, as far as that was chosen.
        archived: An archived flag evaluates as an unknown one.
        deprecated: It evaluates as before, but is not to be used any more.
    """

    project: str
    key: str
    version: int = 1
    name: str = ""
    description: str = ""
    tags: tuple[str, ...] = ()
    variations: tuple[Variation, ...] = ()
    defaults: ChosenDefaults = ChosenDefaults()
    temporary: bool = False
    client_side_availability: ClientSideAvailability = ClientSideAvailability()
    archived: bool = False
    deprecated: bool = False

    @property
    def id(self) -> str:
        """Identify the flag: `project/flag`."""
        return f"{self.project}/{self.key}"

    @property
    def scope(self) -> str:
        """Name what it is listed under: its project."""
        return self.project

    @property
    def default_variations(self) -> DefaultVariations:
        """What it begins with in environments where it is new: if nobody chose, the first and the last one."""
        on, off = self.defaults.on_variation, self.defaults.off_variation
        last = max(len(self.variations) - 1, 0)
        return DefaultVariations(0 if on is None else on, last if off is None else off)


@dataclass(frozen=True, slots=True)
class IndexedVariation:
    """A variation with its place among the flag's variations, counted from 0."""

    index: int
    value: Json
    name: str
    description: str


@dataclass(frozen=True, slots=True)
class ServedVariation:
    """A variation with its share of those it is served to, in thousandths of a percent; 100000 is everyone.

    Attributes:
        untracked: Whether an experiment leaves it out.
    """

    variation: IndexedVariation
    weight: int
    untracked: bool = False


@dataclass(frozen=True, slots=True)
class ServingRule:
    """A rule of a flag, with what it serves resolved to variations.

    Attributes:
        index: Its place among the flag's rules, counted from 0.
        serves: Empty where the rule serves nothing that exists.
    """

    index: int
    rule: FlagRule
    serves: tuple[ServedVariation, ...]

    @property
    def id(self) -> str:
        """The rule's id; "" if it has none."""
        return self.rule.id

    @property
    def description(self) -> str:
        """The rule's name or purpose."""
        return self.rule.description

    @property
    def clauses(self) -> tuple[Clause, ...]:
        """The conditions, all of which must hold."""
        return self.rule.clauses

    @property
    def track_events(self) -> bool:
        """Whether clients are to send an event for each evaluation that the rule decides."""
        return self.rule.track_events

    @property
    def rollout(self) -> Rollout | None:
        """How contexts are split, where the rule serves several variations."""
        return self.rule.serves.split


@dataclass(frozen=True)  # without slots, to keep what is computed once
class EnvironmentFlag:
    """A flag as one environment sees it: the project's flag joined with its targeting there."""

    flag: Flag
    targeting: Targeting

    @property
    def id(self) -> str:
        """Identify it: `project/environment/flag`."""
        return self.targeting.id

    @property
    def environment(self) -> EnvironmentRef:
        """The environment that sees it."""
        return self.targeting.environment

    @property
    def key(self) -> str:
        """The flag's key."""
        return self.flag.key

    @property
    def name(self) -> str:
        """The flag's name."""
        return self.flag.name

    @property
    def description(self) -> str:
        """What the flag is for."""
        return self.flag.description

    @property
    def tags(self) -> tuple[str, ...]:
        """The flag's tags, sorted."""
        return self.flag.tags

    @property
    def temporary(self) -> bool:
        """Whether the flag is meant to be removed one day."""
        return self.flag.temporary

    @property
    def archived(self) -> bool:
        """Whether the flag is archived; it then evaluates as an unknown one."""
        return self.flag.archived

    @property
    def deprecated(self) -> bool:
        """Whether the flag is not to be used any more; it evaluates as before."""
        return self.flag.deprecated

    @property
    def variations(self) -> tuple[Variation, ...]:
        """The variations that hold in this environment."""
        return self.flag.variations if self.targeting.variations is None else self.targeting.variations

    @property
    def defaults(self) -> DefaultVariations:
        """What the flag begins with in environments where it is new: places of the project's variations."""
        return self.flag.default_variations

    @property
    def client_side_availability(self) -> ClientSideAvailability:
        """Which client SDKs see the flag in this environment."""
        return self.targeting.client_side_availability or self.flag.client_side_availability

    @property
    def version(self) -> int:
        """The version of its targeting here."""
        return self.targeting.version

    @property
    def project_version(self) -> int:
        """The version of what is true of it in every environment."""
        return self.flag.version

    @property
    def on(self) -> bool:
        """Whether targeting is on here; off serves the off variation only."""
        return self.targeting.on

    @property
    def off_variation(self) -> int | None:
        """Index of the variation served when off."""
        return self.targeting.off_variation

    @property
    def fallthrough(self) -> VariationOrRollout:
        """What is served when nothing else matches."""
        return self.targeting.fallthrough

    @property
    def prerequisites(self) -> tuple[Prerequisite, ...]:
        """The flags it depends on, in order."""
        return self.targeting.prerequisites

    @property
    def targets(self) -> tuple[Target, ...]:
        """Individually targeted users."""
        return self.targeting.targets

    @property
    def context_targets(self) -> tuple[Target, ...]:
        """Individually targeted contexts of any kind."""
        return self.targeting.context_targets

    @property
    def rules(self) -> tuple[FlagRule, ...]:
        """The rules, in order."""
        return self.targeting.rules

    @property
    def track_events(self) -> bool:
        """Whether clients are to send an event for each evaluation."""
        return self.targeting.track_events

    @property
    def track_events_fallthrough(self) -> bool:
        """Whether clients are to send an event for each evaluation that the fallthrough decides."""
        return self.targeting.track_events_fallthrough

    @cached_property
    def indexed_variations(self) -> tuple[IndexedVariation, ...]:
        """The variations that hold in this environment, with their places."""
        return tuple(
            IndexedVariation(index, variation.value, variation.name, variation.description)
            for index, variation in enumerate(self.variations)
        )

    @property
    def serving_rules(self) -> tuple[ServingRule, ...]:
        """The rules, in order, with the variations they serve."""
        return tuple(map(self.serving_rule, range(len(self.targeting.rules))))

    def serving_rule(self, index: int) -> ServingRule:
        """Return the rule at an index, with the variations it serves."""
        rule = self.targeting.rules[index]
        return ServingRule(index, rule, self._served(rule.serves))

    @cached_property
    def served(self) -> tuple[frozenset[int], ...]:
        """The places of the variations that each rule serves to somebody."""
        count = len(self.variations)
        return tuple(
            frozenset(
                share.variation
                for share in rule.serves.shares
                if share.weight > 0 and 0 <= share.variation < count
            )
            for rule in self.targeting.rules
        )

    @property
    def fallthrough_serves(self) -> tuple[ServedVariation, ...]:
        """What is served when nothing else matches."""
        return self._served(self.targeting.fallthrough)

    @property
    def fallthrough_rollout(self) -> Rollout | None:
        """How contexts are split when nothing else matches, where several variations are served."""
        return self.targeting.fallthrough.split

    def _served(self, serves: VariationOrRollout) -> tuple[ServedVariation, ...]:
        variations = self.indexed_variations
        return tuple(
            ServedVariation(variations[share.variation], share.weight, share.untracked)
            for share in serves.shares
            if 0 <= share.variation < len(variations)
        )
