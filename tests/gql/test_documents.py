"""Trusted documents and automatic persisted queries."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from domain.errors import InvalidInputError
from gql.answers import RefusedRequestError
from gql.documents import AutomaticDocuments, Documents, check_documents, hash_document, read_documents
from gql.schema import build_schema
from tests.servers import Server

PROJECTS = "query Projects { projects { totalCount } }"
ONE = "query One($key: String!) { project(key: $key) { name } }"
CREATE = 'mutation { createProject(input: {name: "made"}) { project { key } } }'
FOREIGN = "{ projects { nodes { key } } }"
FOUND = {"data": {"projects": {"totalCount": 1}}}


def write(folder: Path, name: str, content: Any) -> str:
    file = folder / name
    file.write_text(content if isinstance(content, str) else json.dumps(content))
    return str(file)


def ask(server: Server, body: dict[str, Any], *, get: bool = False) -> httpx.Response:
    headers = {"Authorization": f"Bearer {server.token}"}
    if not get:
        return server.client.post("/graphql", json=body, headers=headers)
    params = {name: value if isinstance(value, str) else json.dumps(value) for name, value in body.items()}
    return server.client.get("/graphql", params=params, headers=headers)


def code_of(response: httpx.Response) -> str:
    [error] = response.json()["errors"]
    return str(error["extensions"]["code"])


def by_hash(text: str) -> dict[str, Any]:
    return {"persistedQuery": {"version": 1, "sha256Hash": hash_document(text)}}


def test_the_hash_is_that_of_the_specification_s_example() -> None:
    expected = "71f7dc5758652baac68e4a10c50be732b741c892ade2883a99358f52b555286b"
    assert hash_document("query($id:ID!){user(id:$id){name}}") == expected


@pytest.mark.parametrize(
    "content",
    [
        {"projects": PROJECTS, "one": ONE},
        {
            "format": "apollo-persisted-query-manifest",
            "version": 1,
            "operations": [
                {"id": "projects", "name": "Projects", "type": "query", "body": PROJECTS},
                {"id": "one", "name": "One", "type": "query", "body": ONE},
            ],
        },
        None,
    ],
)
def test_documents_come_from_an_object_a_manifest_or_a_folder(tmp_path: Path, content: Any) -> None:
    if content is None:
        write(tmp_path, "projects.graphql", PROJECTS)
        write(tmp_path, "one.gql", ONE)
        write(tmp_path, "README.md", "no document")
    path = str(tmp_path) if content is None else write(tmp_path, "documents.json", content)
    documents = read_documents(path)
    assert documents == {
        "projects": PROJECTS,
        "one": ONE,
        f"sha256:{hash_document(PROJECTS)}": PROJECTS,
        f"sha256:{hash_document(ONE)}": ONE,
    }


@pytest.mark.parametrize(
    "content", ["{", "[]", "{}", '{"a": 1}', '{"operations": [1]}', '{"operations": [{"id": "a"}]}']
)
def test_what_holds_no_documents_is_refused(tmp_path: Path, content: str) -> None:
    path = write(tmp_path, "documents.json", content)
    with pytest.raises(InvalidInputError, match=r"documents\.json"):
        read_documents(path)


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (f'{{"a": "{{ __typename }}", "sha256:{"0" * 64}": "{{ __typename }}"}}', "sha256:0+' is not the hash"),
        ('{"a": "{ __typename }", "a": "{ projects { totalCount } }"}', "'a' is there 2 times"),
        ('{"operations": [{"id": "a", "body": "{a}"}, {"id": "a", "body": "{b}"}]}', "'a' is there 2 times"),
    ],
)
def test_an_id_names_one_document_and_a_hash_its_own(tmp_path: Path, content: str, words: str) -> None:
    with pytest.raises(InvalidInputError, match=words):
        read_documents(write(tmp_path, "documents.json", content))


def test_a_name_is_that_of_one_file(tmp_path: Path) -> None:
    write(tmp_path, "a.graphql", ONE)
    write(tmp_path, "a.gql", PROJECTS)
    with pytest.raises(InvalidInputError, match="'a' is there 2 times"):
        read_documents(str(tmp_path))


@pytest.mark.parametrize(
    ("text", "words"),
    [("{ unknown }", "Cannot query"), ("{", "Syntax Error"), ("{" + "a " * 60 + "}", "MAX_QUERY_ROOT_FIELDS")],
)
def test_a_document_that_cannot_be_executed_is_refused_at_the_start_by_its_id(text: str, words: str) -> None:
    with pytest.raises(InvalidInputError, match=f"'wrong': .*{words}") as caught:
        check_documents(build_schema(), {"right": PROJECTS, "wrong": text})
    assert len(caught.value.violations) == 1


def test_a_place_that_is_not_there_or_empty_is_refused(tmp_path: Path) -> None:
    for path in (tmp_path / "nothing.json", tmp_path):
        with pytest.raises(InvalidInputError):
            read_documents(str(path))


def test_automatic_documents_are_bounded_by_number_and_by_bytes_and_those_in_use_stay() -> None:
    automatic = AutomaticDocuments(max_documents=3, max_bytes=10)
    for name, text in (("a", "xx"), ("b", "xx"), ("c", "xx")):
        automatic.keep(name, text)
    assert automatic.find("a") == "xx"
    automatic.keep("d", "xx")
    assert [name for name in "abcd" if automatic.find(name)] == ["a", "c", "d"]
    automatic.keep("e", "ééé")  # six bytes: with two others that is the limit
    assert [name for name in "acde" if automatic.find(name)] == ["c", "d", "e"]
    automatic.keep("f", "x")
    assert [name for name in "acdef" if automatic.find(name)] == ["d", "e", "f"]
    automatic.keep("g", "x" * 11)
    assert [name for name in "acdefg" if automatic.find(name)] == ["d", "e", "f"]
    automatic.keep("h", "x" * 10)
    assert automatic.find("h") == "x" * 10


def test_a_document_that_is_kept_again_counts_once() -> None:
    automatic = AutomaticDocuments(max_documents=3, max_bytes=10)
    for _ in range(9):
        automatic.keep("a", "xxx")
    automatic.keep("b", "xxx")
    assert automatic.find("a") == automatic.find("b") == "xxx"


@pytest.mark.parametrize(
    "extension",
    [
        "x",
        {},
        {"version": 2, "sha256Hash": "x"},
        {"version": True, "sha256Hash": "x"},
        {"version": 1},
        {"version": 1, "sha256Hash": 7},
        [],
    ],
)
def test_a_malformed_extension_is_refused(extension: Any) -> None:
    with pytest.raises(RefusedRequestError, match="persistedQuery"):
        Documents().find({"query": PROJECTS, "extensions": {"persistedQuery": extension}})


@pytest.fixture(scope="module")
def trusting(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """A service that has trusted documents and takes others too."""
    folder = tmp_path_factory.mktemp("trusting")
    path = write(folder, "documents.json", {"projects": PROJECTS, "one": ONE, "create": CREATE})
    with Server(f"sqlite:///{folder}/x.db", documents=path) as server:
        yield server


@pytest.fixture(scope="module")
def strict(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """A service that executes trusted documents only."""
    folder = tmp_path_factory.mktemp("strict")
    path = write(folder, "documents.json", {"projects": PROJECTS, "create": CREATE})
    with Server(f"sqlite:///{folder}/x.db", documents=path, documents_only="1") as server:
        yield server


@pytest.mark.parametrize("get", [False, True])
def test_a_trusted_document_is_executed_by_its_id_and_by_its_hash(trusting: Server, get: bool) -> None:
    for document_id in ("projects", f"sha256:{hash_document(PROJECTS)}"):
        assert ask(trusting, {"documentId": document_id}, get=get).json() == FOUND
    answer = ask(trusting, {"documentId": "one", "variables": {"key": "default"}, "operationName": "One"}, get=get)
    assert answer.json() == {"data": {"project": {"name": "Default"}}}
    assert ask(trusting, {"extensions": by_hash(PROJECTS)}, get=get).json() == FOUND


@pytest.mark.parametrize("get", [False, True])
def test_an_id_that_is_not_known_is_an_error_of_its_own(trusting: Server, get: bool) -> None:
    answer = ask(trusting, {"documentId": "nothing"}, get=get)
    assert (answer.status_code, code_of(answer)) == (200, "PERSISTED_DOCUMENT_NOT_FOUND")
    headers = {"Accept": "application/graphql-response+json"}
    answer = trusting.client.post("/graphql", json={"documentId": "nothing"}, headers=headers)
    assert (answer.status_code, code_of(answer)) == (400, "PERSISTED_DOCUMENT_NOT_FOUND")


def test_a_trusted_mutation_needs_post_all_the_same(strict: Server) -> None:
    assert ask(strict, {"documentId": "create"}, get=True).status_code == httpx.codes.METHOD_NOT_ALLOWED


def test_two_documents_in_one_request_are_refused(trusting: Server) -> None:
    for other in ({"query": PROJECTS}, {"extensions": by_hash(PROJECTS)}):
        answer = ask(trusting, {"documentId": "projects", **other})
        assert (answer.status_code, code_of(answer)) == (400, "BAD_REQUEST")


def test_where_only_trusted_documents_are_executed_others_are_not_by_any_way(strict: Server) -> None:
    assert ask(strict, {"documentId": "projects"}).json() == FOUND
    assert ask(strict, {"query": PROJECTS}).json() == FOUND  # the very text
    assert ask(strict, {"extensions": by_hash(PROJECTS)}).json() == FOUND
    assert code_of(ask(strict, {"query": PROJECTS + " "})) == "PERSISTED_QUERY_ONLY"
    assert code_of(ask(strict, {"query": "{ __typename }"}, get=True)) == "PERSISTED_QUERY_ONLY"
    registering = {"query": FOREIGN, "extensions": by_hash(FOREIGN)}
    assert code_of(ask(strict, registering)) == "PERSISTED_QUERY_ONLY"
    for name in ({"extensions": by_hash(FOREIGN)}, {"documentId": f"sha256:{hash_document(FOREIGN)}"}):
        assert code_of(ask(strict, name)).startswith("PERSISTED_")


@pytest.mark.parametrize("get", [False, True])
def test_an_automatic_document_is_sent_once_and_named_from_then_on(trusting: Server, get: bool) -> None:
    text = f"{{ projects {{ totalCount }} }} # {get}"
    name = {"extensions": by_hash(text)}
    unknown = ask(trusting, name, get=get)
    assert (unknown.status_code, code_of(unknown)) == (200, "PERSISTED_QUERY_NOT_FOUND")
    assert unknown.json()["errors"][0]["message"] == "PersistedQueryNotFound"
    assert ask(trusting, {"query": text, **name}, get=get).json() == FOUND
    assert ask(trusting, name, get=get).json() == FOUND
    assert ask(trusting, {"documentId": f"sha256:{hash_document(text)}"}, get=get).json() == FOUND


def test_a_hash_of_another_document_is_refused_and_nothing_is_kept(trusting: Server) -> None:
    answer = ask(trusting, {"query": FOREIGN, "extensions": by_hash(ONE + " ")})
    assert (answer.status_code, code_of(answer)) == (400, "BAD_REQUEST")
    assert code_of(ask(trusting, {"extensions": by_hash(ONE + " ")})) == "PERSISTED_QUERY_NOT_FOUND"


@pytest.mark.parametrize(
    ("text", "code"),
    [
        ("{ a" * 50 + " }" * 50, "LIMIT_EXCEEDED"),
        ("{ projects", "GRAPHQL_PARSE_FAILED"),
        ("{ nonsense }", "GRAPHQL_VALIDATION_FAILED"),
    ],
)
def test_what_cannot_be_executed_takes_no_room_of_automatic_documents(
    trusting: Server, text: str, code: str
) -> None:
    assert code_of(ask(trusting, {"query": text, "extensions": by_hash(text)})) == code
    assert code_of(ask(trusting, {"extensions": by_hash(text)})) == "PERSISTED_QUERY_NOT_FOUND"


def test_where_none_are_kept_clients_are_told_so(tmp_path: Path) -> None:
    with Server(f"sqlite:///{tmp_path}/x.db", persisted_queries="0") as server:
        answer = ask(server, {"extensions": by_hash(PROJECTS)})
        assert code_of(answer) == "PERSISTED_QUERY_NOT_SUPPORTED"
        assert ask(server, {"query": PROJECTS, "extensions": by_hash(PROJECTS)}).json() == FOUND
        assert code_of(ask(server, {"extensions": by_hash(PROJECTS)})) == "PERSISTED_QUERY_NOT_SUPPORTED"


@pytest.mark.parametrize("settings", [{"documents": "/nowhere/documents.json"}, {"documents_only": "1"}])
def test_documents_that_cannot_be_stop_the_start_in_words(tmp_path: Path, settings: dict[str, str]) -> None:
    server = Server(f"sqlite:///{tmp_path}/x.db", **settings)
    with pytest.raises(AssertionError, match=r"documents\.json|EARLYBIRD_DOCUMENTS_ONLY") as failure, server:
        pass
    assert "Traceback" not in str(failure.value)
