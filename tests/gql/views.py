"""The view of GraphQL over a small schema, asked without a server."""

from collections.abc import AsyncIterator, Awaitable, Callable

import httpx
import strawberry
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.routing import Route
from strawberry import scalars

from gql.answers import JSON
from gql.bodies import BodyLimits
from gql.context import RequestContext
from gql.http import GraphQLView
from storage.cache import MemoryCache
from tests.gql.contexts import ada


@strawberry.type
class Query:
    @strawberry.field
    def greeting(self, name: str = "world") -> str:
        return f"Hello {name}"

    @strawberry.field
    def failing(self) -> str:
        message = "no greeting today"
        raise ValueError(message)

    @strawberry.field
    def anything(self) -> scalars.JSON:
        return scalars.JSON(object())

    @strawberry.field
    def caller(self, info: strawberry.Info) -> str:
        return str(info.context.principal.actor)


@strawberry.type
class Mutation:
    @strawberry.mutation
    def change(self) -> int:
        return 1


Factory = Callable[[Request], Awaitable[RequestContext]]
SCHEMA = strawberry.Schema(Query, Mutation)


def refusing(error: Exception) -> Factory:
    async def factory(_request: Request) -> RequestContext:
        raise error

    return factory


def a_view(*, context_factory: Factory = ada, max_body_bytes: int = 1_000) -> GraphQLView:
    nothing_kept = MemoryCache[bytes](max_entries=0, max_bytes=0)
    return GraphQLView(
        SCHEMA, context_factory=context_factory, responses=nothing_kept, body_limits=BodyLimits(max_body_bytes, 30)
    )


def a_client(*, context_factory: Factory = ada, max_body_bytes: int = 1_000_000) -> httpx.AsyncClient:
    view = a_view(context_factory=context_factory, max_body_bytes=max_body_bytes)
    transport = httpx.ASGITransport(Starlette(routes=[Route("/graphql", view)]))
    return httpx.AsyncClient(transport=transport, base_url="http://earlybird.test")


async def post(query: str, accept: str = JSON, **body: object) -> httpx.Response:
    async with a_client() as client:
        return await client.post("/graphql", json={"query": query, **body}, headers={"Accept": accept})


async def send(
    method: str,
    *,
    params: dict[str, str] | None = None,
    content: bytes | AsyncIterator[bytes] | None = None,
    headers: dict[str, str] | None = None,
    context_factory: Factory = ada,
) -> httpx.Response:
    async with a_client(context_factory=context_factory) as client:
        return await client.request(method, "/graphql", params=params, content=content, headers=headers)


def code_of(response: httpx.Response) -> str:
    [error] = response.json()["errors"]
    return str(error["extensions"]["code"])
