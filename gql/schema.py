"""The schema: the roots joined, caches of bounded size, one error mapper. `schema.graphql` is printed from it."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import cache
from inspect import isawaitable
from typing import Any

import strawberry
from graphql import (
    DocumentNode,
    GraphQLError,
    GraphQLInputObjectType,
    GraphQLSchema,
    OperationDefinitionNode,
    execute,
)
from strawberry.execution import optimized_is_awaitable
from strawberry.schema.config import StrawberryConfig
from strawberry.schema.exceptions import CannotGetOperationTypeError, InvalidOperationTypeError
from strawberry.schema.name_converter import NameConverter
from strawberry.schema.schema_converter import GraphQLCoreConverter
from strawberry.types import ExecutionContext, ExecutionResult
from strawberry.types.execution import PreExecutionError
from strawberry.types.graphql import OperationType

from domain.errors import ErrorCode, LimitExceededError
from gql.access_token_edits import AccessTokensMutation
from gql.access_tokens import AccessTokensQuery
from gql.audit import AuditQuery
from gql.budget import ExecutionLimits, ResultBudget
from gql.caches import CachesQuery
from gql.connections import page_size
from gql.deadlines import within
from gql.environment_edits import EnvironmentsMutation
from gql.environments import EnvironmentsQuery
from gql.errors import map_error
from gql.evaluation import EvaluationQuery
from gql.execution import CompiledExecution
from gql.flag_copies import FlagCopiesMutation
from gql.flag_edits import FlagsMutation
from gql.imports import ImportsMutation
from gql.limits import (
    Disclosure,
    DocumentLimits,
    admitted_document,
    kept_by_text,
    limit_error,
    refuse_variables,
)
from gql.member_edits import MembersMutation
from gql.members import MembersQuery
from gql.metrics import Metrics
from gql.operations import DirectOperation, MutationResult, direct_operation
from gql.permissions import PermissionsQuery
from gql.project_edits import ProjectsMutation
from gql.request_record import note_operation
from gql.role_edits import RolesMutation
from gql.roles import RolesQuery
from gql.scalars import SCALARS
from gql.sdk_key_edits import SdkKeysMutation
from gql.segment_bulk_edits import SegmentBulkEditsMutation
from gql.segment_edits import SegmentsMutation
from gql.segment_list_edits import SegmentListsMutation, SegmentListsQuery
from gql.tags import TagsQuery
from gql.validation import validation_errors
from gql.variables import Declared, declared_variables, error_of_variables, survey_values
from gql.viewer import ViewerQuery

DEFAULT_LIMITS = DocumentLimits()
DEFAULT_EXECUTION_LIMITS = ExecutionLimits()
FULL_DISCLOSURE = Disclosure()


@strawberry.type(description="Everything that can be asked.")
class Query(
    AccessTokensQuery,
    AuditQuery,
    CachesQuery,
    EvaluationQuery,
    EnvironmentsQuery,
    MembersQuery,
    PermissionsQuery,
    RolesQuery,
    SegmentListsQuery,
    TagsQuery,
    ViewerQuery,
):
    """The query root."""


@strawberry.type(
    description="Everything that can be changed. Each mutation takes effect as a whole, or not at all. "
    "Of several in a document each takes effect for itself, in their order; one that fails is null beside the "
    "answers of the others. None is begun when those before it have taken more than half of what an answer may "
    "cost. An error whose path goes on below a mutation's own field is about its answer, which has null there: "
    "the change holds."
)
class Mutation(
    AccessTokensMutation,
    EnvironmentsMutation,
    FlagCopiesMutation,
    FlagsMutation,
    ImportsMutation,
    MembersMutation,
    ProjectsMutation,
    RolesMutation,
    SdkKeysMutation,
    SegmentBulkEditsMutation,
    SegmentListsMutation,
    SegmentsMutation,
):
    """The mutation root."""


class Schema(strawberry.Schema):
    """The schema, which executes documents within the limits and maps errors in one place (docs/adr/0004)."""

    def __init__(  # noqa: PLR0913 - Strawberry's arguments and ours
        self,
        query: type,
        mutation: type | None = None,
        *,
        limits: DocumentLimits = DEFAULT_LIMITS,
        execution_limits: ExecutionLimits = DEFAULT_EXECUTION_LIMITS,
        disclosure: Disclosure = FULL_DISCLOSURE,
        metrics: Metrics | None = None,
        types: Iterable[type] = (),
    ) -> None:
        config = StrawberryConfig(scalar_map=SCALARS, name_converter=CachedNames())
        super().__init__(query, mutation, types=types, config=config, execution_context_class=CompiledExecution)
        _mark_one_ofs(self._schema)
        self.limits = limits
        self.execution_limits = execution_limits
        self.disclosure = disclosure
        self.runs_directly = True
        self.metrics = metrics or Metrics()

    def errors_of(self, text: str) -> Sequence[GraphQLError]:
        """Validate a document.

        Raises:
            GraphQLError: It is beyond the limits, or no document.
        """
        return validation_errors(self._schema, text, self.limits, self.disclosure)

    async def execute(  # noqa: PLR0913, PLR0917 - Strawberry's own signature
        self,
        query: str | None,
        variable_values: dict[str, Any] | None = None,
        context_value: Any | None = None,  # noqa: ANN401 - Strawberry's own signature
        root_value: Any | None = None,  # noqa: ANN401 - Strawberry's own signature
        operation_name: str | None = None,
        allowed_operation_types: Iterable[OperationType] | None = None,
        operation_extensions: dict[str, Any] | None = None,
    ) -> ExecutionResult:
        """Execute an operation. There are no extensions, whose hooks would cost a third of a small request.

        Raises:
            CannotGetOperationTypeError: The document has no such operation.
            InvalidOperationTypeError: The operation is not of an allowed type.
        """
        try:
            prepared = _prepared(self, query or "", operation_name)
        except GraphQLError as error:
            return PreExecutionError(data=None, errors=[error])
        operation_type = prepared.type
        note_operation(operation_type.value)
        if operation_type not in (allowed_operation_types or OperationType):
            raise InvalidOperationTypeError(operation_type)
        if isinstance(prepared, _Invalid):
            return PreExecutionError(data=None, errors=list(prepared.errors))
        try:
            if any(prepared.declared):  # most variables are scalars that are used once
                self._survey_variables(prepared, variable_values or {})
        except GraphQLError as error:
            self.process_errors([error])
            return PreExecutionError(data=None, errors=[error])
        self.metrics.count_operation(operation_type)
        run = self._run(prepared, root_value, context_value, variable_values, operation_name, operation_extensions)
        try:
            executed = (
                await within(self.execution_limits.query_seconds, run)
                if operation_type is OperationType.QUERY
                else await run
            )
        except TimeoutError:
            return PreExecutionError(data=None, errors=[limit_error([self._overtime()])])
        if executed.errors and executed.data is None and not any(error.path for error in executed.errors):
            try:
                self._refuse_variables(prepared.operation, variable_values or {})
            except GraphQLError as error:
                executed.errors = [error]
        if executed.errors:
            self.process_errors(executed.errors)
        return executed

    async def _run(  # noqa: PLR0913, PLR0917 - what graphql-core takes
        self,
        prepared: "_Valid",
        root_value: object,
        context_value: object,
        variable_values: dict[str, Any] | None,
        operation_name: str | None,
        operation_extensions: dict[str, Any] | None,
    ) -> ExecutionResult:
        page_size.set(self.execution_limits.page_size)
        is_query = prepared.type is OperationType.QUERY
        if prepared.direct is not None and self.runs_directly:
            budget = ResultBudget(self.execution_limits)
            executed = await prepared.direct.run(context_value, variable_values or {}, budget)
            if executed is not None:
                return executed
        result = execute(
            self._schema,
            prepared.document,
            root_value,
            context_value,
            variable_values,
            operation_name,
            executor_class=self.execution_context_class,
            is_awaitable=optimized_is_awaitable,  # type: ignore[arg-type]  # Strawberry's is no TypeGuard
            operation_extensions=operation_extensions,
            max_coercion_errors=1,
            hide_suggestions=not self.disclosure.suggestions,
            budget=ResultBudget(self.execution_limits, is_of_mutation=not is_query),
        )
        done = await result if isawaitable(result) else result
        return (ExecutionResult if is_query else MutationResult)(done.data, done.errors)

    def _survey_variables(self, prepared: "_Valid", variables: dict[str, Any]) -> None:
        """Refuse variables that hold too much, or have names that the schema does not have.

        Raises:
            GraphQLError: It lists what is wrong.
        """
        held = survey_values(prepared.declared, variables, self.limits)
        refuse_variables(self.limits, values=held.values, size=held.size)
        if held.has_misnamed:
            self._refuse_variables(prepared.operation, variables)

    def _refuse_variables(self, operation: OperationDefinitionNode, variables: dict[str, Any]) -> None:
        """Refuse variables that do not fit their types.

        Raises:
            GraphQLError: It lists in what.
        """
        suggestions = self.disclosure.suggestions
        refused = error_of_variables(self._schema, operation, variables, suggestions=suggestions)
        if refused is not None:
            raise refused

    def _overtime(self) -> LimitExceededError:
        seconds = self.execution_limits.query_seconds
        return LimitExceededError(
            "The query's seconds, when it was given up",
            setting="EARLYBIRD_MAX_QUERY_SECONDS",
            limit=seconds,
            actual=seconds + 1,
        )

    def process_errors(
        self, errors: list[GraphQLError], execution_context: ExecutionContext | None = None
    ) -> None:
        """Map every error, and log none that is the client's; see gql.errors."""
        del execution_context
        for error in errors:
            map_error(error)


