"""An operation's variables: how much there is in them, and all that is wrong with them.

GraphQL looks at each value while every other request waits.
"""

from collections.abc import Mapping, Sequence
from functools import lru_cache
from typing import Any, TypeAlias, cast

from graphql import (
    GraphQLError,
    GraphQLInputObjectType,
    GraphQLInputType,
    GraphQLList,
    GraphQLNonNull,
    GraphQLSchema,
    GraphQLType,
    OperationDefinitionNode,
    Undefined,
    VariableDefinitionNode,
    get_named_type,
    type_from_ast,
)
from graphql.utilities import validate_input_value

from domain.errors import InvalidInputError, Violation
from gql.limits import CACHED_DOCUMENTS, DocumentLimits, admitted_document

Declared: TypeAlias = tuple[str, GraphQLType | None]


@lru_cache(maxsize=CACHED_DOCUMENTS)
def declared_variables(
    schema: GraphQLSchema, text: str, limits: DocumentLimits, operation_name: str | None
) -> Sequence[Declared]:
    """Return the variables of an operation that can hold several values, with their types; once per text.

    Args:
        schema: Where the types are.
        text: A valid document that is within the limits.
        limits: Those limits.
        operation_name: Which operation; None if it is the only one.
    """
    declared = [
        (definition.variable.name.value, type_from_ast(schema, definition.type))
        for operation in admitted_document(text, limits).definitions
        if isinstance(operation, OperationDefinitionNode)
        and (operation_name is None or (operation.name is not None and operation.name.value == operation_name))
        for definition in operation.variable_definitions or ()
    ]
    return tuple((name, found) for name, found in declared if _holds_several(found))


def _holds_several(declared: Any) -> bool:  # noqa: ANN401 - graphql-core's types have no common one
    inner = declared.of_type if isinstance(declared, GraphQLNonNull) else declared
    return isinstance(inner, GraphQLList) or isinstance(get_named_type(inner), GraphQLInputObjectType)


def count_values(declared: Sequence[Declared], variables: Mapping[str, Any], most: int) -> int:
    """Count the items of lists and the fields of input objects, given or not.

    What stands inside of a JSON value is not looked at, and does not count.

    Args:
        declared: As `declared_variables` returns them.
        variables: As the request has them, fit or not.
        most: The count may end when it is beyond this.
    """
    pending: list[tuple[Any, Any]] = [
        (found, variables[name]) for name, found in declared if isinstance(variables.get(name), list | dict)
    ]
    count = 0
    while pending and count <= most:
        expected, value = pending.pop()
        if isinstance(expected, GraphQLNonNull):
            expected = expected.of_type
        if isinstance(expected, GraphQLList) and isinstance(value, list):
            count += len(value)
            if count <= most:
                pending += [(expected.of_type, item) for item in value if isinstance(item, list | dict)]
        elif isinstance(expected, GraphQLList):
            pending.append((expected.of_type, value))
        elif isinstance(expected, GraphQLInputObjectType) and isinstance(value, dict):
            fields = expected.fields
            count += len(fields)
            pending += [(fields[name].type, each) for name, each in value.items() if name in fields]
    return count


def error_of_variables(
    schema: GraphQLSchema,
    operation: OperationDefinitionNode,
    variables: Mapping[str, Any],
    *,
    suggestions: bool = True,
) -> GraphQLError | None:
    """Return the error that lists everything in which variables do not fit their types; None if they fit.

    Stock execution ends at the first value of some kinds, and says where it stands only in words.
    """
    violations: list[Violation] = []
    nodes: list[VariableDefinitionNode] = []
    for definition in operation.variable_definitions or ():
        name = definition.variable.name.value
        if name not in variables and definition.default_value:
            continue
        found: list[Violation] = []

        def refuse(
            error: GraphQLError, path: list[str | int], name: str = name, found: list[Violation] = found
        ) -> None:
            found.append(Violation((name, *path), error.message))

        declared = cast("GraphQLInputType", type_from_ast(schema, definition.type))
        validate_input_value(variables.get(name, Undefined), declared, refuse, hide_suggestions=not suggestions)
        if found:
            nodes.append(definition)
            violations += found
    if not violations:
        return None
    error = InvalidInputError(violations)
    return GraphQLError(error.message, nodes, original_error=error)
