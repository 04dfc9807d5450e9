"""Uploads over HTTP: how files come in, how they break off, and what the answers' statuses say."""

import asyncio
import gzip
import io
import itertools
import socket
import time
from collections.abc import Iterator
from typing import Any

import httpx
import pytest
from hypothesis import given
from hypothesis import strategies as st
from starlette.requests import Request

from gql.bodies import BodyLimits
from gql.uploads import TooLargeError, TooSlowError, receive_upload
from tests.gql.flags import PRODUCTION
from tests.gql.lists import CREATE, START, create, delete, edit, load, look, put, start, target
from tests.servers import TOKEN, Server

CANCEL = "mutation ($id: ID!) { cancelSegmentImport(input: {importId: $id}) { segmentImport { state } } }"
LINES = b"".join(b"key-%07d\n" % number for number in range(300_000))


@pytest.fixture(scope="module")
def small(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """A service that takes small files only."""
    with Server(f"sqlite:///{tmp_path_factory.mktemp('small')}/earlybird.db", max_import_bytes="1000") as running:
        yield running


def send(server: Server, key: str, content: Any, **headers: str) -> httpx.Response:
    url = start(server, key)["startSegmentImport"]["uploadUrl"]
    return httpx.put(url, content=content, headers={"Authorization": f"Bearer {TOKEN}", **headers}, timeout=30)


def begin(server: Server, key: str, head: bytes, body: bytes) -> socket.socket:
    """Begin an upload by hand, which is left to break off or to wait."""
    path = start(server, key)["startSegmentImport"]["uploadUrl"].partition(str(server.port))[2]
    connection = socket.create_connection(("127.0.0.1", server.port), timeout=10)
    first = f"PUT {path} HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer {TOKEN}\r\n".encode()
    connection.sendall(first + head + b"\r\n\r\n" + body)
    return connection


def wait_for_state(server: Server, key: str, state: str) -> dict[str, Any]:
    deadline = time.monotonic() + 8
    while (found := look(server, key)["imports"][0])["state"] != state:
        assert time.monotonic() < deadline, found
        time.sleep(0.02)
    return dict(found)


def problem(answer: httpx.Response) -> tuple[int, str, str]:
    [error] = answer.json()["errors"]
    return answer.status_code, error["extensions"]["code"], error["message"]


def test_an_upload_that_breaks_off_is_running_until_then_and_frees_the_list_at_once(server: Server) -> None:
    create(server, "broken-off")
    with begin(server, "broken-off", b"Content-Length: 1000000", b"ann\n"):
        wait_for_state(server, "broken-off", "RUNNING")
        assert start(server, "broken-off").code == "IN_USE"
    found = wait_for_state(server, "broken-off", "FAILED")
    assert found["error"] == "file: its upload broke off"
    assert load(server, "broken-off", "bob\n")["memberCount"] == 1
    assert "Traceback" not in server.output()


def test_an_import_that_is_cancelled_while_its_file_comes_says_so_and_frees_the_list(server: Server) -> None:
    create(server, "cancelled")
    begun = start(server, "cancelled")["startSegmentImport"]

    def content() -> Iterator[bytes]:
        yield b"ann\n"
        wait_for_state(server, "cancelled", "RUNNING")
        server.post(CANCEL, id=begun["segmentImport"]["id"])
        wait_for_state(server, "cancelled", "CANCELLED")
        yield b"bob\n"

    answer = httpx.put(
        begun["uploadUrl"], content=content(), headers={"Authorization": f"Bearer {TOKEN}"}, timeout=30
    )
    assert problem(answer) == (409, "BAD_USER_INPUT", "the import was cancelled")
    assert load(server, "cancelled", "cy\n")["memberCount"] == 1


def test_an_import_takes_one_file(server: Server) -> None:
    create(server, "one-file")
    url = start(server, "one-file")["startSegmentImport"]["uploadUrl"]
    assert put(url, "a\n").status_code == 200
    assert problem(put(url, "b\n")) == (409, "BAD_USER_INPUT", "the import is complete")
    url = start(server, "one-file")["startSegmentImport"]["uploadUrl"]
    status, _, message = problem(put(url, ",\n"))
    assert (status, "of line 1: its key is blank" in message) == (400, True)
    status, _, message = problem(put(url, "b\n"))
    assert (status, "has failed: file: the file has no key" in message) == (409, True)
    begun = start(server, "one-file")["startSegmentImport"]

    def content() -> Iterator[bytes]:
        yield b"ann\n"
        wait_for_state(server, "one-file", "RUNNING")
        assert problem(put(begun["uploadUrl"], "b\n")) == (
            409,
            "BAD_USER_INPUT",
            "the import has its file already",
        )

    answer = httpx.put(
        begun["uploadUrl"], content=content(), headers={"Authorization": f"Bearer {TOKEN}"}, timeout=30
    )
    assert answer.json()["added"] == 1


def test_statuses_tell_what_is_wrong(secrets: tuple[Server, dict[str, str]]) -> None:
    server, printed = secrets
    owner = printed["owner token"]
    new = {"environment": PRODUCTION, "name": "told", "key": "told", "largeList": {"contextKind": "user"}}
    server.post(CREATE, input=new)
    wanted = {"environment": PRODUCTION, "segmentKey": "told", "mode": "MERGE"}
    url = server.post(START, input=wanted)["startSegmentImport"]["uploadUrl"]
    sdk_key = printed["server SDK key, production"]
    export = "/segment-exports/default/production/told"
    assert problem(put(url, "a\n", token=sdk_key))[:2] == (403, "FORBIDDEN")
    answer = server.client.get(export, headers={"Authorization": f"Bearer {sdk_key}"})
    assert problem(answer)[:2] == (403, "FORBIDDEN")
    assert problem(put(url, "a\n", token="eb_x"))[:2] == (401, "UNAUTHENTICATED")
    for media_type in ("text/plain", "text/csv; charset=latin1", 'text/csv; header=absent; charset="UTF-16"'):
        assert put(url, "a\n", token=owner, media_type=media_type).status_code == 415
    done = put(url, "a\n", token=owner, media_type="text/csv; Charset=UTF-8; header=absent")
    assert done.status_code == 200, "none of these took the import away"
    assert server.client.get(export, headers={"Authorization": f"Bearer {owner}"}).text == "a\r\n"


@pytest.mark.parametrize(
    ("method", "path", "allowed"),
    [
        ("POST", "/segment-imports/x", {"PUT"}),
        ("PUT", "/segment-exports/default/production/told", {"GET", "HEAD"}),
        ("GET", "/api/v2/segment-targets/amplitude", {"POST"}),
        ("DELETE", "/api/v2/versions", {"GET", "HEAD"}),
    ],
)
def test_a_method_that_a_path_does_not_have_is_refused_in_the_form_of_all_errors(
    server: Server, method: str, path: str, allowed: set[str]
) -> None:
    answer = server.client.request(method, path)
    assert problem(answer) == (405, "BAD_REQUEST", f"{method} is not supported")
    assert set(answer.headers["allow"].split(", ")) == allowed


def test_a_removal_that_nobody_acknowledged_is_a_conflict(server: Server) -> None:
    create(server, "guarded-upload")
    load(server, "guarded-upload", "a\nb\nc\nd\n")
    target(server, "on-guarded-upload", "guarded-upload")
    answer = put(start(server, "guarded-upload", "OVERWRITE")["startSegmentImport"]["uploadUrl"], "a\n")
    assert problem(answer)[:2] == (409, "LIMIT_EXCEEDED")


def test_the_import_of_a_list_that_was_deleted_is_not_found(server: Server) -> None:
    create(server, "gone-upload")
    url = start(server, "gone-upload")["startSegmentImport"]["uploadUrl"]
    delete(server, "gone-upload")
    assert problem(put(url, "a\n"))[:2] == (404, "NOT_FOUND")


def test_a_file_that_says_that_it_is_too_large_is_refused_unread_and_another_may_come(small: Server) -> None:
    create(small, "too-large")
    with begin(small, "too-large", b"Content-Length: 1001", b"") as connection:
        answer = connection.makefile("rb").read().decode()
    assert answer.startswith("HTTP/1.1 413 ")
    assert '"setting":"EARLYBIRD_MAX_IMPORT_BYTES","limit":1000,"actual":1001' in answer
    [waiting] = look(small, "too-large")["imports"]
    assert waiting["state"] == "WAITING"


def test_a_file_that_turns_out_too_large_is_refused_and_frees_the_list(small: Server) -> None:
    create(small, "unsaid")
    assert send(small, "unsaid", iter([b"ann\n" * 100] * 3)).status_code == 413
    found = look(small, "unsaid")["imports"][0]
    assert (found["state"], "EARLYBIRD_MAX_IMPORT_BYTES" in found["error"]) == ("FAILED", True)
    bomb = gzip.compress(b"ann\n" * 10_000_000)[:900]
    status, code, _ = problem(send(small, "unsaid", bomb, **{"Content-Encoding": "gzip"}))
    assert (status, code) == (413, "LIMIT_EXCEEDED")
    assert send(small, "unsaid", b"ann\n" * 250).status_code == 200


def test_a_packed_file_is_read_as_what_is_in_it(server: Server) -> None:
    create(server, "packed")
    gzipped = {"Content-Encoding": "gzip"}
    packed = gzip.compress(b"ann\nbob\n") + gzip.compress(b"cy\n")
    assert send(server, "packed", packed, **gzipped).json()["added"] == 3
    for content, words in (
        (b"ann\n", "is no gzip"),
        (packed[:-3], "its end is missing"),
        (b"", "its end is missing"),
    ):
        status, code, message = problem(send(server, "packed", content, **gzipped))
        assert (status, code, words in message) == (400, "BAD_USER_INPUT", True), message
    answer = send(server, "packed", b"ann\n", **{"Content-Encoding": "br"})
    assert (answer.status_code, answer.headers["accept-encoding"]) == (415, "gzip")
    assert look(server, "packed")["memberCount"] == 3


def test_a_key_that_cannot_be_is_refused_in_words_of_its_own(server: Server) -> None:
    create(server, "words")
    refused = edit(server, "addSegmentMembers", "words", ["", "ok", "x" * 1025])
    violations = refused.errors[0]["extensions"]["violations"]
    assert [item["message"] for item in violations] == ["is blank", "has more than 1024 characters"]


def received(chunks: list[bytes], limit: int, *, encoding: str = "gzip") -> bytes:
    """Receive a file that comes in these chunks."""
    messages = [{"type": "http.request", "body": chunk, "more_body": True} for chunk in chunks]
    messages.append({"type": "http.request", "body": b"", "more_body": False})

    async def receive() -> dict[str, Any]:
        return messages.pop(0)

    request = Request({"type": "http", "headers": [(b"content-encoding", encoding.encode())]}, receive)
    file = io.BytesIO()
    asyncio.run(receive_upload(request, file, BodyLimits(limit, 30)))
    return file.read()


@given(members=st.lists(st.binary(max_size=40), min_size=1, max_size=3), cuts=st.lists(st.integers(0, 200)))
def test_a_packed_file_may_be_cut_anywhere(members: list[bytes], cuts: list[int]) -> None:
    packed = b"".join(gzip.compress(member) for member in members)
    places = [0, *sorted(min(cut, len(packed)) for cut in cuts), len(packed)]
    chunks = [packed[start:end] for start, end in itertools.pairwise(places)]
    assert received(chunks, 1_000) == b"".join(members)


def test_what_is_unpacked_counts_to_the_byte() -> None:
    packed = gzip.compress(LINES)
    assert received([packed], len(LINES)) == LINES
    with pytest.raises(TooLargeError):
        received([packed], len(LINES) - 1)


def test_a_client_that_falls_silent_is_not_waited_for() -> None:
    async def silent() -> dict[str, Any]:
        await asyncio.sleep(30)
        return {"type": "http.request", "body": b"", "more_body": False}

    request = Request({"type": "http", "headers": []}, silent)
    with pytest.raises(TooSlowError, match="EARLYBIRD_MAX_BODY_SECONDS"):
        asyncio.run(receive_upload(request, io.BytesIO(), BodyLimits(10, 1)))
