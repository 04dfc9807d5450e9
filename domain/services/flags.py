"""Flags: create, change their targeting by instructions, archive, restore, delete."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

from domain.access.principals import Principal
from domain.errors import (
    AlreadyExistsError,
    NotFoundError,
    VersionConflictError,
    Violation,
)
from domain.evaluation.snapshot import Snapshot
from domain.flag_data import write_targeting
from domain.instructions.clauses import EditScope
from domain.instructions.flag_details import FlagDetailInstruction
from domain.instructions.flags import FlagInstruction
from domain.json import NESTING_LIMIT, is_nested_too_deep, same_json
from domain.keys import EnvironmentRef, key_from_name, key_violation, new_key_violation
from domain.model.flags import EnvironmentFlag, Flag
from domain.model.targeting import (
    ClientSideAvailability,
    Targeting,
    Variation,
)
from domain.ports import Delete, Save
from domain.services.editing import (
    Edit,
    EnvironmentEditor,
    NamedInstruction,
    Snapshots,
    apply_all,
    below_input,
    edit_scope,
    resource,
)
from domain.services.environments import first_targeting
from domain.services.prerequisites import added_prerequisite_violations, refuse_if_prerequisite


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
class NewFlag:
    """A flag to be created; without a key the name gives it."""

    project: str
    name: str
    key: str | None = None
    description: str = ""
    tags: Sequence[str] = ()
    variations: Sequence[Variation] = (Variation(value=True), Variation(value=False))
    temporary: bool = False
    client_side_availability: ClientSideAvailability = ClientSideAvailability()
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
    """Changes flags."""

    def __init__(self, editor: EnvironmentEditor) -> None:
        self._editor = editor

    async def create(self, principal: Principal, new: NewFlag) -> ChangedFlags:
        """Create a flag in every environment of its project: off, serving its last variation then.

        Raises:
            InvalidInputError: With every violation.
            AlreadyExistsError: There is one with this key.
            NotFoundError: There is no such project.
            DomainError: As `EnvironmentEditor.edit` says.
        """
        principal.require_management("createFlag", f"proj/{new.project}:env/*:flag/*")
        key = key_from_name(new.name) if new.key is None else new.key
        if found := _violations(new, key):
            raise below_input(found)
        flag = Flag(
            project=new.project,
            key=key,
            name=new.name,
            description=new.description,
            tags=tuple(sorted(set(new.tags))),
            variations=tuple(new.variations),
            temporary=new.temporary,
            client_side_availability=new.client_side_availability,
        )

        def decide(snapshots: Snapshots) -> Sequence[Save | Delete]:
            if any(key in snapshot.flags for snapshot in snapshots.values()):
                raise AlreadyExistsError("flag", key)
            targetings = [first_targeting(flag, ref) for ref in snapshots]
            return [Save(flag, None), *(Save(targeting, None) for targeting in targetings)]

        edit = _project_edit("createFlag", new.project, key, decide, new.comment)
        return await self._edit_project(principal, new.project, key, edit)

    async def update(self, principal: Principal, edit: FlagEdit) -> ChangedFlags:
        """Apply instructions to what is true of a flag in every environment, all or none.

        Raises:
            InvalidInputError: With every violation of every instruction.
            NotFoundError: There is no such flag.
            VersionConflictError: It is not at the version expected.
            DomainError: As `EnvironmentEditor.edit` says.
        """
        key = edit.flag_key

        def decide(snapshots: Snapshots) -> Sequence[Save | Delete]:
            before = _find(snapshots, key)
            if edit.expected_version not in {None, before.version}:
                expected = edit.expected_version or 0
                raise VersionConflictError("flag", key, expected=expected, actual=before.version)
            after, violations = apply_all(edit.instructions, before, EditScope(frozenset()))
            if violations:
                raise below_input(violations)
            # For Python `True == 1`; as values that flags serve they differ.
            values = [variation.value for variation in (*before.variations, *after.variations)]
            half = len(before.variations)
            if after == before and same_json(values[:half], values[half:]):
                return []
            return [Save(replace(after, version=before.version + 1), before.version)]

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
            DomainError: As `EnvironmentEditor.edit` says.
        """
        key = edit.flag_key

        def decide(snapshots: Snapshots) -> Sequence[Save | Delete]:
            snapshot = snapshots[environment]
            before = snapshot.flags.get(key)
            if before is None:
                raise NotFoundError("flag", key)
            if edit.expected_version not in {None, before.version}:
                expected = edit.expected_version or 0
                raise VersionConflictError("flag", key, expected=expected, actual=before.version)
            after = _apply(edit.instructions, before, snapshot)
            if same_json(write_targeting(before.targeting), write_targeting(after)):
                return []
            return [Save(replace(after, version=before.version + 1), before.version)]

        change = Edit(
            action="updateFlagTargeting",
            resource=resource(environment, "flag", key),
            scope=str(environment),
            decide=decide,
            comment=edit.comment,
            summary={"instructions": [named.name for named in edit.instructions]},
        )
        snapshot = await self._editor.edit(principal, environment, change)
        return ChangedFlag(snapshot.flags[key], snapshot.revision)

    async def archive(
        self, principal: Principal, project: str, key: str, *, archived: bool, comment: str = ""
    ) -> ChangedFlags:
        """Archive a flag that is nobody's prerequisite, or restore it.

        Raises:
            NotFoundError: There is no such flag.
            InUseError: It is a prerequisite of others.
            DomainError: As `EnvironmentEditor.edit` says.
        """

        def decide(snapshots: Snapshots) -> Sequence[Save | Delete]:
            flag = _find(snapshots, key)
            if flag.archived is archived:
                return []
            if archived:
                refuse_if_prerequisite(snapshots, key)
            return [Save(replace(flag, archived=archived, version=flag.version + 1), flag.version)]

        action = "archiveFlag" if archived else "restoreFlag"
        edit = _project_edit(action, project, key, decide, comment)
        return await self._edit_project(principal, project, key, edit)

    async def delete(self, principal: Principal, project: str, key: str, comment: str = "") -> list[str]:
        """Delete a flag from every environment; return the ids that it had there.

        Raises:
            NotFoundError: There is no such flag.
            InUseError: It is a prerequisite of others.
            DomainError: As `EnvironmentEditor.edit` says.
        """
        ids: list[str] = []

        def decide(snapshots: Snapshots) -> Sequence[Save | Delete]:
            flag = _find(snapshots, key)
            refuse_if_prerequisite(snapshots, key)
            here = [snapshot.flags[key] for snapshot in snapshots.values() if key in snapshot.flags]
            ids[:] = [seen.id for seen in here]
            return [Delete(flag), *(Delete(seen.targeting) for seen in here)]

        edit = _project_edit("deleteFlag", project, key, decide, comment)
        await self._edit_project(principal, project, key, edit)
        return ids

    async def _edit_project(self, principal: Principal, project: str, key: str, edit: Edit) -> ChangedFlags:
        snapshots = await self._editor.edit_project(principal, project, edit)
        return ChangedFlags([s.flags[key] for s in snapshots.values() if key in s.flags])


