"""What changes need: permissions for every field that changes, on the thing as it was and as it becomes."""

from dataclasses import fields
from operator import attrgetter
from typing import get_args

import pytest

from domain.access.actions import ACTIONS
from domain.access.credentials import Credential
from domain.access.members import Member
from domain.access.needs import NEEDED
from domain.access.roles import Role
from domain.model.flags import Flag
from domain.model.lists import ListChange
from domain.model.projects import Environment, Project
from domain.model.segments import Segment
from domain.model.targeting import Targeting
from domain.ports import Entity

IDENTITY = {"id", "key", "flag_key", "project", "environment", "kind", "version"}
TYPES = {
    Project: "proj",
    Environment: "proj:env",
    Flag: "proj:env:flag",
    Targeting: "proj:env:flag",
    Segment: "proj:env:segment",
    Member: "member",
    Role: "role",
    Credential: "service-token",
}


@pytest.mark.parametrize("entity_type", [kind for kind in get_args(Entity) if kind is not ListChange])
def test_no_field_can_be_changed_without_an_action_of_its_resource(entity_type: type) -> None:
    needed = NEEDED[entity_type]
    declared = {field.name for field in fields(entity_type)} - IDENTITY
    assert {name.partition(".")[0] for name in needed} == declared
    assert {action for action in needed.values() if action is not None} <= ACTIONS[TYPES[entity_type]]


def test_all_of_a_member_s_grants_are_told_apart() -> None:
    member = Member(email="ann@acme.com")
    parts = {field.name for field in fields(member.grants)}
    assert {name.partition(".")[2] for name in NEEDED[Member] if "." in name} == parts
    for name in NEEDED[Member]:
        attrgetter(name)(member)
