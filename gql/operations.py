"""Queries of one field, run without graphql-core's executor, whose work takes longer than an evaluation.

A query is run so if it has no directives, and its only root field has a resolver that is awaited and a selection
that is plain (see gql.execution). All else, and every fault but the resolver's own, is left to stock execution;
the answers are the same (docs/adr/0023).
"""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from types import SimpleNamespace
from typing import Any, TypeAlias, cast

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
    get_argument_values,
    get_variable_values,
    is_non_null_type,
    located_error,
    print_ast,
)
from strawberry.schema.schema_converter import GraphQLCoreConverter
from strawberry.types import ExecutionResult
from strawberry.types.arguments import StrawberryArgument, convert_arguments
from strawberry.types.field import StrawberryField

from domain.errors import LimitExceededError
from gql.batches import complete_batch, is_long_batch
from gql.budget import ResultBudget
from gql.execution import Completer, completer_of
from gql.limits import document_counts

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


@dataclass(frozen=True, slots=True, kw_only=True)
class DirectOperation:
    """A query of one field, prepared as far as no variables are needed.

    Attributes:
        node: The field as it was asked for.
        name: What the answer calls it.
        constants: The resolver's arguments that no variable is part of.
        varying: The other ones.
        complete: Turns what the field resolves to into its answer.
    """

    schema: GraphQLSchema
    variables: tuple[VariableDefinitionNode, ...]
    node: FieldNode
    name: str
    resolve: Callable[..., Awaitable[Any]]
    constants: dict[str, Any]
    varying: _Arguments
    complete: Completer

    async def run(self, context: object, variables: dict[str, Any], budget: ResultBudget) -> DirectResult | None:
        """Run the query; None if stock execution must: to tell what is wrong, or to complete what is unusual."""
        values = get_variable_values(self.schema, self.variables, variables, max_errors=0)
        if isinstance(values, list):
            return None
        try:
            arguments = self.varying.read(values)
        except GraphQLError:
            return None
        # The context is all that such resolvers ask of it.
        asked: Any = SimpleNamespace(context=context)
        info = strawberry.Info[Any, Any](_raw_info=asked, _field=cast("StrawberryField", None))
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
    return DirectOperation(
        schema=core,
        variables=tuple(operation.variable_definitions or ()),
        node=node,
        name=node.alias.value if node.alias else node.name.value,
        resolve=cast("Callable[..., Awaitable[Any]]", definition.base_resolver.wrapped_func),
        constants=constants,
        varying=some(varying),
        complete=complete,
    )
