"""The command line, run as a user runs it."""

import gzip
import json
import os
import re
import subprocess
import sys
import threading
import time
from pathlib import Path
from typing import Any

import pytest

from domain.services import running_changes
from gql import __main__ as main
from tests.gql.lists import create, edit, look, target
from tests.servers import ROOT, Server

ADA = {"kind": "user", "key": "ada"}


def earlybird(*arguments: str, **settings: str) -> subprocess.CompletedProcess[str]:
    environment = {
        **{name: value for name, value in os.environ.items() if not name.startswith("EARLYBIRD_")},
        **{f"EARLYBIRD_{name.upper()}": value for name, value in settings.items()},
    }
    command = [sys.executable, "-m", "gql", *arguments]
    return subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True, check=False)  # noqa: S603 - ours


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> str:
    """A store that was set up by a service."""
    url = f"sqlite:///{tmp_path_factory.mktemp('cli')}/earlybird.db"
    with Server(url) as server:
        server.stop()
    return url


def write(folder: Path, data: Any) -> str:
    file = folder / "data.json"
    file.write_text(data if isinstance(data, str) else json.dumps(data))
    return str(file)


def test_what_was_imported_comes_out_again(store: str, tmp_path: Path) -> None:
    done = earlybird("import", "examples/flag-data.json", "--store", store, "--mode", "replace")
    assert done.returncode == 0, done.stderr
    assert "22 created" in done.stdout
    assert "new-dashboard" in done.stdout
    first, second = tmp_path / "first.json", tmp_path / "second.json"
    assert earlybird("export", "--store", store, "--output", str(first)).returncode == 0
    again = earlybird("import", str(first), "--store", store, "--environment", "test")
    assert "22 created" in again.stdout
    printed = earlybird("export", "--environment", "test", store=store)
    second.write_text(printed.stdout)
    assert json.loads(first.read_text()) == json.loads(second.read_text())
    assert "14 flags and 8 segments" in printed.stderr


def test_a_running_service_takes_up_an_import_at_once(tmp_path: Path) -> None:
    with Server(f"sqlite:///{tmp_path}/earlybird.db") as server:
        file = write(tmp_path, {"flagValues": {"from-the-shell": 7}})
        assert earlybird("import", file, "--comment", "by hand", store=server.store).returncode == 0
        values = [server.evaluate("from-the-shell", ADA)["evaluate"]["value"] for _ in range(200)]
        assert values[-1] == 7
        [entry] = server.post("{ auditLog(first: 1) { nodes { actor comment } } }")["auditLog"]["nodes"]
        assert entry == {"actor": "token/command-line", "comment": "by hand"}


def test_a_replacing_import_deletes_a_list_in_use_if_a_word_or_the_setting_lets_it(tmp_path: Path) -> None:
    segments = '{ environment(project: "default", key: "production") { segments { totalCount } } }'
    with Server(f"sqlite:///{tmp_path}/earlybird.db") as server:
        create(server, "beta")
        edit(server, "addSegmentMembers", "beta", ["ann"])
        target(server, "on-beta", "beta")
        replacing = ["import", write(tmp_path, {}), "--mode", "replace", "--store", server.store]
        refused = earlybird(*replacing)
        assert (refused.returncode, "'beta' (1 of 1)" in refused.stderr) == (1, True)
        assert look(server, "beta")["hasMember"]
        assert earlybird(*replacing, "--acknowledge-removal").returncode == 0
        assert server.post(segments)["environment"]["segments"] == {"totalCount": 0}
        create(server, "beta")
        edit(server, "addSegmentMembers", "beta", ["ann"])
        target(server, "on-beta", "beta")
        assert earlybird(*replacing, max_removal_percent="100").returncode == 0
        assert server.post(segments)["environment"]["segments"] == {"totalCount": 0}


@pytest.mark.parametrize(
    ("data", "words"),
    [
        ("{not json", "is not JSON"),
        ({"flags": {"a": {"on": 1, "salt": 2}}}, "flags.a.on: true or false is expected here"),
        ({"something": {}}, "at least one of the properties"),
    ],
)
def test_a_bad_file_is_refused_in_words(store: str, tmp_path: Path, data: Any, words: str) -> None:
    done = earlybird("import", write(tmp_path, data), store=store)
    assert done.returncode == 1
    assert words in done.stderr
    assert "Traceback" not in done.stderr


def test_a_file_over_the_limit_names_the_setting(store: str, tmp_path: Path) -> None:
    done = earlybird("import", write(tmp_path, {"flagValues": {}}), store=store, max_body_bytes="10")
    assert (done.returncode, "EARLYBIRD_MAX_BODY_BYTES" in done.stderr) == (1, True)


@pytest.mark.parametrize(
    "arguments",
    [("import", "nowhere.json"), ("import", "examples/flag-data.json", "--environment", "nowhere")],
)
def test_what_does_not_exist_is_named(store: str, arguments: tuple[str, ...]) -> None:
    done = earlybird(*arguments, store=store)
    assert done.returncode == 1
    assert "nowhere" in done.stderr


def test_a_store_that_is_not_there_is_not_made(tmp_path: Path) -> None:
    done = earlybird("export", store=f"sqlite:///{tmp_path}/typo/earlybird.db")
    assert (done.returncode, "there is no store at" in done.stderr) == (1, True)
    assert not (tmp_path / "typo").exists()


def test_a_file_may_begin_with_a_byte_order_mark(store: str, tmp_path: Path) -> None:
    file = tmp_path / "windows.json"
    file.write_bytes(b"\xef\xbb\xbf" + b'{"flagValues": {"bom": 1}}')
    assert earlybird("import", str(file), store=store).returncode == 0


