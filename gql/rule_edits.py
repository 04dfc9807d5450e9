"""Inputs for what the rules of segments and flags have alike."""

from collections.abc import Callable, Mapping
from typing import Any

import strawberry
from strawberry.utils.str_converters import to_snake_case

from domain.instructions.rules import (
    AddClauses,
    AddValues,
    RemoveClauses,
    RemoveRules,
    RemoveValues,
    ReorderRules,
    UpdateClause,
)
from domain.model.targeting import Clause
from gql.scalars import JSON

RULE_ID = "The rule's id; one that has no id, or none of its own, is named by its place: `#0` is the first."


@strawberry.input(description="One condition on a context.")
class ClauseInput:
    """Input for domain.model.targeting.Clause."""

    op: str = strawberry.field(description="The operator, as in `Clause.op`.")
    values: list[JSON | None] = strawberry.field(description="Any must match; segment keys for segmentMatch.")
    attribute: str = strawberry.field(
        default="", description="The attribute, or a reference to one; empty for segmentMatch."
    )
    context_kind: str | None = strawberry.field(
        default=None, description="The context kind it looks at; null means user, `attribute` then a literal name."
    )
    negate: bool = strawberry.field(default=False, description="Whether the condition is turned round.")

    def to_domain(self) -> Clause:
        """Convert to the domain's clause."""
        return Clause(
            op=self.op,
            attribute=self.attribute,
            values=tuple(self.values),
            negate=self.negate,
            context_kind=self.context_kind or None,
        )


@strawberry.input(description="Clauses to add to a rule.")
class AddClausesInput:
    """Input for domain.instructions.rules.AddClauses."""

    rule_id: str = strawberry.field(description=RULE_ID)
    clauses: list[ClauseInput] = strawberry.field(description="The clauses.")


@strawberry.input(description="Clauses to remove from a rule.")
class RemoveClausesInput:
    """Input for domain.instructions.rules.RemoveClauses."""

    rule_id: str = strawberry.field(description=RULE_ID)
    clause_indexes: list[int] = strawberry.field(description="Their places among the rule's clauses, from 0.")


@strawberry.input(description="A clause to put into another's place.")
class UpdateClauseInput:
    """Input for domain.instructions.rules.UpdateClause."""

    rule_id: str = strawberry.field(description=RULE_ID)
    clause_index: int = strawberry.field(description="The place among the rule's clauses, from 0.")
    clause: ClauseInput = strawberry.field(description="The new clause.")


@strawberry.input(description="Values of a clause.")
class ClauseValuesInput:
    """Input for domain.instructions.rules.AddValues and RemoveValues."""

    rule_id: str = strawberry.field(description=RULE_ID)
    clause_index: int = strawberry.field(description="The clause's place among the rule's clauses, from 0.")
    values: list[JSON | None] = strawberry.field(description="The values.")


@strawberry.input
class RuleInstructionsInput:
    """The fields that both kinds of instructions have."""

    remove_rules: strawberry.Maybe[list[str]] = strawberry.field(
        description=f"Remove rules; ids that none has do not matter. {RULE_ID}"
    )
    reorder_rules: strawberry.Maybe[list[str]] = strawberry.field(
        description=f"Name all rules in their new order. {RULE_ID}"
    )
    add_clauses: strawberry.Maybe[AddClausesInput] = strawberry.field(description="Add clauses to a rule.")
    remove_clauses: strawberry.Maybe[RemoveClausesInput] = strawberry.field(
        description="Remove clauses from a rule."
    )
    update_clause: strawberry.Maybe[UpdateClauseInput] = strawberry.field(description="Replace a clause.")
    add_values_to_clause: strawberry.Maybe[ClauseValuesInput] = strawberry.field(
        description="Add values to a clause."
    )
    remove_values_from_clause: strawberry.Maybe[ClauseValuesInput] = strawberry.field(
        description="Remove values from a clause."
    )


CLAUSE_CONVERSIONS: Mapping[str, Callable[[Any], Any]] = {
    "removeRules": RemoveRules,
    "reorderRules": ReorderRules,
    "addClauses": lambda given: AddClauses(given.rule_id, [c.to_domain() for c in given.clauses]),
    "removeClauses": lambda given: RemoveClauses(given.rule_id, given.clause_indexes),
    "updateClause": lambda given: UpdateClause(given.rule_id, given.clause_index, given.clause.to_domain()),
    "addValuesToClause": lambda given: AddValues(given.rule_id, given.clause_index, given.values),
    "removeValuesFromClause": lambda given: RemoveValues(given.rule_id, given.clause_index, given.values),
}
"""What the fields that both kinds of instructions have mean to the domain, by their names in the API."""


def named_instruction(given: object, conversions: Mapping[str, Callable[[Any], Any]]) -> tuple[str, Any]:
    """Return the name of the one field that is set, and what it means to the domain."""
    for name, convert in conversions.items():
        value = getattr(given, to_snake_case(name))
        if value is not None:
            return name, convert(value.value)
    raise AssertionError("GraphQL lets exactly one field through")
