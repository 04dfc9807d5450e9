"""The command line: `earlybird serve | import | export | segment import | schema`."""

import asyncio
import codecs
import contextlib
import os
import sys
import tempfile
import zlib
from collections.abc import Callable, Coroutine
from enum import Enum
from pathlib import Path
from typing import Annotated, Any, NoReturn, TypeVar

import orjson
import typer
from pydantic import ValidationError
from rich import progress
from rich.console import Console
from rich.table import Table

from domain.access.principals import OPERATOR
from domain.errors import (
    DomainError,
    InvalidInputError,
    LimitExceededError,
    UnavailableError,
    Violation,
)
from domain.json import Json
from domain.keys import EnvironmentRef, key_violation
from domain.model.lists import ListCounts, ListMode
from domain.ports import Store
from domain.services.editing import EnvironmentEditor
from domain.services.import_plan import ImportMode
from domain.services.imports import ImportReport, ImportService
from domain.services.list_changes import ListChanges, NewListChange
from domain.services.list_effects import ChangedList
from domain.services.lists import ListService
from domain.services.snapshots import SnapshotService
from gql import serving
from gql.schema import build_schema
from gql.settings import Settings, faults_of
from gql.uploads import unpacked_file
from storage import open_store
from storage.key_spool import TemporaryKeySpool

T = TypeVar("T")

_LOOK_SECONDS = 0.5
"""How often it is looked how far an import has come."""

app = typer.Typer(
    help="Feature flags, segments and early access programs over GraphQL. Every setting is also an "
    "environment variable EARLYBIRD_…; options win over them.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    add_completion=False,
)

StoreOption = Annotated[
    str | None, typer.Option("--store", help="sqlite:///path or mongodb://…; EARLYBIRD_STORE by default.")
]
AcknowledgeOption = Annotated[
    bool, typer.Option("--acknowledge-removal", help="Let it remove most of a large list that flags use.")
]
AcknowledgeDeletionOption = Annotated[
    bool,
    typer.Option("--acknowledge-removal", help="Let it delete large lists with members that flags use."),
]
CommentOption = Annotated[str, typer.Option(help="Why, for the audit log.")]
ProjectOption = Annotated[str, typer.Option(help="The project's key.")]
EnvironmentOption = Annotated[str, typer.Option(help="The environment's key.")]


segment_app = typer.Typer(help="Large lists.", no_args_is_help=True)
app.add_typer(segment_app, name="segment")


class ListFileMode(Enum):
    """What becomes of a list's members when a file comes in."""

    MERGE = "merge"
    OVERWRITE = "overwrite"
    REMOVE = "remove"


class Mode(Enum):
    """What becomes of flags and segments that the file does not mention."""

    MERGE = "merge"
    REPLACE = "replace"


@app.command()
def serve(
    host: Annotated[str | None, typer.Option(help="The address to listen on.")] = None,
    port: Annotated[int | None, typer.Option(help="The port to listen on.")] = None,
    store: StoreOption = None,
    workers: Annotated[int | None, typer.Option(help="How many processes serve.")] = None,
    examples: Annotated[
        Path | None,
        typer.Option(
            help="A folder of example data (or a file of flag data) for default/production if the store is new."
        ),
    ] = None,
) -> None:
    """Serve /graphql, /healthz, /readyz and /metrics until stopped; requests in flight are then answered."""
    options = {"host": host, "port": port, "store": store, "workers": workers, "examples": examples}
    # Worker processes read their settings from the environment.
    os.environ.update({f"EARLYBIRD_{k.upper()}": str(v) for k, v in options.items() if v is not None})
    settings = _settings()
    try:
        asyncio.run(serving.check_start(settings))
    except InvalidInputError as error:
        _fail_for(error)
    serving.serve(settings)