class CachedNames(NameConverter):
    """Names as Strawberry makes them, each once: it asks for those of arguments at each request."""

    @cache  # noqa: B019 - one converter a schema, and as many names as that has
    def apply_naming_config(self, name: str) -> str:
        """Turn a Python name into GraphQL's."""
        return super().apply_naming_config(name)


def _mark_one_ofs(schema: GraphQLSchema) -> None:
    """Let graphql-core know the `@oneOf` inputs, which Strawberry checks itself and tells without their place."""
    for found in schema.type_map.values():
        definition = found.extensions.get(GraphQLCoreConverter.DEFINITION_BACKREF)
        if isinstance(found, GraphQLInputObjectType) and definition is not None:
            found.is_one_of = definition.is_one_of


def _operation(document: DocumentNode, name: str | None) -> OperationDefinitionNode:
    """Find the operation that is asked for.

    Raises:
        GraphQLError: The document has several operations and the request names none.
        CannotGetOperationTypeError: It has no such operation.
    """
    operations = [node for node in document.definitions if isinstance(node, OperationDefinitionNode)]
    if name is None and len(operations) > 1:
        message = f"The document has {len(operations)} operations: name one in `operationName`."
        raise GraphQLError(message, extensions={"code": "OPERATION_RESOLUTION_FAILURE"})
    for operation in operations:
        if name is None or (operation.name and operation.name.value == name):
            return operation
    raise CannotGetOperationTypeError(name)


