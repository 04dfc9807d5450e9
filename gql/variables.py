"""An operation's variables: how much there is in them, and all that is wrong with them.

GraphQL looks at each value while every other request waits.
"""

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from itertools import islice
from typing import Any, NamedTuple

from graphql import (
    GraphQLEnumType,
    GraphQLError,
    GraphQLInputObjectType,
    GraphQLList,
    GraphQLNonNull,
    GraphQLSchema,
    GraphQLType,
    OperationDefinitionNode,
    Undefined,
    VariableNode,
    Visitor,
    VisitorAction,
    get_named_type,
    is_required_input_field,
    type_from_ast,
    visit,
)
from graphql.pyutils import did_you_mean, suggestion_list

from domain.errors import InputPath, InvalidInputError, Violation
from domain.json import json_extent
from gql.limits import MOST_SUGGESTIONS, DocumentLimits, admitted_document, shortened

MOST_VIOLATIONS = 100
_LONGEST_NAME = 60
"""What is longer is no name of the schema's, and is not compared with any."""
_LONGEST_WORDS = 100
_CONTAINERS = (list, dict)


class Declared(NamedTuple):
    """The variables of an operation.

    Attributes:
        surveyed: Those that hold more than one scalar, with their types.
        repeated: Those that the document uses several times, and how often.
    """

    surveyed: Sequence[tuple[str, GraphQLType | None]]
    repeated: Sequence[tuple[str, int]]


class Survey(NamedTuple):
    """What variables hold.

    Attributes:
        size: Characters and values of those that are used several times, as often as they are used.
        values: Items of lists, and fields of input objects, given or not.
        has_misnamed: Whether a field or an enum's value has a name that the schema does not have.
    """

    size: int
    values: int
    has_misnamed: bool


def declared_variables(
    schema: GraphQLSchema, text: str, limits: DocumentLimits, operation_name: str | None
) -> Declared:
    """Return the variables of an operation.

    Args:
        schema: Where the types are.
        text: A valid document that is within the limits.
        limits: Those limits.
        operation_name: Which operation; None if it is the only one.
    """
    uses = _Uses()
    declared: list[tuple[str, GraphQLType | None]] = []
    for part in admitted_document(text, limits).definitions:
        if isinstance(part, OperationDefinitionNode):
            if operation_name is not None and (part.name is None or part.name.value != operation_name):
                continue
            declared += [
                (definition.variable.name.value, type_from_ast(schema, definition.type))
                for definition in part.variable_definitions or ()
            ]
        visit(part, uses)
    names = {name for name, _ in declared}
    return Declared(
        tuple((name, found) for name, found in declared if _is_surveyed(found)),
        tuple((name, count) for name, count in uses.counts.items() if count > 1 and name in names),
    )


class _Uses(Visitor):
    """Counts the places where variables are used."""

    def __init__(self) -> None:
        super().__init__()
        self.counts: Counter[str] = Counter()

    def enter_variable_definition(self, *_: object) -> VisitorAction:
        return self.SKIP

    def enter_variable(self, node: VariableNode, *_: object) -> None:
        self.counts[node.name.value] += 1


def _is_surveyed(declared: Any) -> bool:  # noqa: ANN401 - graphql-core's types have no common one
    inner = declared.of_type if isinstance(declared, GraphQLNonNull) else declared
    named = get_named_type(inner)
    return isinstance(inner, GraphQLList) or isinstance(named, GraphQLInputObjectType | GraphQLEnumType)


