"""Who asks, with which secret, and what it lets him do."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from domain.access.credentials import Credential, CredentialKind
from domain.access.directory import AccessDirectory
from domain.access.members import Member
from domain.access.policies import Policy
from domain.access.principals import ANONYMOUS, SYSTEM, Permission, Principal
from domain.access.resources import Resource, resource_of
from domain.access.roles import (
    BasePermissions,
    BaseRole,
    Grants,
    ProjectGrant,
    ProjectRole,
    Role,
)
from domain.errors import ForbiddenError, UnauthenticatedError
from domain.keys import EnvironmentRef
from tests.domain.access.builders import ALL_ACTIONS, a_policy, a_segment_of, allow, deny, policies, resources

NOW = 1_000
SHOP = resource_of("proj", "shop")
SEGMENT = a_segment_of()
FLAG = SHOP.child("env", "production").child("flag", "f")
MEMBER = resource_of("member", "ann@acme.com", ["writer"])
OWNER = resource_of("member", "boss@acme.com", ["owner"])
EDITS = a_policy(allow("proj/*:env/*:segment/eap-*"))


def a_token(**fields: Any) -> Credential:
    return Credential(**{"id": "t", "kind": CredentialKind.ACCESS_TOKEN, "name": "ci", "public_id": "p", **fields})


def holder_of(token: Credential, *, roles: list[Role] | None = None, members: list[Member] | None = None) -> Any:
    directory = AccessDirectory(
        credentials={token.id: token},
        members={member.id: member for member in members or []},
        roles={role.key: role for role in roles or []},
    )
    return directory.principal(token.id, NOW)


def granted(grants: Grants, *roles: Role) -> Principal:
    found = holder_of(a_token(grants=grants), roles=list(roles))
    assert isinstance(found, Principal)
    return found


@pytest.mark.parametrize(
    ("role", "allowed"),
    [
        (BaseRole.NO_ACCESS, []),
        (BaseRole.READER, ["view"]),
        (BaseRole.WRITER, ["view", "edit", "create"]),
        (BaseRole.ADMIN, ["view", "edit", "create", "people"]),
        (BaseRole.OWNER, ["view", "edit", "create", "people", "owners"]),
    ],
)
def test_base_roles_allow_more_from_one_to_the_next(role: BaseRole, allowed: list[str]) -> None:
    deeds = {
        "view": [("viewProject", SHOP), ("viewMember", MEMBER), ("viewRole", resource_of("role", "r"))],
        "edit": [("updateRules", SEGMENT), ("updateOn", FLAG), ("updateTags", SHOP)],
        "create": [("createProject", SHOP), ("deleteEnvironment", SHOP.child("env", "test"))],
        "people": [
            ("updateRole", MEMBER),
            ("createRole", resource_of("role", "r")),
            ("whoCan", resource_of("acct")),
        ],
        "owners": [("updateRole", OWNER), ("createAccessToken", resource_of("service-token", "p", ["owner"]))],
    }
    principal = granted(Grants(base_role=role))
    for deed, permissions in deeds.items():
        for action, resource in permissions:
            assert principal.may(action, resource) is (deed in allowed), (action, str(resource))


@pytest.mark.parametrize(
    ("role", "allowed"),
    [
        (ProjectRole.VIEWER, {"viewProject"}),
        (ProjectRole.DEVELOPER, {"viewProject", "updateOn", "createSegment"}),
        (
            ProjectRole.MAINTAINER,
            {"viewProject", "updateOn", "createSegment", "deleteFlag", "updateGlobalArchived"},
        ),
        (
            ProjectRole.PROJECT_ADMIN,
            {
                "viewProject",
                "updateOn",
                "createSegment",
                "deleteFlag",
                "updateGlobalArchived",
                "updateApiKey",
                "deleteProject",
            },
        ),
    ],
)
def test_project_roles_hold_in_their_project_only(role: ProjectRole, allowed: set[str]) -> None:
    deeds = {
        "viewProject": SHOP,
        "updateOn": FLAG,
        "createSegment": SEGMENT,
        "deleteFlag": FLAG,
        "updateGlobalArchived": FLAG,
        "updateApiKey": SHOP.child("env", "production"),
        "deleteProject": SHOP,
    }
    there = granted(Grants(project_roles=(ProjectGrant("shop", role),)))
    elsewhere = granted(Grants(project_roles=(ProjectGrant("sho", role),)))
    assert {action for action, resource in deeds.items() if there.may(action, resource)} == allowed
    assert not any(elsewhere.may(action, resource) for action, resource in deeds.items())


def test_a_custom_role_denies_what_its_base_permissions_allow_and_takes_nothing_from_other_roles() -> None:
    hiding = Role(key="h", policy=a_policy(deny("proj/shop", actions=["viewProject"])))
    other = resource_of("proj", "other")
    blind = granted(Grants(custom_roles=("h",)), hiding)
    assert (blind.may_view(SHOP), blind.may_view(other)) == (False, True)
    assert granted(Grants(base_role=BaseRole.READER, custom_roles=("h",)), hiding).may_view(SHOP)


def test_base_permissions_of_no_access_show_nothing() -> None:
    role = Role(key="eap", base_permissions=BasePermissions.NO_ACCESS, policy=EDITS)
    principal = granted(Grants(custom_roles=("eap", "gone")), role)
    assert principal.may("updateRules", SEGMENT)
    assert not principal.may_view(SHOP)


@given(policies(), policies(), st.sampled_from(BaseRole), st.sampled_from(ALL_ACTIONS), resources())
def test_a_token_never_does_more_than_its_member(
    policy: Policy, restriction: Policy, base: BaseRole, action: str, resource: Resource
) -> None:
    role = Role(key="r", base_permissions=BasePermissions.NO_ACCESS, policy=policy)
    member = Member(id="m", email="ann@acme.com", grants=Grants(base_role=base, custom_roles=("r",)))
    whole = holder_of(a_token(member_id="m"), roles=[role], members=[member])
    for own in (
        a_token(member_id="m", policy=restriction),
        a_token(member_id="m", grants=Grants(base_role=BaseRole.OWNER)),
    ):
        part = holder_of(own, roles=[role], members=[member])
        assert part.may(action, resource) <= whole.may(action, resource)
        assert part.may(action, resource) <= own.own_rights({}).allow(action, resource)


def test_a_member_makes_tokens_of_his_own_and_a_restricted_token_makes_none() -> None:
    member = Member(id="m", email="ann@acme.com", grants=Grants(base_role=BaseRole.READER))
    token = member.resource.child("token", "p")
    whole = holder_of(a_token(member_id="m"), members=[member])
    assert whole.may("createAccessToken", token)
    assert not whole.may("createAccessToken", OWNER.child("token", "p"))
    reading = holder_of(a_token(member_id="m", grants=Grants(base_role=BaseRole.READER)), members=[member])
    assert not reading.may("createAccessToken", token)


def test_what_is_expired_or_whose_member_is_gone_opens_nothing() -> None:
    assert holder_of(a_token(expires_ms=NOW + 1)) is not None
    assert holder_of(a_token(expires_ms=NOW)) is None
    assert holder_of(a_token(member_id="gone")) is None


def test_actors_are_named_by_their_member_or_their_token() -> None:
    member = Member(id="m", email="ann@acme.com")
    assert holder_of(a_token()).actor == "token/ci"
    assert holder_of(a_token(member_id="m"), members=[member]).actor == "member/ann@acme.com"


def test_only_unrestricted_tokens_of_owners_own() -> None:
    boss = Member(id="boss", email="boss@acme.com", grants=Grants(base_role=BaseRole.OWNER))
    directory = AccessDirectory(members={"boss": boss})
    owner = Grants(base_role=BaseRole.OWNER)
    assert directory.owns(a_token(grants=owner))
    assert directory.owns(a_token(member_id="boss"))
    assert not directory.owns(a_token(member_id="boss", policy=EDITS))
    assert not directory.owns(a_token(member_id="gone", grants=owner))
    assert not directory.owns(a_token(grants=Grants(base_role=BaseRole.ADMIN)))
    assert not directory.owns(a_token())


def test_a_refusal_names_everything_that_is_denied() -> None:
    principal = granted(Grants(custom_roles=("eap",)), Role(key="eap", policy=EDITS))
    foreign = a_segment_of(segment="vips", tags=["b", "a"])
    principal.authorize("updateRules", SEGMENT)
    with pytest.raises(ForbiddenError) as refused:
        principal.authorize_all(
            [
                Permission("updateRules", SEGMENT),
                Permission("updateRules", foreign),
                Permission("updateOn", FLAG),
                Permission("updateOn", FLAG),
            ]
        )
    assert refused.value.details == {
        "denied": [
            {"action": "updateRules", "resource": "proj/shop:env/production:segment/vips;a,b"},
            {"action": "updateOn", "resource": "proj/shop:env/production:flag/f"},
        ]
    }
    assert "updateOn on proj/shop:env/production:flag/f" in refused.value.message


@given(st.sampled_from(ALL_ACTIONS), resources())
def test_sdk_keys_and_those_who_show_nothing_do_nothing_and_the_system_does_all(
    action: str, resource: Resource
) -> None:
    key = Credential(
        id="k",
        kind=CredentialKind.SERVER_SDK_KEY,
        name="k",
        environment=EnvironmentRef("shop", "production"),
    )
    with pytest.raises(ForbiddenError):
        holder_of(key).authorize(action, resource)
    with pytest.raises(UnauthenticatedError):
        ANONYMOUS.authorize(action, resource)
    SYSTEM.authorize(action, resource)
