"""Instructions for what segments, flags, projects and environments have alike: name, description, tags."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import TypeAlias, TypeVar

from domain.errors import InputPath, InvalidInputError, Violation
from domain.instructions.clauses import EditScope
from domain.instructions.limits import (
    DESCRIPTION_CHARACTERS,
    TAGS_LIMIT,
    text_violations,
    too_long,
    too_many,
)
from domain.keys import key_from_name, new_key_violation, tag_violation
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
        if found := name_violations(self.name):
            raise InvalidInputError(found)
        return replace(thing, name=self.name)


@dataclass(frozen=True, slots=True)
class UpdateDescription:
    """Change the description."""

    description: str

    def apply(self, thing: Described, _scope: EditScope) -> Described:
        """Return it with the description."""
        if found := description_violations(self.description):
            raise InvalidInputError(found)
        return replace(thing, description=self.description)


@dataclass(frozen=True, slots=True)
class AddTags:
    """Add tags."""

    tags: Sequence[str]

    def apply(self, thing: Detailed, _scope: EditScope) -> Detailed:
        """Return it with the tags."""
        tags = {*thing.tags, *self.tags}
        found = tag_violations(self.tags) or too_many("tags", len(tags), TAGS_LIMIT, (), before=len(thing.tags))
        if found:
            raise InvalidInputError(found)
        return replace(thing, tags=tuple(sorted(tags)))


@dataclass(frozen=True, slots=True)
class RemoveTags:
    """Remove tags; those that are not there do not matter."""

    tags: Sequence[str]

    def apply(self, thing: Detailed, _scope: EditScope) -> Detailed:
        """Return it without the tags."""
        return replace(thing, tags=tuple(sorted({*thing.tags} - {*self.tags})))


def name_violations(name: str, path: InputPath = ()) -> list[Violation]:
    """Return what is wrong with a name."""
    if not name.strip():
        return [Violation(path, "a name is needed")]
    return text_violations(name, path)


def new_name_violations(name: str, key: str | None) -> list[Violation]:
    """Return what is wrong with the name of something new, and with its key; without one the name gives it."""
    wanted = key_from_name(name) if key is None else key
    violation = new_key_violation(wanted, is_given=key is not None)
    found = [violation] if violation else []
    if key is not None or not found:
        found += name_violations(name, ("name",))
    return found


def description_violations(description: str, path: InputPath = ()) -> list[Violation]:
    """Return what is wrong with a description."""
    return too_long(description, DESCRIPTION_CHARACTERS, path)


def tag_violations(tags: Sequence[str], path: InputPath = ()) -> list[Violation]:
    """Return what is wrong with tags."""
    return too_many("tags", len(tags), TAGS_LIMIT, path) or [
        violation for index, tag in enumerate(tags) if (violation := tag_violation(tag, (*path, index)))
    ]


PlaceInstruction: TypeAlias = UpdateName | AddTags | RemoveTags
"""What projects and environments take."""
