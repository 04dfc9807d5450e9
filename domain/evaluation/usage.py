"""Usage: which flags and segments refer to a segment, directly or through other segments, and what they serve.

Everything is found in an index that is made once per snapshot; the size of a segment's lists costs nothing.
"""

from collections import defaultdict
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import TypeVar

from domain.clock import now_ms
from domain.evaluation.operators import SEGMENT_MATCH
from domain.model.flags import EnvironmentFlag, IndexedVariation, ServedVariation, ServingRule
from domain.model.segments import ScheduledRemoval, Segment, SegmentKind, SegmentRule, TargetedContext
from domain.model.targeting import Clause

T = TypeVar("T")


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
    def included_targets(self) -> list[TargetedContext]:
        """The contexts that are in by name, now."""
        return self.segment.at(now_ms()).included_targets

    @property
    def excluded_targets(self) -> list[TargetedContext]:
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
        """Whether a flag, archived ones included, or another segment refers to it."""
        return self.index.is_used(self.key)

    def usage(self, *, transitive: bool) -> "SegmentUsage":
        """Return what refers to it: directly, or through other segments too."""
        return self.index.usage(self.key, transitive=transitive)

    @property
    def program(self) -> "EarlyAccessProgram":
        """The segment as an early access program."""
        return self.index.program(self.key)


@dataclass(frozen=True, slots=True)
class SegmentUsageNode:
    """A rule of a flag that targets a segment.

    Attributes:
        negated: Whether the rule is for those who are not in the segment (an odd number of times on the path).
        path: The segments on the way from the segment to the flag, nearest to the segment first; empty if direct.
    """

    flag: EnvironmentFlag
    rule: ServingRule
    negated: bool
    path: tuple[EnvironmentSegment, ...]

    @property
    def on(self) -> bool:
        """Whether the flag is on."""
        return self.flag.on

    @property
    def rule_index(self) -> int:
        """The rule's place among the flag's rules, from 0."""
        return self.rule.index

    @property
    def serves(self) -> tuple[ServedVariation, ...]:
        """What the rule serves."""
        return self.rule.serves

    def serves_to_somebody(self, variation: int) -> bool:
        """Tell whether the rule serves the variation in a place, by any share."""
        return any(share.variation.index == variation and share.weight > 0 for share in self.serves)

    @property
    def sort_key(self) -> str:
        """Order by flag, then by rule."""
        return f"{self.flag.key}\0{self.rule_index:08}"


@dataclass(frozen=True, slots=True)
class SegmentUsage:
    """What refers to a segment.

    Attributes:
        rules: One node for each rule of a flag that is not archived, by flag and rule.
        segments: The segments that refer to it, by key.
    """

    rules: Sequence[SegmentUsageNode]
    segments: Sequence[EnvironmentSegment]

    def rules_that(
        self, *, on: bool | None = None, tags: Collection[str] | None = None, variation: int | None = None
    ) -> list[SegmentUsageNode]:
        """Return the nodes whose flag is on (or off), bears one of the tags, and serves the variation there."""
        return [
            node
            for node in self.rules
            if on in {None, node.on}
            and (tags is None or not set(tags).isdisjoint(node.flag.tags))
            and (variation is None or node.serves_to_somebody(variation))
        ]

    @property
    def flag_count(self) -> int:
        """The number of flags that target the segment."""
        return len({node.flag.key for node in self.rules})


@dataclass(frozen=True, slots=True)
class FlagVariations:
    """A flag, and which of its variations the rules on a segment serve, in their order."""

    flag: EnvironmentFlag
    variations: Sequence[IndexedVariation]


@dataclass(frozen=True, slots=True)
class EarlyAccessProgram:
    """A segment that is an early access program, with the flags that target it, directly or through others.

    Attributes:
        usage: The rules that target it, by flag and rule.
        variations: The variations that those rules serve, flag by flag.
    """

    segment: EnvironmentSegment
    usage: Sequence[SegmentUsageNode]
    variations: Sequence[FlagVariations]

    @property
    def active(self) -> bool:
        """Whether a flag that is on targets it, those who are in it or those who are not."""
        return any(node.on for node in self.usage)

    @property
    def flag_count(self) -> int:
        """The number of flags that target it."""
        return len(self.variations)


def _variations(rules: Sequence[SegmentUsageNode]) -> list[FlagVariations]:
    """Return the variations that rules serve to somebody, flag by flag."""
    served: dict[str, tuple[EnvironmentFlag, dict[int, IndexedVariation]]] = {}
    for node in rules:
        variations = served.setdefault(node.flag.key, (node.flag, {}))[1]
        variations.update({share.variation.index: share.variation for share in node.serves if share.weight > 0})
    return [FlagVariations(flag, [found[i] for i in sorted(found)]) for flag, found in served.values()]


@dataclass(frozen=True, slots=True)
class _Reference:
    """A rule that names a segment."""

    user: str
    rule_index: int
    negated: bool


