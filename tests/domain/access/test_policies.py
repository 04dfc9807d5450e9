"""Policies decide as LaunchDarkly's do (semantics 3.4)."""

import random
import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from domain.access.policies import Effect, NewStatement, Policy, parse_policy
from domain.access.principals import Principal
from domain.access.resources import Resource, parse_resource, resource_of
from domain.access.roles import EVERYTHING
from domain.access.suggestions import Suggestions
from domain.errors import InvalidInputError
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

EAP = a_segment_of(tags=["eap"])
OTHER = a_segment_of(segment="vips")
SEGMENTS = "proj/*:env/*:segment/*"


@pytest.mark.parametrize(
    ("policy", "action", "resource", "effect", "statement"),
    [
        (a_policy(), "updateRules", EAP, None, None),
        (a_policy(allow("proj/*:env/*:segment/eap-*")), "updateRules", EAP, Effect.ALLOW, 0),
        (a_policy(allow("proj/*:env/*:segment/eap-*")), "updateRules", OTHER, None, None),
        (a_policy(allow("proj/*:env/*:segment/*;eap")), "deleteSegment", EAP, Effect.ALLOW, 0),
        (a_policy(allow("proj/*:env/*:segment/*;eap")), "deleteSegment", OTHER, None, None),
        (a_policy(allow("proj/*:env/*:segment/*;eap")), "viewProject", resource_of("proj", "shop"), None, None),
        (a_policy(allow(SEGMENTS, actions=["update*"])), "updateTags", OTHER, Effect.ALLOW, 0),
        (a_policy(allow(SEGMENTS, actions=["update*"])), "deleteSegment", OTHER, None, None),
        (a_policy(allow(SEGMENTS), deny(SEGMENTS, actions=["updateTags"])), "updateTags", EAP, Effect.DENY, 1),
        (a_policy(deny(SEGMENTS, actions=["updateTags"]), allow(SEGMENTS)), "updateTags", EAP, Effect.DENY, 0),
        (a_policy(deny(SEGMENTS, actions=["updateTags"]), allow(SEGMENTS)), "updateName", EAP, Effect.ALLOW, 1),
        (
            a_policy(NewStatement(effect=Effect.ALLOW, resources=[SEGMENTS], not_actions=["delete*"])),
            "deleteSegment",
            EAP,
            None,
            None,
        ),
        (
            a_policy(NewStatement(effect=Effect.ALLOW, resources=[SEGMENTS], not_actions=["delete*"])),
            "updateRules",
            EAP,
            Effect.ALLOW,
            0,
        ),
        (
            a_policy(
                NewStatement(effect=Effect.ALLOW, not_resources=["proj/*:env/*:segment/eap-*"], actions=["*"])
            ),
            "updateRules",
            EAP,
            None,
            None,
        ),
        (
            a_policy(
                NewStatement(effect=Effect.ALLOW, not_resources=["proj/*:env/*:segment/eap-*"], actions=["*"])
            ),
            "createRole",
            resource_of("role", "any"),
            Effect.ALLOW,
            0,
        ),
    ],
)
def test_a_policy_decides_by_its_statements(
    policy: Policy, action: str, resource: Resource, effect: Effect | None, statement: int | None
) -> None:
    decision = policy.decide(action, resource)
    assert (decision.effect, decision.statement) == (effect, statement)


@given(policies(), st.sampled_from(ALL_ACTIONS), resources(), st.randoms(use_true_random=False))
def test_a_statement_that_denies_beats_any_that_allows_in_whatever_order(
    policy: Policy, action: str, resource: Resource, rng: random.Random
) -> None:
    effects = {s.effect for s in policy.statements if s.applies_to(action, resource)}
    shuffled = list(policy.statements)
    rng.shuffle(shuffled)
    allows = effects == {Effect.ALLOW}
    assert Policy(tuple(shuffled)).decide(action, resource).allows is allows
    assert policy.decide(action, resource).allows is allows