def survey_values(declared: Declared, variables: Mapping[str, Any], limits: DocumentLimits) -> Survey:
    """Count what the variables hold, and look for names that are none.

    What stands inside of a JSON value is not looked at, and adds to the size alone.

    Args:
        declared: As `declared_variables` returns them.
        variables: As the request has them, fit or not.
        limits: The counts may end when they are beyond them.
    """
    size = 0
    for name, uses in declared.repeated:
        if name in variables and size <= limits.max_variables_size:
            size += uses * json_extent(variables[name], limits.max_variables_size // uses)[0]
    pending: list[tuple[Any, Any]] = [
        (found, variables[name]) for name, found in declared.surveyed if name in variables
    ]
    most = limits.max_input_values
    count = 0
    has_misnamed = False
    while pending and count <= most:
        expected, value = pending.pop()
        if isinstance(expected, GraphQLNonNull):
            expected = expected.of_type
        if isinstance(expected, GraphQLList):
            if not isinstance(value, list):
                pending.append((expected.of_type, value))
                continue
            count += len(value)
            if count <= most:
                pending += [(expected.of_type, item) for item in value if _is_looked_at(item)]
        elif isinstance(expected, GraphQLInputObjectType) and isinstance(value, dict):
            fields = expected.fields
            known = [(fields[name].type, each) for name, each in value.items() if name in fields]
            count += max(len(fields), len(value))
            has_misnamed |= len(known) < len(value)
            pending += [(found, each) for found, each in known if _is_looked_at(each)]
        elif isinstance(expected, GraphQLEnumType) and isinstance(value, str):
            has_misnamed |= value not in expected.values
    return Survey(size, count, has_misnamed)


def _is_looked_at(value: object) -> bool:
    return isinstance(value, _CONTAINERS) or (isinstance(value, str) and len(value) > _LONGEST_NAME)


def error_of_variables(
    schema: GraphQLSchema,
    operation: OperationDefinitionNode,
    variables: Mapping[str, Any],
    *,
    suggestions: bool = True,
) -> GraphQLError | None:
    """Return the error that lists in what variables do not fit their types; None if they fit.

    GraphQL's own messages hold the whole object for each thing that is wrong with it, and say where it stands
    only in words.
    """
    definitions = {
        definition.variable.name.value: definition
        for definition in operation.variable_definitions or ()
        if definition.variable.name.value in variables or not definition.default_value
    }
    faults = _Faults(MOST_SUGGESTIONS if suggestions else 0)
    found = (
        violation
        for name, definition in definitions.items()
        for violation in faults.of(type_from_ast(schema, definition.type), variables.get(name, Undefined), (name,))
    )
    violations = list(islice(found, MOST_VIOLATIONS))
    if not violations:
        return None
    nodes = [definitions[name] for name in dict.fromkeys(str(violation.path[0]) for violation in violations)]
    if next(found, None):
        violations.append(
            Violation((), f"there are more than {MOST_VIOLATIONS} violations; the rest is not listed")
        )
    error = InvalidInputError(violations)
    return GraphQLError(error.message, nodes, original_error=error)


class _Faults:
    """Finds what is wrong with values, one thing after the other, in words that hold little of them.

    Args:
        suggestions: To how many names that are wrong it suggests others.
    """

    def __init__(self, suggestions: int) -> None:
        self._suggestions = suggestions

    def of(self, expected: Any, value: Any, path: InputPath) -> Iterator[Violation]:  # noqa: ANN401 - types and JSON
        """Find all that is wrong with a value, and below it."""
        if isinstance(expected, GraphQLNonNull):
            if value is None or value is Undefined:
                given = "is null" if value is None else "is missing"
                yield Violation(path, f"{given}, where a value of type '{expected}' is expected")
            expected = expected.of_type
        if value is None or value is Undefined:
            return
        if isinstance(expected, GraphQLList):
            if isinstance(value, list):
                for index, item in enumerate(value):
                    yield from self.of(expected.of_type, item, (*path, index))
            else:  # stands for a list of one
                yield from self.of(expected.of_type, value, path)
        elif not isinstance(expected, GraphQLInputObjectType):
            message = self._of_leaf(expected, value)
            if message is not None:
                yield Violation(path, message)
        elif isinstance(value, dict):
            yield from self._of_object(expected, value, path)
        else:
            yield Violation(path, f"is no object, where one of type '{expected}' is expected")

    def _of_object(
        self, expected: GraphQLInputObjectType, value: dict[str, Any], path: InputPath
    ) -> Iterator[Violation]:
        fields = expected.fields
        for name, field in fields.items():
            if name in value:
                yield from self.of(field.type, value[name], (*path, name))
            elif is_required_input_field(field):
                yield Violation(path, f"lacks the field '{name}', which the type '{expected}' requires")
        for name in value:
            if name not in fields:
                suggestion = self._suggestion(name, list(fields))
                shown = shortened(name, _LONGEST_NAME)
                yield Violation(path, f"has the unknown field '{shown}', of type '{expected}'{suggestion}")
        if expected.is_one_of:
            given = [each for name, each in value.items() if name in fields]
            if len(given) != 1 or given[0] is None:
                yield Violation(path, f"must have exactly one field of type '{expected}', which is not null")

    def _of_leaf(self, expected: Any, value: Any) -> str | None:  # noqa: ANN401 - graphql-core's leaves and JSON
        try:
            if isinstance(expected, GraphQLEnumType) and isinstance(value, str):
                if value in expected.values:
                    return None
                shown = shortened(value, _LONGEST_NAME)
                suggestion = self._suggestion(value, [*expected.values])
                return f"'{shown}' is no value of the enum '{expected}'{suggestion}"
            if expected.coerce_input_value(value) is not Undefined:
                return None
        except GraphQLError as error:
            return shortened(error.message, _LONGEST_WORDS)
        except Exception:  # noqa: BLE001, S110 - as GraphQL has it, whatever a scalar raises says that it does not fit
            pass
        return f"is no value of type '{expected}'"

    def _suggestion(self, name: str, names: list[str]) -> str:
        if self._suggestions == 0 or len(name) > _LONGEST_NAME:
            return ""
        self._suggestions -= 1
        sentence = did_you_mean(suggestion_list(name, names))
        return f".{sentence}" if sentence else ""
