"""What the mutations of projects and environments have alike: their inputs, and the SDK keys that they answer."""

from collections.abc import Callable
from typing import Any

import strawberry

from domain.access.credentials import CredentialKind
from domain.instructions.details import AddTags, PlaceInstruction, RemoveTags, UpdateName
from domain.services.edits import NamedInstruction
from domain.services.places import NewPlace, PlaceEdit
from gql.rule_edits import named_instruction

_CONVERSIONS: dict[str, Callable[[Any], PlaceInstruction]] = {
    "updateName": UpdateName,
    "addTags": AddTags,
    "removeTags": RemoveTags,
}


@strawberry.input(
    name="PlaceInstruction",
    one_of=True,
    description="One change of a project's or an environment's details. One whose wanted state already holds "
    "succeeds and changes nothing.",
)
class PlaceInstructionInput:
    """Input for domain.instructions.details.PlaceInstruction."""

    update_name: strawberry.Maybe[str] = strawberry.field(description="Give it another name.")
    add_tags: strawberry.Maybe[list[str]] = strawberry.field(description="Add tags.")
    remove_tags: strawberry.Maybe[list[str]] = strawberry.field(description="Remove tags.")

    def to_domain(self) -> NamedInstruction[PlaceInstruction]:
        """Convert the one field that is set."""
        return NamedInstruction(*named_instruction(self, _CONVERSIONS))


@strawberry.input
class UpdatePlaceInput:
    """The fields that the changes of both have."""

    instructions: list[PlaceInstructionInput] = strawberry.field(description="The changes, in their order.")
    expected_version: int | None = strawberry.field(
        default=None, description="The version you saw; another one is refused. Null takes any."
    )
    comment: str = strawberry.field(default="", description="Why, for the audit log.")

    def to_domain(self) -> PlaceEdit:
        """Convert to the domain's wish."""
        return PlaceEdit(
            instructions=[instruction.to_domain() for instruction in self.instructions],
            expected_version=self.expected_version,
            comment=self.comment,
        )


@strawberry.input(description="An environment of a project to be created.")
class NewEnvironmentInput:
    """Input for domain.services.places.NewPlace."""

    name: str = strawberry.field(description="The name that people read.")
    key: str | None = strawberry.field(
        default=None, description="The key; null derives it from the name. It never changes."
    )
    tags: list[str] = strawberry.field(default_factory=list, description="Its tags.")

    def to_domain(self) -> NewPlace:
        """Convert to the domain's wish."""
        return NewPlace(name=self.name, key=self.key, tags=self.tags)


@strawberry.type(name="NewSdkKey", description="An SDK key with its secret, which is shown this once.")
class NewSdkKeyView:
    """View of domain.access.credentials.NewSdkKey."""

    environment_key: str = strawberry.field(description="The key of the environment that it evaluates in.")
    kind: CredentialKind = strawberry.field(description="Whether it is for servers or for clients.")
    secret: str = strawberry.field(description="The secret.")
