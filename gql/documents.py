"""Documents that requests name instead of sending: trusted ones from a file or a folder, and automatic ones.

A trusted document is named by `documentId`, as GraphQL over HTTP says; an automatic one by its hash, as Apollo's
clients do (docs/adr/0022).
"""

import hashlib
import json
from collections import Counter, OrderedDict
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, NoReturn, TypeAlias

from graphql import GraphQLError

from domain.errors import InvalidInputError, Violation
from domain.json import same_json
from gql.answers import RefusedRequestError

if TYPE_CHECKING:
    from gql.schema import Schema

_SHA256 = "sha256:"
_Pairs: TypeAlias = list[tuple[str, Any]]


def hash_document(text: str) -> str:
    """Hash a document's text as clients do: SHA-256 of its UTF-8, in hexadecimal."""
    return hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()


def read_documents(path: str | None) -> Mapping[str, str]:
    """Read the trusted documents by their ids: a folder of `.graphql` files, or a JSON file.

    In a folder a file's name is the id. The JSON is an object from ids to texts, as Relay and GraphQL Code
    Generator write it, or Apollo's manifest. Every document can be named by its hash too, `sha256:…`.

    Raises:
        InvalidInputError: It cannot be read, or is neither, or ids are repeated, or are the hashes of other texts.
    """
    if path is None:
        return {}
    place = Path(path)
    try:
        if place.is_dir():
            files = sorted(file for ending in ("*.graphql", "*.gql") for file in place.glob(ending))
            entries: _Pairs = [(file.stem, file.read_text(encoding="utf-8")) for file in files]
        else:
            entries = _manifest(json.loads(place.read_bytes(), object_pairs_hook=_Object))
    except (OSError, ValueError, RecursionError) as error:
        raise InvalidInputError([Violation((), f"{path}: {error}")]) from error
    if not entries or not all(isinstance(text, str) for _, text in entries):
        raise InvalidInputError([Violation((), f"{path}: there are no documents, each a text by its id")])
    _refuse_ids(path, entries)
    return {**{_SHA256 + hash_document(text): text for _, text in entries}, **dict(entries)}


def check_documents(schema: "Schema", documents: Mapping[str, str]) -> None:
    """Look whether each of the trusted documents could be executed at all.

    Raises:
        InvalidInputError: It names those that could not, and says why.
    """
    violations = []
    ids = {text: document_id for document_id, text in documents.items()}
    for text, document_id in ids.items():
        try:
            errors = schema.errors_of(text)
        except GraphQLError as error:
            errors = (error,)
        violations += [Violation((), f"trusted document '{document_id}': {error.message}") for error in errors[:1]]
    if violations:
        raise InvalidInputError(violations)


class _Object(list[tuple[str, Any]]):
    """An object of JSON, with names that may be repeated."""


def _manifest(content: Any) -> _Pairs:  # noqa: ANN401 - whatever the file holds
    if not isinstance(content, _Object):
        return []
    operations = dict(content).get("operations")
    if not isinstance(operations, list) or isinstance(operations, _Object):
        return content
    entries = [dict(operation) if isinstance(operation, _Object) else {} for operation in operations]
    return [(str(entry.get("id")), entry.get("body")) for entry in entries]


def _refuse_ids(path: str, entries: _Pairs) -> None:
    """Refuse ids that name several documents, and hashes of others."""
    counts = Counter(document_id for document_id, _ in entries)
    violations = [
        Violation((), f"{path}: the id '{document_id}' is there {count} times")
        for document_id, count in counts.items()
        if count > 1
    ]
    violations += [
        Violation((), f"{path}: the id '{document_id}' is not the hash of its document")
        for document_id, text in entries
        if document_id.startswith(_SHA256) and document_id != _SHA256 + hash_document(text)
    ]
    if violations:
        raise InvalidInputError(violations)


