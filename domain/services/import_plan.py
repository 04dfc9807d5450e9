"""Decides what an import writes: asks nobody, and knows what is stored and what was read."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from enum import Enum
from functools import cached_property
from typing import Any, TypeVar

from domain.commits import Delete, Entity, Save
from domain.flag_data import FlagData, ReadFlag, ReadSegment, write_segment, write_targeting
from domain.json import Json, same_json
from domain.keys import EnvironmentRef
from domain.model.flags import EnvironmentFlag, Flag
from domain.model.segments import Segment, new_list_uid
from domain.model.targeting import Targeting, Variation
from domain.ports import EnvironmentState
from domain.services.import_notes import ReferenceNotes

T = TypeVar("T")


class ImportMode(Enum):
    """What becomes of flags and segments that the data does not mention."""

    MERGE = "MERGE"
    REPLACE = "REPLACE"


class ImportedKind(Enum):
    """What an imported item is."""

    FLAG = "FLAG"
    SEGMENT = "SEGMENT"


class ImportOutcome(Enum):
    """What became of an item."""

    CREATED = "CREATED"
    UPDATED = "UPDATED"
    UNCHANGED = "UNCHANGED"
    DELETED = "DELETED"


@dataclass(frozen=True, slots=True)
class ImportedItem:
    """What the import did with one item; the notes say what was ignored or is kept but never works."""

    kind: ImportedKind
    key: str
    outcome: ImportOutcome
    notes: tuple[str, ...] = ()


_LIST_FIELDS = (
    "unbounded",
    "unbounded_context_kind",
    "list_uid",
    "generation",
    "list_size",
    "previous_generation",
    "previous_list_size",
    "sync_source",
)
"""What flag data cannot say of a segment whose large list is kept here."""
_TARGET_FIELDS = ("included", "excluded", "included_contexts", "excluded_contexts")
_SYNCED_FIELDS = ("name", "rules", "salt")


class ImportPlan:
    """The writes of an import into one environment, and what to report of each item.

    Args:
        state: The environment as it is.
        project_flags: All flags of the project, by key, in whatever environments they are.
        used_elsewhere: By flag key, the other environments that target it.
        mode: What becomes of what the data does not mention.
    """

    def __init__(
        self,
        state: EnvironmentState,
        project_flags: Mapping[str, Flag],
        used_elsewhere: Mapping[str, frozenset[EnvironmentRef]],
        mode: ImportMode,
    ) -> None:
        self.state = state
        self.project_flags = project_flags
        self._used_elsewhere = used_elsewhere
        self._mode = mode
        self.writes: list[Save | Delete] = []
        self.items: list[ImportedItem] = []
        self.revised: set[EnvironmentRef] = set()
        self.gone_lists: list[Segment] = []

    def add_all(self, read: FlagData) -> None:
        """Plan everything in the data."""
        self._add_flags(read.flags)
        self._add_segments(read.segments)
        self._note_references()

    def _add_flags(self, read: Mapping[str, ReadFlag]) -> None:
        """Plan all flags of the data, and the deletion of others."""
        kept = {key for key, item in read.items() if not item.deleted}
        for key in sorted(kept | self._to_delete(self.state.flags, read, kept)):
            before = self.state.flags.get(key)
            if key in kept:
                self._put_flag(read[key], before)
            elif before is not None:
                self._delete_flag(before)

    def _add_segments(self, read: Mapping[str, ReadSegment]) -> None:
        """Plan all segments of the data, and the deletion of others."""
        kept = {key for key, item in read.items() if not item.deleted}
        for key in sorted(kept | self._to_delete(self.state.segments, read, kept)):
            before = self.state.segments.get(key)
            if key in kept:
                self._put_segment(read[key], before)
            elif before is not None:
                self._write(Delete(before))
                self._forget_list(before)
                self.items.append(ImportedItem(ImportedKind.SEGMENT, key, ImportOutcome.DELETED))

    @cached_property
    def targetings(self) -> Mapping[str, Targeting]:
        """How the environment targets each flag that it has, by key, with all that is planned."""
        found = {key: flag.targeting for key, flag in self.state.flags.items()}
        for write in self.writes:
            if isinstance(write.entity, Targeting):
                _put(found, write, write.entity.flag_key, write.entity)
        return found

    @cached_property
    def flags(self) -> Mapping[str, EnvironmentFlag]:
        """The environment's flags, by key, with all that is planned."""
        flags = dict(self.project_flags)
        for write in self.writes:
            if isinstance(write.entity, Flag):
                _put(flags, write, write.entity.key, write.entity)
        return {key: EnvironmentFlag(flags[key], targeting) for key, targeting in self.targetings.items()}

    @cached_property
    def segments(self) -> Mapping[str, Segment]:
        """The environment's segments, by key, with all that is planned."""
        found = dict(self.state.segments)
        for write in self.writes:
            if isinstance(write.entity, Segment):
                _put(found, write, write.entity.key, write.entity)
        return found

    def _note_references(self) -> None:
        """Note of each item that is kept what it refers to and can never reach."""
        notes = ReferenceNotes(self.flags, self.segments)
        for index, item in enumerate(self.items):
            if item.outcome is not ImportOutcome.DELETED:
                found = notes.of_flag(item.key) if item.kind is ImportedKind.FLAG else notes.of_segment(item.key)
                self.items[index] = replace(item, notes=(*item.notes, *found))

    def stored(self, entity: Entity) -> Entity | None:
        """Return what is stored in the place of an entity that the plan writes."""
        if isinstance(entity, Flag):
            return self.project_flags.get(entity.key)
        if isinstance(entity, Targeting):
            flag = self.state.flags.get(entity.flag_key)
            return None if flag is None else flag.targeting
        return self.state.segments.get(entity.key) if isinstance(entity, Segment) else None

    def _to_delete(self, stored: Mapping[str, object], read: Mapping[str, object], kept: set[str]) -> set[str]:
        """Return the keys that go: those the data calls deleted, and when replacing all it does not mention."""
        gone = stored.keys() if self._mode is ImportMode.REPLACE else stored.keys() & read.keys()
        return set(gone) - kept

    def _write(self, write: Save | Delete) -> None:
        self.writes.append(write)
        self.revised.add(self.state.environment)

    def _forget_list(self, before: Segment) -> None:
        if before.unbounded:
            self.gone_lists.append(before)

    def _put_flag(self, read: ReadFlag, before: EnvironmentFlag | None) -> None:
        stored = self.project_flags.get(read.flag.key)
        others = self._used_elsewhere.get(read.flag.key, frozenset())
        flag = read.flag if stored is None else _merge_flag(stored, read, is_shared=bool(others))
        targeting = _override(read, flag)
        if before is None:
            outcome = ImportOutcome.CREATED
        elif flag is stored and _same_targeting(targeting, before.targeting):
            outcome = ImportOutcome.UNCHANGED
        else:
            outcome = ImportOutcome.UPDATED
            targeting = replace(targeting, version=max(before.version + 1, targeting.version))
        self.items.append(ImportedItem(ImportedKind.FLAG, flag.key, outcome, _notes(read, flag, targeting)))
        if outcome is ImportOutcome.UNCHANGED:
            return
        self._write(Save(targeting, None if before is None else before.version))
        if stored is None:
            self._write(Save(flag, None))
        elif flag is not stored:
            self._write(Save(replace(flag, version=stored.version + 1), stored.version))
            self.revised |= others
        elif before is None:
            # Whoever deletes the flag, having seen nobody target it, must find it changed.
            self._write(Save(replace(flag, version=stored.version + 1), stored.version))
            self.revised |= others

    def _delete_flag(self, before: EnvironmentFlag) -> None:
        """Delete the targeting here; with the last targeting anywhere the flag itself goes."""
        self._write(Delete(before.targeting))
        if not self._used_elsewhere.get(before.key):
            self._write(Delete(before.flag))
        self.items.append(ImportedItem(ImportedKind.FLAG, before.key, ImportOutcome.DELETED))

    def _put_segment(self, read: ReadSegment, before: Segment | None) -> None:
        segment, notes = read.segment, read.notes
        if segment.unbounded:
            # Flag data has no members: whatever generation it names, none of it was loaded here.
            segment = replace(segment, list_uid=new_list_uid(), generation=None)
        if before is None:
            outcome = ImportOutcome.CREATED
        else:
            kept = {
                name: getattr(before, name) for name in ("name", "description", "tags") if name not in read.given
            }
            if before.unbounded and (before.has_members or before.sync_source):
                kept |= {name: getattr(before, name) for name in _LIST_FIELDS}
                if not segment.unbounded:
                    notes += ("it keeps the large list of members that it has here",)
            elif before.unbounded and segment.unbounded:
                # An import that fills it for the first time may be under way.
                kept |= {"list_uid": before.list_uid, "generation": before.generation}
            else:
                self._forget_list(before)
            read_only, why = _read_only(before, replace(segment, **kept))
            kept |= read_only
            notes += why
            segment = replace(segment, **kept, version=before.version, removals=before.removals)
            segment = segment.with_removals_of_targets()
            if same_json(write_segment(segment), write_segment(before)):
                outcome = ImportOutcome.UNCHANGED
            else:
                outcome = ImportOutcome.UPDATED
                segment = replace(segment, version=max(before.version + 1, read.segment.version))
        if segment.unbounded and segment.generation is None:
            notes += ("the members are not in the data: its list has none until startSegmentImport loads them",)
        if segment.unbounded and any(getattr(segment, name) for name in _TARGET_FIELDS):
            notes += ("kept individual targets, which evaluation ignores beside a large list",)
        self.items.append(ImportedItem(ImportedKind.SEGMENT, segment.key, outcome, notes))
        if outcome is not ImportOutcome.UNCHANGED:
            self._write(Save(segment, None if before is None else before.version))


