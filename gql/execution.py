"""Execution of plain selections by generated functions; all else, and every fault, is left to stock execution.

A selection is plain where each field that it holds, at any depth, is an attribute read by Strawberry's default
resolver. Such a selection becomes one Python function from the object to its answer (see gql.completers and
docs/adr/0015).
"""

from collections import OrderedDict
from collections.abc import Awaitable, Coroutine, Iterable, Sized
from functools import partial
from inspect import isawaitable
from typing import Any, TypeAlias
from weakref import proxy

from graphql import (
    FieldNode,
    GraphQLLeafType,
    GraphQLObjectType,
    GraphQLOutputType,
    GraphQLResolveInfo,
    OperationType,
)
from graphql.execution.collect_fields import FieldDetails
from graphql.pyutils import AwaitableOrValue, Path
from graphql.type.definition import GraphQLResolveInfoHelpers
from strawberry.schema.schema import StrawberryGraphQLCoreExecutionContext

from domain.errors import LimitExceededError
from domain.services.evaluation import BatchEvaluation
from gql.batches import complete_batch, is_long_batch
from gql.budget import FIELD_BYTES, SEARCH_COST, SERVICE_COST, ResultBudget
from gql.completers import Compiler, Completer
from gql.deadlines import go_on

# The type, the ids of the nodes that select from it, and the variables that @skip and @include may ask for.
Selection: TypeAlias = tuple[GraphQLObjectType, tuple[int, ...], tuple[tuple[str, bool | None], ...]]

COMPILED_SELECTIONS = 512
# Kept by the selection, beside the nodes, whose ids no others can take meanwhile, and whether it was tried to
# generate one; the least used make room.
_completers: OrderedDict[Selection, tuple[list[FieldNode], Completer | None, bool]] = OrderedDict()


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
                completer = Compiler(self).compile(return_type, fields)
            except Exception:  # noqa: BLE001 - not plain; or wrong deep inside, where execution may never come
                completer = None
            _completers[selection] = (nodes, completer, True)
        return True, completer
