"""Global ids: a type's name and the thing's own id, opaque to clients, good for ever."""

import base64
import binascii

import strawberry

from domain.errors import InputPath, InvalidInputError, Violation


@strawberry.interface(description="Whatever has a global id.")
class Node:
    """View of anything with an id of its own."""

    id: strawberry.ID = strawberry.field(description="The global id: the same for ever, good for `node`.")


def global_id(type_name: str, entity_id: str) -> strawberry.ID:
    """Make the global id of an entity."""
    return strawberry.ID(base64.urlsafe_b64encode(f"{type_name}:{entity_id}".encode()).decode())


def read_id_of(type_name: str, node_id: str, path: InputPath = ("id",)) -> str:
    """Return the id of an entity whose type is known.

    Raises:
        InvalidInputError: The global id is none of ours, or one of another type.
    """
    found, entity_id = read_global_id(node_id, path)
    if found != type_name:
        raise InvalidInputError([Violation(path, f"is the id of a {found}, not of a {type_name}")])
    return entity_id


def read_global_id(node_id: str, path: InputPath = ("id",)) -> tuple[str, str]:
    """Split a global id, which stands at a path of the input, into the type's name and the entity's id.

    Raises:
        InvalidInputError: It is none of ours.
    """
    try:
        type_name, separator, entity_id = base64.b64decode(node_id, b"-_", validate=True).decode().partition(":")
    except (binascii.Error, UnicodeError, ValueError):
        type_name, separator, entity_id = "", "", ""
    if not separator:
        raise InvalidInputError([Violation(path, "is not an id that this service gave out")])
    return type_name, entity_id
