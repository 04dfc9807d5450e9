"""The page that lets people try the API in a browser, with all its parts served from here.

No request of the page leaves its origin: the policy below forbids it.
"""

import os
from functools import cache
from pathlib import Path

from starlette.responses import HTMLResponse, Response
from starlette.routing import BaseRoute, Mount
from starlette.staticfiles import StaticFiles
from starlette.types import Scope

ASSETS = Path(__file__).parent / "static" / "graphiql"

PAGE_HEADERS = {
    # The editor places its parts by style attributes and keeps its fonts and icons in its style sheet.
    "Content-Security-Policy": (
        "default-src 'none'; script-src 'self'; style-src 'self' 'unsafe-inline'; img-src 'self' data:; "
        "font-src data:; connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
    ),
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
    "Cache-Control": "no-cache",
    "Vary": "Accept",
}


class _Assets(StaticFiles):
    """Files whose names bear a version are cached for a year, the others asked for again each time."""

    def file_response(
        self,
        full_path: str | os.PathLike[str],
        stat_result: os.stat_result,
        scope: Scope,
        status_code: int = 200,
    ) -> Response:
        response = super().file_response(full_path, stat_result, scope, status_code)
        versioned = ".min." in Path(full_path).name
        response.headers["Cache-Control"] = "public, max-age=31536000, immutable" if versioned else "no-cache"
        response.headers["X-Content-Type-Options"] = "nosniff"
        return response


def ide_routes() -> list[BaseRoute]:
    """Make the routes of the page's scripts and styles, below `/graphiql`."""
    return [Mount("/graphiql", _Assets(directory=ASSETS))]


def ide_page() -> Response:
    """Answer with the page; it must be served beside `/graphiql`, whose files it names relative to itself."""
    return HTMLResponse(_page(), headers=PAGE_HEADERS)


@cache
def _page() -> str:
    return (ASSETS / "index.html").read_text(encoding="utf-8")