def _project_edit(
    action: str, project: str, key: str, decide: Callable[[Snapshots], Sequence[Save | Delete]], comment: str
) -> Edit:
    return Edit(
        action=action, resource=f"proj/{project}:env/*:flag/{key}", scope=project, decide=decide, comment=comment
    )


def _violations(new: NewFlag, key: str) -> list[Violation]:
    found = [new_key_violation(key, is_given=new.key is not None)]
    found += [key_violation(tag, ("tags", index)) for index, tag in enumerate(new.tags)]
    if new.key is not None and not new.name.strip():
        found.append(Violation(("name",), "a name is needed"))
    if not new.variations:
        found.append(Violation(("variations",), "at least one is needed"))
    found += [
        Violation(("variations", index, "value"), f"is nested more than {NESTING_LIMIT} deep")
        for index, variation in enumerate(new.variations)
        if is_nested_too_deep(variation.value)
    ]
    return [violation for violation in found if violation]


def _find(snapshots: Snapshots, key: str) -> Flag:
    for snapshot in snapshots.values():
        if key in snapshot.flags:
            return snapshot.flags[key].flag
    raise NotFoundError("flag", key)


def _apply(
    instructions: Sequence[NamedInstruction[FlagInstruction]], before: EnvironmentFlag, snapshot: Snapshot
) -> Targeting:
    """Apply instructions one after the other; collect what is wrong with any of them."""
    scope = edit_scope(snapshot, variation_count=len(before.variations))
    targeting, violations = apply_all(instructions, before.targeting, scope)
    violations += added_prerequisite_violations(instructions, targeting, before, snapshot)
    if violations:
        raise below_input(violations)
    return targeting