@dataclass(frozen=True, slots=True)
class _Invalid:
    """An operation of a document that is not valid."""

    type: OperationType
    errors: Sequence[GraphQLError]


@dataclass(frozen=True, slots=True)
class _Valid:
    """An operation of a valid document, with all that its text tells."""

    type: OperationType
    document: DocumentNode
    operation: OperationDefinitionNode
    declared: Declared
    direct: DirectOperation | None


@kept_by_text(1)
def _prepared(schema: Schema, text: str, operation_name: str | None) -> _Valid | _Invalid:
    """Prepare an operation as far as its text tells; once per text and operation.

    Raises:
        GraphQLError: The text is no document, or beyond the limits; or as `_operation` says.
        CannotGetOperationTypeError: As `_operation` says.
    """
    document = admitted_document(text, schema.limits)
    operation = _operation(document, operation_name)
    operation_type = OperationType(operation.operation.value)
    core = schema._schema  # noqa: SLF001 - Strawberry offers no other way to it
    if errors := schema.errors_of(text):
        return _Invalid(operation_type, errors)
    declared = declared_variables(core, text, schema.limits, operation_name)
    direct = direct_operation(schema, document, operation)
    return _Valid(operation_type, document, operation, declared, direct)


def build_schema(
    limits: DocumentLimits = DEFAULT_LIMITS,
    execution_limits: ExecutionLimits = DEFAULT_EXECUTION_LIMITS,
    disclosure: Disclosure = FULL_DISCLOSURE,
    *,
    metrics: Metrics | None = None,
) -> Schema:
    """Build the schema, which executes documents within the limits, and counts them."""
    return Schema(
        Query,
        Mutation,
        limits=limits,
        execution_limits=execution_limits,
        metrics=metrics,
        disclosure=disclosure,
        types=[ErrorCode],
    )
