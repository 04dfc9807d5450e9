"""All settings in one place: each is an environment variable `EARLYBIRD_<NAME>`, with a safe default."""

import os
import re
from functools import cache
from typing import Annotated, Any, Literal

from pydantic import BeforeValidator, Field, SecretStr, ValidationError, ValidationInfo, field_validator
from pydantic_settings import BaseSettings, SettingsConfigDict

from domain.model.contexts import ContextLimits
from domain.services.contexts import TEXT_LIMIT
from domain.services.list_guard import DEFAULT_REMOVAL_PERCENT
from gql.bodies import BodyLimits
from gql.budget import ExecutionLimits
from gql.limits import DEEPEST, Disclosure, DocumentLimits

_LIMITS = DocumentLimits()
_EXECUTION_LIMITS = ExecutionLimits()
_CONTEXT_LIMITS = ContextLimits()
# Lower case, no path, no slash at the end.
_ORIGIN = re.compile(r"\*|null|[a-z][a-z0-9+.-]*://([a-z0-9._-]+|\[[0-9a-f:.]+\])(:[0-9]+)?")


def _strip(secret: object) -> object:
    """Drop the line's end that secrets mounted as files have."""
    return secret.strip() if isinstance(secret, str) else secret


def _unless_public(settings: dict[str, Any]) -> bool:
    return not settings.get("public")


def _metrics(settings: dict[str, Any]) -> Literal["on", "token"]:
    return "token" if settings.get("public") else "on"


