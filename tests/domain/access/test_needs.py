"""What changes need: permissions for every field that changes, on the thing as it was and as it becomes."""

from dataclasses import fields, replace
from operator import attrgetter
from typing import get_args

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from domain.access.actions import ACTIONS
from domain.access.credentials import Credential, CredentialKind
from domain.access.directory import AccessDirectory
from domain.access.members import Member
from domain.access.needs import NEEDED, Change, Surroundings, needs
from domain.access.policies import Policy
from domain.access.principals import Permission
from domain.access.roles import Grants, Role
from domain.commits import PROGRESS, Entity
from domain.keys import EnvironmentRef
from domain.model.changes import ChangesPage
from domain.model.flags import Flag
from domain.model.projects import Environment, Project
from domain.model.segments import ScheduledRemoval, Segment, SegmentTarget, TargetList
from domain.model.targeting import Targeting, Variation
from tests.domain.access.builders import a_policy, allow

SHOP = EnvironmentRef("shop", "production")
FLAG = Flag(project="shop", key="f")
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


def test_all_that_is_stored_but_records_is_told_apart() -> None:
    assert TYPES.keys() == NEEDED.keys() == set(get_args(Entity)) - {*PROGRESS, ChangesPage}


@pytest.mark.parametrize("entity_type", sorted(TYPES, key=str))
def test_no_field_can_be_changed_without_an_action_of_its_resource(entity_type: type) -> None:
    needed = NEEDED[entity_type]
    declared = {field.name for field in fields(entity_type)} - IDENTITY
    assert {name.partition(".")[0] for name in needed} == declared
    assert set(needed.values()) <= {*ACTIONS[TYPES[entity_type]]}


def test_all_of_a_member_s_grants_are_told_apart() -> None:
    member = Member(email="ann@acme.com")
    parts = {field.name for field in fields(member.grants)}
    assert {name.partition(".")[2] for name in NEEDED[Member] if "." in name} == parts
    for name in NEEDED[Member]:
        attrgetter(name)(member)


TAGS = st.frozensets(st.sampled_from(["eap", "beta"])).map(lambda tags: tuple(sorted(tags)))
SEGMENTS = st.builds(
    Segment,
    environment=st.just(SHOP),
    key=st.sampled_from(["eap-a", "vips"]),
    name=st.sampled_from(["", "eap: a"]),
    tags=TAGS,
    included=st.lists(st.sampled_from("ab"), unique=True).map(tuple),
    excluded_contexts=st.sampled_from([(), (SegmentTarget(context_kind="org", values=("o",)),)]),
    generation=st.none() | st.integers(1, 2),
)
GUIDE = [a_policy(allow("proj/*:env/*:segment/eap-*")), a_policy(allow("proj/*:env/*:segment/*;eap"))]


def around(*, project_tags: tuple[str, ...] = (), environment_tags: tuple[str, ...] = ()) -> Surroundings:
    return Surroundings(
        AccessDirectory(
            projects={"shop": Project(key="shop", tags=project_tags)},
            environments={
                str(SHOP): Environment(project="shop", key="production", tags=environment_tags),
                "shop/test": Environment(project="shop", key="test"),
            },
        ),
        {"shop/f": FLAG},
    )


def named(permissions: list[Permission]) -> set[str]:
    return {f"{permission.action} {permission.resource}" for permission in permissions}


@given(SEGMENTS, SEGMENTS, st.sampled_from(GUIDE), st.sampled_from(["create", "change", "delete"]))
def test_what_a_policy_of_the_guide_allows_was_within_it_and_stays_within_it(
    before: Segment, after: Segment, policy: Policy, what: str
) -> None:
    after = replace(after, key=before.key, version=2)
    change = Change(None if what == "create" else before, None if what == "delete" else after)
    assume(before != replace(after, version=1))
    needed = needs([change], around())
    if all(policy.decide(permission.action, permission.resource).allows for permission in needed):
        for thing in [before] * (what != "create") + [after] * (what != "delete"):
            assert thing.key.startswith("eap-") if policy is GUIDE[0] else "eap" in thing.tags


def test_a_tag_is_needed_before_and_after_and_so_are_those_of_its_places() -> None:
    before = Segment(environment=SHOP, key="s", tags=("eap",))
    after = replace(before, tags=("beta",), included=("a",), version=2)
    found = needs([Change(before, after)], around(project_tags=("web",), environment_tags=("critical",)))
    assert named(found) == {
        f"{action} proj/shop;web:env/production;critical:segment/s;{tag}"
        for action in ("updateTags", "updateIncluded")
        for tag in ("eap", "beta")
    }