class UsageIndex:
    """Who refers to which segment in one environment.

    Attributes:
        segments: The environment's segments by key, in the order of keys.
    """

    def __init__(self, flags: Mapping[str, EnvironmentFlag], segments: Mapping[str, Segment]) -> None:
        self._flags = flags
        # Decided when first asked, and true as long as the snapshot.
        self._usages: dict[tuple[str, bool], SegmentUsage] = {}
        self._programs: dict[str, EarlyAccessProgram] = {}
        self.segments = {key: EnvironmentSegment(segment, self) for key, segment in segments.items()}

    def usage(self, key: str, *, transitive: bool) -> SegmentUsage:
        """Return what refers to a segment."""
        found = self._usages.get((key, transitive))
        if found is None:
            rules = self.rules_using(key, transitive=transitive)
            found = SegmentUsage(rules, self.segments_using(key, transitive=transitive))
            self._usages[key, transitive] = found
        return found

    def program(self, key: str) -> EarlyAccessProgram:
        """Return a segment as an early access program."""
        found = self._programs.get(key)
        if found is None:
            rules = self.usage(key, transitive=True).rules
            found = self._programs[key] = EarlyAccessProgram(self.segments[key], rules, _variations(rules))
        return found

    def is_used(self, key: str) -> bool:
        """Tell whether any rule names the segment, of an archived flag too."""
        return key in self._rules_of_flags or key in self._rules_of_segments

    def flags_using(self, key: str) -> frozenset[str]:
        """Return the flags, archived ones included, that refer to the segment, directly or through others."""
        reaching = (user for user, _, _ in self.reaching(key, transitive=True))
        return frozenset(reference.user for user in reaching for reference in self._rules_of_flags.get(user, ()))

    def flags_naming(self, key: str) -> frozenset[str]:
        """Return the flags, archived ones included, whose own rules name the segment."""
        return frozenset(reference.user for reference in self._rules_of_flags.get(key, ()))

    def rules_using(self, key: str, *, transitive: bool) -> list[SegmentUsageNode]:
        """Return the rules of flags that target the segment, each once, by the shortest path to it."""
        nodes: dict[tuple[str, int], SegmentUsageNode] = {}
        for user, path, negated in self.reaching(key, transitive=transitive):
            for reference in self._rules_of_flags.get(user, ()):
                flag = self._flags[reference.user]
                place = (reference.user, reference.rule_index)
                if not flag.archived and place not in nodes:
                    rule = flag.serving_rule(reference.rule_index)
                    nodes[place] = SegmentUsageNode(flag, rule, negated is not reference.negated, path)
        return [nodes[place] for place in sorted(nodes)]

    def segments_using(self, key: str, *, transitive: bool) -> list[EnvironmentSegment]:
        """Return the segments that refer to the segment, by key."""
        users = {reference.user for reference in self._rules_of_segments.get(key, ())}
        if transitive:
            users |= {user for user, _, _ in self.reaching(key) if user != key}
        return [self.segments[user] for user in sorted(users)]

    def reaching(
        self, key: str, *, transitive: bool = True
    ) -> Iterator[tuple[str, tuple[EnvironmentSegment, ...], bool]]:
        """Yield the segment, then those that refer to it, nearest first, each once, with the path and negation."""
        waiting: list[tuple[str, tuple[EnvironmentSegment, ...], bool]] = [(key, (), False)]
        seen = {key}
        for user, path, negated in waiting:
            yield user, path, negated
            for reference in self._rules_of_segments.get(user, ()) if transitive else ():
                if reference.user not in seen:
                    seen.add(reference.user)
                    longer = (*path, self.segments[reference.user])
                    waiting.append((reference.user, longer, negated is not reference.negated))

    @cached_property
    def _rules_of_flags(self) -> Mapping[str, Sequence[_Reference]]:
        return _references((key, [rule.clauses for rule in flag.rules]) for key, flag in self._flags.items())

    @cached_property
    def _rules_of_segments(self) -> Mapping[str, Sequence[_Reference]]:
        return _references(
            (key, [rule.clauses for rule in segment.rules]) for key, segment in self.segments.items()
        )


def named_segments(clauses: Sequence[Clause]) -> list[tuple[str, bool]]:
    """Return the segments that clauses name, in their order, each with whether its clause is negated."""
    return [
        (key, clause.negate)
        for clause in clauses
        if clause.op == SEGMENT_MATCH
        for key in dict.fromkeys(value for value in clause.values if isinstance(value, str))
    ]


def _references(
    users: Iterator[tuple[str, list[tuple[Clause, ...]]]],
) -> Mapping[str, Sequence[_Reference]]:
    """Index rules by the segments that their clauses name."""
    references: dict[str, list[_Reference]] = defaultdict(list)
    for user, rules in users:
        for index, clauses in enumerate(rules):
            for key, negated in named_segments(clauses):
                references[key].append(_Reference(user, index, negated))
    return dict(references)
