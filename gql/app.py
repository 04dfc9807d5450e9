"""The application of one process: its routes over HTTP, and the backend that answers them."""

import asyncio
import contextlib
import logging
from collections.abc import AsyncIterator

from starlette.applications import Starlette
from starlette.middleware import Middleware
from starlette.middleware.cors import CORSMiddleware
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from domain.access.actions import AccountAction
from domain.access.resources import ACCOUNT, resource_of
from domain.errors import DomainError
from gql.answers import RESOURCE_STATUS_BY_CODE, error_response, wrong_method
from gql.backend import Backend
from gql.documents import AutomaticDocuments, Documents, read_documents
from gql.garbage import spare_collections
from gql.http import GraphQLView
from gql.ide import ide_routes
from gql.logs import RequestLog, configure_logging
from gql.member_files import member_file_routes
from gql.metrics import Metrics
from gql.routing import Application, StraightRoute
from gql.schema import build_schema
from gql.segment_targets import segment_target_routes
from gql.settings import Settings
from gql.workers import stop_with_parent

_log = logging.getLogger(__name__)
_START_SECONDS = 2.0


def _log_failure(running: asyncio.Task[None]) -> None:
    if not running.cancelled() and running.exception() is not None:
        _log.critical("the service does not follow the store any more", exc_info=running.exception())


def _cors(origins: str) -> Middleware:
    """Let pages of other origins ask; their secrets travel in a header, never in a cookie."""
    return Middleware(
        CORSMiddleware,
        allow_origins=[origin.strip() for origin in origins.split(",")],
        allow_methods=["GET", "POST", "PUT"],
        allow_headers=["Authorization", "Content-Encoding", "Content-Type", "X-Request-Id"],
        expose_headers=["Retry-After", "X-Request-Id"],
        max_age=600,
    )


def _documents(settings: Settings) -> Documents:
    automatic = AutomaticDocuments(settings.persisted_queries, settings.persisted_query_bytes)
    is_automatic = settings.persisted_queries > 0 and not settings.documents_only
    return Documents(
        trusted=read_documents(settings.documents),
        only_trusted=settings.documents_only,
        automatic=automatic if is_automatic else None,
    )


def create_app(settings: Settings | None = None) -> Application:
    """Compose the application; the settings come from the environment where none are given."""
    settings = settings or Settings()
    log = configure_logging(settings.log_level)
    metrics = Metrics()
    backend = Backend(settings, metrics)

    @contextlib.asynccontextmanager
    async def lifespan(_app: Starlette) -> AsyncIterator[None]:
        stop_with_parent()
        running = asyncio.create_task(backend.run())
        loaded = asyncio.create_task(backend.wait_until_loaded())
        try:
            await asyncio.wait({running, loaded}, timeout=_START_SECONDS, return_when=asyncio.FIRST_COMPLETED)
            if running.done():
                await running  # it ends by failing only
            running.add_done_callback(_log_failure)
            spare_collections()
            yield
        finally:
            loaded.cancel()
            running.cancel()
            await asyncio.wait({running})
            await backend.close()

    async def healthz(_request: Request) -> JSONResponse:
        return JSONResponse({"status": "alive"})

    async def readyz(_request: Request) -> JSONResponse:
        readiness = await backend.readiness()
        return JSONResponse(readiness, 200 if readiness["ready"] else 503)

    async def scrape(request: Request) -> Response:
        try:
            if settings.metrics == "token":
                (await backend.request_context(request)).principal.authorize(
                    AccountAction.VIEW_METRICS, resource_of(ACCOUNT)
                )
        except DomainError as error:
            return error_response(error, status_by_code=RESOURCE_STATUS_BY_CODE)
        body, media_type = metrics.write(backend.gauges(), request.headers.get("accept", ""))
        return Response(body, media_type=media_type)

    view = GraphQLView(
        build_schema(settings.document_limits, settings.execution_limits, settings.disclosure, metrics=metrics),
        context_factory=backend.request_context,
        responses=backend.responses,
        body_limits=settings.body_limits,
        limits=settings.execution_limits,
        documents=_documents(settings),
        ide=settings.ide,
        metrics=metrics,
    )
    cors = [_cors(settings.cors_origins)] if settings.cors_origins else []
    app = Application(
        routes=[
            *member_file_routes(backend.request_context, file_limits=settings.file_limits),
            *segment_target_routes(
                backend.request_context,
                body_limits=settings.body_limits,
                max_batch_bytes=settings.max_sync_batch_bytes,
            ),
            Route("/healthz", healthz),
            Route("/readyz", readyz),
            *([] if settings.metrics == "off" else [Route("/metrics", scrape)]),
            *(ide_routes() if settings.ide else []),
        ],
        middleware=[
            Middleware(RequestLog, log=log, metrics=metrics),
            *cors,
            Middleware(StraightRoute, route=Route("/graphql", view)),
        ],
        exception_handlers={405: wrong_method},  # type: ignore[dict-item]  # it is handed over as an HTTPException
        lifespan=lifespan,
    )
    app.router.redirect_slashes = False  # it would lead to whatever host the request names
    return app
