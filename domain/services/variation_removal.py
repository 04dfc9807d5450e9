"""What the removal of a flag's variations writes beside the flag, in all environments of its project."""

from collections.abc import Sequence
from dataclasses import replace

from domain.commits import Save
from domain.errors import InUseError, UsedBy
from domain.instructions.clauses import EditScope
from domain.instructions.flag_details import AddVariation, FlagDetailInstruction, RemoveVariation
from domain.instructions.variation_removal import VariationRemoval, variation_users, without_variation
from domain.model.flags import Flag
from domain.model.targeting import Targeting
from domain.services.edits import NamedInstruction, Snapshots

_NEW = -1
"""The place, before, of what was not there."""


def remove_variations(
    flag: Flag, instructions: Sequence[NamedInstruction[FlagDetailInstruction]], snapshots: Snapshots
) -> tuple[VariationRemoval, list[Save]]:
    """Return which variations of a flag instructions remove, and what must be written beside the flag.

    So whatever names a variation goes on naming the same one.

    Raises:
        InUseError: Something names a variation that is to go.
    """
    key = flag.key
    # Where an environment keeps variations of its own, the flag's come and go without it.
    before = [
        flag.targeting
        for snapshot in snapshots.values()
        if key in snapshot.flags and snapshot.flags[key].targeting.variations is None
        for flag in snapshot.flags.values()
    ]
    after = before
    indexes: list[int] = []
    places = [*range(len(flag.variations))]
    for named in instructions:
        match named.instruction:
            case AddVariation():
                places.append(_NEW)
            case RemoveVariation(index):
                if users := _users(flag, index, after, snapshots):
                    raise InUseError("variation", f"{key}/{index}", users)
                after = [without_variation(targeting, key, index) for targeting in after]
                indexes.append(index)
                del places[index]
        flag = named.instruction.apply(flag, EditScope(frozenset()))
    if not indexes:
        return VariationRemoval(), []
    writes = [
        Save(replace(new, version=old.version + 1), old.version)
        for old, new in zip(before, after, strict=True)
        if new != old
    ]
    stayed = tuple(place for place in places if place != _NEW)
    return VariationRemoval(key=key, indexes=tuple(indexes), stayed=stayed), writes


def _users(flag: Flag, index: int, targetings: Sequence[Targeting], snapshots: Snapshots) -> list[UsedBy]:
    """Return what names a variation of a flag: the defaults that were chosen, and targetings."""
    chosen = {flag.defaults.on_variation, flag.defaults.off_variation}
    defaults = [UsedBy("defaults", flag.key, archived=flag.archived)] if index in chosen else []
    return defaults + [
        UsedBy(kind, place, str(targeting.environment), _is_archived(targeting, snapshots))
        for targeting in targetings
        for kind, place in variation_users(targeting, flag.key, index)
    ]


def _is_archived(targeting: Targeting, snapshots: Snapshots) -> bool:
    return snapshots[targeting.environment].flags[targeting.flag_key].archived
