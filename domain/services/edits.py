"""What edits are made of: what is wanted, what it comes to, instructions, and what is refused of any of them."""

from collections.abc import Awaitable, Callable, Collection, Mapping, Sequence
from dataclasses import KW_ONLY, dataclass, field
from typing import Any, Generic, TypeAlias, TypeVar

from domain.clock import now_ms
from domain.commits import Delete, Entity, Save
from domain.errors import InvalidInputError, VersionConflictError, Violation
from domain.evaluation.snapshot import Snapshot
from domain.instructions.clauses import EditScope
from domain.instructions.limits import COMMENT_CHARACTERS, INSTRUCTIONS_LIMIT, too_long, too_many
from domain.instructions.variation_removal import VariationRemoval
from domain.keys import EnvironmentRef
from domain.model.flags import Flag

Instruction = TypeVar("Instruction")
Outcome = TypeVar("Outcome")
T = TypeVar("T")

Snapshots: TypeAlias = Mapping[EnvironmentRef, Snapshot]
Writes: TypeAlias = Sequence[Save | Delete]


@dataclass(frozen=True, slots=True)
class Decision(Generic[Outcome]):
    """What an edit comes to, on the environments as they are.

    Attributes:
        writes: What is wanted; none if it holds.
        outcome: What the decision tells who asked for the edit.
        implied: Writes that follow from those, and need no permission of their own.
        uses: Actions on things as they are that need permission too.
        flags: By key, flags of the project that it is decided on wherever they are.
        based_on: Revisions, by scopes that the edit revises, that it is decided on beside the environments.
        revise: Scopes, beside those of the edit, whose revision grows.
        summary: What the audit log's entry says, beside what the edit says, in JSON types.
        removal: Variations that go. What named the others is taken by their new places: to follow is no change.
    """

    writes: Writes = ()
    outcome: Outcome = None  # type: ignore[assignment]  # left out only where it is of the type None
    _: KW_ONLY
    implied: Writes = ()
    uses: Sequence[tuple[str, Entity]] = ()
    flags: Mapping[str, Flag] = field(default_factory=dict)
    based_on: Mapping[str, int] = field(default_factory=dict)
    revise: Collection[str] = ()
    summary: Mapping[str, object] = field(default_factory=dict)
    removal: VariationRemoval = field(default_factory=VariationRemoval)

    @property
    def all_writes(self) -> Writes:
        """What is written."""
        return [*self.writes, *self.implied]


@dataclass(frozen=True, slots=True, kw_only=True)
class Edit(Generic[Outcome]):
    """What is to be done.

    Attributes:
        action: What is done, in the API's word.
        resource: What it is done to, in the words of policies.
        scope: What the audit log lists it under: an environment or a project.
        decide: Decides it on the environments as they are, again and again if they change meanwhile. Raises
            DomainError. It may wait for what it has to ask the store.
        summary: What the audit log's entry says beside, in JSON types.
        revise: Scopes, beside the environments, whose revision grows.
        rereads: Whether it is decided on more than the environments: on what it asks the store for, each time.
    """

    action: str
    resource: str
    scope: str
    decide: Callable[[Snapshots], Decision[Outcome] | Awaitable[Decision[Outcome]]]
    comment: str = ""
    summary: Mapping[str, object] = field(default_factory=dict)
    revise: Collection[str] = ()
    rereads: bool = False


@dataclass(frozen=True, slots=True)
class NamedInstruction(Generic[Instruction]):
    """An instruction with its name in the API, for the paths of violations."""

    name: str
    instruction: Instruction


def apply_all(
    instructions: Sequence[NamedInstruction[Any]], thing: T, scope: EditScope
) -> tuple[T, list[Violation]]:
    """Apply instructions one after the other; return the outcome and what is wrong with any of them."""
    violations = too_many("instructions", len(instructions), INSTRUCTIONS_LIMIT, ("instructions",))
    for index, named in enumerate(() if violations else instructions):
        try:
            thing = named.instruction.apply(thing, scope)
        except InvalidInputError as error:
            place = ("instructions", index, named.name)
            violations += [Violation((*place, *v.path), v.message) for v in error.violations]
    return thing, violations


def edit_scope(snapshot: Snapshot, *, variation_count: int = 0) -> EditScope:
    """Return what instructions may refer to in an environment."""
    return EditScope(frozenset(snapshot.segments), variation_count, now_ms())


def below_input(
    violations: Sequence[Violation], *, conflicts: Sequence[tuple[str, str]] = ()
) -> InvalidInputError:
    """Return the error whose paths begin at a mutation's `input`."""
    below = [Violation(("input", *v.path), v.message) for v in violations]
    return InvalidInputError(below, conflicts=conflicts)


def check_version(kind: str, key: str, *, expected: int | None, actual: int) -> None:
    """Refuse what has changed since the caller saw it.

    Raises:
        VersionConflictError: It is at another version than expected.
    """
    if expected is not None and expected != actual:
        raise VersionConflictError(kind, key, expected=expected, actual=actual)


def check_comment(comment: str) -> None:
    """Refuse a comment that is too long for the audit log.

    Raises:
        InvalidInputError: It is.
    """
    if found := too_long(comment, COMMENT_CHARACTERS, ("comment",)):
        raise below_input(found)


def resource(environment: EnvironmentRef, kind: str, key: str) -> str:
    """Name a thing of an environment in the words of policies."""
    return f"{environment.resource}:{kind}/{key}"