@app.command("import")
def import_(  # noqa: PLR0913 - a command's options
    file: Annotated[Path, typer.Argument(help="Flag data JSON, as LaunchDarkly's SDKs read it.")],
    project: ProjectOption = "default",
    environment: EnvironmentOption = "production",
    *,
    mode: Annotated[Mode, typer.Option(help="Whether to keep what the file does not mention.")] = Mode.MERGE,
    acknowledge_removal: AcknowledgeDeletionOption = False,
    comment: CommentOption = "",
    store: StoreOption = None,
) -> None:
    """Import a file into an environment, all or nothing; a running service takes it up at once."""
    settings = _settings(store)

    async def run(imports: ImportService) -> ImportReport:
        with console.status("Reading …") as status:
            data = await asyncio.to_thread(_read_json, file, settings.max_body_bytes)
            status.update("Checking and storing …")
            ref = _environment(project, environment)
            return await imports.import_flag_data(
                OPERATOR,
                ref,
                data,
                ImportMode[mode.name],
                acknowledge_removal=acknowledge_removal,
                comment=comment,
            )

    console = Console(stderr=True)
    _report(_with_imports(settings, run))


@segment_app.command("import")
def import_members(  # noqa: PLR0913 - a command's options
    key: Annotated[str, typer.Argument(help="The segment, which must be a large list.")],
    file: Annotated[
        Path, typer.Argument(help="CSV, plain or packed by gzip: keys in the first column, no header row.")
    ],
    *,
    mode: Annotated[ListFileMode, typer.Option(help="What becomes of the members.")] = ListFileMode.MERGE,
    project: ProjectOption = "default",
    environment: EnvironmentOption = "production",
    acknowledge_removal: AcknowledgeOption = False,
    comment: CommentOption = "",
    store: StoreOption = None,
) -> None:
    """Fill a large list from a file; it takes effect at one instant, in a running service too."""
    settings = _settings(store)
    new = NewListChange(
        segment_key=key, mode=ListMode[mode.name], acknowledge_removal=acknowledge_removal, comment=comment
    )

    async def run(opened: Store) -> ChangedList:
        snapshots = SnapshotService(opened)
        lists = ListService(
            opened,
            snapshots,
            ListChanges(opened, snapshots, EnvironmentEditor(opened, snapshots)),
            TemporaryKeySpool,
            max_removal_percent=settings.max_removal_percent,
        )
        try:
            with (
                progress.Progress(console=Console(stderr=True)) as shown,
                shown.open(file, "rb", description="Reading") as source,
            ):
                waiting = await lists.start(OPERATOR, _environment(project, environment), new)
                applying = asyncio.create_task(_show_applying(shown, lists, waiting.id))
                try:
                    return await lists.upload(OPERATOR, waiting.id, unpacked_file(source))
                finally:
                    applying.cancel()
        except (OSError, EOFError, zlib.error) as error:
            # What is wrong with gzip is told without a number of an error.
            message = getattr(error, "strerror", None) or f"is no gzip: {error}"
            raise InvalidInputError([Violation((), f"{file}: {message}")]) from error

    changed = _with_store(settings, run)
    counts = changed.change.counts
    console = Console()
    for item in counts.malformed_lines:
        console.print(f"line {item.line} was left out: {item.message}", markup=False, soft_wrap=True)
    console.print(
        f"{changed.segment.id} has {changed.segment.member_count} members: {counts.added} added, "
        f"{counts.already} already there, {counts.removed} removed; "
        f"{counts.duplicates} duplicates, {counts.malformed} malformed lines.",
        soft_wrap=True,
    )


@app.command()
def export(
    project: ProjectOption = "default",
    environment: EnvironmentOption = "production",
    output: Annotated[Path | None, typer.Option(help="The file to write; standard output by default.")] = None,
    store: StoreOption = None,
) -> None:
    """Export an environment as flag data JSON, ready for `import` and for LaunchDarkly's SDKs."""

    async def run(imports: ImportService) -> dict[str, Json]:
        return await imports.export_flag_data(OPERATOR, _environment(project, environment))

    data = _with_imports(_settings(store), run)
    text = orjson.dumps(data, option=orjson.OPT_INDENT_2 | orjson.OPT_APPEND_NEWLINE)
    if output is None:
        sys.stdout.buffer.write(text)
    else:
        _write(output, text)
    flags, segments = (len(items) for items in data.values() if isinstance(items, dict))
    Console(stderr=True).print(f"Exported {flags} flags and {segments} segments.")


