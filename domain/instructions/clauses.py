"""What an edit may refer to, and what a clause must be to be written.

An import is more lenient: it keeps what can never match.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field

from domain.errors import InputPath, InvalidInputError, Violation, quoted
from domain.evaluation.operators import MATCHES, OPERATORS, SEGMENT_MATCH, is_usable
from domain.instructions.limits import CLAUSES_LIMIT, PATTERNS_LIMIT, VALUES_LIMIT, too_many
from domain.json import NESTING_LIMIT, is_nested_too_deep
from domain.model.attribute_references import parse_attribute
from domain.model.contexts import is_context_kind
from domain.model.segments import Segment, SegmentRule
from domain.model.targeting import Clause, FlagRule, Targeting


@dataclass(slots=True)
class PatternBudget:
    """How many regular expressions an edit may still bring: nobody is served while they are compiled."""

    left: int = PATTERNS_LIMIT

    def take(self, count: int) -> bool:
        """Tell whether there is room for so many, and take it."""
        self.left -= count
        return self.left >= 0


@dataclass(frozen=True, slots=True)
class EditScope:
    """What an edit may refer to.

    Attributes:
        segments: The keys of the environment's segments.
        variation_count: How many variations the flag has, if it is one that is edited.
        now_ms: When the edit is made, in epoch milliseconds.
        patterns: What the edit has left of its regular expressions.
    """

    segments: frozenset[str]
    variation_count: int = 0
    now_ms: int = 0
    patterns: PatternBudget = field(default_factory=PatternBudget)


def refusal(path: InputPath, message: str) -> InvalidInputError:
    """Return the error of one violation."""
    return InvalidInputError([Violation(path, message)])


def variation_violations(index: int, scope: EditScope, path: InputPath) -> list[Violation]:
    """Return what is wrong with a variation's place."""
    if 0 <= index < scope.variation_count:
        return []
    return [Violation(path, no_variation(index, scope.variation_count))]


def no_variation(index: int, count: int) -> str:
    """Return what is wrong with a place where none of a flag's variations stands."""
    return f"the flag has no variation {index}, only 0 to {count - 1}"


def check_variation(index: int, scope: EditScope, path: InputPath) -> None:
    """Refuse the place of a variation that is not there.

    Raises:
        InvalidInputError: There is none, at `path`.
    """
    if found := variation_violations(index, scope, path):
        raise InvalidInputError(found)


def check_clauses(clauses: Sequence[Clause], scope: EditScope, path: InputPath) -> list[Violation]:
    """Return everything that is wrong with clauses.

    Args:
        clauses: As they are to be written.
        scope: What they may refer to.
        path: Where the list of clauses stands in the input.
    """
    return too_many("clauses", len(clauses), CLAUSES_LIMIT, path) or [
        violation
        for index, clause in enumerate(clauses)
        for violation in check_clause(clause, scope, (*path, index))
    ]


def check_clause(clause: Clause, scope: EditScope, path: InputPath) -> list[Violation]:
    """Return everything that is wrong with one clause."""
    found: list[Violation] = []
    if clause.op not in OPERATORS:
        found.append(Violation((*path, "op"), f"is none of {', '.join(sorted(OPERATORS))}"))
    if clause.context_kind is not None and not is_context_kind(clause.context_kind):
        found.append(Violation((*path, "contextKind"), "is not a context kind"))
    if clause.op != SEGMENT_MATCH and parse_attribute(clause.attribute, clause.context_kind) is None:
        found.append(Violation((*path, "attribute"), "is not an attribute or a reference to one"))
    if not clause.values:
        found.append(Violation((*path, "values"), "needs at least one value"))
    if excess := _excess_values(clause, scope, (*path, "values")):
        return found + excess
    for index, value in enumerate(clause.values):
        place = (*path, "values", index)
        if clause.op == SEGMENT_MATCH and value not in scope.segments:
            found.append(Violation(place, f"there is no segment {quoted(value)}"))
        elif is_nested_too_deep(value):
            found.append(Violation(place, f"is nested more than {NESTING_LIMIT} deep"))
        elif not is_usable(clause.op, value):
            found.append(Violation(place, f"{quoted(value)} can never match with {clause.op}"))
    return found


def _excess_values(clause: Clause, scope: EditScope, path: InputPath) -> list[Violation]:
    found = too_many("values", len(clause.values), VALUES_LIMIT, path)
    if clause.op == MATCHES and not found and not scope.patterns.take(len(clause.values)):
        found = [Violation(path, f"at most {PATTERNS_LIMIT} regular expressions are allowed in one edit")]
    return found


def pattern_violations(
    before: Segment | Targeting, after: Segment | Targeting, path: InputPath
) -> list[Violation]:
    """Return what is wrong with the number of regular expressions in the rules of a thing."""
    what = "regular expressions in all rules"
    return too_many(what, _pattern_count(after), PATTERNS_LIMIT, path, before=_pattern_count(before))


def _pattern_count(thing: Segment | Targeting) -> int:
    rules: Sequence[SegmentRule | FlagRule] = thing.rules
    return sum(len(clause.values) for rule in rules for clause in rule.clauses if clause.op == MATCHES)
