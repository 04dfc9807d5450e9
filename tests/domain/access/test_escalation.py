"""Nobody gives more than he has: what policies allow is compared for all resources, and never too generously."""

from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from domain.access.actions import ACTIONS
from domain.access.credentials import Credential, CredentialKind
from domain.access.directory import AccessDirectory
from domain.access.escalation import escalations, uncovered
from domain.access.members import Member
from domain.access.needs import Change
from domain.access.policies import Effect, NewStatement, Policy
from domain.access.principals import Principal
from domain.access.resources import Glob, Resource
from domain.access.rights import Rights
from domain.access.roles import (
    BasePermissions,
    BaseRole,
    Grants,
    ProjectRole,
    Role,
    base_role_policy,
    project_role_policy,
)
from domain.errors import VIOLATIONS_LIMIT
from tests.domain.access.builders import a_drawn_policy, a_policy, allow, deny, resources, rights_of, specifiers_of


def lacks(given_policy: Policy, *had: Policy) -> set[str]:
    return {f"{lack.action} {lack.resource}" for lack in uncovered(rights_of(*had), given_policy)}


@st.composite
def policies_about(draw: st.DrawFn, resource: Resource) -> Policy:
    """Policies all of whose statements may be about one thing."""
    actions = sorted(ACTIONS[resource.type])
    statements: list[NewStatement] = []
    for _ in range(draw(st.integers(1, 3))):
        texts = [draw(specifiers_of(resource))]
        named = draw(st.sampled_from([["*"], actions[:1], actions[-1:]]))
        is_about, is_of = draw(st.integers(0, 3)) > 0, named == ["*"] or draw(st.integers(0, 3)) > 0
        statements.append(
            NewStatement(
                effect=draw(st.sampled_from([Effect.ALLOW, Effect.ALLOW, Effect.DENY])),
                resources=texts if is_about else None,
                not_resources=None if is_about else texts,
                actions=named if is_of else None,
                not_actions=None if is_of else named,
            )
        )
    return a_drawn_policy(statements)


@settings(max_examples=200)
@given(data=st.data())
def test_what_is_had_by_comparison_is_had_in_each_case(data: st.DataObject) -> None:
    resource = data.draw(resources())
    about = policies_about(resource)
    policy, had = data.draw(about), rights_of(*data.draw(st.lists(about, min_size=1, max_size=2)))
    for action in ACTIONS[resource.type]:
        if policy.decide(action, resource).allows and not had.allow(action, resource):
            assert uncovered(had, policy)


PARTS = st.text("ab*", max_size=5)


@given(one=PARTS, other=PARTS, name=st.text("ab", max_size=6))
def test_globs_that_name_the_same_overlap(one: str, other: str, name: str) -> None:
    if Glob(one).matches(name) and Glob(other).matches(name):
        assert Glob(one).overlaps(Glob(other))
        assert Glob(other).overlaps(Glob(one))


@pytest.mark.parametrize(
    ("one", "other"), [("a*", "b*"), ("*a", "*b"), ("a*", "b"), ("a", "b"), ("", "a*"), ("ab*b", "ab")]
)
def test_globs_that_nothing_can_bear_both_of_do_not_overlap(one: str, other: str) -> None:
    assert not Glob(one).overlaps(Glob(other))


@pytest.mark.parametrize(
    ("given_policy", "had", "missing"),
    [
        ([allow("proj/a*")], [allow("proj/*")], set()),
        ([allow("proj/*", actions=["viewProject"])], [allow("proj/a*")], {"viewProject proj/*"}),
        (
            [allow("proj/*:env/*:segment/*;eap,x", actions=["updateName"])],
            [allow("proj/*:env/*:segment/*;eap")],
            set(),
        ),
        (
            [allow("proj/*:env/*:segment/*", actions=["updateName"])],
            [allow("proj/*:env/*:segment/*;eap")],
            {"updateName proj/*:env/*:segment/*"},
        ),
        # A deny counts where it may overlap, unless what is given has it too.
        ([allow("proj/a*", actions=["viewProject"])], [allow("proj/*"), deny("proj/*b")], {"viewProject proj/a*"}),
        ([allow("proj/a", actions=["viewProject"])], [allow("proj/*"), deny("proj/b")], set()),
        ([allow("proj/*"), deny("proj/*b")], [allow("proj/*"), deny("proj/*b"), deny("role/*")], set()),
        (
            [allow("proj/*"), deny("proj/*", actions=["delete*"])],
            [allow("proj/*", actions=["view*", "create*", "update*"])],
            set(),
        ),
        (
            [allow("proj/*", actions=["viewProject"]), deny("proj/x")],
            [allow("proj/*"), deny("proj/*b")],
            {"viewProject proj/*"},
        ),
        # All but some things.
        (
            [NewStatement(effect=Effect.ALLOW, not_resources=["proj/a"], actions=["viewProject"])],
            [allow("proj/*")],
            set(),
        ),
        (
            [allow("proj/b*", actions=["viewProject"])],
            [NewStatement(effect=Effect.ALLOW, not_resources=["proj/a*"], actions=["*"])],
            set(),
        ),
        (
            [allow("proj/*", actions=["viewProject"])],
            [NewStatement(effect=Effect.ALLOW, not_resources=["proj/a*"], actions=["*"])],
            {"viewProject proj/*"},
        ),
        (
            [allow("proj/b", actions=["viewProject"])],
            [allow("proj/*"), NewStatement(effect=Effect.DENY, not_resources=["proj/a"], actions=["*"])],
            {"viewProject proj/b"},
        ),
    ],
)
def test_policies_are_compared_by_what_they_say(
    given_policy: list[NewStatement], had: list[NewStatement], missing: set[str]
) -> None:
    assert lacks(a_policy(*given_policy), a_policy(*had)) == missing


