"""Execution of plain selections by generated functions; all else, and every fault, is left to stock execution.

A selection is plain where each field that it holds, at any depth, is an attribute read by Strawberry's default
resolver. Such a selection becomes one Python function from the object to its answer (docs/adr/0015).
"""

from collections import OrderedDict
from collections.abc import Awaitable, Callable, Coroutine, Iterable, Mapping, Sequence, Sized
from dataclasses import is_dataclass
from datetime import datetime
from functools import partial
from inspect import isawaitable
from typing import Any, NoReturn, TypeAlias, cast
from weakref import proxy

from graphql import (
    DocumentNode,
    FieldNode,
    FragmentDefinitionNode,
    GraphQLLeafType,
    GraphQLList,
    GraphQLNonNull,
    GraphQLObjectType,
    GraphQLOutputType,
    GraphQLResolveInfo,
    GraphQLSchema,
    OperationDefinitionNode,
    OperationType,
    SelectionSetNode,
    is_leaf_type,
)
from graphql.execution.collect_fields import FieldDetails
from graphql.pyutils import AwaitableOrValue, Path
from graphql.type.definition import GraphQLResolveInfoHelpers
from strawberry.schema.schema import StrawberryGraphQLCoreExecutionContext
from strawberry.schema.schema_converter import CustomGraphQLEnumType, GraphQLCoreConverter
from strawberry.types.field import StrawberryField

from domain.errors import LimitExceededError
from domain.services.evaluation import BatchEvaluation
from gql.batches import complete_batch, is_long_batch
from gql.budget import (
    FIELD_BYTES,
    SEARCH_COST,
    SERVICE_COST,
    SHORT_TEXT,
    ExecutionLimits,
    ResultBudget,
)
from gql.deadlines import go_on

Coercion: TypeAlias = Callable[[Any, ResultBudget], Any]
Completer: TypeAlias = Callable[[Any, ResultBudget], Any]
# The type, the ids of the nodes that select from it, and the variables that @skip and @include may ask for.
Selection: TypeAlias = tuple[GraphQLObjectType, tuple[int, ...], tuple[tuple[str, bool | None], ...]]

COMPILED_SELECTIONS = 512
_DIRECTIVES = frozenset({"skip", "include"})
# What scalars coerce here; stock execution looks at anything else, which may be an exception or an awaitable.
_INERT = frozenset({str, int, float, bool, dict, list, tuple, datetime})
# How a value that is its own answer is told; `{0}` stands for the value.
_IS_COERCED = {
    "String": f"{{0}}.__class__ is str and len({{0}}) < {SHORT_TEXT}",
    "ID": f"{{0}}.__class__ is str and len({{0}}) < {SHORT_TEXT}",
    "Boolean": "{0}.__class__ is bool",
    "Int": "{0}.__class__ is int and -2147483648 <= {0} <= 2147483647",
    "JSON": f"{{0}}.__class__ is bool or {{0}}.__class__ is str and len({{0}}) < {SHORT_TEXT}",
}
# Kept by the selection, beside the nodes, whose ids no others can take meanwhile, and whether it was tried to
# generate one; the least used make room.
_completers: OrderedDict[Selection, tuple[list[FieldNode], Completer | None, bool]] = OrderedDict()


# Classes whose objects can be neither exceptions nor awaitables.
_objects: set[type] = set()


class _NotPlainError(Exception):
    """The selection holds more than attributes."""