@app.command()
def schema() -> None:
    """Print the GraphQL schema."""
    sys.stdout.write(build_schema().as_str() + "\n")


def main() -> None:
    """Run the command line."""
    app(prog_name="earlybird")


def _settings(store: str | None = None) -> Settings:
    given: dict[str, Any] = {"store": store} if store else {}
    try:
        return Settings(**given)
    except ValidationError as error:
        _fail(*faults_of(error))


def _environment(project: str, environment: str) -> EnvironmentRef:
    violations = [key_violation(project, ("--project",)), key_violation(environment, ("--environment",))]
    if found := [violation for violation in violations if violation]:
        raise InvalidInputError(found)
    return EnvironmentRef(project, environment)


async def _show_applying(shown: progress.Progress, lists: ListService, import_id: str) -> None:
    """Show how many members were gone through, as the import tells it, until cancelled."""
    task = shown.add_task("", total=None, visible=False)
    while True:
        await asyncio.sleep(_LOOK_SECONDS)
        with contextlib.suppress(UnavailableError):
            change = await lists.change(OPERATOR, import_id)
            counts = ListCounts() if change is None else change.counts
            if members := counts.added + counts.already + counts.removed:
                shown.update(task, description=f"Applying … {members:,} members", visible=True)


def _with_imports(settings: Settings, run: Callable[[ImportService], Coroutine[Any, Any, T]]) -> T:
    def imports(store: Store) -> ImportService:
        editor = EnvironmentEditor(store, SnapshotService(store))
        return ImportService(store, editor, max_removal_percent=settings.max_removal_percent)

    return _with_store(settings, lambda store: run(imports(store)))


def _with_store(settings: Settings, run: Callable[[Store], Coroutine[Any, Any, T]]) -> T:
    """Run something with the store open; say what is wrong in words, and leave with status 1."""

    async def with_store() -> T:
        store = await open_store(settings.store, create=False)
        try:
            return await run(store)
        finally:
            await store.close()

    try:
        return asyncio.run(with_store())
    except InvalidInputError as error:
        _fail_for(error)
    except DomainError as error:
        _fail(error.message)


def _read_json(file: Path, max_bytes: int) -> Json:
    try:
        with file.open("rb") as source:
            text = source.read(max_bytes + 1)
    except OSError as error:
        raise InvalidInputError([Violation((), f"{file}: {error.strerror}")]) from error
    if len(text) > max_bytes:
        raise LimitExceededError(
            f"the bytes of {file}",
            setting="EARLYBIRD_MAX_BODY_BYTES",
            limit=max_bytes,
            actual=file.stat().st_size,
        )
    try:
        data: Json = orjson.loads(text.removeprefix(codecs.BOM_UTF8))
    except orjson.JSONDecodeError as error:
        raise InvalidInputError([Violation((), f"{file} is not JSON: {error}")]) from error
    return data


def _write(file: Path, text: bytes) -> None:
    """Write a file as a whole: what was there stays if that fails."""
    try:
        with tempfile.NamedTemporaryFile(dir=file.parent, delete=False) as whole:
            whole.write(text)
        Path(whole.name).replace(file)
    except OSError as error:
        _fail(f"{file}: {error.strerror}")


def _report(report: ImportReport) -> None:
    table = Table("kind", "key", "outcome", "notes", box=None)
    for item in report.items:
        table.add_row(item.kind.value.lower(), item.key, item.outcome.value.lower(), "; ".join(item.notes))
    counts = report.counts
    console = Console()
    console.print(table)
    console.print(
        f"{report.environment} is at revision {report.revision}: {counts.created} created, "
        f"{counts.updated} updated, {counts.unchanged} unchanged, {counts.deleted} deleted."
    )


def _fail_for(error: InvalidInputError) -> NoReturn:
    """Leave in words; the store's URL is called as its setting is."""
    _fail(
        *(
            f"EARLYBIRD_STORE: {violation.message}" if violation.path == ("url",) else str(violation)
            for violation in error.violations
        )
    )


def _fail(*messages: str) -> NoReturn:
    for message in messages:
        sys.stderr.write(f"earlybird: {message}\n")
    raise typer.Exit(1)


if __name__ == "__main__":
    main()