@pytest.mark.parametrize(
    ("created", "action", "resource"),
    [
        (
            Segment(environment=SHOP, key="s", tags=("eap",)),
            "createSegment",
            "proj/shop:env/production:segment/s;eap",
        ),
        (Environment(project="shop", key="new", tags=("eap",)), "createEnvironment", "proj/shop:env/new;eap"),
        (Project(key="new", tags=("eap",)), "createProject", "proj/new;eap"),
    ],
)
def test_what_is_created_with_tags_needs_that_these_may_be_set(
    created: Segment | Environment | Project, action: str, resource: str
) -> None:
    untagged = [named(needs([Change(None, replace(created, tags=()))], around()))]
    assert untagged == [{f"{action} {resource.removesuffix(';eap')}"}]
    assert named(needs([Change(None, created)], around())) == {
        f"{what} {resource}" for what in (action, "updateTags")
    }
    assert named(needs([Change(created, None)], around().with_changes([Change(None, created)]))) == {
        f"{action.replace('create', 'delete')} {resource}"
    }


def test_a_flag_that_is_created_with_tags_needs_that_these_may_be_set_in_each_environment() -> None:
    flag = Flag(project="shop", key="new", tags=("eap",))
    created = [Change(None, flag), Change(None, Targeting(environment=SHOP, flag_key="new"))]
    assert named(needs(created, around())) == {
        "createFlag proj/shop:env/production:flag/new;eap",
        "updateTags proj/shop:env/production:flag/new;eap",
        "updateTags proj/shop:env/test:flag/new;eap",
    }


def test_environments_that_come_with_tags_with_their_project_need_that_these_may_be_set() -> None:
    project = Project(key="new")
    places = [Environment(project="new", key=key, tags=tags) for key, tags in (("a", ("eap",)), ("b", ()))]
    created = [Change(None, project), *(Change(None, place) for place in places)]
    assert named(needs(created, around())) == {
        "createProject proj/new",
        "updateTags proj/new:env/a;eap",
    }


def test_tagging_a_place_and_what_is_in_it_at_once_asks_for_both() -> None:
    environment = Environment(project="shop", key="production")
    tagged = replace(environment, tags=("critical",), version=2)
    segment = Segment(environment=SHOP, key="s")
    found = needs([Change(environment, tagged), Change(segment, replace(segment, name="S"))], around())
    assert named(found) == {
        "updateTags proj/shop:env/production",
        "updateTags proj/shop:env/production;critical",
        "updateName proj/shop:env/production:segment/s",
        "updateName proj/shop:env/production;critical:segment/s",
    }


def test_what_is_true_of_a_flag_everywhere_is_needed_in_every_environment() -> None:
    change = Change(FLAG, replace(FLAG, archived=True, tags=("x",), version=2))
    assert named(needs([change], around())) == {
        f"{action} proj/shop:env/{environment}:flag/f{tags}"
        for action in ("updateGlobalArchived", "updateTags")
        for environment in ("production", "test")
        for tags in ("", ";x")
    }


def test_targeting_is_needed_where_it_is_and_its_existence_is_the_flag_s() -> None:
    before = Targeting(environment=SHOP, flag_key="f")
    change = Change(before, replace(before, on=True, off_variation=1, version=2))
    flag = "proj/shop:env/production:flag/f"
    assert named(needs([change], around())) == {f"updateOn {flag}", f"updateOffVariation {flag}"}
    assert named(needs([Change(None, before)], around())) == {f"createFlag {flag}"}
    assert named(needs([Change(before, None), Change(FLAG, None)], around())) == {f"deleteFlag {flag}"}


def test_values_that_python_takes_for_the_same_are_told_apart() -> None:
    whole, other = (replace(FLAG, variations=(Variation(value),)) for value in (1, True))
    assert {p.action for p in needs([Change(whole, replace(other, version=2))], around())} == {
        "updateFlagVariations"
    }
    assert needs([Change(whole, replace(whole, version=2))], around()) == []


def test_a_target_that_goes_takes_its_scheduled_removal_without_asking() -> None:
    removal = ScheduledRemoval(TargetList.INCLUDED, "user", "ann", 9)
    before = Segment(environment=SHOP, key="s", included=("ann", "bob"), removals=(removal,))
    gone = replace(before, included=("bob",), removals=(), version=2)
    assert {p.action for p in needs([Change(before, gone)], around())} == {"updateIncluded"}
    kept = replace(before, removals=(), version=2)
    assert {p.action for p in needs([Change(before, kept)], around())} == {"updateExpiringTargets"}


