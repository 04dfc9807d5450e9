"""Policies decide as LaunchDarkly's do (semantics 3.4)."""

import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from domain.access.policies import Effect, NewStatement, Policy, parse_policy
from domain.access.resources import Resource, resource_of
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
    ]
    with pytest.raises(InvalidInputError, match="101 statements"):
        parse_policy([allow(SEGMENTS)] * 101)