LADDER = (BaseRole.NO_ACCESS, BaseRole.READER, BaseRole.WRITER, BaseRole.ADMIN, BaseRole.OWNER)


@pytest.mark.parametrize("own", LADDER)
@pytest.mark.parametrize("role", LADDER)
def test_a_base_role_is_given_by_those_who_have_it_or_more(own: BaseRole, role: BaseRole) -> None:
    is_enough = LADDER.index(own) >= LADDER.index(role)
    assert (lacks(base_role_policy(role), base_role_policy(own)) == set()) is is_enough


@pytest.mark.parametrize("role", ProjectRole)
def test_a_writer_gives_every_project_role_and_its_holder_that_one(role: ProjectRole) -> None:
    given_policy = project_role_policy(role, "shop")
    assert lacks(given_policy, base_role_policy(BaseRole.WRITER)) == set()
    assert lacks(given_policy, project_role_policy(role, "shop")) == set()
    assert lacks(given_policy, project_role_policy(role, "other"))


EAP = Role(
    key="eap", base_permissions=BasePermissions.NO_ACCESS, policy=a_policy(allow("proj/*:env/*:segment/eap-*"))
)
ALL = Role(key="all", base_permissions=BasePermissions.NO_ACCESS, policy=a_policy(allow("proj/*")))
ANN = Member(id="ann", email="ann@acme.com", grants=Grants(custom_roles=("eap",)))
TOKEN = Credential(id="t", kind=CredentialKind.ACCESS_TOKEN, name="t", member_id="ann")


def beyond(change: Change, *rights: Role, member: Member | None = None) -> bool:
    """Tell whether a change gives more than somebody has who may do what each of some roles allows."""
    directory = AccessDirectory(roles={"eap": EAP, "all": ALL}, members={"ann": ANN})
    holder = Principal(actor="x", member=member, rights=tuple(Rights((role.granted,)) for role in rights))
    return bool(escalations([change], directory, holder))


def test_what_a_change_gives_is_what_comes_with_it() -> None:
    both = replace(ANN, grants=Grants(custom_roles=("eap", "all")), version=2)
    assert beyond(Change(ANN, both), EAP)
    assert not beyond(Change(both, replace(both, email="a@x.edu", version=3)), EAP)
    assert not beyond(Change(both, ANN), EAP)
    assert not beyond(Change(both, None), EAP)
    wider = replace(EAP, policy=ALL.policy, version=2)
    assert beyond(Change(EAP, wider), EAP)
    assert not beyond(Change(wider, replace(wider, name="n", version=3)), EAP)
    assert beyond(Change(EAP, replace(EAP, base_permissions=BasePermissions.READER)), EAP)


def test_a_token_gives_what_it_opens_to_whom_its_secret_is_shown() -> None:
    assert beyond(Change(None, TOKEN), EAP, ALL)  # since its member may be given more later
    assert not beyond(Change(None, TOKEN), EAP, member=ANN)
    assert beyond(Change(None, TOKEN), EAP, EAP, member=ANN)  # who is restricted himself
    restricted = replace(TOKEN, policy=ALL.policy)  # which allows nothing that its member may
    assert not beyond(Change(None, restricted), ALL)
    assert not beyond(Change(None, restricted), EAP, member=ANN)
    assert beyond(Change(None, restricted), EAP)
    assert beyond(Change(None, restricted), ALL, EAP, member=ANN)
    assert not beyond(Change(None, restricted), EAP, ALL, member=ANN)
    service = replace(TOKEN, member_id=None, grants=Grants(custom_roles=("all",)))
    assert beyond(Change(None, service), EAP)
    assert not beyond(Change(service, replace(service, name="n", version=2)), EAP)
    assert beyond(Change(service, replace(service, policy=EAP.policy, version=2)), EAP)
    key = replace(TOKEN, kind=CredentialKind.SERVER_SDK_KEY, member_id=None)
    assert not beyond(Change(None, key), EAP)


def test_of_large_policies_no_more_is_compared_than_an_error_lists() -> None:
    names = [[f"proj/{letter}{number}:env/*:flag/*" for number in range(100)] for letter in "abcde"]
    large = a_policy(*(allow(*some) for some in names))
    other = a_policy(*(allow(*(name.replace("proj/", "proj/x") for name in some)) for some in names))
    listed = lacks(other, large)
    assert VIOLATIONS_LIMIT < len(listed) < VIOLATIONS_LIMIT + 50
