"""Usage: which flags and segments refer to a segment, directly or through other segments, and what they serve.

Everything is found in an index of references, which a snapshot takes over from the one before where rules are the
same. Ways are followed when somebody asks, for the segments he asks for; the size of large lists costs nothing.
"""

from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property

from domain.clock import now_ms
from domain.evaluation.references import Reached, Reference, References, flags_reaching, reaching
from domain.keys import EnvironmentRef
from domain.model.flags import EnvironmentFlag, IndexedVariation, ServedVariation, ServingRule
from domain.model.segments import ScheduledRemoval, Segment, SegmentKind, SegmentRule, TargetedContext


@dataclass(frozen=True, slots=True)
class EnvironmentSegment:
    """A segment as its environment sees it: with everything that refers to it."""

    segment: Segment
    index: "UsageIndex"

    @property
    def id(self) -> str:
        """Identify it: `project/environment/segment`."""
        return self.segment.id

    @property
    def environment(self) -> EnvironmentRef:
        """The environment that it is in."""
        return self.segment.environment

    @property
    def key(self) -> str:
        """The segment's key."""
        return self.segment.key

    @property
    def name(self) -> str:
        """The segment's name."""
        return self.segment.name

    @property
    def description(self) -> str:
        """What the segment is for."""
        return self.segment.description

    @property
    def tags(self) -> tuple[str, ...]:
        """The segment's tags, sorted."""
        return self.segment.tags

    @property
    def kind(self) -> SegmentKind:
        """How it gets its members, now."""
        return self.segment.at(now_ms()).kind

    @property
    def version(self) -> int:
        """Grows with every change."""
        return self.segment.version

    @property
    def rules(self) -> tuple[SegmentRule, ...]:
        """The rules; any that matches makes a member."""
        return self.segment.rules

    @property
    def included_targets(self) -> Sequence[TargetedContext]:
        """The contexts that are in by name, now."""
        return self.segment.at(now_ms()).included_targets

    @property
    def excluded_targets(self) -> Sequence[TargetedContext]:
        """The contexts that are out by name, now."""
        return self.segment.at(now_ms()).excluded_targets

    @property
    def member_count(self) -> int:
        """The number of contexts that are in by name, or by the large list, now."""
        return self.segment.at(now_ms()).member_count

    @property
    def removals(self) -> tuple[ScheduledRemoval, ...]:
        """The targets that are to be removed, by moment."""
        return self.segment.at(now_ms()).removals

    @property
    def is_used(self) -> bool:
        """Whether a flag, archived ones included, or another segment names it, so that it cannot be deleted."""
        return self.index.is_used(self.key)

    def usage(self, *, transitive: bool) -> "SegmentUsage":
        """Return what refers to it: directly, or through other segments too."""
        return self.index.usage(self.key, transitive=transitive)

    @property
    def program(self) -> "EarlyAccessProgram":
        """The segment as an early access program."""
        return EarlyAccessProgram(self, self.index)


@dataclass(frozen=True, slots=True)
class SegmentUsageNode:
    """A rule of a flag that targets a segment, on one way to it.

    Attributes:
        rule_index: The rule's place among the flag's rules, from 0.
        negated: Whether the rule is for those who are not in the segment (an odd number of times on the way).
    """

    flag: EnvironmentFlag
    rule_index: int
    negated: bool
    _reached: Reached
    _index: "UsageIndex"

    @property
    def on(self) -> bool:
        """Whether the flag is on."""
        return self.flag.on

    @property
    def rule(self) -> ServingRule:
        """The rule."""
        return self.flag.serving_rule(self.rule_index)

    @property
    def path(self) -> list[EnvironmentSegment]:
        """The segments from the segment to the flag, nearest to the segment first; empty if direct."""
        return self._index.segments_of(self._reached.way[1:])

    @property
    def serves(self) -> tuple[ServedVariation, ...]:
        """What the rule serves."""
        return self.rule.serves

    @property
    def sort_key(self) -> str:
        """Order by flag, then by rule, the negated one last."""
        return f"{self.flag.key}\0{self.rule_index:08}\0{self.negated:d}"