def test_what_comes_or_goes_with_its_place_needs_no_more_than_the_place() -> None:
    key = Credential(id="k", kind=CredentialKind.SERVER_SDK_KEY, name="k", environment=SHOP)
    environment = Environment(project="shop", key="production")
    contents: list[Entity] = [Segment(environment=SHOP, key="s"), Targeting(environment=SHOP, flag_key="f"), key]
    assert named(needs([Change(thing, None) for thing in (environment, *contents)], around())) == {
        "deleteEnvironment proj/shop:env/production"
    }
    whole: list[Entity] = [Project(key="shop"), environment, FLAG, *contents]
    assert named(needs([Change(thing, None) for thing in whole], around())) == {"deleteProject proj/shop"}
    assert named(needs([Change(key, None)], around())) == {"updateApiKey proj/shop:env/production"}
    assert named(needs([Change(contents[0], None)], around())) == {
        "deleteSegment proj/shop:env/production:segment/s"
    }


def test_another_secret_of_a_token_is_a_reset_of_it_and_nothing_beside() -> None:
    old = Credential(id="old", kind=CredentialKind.ACCESS_TOKEN, name="ci", public_id="p")
    new = replace(old, id="new", version=2)
    before, earlier = Change(old, None), replace(old, id="earlier", superseded=True)
    replaced = Change(old, replace(old, superseded=True, expires_ms=9, version=2))
    for changes in ([Change(None, new), before], [replaced, Change(None, new)], [Change(None, new), replaced]):
        assert named(needs(changes, around())) == {"resetAccessToken service-token/p;no_access"}
        with_earlier = [Change(earlier, None), *changes]
        assert named(needs(with_earlier, around())) == {"resetAccessToken service-token/p;no_access"}
    wider = replace(new, policy=a_policy(allow("proj/*")), member_id=None)
    assert {p.action for p in needs([Change(None, wider), before], around())} == {
        "createAccessToken",
        "resetAccessToken",
    }
    assert {p.action for p in needs([Change(None, replace(new, public_id="q")), before], around())} == {
        "createAccessToken",
        "deleteAccessToken",
    }
    assert {p.action for p in needs([before, Change(earlier, None)], around())} == {"deleteAccessToken"}


def test_the_tokens_of_a_member_go_with_him_but_do_not_come_with_him() -> None:
    ann = Member(id="ann", email="ann@acme.com")
    token = Credential(id="t", kind=CredentialKind.ACCESS_TOKEN, name="t", public_id="p", member_id="ann")
    here = Surroundings(replace(around().directory, members={"ann": ann}), {})
    assert named(needs([Change(ann, None), Change(token, None)], here)) == {
        "deleteMember member/ann@acme.com;no_access"
    }
    assert {p.action for p in needs([Change(None, ann), Change(None, token)], around())} == {
        "createMember",
        "createAccessToken",
    }


def test_each_custom_role_that_a_member_gets_or_loses_is_asked_too() -> None:
    ann = Member(id="ann", email="ann@acme.com", grants=Grants(custom_roles=("kept", "lost")))
    changed = replace(ann, grants=Grants(custom_roles=("kept", "got")), version=2)
    assert named(needs([Change(ann, changed)], around())) == {
        "updateCustomRole member/ann@acme.com;no_access",
        "updateMembers role/got",
        "updateMembers role/lost",
    }
    assert named(needs([Change(None, ann)], around())) == {
        "createMember member/ann@acme.com;no_access",
        "updateMembers role/kept",
        "updateMembers role/lost",
    }
    assert named(needs([Change(ann, None)], around())) == {"deleteMember member/ann@acme.com;no_access"}


def test_each_custom_role_that_a_service_gets_is_asked_too() -> None:
    grants = Grants(custom_roles=("got",))
    service = Credential(id="t", kind=CredentialKind.ACCESS_TOKEN, name="t", public_id="p", grants=grants)
    assert named(needs([Change(None, service)], around())) == {
        "createAccessToken service-token/p;no_access",
        "updateMembers role/got",
    }
    assert {p.action for p in needs([Change(service, None)], around())} == {"deleteAccessToken"}
    reset = replace(service, id="u")
    assert {p.action for p in needs([Change(None, reset), Change(service, None)], around())} == {
        "resetAccessToken"
    }
    ann = Member(id="ann", email="ann@acme.com")
    here = Surroundings(replace(around().directory, members={"ann": ann}), {})
    assert {p.action for p in needs([Change(None, replace(service, member_id="ann"))], here)} == {
        "createAccessToken"
    }
