"""Segments: create, change by instructions, delete."""

import secrets
from collections import Counter
from collections.abc import Collection, Sequence
from dataclasses import dataclass, replace

from domain.access.principals import Principal
from domain.commits import Delete, Save
from domain.errors import (
    AlreadyExistsError,
    InUseError,
    InvalidInputError,
    NotFoundError,
    UsedBy,
    Violation,
)
from domain.evaluation.references import named_segments
from domain.evaluation.snapshot import Snapshot
from domain.evaluation.usage import EnvironmentSegment
from domain.flag_data import write_segment
from domain.instructions.clauses import pattern_violations
from domain.instructions.details import description_violations, new_name_violations, tag_violations
from domain.instructions.segments import EditTargets, SegmentInstruction, conflicting_targets
from domain.json import same_json
from domain.keys import EnvironmentRef, key_from_name
from domain.model.contexts import is_context_kind
from domain.model.segments import Segment, new_list_uid
from domain.ports import Store
from domain.services.editing import EnvironmentEditor
from domain.services.edits import (
    Decision,
    Edit,
    NamedInstruction,
    Snapshots,
    apply_all,
    below_input,
    check_version,
    edit_scope,
    resource,
)
from domain.services.environments import deletion_of
from domain.services.removals import edit_segment
from domain.services.target_limit import TargetLimit


@dataclass(frozen=True, slots=True, kw_only=True)
class SegmentEdit:
    """What is to be done to one segment.

    Attributes:
        expected_version: The version that the caller saw; None if any will do.
    """

    segment_key: str
    instructions: Sequence[NamedInstruction[SegmentInstruction]]
    expected_version: int | None = None
    comment: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class SegmentBulkEdit:
    """An edit of many individual targets of one segment.

    Attributes:
        expected_version: The version that the caller saw; None if any will do.
    """

    segment_key: str
    targets: EditTargets
    expected_version: int | None = None
    comment: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class NewSegment:
    """A segment to be created; without a key the name gives it.

    Attributes:
        list_context_kind: The context kind of a large list's members; None if it is to have none.
    """

    name: str
    key: str | None = None
    description: str = ""
    tags: Sequence[str] = ()
    list_context_kind: str | None = None
    instructions: Sequence[NamedInstruction[SegmentInstruction]] = ()
    comment: str = ""


@dataclass(frozen=True, slots=True)
class ChangedSegment:
    """A segment after a change, and the revision that has it."""

    segment: EnvironmentSegment
    revision: int


@dataclass(frozen=True, slots=True, kw_only=True)
class TargetCounts:
    """What a bulk edit did to one kind's keys in a list.

    Attributes:
        unchanged: How many of the keys given, each counted once, were already as they were wanted.
    """

    added: int
    removed: int
    unchanged: int


@dataclass(frozen=True, slots=True)
class BulkEditedSegment(ChangedSegment):
    """A segment after a bulk edit, and how much that changed."""

    counts: TargetCounts


@dataclass(frozen=True, slots=True)
class DeletedSegment:
    """What is left of a segment: its id, and the revision without it."""

    id: str
    revision: int


