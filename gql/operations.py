"""Queries of one field, run without graphql-core's executor, whose work takes longer than an evaluation.

A query is run so if it has no directives, and its only root field has a resolver that is awaited and a selection
that is plain (see gql.execution). All else, and every fault but the resolver's own, is left to stock execution;
the answers are the same (docs/adr/0023).
"""

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from types import SimpleNamespace
from typing import Any, NamedTuple, TypeAlias, cast

import strawberry
from graphql import (
    DocumentNode,
    FieldNode,
    FragmentDefinitionNode,
    GraphQLError,
    GraphQLField,
    GraphQLSchema,
    OperationDefinitionNode,
    OperationType,
    VariableDefinitionNode,
    VariableNode,
    get_argument_values,
    get_nullable_type,
    get_variable_values,
    is_non_null_type,
    is_scalar_type,
    located_error,
    print_ast,
    type_from_ast,
)
from strawberry.schema.compat import is_scalar
from strawberry.schema.schema_converter import GraphQLCoreConverter
from strawberry.types import ExecutionResult
from strawberry.types.arguments import StrawberryArgument, convert_arguments
from strawberry.types.base import StrawberryOptional
from strawberry.types.field import StrawberryField

from domain.errors import LimitExceededError
from gql.batches import complete_batch, is_long_batch
from gql.budget import ResultBudget
from gql.completers import Completer, completer_of
from gql.limits import document_counts

_Info = strawberry.Info[Any, Any]
ToPython: TypeAlias = Callable[[dict[str, Any], list[StrawberryArgument]], dict[str, Any]]


class DirectResult(ExecutionResult):
    """The result of one root field, and of nothing else."""


class MutationResult(ExecutionResult):
    """The result of an operation that may have changed something."""


@dataclass(frozen=True, slots=True)
class _Arguments:
    """Some of a field's arguments: their definitions, and the field's node with only them."""

    field: GraphQLField
    node: FieldNode
    arguments: list[StrawberryArgument]
    to_python: ToPython

    def read(self, variables: Any = None) -> dict[str, Any]:  # noqa: ANN401 - graphql-core's own
        """Return what the resolver takes.

        Raises:
            GraphQLError: A value does not fit.
        """
        if not self.arguments:
            return {}
        return self.to_python(get_argument_values(self.field, self.node, variables), self.arguments)


class _Scalar(NamedTuple):
    """An argument that is a variable of a scalar type.

    Attributes:
        argument: What the resolver calls it.
        variable: What the document calls it.
        read: Raises if a value does not fit.
    """

    argument: str
    variable: str
    read: Callable[[Any], Any]


@dataclass(frozen=True, slots=True, kw_only=True)
class DirectOperation:
    """A query of one field, prepared as far as no variables are needed.

    Attributes:
        node: The field as it was asked for.
        name: What the answer calls it.
        constants: The resolver's arguments that no variable is part of.
        varying: The other ones.
        scalars: The same, if all of them are variables of scalar types, and there are no other variables.
        complete: Turns what the field resolves to into its answer.
    """

    schema: GraphQLSchema
    variables: tuple[VariableDefinitionNode, ...]
    node: FieldNode
    name: str
    resolve: Callable[..., Awaitable[Any]]
    constants: dict[str, Any]
    varying: _Arguments
    scalars: Sequence[_Scalar]
    complete: Completer

    async def run(self, context: object, variables: dict[str, Any], budget: ResultBudget) -> DirectResult | None:
        """Run the query; None if stock execution must: to tell what is wrong, or to complete what is unusual."""
        arguments = self._read_scalars(variables)
        if arguments is None:
            arguments = self._read(variables)
        if arguments is None:
            return None
        # The context is all that such resolvers ask of it.
        asked: Any = SimpleNamespace(context=context)
        info = _Info(_raw_info=asked, _field=cast("StrawberryField", None))
        try:
            found = await self.resolve(None, info=info, **self.constants, **arguments)
        except Exception as error:  # noqa: BLE001 - as stock execution does
            return DirectResult(None, [located_error(error, [self.node], [self.name])])
        try:
            if is_long_batch(found):
                data = await complete_batch(self.complete, found, budget)
            else:
                data = self.complete(found, budget)
        except LimitExceededError as error:
            return DirectResult(None, [located_error(error, [self.node], [self.name])])
        except Exception:  # noqa: BLE001 - stock execution meets the same fault, and tells where it is
            return None
        return DirectResult({self.name: data}, None)

    def _read_scalars(self, variables: dict[str, Any]) -> dict[str, Any] | None:
        """Return the varying arguments; None if they are not scalars that are all given, and fit."""
        arguments = {}
        for argument, variable, read in self.scalars:
            value = variables.get(variable)
            if value is None:
                return None
            try:
                arguments[argument] = read(value)
            except Exception:  # noqa: BLE001 - as GraphQL has it, whatever a scalar raises says that it does not fit
                return None
        return arguments or None

    def _read(self, variables: dict[str, Any]) -> dict[str, Any] | None:
        """Return the varying arguments as stock execution reads them; None if they do not fit."""
        values = get_variable_values(self.schema, self.variables, variables, max_errors=0)
        if isinstance(values, list):
            return None
        try:
            return self.varying.read(values)
        except GraphQLError:
            return None


