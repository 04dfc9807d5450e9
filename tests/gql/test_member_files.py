"""Files of members: what is exported is imported as the same keys, whatever they are."""

import contextlib
import io
import re
import socket
from collections.abc import AsyncIterator

import httpx
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from domain.errors import InvalidInputError
from domain.keys import context_key_problem
from domain.services.list_files import LINE_LIMIT, FileReading, read_list_file
from gql.member_files import csv_of
from storage.key_spool import TemporaryKeySpool
from tests.gql.lists import create, delete, edit, load, look, target, value
from tests.servers import TOKEN, Server

KEYS = st.text(st.characters(exclude_categories=["Cs"]), min_size=1, max_size=8).filter(
    lambda key: context_key_problem(key) is None
)
ODD_KEYS = [" ann", "ann ", "ann", '"ann"', "a,b", "a\r\nb", "\tann", "\ufeffann", "\u2028ann", "'", "ann\u00a0"]


async def in_chunks(keys: list[str], size: int) -> AsyncIterator[list[str]]:
    for start in range(0, len(keys), size):
        yield keys[start : start + size]


def read(content: bytes) -> tuple[list[str], FileReading]:
    spool, reading = TemporaryKeySpool(), FileReading()
    read_list_file(io.BytesIO(content), spool, reading)
    keys = [key for chunk in spool.chunks(100) for key in chunk]
    spool.close()
    return keys, reading


@given(keys=st.sets(KEYS, max_size=20), size=st.integers(1, 20))
@example(keys={"\ufeff", "\ufeffann"}, size=1)
@example(keys={"\ufeff\ufeffann"}, size=1)
@example(keys=set(ODD_KEYS), size=2)
async def test_what_is_exported_is_imported_as_the_same_keys(keys: set[str], size: int) -> None:
    content = b"".join([chunk async for chunk in csv_of(in_chunks(sorted(keys), size))])
    found, reading = read(content)
    assert found == sorted(keys)
    assert (reading.lines, reading.malformed, reading.duplicates) == (len(keys), 0, 0)


def test_keys_are_the_same_however_they_come_and_as_evaluation_compares_them(server: Server) -> None:
    create(server, "by-key")
    create(server, "by-file")
    assert edit(server, "addSegmentMembers", "by-key", ODD_KEYS)["addSegmentMembers"]
    path = "/segment-exports/default/production/"
    headers = {"Authorization": f"Bearer {TOKEN}"}
    exported = server.client.get(f"{path}by-key", headers=headers).content
    assert load(server, "by-file", exported)["added"] == len(ODD_KEYS)
    assert server.client.get(f"{path}by-file", headers=headers).content == exported

    target(server, "on-exact-keys", "by-file")
    edit(server, "removeSegmentMembers", "by-file", ["ann "])
    served = [value(server, "on-exact-keys", {"kind": "user", "key": key}) for key in (" ann", "ann", "ann ", " ")]
    assert served == [True, True, False, False]
    assert look(server, "by-file", " ann")["hasMember"]


def test_what_holds_nothing_but_spaces_is_no_key(server: Server) -> None:
    create(server, "blank")
    report = load(server, "blank", "  \n\t\n  ,no key\nann\n")
    assert (report["lines"], report["added"]) == (2, 1)
    assert report["malformedLines"] == [{"line": 3, "message": "its key is blank"}]
    assert edit(server, "addSegmentMembers", "blank", ["  "]).code == "BAD_USER_INPUT"


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ('ann\n"bob\n' + "user\n" * 100_000, "a column that begins in line 2 has more than 131072 characters"),
        ('ann\nbob,"5 inch\n' + "user\n" * 100_000, "a column that begins in line 2 has more than 131072 characters"),
        ('ann,"' + "note\n" * 100_000 + 'end"\nbob\n', "a column that begins in line 1 has more than 131072 characters"),
        ("ann\n" + "user," * 300_000, "line 2 has more than 1048576 characters"),
        ("u" * 2_000_000, "line 1 has more than 1048576 characters"),
        ('ann\n"bob\ncy', "a quote in line 2 is never closed"),
    ],
)  # fmt: skip # reads as a table, one case or group a line
def test_what_cannot_be_told_from_keys_fails_the_file_and_invents_none(content: str, message: str) -> None:
    with pytest.raises(InvalidInputError, match=message):
        read(content.encode())


@pytest.mark.parametrize("ending", ["", "\n"])
def test_a_line_as_long_as_lines_may_be_is_read(ending: str) -> None:
    columns = ",".join(["x" * 1_000] * 2_000)
    keys, reading = read((f"bob\nann,{columns}"[: LINE_LIMIT + 4 - len(ending)] + ending).encode())
    assert (keys, reading.malformed) == (["ann", "bob"], 0)


def test_quoted_columns_are_passed_over_whatever_is_in_them() -> None:
    keys, reading = read(('ann,"' + 'note, ""so""\n' * 5_000 + 'end",x\nbob\n').encode())
    assert (keys, reading.lines, reading.malformed) == (["ann", "bob"], 2, 0)


def pages_read(server: Server) -> float:
    count = re.search(r'duration_seconds_count\{method="list_members"\} (\S+)', server.client.get("/metrics").text)
    return 0 if count is None else float(count[1])


def test_whoever_asks_for_the_head_of_an_export_is_answered_without_reading_the_list(server: Server) -> None:
    create(server, "headed")
    load(server, "headed", "ann\nbob\n")
    path, headers = "/segment-exports/default/production/headed", {"Authorization": f"Bearer {TOKEN}"}
    before = pages_read(server)
    head = server.client.head(path, headers=headers)
    assert pages_read(server) == before
    whole = server.client.get(path, headers=headers)
    assert pages_read(server) > before
    names = ("content-type", "content-disposition", "content-length")
    told = [[answer.headers.get(name) for name in names] for answer in (head, whole)]
    assert (head.status_code, head.content, told[0]) == (200, b"", told[1])
    assert server.client.head(f"{path}-not", headers=headers).status_code == 404


def slow_reader(server: Server) -> httpx.Client:
    """Return a client whose kernel takes in no more than it reads."""
    transport = httpx.HTTPTransport(socket_options=[(socket.SOL_SOCKET, socket.SO_RCVBUF, 65_536)])
    return httpx.Client(
        transport=transport,
        base_url=server.client.base_url,
        headers={"Authorization": f"Bearer {TOKEN}"},
        timeout=30,
    )


@pytest.mark.parametrize(("changes", "is_whole"), [(("x",), True), (("x", "y"), False), ((None,), False)])
def test_an_export_that_is_overtaken_is_whole_or_breaks_off(
    server: Server, changes: tuple[str | None, ...], is_whole: bool
) -> None:
    """Three pages, the first of ten megabytes, which buffers do not take in: the third is read afterwards."""
    key = "read-while-" + "-".join(map(str, changes))
    keys = [f"{number:06}-{'long' * 250}" for number in range(22_000)]
    create(server, key)
    load(server, key, "\n".join(keys))
    with (
        slow_reader(server) as client,
        client.stream("GET", f"/segment-exports/default/production/{key}") as answer,
    ):
        lines = answer.iter_lines()
        read = [next(lines)]
        for change in changes:
            if change is None:
                delete(server, key)
                create(server, key)
            else:
                load(server, key, change, "OVERWRITE")
        with (
            contextlib.nullcontext() if is_whole else pytest.raises(httpx.RemoteProtocolError, match="incomplete")
        ):
            read += lines
    assert (read == keys) is is_whole
    assert "Traceback" not in server.output()
