"""What the directory says of who sees what."""

from dataclasses import replace

import pytest

from domain.access.credentials import Credential, CredentialKind
from domain.access.directory import AccessDirectory
from domain.access.members import Member
from domain.access.policies import Policy
from domain.access.principals import SYSTEM, Principal
from domain.access.roles import BaseRole, Grants, ProjectGrant, ProjectRole
from domain.model.projects import Project

NOW = 1_000


def a_directory(*seen: str) -> AccessDirectory:
    """A directory of two projects, and of a token that may view some."""
    grants = Grants(project_roles=tuple(ProjectGrant(key, ProjectRole.VIEWER) for key in seen))
    token = Credential(id="t", kind=CredentialKind.ACCESS_TOKEN, name="ci", grants=grants)
    projects = {key: Project(key=key, name=key) for key in ("shop", "lab")}
    return AccessDirectory(projects=projects, credentials={token.id: token})


def principal_of(directory: AccessDirectory) -> Principal:
    found = directory.principal("t", NOW)
    assert found is not None
    return found


def test_a_project_is_shown_to_whoever_may_view_it_however_often_that_is_asked() -> None:
    directory = a_directory("shop")
    for _ in range(2):
        assert [directory.shows(key, principal_of(directory)) for key in ("shop", "lab", "none")] == [
            True,
            False,
            False,
        ]
        assert [directory.shows(key, SYSTEM) for key in ("shop", "lab", "none")] == [True, True, False]


def test_what_is_known_of_a_secret_is_told_of_no_other_principal_with_it() -> None:
    before, after = a_directory("shop"), a_directory("lab")
    assert before.shows("shop", principal_of(before))
    assert not before.shows("shop", principal_of(after))
    assert before.shows("lab", principal_of(after))
    assert not before.shows("lab", principal_of(before))


OWNING, READING = Grants(base_role=BaseRole.OWNER), Grants(base_role=BaseRole.READER)


@pytest.mark.parametrize(
    ("of_member", "own", "policy", "owns"),
    [
        (OWNING, None, None, True),
        (OWNING, OWNING, None, True),
        (READING, OWNING, None, False),
        (OWNING, READING, None, False),
        (OWNING, None, Policy(), False),
        (None, OWNING, None, True),
        (None, OWNING, Policy(), False),
        (None, None, Policy(), False),
    ],
)
def test_an_owner_s_token_is_one_that_nothing_restricts(
    of_member: Grants | None, own: Grants | None, policy: Policy | None, *, owns: bool
) -> None:
    members = {} if of_member is None else {"m": Member(id="m", email="m@acme.com", grants=of_member)}
    member_id = "m" if members else None
    token = Credential(
        id="t", kind=CredentialKind.ACCESS_TOKEN, name="t", member_id=member_id, grants=own, policy=policy
    )
    assert AccessDirectory(members=members).owns(token) is owns
    assert not AccessDirectory().owns(replace(token, member_id="gone"))
