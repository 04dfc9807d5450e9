"""Conformance cases: flag data, a context, and the answer that is expected. The same for every way to ask.

A file is a list of `{"name", "data", "evaluations": [{"name", "flagKey", "context", "default", "expected"}]}`.
"""

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from domain.json import Json

CORPUS = Path(__file__).parent / "corpus"


@dataclass(frozen=True, slots=True)
class Case:
    """One evaluation.

    Attributes:
        data: Flag data JSON; the cases of a set share one object.
        default: The caller's default, expected as the value where no variation is served.
        variation_index: None where the caller's default is expected.
        reason: Only the properties that apply.
    """

    id: str
    data: dict[str, Any]
    flag_key: str
    context: Json
    default: Json
    value: Json
    variation_index: int | None
    reason: dict[str, Any]


def load_cases(folder: Path) -> list[Case]:
    """Load every case below a folder.

    Raises:
        ValueError: There are none.
    """
    cases = [case for path in sorted(folder.glob("*.json")) for case in _cases_of(path)]
    if not cases:
        message = f"no conformance data in {folder}"
        raise ValueError(message)
    return cases


def _cases_of(path: Path) -> list[Case]:
    return [
        Case(
            id=f"{path.stem}/{data_set['name']}/{evaluation['name']}",
            data=data_set["data"],
            flag_key=evaluation["flagKey"],
            context=evaluation["context"],
            default=evaluation["default"],
            value=evaluation["expected"]["value"],
            variation_index=evaluation["expected"]["variationIndex"],
            reason=evaluation["expected"]["reason"],
        )
        for data_set in json.loads(path.read_text(encoding="utf-8"))
        for evaluation in data_set["evaluations"]
    ]
