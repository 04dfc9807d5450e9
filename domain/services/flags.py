"""Flags: create, change their targeting by instructions, archive, deprecate, restore, delete."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

from domain.access.principals import Principal
from domain.commits import Delete, Save
from domain.errors import AlreadyExistsError, NotFoundError
from domain.evaluation.snapshot import Snapshot
from domain.flag_data import write_targeting
from domain.instructions.clauses import EditScope, pattern_violations
from domain.instructions.flag_details import FlagDetailInstruction, repeated_value_violations
from domain.instructions.flags import FlagInstruction
from domain.json import same_json
from domain.keys import EnvironmentRef
from domain.model.flags import EnvironmentFlag, Flag
from domain.model.targeting import Targeting
from domain.services.editing import EnvironmentEditor
from domain.services.edits import (
    Decision,
    Edit,
    NamedInstruction,
    Outcome,
    Snapshots,
    apply_all,
    below_input,
    check_version,
    edit_scope,
    resource,
)
from domain.services.environments import first_targeting
from domain.services.new_flags import NewFlag
from domain.services.prerequisites import added_prerequisite_violations, refuse_if_prerequisite
from domain.services.target_limit import TargetLimit
from domain.services.variation_removal import remove_variations


@dataclass(frozen=True, slots=True, kw_only=True)
class TargetingEdit:
    """What is to be done to a flag's targeting in one environment.

    Attributes:
        expected_version: The version that the caller saw; None if any will do.
    """

    flag_key: str
    instructions: Sequence[NamedInstruction[FlagInstruction]]
    expected_version: int | None = None
    comment: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class FlagEdit:
    """What is to be done to a flag in every environment.

    Attributes:
        expected_version: The project's version of the flag that the caller saw; None if any will do.
    """

    project: str
    flag_key: str
    instructions: Sequence[NamedInstruction[FlagDetailInstruction]]
    expected_version: int | None = None
    comment: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class WholeFlag:
    """A flag that is to be archived, deprecated, restored or deleted.

    Attributes:
        expected_version: The project's version of the flag that the caller saw; None if any will do.
    """

    project: str
    key: str
    expected_version: int | None = None
    comment: str = ""


@dataclass(frozen=True, slots=True)
class ChangedFlag:
    """A flag after a change in one environment, and the revision that has it."""

    flag: EnvironmentFlag
    revision: int


@dataclass(frozen=True, slots=True)
class ChangedFlags:
    """A flag after a change of its project: as each environment that has it sees it, by environment."""

    flags: Sequence[EnvironmentFlag]


class FlagService:
    """Changes flags.

    Args:
        editor: Makes the edits.
        limit: How many individual targets a flag may have in an environment.
    """

    def __init__(self, editor: EnvironmentEditor, limit: TargetLimit) -> None:
        self._editor = editor
        self._limit = limit

    async def create(self, principal: Principal, new: NewFlag) -> ChangedFlags:
        """Create a flag in every environment of its project: off, beginning with its default variations.

        Raises:
            InvalidInputError: With every violation.
            AlreadyExistsError: There is one with this key.
            NotFoundError: There is no such project.
            DomainError: As `EnvironmentEditor.edit` says.
        """
        await self._editor.access.require_sight(principal, new.project)
        if found := new.violations():
            raise below_input(found)
        flag, key = new.to_flag(), new.wanted_key

        def decide(snapshots: Snapshots) -> Decision[None]:
            if any(key in snapshot.flags for snapshot in snapshots.values()):
                raise AlreadyExistsError("flag", key)
            targetings = [first_targeting(flag, ref) for ref in snapshots]
            return Decision([Save(flag, None), *(Save(targeting, None) for targeting in targetings)])

        edit = _project_edit("createFlag", new.project, key, decide, new.comment)
        return await self._edit_project(principal, new.project, key, edit)

    async def update(self, principal: Principal, edit: FlagEdit) -> ChangedFlags:
        """Apply instructions to what is true of a flag in every environment, all or none.

        Raises:
            InvalidInputError: With every violation of every instruction.
            NotFoundError: There is no such flag.
            VersionConflictError: It is not at the version expected.
            InUseError: Something names a variation that is to go.
            DomainError: As `EnvironmentEditor.edit` says.
        """
        key = edit.flag_key

        def decide(snapshots: Snapshots) -> Decision[None]:
            before = _find(snapshots, key)
            check_flag_version(before, edit.expected_version)
            after, violations = apply_all(edit.instructions, before, EditScope(frozenset()))
            path = ("instructions",)
            violations = violations or repeated_value_violations(before.variations, after.variations, path)
            if violations:
                raise below_input(violations)
            removal, shifted = remove_variations(before, edit.instructions, snapshots)
            # For Python `True == 1`; as values that flags serve they differ.
            values = [variation.value for variation in (*before.variations, *after.variations)]
            half = len(before.variations)
            if after == before and same_json(values[:half], values[half:]) and not shifted:
                return Decision()
            return Decision(
                [Save(replace(after, version=before.version + 1), before.version)],
                implied=shifted,
                removal=removal,
                summary=removal.summary,
            )

        change = replace(
            _project_edit("updateFlag", edit.project, key, decide, edit.comment),
            summary={"instructions": [named.name for named in edit.instructions]},
        )
        return await self._edit_project(principal, edit.project, key, change)

    async def update_targeting(
        self, principal: Principal, environment: EnvironmentRef, edit: TargetingEdit
    ) -> ChangedFlag:
        """Apply instructions to a flag's targeting in one environment, all or none.

        Raises:
            InvalidInputError: With every violation of every instruction.
            NotFoundError: There is no such flag.
            VersionConflictError: It is not at the version expected.
            LimitExceededError: It would have too many individual targets.
            DomainError: As `EnvironmentEditor.edit` says.
        """
        key = edit.flag_key
        self._limit.check_input(named.instruction for named in edit.instructions)

        def decide(snapshots: Snapshots) -> Decision[None]:
            snapshot = snapshots[environment]
            before = find_flag(snapshot, key)
            check_flag_version(before, edit.expected_version)
            after = _apply(edit.instructions, before, snapshot)
            self._limit.check(after.target_count, before.targeting.target_count)
            if same_json(write_targeting(before.targeting), write_targeting(after)):
                return Decision()
            return Decision([Save(replace(after, version=before.version + 1), before.version)])

        change = Edit(
            action="updateFlagTargeting",
            resource=resource(environment, "flag", key),
            scope=str(environment),
            decide=decide,
            comment=edit.comment,
            summary={"instructions": [named.name for named in edit.instructions]},
        )
        snapshot, _ = await self._editor.edit(principal, environment, change)
        return ChangedFlag(snapshot.flags[key], snapshot.revision)

    async def archive(self, principal: Principal, whole: WholeFlag) -> ChangedFlags:
        """Archive a flag that is nobody's prerequisite: it then evaluates as an unknown one.

        Raises:
            NotFoundError: There is no such flag.
            VersionConflictError: It is not at the version expected.
            InUseError: It is a prerequisite of others.
            DomainError: As `EnvironmentEditor.edit` says.
        """
        return await self._mark(principal, "archiveFlag", whole, archived=True)

    async def restore(self, principal: Principal, whole: WholeFlag) -> ChangedFlags:
        """Restore an archived flag, as it was.

        Raises:
            NotFoundError: There is no such flag.
            VersionConflictError: It is not at the version expected.
            DomainError: As `EnvironmentEditor.edit` says.
        """
        return await self._mark(principal, "restoreFlag", whole, archived=False)

    async def deprecate(self, principal: Principal, whole: WholeFlag) -> ChangedFlags:
        """Mark a flag as one that is not to be used any more: it evaluates as before.

        Raises:
            NotFoundError: There is no such flag.
            VersionConflictError: It is not at the version expected.
            DomainError: As `EnvironmentEditor.edit` says.
        """
        return await self._mark(principal, "deprecateFlag", whole, deprecated=True)

    async def restore_deprecated(self, principal: Principal, whole: WholeFlag) -> ChangedFlags:
        """Restore a deprecated flag, as it was.

        Raises:
            NotFoundError: There is no such flag.
            VersionConflictError: It is not at the version expected.
            DomainError: As `EnvironmentEditor.edit` says.
        """
        return await self._mark(principal, "restoreDeprecatedFlag", whole, deprecated=False)

    async def delete(self, principal: Principal, whole: WholeFlag) -> list[EnvironmentFlag]:
        """Delete a flag from every environment; return it as each environment that had it saw it.

        Raises:
            NotFoundError: There is no such flag.
            VersionConflictError: It is not at the version expected.
            InUseError: It is a prerequisite of others.
            DomainError: As `EnvironmentEditor.edit` says.
        """
        key = whole.key

        def decide(snapshots: Snapshots) -> Decision[list[EnvironmentFlag]]:
            flag = _find(snapshots, key)
            check_flag_version(flag, whole.expected_version)
            refuse_if_prerequisite(snapshots, key)
            here = [snapshot.flags[key] for snapshot in snapshots.values() if key in snapshot.flags]
            return Decision([Delete(flag), *(Delete(seen.targeting) for seen in here)], here)

        edit = _project_edit("deleteFlag", whole.project, key, decide, whole.comment)
        _, deleted = await self._editor.edit_project(principal, whole.project, edit)
        return deleted

    async def _mark(self, principal: Principal, action: str, whole: WholeFlag, **marks: bool) -> ChangedFlags:
        def decide(snapshots: Snapshots) -> Decision[None]:
            flag = _find(snapshots, whole.key)
            check_flag_version(flag, whole.expected_version)
            marked = replace(flag, **marks)  # type: ignore[arg-type]  # by name
            if marked == flag:
                return Decision()
            if marked.archived and not flag.archived:
                refuse_if_prerequisite(snapshots, whole.key)
            return Decision([Save(replace(marked, version=flag.version + 1), flag.version)])

        edit = _project_edit(action, whole.project, whole.key, decide, whole.comment)
        return await self._edit_project(principal, whole.project, whole.key, edit)

    async def _edit_project(self, principal: Principal, project: str, key: str, edit: Edit[None]) -> ChangedFlags:
        snapshots, _ = await self._editor.edit_project(principal, project, edit)
        return ChangedFlags([s.flags[key] for s in snapshots.values() if key in s.flags])


def _project_edit(
    action: str, project: str, key: str, decide: Callable[[Snapshots], Decision[Outcome]], comment: str
) -> Edit[Outcome]:
    return Edit(
        action=action, resource=f"proj/{project}:env/*:flag/{key}", scope=project, decide=decide, comment=comment
    )


def _find(snapshots: Snapshots, key: str) -> Flag:
    for snapshot in snapshots.values():
        if key in snapshot.flags:
            return snapshot.flags[key].flag
    raise NotFoundError("flag", key)


def find_flag(snapshot: Snapshot, key: str) -> EnvironmentFlag:
    """Return a flag of an environment.

    Raises:
        NotFoundError: There is none.
    """
    if key not in snapshot.flags:
        raise NotFoundError("flag", key, environment=str(snapshot.environment))
    return snapshot.flags[key]


def check_flag_version(flag: Flag | EnvironmentFlag, expected: int | None) -> None:
    """Refuse a flag that has changed since the caller saw it.

    Raises:
        VersionConflictError: It is at another version than expected.
    """
    check_version("flag", flag.key, expected=expected, actual=flag.version)


def _apply(
    instructions: Sequence[NamedInstruction[FlagInstruction]], before: EnvironmentFlag, snapshot: Snapshot
) -> Targeting:
    """Apply instructions one after the other; collect what is wrong with any of them."""
    scope = edit_scope(snapshot, variation_count=len(before.variations))
    targeting, violations = apply_all(instructions, before.targeting, scope)
    violations += pattern_violations(before.targeting, targeting, ("instructions",))
    violations += added_prerequisite_violations(instructions, targeting, before, snapshot)
    if violations:
        raise below_input(violations)
    return targeting
