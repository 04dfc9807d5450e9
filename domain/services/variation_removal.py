"""What the removal of a flag's variations writes beside the flag, in all environments of its project."""

from collections.abc import Sequence
from dataclasses import replace

from domain.errors import InUseError, UsedBy
from domain.instructions.flag_details import AddVariation, FlagDetailInstruction, RemoveVariation
from domain.instructions.variation_removal import VariationRemoval, variation_users, without_variation
from domain.model.flags import Flag
from domain.model.targeting import Targeting
from domain.ports import Save
from domain.services.editing import NamedInstruction, Snapshots

_NEW = -1
"""The place, before, of what was not there."""


def removal_of(flag: Flag, instructions: Sequence[NamedInstruction[FlagDetailInstruction]]) -> VariationRemoval:
    """Return which variations of a flag instructions remove, and which stay."""
    indexes: list[int] = []
    places = [*range(len(flag.variations))]
    for named in instructions:
        match named.instruction:
            case AddVariation():
                places.append(_NEW)
            case RemoveVariation(index):
                indexes.append(index)
                del places[index]
    if not indexes:
        return VariationRemoval()
    stayed = tuple(place for place in places if place != _NEW)
    return VariationRemoval(key=flag.key, indexes=tuple(indexes), stayed=stayed)


def without_removed_variations(removal: VariationRemoval, snapshots: Snapshots) -> list[Save]:
    """Return what must be written so that whatever names a variation of a flag goes on naming the same one.

    Raises:
        InUseError: Something names a variation that is to go.
    """
    key = removal.key
    # Where an environment keeps variations of its own, the flag's come and go without it.
    before = [
        flag.targeting
        for snapshot in snapshots.values()
        if key in snapshot.flags and snapshot.flags[key].targeting.variations is None
        for flag in snapshot.flags.values()
    ]
    after = before
    for index in removal.indexes:
        users = [
            UsedBy(kind, path, str(targeting.environment), _is_archived(targeting, snapshots))
            for targeting in after
            for kind, path in variation_users(targeting, key, index)
        ]
        if users:
            raise InUseError("variation", f"{key}/{index}", users)
        after = [without_variation(targeting, key, index) for targeting in after]
    return [
        Save(replace(new, version=old.version + 1), old.version)
        for old, new in zip(before, after, strict=True)
        if new != old
    ]


def _is_archived(targeting: Targeting, snapshots: Snapshots) -> bool:
    return snapshots[targeting.environment].flags[targeting.flag_key].archived