def _put(items: dict[str, T], write: Save | Delete, key: str, entity: T) -> None:
    if isinstance(write, Save):
        items[key] = entity
    else:
        items.pop(key, None)


def _read_only(before: Segment, after: Segment) -> tuple[dict[str, Any], tuple[str, ...]]:
    """Return what an import may no more change of a segment than an edit may, and what it wanted to."""
    names: list[str] = []
    notes: list[str] = []
    if before.unbounded and after.unbounded:
        names += _TARGET_FIELDS
        if _differ(before, after, _TARGET_FIELDS):
            notes.append("a large list has no individual targets: those given were refused")
    if before.sync_source is not None:
        names += _SYNCED_FIELDS
        if _differ(before, after, _SYNCED_FIELDS):
            owner = before.sync_source.integration
            why = "its name and rules are read-only here: those given were refused"
            notes.append(f"{owner} owns this segment, and {why}")
    return {name: getattr(before, name) for name in names}, tuple(notes)


def _differ(before: Segment, after: Segment, names: Sequence[str]) -> bool:
    return any(getattr(before, name) != getattr(after, name) for name in names)


def _merge_flag(stored: Flag, read: ReadFlag, *, is_shared: bool) -> Flag:
    """Return the flag with what the data says of it, as far as that leaves others alone; `stored` if nothing."""
    # Whether a flag is archived is felt wherever it is.
    taken = read.given - {"archived"} if is_shared else read.given
    changes: dict[str, Any] = {
        name: getattr(read.flag, name) for name in taken if getattr(read.flag, name) != getattr(stored, name)
    }
    if not is_shared and not _same_variations(stored.variations, read.flag.variations):
        changes["variations"] = _keep_names(stored.variations, read.flag.variations)
        changes["defaults"] = stored.defaults.among(len(read.flag.variations))
    if not is_shared and stored.client_side_availability != read.flag.client_side_availability:
        changes["client_side_availability"] = read.flag.client_side_availability
    return replace(stored, **changes) if changes else stored


