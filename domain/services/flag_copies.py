"""Copies a flag's targeting from one environment of a project to another, as far as it means the same there."""

from collections import defaultdict
from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass, replace
from enum import Enum

from domain.access.actions import FlagAction
from domain.access.principals import Principal
from domain.commits import Save
from domain.errors import Violation
from domain.evaluation.references import named_segments
from domain.evaluation.snapshot import Snapshot
from domain.flag_data import write_targeting
from domain.instructions.clauses import pattern_violations, refusal
from domain.instructions.flags import check_serves, rule_violations
from domain.instructions.limits import PREREQUISITES_LIMIT, RULES_LIMIT, too_many
from domain.instructions.rules import rule_names
from domain.instructions.segments import TargetAction, target_violations
from domain.json import same_json
from domain.keys import EnvironmentRef
from domain.model.flags import EnvironmentFlag
from domain.model.targeting import DEFAULT_CONTEXT_KIND, FlagRule, Prerequisite, Targeting
from domain.services.editing import EnvironmentEditor
from domain.services.edits import Decision, Edit, Snapshots, below_input, edit_scope, resource
from domain.services.environments import first_targeting
from domain.services.flags import ChangedFlag, check_flag_version, find_flag
from domain.services.prerequisites import circle_of
from domain.services.target_limit import TargetLimit


class TargetingPart(Enum):
    """A part of a flag's targeting that is copied, or not, for itself."""

    ON = "ON"
    PREREQUISITES = "PREREQUISITES"
    TARGETS = "TARGETS"
    RULES = "RULES"
    FALLTHROUGH = "FALLTHROUGH"
    OFF_VARIATION = "OFF_VARIATION"


@dataclass(frozen=True, slots=True, kw_only=True)
class FlagCopy:
    """What is to be copied.

    Attributes:
        expected_version: The version in the target that the caller saw; None if any will do.
        include: Which parts; all others stay as they are in the target.
        skip_missing: Whether to leave out, in place of refusing, what names something that the target lacks, and
            what no edit could write.
    """

    source: EnvironmentRef
    target: EnvironmentRef
    flag_key: str
    expected_version: int | None = None
    include: Collection[TargetingPart] = tuple(TargetingPart)
    skip_missing: bool = False
    comment: str = ""


@dataclass(frozen=True, slots=True)
class SkippedPart:
    """What was left out of a copy.

    Attributes:
        key: The rule's id, or `#` and its place; the prerequisite's flag; None where the part is one thing.
        segments: The segments that the target lacks, where that is the reason.
    """

    part: TargetingPart
    key: str | None
    reason: str
    segments: Sequence[str] = ()


@dataclass(frozen=True, slots=True)
class CopiedFlag(ChangedFlag):
    """A flag after a copy, as the target sees it, and what was left out."""

    skipped: Sequence[SkippedPart]


class FlagCopyService:
    """Copies targeting.

    Args:
        editor: Makes the edits.
        limit: How many individual targets a flag may have in an environment.
    """

    def __init__(self, editor: EnvironmentEditor, limit: TargetLimit) -> None:
        self._editor = editor
        self._limit = limit

    async def copy(self, principal: Principal, wanted: FlagCopy) -> CopiedFlag:
        """Copy a flag's targeting. Its salt stays the target's own, so a rollout splits there as it did.

        A flag that came with an import may not be in the target yet; then it is there from now on. What an import
        brought to the source that no edit could write is not copied, unless the target has it too.

        Raises:
            InvalidInputError: Something names what the target lacks, or no edit could write it, and it is not to
                be left out; or a circle of prerequisites would be closed.
            LimitExceededError: It would have too many individual targets.
            NotFoundError: There is no such flag in the source; or a version is expected, and the target has none.
            VersionConflictError: In the target it is not at the version expected.
            DomainError: As `EnvironmentEditor.edit` says.
        """
        source, target, key = wanted.source, wanted.target, wanted.flag_key
        await self._editor.access.require_sight(principal, source)
        if source.project != target.project or source == target:
            raise refusal(("input", "target"), "is not another environment of the same project")

        def decide(snapshots: Snapshots) -> Decision[Sequence[SkippedPart]]:
            if wanted.expected_version is not None:
                check_flag_version(find_flag(snapshots[target], key), wanted.expected_version)
            copying = Copying(snapshots[source], snapshots[target], key)
            after = copying.apply(wanted.include)
            if copying.circles:
                raise below_input(copying.circles)
            if copying.skipped and not wanted.skip_missing:
                raise below_input([_violation(left_out) for left_out in copying.skipped])
            before = snapshots[target].flags.get(key)
            self._limit.check(after.target_count, before.targeting.target_count if before else 0)
            source_targeting = find_flag(snapshots[source], key).targeting
            uses = [(FlagAction.COPY_FROM, source_targeting), (FlagAction.COPY_TO, after)]
            if before is None:
                writes = [Save(after, None)]
            elif same_json(write_targeting(before.targeting), write_targeting(after)):
                writes = []
            else:
                writes = [Save(replace(after, version=before.version + 1), before.version)]
            return Decision(writes, copying.skipped, uses=uses)

        edit = Edit(
            action="copyFlagTargeting",
            resource=resource(target, "flag", key),
            scope=str(target),
            decide=decide,
            comment=wanted.comment,
            summary={"source": str(source), "include": [part.value for part in wanted.include]},
        )
        snapshots, skipped = await self._editor.edit_several(principal, [source, target], edit)
        snapshot = snapshots[target]
        return CopiedFlag(snapshot.flags[key], snapshot.revision, skipped)


