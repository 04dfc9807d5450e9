"""What somebody may do, and where he has it from."""

from dataclasses import replace

from hypothesis import given
from hypothesis import strategies as st

from domain.access.actions import ACTIONS
from domain.access.credentials import Credential, CredentialKind
from domain.access.directory import AccessDirectory
from domain.access.members import Member
from domain.access.policies import Effect, Policy
from domain.access.principals import ANONYMOUS, Permission, Principal, PrincipalKind
from domain.access.resources import Resource, resource_of
from domain.access.rights import PolicySource, Rights
from domain.access.roles import BaseRole, Grants, ProjectGrant, ProjectRole, Role
from domain.keys import EnvironmentRef
from domain.model.projects import Project
from tests.domain.access.builders import (
    ALL_ACTIONS,
    a_policy,
    a_segment_of,
    allow,
    deny,
    policies,
    resources,
    rights_of,
)

SEGMENT = a_segment_of(tags=["eap"])
EAP = a_policy(allow("proj/*:env/*:segment/*;eap"), deny("proj/*:env/*:segment/*", actions=["deleteSegment"]))
ANN = Member(
    id="ann",
    email="ann@acme.com",
    grants=Grants(
        base_role=BaseRole.READER,
        custom_roles=("eap", "gone"),
        project_roles=(ProjectGrant("shop", ProjectRole.DEVELOPER),),
    ),
)
ROLE = Role(key="eap", name="EAP", policy=EAP)


def a_token(name: str, **fields: object) -> Credential:
    kind = CredentialKind.ACCESS_TOKEN
    return Credential(**{"id": name, "kind": kind, "name": name, **fields})  # type: ignore[arg-type]  # by name


DIRECTORY = AccessDirectory(
    members={ANN.id: ANN},
    roles={ROLE.key: ROLE},
    credentials={
        token.id: token
        for token in (
            a_token("ci", grants=Grants(base_role=BaseRole.WRITER)),
            a_token("rotated", grants=Grants(base_role=BaseRole.WRITER), expires_ms=9, superseded=True),
            a_token("old", grants=Grants(base_role=BaseRole.OWNER), expires_ms=5),
            a_token("hers", member_id="ann"),
            a_token("less", member_id="ann", policy=EAP),
            a_token("key", kind=CredentialKind.SERVER_SDK_KEY, environment=EnvironmentRef("shop", "production")),
        )
    },
)


def principal(credential_id: str) -> Principal:
    found = DIRECTORY.principal(credential_id, 0)
    assert found is not None
    return found


@st.composite
def rights(draw: st.DrawFn) -> Rights:
    return rights_of(*draw(st.lists(policies(), max_size=3)))


@given(st.lists(rights(), max_size=2), resources())
def test_the_actions_on_a_thing_are_those_that_the_gate_lets_pass_in_their_order(
    drawn: list[Rights], resource: Resource
) -> None:
    somebody = Principal(actor="somebody", rights=tuple(drawn))
    known = ACTIONS[resource.type]
    assert somebody.actions_on(resource) == [action for action in known if somebody.may(action, resource)]


@given(policies(), resources())
def test_one_pass_over_a_policy_finds_what_it_decides_action_by_action(policy: Policy, resource: Resource) -> None:
    decided = {action for action in ALL_ACTIONS if policy.decide(action, resource).allows}
    assert policy.allowed_among(tuple(ALL_ACTIONS), resource) == decided


@given(rights(), st.sampled_from(ALL_ACTIONS), resources())
def test_what_allows_something_is_told_exactly_where_it_is_allowed(
    drawn: Rights, action: str, resource: Resource
) -> None:
    found = list(drawn.allowances(action, resource))
    assert bool(found) is drawn.allow(action, resource)
    for allowance in found:
        assert allowance.statement.effect is Effect.ALLOW
        assert allowance.statement.applies_to(action, resource)
        assert allowance.statement in allowance.policy.statements


