"""What prerequisites must be to be written, and who keeps a flag from going away."""

from collections.abc import Mapping, Sequence

from domain.errors import InputPath, InUseError, UsedBy, Violation, quoted
from domain.evaluation.snapshot import Snapshot
from domain.instructions.flags import AddPrerequisites, FlagInstruction, ReplacePrerequisites
from domain.model.flags import EnvironmentFlag
from domain.model.targeting import Prerequisite, Targeting
from domain.services.edits import NamedInstruction, Snapshots


def refuse_if_prerequisite(snapshots: Snapshots, key: str) -> None:
    """Refuse what would take a flag away from those that have it as a prerequisite.

    Raises:
        InUseError: It is a prerequisite of others, archived ones included.
    """
    users = [
        UsedBy("flag", user, str(environment), flag.archived)
        for environment, snapshot in snapshots.items()
        for user, flag in snapshot.flags.items()
        if user != key and any(prerequisite.key == key for prerequisite in flag.prerequisites)
    ]
    if users:
        raise InUseError("flag", key, users)


def added_prerequisite_violations(
    instructions: Sequence[NamedInstruction[FlagInstruction]],
    targeting: Targeting,
    before: EnvironmentFlag,
    snapshot: Snapshot,
) -> list[Violation]:
    """Return what is wrong with prerequisites that were not there before, where they stand in the input."""
    found: list[Violation] = []
    for index, named in enumerate(instructions):
        instruction = named.instruction
        added = (
            instruction.prerequisites if isinstance(instruction, AddPrerequisites | ReplacePrerequisites) else ()
        )
        for place, prerequisite in enumerate(added):
            if prerequisite in targeting.prerequisites and prerequisite not in before.prerequisites:
                path = ("instructions", index, named.name, place)
                found += prerequisite_violations(prerequisite, path, before.key, snapshot)
    return found


def prerequisite_violations(
    prerequisite: Prerequisite, path: InputPath, flag_key: str, snapshot: Snapshot
) -> list[Violation]:
    """Return what is wrong with a flag's having a prerequisite, in an environment as it is."""
    flag = snapshot.flags.get(prerequisite.key)
    if flag is None:
        return [Violation((*path, "key"), f"there is no flag {quoted(prerequisite.key)}")]
    if flag.archived:
        return [Violation((*path, "key"), f"the flag {prerequisite.key!r} is archived")]
    if not 0 <= prerequisite.variation < len(flag.variations):
        message = f"the flag {prerequisite.key!r} has no variation {prerequisite.variation}"
        return [Violation((*path, "variation"), message)]
    if circle := circle_of(prerequisite, flag_key, snapshot):
        return [Violation((*path, "key"), circle)]
    return []


def circle_of(prerequisite: Prerequisite, flag_key: str, snapshot: Snapshot) -> str | None:
    """Tell which circle a flag's prerequisite would close; None if it closes none."""
    way = _way_to(flag_key, prerequisite.key, snapshot.flags)
    return f"prerequisites would form a circle: {' -> '.join((flag_key, *way))}" if way else None


def _way_to(wanted: str, start: str, flags: Mapping[str, EnvironmentFlag]) -> tuple[str, ...]:
    """Return the keys on a way along prerequisites from a flag to another; nothing if there is none."""
    ways: dict[str, tuple[str, ...]] = {start: (start,)}
    waiting = [start]
    for key in waiting:
        if key == wanted:
            return ways[key]
        for prerequisite in flags[key].prerequisites if key in flags else ():
            if prerequisite.key not in ways:
                ways[prerequisite.key] = (*ways[key], prerequisite.key)
                waiting.append(prerequisite.key)
    return ()
