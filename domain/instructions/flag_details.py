"""Instructions for what is true of a flag in every environment (LaunchDarkly semantics 3.2)."""

from collections import Counter, defaultdict
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import TypeAlias

from domain.errors import InputPath, InvalidInputError, Violation
from domain.instructions.clauses import EditScope, no_variation, refusal
from domain.instructions.details import (
    AddTags,
    RemoveTags,
    UpdateDescription,
    UpdateName,
    description_violations,
)
from domain.instructions.limits import VARIATIONS_LIMIT, text_violations, too_many
from domain.instructions.variation_removal import shifted_defaults
from domain.json import NESTING_LIMIT, Json, is_nested_too_deep, json_text
from domain.model.flags import ChosenDefaults, Flag
from domain.model.targeting import ClientSideAvailability, Variation


@dataclass(frozen=True, slots=True)
class UpdateTemporary:
    """Say whether the flag is meant to be removed one day."""

    temporary: bool

    def apply(self, flag: Flag, _scope: EditScope) -> Flag:
        """Return the flag, temporary or permanent."""
        return replace(flag, temporary=self.temporary)


@dataclass(frozen=True, slots=True)
class UpdateClientSideAvailability:
    """Say which client SDKs may see the flag; what is None stays."""

    using_environment_id: bool | None = None
    using_mobile_key: bool | None = None

    def apply(self, flag: Flag, _scope: EditScope) -> Flag:
        """Return the flag with the availability."""
        before = flag.client_side_availability
        availability = ClientSideAvailability(
            using_environment_id=before.using_environment_id
            if self.using_environment_id is None
            else self.using_environment_id,
            using_mobile_key=before.using_mobile_key if self.using_mobile_key is None else self.using_mobile_key,
        )
        return replace(flag, client_side_availability=availability)


@dataclass(frozen=True, slots=True)
class AddVariation:
    """Add a variation, last: those that are there keep their places."""

    variation: Variation

    def apply(self, flag: Flag, _scope: EditScope) -> Flag:
        """Return the flag with the variation."""
        found = new_variation_violations(self.variation)
        found += too_many("variations", len(flag.variations) + 1, VARIATIONS_LIMIT, ())
        if found:
            raise InvalidInputError(found)
        return replace(flag, variations=(*flag.variations, self.variation))


@dataclass(frozen=True, slots=True)
class RenameVariation:
    """Change a variation's name or description; what is None stays."""

    index: int
    name: str | None = None
    description: str | None = None

    def apply(self, flag: Flag, _scope: EditScope) -> Flag:
        """Return the flag with the variation changed."""
        before = _variation(flag, self.index)
        after = replace(
            before,
            name=before.name if self.name is None else self.name,
            description=before.description if self.description is None else self.description,
        )
        if found := new_variation_violations(Variation(None, self.name or "", self.description or "")):
            raise InvalidInputError(found)
        return _with_variation(flag, self.index, after)


@dataclass(frozen=True, slots=True)
class UpdateVariationValue:
    """Change what a variation serves, wherever it is served."""

    index: int
    value: Json

    def apply(self, flag: Flag, _scope: EditScope) -> Flag:
        """Return the flag with the variation changed."""
        if found := new_variation_violations(Variation(self.value)):
            raise InvalidInputError(found)
        return _with_variation(flag, self.index, replace(_variation(flag, self.index), value=self.value))


@dataclass(frozen=True, slots=True)
class RemoveVariation:
    """Remove a variation: those after it move up. Of what names them only the defaults are part of the flag."""

    index: int

    def apply(self, flag: Flag, _scope: EditScope) -> Flag:
        """Return the flag without the variation; one at least must stay."""
        _variation(flag, self.index)
        if len(flag.variations) == 1:
            raise refusal(("index",), "is the only variation: at least one is needed")
        return replace(
            flag,
            variations=(*flag.variations[: self.index], *flag.variations[self.index + 1 :]),
            defaults=shifted_defaults(flag.defaults, self.index),
        )


@dataclass(frozen=True, slots=True)
class UpdateDefaultVariation:
    """Choose what the flag begins with in environments where it is new; what is None stays."""

    on_variation: int | None = None
    off_variation: int | None = None

    def apply(self, flag: Flag, _scope: EditScope) -> Flag:
        """Return the flag with the defaults."""
        before = flag.defaults
        defaults = ChosenDefaults(
            on_variation=before.on_variation if self.on_variation is None else self.on_variation,
            off_variation=before.off_variation if self.off_variation is None else self.off_variation,
        )
        if found := default_violations(defaults, len(flag.variations)):
            raise InvalidInputError(found)
        return replace(flag, defaults=defaults)


FlagDetailInstruction: TypeAlias = (
    UpdateName
    | UpdateDescription
    | AddTags
    | RemoveTags
    | UpdateTemporary
    | UpdateClientSideAvailability
    | AddVariation
    | RenameVariation
    | UpdateVariationValue
    | RemoveVariation
    | UpdateDefaultVariation
)


def new_variation_violations(variation: Variation, path: InputPath = ()) -> list[Violation]:
    """Return what is wrong with a variation that is to be written."""
    found = text_violations(variation.name, (*path, "name"))
    found += description_violations(variation.description, (*path, "description"))
    if is_nested_too_deep(variation.value):
        found.append(Violation((*path, "value"), f"is nested more than {NESTING_LIMIT} deep"))
    return found


def repeated_value_violations(
    before: Sequence[Variation], after: Sequence[Variation], path: InputPath
) -> list[Violation]:
    """Return which variations are to have the same value, but for what was so before: an import keeps that."""
    counts = Counter(json_text(variation.value) for variation in before)
    places: defaultdict[str, list[int]] = defaultdict(list)
    for index, variation in enumerate(after):
        places[json_text(variation.value)].append(index)
    return [
        Violation(path, f"variations {found[0]} and {found[-1]} would have the same value")
        for text, found in places.items()
        if len(found) > max(counts[text], 1)
    ]


def default_violations(defaults: ChosenDefaults, count: int, path: InputPath = ()) -> list[Violation]:
    """Return what is wrong with default variations of a flag that has so many."""
    places = {"onVariation": defaults.on_variation, "offVariation": defaults.off_variation}
    return [
        Violation((*path, name), no_variation(place, count))
        for name, place in places.items()
        if place is not None and not 0 <= place < count
    ]


def _variation(flag: Flag, index: int) -> Variation:
    if not 0 <= index < len(flag.variations):
        raise refusal(("index",), no_variation(index, len(flag.variations)))
    return flag.variations[index]


def _with_variation(flag: Flag, index: int, variation: Variation) -> Flag:
    return replace(flag, variations=(*flag.variations[:index], variation, *flag.variations[index + 1 :]))
