import base64
import hashlib
import re
from pathlib import Path

import httpx
import pytest
import strawberry
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.routing import Route

from domain.errors import UnauthenticatedError
from gql.bodies import BodyLimits
from gql.context import RequestContext
from gql.http import GraphQLView
from gql.ide import ASSETS, ide_routes
from storage.cache import MemoryCache

BROWSER = "text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8"
PAGE = (ASSETS / "index.html").read_text(encoding="utf-8")
NAMED_ASSETS = sorted(re.findall(r'(?:src|href)="([^"]+)"', PAGE))
HASHED_ASSETS = re.findall(r'(?:src|href)="graphiql/([^"]+)"\s+integrity="([^"]+)"', PAGE)


@strawberry.type
class Query:
    @strawberry.field
    def greeting(self) -> str:
        return "Hello"


async def nobody(_request: Request) -> RequestContext:
    message = "who are you?"
    raise UnauthenticatedError(message)


async def get(path: str, *, accept: str = "*/*", ide: bool = True, method: str = "GET") -> httpx.Response:
    kept = MemoryCache[bytes](max_entries=0, max_bytes=0)
    schema = strawberry.Schema(Query)
    view = GraphQLView(schema, context_factory=nobody, responses=kept, body_limits=BodyLimits(1_000, 30), ide=ide)
    app = Starlette(routes=[Route("/graphql", view), *ide_routes()])
    async with httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://earlybird.test") as client:
        return await client.request(method, path, headers={"Accept": accept})


async def test_browser_without_credentials_is_answered_with_the_page() -> None:
    response = await get("/graphql", accept=BROWSER)
    assert response.status_code == 200
    assert response.headers["content-type"] == "text/html; charset=utf-8"
    assert response.text == PAGE


@pytest.mark.parametrize(
    ("path", "accept", "ide"),
    [("/graphql", "*/*", True), ("/graphql", BROWSER, False), ("/graphql?query={greeting}", BROWSER, True)],
)
async def test_page_is_for_browsers_that_ask_nothing_where_the_ide_is_on(
    path: str, accept: str, ide: bool
) -> None:
    response = await get(path, accept=accept, ide=ide)
    assert response.status_code == 401
    assert response.headers["content-type"] == "application/json; charset=utf-8"


async def test_page_may_load_and_call_its_own_origin_only_and_stands_in_no_frame() -> None:
    response = await get("/graphql", accept=BROWSER)
    policy = dict(part.split(" ", 1) for part in response.headers["content-security-policy"].split("; "))
    assert policy["default-src"] == "'none'"
    assert policy["script-src"] == "'self'"
    assert policy["connect-src"] == "'self'"
    assert policy["frame-ancestors"] == "'none'"
    assert not any("http" in sources or "unsafe-eval" in sources for sources in policy.values())
    assert response.headers["x-content-type-options"] == "nosniff"
    assert response.headers["referrer-policy"] == "no-referrer"
    assert response.headers["vary"] == "Accept"


def test_page_holds_no_script_of_its_own_and_names_no_other_origin() -> None:
    assert all(re.fullmatch(r"graphiql/[\w.-]+", asset) for asset in NAMED_ASSETS)
    assert re.findall(r"<script[^>]*>([^<]*)</script>", PAGE) == [""] * PAGE.count("<script")
    assert "http" not in PAGE


@pytest.mark.parametrize("asset", NAMED_ASSETS)
async def test_every_file_that_the_page_names_is_served_and_cached_by_its_version(asset: str) -> None:
    response = await get(f"/{asset}")
    assert response.status_code == 200
    assert response.headers["x-content-type-options"] == "nosniff"
    versioned = re.search(r"\d\.min\.", asset)
    expected = "public, max-age=31536000, immutable" if versioned else "no-cache"
    assert response.headers["cache-control"] == expected


@pytest.mark.parametrize(("asset", "integrity"), HASHED_ASSETS)
def test_vendored_file_is_the_published_one(asset: str, integrity: str) -> None:
    digest = hashlib.sha384((ASSETS / asset).read_bytes()).digest()
    assert integrity == "sha384-" + base64.b64encode(digest).decode()
    # Strawberry's own page states the hashes of the files as they were published.
    template = Path(strawberry.__file__).parent / "static" / "graphiql.html"
    assert integrity in template.read_text(encoding="utf-8")


def test_every_vendored_file_is_hashed_in_the_page() -> None:
    assert sorted(asset for asset, _ in HASHED_ASSETS) == sorted(path.name for path in ASSETS.glob("*.min.*"))


@pytest.mark.parametrize("path", ["/graphiql/../ide.py", "/graphiql/%2e%2e/%2e%2e/ide.py", "/graphiql/"])
async def test_nothing_but_the_assets_is_served(path: str) -> None:
    assert (await get(path)).status_code == 404
