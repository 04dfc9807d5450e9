"""The one place where failures get their codes and details. What is not ours to explain is masked."""

import logging
from typing import Any
from uuid import uuid4

from graphql import GraphQLError

from domain.errors import DomainError, ErrorCode
from gql.enums import register_enum
from gql.nodes import global_id

_log = logging.getLogger(__name__)

INTERNAL = "INTERNAL_SERVER_ERROR"

register_enum(
    ErrorCode,
    "The codes in `errors[].extensions.code` that are the product's own words. Beside them stand those of GraphQL "
    "servers: GRAPHQL_PARSE_FAILED, GRAPHQL_VALIDATION_FAILED, OPERATION_RESOLUTION_FAILURE, BAD_REQUEST, "
    "PERSISTED_DOCUMENT_NOT_FOUND, PERSISTED_QUERY_NOT_FOUND, PERSISTED_QUERY_NOT_SUPPORTED, PERSISTED_QUERY_ONLY "
    "and INTERNAL_SERVER_ERROR (with `incident`, an id to report).",
    {
        ErrorCode.BAD_USER_INPUT: "The input breaks rules: see `violations`, each with `path` and `message`, "
        "and `conflicts`, the contexts that would be both included and excluded.",
        ErrorCode.UNAUTHENTICATED: "No secret came with the request, or one that is not known.",
        ErrorCode.FORBIDDEN: "The caller may not do this: see `denied`, each with `action` and `resource`.",
        ErrorCode.NOT_FOUND: "What the input names does not exist: see `kind` and `key`.",
        ErrorCode.ALREADY_EXISTS: "What the input would create exists: see `kind` and `key`.",
        ErrorCode.VERSION_CONFLICT: "It changed meanwhile: see `expectedVersion` and `actualVersion`.",
        ErrorCode.IN_USE: "What the input would remove is used: see `users`, each with `kind`, `key`, "
        "`environment` (`project/environment`; null for what is in none), `archived`: of an archived "
        "flag, which lists hide by default, and an access token's `name` and `member`, whose it is.",
        ErrorCode.LIMIT_EXCEEDED: "A limit of the settings is exceeded: see `setting`, `limit` and `actual`, and "
        "`violations`, each with these, where documents and variables exceed several.",
        ErrorCode.UNAVAILABLE: "The store cannot be reached; try again.",
    },
)

_NODES = {"import": "SegmentImport", "accessToken": "AccessToken"}
"""The types of the users of a thing that are named by their global ids."""


def explain(error: Exception) -> tuple[str, dict[str, Any]]:
    """Return a failure's words, and its code and details; a fault of ours is logged and masked."""
    if isinstance(error, DomainError):
        return error.message, {"code": error.code.value, **_details(error)}
    incident = uuid4().hex
    _log.error("Incident %s", incident, exc_info=error)
    return f"Internal error, incident {incident}", {"code": INTERNAL, "incident": incident}


def map_error(error: GraphQLError) -> None:
    """Give an error its code and details, in place."""
    cause = error.original_error
    if cause is not None and not isinstance(cause, GraphQLError):
        error.message, error.extensions = explain(cause)
    elif error.path is not None and "code" not in (error.extensions or {}):
        # An argument that does not fit; GraphQL says where in words only.
        violations = [{"path": [], "message": error.message}]
        error.extensions = {
            **(error.extensions or {}),
            "code": ErrorCode.BAD_USER_INPUT.value,
            "violations": violations,
        }
    forget_frames(error)


def forget_frames(error: GraphQLError) -> None:
    """Drop the tracebacks of an error: their frames hold it, and all that its request held, in a cycle."""
    pending: list[BaseException | None] = [error, error.original_error]
    while pending:
        failure = pending.pop()
        if failure is not None:
            pending += [failure.__cause__, failure.__context__]
            failure.__traceback__ = failure.__cause__ = failure.__context__ = None


def _details(error: DomainError) -> dict[str, Any]:
    """Return an error's details; an import and an access token are named by their global ids."""
    if error.code is not ErrorCode.IN_USE:
        return dict(error.details)
    users = [
        {**user, "key": global_id(_NODES[user["kind"]], user["key"])} if user["kind"] in _NODES else user
        for user in error.details["users"]
    ]
    return {**error.details, "users": users}
