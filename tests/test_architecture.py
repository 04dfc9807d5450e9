"""What keeps the house in order and is not checked elsewhere."""

import os
import re
from pathlib import Path

import pytest

import gql

ROOT = Path(__file__).parent.parent


def test_the_package_gql_is_ours() -> None:
    assert gql.__file__ is not None
    assert Path(gql.__file__).parent == ROOT / "gql"


def test_one_file_imports_each_driver() -> None:
    importing = {
        (str(file.relative_to(ROOT)), match.group(1))
        for package in ("domain", "gql", "storage")
        for file in (ROOT / package).rglob("*.py")
        for match in re.finditer(
            r"^\s*(?:import|from) (motor|aiocache|redis|prometheus_client)\b", file.read_text(), re.MULTILINE
        )
    }
    assert importing == {
        ("storage/mongo/client.py", "motor"),
        ("storage/cache.py", "aiocache"),
        ("storage/cache.py", "redis"),
        ("gql/metrics.py", "prometheus_client"),
    }


def test_the_readme_s_tables_hold_every_setting_and_its_default(monkeypatch: pytest.MonkeyPatch) -> None:
    from gql.settings import Settings  # noqa: PLC0415 - reads the environment's names only here

    for name in [name for name in os.environ if name.startswith("EARLYBIRD_")]:
        monkeypatch.delenv(name)
    rows = re.findall(r"^\| `EARLYBIRD_(\w+)` \| `?([^`|;( ]*)", (ROOT / "README.md").read_text(), re.MULTILINE)
    defaults = {name.upper(): value for name, value in Settings().model_dump().items()}
    told = {name: "" if value is None else str(value) for name, value in defaults.items()}
    told |= {name: str(value).lower() for name, value in defaults.items() if isinstance(value, bool)}
    assert dict(rows) == told
    assert len(rows) == len(told)


def test_every_error_code_is_in_the_readme() -> None:
    from domain.errors import ErrorCode  # noqa: PLC0415 - beside its only use

    readme = (ROOT / "README.md").read_text()
    assert [code.value for code in ErrorCode if f"`{code.value}`" not in readme] == []
