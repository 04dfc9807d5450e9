"""Instructions for what segments, flags, projects and environments have alike: name, description, tags."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import TypeAlias, TypeVar

from domain.errors import InvalidInputError
from domain.instructions.clauses import EditScope, refusal
from domain.keys import key_violation
from domain.model.flags import Flag
from domain.model.projects import Environment, Project
from domain.model.segments import Segment

Described = TypeVar("Described", Segment, Flag)
Detailed = TypeVar("Detailed", Segment, Flag, Project, Environment)


@dataclass(frozen=True, slots=True)
class UpdateName:
    """Change the name."""

    name: str

    def apply(self, thing: Detailed, _scope: EditScope) -> Detailed:
        """Return it with the name."""
        if not self.name.strip():
            raise refusal((), "a name is needed")
        return replace(thing, name=self.name)


@dataclass(frozen=True, slots=True)
class UpdateDescription:
    """Change the description."""

    description: str

    def apply(self, thing: Described, _scope: EditScope) -> Described:
        """Return it with the description."""
        return replace(thing, description=self.description)


@dataclass(frozen=True, slots=True)
class AddTags:
    """Add tags."""

    tags: Sequence[str]

    def apply(self, thing: Detailed, _scope: EditScope) -> Detailed:
        """Return it with the tags."""
        if found := [v for index, tag in enumerate(self.tags) if (v := key_violation(tag, (index,)))]:
            raise InvalidInputError(found)
        return replace(thing, tags=tuple(sorted({*thing.tags, *self.tags})))


@dataclass(frozen=True, slots=True)
class RemoveTags:
    """Remove tags; those that are not there do not matter."""

    tags: Sequence[str]

    def apply(self, thing: Detailed, _scope: EditScope) -> Detailed:
        """Return it without the tags."""
        return replace(thing, tags=tuple(sorted({*thing.tags} - {*self.tags})))


PlaceInstruction: TypeAlias = UpdateName | AddTags | RemoveTags
"""What projects and environments take."""