@given(policies(), policies(), st.sampled_from(ALL_ACTIONS), resources())
def test_another_policy_never_takes_away(policy: Policy, another: Policy, action: str, resource: Resource) -> None:
    if rights_of(policy).allow(action, resource):
        assert rights_of(another, policy).allow(action, resource)


def test_every_fault_is_named_with_its_statement_field_and_entry() -> None:
    faulty = [
        allow(SEGMENTS),
        allow(SEGMENTS, actions=["updateOn", "update*", "fly", "updateRules"]),
        allow("proj/*", "proj/*:env", "segment/*"),
        NewStatement(effect=Effect.ALLOW, resources=[SEGMENTS], not_resources=[SEGMENTS]),
        NewStatement(effect=Effect.DENY, resources=[], not_actions=[]),
        NewStatement(effect=Effect.ALLOW, not_resources=[SEGMENTS], not_actions=["updateOn", "fl*"]),
        allow(*[SEGMENTS] * 101),
        NewStatement(effect=Effect.DENY, resources=[SEGMENTS, "proj/é"], not_actions=["update*"]),
        deny("proj/${shop}", "proj/*:env/p;a,b*,c+", "member/é+x@acme.com:token/ñ", "member/*;ö"),
        NewStatement(effect=Effect.DENY, resources=["proj/*", "role/*"], not_actions=["*"]),
        NewStatement(effect=Effect.ALLOW, not_resources=[SEGMENTS], not_actions=["v*", "*"]),
        NewStatement(effect=Effect.ALLOW, resources=["acct"], not_actions=["view*", "whoCan", "simulatePolicy"]),
        NewStatement(effect=Effect.ALLOW, not_resources=EVERYTHING, actions=["*"]),
    ]
    with pytest.raises(InvalidInputError) as refused:
        parse_policy(faulty)
    assert [str(violation).partition(", and the types")[0] for violation in refused.value.violations] == [
        "policy[1].actions[0]: 'updateOn' is an action that none of the statement's resources has",
        "policy[1].actions[2]: 'fly' is no action",
        "policy[2].resources[1]: needs a type and a key, as in 'proj/*', at character 8",
        "policy[2].resources[2]: names things of the type 'segment'",
        "policy[3]: needs one of resources and notResources, and not both",
        "policy[3]: needs one of actions and notActions, and not both",
        "policy[4].resources: is empty",
        "policy[4].notActions: is empty",
        "policy[5].notActions[1]: 'fl*' is no action",
        "policy[6].resources: has 101 entries, and 100 are the most",
        "policy[7].resources[1]: has 'é' at character 6, which no key has",
        "policy[8].resources[0]: has '$' at character 6, which no key has",
        "policy[8].resources[1]: has '+' at character 20, which no tag has",
        "policy[8].resources[2]: has 'ñ' at character 27, which no key has",
        "policy[8].resources[3]: has 'ö' at character 10, which no tag has",
        "policy[9].notActions: names all actions of the resources, which leaves none",
        "policy[10].notActions: names all actions of the resources, which leaves none",
        "policy[11].notActions: names all actions of the resources, which leaves none",
        "policy[12].notResources: names everything, which leaves nothing",
    ]
    with pytest.raises(InvalidInputError, match="101 statements"):
        parse_policy([allow(SEGMENTS)] * 101)


def faults_of(*statements: NewStatement, suggestions: Suggestions | None = None) -> list[str]:
    with pytest.raises(InvalidInputError) as refused:
        parse_policy(statements, suggestions=suggestions)
    return [str(violation).partition(", and the types")[0] for violation in refused.value.violations]


def test_actions_that_are_none_are_named_beside_whatever_else_is_wrong() -> None:
    faults = faults_of(
        allow("proj", actions=["foo"]), NewStatement(effect=Effect.DENY, not_resources=["x/y"], not_actions=[""])
    )
    assert [fault.partition(":")[0] for fault in faults] == [
        "policy[0].resources[0]",
        "policy[0].actions[0]",
        "policy[1].notResources[0]",
        "policy[1].notActions[0]",
    ]
    both = NewStatement(
        effect=Effect.ALLOW, resources=[SEGMENTS], not_resources=["x/y"], actions=["updateOn", "foo"]
    )
    assert [fault.partition(":")[0] for fault in faults_of(both)] == [
        "policy[0]",
        "policy[0].notResources[0]",
        "policy[0].actions[1]",
    ], "of which resources updateOn is an action is not known"


