"""Generates the functions that complete plain selections, from the object to its answer (docs/adr/0015)."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import is_dataclass
from datetime import datetime
from typing import Any, NoReturn, TypeAlias

from graphql import (
    DocumentNode,
    FieldNode,
    FragmentDefinitionNode,
    GraphQLLeafType,
    GraphQLList,
    GraphQLNonNull,
    GraphQLObjectType,
    GraphQLOutputType,
    GraphQLSchema,
    OperationDefinitionNode,
    OperationType,
    SelectionSetNode,
    is_leaf_type,
)
from graphql.execution.collect_fields import FieldDetails
from strawberry.schema.schema import StrawberryGraphQLCoreExecutionContext
from strawberry.schema.schema_converter import CustomGraphQLEnumType, GraphQLCoreConverter
from strawberry.types.field import StrawberryField

from gql.budget import FIELD_BYTES, SHORT_TEXT, ResultBudget

Coercion: TypeAlias = Callable[[Any, ResultBudget], Any]
Completer: TypeAlias = Callable[[Any, ResultBudget], Any]

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
# Classes whose objects can be neither exceptions nor awaitables.
_objects: set[type] = set()


class _NotPlainError(Exception):
    """The selection holds more than attributes."""


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
    executor: Any = StrawberryGraphQLCoreExecutionContext.build(schema, document)  # it only collects fields
    executor.async_helpers = None  # bound to it they would be a cycle, which keeps the document
    try:
        return Compiler(executor).compile_value(return_type, [FieldDetails(node, None)])
    except Exception:  # noqa: BLE001 - not plain; or wrong deep inside, where execution may never come
        return None


class Compiler:
    """Writes the functions of one selection, innermost first, each able to call those before it."""

    def __init__(self, executor: StrawberryGraphQLCoreExecutionContext) -> None:
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
