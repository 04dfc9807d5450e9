"""Documents are validated by the rules of GraphQL, once per text, in little time and few words."""

from collections.abc import Callable, Collection, Sequence
from contextlib import suppress
from typing import Any

from graphql import (
    SKIP,
    ASTValidationRule,
    DocumentNode,
    FieldNode,
    GraphQLError,
    GraphQLInputType,
    GraphQLSchema,
    InlineFragmentNode,
    KnownDirectivesRule,
    NoSchemaIntrospectionCustomRule,
    SelectionNode,
    SelectionSetNode,
    ValidationContext,
    ValueNode,
    ValuesOfCorrectTypeRule,
    Visitor,
    VisitorAction,
    print_ast,
    specified_rules,
    validate,
    visit,
)
from graphql.utilities import validate_input_literal
from graphql.validation import SDLValidationContext

from gql.limits import (
    MOST_SUGGESTIONS,
    Disclosure,
    DocumentLimits,
    admitted_document,
    kept_by_text,
    shortened,
)

_MOST_FAULTS = 5
_LONGEST_WORDS = 300


@kept_by_text(1)
def validation_errors(
    schema: GraphQLSchema, text: str, limits: DocumentLimits, disclosure: Disclosure
) -> tuple[GraphQLError, ...]:
    """Validate a document that is admitted; once per text."""
    document = merged(admitted_document(text, limits))
    rules = _RULES if disclosure.introspection else (*_RULES, NoSchemaIntrospectionCustomRule)
    errors = _suggesting(schema, document, rules) if disclosure.suggestions else None
    if errors is None:
        errors = _validate(schema, document, rules, hide_suggestions=True)
    for error in errors:
        error.message = shortened(error.message, _LONGEST_WORDS)
    return tuple(errors)


def _suggesting(
    schema: GraphQLSchema, document: DocumentNode, rules: Collection[type[ASTValidationRule]]
) -> list[GraphQLError] | None:
    """Validate with suggestions; None if there is so much wrong that they would take long."""
    errors = _validate(schema, document, rules, max_errors=MOST_SUGGESTIONS)
    return errors if len(errors) <= MOST_SUGGESTIONS else None


def _validate(
    schema: GraphQLSchema,
    document: DocumentNode,
    rules: Collection[type[ASTValidationRule]],
    *,
    max_errors: int | None = None,
    hide_suggestions: bool = False,
) -> list[GraphQLError]:
    """Validate, and empty the rules then: each refers to its own methods, and would keep the document."""
    made: list[ASTValidationRule] = []

    def making(rule: type[ASTValidationRule]) -> Callable[[ValidationContext], ASTValidationRule]:
        def make(context: ValidationContext) -> ASTValidationRule:
            made.append(rule(context))
            return made[-1]

        return make

    makers: Any = [making(rule) for rule in rules]
    try:
        return validate(schema, document, makers, max_errors, hide_suggestions)
    finally:
        for rule in made:
            vars(rule).clear()


def merged(document: DocumentNode) -> DocumentNode:
    """Join what is asked for twice in the same place, as execution does: it means the same.

    GraphQL compares fields of one name pair by pair, with all that they hold, and gives up where there are many.
    """
    joined: DocumentNode = visit(document, _Merging())
    return joined


class _Merging(Visitor):
    """Joins selections that differ in nothing but what they select; those with directives stay as they are."""

    @staticmethod
    def enter_selection_set(node: SelectionSetNode, *_: object) -> SelectionSetNode | None:
        if len(set(map(_name, node.selections))) == len(node.selections):
            return None  # to print arguments takes long, and leaves cycles behind
        groups: dict[object, list[SelectionNode]] = {}
        for selection in node.selections:
            groups.setdefault(_sameness(selection), []).append(selection)
        if len(groups) == len(node.selections):
            return None
        return SelectionSetNode(selections=tuple(map(_join, groups.values())), loc=node.loc)


def _name(selection: SelectionNode) -> object:
    """Return what is different for selections that certainly mean something different."""
    if isinstance(selection, FieldNode):
        return (selection.alias or selection.name).value
    return SelectionNode


def _sameness(selection: SelectionNode) -> object:
    """Return what is equal for selections that mean the same, but for what they select."""
    if selection.directives:
        return id(selection)
    if isinstance(selection, FieldNode):
        alias = selection.alias.value if selection.alias else None
        arguments = tuple(map(print_ast, selection.arguments or ()))
        return alias, selection.name.value, arguments, selection.selection_set is None
    if isinstance(selection, InlineFragmentNode):
        return selection.type_condition and selection.type_condition.name.value
    return print_ast(selection)


def _join(same: Sequence[SelectionNode]) -> SelectionNode:
    first = same[0]
    if len(same) == 1 or not isinstance(first, FieldNode | InlineFragmentNode) or first.selection_set is None:
        return first
    sets = [each.selection_set for each in same if isinstance(each, FieldNode | InlineFragmentNode)]
    selections = tuple(selection for each in sets if each is not None for selection in each.selections)
    joined = SelectionSetNode(selections=selections, loc=first.selection_set.loc)
    if isinstance(first, FieldNode):
        return FieldNode(
            name=first.name, alias=first.alias, arguments=first.arguments, selection_set=joined, loc=first.loc
        )
    return InlineFragmentNode(type_condition=first.type_condition, selection_set=joined, loc=first.loc)


class _EnoughError(Exception):
    """No more is to be said of a literal."""


class _FewFaultsRule(ValuesOfCorrectTypeRule):
    """Of one literal the first faults are told: each message prints the object around the fault."""

    def is_valid_value_node(self, node: ValueNode, input_type: GraphQLInputType | None) -> VisitorAction:
        """Check a literal, but for what follows the first faults."""
        faults: list[GraphQLError] = []

        def report(error: GraphQLError, _path: Sequence[str | int]) -> None:
            faults.append(error)
            self.report_error(error)
            if len(faults) == _MOST_FAULTS:
                raise _EnoughError

        if input_type is not None:
            with suppress(_EnoughError):
                hidden = self.context.hide_suggestions
                validate_input_literal(node, input_type, report, hide_suggestions=hidden)
        return SKIP


class _FewDirectivesRule(KnownDirectivesRule):
    """What is wrong with a directive is told once, however often it stands there."""

    def __init__(self, context: ValidationContext | SDLValidationContext) -> None:
        super().__init__(context)
        self._told: set[str] = set()

    def report_error(self, error: GraphQLError) -> None:
        """Report what was not told yet."""
        if error.message not in self._told:
            self._told.add(error.message)
            super().report_error(error)


_OURS = {ValuesOfCorrectTypeRule: _FewFaultsRule, KnownDirectivesRule: _FewDirectivesRule}
_RULES = tuple(_OURS.get(rule, rule) for rule in specified_rules)
