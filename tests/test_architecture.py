"""What keeps the house in order and is not checked elsewhere."""

import re
from pathlib import Path

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


def test_every_setting_is_in_the_readme() -> None:
    from gql.settings import Settings  # noqa: PLC0415 - reads the environment's names only here

    readme = (ROOT / "README.md").read_text()
    assert [n for n in Settings.model_fields if f"EARLYBIRD_{n.upper()}" not in readme] == []


def test_every_error_code_is_in_the_readme() -> None:
    from domain.errors import ErrorCode  # noqa: PLC0415 - beside its only use

    readme = (ROOT / "README.md").read_text()
    assert [code.value for code in ErrorCode if f"`{code.value}`" not in readme] == []