@dataclass(frozen=True)
class SegmentUsage:
    """What refers to a segment: directly, or through other segments too. It is found when it is asked for."""

    key: str
    transitive: bool
    _index: "UsageIndex"

    @cached_property
    def rules(self) -> Sequence[SegmentUsageNode]:
        """The rules of flags that are not archived, by flag and rule.

        A rule for those who are in the segment and for those who are not has two nodes.
        """
        return self._index.rules_using(self.key, transitive=self.transitive)

    @cached_property
    def segments(self) -> Sequence[EnvironmentSegment]:
        """The segments that refer to it, by key."""
        return self._index.segments_using(self.key, transitive=self.transitive)

    def rules_that(
        self, *, on: bool | None = None, tags: Collection[str] | None = None, variation: int | None = None
    ) -> list[SegmentUsageNode]:
        """Return the nodes whose flag is on (or off), bears one of the tags, and serves the variation there."""
        return [
            node
            for node in self.rules
            if on in {None, node.on}
            and (tags is None or not set(tags).isdisjoint(node.flag.tags))
            and (variation is None or variation in node.flag.served[node.rule_index])
        ]

    @property
    def flag_count(self) -> int:
        """The number of flags that target the segment."""
        return self._index.flag_count(self.key, transitive=self.transitive)


@dataclass(frozen=True, slots=True)
class FlagVariations:
    """A flag, and which of its variations rules on a segment serve.

    Attributes:
        places: Where the variations stand among the flag's.
    """

    flag: EnvironmentFlag
    places: set[int]

    @property
    def variations(self) -> list[IndexedVariation]:
        """Those variations, in their order."""
        variations = self.flag.indexed_variations
        return [variations[place] for place in sorted(self.places)]


@dataclass(frozen=True)
class EarlyAccessProgram:
    """A segment that is an early access program, with the flags that target it, directly or through others."""

    segment: EnvironmentSegment
    _index: "UsageIndex"

    @property
    def active(self) -> bool:
        """Whether a flag that is on targets it, those who are in it or those who are not."""
        return self._index.is_active(self.segment.key)

    @property
    def flag_count(self) -> int:
        """The number of flags that target it."""
        return self._index.flag_count(self.segment.key, transitive=True)

    @cached_property
    def usage(self) -> Sequence[SegmentUsageNode]:
        """The rules that target it, by flag and rule."""
        return self._index.rules_using(self.segment.key, transitive=True)

    @cached_property
    def variations(self) -> Sequence[FlagVariations]:
        """What its members get: the variations that rules of flags that are on serve to those in it, by flag."""
        return self._index.variations_for_members(self.segment.key)