def test_an_export_that_cannot_be_written_says_so(store: str) -> None:
    done = earlybird("export", "--output", "/nowhere/at/all.json", store=store)
    assert done.returncode == 1
    assert "Traceback" not in done.stderr


@pytest.mark.parametrize(
    ("settings", "words"),
    [
        ({"log_level": "verbose"}, "EARLYBIRD_LOG_LEVEL"),
        ({"store": "sqlite:///:memory:"}, "sqlite:///relative/path"),
        ({"store": "mongodb://[abc/db"}, "no usable MongoDB URL"),
        ({"store": "mongodb://user:pass/word@host/db"}, "no usable MongoDB URL"),
    ],
)
def test_settings_that_cannot_be_are_refused_in_words(settings: dict[str, str], words: str) -> None:
    done = earlybird("export", **settings)
    assert done.returncode == 1
    assert words in done.stderr
    assert "word@host" not in done.stderr
    assert "Traceback" not in done.stderr


@pytest.mark.parametrize(
    "settings",
    [
        {"workers": "0"},
        {"port": "x"},
        {"max_query_depth": "201"},
        {"store": "mongo"},
        {"cors_origins": "example.com"},
        {"cors_origins": "https://a.example, https://b.example/"},
        {"cors_origins": "https://a.example/path"},
        {"cors_origins": "https://A.example"},
    ],
)
def test_a_setting_that_cannot_be_is_named_alone(settings: dict[str, str]) -> None:
    done = earlybird("export", **settings)
    assert done.returncode == 1
    [name] = settings
    assert [line.split(":")[:2] for line in done.stderr.splitlines()] == [
        ["earlybird", f" EARLYBIRD_{name.upper()}"]
    ]


def test_a_setting_that_is_none_is_a_warning(tmp_path: Path) -> None:
    with Server(f"sqlite:///{tmp_path}/x.db", max_foo="1", cors_origins="https://a.example:8443,null") as server:
        [line] = [line for line in server.output().splitlines() if "EARLYBIRD_" in line and "warning" in line]
    assert "EARLYBIRD_MAX_FOO" in line


def test_the_schema_is_printed() -> None:
    assert earlybird("schema").stdout == (ROOT / "schema.graphql").read_text()


def test_a_file_of_members_fills_a_list_of_a_running_service(tmp_path: Path) -> None:
    file = tmp_path / "members.csv"
    file.write_text("ann,Ann\nbob\n\n ,nobody\nann\n")
    with Server(f"sqlite:///{tmp_path}/earlybird.db") as server:
        create(server, "beta")
        done = earlybird("segment", "import", "beta", str(file), "--comment", "why", "--store", server.store)
        assert done.returncode == 0, done.stderr
        assert (
            "has 2 members: 2 added, 0 already there, 0 removed; 1 duplicates, 1 malformed lines.\n" in done.stdout
        )
        assert "line 4 was left out: its key is blank" in done.stdout
        deadline = time.monotonic() + 5
        while not look(server, "beta", "bob")["hasMember"]:
            assert time.monotonic() < deadline
        query = """{ environment(project: "default", key: "production") { segment(key: "beta") {
          history(first: 1) { nodes { comment } } } } }"""
        history = server.post(query)["environment"]["segment"]["history"]
        assert history["nodes"] == [{"comment": "why"}]


def test_members_may_come_through_a_pipe(store: str, tmp_path: Path) -> None:
    with Server(store) as server:
        create(server, "piped")
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    writer = threading.Thread(target=pipe.write_bytes, args=[b"\xef\xbb\xbfann\nbob\n"])
    writer.start()
    done = earlybird("segment", "import", "piped", str(pipe), "--store", store)
    writer.join()
    assert done.returncode == 0, done.stderr
    assert "has 2 members" in done.stdout


def test_members_may_be_packed(store: str, tmp_path: Path) -> None:
    with Server(store) as server:
        create(server, "packed")
    file = tmp_path / "members.csv.gz"
    packed = gzip.compress(b"ann\n") + gzip.compress("\n".join(f"k{n}" for n in range(99)).encode())
    file.write_bytes(packed)
    done = earlybird("segment", "import", "packed", str(file), "--store", store)
    assert "has 100 members: 100 added" in done.stdout, done.stderr
    for broken in (packed[:-30], packed[:40] + b"?" * 9 + packed[49:]):
        file.write_bytes(broken)
        done = earlybird("segment", "import", "packed", str(file), "--store", store)
        assert (done.returncode, "is no gzip: " in done.stderr, "Traceback" in done.stderr) == (1, True, False)
    with Server(store) as server:
        assert look(server, "packed")["memberCount"] == 100


def test_it_is_shown_how_far_an_import_is_after_its_file_was_read(
    store: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(running_changes, "_BEAT_SECONDS", 0.0)
    monkeypatch.setattr(main, "_LOOK_SECONDS", 0.001)
    with Server(store) as server:
        create(server, "shown")
    file = tmp_path / "members.csv"
    file.write_text("\n".join(f"key-{number}" for number in range(50_000)))
    main.import_members("shown", file, store=store)
    shown = re.search(r"Reading .*100%.*\nApplying … (\d+),000 members", capsys.readouterr().err)
    assert shown is not None
    assert 10 <= int(shown[1]) <= 50


@pytest.mark.parametrize("arguments", [("nowhere", "/dev/null"), ("nowhere", "/no/such/file")])
def test_a_list_that_cannot_be_filled_is_refused_in_words(store: str, arguments: tuple[str, str]) -> None:
    done = earlybird("segment", "import", *arguments, "--store", store)
    assert done.returncode == 1
    assert "Traceback" not in done.stderr
    assert "earlybird: " in done.stderr
