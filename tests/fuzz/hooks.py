"""What Schemathesis cannot know by itself: how the product's scalars are written, and what it may answer."""

import os

import schemathesis
from graphql import ConstListValueNode, ConstObjectFieldNode, ConstObjectValueNode, ConstValueNode, NameNode
from hypothesis import strategies as st
from hypothesis_graphql import nodes
from schemathesis import Case, CheckContext, Response

# What a client can have done wrong, or met; anything else is a fault of the service.
CODES = frozenset(
    {
        "ALREADY_EXISTS",
        "BAD_USER_INPUT",
        "GRAPHQL_VALIDATION_FAILED",
        "IN_USE",
        "LIMIT_EXCEEDED",
        "NOT_FOUND",
        "VERSION_CONFLICT",
    }
)
STATUSES = frozenset({200})
if os.environ["SECRET_ENDS"]:  # what is sent may replace the secret that it is sent with
    CODES |= {"FORBIDDEN", "UNAUTHENTICATED"}
    STATUSES |= {401}
MOMENTS = st.datetimes().map(lambda moment: moment.isoformat() + "Z") | st.sampled_from(
    ["", "now", "2026-02-30T00:00:00Z", "0001-01-01T00:00:00+23:59", "9999-12-31T23:59:59-23:59"]
)
NAMES = st.sampled_from(
    ["kind", "key", "multi", "flags", "segments", "flagValues", "on", "_meta"]
) | st.from_regex(r"\A[_A-Za-z][_0-9A-Za-z]{0,9}\Z")
LEAVES = st.one_of(
    st.just(nodes.Null),
    st.booleans().map(nodes.Boolean),
    st.integers().map(nodes.Int),
    st.floats(allow_nan=False, allow_infinity=False).map(nodes.Float),
    st.text(st.characters(codec="utf-8")).map(nodes.String),
)


def _field(name: str, value: ConstValueNode) -> ConstObjectFieldNode:
    return ConstObjectFieldNode(name=NameNode(value=name), value=value)


def _containers(values: st.SearchStrategy[ConstValueNode]) -> st.SearchStrategy[ConstValueNode]:
    lists = st.lists(values, max_size=4).map(lambda items: ConstListValueNode(values=tuple(items)))
    fields = st.dictionaries(NAMES, values, max_size=4).map(
        lambda items: ConstObjectValueNode(fields=tuple(_field(*item) for item in items.items()))
    )
    return lists | fields


schemathesis.graphql.scalar("DateTime", MOMENTS.map(nodes.String))
schemathesis.graphql.scalar("JSON", st.recursive(LEAVES, _containers, max_leaves=8))


@schemathesis.check
def answers_as_it_should(_context: CheckContext, response: Response, _case: Case) -> None:
    """Whatever is asked, the answer is GraphQL's, and no fault of the service."""
    assert response.status_code in STATUSES, response.status_code
    answer = response.json()
    assert answer.keys() <= {"data", "errors"}, answer.keys()
    for error in answer.get("errors", []):
        assert error["extensions"]["code"] in CODES, error
    assert response.headers["x-request-id"]