class UsageIndex:
    """Who refers to which segment in one environment.

    Segments know their index, and not the other way round: a snapshot that is replaced is freed at once.

    Attributes:
        rules_of_flags: What the rules of flags name.
        rules_of_segments: What the rules of segments name.
    """

    def __init__(
        self,
        flags: Mapping[str, EnvironmentFlag],
        segments: Mapping[str, Segment],
        before: "UsageIndex | None" = None,
    ) -> None:
        self._flags = flags
        self._segments = segments
        self._flag_counts: dict[tuple[str, bool], int] = {}
        self.rules_of_flags: References = References(flags, None if before is None else before.rules_of_flags)
        self.rules_of_segments: References = References(
            segments, None if before is None else before.rules_of_segments
        )

    def segments_of(self, keys: Iterable[str]) -> list[EnvironmentSegment]:
        """Return segments as the environment sees them, in the order of the keys."""
        return [EnvironmentSegment(self._segments[key], self) for key in keys]

    def usage(self, key: str, *, transitive: bool) -> SegmentUsage:
        """Return what refers to a segment."""
        return SegmentUsage(key, transitive, self)

    def is_used(self, key: str) -> bool:
        """Tell whether a rule of a flag, archived ones included, or of another segment names the segment."""
        users = self.rules_of_segments.by_segment.get(key, ())
        return key in self.rules_of_flags.by_segment or any(reference.user != key for reference in users)

    def is_active(self, key: str) -> bool:
        """Tell whether a flag that is on, and not archived, targets the segment, directly or through others."""
        return key in self._active

    def flags_using(self, key: str) -> frozenset[str]:
        """Return the flags, archived ones included, that refer to the segment, directly or through others."""
        return flags_reaching(key, self.rules_of_flags, self.rules_of_segments)

    def flags_naming(self, key: str) -> frozenset[str]:
        """Return the flags, archived ones included, whose own rules name the segment."""
        return frozenset(reference.user for reference in self.rules_of_flags.by_segment.get(key, ()))

    def uses(self, key: str, *, transitive: bool = True) -> Iterator[tuple[EnvironmentFlag, Reference, Reached]]:
        """Yield the references of flags that are not archived, by which they target the segment, nearest first."""
        flags, named = self._flags, self.rules_of_flags.by_segment
        for reached in self.reaching(key) if transitive else [Reached(key, negated=False)]:
            for reference in named.get(reached.key, ()):
                flag = flags[reference.user]
                if not flag.flag.archived:
                    yield flag, reference, reached

    def rules_using(self, key: str, *, transitive: bool) -> list[SegmentUsageNode]:
        """Return the rules of flags that target the segment, plain and negated each once, by the shortest way."""
        nodes: dict[tuple[str, int, bool], SegmentUsageNode] = {}
        for flag, reference, reached in self.uses(key, transitive=transitive):
            negated = reached.negated is not reference.negated
            place = (reference.user, reference.rule_index, negated)
            if place not in nodes:
                nodes[place] = SegmentUsageNode(flag, reference.rule_index, negated, reached, self)
        return [nodes[place] for place in sorted(nodes)]

    def flag_count(self, key: str, *, transitive: bool) -> int:
        """Count the flags that target the segment; each segment's are counted once."""
        known = self._flag_counts.get((key, transitive))
        if known is None:
            known = len({flag.key for flag, _, _ in self.uses(key, transitive=transitive)})
            self._flag_counts[key, transitive] = known
        return known

    def variations_for_members(self, key: str) -> list[FlagVariations]:
        """Return which variations flags that are on serve to those in the segment, by flag."""
        served: dict[str, FlagVariations] = {}
        for flag, reference, reached in self.uses(key):
            if flag.on and reached.negated is reference.negated:
                found = served.get(reference.user)
                if found is None:
                    found = served[reference.user] = FlagVariations(flag, set())
                found.places.update(flag.served[reference.rule_index])
        return [served[user] for user in sorted(served)]

    def segments_using(self, key: str, *, transitive: bool) -> list[EnvironmentSegment]:
        """Return the other segments that refer to the segment, by key."""
        if transitive:
            users = {reached.key for reached in self.reaching(key)}
        else:
            users = {reference.user for reference in self.rules_of_segments.by_segment.get(key, ())}
        return self.segments_of(sorted(users - {key}))

    def reaching(self, key: str) -> Iterator[Reached]:
        """Yield the segment, then those that refer to it, nearest first, plain and negated each once."""
        return reaching(key, self.rules_of_segments)

    @cached_property
    def _active(self) -> frozenset[str]:
        """Find what flags that are on target, all in one walk."""
        live = [key for key, flag in self._flags.items() if flag.on and not flag.archived]
        waiting = [reference.segment for key in live for reference in self.rules_of_flags.by_user[key]]
        seen: set[str] = set()
        for key in waiting:
            if key not in seen:
                seen.add(key)
                waiting += [reference.segment for reference in self.rules_of_segments.by_user.get(key, ())]
        return frozenset(seen)
