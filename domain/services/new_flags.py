"""New flags: what is wanted of one, and whether it can be."""

from collections.abc import Sequence
from dataclasses import dataclass

from domain.errors import Violation
from domain.instructions.details import description_violations, new_name_violations, tag_violations
from domain.instructions.flag_details import (
    default_violations,
    new_variation_violations,
    repeated_value_violations,
)
from domain.instructions.limits import VARIATIONS_LIMIT, too_many
from domain.keys import key_from_name
from domain.model.flags import ChosenDefaults, Flag
from domain.model.targeting import ClientSideAvailability, Variation


@dataclass(frozen=True, slots=True, kw_only=True)
class NewFlag:
    """A flag to be created; without a key the name gives it."""

    project: str
    name: str
    key: str | None = None
    description: str = ""
    tags: Sequence[str] = ()
    variations: Sequence[Variation] = (Variation(value=True), Variation(value=False))
    defaults: ChosenDefaults = ChosenDefaults()
    temporary: bool = False
    client_side_availability: ClientSideAvailability = ClientSideAvailability()
    comment: str = ""

    @property
    def wanted_key(self) -> str:
        """The key that it is to have."""
        return key_from_name(self.name) if self.key is None else self.key

    def violations(self) -> list[Violation]:
        """Return what is wrong with it."""
        found = new_name_violations(self.name, self.key)
        found += description_violations(self.description, ("description",))
        found += tag_violations(self.tags, ("tags",))
        if not self.variations:
            return [*found, Violation(("variations",), "at least one is needed")]
        path = ("variations",)
        found += (
            too_many("variations", len(self.variations), VARIATIONS_LIMIT, path)
            or [
                violation
                for index, variation in enumerate(self.variations)
                for violation in new_variation_violations(variation, (*path, index))
            ]
            or repeated_value_violations((), self.variations, path)
        )
        return found + default_violations(self.defaults, len(self.variations), ("defaults",))

    def to_flag(self) -> Flag:
        """Return the flag."""
        return Flag(
            project=self.project,
            key=self.wanted_key,
            name=self.name,
            description=self.description,
            tags=tuple(sorted(set(self.tags))),
            variations=tuple(self.variations),
            defaults=self.defaults,
            temporary=self.temporary,
            client_side_availability=self.client_side_availability,
        )