class CompiledExecution(StrawberryGraphQLCoreExecutionContext):
    """Completes an object by a generated function where its selection is plain; ends when the budget is spent."""

    def __init__(self, *args: Any, budget: ResultBudget, **kwargs: Any) -> None:  # noqa: ANN401 - graphql-core's own signature
        super().__init__(*args, **kwargs)
        # Methods of its own would make it a cycle, which keeps all that the request held until it is collected.
        itself = proxy(self)
        self.async_helpers = GraphQLResolveInfoHelpers(
            gather=partial(CompiledExecution.gather_async_work, itself),
            track=partial(CompiledExecution.track_async_work, itself),
        )
        self._budget = budget
        # The lists are kept so that no others can take their ids while this request runs.
        self._known: dict[tuple[int, int], tuple[list[FieldDetails], Completer | None, int, int]] = {}

    def complete_object_value(  # noqa: PLR0913, PLR0917 - graphql-core's own signature
        self,
        return_type: GraphQLObjectType,
        field_details_list: list[FieldDetails],
        info: GraphQLResolveInfo[Any],
        path: Path,
        result: Any,  # noqa: ANN401 - whatever a resolver returned
        position_context: Any,  # noqa: ANN401 - graphql-core's own
    ) -> AwaitableOrValue[dict[str, Any]]:
        """Complete an object at once; on anything unusual as graphql-core does, which reports it."""
        key = (id(return_type), id(field_details_list))
        if (known := self._known.get(key)) is None:
            is_settled, completer = self._completer(return_type, field_details_list)
            cost, size = (1, 0) if completer else self._cost(return_type, field_details_list)
            known = (field_details_list, completer, cost, size)
            if is_settled:
                self._known[key] = known
        _, complete, cost, size = known
        if complete is not None and result.__class__ is BatchEvaluation and is_long_batch(result):
            return self._complete_batch(complete, return_type, field_details_list, info, path, result)
        if complete is not None:
            try:
                completed: dict[str, Any] = complete(result, self._budget)
            except Exception:  # noqa: BLE001, S110 - stock execution meets the same fault, and tells where it is
                pass
            else:
                return completed
        self._budget.spend(cost)
        self._budget.write(size)
        is_outermost = self._budget.begin()
        try:
            return super().complete_object_value(
                return_type, field_details_list, info, path, result, position_context
            )
        finally:
            if is_outermost:
                self._budget.end()

    async def _complete_batch(  # noqa: PLR0913, PLR0917 - what it completes, and how
        self,
        complete: Completer,
        return_type: GraphQLObjectType,
        field_details_list: list[FieldDetails],
        info: GraphQLResolveInfo[Any],
        path: Path,
        batch: BatchEvaluation,
    ) -> dict[str, Any]:
        """Complete a long batch in turns with other requests; on anything unusual as graphql-core does."""
        try:
            return await complete_batch(complete, batch, self._budget)
        except Exception:  # noqa: BLE001 - stock execution meets the same fault, and tells where it is
            done = super().complete_object_value(return_type, field_details_list, info, path, batch, None)
            return await done if isawaitable(done) else done

    def complete_awaitable_value(  # noqa: PLR0913, PLR0917 - graphql-core's own signature
        self,
        return_type: GraphQLOutputType,
        field_details_list: list[FieldDetails],
        info: GraphQLResolveInfo[Any],
        path: Path,
        result: Any,  # noqa: ANN401 - graphql-core's own
        position_context: Any,  # noqa: ANN401 - graphql-core's own
    ) -> Coroutine[Any, Any, Any]:
        """Complete what asks a service, which is counted first where others of its kind stand beside it."""
        if path.prev is not None:
            result = self._counted(result)
        elif self.operation.operation is OperationType.MUTATION:
            result = self._begun(result)
        return super().complete_awaitable_value(
            return_type, field_details_list, info, path, result, position_context
        )

    async def _begun(self, result: Awaitable[Any]) -> Any:  # noqa: ANN401 - whatever a resolver returns
        """Run a mutation, unless those before it have left too little for its answer."""
        try:
            self._budget.require_half()
        except LimitExceededError:
            if isinstance(result, Coroutine):
                result.close()  # it will never be begun
            raise
        return await result

    async def _counted(self, result: Awaitable[Any]) -> Any:  # noqa: ANN401 - whatever a resolver returns
        if not isinstance(result, Coroutine):
            self._budget.spend(SERVICE_COST)
            return await result
        try:
            self._budget.spend(SERVICE_COST)
            is_outermost = self._budget.begin()
        except LimitExceededError:
            result.close()  # it will never be begun
            raise
        try:  # what it does before it waits for something is done at once
            awaited = result.send(None)
        except StopIteration as done:
            return done.value
        finally:
            if is_outermost:
                self._budget.end()
        return await go_on(result, awaited)

    def complete_iterable_value(  # noqa: PLR0913, PLR0917 - graphql-core's own signature
        self,
        item_type: GraphQLOutputType,
        field_details_list: list[FieldDetails],
        info: GraphQLResolveInfo[Any],
        path: Path,
        items: Iterable[Any],
        position_context: Any,  # noqa: ANN401 - graphql-core's own
    ) -> AwaitableOrValue[list[Any]]:
        """Complete a list, whose items are counted first."""
        if isinstance(items, Sized):
            self._budget.spend(len(items))
        return super().complete_iterable_value(item_type, field_details_list, info, path, items, position_context)

    def complete_leaf_value(self, return_type: GraphQLLeafType, result: Any) -> Any:  # type: ignore[override]  # noqa: ANN401 - graphql-core's is static
        """Complete a scalar or an enum, and count how long it is."""
        self._budget.check_time()
        completed = super().complete_leaf_value(return_type, result)
        self._budget.write_value(completed)
        return completed

    def _cost(self, object_type: GraphQLObjectType, fields: list[FieldDetails]) -> tuple[int, int]:
        """Count what an object's fields cost that no generated function completes, and the bytes around them."""
        if object_type.name.startswith("__"):
            return 1, 0  # introspection reads what is there
        selected = self.collect_subfields(object_type, fields).grouped_field_set
        known = (object_type.fields.get(details[0].node.name.value) for details in selected.values())
        cost = sum(SEARCH_COST if field and field.args else 1 for field in known)
        return cost, sum(len(name) + FIELD_BYTES for name in selected)

    def _completer(
        self, return_type: GraphQLObjectType, fields: list[FieldDetails]
    ) -> tuple[bool, Completer | None]:
        """Find a selection's function, or generate it when it would be used a second time; None if there is none.

        To generate one takes as long as to complete ten objects without; most documents of strangers come once.

        Returns:
            Whether that is the last word, and the function.
        """
        nodes = [field.node for field in fields]
        variables = self.variable_values.coerced.items()
        conditions = tuple((name, value) for name, value in variables if value is None or isinstance(value, bool))
        selection = (return_type, tuple(map(id, nodes)), conditions)
        known = _completers.get(selection)
        if known is None:
            if len(_completers) >= COMPILED_SELECTIONS:
                _completers.popitem(last=False)
            _completers[selection] = (nodes, None, False)
            return False, None
        _completers.move_to_end(selection)
        _, completer, is_settled = known
        if not is_settled:
            try:
                completer = _Compiler(self).compile(return_type, fields)
            except Exception:  # noqa: BLE001 - not plain; or wrong deep inside, where execution may never come
                completer = None
            _completers[selection] = (nodes, completer, True)
        return True, completer


