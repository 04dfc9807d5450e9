"""Policies: statements that allow or deny actions on resources (LaunchDarkly semantics 3.4).

Within one policy a statement that denies beats any that allows, in whatever order; what nothing allows is denied.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from enum import Enum
from functools import lru_cache

from domain.access.actions import ACTIONS
from domain.access.resources import (
    WILDCARDS_LIMIT,
    Glob,
    Resource,
    ResourceSpecifier,
    parse_specifier,
)
from domain.access.suggestions import Suggestions
from domain.errors import InputPath, InvalidInputError, Violation
from domain.instructions.limits import too_many

STATEMENTS_LIMIT = 100
ENTRIES_LIMIT = 100
"""How many resources, and how many actions, a statement may list."""
POLICY_ENTRIES_LIMIT = 500
"""How many resources, and how many actions, a policy may list: a decision may look at each of them."""
CHARACTERS_LIMIT = 20_000
"""How long all of them may be together."""
TAG_PATTERNS_LIMIT = 20
"""How many tags with `*` a policy may list: each is compared with every tag of a thing."""


class Effect(Enum):
    """What a statement does."""

    ALLOW = "allow"
    DENY = "deny"


@dataclass(frozen=True, slots=True, kw_only=True)
class Statement:
    """Allows or denies some actions on some resources. `parse_policy` makes it.

    Attributes:
        resources: Specifiers of what it is about; empty if `not_resources` says so.
        not_resources: It is about all that none of these names, of every type.
        actions: Names of actions, or globs of them; empty if `not_actions` says so.
        not_actions: It is about all actions but these.
    """

    effect: Effect
    resources: tuple[str, ...] = ()
    not_resources: tuple[str, ...] = ()
    actions: tuple[str, ...] = ()
    not_actions: tuple[str, ...] = ()

    def applies_to(self, action: str, resource: Resource) -> bool:
        """Tell whether it is about an action on a resource."""
        return self.names_action(action) and self.names_resource(resource)

    def names_action(self, action: str) -> bool:
        """Tell whether it is about an action on some resources."""
        return _is_about(action, self.actions, self.not_actions)

    def actions_among(self, actions: tuple[str, ...]) -> frozenset[str]:
        """Return those of some actions that it is about."""
        return _among(actions, self.actions, self.not_actions)

    def names_resource(self, resource: Resource) -> bool:
        """Tell whether it is about a resource."""
        if self.resources:
            return any(known_specifier(text).matches(resource) for text in self.resources)
        return not any(known_specifier(text).matches(resource) for text in self.not_resources)


@dataclass(frozen=True, slots=True)
class Decision:
    """What a policy says of an action on a resource.

    Attributes:
        effect: None if it says nothing, so that the action is denied.
        statement: The place of the first statement that decides.
    """

    effect: Effect | None = None
    statement: int | None = None

    @property
    def allows(self) -> bool:
        """Whether the action is allowed."""
        return self.effect is Effect.ALLOW


@dataclass(frozen=True, slots=True)
class Policy:
    """Statements that are decided on together."""

    statements: tuple[Statement, ...] = ()

    def decide(self, action: str, resource: Resource) -> Decision:
        """Say what it says of an action on a resource."""
        decision = Decision()
        for index, statement in enumerate(self.statements):
            if (decision.effect is None or statement.effect is Effect.DENY) and statement.applies_to(
                action, resource
            ):
                decision = Decision(statement.effect, index)
                if statement.effect is Effect.DENY:
                    break
        return decision

    def allowed_among(self, actions: tuple[str, ...], resource: Resource) -> frozenset[str]:
        """Return those of some actions that it allows on a resource, as `decide` says of each."""
        found: dict[Effect, frozenset[str]] = dict.fromkeys(Effect, frozenset())
        for statement in self.statements:
            if statement.names_resource(resource):
                found[statement.effect] |= statement.actions_among(actions)
        return found[Effect.ALLOW] - found[Effect.DENY]


@dataclass(frozen=True, slots=True, kw_only=True)
class NewStatement:
    """A statement as it is written: of resources and notResources exactly one is given; of actions likewise."""

    effect: Effect
    resources: Sequence[str] | None = None
    not_resources: Sequence[str] | None = None
    actions: Sequence[str] | None = None
    not_actions: Sequence[str] | None = None


def parse_policy(
    statements: Sequence[NewStatement], path: InputPath = ("policy",), suggestions: Suggestions | None = None
) -> Policy:
    """Read a policy.

    Args:
        statements: What it says.
        path: Where it is in the input.
        suggestions: Which actions may have been meant by what is none.

    Raises:
        InvalidInputError: With every violation, each with the place of the fault: the statement, the field, the
            entry and the character.
    """
    found = _size_violations(statements, path)
    if found:
        raise InvalidInputError(found)
    parsed: list[Statement] = []
    suggestions = suggestions or Suggestions(left=0)
    for index, statement in enumerate(statements):
        try:
            parsed.append(_parse_statement(statement, (*path, index), suggestions))
        except InvalidInputError as error:
            found += error.violations
    patterns = [
        tag
        for statement in parsed
        for text in (*statement.resources, *statement.not_resources)
        for level in known_specifier(text).levels
        for tag in level.tags
        if tag.has_wildcard
    ]
    found += too_many("tags with '*'", len(patterns), TAG_PATTERNS_LIMIT, path)
    if found:
        raise InvalidInputError(found)
    return Policy(tuple(parsed))


def _size_violations(statements: Sequence[NewStatement], path: InputPath) -> list[Violation]:
    """Check how much a policy says: whoever has it is asked by it at each step that he takes."""
    if found := too_many("statements", len(statements), STATEMENTS_LIMIT, path):
        return found
    resources = [text for new in statements for text in (*(new.resources or ()), *(new.not_resources or ()))]
    actions = [text for new in statements for text in (*(new.actions or ()), *(new.not_actions or ()))]
    return [
        *too_many("resources", len(resources), POLICY_ENTRIES_LIMIT, path),
        *too_many("actions", len(actions), POLICY_ENTRIES_LIMIT, path),
        *too_many("characters", sum(map(len, (*resources, *actions))), CHARACTERS_LIMIT, path),
    ]


def _parse_statement(new: NewStatement, path: InputPath, suggestions: Suggestions) -> Statement:
    found = [
        *_choice_violations(path, "resources", new.resources, "notResources", new.not_resources),
        *_choice_violations(path, "actions", new.actions, "notActions", new.not_actions),
    ]
    specifiers = _parse_specifiers(new.resources or (), (*path, "resources"), found)
    excepted = _parse_specifiers(new.not_resources or (), (*path, "notResources"), found)
    # What is no action at all is known anyway; which resources are meant only if nothing is wrong with them.
    types = {specifier.type for specifier in specifiers if not found} or ACTIONS.keys()
    found += _action_violations(new.actions or (), types, (*path, "actions"), suggestions)
    found += _action_violations(new.not_actions or (), types, (*path, "notActions"), suggestions)
    if {specifier.type for specifier in excepted if specifier.names_all}.issuperset(ACTIONS):
        found.append(Violation((*path, "notResources"), "names everything, which leaves nothing"))
    if new.not_actions and all(
        _any_matches(new.not_actions, action) for kind in types for action in ACTIONS[kind]
    ):
        found.append(Violation((*path, "notActions"), "names all actions of the resources, which leaves none"))
    if found:
        raise InvalidInputError(found)
    return Statement(
        effect=new.effect,
        resources=tuple(new.resources or ()),
        not_resources=tuple(new.not_resources or ()),
        actions=tuple(new.actions or ()),
        not_actions=tuple(new.not_actions or ()),
    )


def _choice_violations(
    path: InputPath, name: str, some: Sequence[str] | None, not_name: str, all_but: Sequence[str] | None
) -> list[Violation]:
    """Check that exactly one of two lists is given, and that it has entries, but not too many."""
    if (some is None) is (all_but is None):
        return [Violation(path, f"needs one of {name} and {not_name}, and not both")]
    field, given = (name, some) if some is not None else (not_name, all_but or ())
    if not given:
        return [Violation((*path, field), "is empty")]
    if len(given) > ENTRIES_LIMIT:
        return [Violation((*path, field), f"has {len(given)} entries, and {ENTRIES_LIMIT} are the most")]
    return []


def _parse_specifiers(texts: Sequence[str], path: InputPath, found: list[Violation]) -> list[ResourceSpecifier]:
    specifiers: list[ResourceSpecifier] = []
    for index, text in enumerate(texts):
        try:
            specifiers.append(parse_specifier(text, (*path, index), is_new=True))
        except InvalidInputError as error:
            found += error.violations
    return specifiers


@lru_cache(maxsize=10_000)
def known_specifier(text: str) -> ResourceSpecifier:
    """Parse a specifier once, however often it is asked."""
    return parse_specifier(text)


def _action_violations(
    patterns: Sequence[str], types: Iterable[str], path: InputPath, suggestions: Suggestions
) -> list[Violation]:
    known = {action for actions in ACTIONS.values() for action in actions}
    possible = {action for type_name in types for action in ACTIONS[type_name]}
    if long := [index for index, pattern in enumerate(patterns) if pattern.count("*") > WILDCARDS_LIMIT]:
        return [Violation((*path, index), f"has more than {WILDCARDS_LIMIT} '*'") for index in long]
    return [
        Violation((*path, index), f"{pattern[:60]!r} is an action that none of the statement's resources has")
        if _matches_any(pattern, known)
        else Violation((*path, index), f"{pattern[:60]!r} is no action{suggestions.among(pattern, possible)}")
        for index, pattern in enumerate(patterns)
        if not _matches_any(pattern, possible)
    ]


def _matches_any(pattern: str, actions: Iterable[str]) -> bool:
    return any(map(Glob(pattern).matches, actions))


@lru_cache(maxsize=1_000)
def _among(actions: tuple[str, ...], some: tuple[str, ...], all_but: tuple[str, ...]) -> frozenset[str]:
    """Match the actions of a statement once, on however many things it is asked."""
    return frozenset(action for action in actions if _is_about(action, some, all_but))


@lru_cache(maxsize=10_000)
def _is_about(action: str, some: tuple[str, ...], all_but: tuple[str, ...]) -> bool:
    return _any_matches(some, action) if some else not _any_matches(all_but, action)


def _any_matches(patterns: Iterable[str], action: str) -> bool:
    return any(Glob(pattern).matches(action) for pattern in patterns)
