"""The page of actions lists those that there are, and tells which of them do nothing here."""

import re
from pathlib import Path

from domain.access.actions import ACTIONS, FlagAction
from domain.access.needs import NEEDED

PAGE = Path("docs/actions.md").read_text()
SECTION = re.compile(r"^## `(.*)`\n\n\| action \| for \|\n\|---\|---\|\n((?:\|.*\|\n)*)", re.MULTILINE)
ROW = re.compile(r"^\| `(\w+)` \| (.*?) ?\|$", re.MULTILINE)
SECTIONS = {heading.replace("/*", ""): ROW.findall(rows) for heading, rows in SECTION.findall(PAGE)}


def test_the_page_lists_the_actions_that_there_are_by_type_and_in_their_order() -> None:
    assert {type_name: tuple(name for name, _ in rows) for type_name, rows in SECTIONS.items()} == dict(ACTIONS)
    assert len(ROW.findall(PAGE)) == sum(map(len, ACTIONS.values()))


def test_what_the_page_says_does_nothing_is_needed_for_nothing() -> None:
    idle = {f"{type_name} {name}" for type_name, rows in SECTIONS.items() for name, use in rows if use == "—"}
    needed = {str(action) for fields in NEEDED.values() for action in fields.values()}
    assert not {place for place in idle if place.partition(" ")[2] in needed} - {
        # Of segments it is needed, of flags not yet.
        f"proj:env:flag {FlagAction.UPDATE_EXPIRING_TARGETS}"
    }
    assert len(idle) > 20