def completer_of(
    schema: GraphQLSchema,
    return_type: GraphQLOutputType,
    node: FieldNode,
    fragments: Sequence[FragmentDefinitionNode],
) -> Completer | None:
    """Generate the function that completes what a field returns; None if its selection is not plain.

    Args:
        schema: What the field is valid for.
        return_type: The field's type.
        node: The field as it was asked for, without directives at any depth.
        fragments: Those of the document.
    """
    selection_set = SelectionSetNode(selections=(node,))
    operation = OperationDefinitionNode(operation=OperationType.QUERY, selection_set=selection_set)
    document = DocumentNode(definitions=(operation, *fragments))
    executor = CompiledExecution.build(
        schema, document, budget=ResultBudget(ExecutionLimits())
    )  # it only collects fields
    try:
        return _Compiler(cast("CompiledExecution", executor)).compile_value(
            return_type, [FieldDetails(node, None)]
        )
    except Exception:  # noqa: BLE001 - not plain; or wrong deep inside, where execution may never come
        return None


class _Compiler:
    """Writes the functions of one selection, innermost first, each able to call those before it."""

    def __init__(self, executor: CompiledExecution) -> None:
        self.executor = executor
        self._fields = 0  # of the item, or else the object, that is being written
        self._size = 0  # of the same, in bytes
        self.names: dict[str, Any] = {"unusual": _unusual, "objects": _objects, "check": _check_object}

    def compile(self, object_type: GraphQLObjectType, fields: list[FieldDetails]) -> Completer:
        """Generate the function that completes an object of the type.

        Raises:
            _NotPlainError: The selection holds more than attributes.
        """
        name = self._function(object_type, fields)
        exec(  # noqa: S102 - as in _function
            f"def complete(source, budget):\n    budget.write({self._size})\n    return {name}(source, budget)\n",
            self.names,
        )
        completer: Completer = self.names["complete"]
        return completer

    def compile_value(self, return_type: GraphQLOutputType, fields: list[FieldDetails]) -> Completer:
        """Generate the function that completes a value of any type.

        Raises:
            _NotPlainError: The selection holds more than attributes.
        """
        complete: Completer = eval(  # noqa: S307 - made as the functions below are
            f"lambda value, budget: {self._expression(return_type, fields, 'value')}", self.names
        )
        return complete

    def _function(self, object_type: GraphQLObjectType, fields: list[FieldDetails]) -> str:
        grouped = self.executor.collect_subfields(object_type, fields).grouped_field_set
        reads: list[str] = []
        entries: list[str] = []
        for number, (response_name, selected) in enumerate(grouped.items()):
            if selected[0].node.name.value == "__typename":
                entries.append(f"{response_name!r}: {object_type.name!r}")
                continue
            reads.append(f"    v{number} = source.{self._attribute(object_type, selected)}\n")
            return_type = object_type.fields[selected[0].node.name.value].type
            entries.append(f"{response_name!r}: {self._expression(return_type, selected, f'v{number}')}")
        self._fields += len(entries)
        self._size += sum(len(response_name) + FIELD_BYTES for response_name in grouped)
        name = f"complete_{len(self.names)}"
        check = "    if source.__class__ not in objects: check(source.__class__)\n"
        if object_type.is_type_of:
            self.names[f"is_{name}"] = object_type.is_type_of
            # One that asks for more than the object, or returns an awaitable, is left to stock execution too.
            check += f"    if is_{name}(source, None) is not True: unusual()\n"
        code = f"def {name}(source, budget):\n{check}{''.join(reads)}    return {{{', '.join(entries)}}}\n"
        exec(code, self.names)  # noqa: S102 - made of GraphQL names and of attributes that the schema names
        return name

    @staticmethod
    def _attribute(object_type: GraphQLObjectType, selected: list[FieldDetails]) -> str:
        """Name the attribute that a field reads by the default resolver."""
        field = object_type.fields.get(selected[0].node.name.value)
        definition = field.extensions.get(GraphQLCoreConverter.DEFINITION_BACKREF) if field else None
        directives = {directive.name.value for item in selected for directive in item.node.directives or ()}
        if (
            not isinstance(definition, StrawberryField)
            or not definition.is_basic_field
            or definition.default_resolver is not getattr
            or directives - _DIRECTIVES
        ):
            raise _NotPlainError
        return definition.python_name

    def _expression(
        self, return_type: GraphQLOutputType, selected: list[FieldDetails], value: str, *, nullable: bool = True
    ) -> str:
        """Write what completes the value of that name."""
        if isinstance(return_type, GraphQLNonNull):
            return self._expression(return_type.of_type, selected, value, nullable=False)
        if is_leaf_type(return_type):
            return self._leaf(return_type, value, nullable=nullable)
        absent = f"None if {value} is None else " if nullable else ""
        if isinstance(return_type, GraphQLList):
            item = f"{value}i"
            around, self._fields, self._size = (self._fields, self._size), 0, 0
            completed = self._expression(return_type.of_type, selected, item)
            counted = f"budget.items({value}, {1 + self._fields}, {self._size})"
            self._fields, self._size = around
            known = f"{value}.__class__ is tuple or {value}.__class__ is list"
            return f"{absent}[{completed} for {item} in {counted}] if {known} else unusual()"
        if isinstance(return_type, GraphQLObjectType):
            function = self._function(return_type, selected)
            return f"{absent}{function}({value}, budget)"
        raise _NotPlainError

    def _leaf(self, leaf_type: GraphQLLeafType, value: str, *, nullable: bool) -> str:
        name = f"leaf_{len(self.names)}"
        if isinstance(leaf_type, CustomGraphQLEnumType):
            members: Mapping[str, object] = leaf_type.wrapped_cls.__members__
            # By their ids, which no others can take: the hash of a member is a call of its own.
            answers = {id(members[value]): value for value in leaf_type.values}
            self.names[name] = ({id(None): None} | answers) if nullable else answers
            return f"{name}[id({value})]"  # an unknown value is a KeyError
        self.names[name] = _coercion(leaf_type, nullable=nullable)
        check = _IS_COERCED.get(leaf_type.name)
        coerced = f"{name}({value}, budget)"
        return f"{value} if {check.format(value)} else {coerced}" if check else coerced


def _coercion(leaf_type: GraphQLLeafType, *, nullable: bool) -> Coercion:
    coerce = leaf_type.coerce_output_value

    def coerced(value: object, budget: ResultBudget) -> object:
        if value is None and nullable:
            return None
        completed = coerce(value) if value.__class__ in _INERT else _unusual()
        if completed is None:
            _unusual()
        budget.write_value(completed)
        return completed

    return coerced


def _check_object(class_: type) -> None:
    """Let the class pass, from now on; leave to stock execution what it would raise or await."""
    if not is_dataclass(class_) or issubclass(class_, BaseException) or hasattr(class_, "__await__"):
        _unusual()
    _objects.add(class_)


def _unusual() -> NoReturn:
    """Leave the object to stock execution."""
    message = "not as plain selections are"
    raise ValueError(message)