class Copying:
    """One copy, as it is decided.

    Attributes:
        skipped: What names something that the target lacks, or could not be written by an edit.
        circles: Circles of prerequisites that the copy would close.
    """

    def __init__(self, source: Snapshot, target: Snapshot, key: str) -> None:
        self._source = source
        self._target = target
        self._from = find_flag(source, key)
        flag = self._from.flag
        # Where the flag is new, it is off until the copy says otherwise.
        self._to = target.flags.get(key) or EnvironmentFlag(flag, first_targeting(flag, target.environment))
        self._scope = edit_scope(target, variation_count=len(self._to.variations))
        self.skipped: list[SkippedPart] = []
        self.circles: list[Violation] = []

    def apply(self, parts: Collection[TargetingPart]) -> Targeting:
        """Return the target's targeting with the parts of the source's."""
        steps: dict[TargetingPart, Callable[[Targeting], Targeting]] = {
            TargetingPart.ON: lambda targeting: replace(targeting, on=self._from.on),
            TargetingPart.PREREQUISITES: self._with_prerequisites,
            TargetingPart.TARGETS: self._with_targets,
            TargetingPart.RULES: self._with_rules,
            TargetingPart.FALLTHROUGH: self._with_fallthrough,
            TargetingPart.OFF_VARIATION: self._with_off_variation,
        }
        targeting = self._to.targeting
        for part, step in steps.items():
            if part in parts:
                targeting = step(targeting)
        return targeting

    def _with_prerequisites(self, targeting: Targeting) -> Targeting:
        prerequisites = tuple(filter(self._has, self._from.prerequisites))
        before = len(targeting.prerequisites)
        found = too_many("prerequisites", len(prerequisites), PREREQUISITES_LIMIT, (), before=before)
        if self._refuses(found, TargetingPart.PREREQUISITES):
            return targeting
        return replace(targeting, prerequisites=prerequisites)

    def _has(self, prerequisite: Prerequisite) -> bool:
        """Tell whether the target has what a prerequisite names; remember what it lacks."""
        key, index = prerequisite.key, prerequisite.variation
        there, here = self._source.flags.get(key), self._target.flags.get(key)
        if here is None or here.archived:
            self._skip(TargetingPart.PREREQUISITES, key, f"there is no flag {key!r}, or an archived one,")
        elif there is None or not _same_variation(there, here, index):
            message = f"the flag {key!r} has another variation {index}, or none,"
            self._skip(TargetingPart.PREREQUISITES, key, message)
        elif circle := circle_of(prerequisite, self._to.key, self._target):
            self.circles.append(Violation(("source", "prerequisites", key), circle))
        else:
            return True
        return False

    def _with_targets(self, targeting: Targeting) -> Targeting:
        targets, context_targets = self._from.targets, self._from.context_targets
        indexes = {target.variation for target in (*targets, *context_targets)}
        part = TargetingPart.TARGETS
        if self._lacks(indexes, part) or self._refuses(self._target_violations(), part):
            return targeting
        return replace(targeting, targets=targets, context_targets=context_targets)

    def _target_violations(self) -> list[Violation]:
        """Return what is wrong with the targets of the source that the target does not have."""
        known: defaultdict[str, set[str]] = defaultdict(set)
        for target in (*self._to.targets, *self._to.context_targets):
            known[target.context_kind or DEFAULT_CONTEXT_KIND].update(target.values)
        return [
            violation
            for target in (*self._from.targets, *self._from.context_targets)
            for kind in [target.context_kind or DEFAULT_CONTEXT_KIND]
            if not known[kind].issuperset(target.values)
            for violation in target_violations(TargetAction.ADD, kind, target.values, known[kind])
        ]

    def _with_rules(self, targeting: Targeting) -> Targeting:
        names = rule_names(self._from.targeting)
        rules = [
            rule for name, rule in zip(names, self._from.rules, strict=True) if not self._lacks_of_rule(name, rule)
        ]
        after = replace(targeting, rules=tuple(rules))
        found = too_many("rules", len(rules), RULES_LIMIT, (), before=len(targeting.rules))
        found += pattern_violations(targeting, after, ())
        return targeting if self._refuses(found, TargetingPart.RULES) else after

    def _lacks_of_rule(self, name: str, rule: FlagRule) -> bool:
        missing = sorted({key for key, _ in named_segments(rule.clauses)} - self._target.segments.keys())
        if missing:
            named = ", ".join(map(repr, missing))
            self._skip(TargetingPart.RULES, name, f"there is no segment {named}", missing)
        if missing or self._lacks(rule.serves.places, TargetingPart.RULES, name):
            return True
        found = [] if rule in self._to.rules else rule_violations(rule, self._scope, ())
        return self._refuses(found, TargetingPart.RULES, name)

    def _with_fallthrough(self, targeting: Targeting) -> Targeting:
        serves, part = self._from.fallthrough, TargetingPart.FALLTHROUGH
        found = [] if serves == targeting.fallthrough else check_serves(serves, self._scope, ())
        if self._lacks(serves.places, part) or self._refuses(found, part):
            return targeting
        return replace(targeting, fallthrough=serves)

    def _with_off_variation(self, targeting: Targeting) -> Targeting:
        index = self._from.off_variation
        if index is not None and self._lacks({index}, TargetingPart.OFF_VARIATION):
            return targeting
        return replace(targeting, off_variation=index)

    def _lacks(self, indexes: Collection[int], part: TargetingPart, key: str | None = None) -> bool:
        """Tell whether the target lacks one of the flag's variations, or has another in its place; remember it."""
        missing = [index for index in sorted(indexes) if not _same_variation(self._from, self._to, index)]
        if missing:
            self._skip(part, key, f"the flag has another variation {missing[0]}, or none,")
        return bool(missing)

    def _refuses(self, found: Sequence[Violation], part: TargetingPart, key: str | None = None) -> bool:
        """Tell whether no edit could write what has these violations; remember it by the first of them."""
        if found:
            place = ".".join(map(str, found[0].path))
            reason = f"{place}: {found[0].message}" if place else found[0].message
            self.skipped.append(SkippedPart(part, key, reason))
        return bool(found)

    def _skip(self, part: TargetingPart, key: str | None, reason: str, segments: Sequence[str] = ()) -> None:
        self.skipped.append(SkippedPart(part, key, f"{reason} in {self._target.environment}", segments))


def _same_variation(here: EnvironmentFlag, there: EnvironmentFlag, index: int) -> bool:
    """Tell whether a place holds the same value in two environments; an import may have given one its own."""
    return 0 <= index < min(len(here.variations), len(there.variations)) and same_json(
        here.variations[index].value, there.variations[index].value
    )


def _violation(left_out: SkippedPart) -> Violation:
    """Return a violation at the part of the source, by its name in the API."""
    key = () if left_out.key is None else (left_out.key,)
    return Violation(("source", _FIELDS[left_out.part], *key), left_out.reason)


_FIELDS = {
    TargetingPart.PREREQUISITES: "prerequisites",
    TargetingPart.TARGETS: "targets",
    TargetingPart.RULES: "rules",
    TargetingPart.FALLTHROUGH: "fallthrough",
    TargetingPart.OFF_VARIATION: "offVariation",
}