def test_a_few_actions_that_are_none_are_followed_by_those_that_were_meant() -> None:
    wrong = allow(SEGMENTS, actions=["updateInclude", "updateInclude", "qqqqqqqqq"])
    meant = "Did you mean 'updateIncluded' or 'updateExcluded' or 'updateRules'?"
    assert faults_of(wrong, suggestions=Suggestions(left=1)) == [
        f"policy[0].actions[0]: 'updateInclude' is no action. {meant}",
        "policy[0].actions[1]: 'updateInclude' is no action",
        "policy[0].actions[2]: 'qqqqqqqqq' is no action",
    ]
    assert faults_of(wrong, suggestions=Suggestions())[2] == "policy[0].actions[2]: 'qqqqqqqqq' is no action"
    assert "Did you mean" not in str(faults_of(wrong))
    anywhere = NewStatement(effect=Effect.ALLOW, not_resources=[SEGMENTS], actions=["updateOne"])
    assert "'updateOn'" in faults_of(anywhere, suggestions=Suggestions())[0]


def denials_of(specifiers: list[str]) -> list[NewStatement]:
    return [deny(*specifiers[at : at + 100]) for at in range(0, len(specifiers), 100)]


LONG = "a" * 150
PATTERNS = "*a" * 9
WORST = {
    "patterns of keys": (
        [f"proj/{PATTERNS}*{number}" for number in range(499)],
        [f"proj/{number}{LONG}b" for number in range(100)],
    ),
    "patterns of tags": (
        [f"proj/*;*{number}*_" for number in range(20)] + [f"proj/*{number}b" for number in range(479)],
        [f"proj/p{number};" + ",".join(f"{tag}b{number}" for tag in range(35)) for number in range(100)],
    ),
    "many tags": (
        ["proj/*;" + ",".join(f"{tag:02}" for tag in range(99)) + f",{number}x" for number in range(60)],
        ["proj/p;" + ",".join(f"{tag:02}" for tag in range(60))] * 100,
    ),
}


@pytest.mark.parametrize(("specifiers", "asked"), WORST.values(), ids=WORST)
def test_no_policy_makes_decisions_slow(specifiers: list[str], asked: list[str]) -> None:
    things = [parse_resource(name) for name in asked]
    policy = a_policy(allow("proj/*"), *denials_of(specifiers))
    somebody = Principal(actor="x", rights=(rights_of(policy),))
    assert somebody.may("updateTags", things[0])
    started = time.process_time()
    assert all(somebody.may("updateTags", thing) for thing in things)
    assert time.process_time() - started < 0.25  # measured at 84 ms at most, and at seconds without the limits


@pytest.mark.parametrize(
    ("policy", "message"),
    [
        ([allow(*["proj/a"] * 100)] * 5 + [allow("proj/a")], "would be 501 resources"),
        ([allow("proj/a", actions=["viewProject"] * 100)] * 6, "would be 600 actions"),
        ([allow("proj/" + "a" * 1_900)] * 11, "would be 20966 characters"),
        ([allow("proj/" + "*a" * 11)], "has more than 10 '\\*' in a key or a tag"),
        ([allow("proj/a;" + "*a" * 11)], "has more than 10 '\\*' in a key or a tag"),
        ([allow("proj/a", actions=["*" * 11])], r"actions\[0\]: has more than 10 '\*'"),
        ([allow("proj/a;" + ",".join("b" * 101))], "names 101 tags of one level"),
        ([allow("proj/a;b*")] * 21, "would be 21 tags with '\\*'"),
    ],
)
def test_a_policy_is_bounded_as_a_whole(policy: list[NewStatement], message: str) -> None:
    with pytest.raises(InvalidInputError, match=message):
        parse_policy(policy)
