"""Serves: what is looked at before the start, and uvicorn, in one process or in several."""

import contextlib
import logging
import os
import sys
import tempfile
from collections.abc import Iterator

import uvicorn
from uvicorn.config import STARTUP_FAILURE

from domain.errors import UnavailableError
from gql.documents import check_documents, read_documents
from gql.examples import read_examples
from gql.heads import HeadLimitingProtocol
from gql.logs import configure_logging
from gql.metrics import FOLDER
from gql.schema import build_schema
from gql.settings import Settings, unknown_settings
from gql.workers import ANSWER_SECONDS, Supervisor
from storage import open_store
from storage.cache import RedisTexts

_log = logging.getLogger(__package__)


async def check_start(settings: Settings) -> None:
    """Look for what would keep the service from ever working; a store that is away may come.

    Raises:
        InvalidInputError: A setting names what cannot be used.
    """
    read_examples(settings.examples)
    if settings.cache_url is not None:
        await RedisTexts(settings.cache_url.get_secret_value(), namespace="").close()
    if documents := read_documents(settings.documents):
        schema = build_schema(settings.document_limits, disclosure=settings.disclosure)
        check_documents(schema, documents)
    with contextlib.suppress(UnavailableError):
        await (await open_store(settings.store)).close()


def serve(settings: Settings) -> None:
    """Serve until stopped; worker processes read the settings from the environment. Exits if it cannot start."""
    configure_logging(settings.log_level)
    if unknown := unknown_settings():
        _log.warning("there are no such settings: %s", ", ".join(unknown))
    config = uvicorn.Config(
        "gql.app:create_app",
        factory=True,
        host=settings.host,
        port=settings.port,
        workers=settings.workers,
        http=HeadLimitingProtocol,
        ws="none",  # whatever is installed: the view answers that they are not offered
        log_level=settings.log_level,
        log_config=None,  # its lines are ours too
        access_log=False,
        server_header=False,
        limit_concurrency=settings.max_connections + 1,  # uvicorn refuses the one that reaches it
        timeout_graceful_shutdown=settings.shutdown_seconds,
        timeout_worker_healthcheck=ANSWER_SECONDS,
    )
    if settings.workers > 1:
        with _counting_together():
            Supervisor(config, sockets=[config.bind_socket()]).run()
        return
    server = uvicorn.Server(config)
    with contextlib.suppress(KeyboardInterrupt):  # it is raised again when the service has stopped
        server.run()
    if not server.started:
        sys.exit(STARTUP_FAILURE)


@contextlib.contextmanager
def _counting_together() -> Iterator[None]:
    """Let the processes that are started meanwhile keep their metrics in one folder."""
    with tempfile.TemporaryDirectory(prefix="earlybird-metrics-") as folder:
        os.environ[FOLDER] = folder
        yield