def test_each_policy_says_where_it_is_from() -> None:
    [whole] = principal("hers").rights
    assert [(granted.source, granted.role, granted.project) for granted in whole.granted] == [
        (PolicySource.BASE_ROLE, "READER", None),
        (PolicySource.CUSTOM_ROLE, "eap", None),
        (PolicySource.PROJECT_ROLE, "DEVELOPER", "shop"),
        (PolicySource.MEMBERSHIP, None, None),
    ]
    assert whole.granted[1].statements == ROLE.whole_policy.statements
    members, own = principal("less").rights
    assert members == whole
    assert [(granted.source, granted.policy) for granted in own.granted] == [(PolicySource.ACCESS_TOKEN, EAP)]


def test_what_allows_something_is_told_of_each_policy_that_does() -> None:
    [whole] = principal("hers").rights
    allowed_by = [(a.policy.role, a.statement.resources[-1]) for a in whole.allowances("updateRules", SEGMENT)]
    assert allowed_by == [("eap", "proj/*:env/*:segment/*;eap"), ("DEVELOPER", "proj/shop:env/*:segment/*")]
    assert not list(whole.allowances("deleteSegment", SEGMENT))


def test_one_can_do_only_what_he_sees_but_create_a_project() -> None:
    policy = a_policy(
        allow("proj/*:env/*:segment/*"),
        allow("proj/*", actions=["createProject", "deleteProject"]),
        allow("role/*", "acct"),
    )
    shop = replace(DIRECTORY, projects={"shop": Project(key="shop", name="Shop", tags=("hush",))})
    blind = Principal(actor="blind", rights=(rights_of(policy),))
    project = SEGMENT.outermost
    assert blind.may("updateRules", SEGMENT)
    for action, resource, can in (
        ("updateRules", SEGMENT, False),
        ("deleteProject", project, False),
        ("createProject", project, True),
        ("createRole", resource_of("role", "r"), True),
        ("createMember", resource_of("member", "m"), False),
    ):
        assert shop.can(blind, Permission(action, resource)) is can
    rules = Permission("updateRules", SEGMENT)
    assert shop.can(principal("hers"), rules)
    assert not DIRECTORY.can(principal("hers"), rules)  # where there is no such project
    hushed = a_policy(
        allow("proj/*:env/*:segment/*"),
        allow("proj/*", actions=["viewProject"]),
        deny("proj/*;hush", actions=["viewProject"]),
    )
    assert not shop.can(Principal(actor="hushed", rights=(rights_of(hushed),)), rules)  # whichever tags are named
    loud = replace(shop, projects={"shop": Project(key="shop", name="Shop")})
    assert loud.can(Principal(actor="hushed", rights=(rights_of(hushed),)), rules)


def test_a_secret_that_was_replaced_changes_nobody_s_access() -> None:
    new, old = principal("ci"), principal("rotated")
    owner = rights_of(a_policy(allow("member/*", "role/*", "service-token/*")))
    for action, thing, by_old in (
        ("viewMember", resource_of("member", "m"), True),
        ("updateRole", resource_of("member", "m"), False),
        ("updateAccessTokenName", resource_of("service-token", "t"), False),
        ("createRole", resource_of("role", "r"), False),
        ("deleteAccessToken", resource_of("service-token", "t"), False),
    ):
        for holder, can in ((new, True), (old, by_old)):
            assert DIRECTORY.can(replace(holder, rights=(owner,)), Permission(action, thing)) is can


def test_one_is_what_his_secret_makes_him() -> None:
    kinds = [principal(name).kind for name in ("hers", "less", "ci", "key")]
    assert kinds == [
        PrincipalKind.MEMBER,
        PrincipalKind.MEMBER,
        PrincipalKind.SERVICE_TOKEN,
        PrincipalKind.SDK_KEY,
    ]
    assert ANONYMOUS.kind is PrincipalKind.ANONYMOUS


def test_members_and_service_tokens_that_work_hold_rights_each_once_with_all_that_they_may_do() -> None:
    holders = DIRECTORY.holders(5)
    assert [holder.actor for holder in holders] == ["member/ann@acme.com", "token/ci"]
    assert [holder.rights for holder in holders] == [principal("hers").rights, principal("ci").rights]
    assert [holder.actor for holder in DIRECTORY.holders(4)] == ["member/ann@acme.com", "token/ci", "token/old"]
