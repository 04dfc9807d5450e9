"""Inputs: the instructions that change what is true of a flag in every environment."""

from collections.abc import Callable
from typing import Any

import strawberry

from domain.instructions.details import AddTags, RemoveTags, UpdateDescription, UpdateName
from domain.instructions.flag_details import (
    AddVariation,
    FlagDetailInstruction,
    RemoveVariation,
    RenameVariation,
    UpdateClientSideAvailability,
    UpdateDefaultVariation,
    UpdateTemporary,
    UpdateVariationValue,
)
from domain.model.flags import ChosenDefaults
from domain.model.targeting import Variation
from domain.services.edits import NamedInstruction
from gql.rule_edits import named_instruction
from gql.scalars import JSON


@strawberry.input(description="One of the values that a flag can serve.")
class VariationInput:
    """Input for domain.model.targeting.Variation."""

    value: JSON | None = strawberry.field(description="The value.")
    name: str = strawberry.field(default="", description="Its name.")
    description: str = strawberry.field(default="", description="What it does.")

    def to_domain(self) -> Variation:
        """Convert to the domain's variation."""
        return Variation(value=self.value, name=self.name, description=self.description)


@strawberry.input(description="Another name or description of a variation; what is null stays.")
class RenameVariationInput:
    """Input for domain.instructions.flag_details.RenameVariation."""

    index: int = strawberry.field(description="The variation's place, from 0.")
    name: str | None = strawberry.field(default=None, description="Its name.")
    description: str | None = strawberry.field(default=None, description="What it does.")


@strawberry.input(description="Another value of a variation.")
class UpdateVariationValueInput:
    """Input for domain.instructions.flag_details.UpdateVariationValue."""

    index: int = strawberry.field(description="The variation's place, from 0.")
    value: JSON | None = strawberry.field(description="What it is to serve, wherever it is served.")


@strawberry.input(description="A variation to remove.")
class RemoveVariationInput:
    """Input for domain.instructions.flag_details.RemoveVariation."""

    index: int = strawberry.field(description="The variation's place, from 0.")


@strawberry.input(
    description="What a flag is to begin with in environments where it is new, by the places of its variations."
)
class DefaultVariationsInput:
    """Input for domain.model.flags.ChosenDefaults."""

    on_variation: int | None = strawberry.field(
        default=None, description="Its `fallthrough`; null leaves it: the first variation, if nobody chose."
    )
    off_variation: int | None = strawberry.field(
        default=None, description="Its `offVariation`; null leaves it: the last variation, if nobody chose."
    )

    def to_domain(self) -> ChosenDefaults:
        """Convert to the domain's defaults."""
        return ChosenDefaults(on_variation=self.on_variation, off_variation=self.off_variation)


@strawberry.input(description="Which client SDKs may see a flag; what is null stays.")
class ClientSideAvailabilityInput:
    """Input for domain.instructions.flag_details.UpdateClientSideAvailability."""

    using_environment_id: bool | None = strawberry.field(
        default=None, description="Those in browsers, and all that show a client SDK key."
    )
    using_mobile_key: bool | None = strawberry.field(default=None, description="Those in mobile applications.")


_CONVERSIONS: dict[str, Callable[[Any], FlagDetailInstruction]] = {
    "updateName": UpdateName,
    "updateDescription": UpdateDescription,
    "addTags": AddTags,
    "removeTags": RemoveTags,
    "updateTemporary": UpdateTemporary,
    "updateClientSideAvailability": lambda given: UpdateClientSideAvailability(
        given.using_environment_id, given.using_mobile_key
    ),
    "addVariation": lambda given: AddVariation(given.to_domain()),
    "renameVariation": lambda given: RenameVariation(given.index, given.name, given.description),
    "updateVariationValue": lambda given: UpdateVariationValue(given.index, given.value),
    "removeVariation": lambda given: RemoveVariation(given.index),
    "updateDefaultVariation": lambda given: UpdateDefaultVariation(given.on_variation, given.off_variation),
}
"""What each field of an instruction means to the domain, by its name in the API."""


@strawberry.input(
    name="FlagDetailInstruction",
    one_of=True,
    description="One change of what is true of a flag in every environment. One whose wanted state already holds "
    "succeeds and changes nothing.",
)
class FlagDetailInstructionInput:
    """Input for domain.instructions.flag_details.FlagDetailInstruction."""

    update_name: strawberry.Maybe[str] = strawberry.field(description="Give it another name.")
    update_description: strawberry.Maybe[str] = strawberry.field(description="Give it another description.")
    add_tags: strawberry.Maybe[list[str]] = strawberry.field(description="Add tags.")
    remove_tags: strawberry.Maybe[list[str]] = strawberry.field(description="Remove tags.")
    update_temporary: strawberry.Maybe[bool] = strawberry.field(
        description="Whether it is meant to be removed one day."
    )
    update_client_side_availability: strawberry.Maybe[ClientSideAvailabilityInput] = strawberry.field(
        description="Which client SDKs may see it."
    )
    add_variation: strawberry.Maybe[VariationInput] = strawberry.field(
        description="Add a variation of another value, last. Environments that keep variations of their own stay "
        "as they are."
    )
    rename_variation: strawberry.Maybe[RenameVariationInput] = strawberry.field(
        description="Give a variation another name or description."
    )
    update_variation_value: strawberry.Maybe[UpdateVariationValueInput] = strawberry.field(
        description="Let a variation serve another value. Environments that keep variations of their own stay as "
        "they are."
    )
    remove_variation: strawberry.Maybe[RemoveVariationInput] = strawberry.field(
        description="Remove a variation that nothing names in any environment: those after it move up by one, "
        "wherever they are named. Otherwise what names it is listed (IN_USE): shares of weight 0, other flags' "
        "prerequisites and chosen `defaults` too. Environments that keep variations of their own stay as they are."
    )
    update_default_variation: strawberry.Maybe[DefaultVariationsInput] = strawberry.field(
        description="Choose what it begins with in environments where it is new. All others stay as they are."
    )

    def to_domain(self) -> NamedInstruction[FlagDetailInstruction]:
        """Convert the one field that is set."""
        return NamedInstruction(*named_instruction(self, _CONVERSIONS))
