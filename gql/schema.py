"""The schema: the roots joined, caches of bounded size, one error mapper. `schema.graphql` is printed from it."""

import strawberry
from graphql import GraphQLError
from strawberry.schema.config import StrawberryConfig
from strawberry.types import ExecutionContext

from domain.errors import ErrorCode
from gql.audit import AuditQuery
from gql.caches import CachesQuery
from gql.environment_edits import EnvironmentsMutation
from gql.environments import EnvironmentsQuery
from gql.errors import map_error
from gql.evaluation import EvaluationQuery
from gql.execution import CompiledExecution
from gql.flag_copies import FlagCopiesMutation
from gql.flag_edits import FlagsMutation
from gql.imports import ImportsMutation
from gql.limits import DocumentLimits, LimitDocuments
from gql.project_edits import ProjectsMutation
from gql.scalars import SCALARS
from gql.segment_bulk_edits import SegmentBulkEditsMutation
from gql.segment_edits import SegmentsMutation
from gql.segment_list_edits import SegmentListsMutation, SegmentListsQuery
from gql.tags import TagsQuery

DEFAULT_LIMITS = DocumentLimits()


@strawberry.type(description="Everything that can be asked.")
class Query(AuditQuery, CachesQuery, EvaluationQuery, EnvironmentsQuery, SegmentListsQuery, TagsQuery):
    """The query root."""


@strawberry.type(
    description="Everything that can be changed. Each mutation takes effect as a whole, or not at all."
)
class Mutation(
    EnvironmentsMutation,
    FlagCopiesMutation,
    FlagsMutation,
    ImportsMutation,
    ProjectsMutation,
    SegmentBulkEditsMutation,
    SegmentListsMutation,
    SegmentsMutation,
):
    """The mutation root."""


class Schema(strawberry.Schema):
    """The schema, with errors mapped in one place and never logged as faults when they are the client's."""

    def process_errors(
        self, errors: list[GraphQLError], execution_context: ExecutionContext | None = None
    ) -> None:
        """Map every error; see gql.errors."""
        del execution_context
        for error in errors:
            map_error(error)


def build_schema(limits: DocumentLimits = DEFAULT_LIMITS) -> Schema:
    """Build the schema, which executes documents within the limits."""
    return Schema(
        Query,
        Mutation,
        types=[ErrorCode],
        extensions=[lambda: LimitDocuments(limits)],
        execution_context_class=CompiledExecution,
        config=StrawberryConfig(scalar_map=SCALARS),
    )