class SegmentService:
    """Changes segments.

    Args:
        store: Where members of large lists are kept.
        editor: Makes the edits.
        limit: How many individual targets a segment may have.
    """

    def __init__(self, store: Store, editor: EnvironmentEditor, limit: TargetLimit) -> None:
        self._store = store
        self._editor = editor
        self._limit = limit

    async def create(self, principal: Principal, environment: EnvironmentRef, new: NewSegment) -> ChangedSegment:
        """Create a segment.

        Raises:
            InvalidInputError: With every violation.
            AlreadyExistsError: There is one with this key.
            DomainError: As `EnvironmentEditor.edit` says.
        """
        await self._editor.access.require_sight(principal, environment)
        key = key_from_name(new.name) if new.key is None else new.key
        violations = new_name_violations(new.name, new.key)
        violations += description_violations(new.description, ("description",))
        violations += tag_violations(new.tags, ("tags",))
        if new.list_context_kind is not None and not is_context_kind(new.list_context_kind):
            violations.append(Violation(("largeList", "contextKind"), "is not a context kind"))
        self._limit.check_input(named.instruction for named in new.instructions)
        blank = Segment(
            environment=environment,
            key=key,
            name=new.name,
            description=new.description,
            tags=tuple(sorted(set(new.tags))),
            salt=secrets.token_hex(8),
            unbounded=new.list_context_kind is not None,
            unbounded_context_kind=new.list_context_kind,
            list_uid="" if new.list_context_kind is None else new_list_uid(),
        )

        def decide(snapshots: Snapshots) -> Decision[None]:
            snapshot = snapshots[environment]
            if key in snapshot.segments:
                raise AlreadyExistsError("segment", key)
            return Decision([Save(self._apply(new.instructions, blank, snapshot, violations), None)])

        edit = Edit(
            action="createSegment",
            resource=resource(environment, "segment", key),
            scope=str(environment),
            decide=decide,
            comment=new.comment,
        )
        snapshot, _ = await self._editor.edit(principal, environment, edit)
        return _changed(snapshot, key)

    async def update(self, principal: Principal, environment: EnvironmentRef, edit: SegmentEdit) -> ChangedSegment:
        """Apply instructions, all or none.

        Raises:
            InvalidInputError: With every violation of every instruction.
            NotFoundError: There is no such segment.
            VersionConflictError: It is not at the version expected.
            LimitExceededError: It would have too many individual targets.
            DomainError: As `EnvironmentEditor.edit` says.
        """
        key = edit.segment_key
        self._limit.check_input(named.instruction for named in edit.instructions)

        def decide(snapshots: Snapshots) -> Decision[None]:
            snapshot = snapshots[environment]
            before = _find(snapshot, key, edit.expected_version)
            return Decision(_saves(before, self._apply(edit.instructions, before, snapshot)))

        change = Edit(
            action="updateSegment",
            resource=resource(environment, "segment", key),
            scope=str(environment),
            decide=decide,
            comment=edit.comment,
            summary={"instructions": [named.name for named in edit.instructions]},
        )
        snapshot, _ = await edit_segment(self._editor, principal, environment, key, change)
        return _changed(snapshot, key)

    async def bulk_edit(
        self, principal: Principal, environment: EnvironmentRef, edit: SegmentBulkEdit
    ) -> BulkEditedSegment:
        """Add, remove or replace individual targets, however many, and count them.

        Raises:
            DomainError: As `update` says.
        """
        key = edit.segment_key
        self._limit.check_input([edit.targets])

        def decide(snapshots: Snapshots) -> Decision[TargetCounts]:
            snapshot = snapshots[environment]
            before = _find(snapshot, key, edit.expected_version)
            try:
                after = edit.targets.apply(before, edit_scope(snapshot))
            except InvalidInputError as error:
                raise below_input(error.violations) from error
            self._check(before, after, snapshot, [], ("keys",))
            return Decision(_saves(before, after), _count(edit.targets, before, after))

        change = Edit(
            action="bulkEditSegmentTargets",
            resource=resource(environment, "segment", key),
            scope=str(environment),
            decide=decide,
            comment=edit.comment,
            summary={
                "action": edit.targets.action.value,
                "list": edit.targets.list.value,
                "contextKind": edit.targets.context_kind,
            },
        )
        snapshot, counts = await edit_segment(self._editor, principal, environment, key, change)
        return BulkEditedSegment(snapshot.segments[key], snapshot.revision, counts)

    async def delete(
        self,
        principal: Principal,
        environment: EnvironmentRef,
        key: str,
        *,
        expected_version: int | None = None,
        comment: str = "",
    ) -> DeletedSegment:
        """Delete a segment that nothing uses.

        Raises:
            NotFoundError: There is no such segment.
            VersionConflictError: It is not at the version expected.
            InUseError: Flags (archived ones too) or segments refer to it.
            DomainError: As `EnvironmentEditor.edit` says.
        """

        async def decide(snapshots: Snapshots) -> Decision[Segment]:
            snapshot = snapshots[environment]
            segment = _find(snapshot, key, expected_version)
            users = [
                UsedBy("flag", user, str(environment), snapshot.flags[user].archived)
                for user in sorted(snapshot.usage.flags_naming(key))
            ]
            users += [
                UsedBy("segment", user.key, str(environment))
                for user in snapshot.usage.segments_using(key, transitive=False)
            ]
            if users:
                raise InUseError("segment", key, users)
            return Decision(await deletion_of(self._store, segment), segment)

        edit = Edit(
            action="deleteSegment",
            resource=resource(environment, "segment", key),
            scope=str(environment),
            decide=decide,
            comment=comment,
        )
        snapshot, deleted = await edit_segment(self._editor, principal, environment, key, edit)
        if deleted.unbounded:
            await self._store.discard_members(deleted.list_id, None)
        return DeletedSegment(f"{environment}/{key}", snapshot.revision)

    def _apply(
        self,
        instructions: Sequence[NamedInstruction[SegmentInstruction]],
        before: Segment,
        snapshot: Snapshot,
        known: Sequence[Violation] = (),
    ) -> Segment:
        """Apply instructions one after the other; add what is wrong with any of them to what is known to be."""
        segment, violations = apply_all(instructions, before, edit_scope(snapshot))
        self._check(before, segment, snapshot, [*known, *violations], ("instructions",))
        return segment

    def _check(
        self,
        before: Segment,
        segment: Segment,
        snapshot: Snapshot,
        violations: list[Violation],
        path: tuple[str, ...],
    ) -> None:
        """Refuse an edit for what is wrong with its outcome, at the path, or was found wrong before."""
        # What an import brought may stay as it is; an edit does not add to it.
        violations += pattern_violations(before, segment, path)
        conflicts = sorted(conflicting_targets(segment) - conflicting_targets(before))
        if conflicts:
            shown = ", ".join(f"{kind}:{key}" for kind, key in conflicts[:10])
            contexts = "1 context" if len(conflicts) == 1 else f"{len(conflicts)} contexts"
            message = f"{contexts} would be both included and excluded: {shown}"
            violations.append(Violation(path, message))
        named = _segments_in(before)
        if circle := _circle(segment.key, _segments_in(segment) - named, snapshot):
            message = f"segments would contain each other in a circle: {' -> '.join(circle)}"
            if circle[1] in named:
                message += " (an import brought it: remove a rule on the way, not add one)"
            violations.append(Violation(path, message))
        if segment.unbounded and _targets(segment) != _targets(before):
            message = "a large list has members (see startSegmentImport), no individual targets"
            violations.append(Violation(path, message))
        if segment.sync_source is not None and (segment.name, segment.rules) != (before.name, before.rules):
            message = f"{segment.sync_source.integration} owns this segment: its name and rules are read-only here"
            violations.append(Violation(path, message))
        if violations:
            raise below_input(violations, conflicts=conflicts)
        self._limit.check(segment.target_count, before.target_count)