def _notes(read: ReadFlag, flag: Flag, targeting: Targeting) -> tuple[str, ...]:
    notes = list(read.notes)
    if targeting.variations is not None:
        notes.append("the variations differ from those in other environments, and hold in this one only")
    if "archived" in read.given and read.flag.archived != flag.archived:
        notes.append("archived belongs to the project, and other environments have the flag: it was left as it is")
    if flag.archived:
        notes.append("the flag is archived: it evaluates as an unknown one until it is restored")
    return tuple(notes)


def _override(read: ReadFlag, flag: Flag) -> Targeting:
    """Return the targeting with what this environment must keep for itself."""
    own_variations = not _same_variations(flag.variations, read.flag.variations)
    own_availability = flag.client_side_availability != read.flag.client_side_availability
    return replace(
        read.targeting,
        variations=read.flag.variations if own_variations else None,
        client_side_availability=read.flag.client_side_availability if own_availability else None,
    )


def _values(variations: Sequence[Variation] | None) -> Json:
    return None if variations is None else [variation.value for variation in variations]


def _same_variations(left: Sequence[Variation] | None, right: Sequence[Variation] | None) -> bool:
    """Compare values as JSON: for Python `True == 1`."""
    return same_json(_values(left), _values(right))


def _keep_names(stored: Sequence[Variation], read: Sequence[Variation]) -> tuple[Variation, ...]:
    """Return the read variations; where a value stayed in its place, with its name and description."""
    pairs = zip(stored, read, strict=False)
    kept = [old if same_json(old.value, new.value) else new for old, new in pairs]
    return (*kept, *read[len(kept) :])


def _same_targeting(left: Targeting, right: Targeting) -> bool:
    return (
        same_json(write_targeting(left), write_targeting(right))
        and _same_variations(left.variations, right.variations)
        and left.client_side_availability == right.client_side_availability
    )