class AutomaticDocuments:
    """Documents that clients have sent with their hash, to be named by it from then on; the least used make room.

    Attributes:
        max_documents: How many are kept.
        max_bytes: How many bytes they may have together.
    """

    def __init__(self, max_documents: int, max_bytes: int) -> None:
        self.max_documents = max_documents
        self.max_bytes = max_bytes
        self._bytes = 0
        self._texts: OrderedDict[str, tuple[str, int]] = OrderedDict()

    def find(self, document_id: str) -> str | None:
        """Return a document, if it is kept."""
        if document_id not in self._texts:
            return None
        self._texts.move_to_end(document_id)
        return self._texts[document_id][0]

    def keep(self, document_id: str, text: str) -> None:
        """Keep a document by its id, which is its hash; not one that all others would have to make room for."""
        size = len(text.encode("utf-8", "surrogatepass"))
        if document_id in self._texts or size > self.max_bytes:
            return
        self._texts[document_id] = (text, size)
        self._bytes += size
        while len(self._texts) > self.max_documents or self._bytes > self.max_bytes:
            _, (_, freed) = self._texts.popitem(last=False)
            self._bytes -= freed


@dataclass(frozen=True, slots=True, kw_only=True)
class Documents:
    """Finds the text that a request sends or names.

    Attributes:
        trusted: The trusted documents by their ids.
        only_trusted: Whether no others are executed.
        automatic: Where clients' documents are kept; None where they are not.
    """

    trusted: Mapping[str, str] = field(default_factory=dict)
    only_trusted: bool = False
    automatic: AutomaticDocuments | None = None

    def find(self, body: Mapping[str, Any]) -> str:
        """Return the text of the document that a request's parameters send or name.

        Raises:
            GraphQLError: It is not known here, or not trusted.
            RefusedRequestError: The parameters are malformed.
        """
        text, document_id = _text(body, "query"), _text(body, "documentId")
        sha256 = _persisted_query(body.get("extensions"))
        if document_id is not None:
            if text is not None or sha256 is not None:
                raise RefusedRequestError(400, "`documentId` names the document: send no other")
            return self._known(document_id) or _refuse("PersistedDocumentNotFound", "PERSISTED_DOCUMENT_NOT_FOUND")
        if sha256 is not None and text is None:
            return self._known(_SHA256 + sha256) or self._refuse_hash()
        if not text:
            raise RefusedRequestError(400, "`query` must be a string that is not empty")
        if self.only_trusted and _SHA256 + hash_document(text) not in self.trusted:
            _refuse("PersistedQueryOnly", "PERSISTED_QUERY_ONLY")
        if sha256 is not None and hash_document(text) != sha256:
            raise RefusedRequestError(400, "`persistedQuery.sha256Hash` is not the hash of `query`")
        return text

    def keep(self, body: Mapping[str, Any]) -> None:
        """Keep the document that a request sent with its hash, once it was found to be executable."""
        sha256 = _persisted_query(body.get("extensions"))
        if sha256 is not None and self.automatic is not None and (text := _text(body, "query")) is not None:
            self.automatic.keep(_SHA256 + sha256, text)

    def _known(self, document_id: str) -> str | None:
        found = self.trusted.get(document_id)
        return self.automatic.find(document_id) if found is None and self.automatic is not None else found

    def _refuse_hash(self) -> NoReturn:
        if self.automatic is None:
            _refuse("PersistedQueryNotSupported", "PERSISTED_QUERY_NOT_SUPPORTED")
        _refuse("PersistedQueryNotFound", "PERSISTED_QUERY_NOT_FOUND")


def _text(body: Mapping[str, Any], name: str) -> str | None:
    text = body.get(name)
    if text is not None and not isinstance(text, str):
        raise RefusedRequestError(400, f"`{name}` must be a string")
    return text


def _persisted_query(extensions: Mapping[str, Any] | None) -> str | None:
    """Read the hash in Apollo's extension, if there is one."""
    asked = (extensions or {}).get("persistedQuery")
    if asked is None:
        return None
    sha256 = asked.get("sha256Hash") if isinstance(asked, dict) and same_json(asked.get("version"), 1) else None
    if not isinstance(sha256, str):
        raise RefusedRequestError(400, "`persistedQuery` must have `version` 1 and `sha256Hash`")
    return sha256.lower()


def _refuse(message: str, code: str) -> NoReturn:
    raise GraphQLError(message, extensions={"code": code})
