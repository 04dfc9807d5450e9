"""What a request held goes when it is answered, without a look for cycles, of which full ones stop everything."""

import asyncio
import gc
import random
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from types import SimpleNamespace
from typing import Any

import pytest
from starlette.requests import Request
from strawberry.schema.exceptions import CannotGetOperationTypeError

from domain.errors import UnauthenticatedError
from gql.bodies import BodyLimits
from gql.http import GraphQLView
from gql.limits import KEPT_LONG_DOCUMENTS
from gql.schema import build_schema

SCHEMA = build_schema()
DOCUMENTS = KEPT_LONG_DOCUMENTS + 4
IDS = " ".join(str(random.Random(7).randrange(1_000_000)) for _ in range(1_900))  # noqa: S311 - no secret
# Rules and visitors of a validation refer to themselves, and to nothing of the document.
OF_A_VALIDATION = 1_300


class _Refusing:
    """Services that refuse whatever is asked of them."""

    def __getattr__(self, _name: str) -> Any:
        raise UnauthenticatedError("who are you?")


CONTEXT: Any = SimpleNamespace(services=_Refusing(), loaders={})


@contextmanager
def cycles() -> Iterator[Callable[[], int]]:
    """Give a function that collects what nothing else has freed, and counts it."""
    gc.collect()
    gc.disable()
    try:
        yield gc.collect
    finally:
        gc.enable()


async def answer(text: str) -> None:
    """Execute a document, and forget the answer."""
    with suppress(CannotGetOperationTypeError):
        await SCHEMA.execute(text, {}, CONTEXT)


@pytest.mark.parametrize(
    ("document", "bound"),
    [
        pytest.param(f"{{nodes(ids:[{IDS}]){{id}}", 0, id="no end"),
        pytest.param(f"{{nodes(ids:[{IDS} \1]){{id}}}}", 0, id="a character that is none"),
        pytest.param("{nodes(ids:[" + "#a\n" * 1_500, 0, id="comments"),
        pytest.param("#a\n" * 2_100 + "{a}", 0, id="too many comments"),
        pytest.param(f"{{nodes(ids:[{IDS} {IDS}]){{id}}}}", 0, id="too many tokens"),
        pytest.param("{" + "a " * 1_500 + "}", 0, id="too many fields"),
        pytest.param("{a" * 330 + "}" * 330, 0, id="too deep"),
        pytest.param(f"fragment A on Query{{nodes(ids:[{IDS}]){{id}}}}", 0, id="no operation"),
        pytest.param(f"{{nodes(ids:[{IDS}]){{unknown}}}}", OF_A_VALIDATION, id="invalid"),
        pytest.param(
            f"query($a:Int!){{nodes(ids:[{IDS}]){{id}} a:node(id:$a){{id}}}}", OF_A_VALIDATION, id="typed"
        ),
        pytest.param(
            f"query($a:ID!){{nodes(ids:[{IDS}]){{id}} a:node(id:$a){{id}}}}", OF_A_VALIDATION, id="unset"
        ),
        pytest.param(f"{{nodes(ids:[{IDS}]){{id}}}}", OF_A_VALIDATION, id="refused by a service"),
        pytest.param("{__typename " + "viewer{can} " * 40 + "}", OF_A_VALIDATION, id="merged"),
    ],
)
def test_a_document_leaves_hardly_anything_that_only_a_collection_frees(document: str, bound: int) -> None:
    async def run() -> int:
        await answer(f"{document}#")  # what is made once is made
        with cycles() as count:
            for number in range(DOCUMENTS):
                await answer(f"{document}#{number}")
            return count()

    assert asyncio.run(run()) <= bound * DOCUMENTS


@pytest.mark.parametrize("headers", [[], [(b"content-type", b"application/json")]], ids=["a form", "a stranger"])
def test_a_request_that_is_refused_leaves_nothing_that_only_a_collection_frees(headers: list[Any]) -> None:
    async def refuse(_request: Request) -> Any:
        raise UnauthenticatedError("who are you?")

    async def send(_message: Any) -> None:
        pass

    async def receive() -> Any:
        return {"type": "http.request"}

    responses: Any = None  # they are not reached
    limits = BodyLimits(max_bytes=1, max_seconds=1)
    view = GraphQLView(SCHEMA, context_factory=refuse, responses=responses, body_limits=limits)
    scope = {"type": "http", "method": "POST", "path": "/graphql", "query_string": b"", "headers": headers}

    async def run() -> int:
        await view(dict(scope), receive, send)
        with cycles() as count:
            for _ in range(10):
                await view(dict(scope), receive, send)
            return count()

    assert asyncio.run(run()) == 0