class Settings(BaseSettings):
    """The settings of one process."""

    model_config = SettingsConfigDict(env_prefix="EARLYBIRD_", env_ignore_empty=True, frozen=True)

    host: str = Field("127.0.0.1", description="The address to listen on.")
    port: int = Field(8000, ge=0, le=65_535, description="The port to listen on; 0 takes a free one.")
    store: str = Field(
        "sqlite:///data/earlybird.db", description="`sqlite:///path` (embedded), or a `mongodb://…` URL."
    )
    workers: int = Field(1, ge=1, le=64, description="How many processes serve.")
    bootstrap_token: Annotated[SecretStr | None, BeforeValidator(_strip)] = Field(
        None, description="On an empty store: becomes the first owner token, and nothing is printed."
    )
    examples: str | None = Field(
        None,
        description="On an empty store: a folder of example data, or a file of flag data, for default/production.",
    )
    public: bool = Field(
        default=False, description="Whether strangers reach it; then the next ones are shut unless they are set."
    )
    ide: bool = Field(default_factory=_unless_public, description="Whether browsers are shown an IDE at /graphql.")
    introspection: bool = Field(
        default_factory=_unless_public, description="Whether documents may ask for the schema."
    )
    suggestions: bool = Field(
        default_factory=_unless_public, description="Whether errors say what a document may have meant."
    )
    metrics: Literal["on", "token", "off"] = Field(
        default_factory=_metrics,
        description="Who may read /metrics: everybody, whoever shows a token that may view them, or nobody.",
    )
    documents: str | None = Field(
        None, description="Trusted documents: a folder of .graphql files, or a JSON file of texts by their ids."
    )
    documents_only: bool = Field(default=False, description="Whether only trusted documents are executed.")
    persisted_queries: int = Field(
        1_000, ge=0, description="Documents of clients that are kept by their hash in each process; 0 keeps none."
    )
    persisted_query_bytes: int = Field(4_194_304, ge=0, description="Memory for them, in bytes.")
    cors_origins: str = Field("", description="Origins whose pages may ask, separated by commas; `*` for all.")
    cache_entries: int = Field(
        100_000, ge=0, description="Answers, and memberships of large lists, that are kept; 0 keeps none."
    )
    cache_bytes: int = Field(134_217_728, ge=0, description="Memory for both together, in bytes.")
    cache_url: Annotated[SecretStr | None, BeforeValidator(_strip)] = Field(
        None, description="A Redis in which several processes share memberships of large lists: `redis://host/0`."
    )
    max_body_bytes: int = Field(
        16_777_216, ge=1, description="Bytes of a request's body, and of a file to import."
    )
    max_sync_batch_bytes: int = Field(
        4_194_304, ge=1, description="Bytes of a batch of a cohort's members; Amplitude's webhook is a body."
    )
    max_anonymous_body_bytes: int = Field(
        65_536, ge=1, description="Bytes of a request's body if it carries no secret."
    )
    max_client_body_bytes: int = Field(
        1_048_576, ge=1, description="Bytes of a request's body if its secret is a client SDK key."
    )
    max_incoming_bytes: int = Field(
        268_435_456, ge=1, description="Bytes of all bodies that are coming in, in each process."
    )
    max_batch_evaluations: int = Field(
        50_000, ge=1, description="Contexts x flags of one request, large ones counting for several."
    )
    max_targets: int = Field(
        15_000, ge=1, description="Individual targets of a segment or a flag; an import may bring more."
    )
    max_targets_characters: int = Field(
        TEXT_LIMIT, ge=1, description="Characters of a text of keys or emails to resolve."
    )
    max_import_bytes: int = Field(
        268_435_456, ge=1, description="Bytes of an uploaded file of members for a large list, unpacked."
    )
    max_removal_percent: int = Field(
        DEFAULT_REMOVAL_PERCENT,
        ge=0,
        le=100,
        description="How much of a large list that flags use an import may remove without `acknowledgeRemoval`.",
    )
    context_retention_days: int = Field(
        30,
        ge=0,
        le=36_500,
        description="How long a context that is not met any more is remembered; 0 remembers none.",
    )
    max_body_seconds: int = Field(
        30, ge=1, description="How long a request's body may take, and a piece of a file of members."
    )
    max_header_seconds: int = Field(10, ge=1, description="How long the head of a request may take.")
    max_header_bytes: int = Field(65_536, ge=1, description="Bytes of a request's head.")
    max_stall_seconds: int = Field(
        30, ge=1, description="How long an answer may wait without being read (16 KiB at least)."
    )
    max_context_size: int = Field(
        _CONTEXT_LIMITS.size,
        ge=1,
        description="Characters of a context's names and strings, and its values; of a default too.",
    )
    max_context_depth: int = Field(
        _CONTEXT_LIMITS.depth, ge=1, description="Objects and lists of a context inside one another."
    )
    max_result_cost: int = Field(
        _EXECUTION_LIMITS.result_cost, ge=1, description="What an answer may cost: fields and items of lists."
    )
    max_result_seconds: int = Field(
        _EXECUTION_LIMITS.result_seconds, ge=1, description="How long the processor may take to make an answer."
    )
    max_response_bytes: int = Field(_EXECUTION_LIMITS.response_bytes, ge=1, description="Bytes of an answer.")
    max_query_seconds: int = Field(_EXECUTION_LIMITS.query_seconds, ge=1, description="How long a query may take.")
    max_page_size: int = Field(
        _EXECUTION_LIMITS.page_size, ge=1, le=10_000, description="Items of a page, and ids of `nodes`."
    )
    max_requests_per_second: int = Field(
        0, ge=0, description="Requests that each caller may make in a second, in each process; 0 for any number."
    )
    max_connections: int = Field(1_000, ge=1, description="Connections that are open at a time, in each process.")
    max_query_characters: int = Field(_LIMITS.max_characters, ge=1, description="Characters of a document.")
    max_query_tokens: int = Field(_LIMITS.max_tokens, ge=1, description="Tokens of a document.")
    max_query_depth: int = Field(
        _LIMITS.max_depth, ge=1, le=DEEPEST, description="Fields inside one another; the parser goes no deeper."
    )
    max_query_fields: int = Field(_LIMITS.max_fields, ge=1, description="Fields, with fragments spread out.")
    max_query_aliases: int = Field(_LIMITS.max_aliases, ge=0, description="Aliased fields, likewise.")
    max_query_directives: int = Field(_LIMITS.max_directives, ge=0, description="Directives, likewise.")
    max_query_root_fields: int = Field(
        _LIMITS.max_root_fields, ge=1, description="Fields of the operation itself."
    )
    max_query_introspections: int = Field(
        _LIMITS.max_introspections, ge=0, description="Uses of `__schema` and `__type`."
    )
    max_query_input_values: int = Field(
        _LIMITS.max_input_values, ge=1, description="Items of lists and fields of input objects in the variables."
    )
    max_query_variables_size: int = Field(
        _LIMITS.max_variables_size,
        ge=1,
        description="Size of the variables that a document uses several times, as often as it does.",
    )
    shutdown_seconds: int = Field(10, ge=0, description="How long requests in flight may take at a stop.")
    log_level: Literal["critical", "error", "warning", "info", "debug"] = Field(
        "info", description="What the log tells."
    )

    @field_validator("bootstrap_token")
    @classmethod
    def _check_token(cls, token: SecretStr | None) -> SecretStr | None:
        """A header must be able to carry it."""
        secret = token.get_secret_value() if token else ""
        if not (secret.isascii() and secret.isprintable()) or " " in secret:
            message = "must be of printable ASCII characters without spaces"
            raise ValueError(message)
        return token

    @field_validator("documents_only")
    @classmethod
    def _check_documents(cls, only: bool, info: ValidationInfo) -> bool:  # noqa: FBT001 - pydantic's signature
        """Without documents nothing would be executed."""
        if only and not info.data.get("documents"):
            message = "needs EARLYBIRD_DOCUMENTS"
            raise ValueError(message)
        return only

    @field_validator("cors_origins")
    @classmethod
    def _check_origins(cls, origins: str) -> str:
        """What is compared with an `Origin` must look like one."""
        wrong = [each for part in origins.split(",") if (each := part.strip()) and not _ORIGIN.fullmatch(each)]
        if wrong:
            message = f"no origin as browsers send it (https://example.com, without a path): {', '.join(wrong)}"
            raise ValueError(message)
        return origins

    @property
    def document_limits(self) -> DocumentLimits:
        """The limits on documents."""
        return DocumentLimits(
            max_characters=self.max_query_characters,
            max_tokens=self.max_query_tokens,
            max_depth=self.max_query_depth,
            max_fields=self.max_query_fields,
            max_aliases=self.max_query_aliases,
            max_directives=self.max_query_directives,
            max_root_fields=self.max_query_root_fields,
            max_introspections=self.max_query_introspections,
            max_input_values=self.max_query_input_values,
            max_variables_size=self.max_query_variables_size,
        )

    @property
    def disclosure(self) -> Disclosure:
        """What documents can learn of the schema."""
        return Disclosure(introspection=self.introspection, suggestions=self.suggestions)

    @property
    def execution_limits(self) -> ExecutionLimits:
        """The limits on executing operations."""
        return ExecutionLimits(
            result_cost=self.max_result_cost,
            query_seconds=self.max_query_seconds,
            page_size=self.max_page_size,
            result_seconds=self.max_result_seconds,
            response_bytes=self.max_response_bytes,
        )

    @property
    def context_limits(self) -> ContextLimits:
        """The limits on contexts."""
        return ContextLimits(size=self.max_context_size, depth=self.max_context_depth)

    @property
    def body_limits(self) -> BodyLimits:
        """The limits on requests' bodies."""
        return BodyLimits(
            max_bytes=self.max_body_bytes,
            max_seconds=self.max_body_seconds,
            anonymous_bytes=self.max_anonymous_body_bytes,
            client_bytes=self.max_client_body_bytes,
            incoming_bytes=self.max_incoming_bytes,
        )

    @property
    def file_limits(self) -> BodyLimits:
        """The limits on files of members."""
        return BodyLimits(max_bytes=self.max_import_bytes, max_seconds=self.max_body_seconds)


@cache
def process_settings() -> Settings:
    """Read the settings of this process, once."""
    return Settings()


def unknown_settings() -> list[str]:
    """Name the variables of the environment that look like settings, and are none."""
    known = {f"EARLYBIRD_{name.upper()}" for name in Settings.model_fields}
    mine = [name for name in os.environ if name.upper().startswith("EARLYBIRD_")]
    return sorted(name for name in mine if name.upper() not in known)


def faults_of(error: ValidationError) -> list[str]:
    """Tell what is wrong with settings; what hangs on others is then not looked at, and left out."""
    return [
        f"EARLYBIRD_{'_'.join(map(str, fault['loc'])).upper()}: {fault['msg'].removeprefix('Value error, ')}"
        for fault in error.errors()
        if fault["type"] != "default_factory_not_called"
    ]