def direct_operation(
    schema: strawberry.Schema, document: DocumentNode, operation: OperationDefinitionNode
) -> DirectOperation | None:
    """Prepare an operation of a valid document; None if it is not a query of one such field."""
    core: GraphQLSchema = schema._schema  # noqa: SLF001 - Strawberry offers no other way to it
    selections = operation.selection_set.selections
    if (
        operation.operation is not OperationType.QUERY
        or len(selections) != 1
        or not isinstance(node := selections[0], FieldNode)
        or document_counts(document)["directives"]
        or core.query_type is None
        or (field := core.query_type.fields.get(node.name.value)) is None
    ):
        return None
    definition = field.extensions.get(GraphQLCoreConverter.DEFINITION_BACKREF)
    if (
        not isinstance(definition, StrawberryField)
        or definition.base_resolver is None
        or definition.base_resolver.info_parameter is None
        or definition.extensions
        or not definition.is_async
        or not is_non_null_type(field.type)
    ):
        return None
    fragments = [part for part in document.definitions if isinstance(part, FragmentDefinitionNode)]
    complete = completer_of(core, field.type, node, fragments)
    if complete is None:
        return None
    converter = schema.schema_converter

    def to_python(values: dict[str, Any], arguments: list[StrawberryArgument]) -> dict[str, Any]:
        return convert_arguments(values, arguments, converter.scalar_registry, schema.config)

    def some(names: set[str]) -> _Arguments:
        taken = [argument for argument in node.arguments or () if argument.name.value in names]
        mine = {name: argument for name, argument in field.args.items() if name in names}
        python = [a for a in definition.arguments if schema.config.name_converter.from_argument(a) in names]
        alone = FieldNode(name=node.name, arguments=tuple(taken))
        return _Arguments(GraphQLField(field.type, mine), alone, python, to_python)

    varying = {argument.name.value for argument in node.arguments or () if "$" in print_ast(argument.value)}
    try:
        constants = some(set(field.args) - varying).read()
    except GraphQLError:
        return None
    definitions = tuple(operation.variable_definitions or ())
    others = some(varying)
    return DirectOperation(
        schema=core,
        variables=definitions,
        node=node,
        name=node.alias.value if node.alias else node.name.value,
        resolve=cast("Callable[..., Awaitable[Any]]", definition.base_resolver.wrapped_func),
        constants=constants,
        varying=others,
        scalars=_scalars(schema, definitions, others),
        complete=complete,
    )


def _scalars(
    schema: strawberry.Schema, definitions: Sequence[VariableDefinitionNode], varying: _Arguments
) -> list[_Scalar]:
    """Return the varying arguments, if all are variables of scalar types and use each variable once."""
    core: GraphQLSchema = schema._schema  # noqa: SLF001 - Strawberry offers no other way to it
    names = {schema.config.name_converter.from_argument(argument): argument for argument in varying.arguments}
    types: dict[str, Any] = {part.variable.name.value: type_from_ast(core, part.type) for part in definitions}
    found = []
    for given in varying.node.arguments or ():
        variable = given.value.name.value if isinstance(given.value, VariableNode) else ""
        scalar = get_nullable_type(types.pop(variable, None))
        argument = names[given.name.value]
        python: Any = argument.type
        if type(python) is StrawberryOptional:
            python = python.of_type
        if not is_scalar_type(scalar) or not is_scalar(python, schema.schema_converter.scalar_registry):
            return []
        found.append(_Scalar(str(argument.python_name), variable, scalar.coerce_input_value))
    return [] if types else found