def _targets(segment: Segment) -> tuple[object, ...]:
    return (segment.included, segment.excluded, segment.included_contexts, segment.excluded_contexts)


def _find(snapshot: Snapshot, key: str, expected_version: int | None) -> Segment:
    found = snapshot.segments.get(key)
    if found is None:
        raise NotFoundError("segment", key)
    check_version("segment", key, expected=expected_version, actual=found.version)
    return found.segment


def _circle(key: str, referred: Collection[str], snapshot: Snapshot) -> list[str]:
    """Return the keys on a way from a segment, by one it is to refer to, back to it; nothing if there is none."""
    for reached in snapshot.usage.reaching(key):
        if reached.key in referred:
            return [key, *reversed(reached.way[1:]), key]
    return []


def _segments_in(segment: Segment) -> Counter[str]:
    """Count how often a segment's rules name which segments."""
    return Counter(key for rule in segment.rules for key, _ in named_segments(rule.clauses))


def _changed(snapshot: Snapshot, key: str) -> ChangedSegment:
    return ChangedSegment(snapshot.segments[key], snapshot.revision)


def _saves(before: Segment, after: Segment) -> list[Save | Delete]:
    """Return what stores a segment that was `before` and is to be `after`."""
    if same_json(write_segment(before), write_segment(after)) and before.removals == after.removals:
        return []
    return [Save(replace(after, version=before.version + 1), before.version)]


def _count(edit: EditTargets, before: Segment, after: Segment) -> TargetCounts:
    def keys_in(segment: Segment) -> set[str]:
        return segment.target_keys(edit.list).get(edit.context_kind, set())

    old, new = keys_in(before), keys_in(after)
    added, removed = new - old, old - new
    return TargetCounts(added=len(added), removed=len(removed), unchanged=len(set(edit.keys) - added - removed))
