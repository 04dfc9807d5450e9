"""A policy is tried out before a role has it, over HTTP, and decides there as it does then."""

from typing import Any

import pytest

from domain.access.roles import BaseRole
from tests.domain.access.builders import allow, deny
from tests.gql.conftest import data_of
from tests.gql.grants import a_token_with
from tests.servers import Answer, Server

PLACE = "proj/default:env/production"
SIMULATE = """query ($p: [PolicyStatementInput!]!, $r: [PermissionRequest!]!, $b: BasePermissions! = READER) {
  simulatePolicy(policy: $p, basePermissions: $b, requests: $r) {
    action resource allowed effect statementIndex statement { effect resources actions } } }"""
POLICY = [
    {"effect": "ALLOW", "resources": ["proj/*:env/*:segment/*;eap"], "actions": ["*"]},
    {"effect": "DENY", "resources": ["proj/*:env/*:segment/*"], "notActions": ["update*"]},
]
REQUESTS = [
    {"action": "updateRules", "resource": f"{PLACE}:segment/sim-a"},
    {"action": "deleteSegment", "resource": f"{PLACE}:segment/sim-a"},
    {"action": "updateRules", "resource": f"{PLACE}:segment/other"},
    {"action": "viewProject", "resource": "proj/default"},
]


@pytest.fixture(scope="module", autouse=True)
def _segments(server: Server) -> None:
    data = data_of(segments=({"key": "sim-a", "tags": ["eap"]},))
    assert not server.import_flags(data, mode="MERGE").errors


def simulate(server: Server, policy: Any = POLICY, requests: Any = REQUESTS, **variables: Any) -> Answer:
    return server.post(SIMULATE, p=policy, r=requests, **variables)


def test_each_request_is_told_which_statement_decides(server: Server) -> None:
    told = simulate(server)["simulatePolicy"]
    assert [(item["allowed"], item["effect"], item["statementIndex"]) for item in told] == [
        (True, "ALLOW", 0),
        (False, "DENY", 1),
        (False, None, None),
        (True, "ALLOW", None),
    ]
    assert told[0]["resource"] == f"{PLACE}:segment/sim-a;eap"
    assert told[1]["statement"] == {"effect": "DENY", "resources": ["proj/*:env/*:segment/*"], "actions": None}
    assert told[2]["statement"] is None
    assert told[3]["statement"] == {"effect": "ALLOW", "resources": ["proj/*"], "actions": ["viewProject"]}
    without = simulate(server, b="NO_ACCESS")["simulatePolicy"]
    assert [item["allowed"] for item in without] == [True, False, False, False]


def test_a_role_with_the_policy_does_what_was_told_of_it(server: Server) -> None:
    token = a_token_with(
        server,
        [
            allow("proj/*:env/*:segment/*;eap"),
            deny("proj/*:env/*:segment/*", actions=["delete*"]),
            allow("proj/*"),
        ],
    )
    query = "query ($r: [PermissionRequest!]!) { viewer { decisions(requests: $r) { allowed } } }"
    policy = server.post(
        "{ viewer { rights { policies { statements { effect resources actions } } } } }", token=token
    )["viewer"]["rights"][0]["policies"][1]["statements"]
    decided = [item["allowed"] for item in server.post(query, token=token, r=REQUESTS)["viewer"]["decisions"]]
    told = [item["allowed"] for item in simulate(server, policy, b="NO_ACCESS")["simulatePolicy"]]
    assert decided == told == [True, False, False, True]


def test_every_fault_of_the_policy_is_told_with_its_place(server: Server) -> None:
    faulty = [
        POLICY[0],
        {"effect": "ALLOW", "resources": ["proj/*:env"], "actions": ["*"]},
        {"effect": "ALLOW", "resources": ["proj/*"], "notResources": ["proj/*"], "actions": ["*"]},
        {"effect": "ALLOW", "resources": ["proj/*"], "actions": ["viewProject", "fly"]},
    ]
    answer = simulate(server, faulty)
    assert answer.code == "BAD_USER_INPUT"
    assert [violation["path"] for violation in answer.errors[0]["extensions"]["violations"]] == [
        ["policy", 1, "resources", 0],
        ["policy", 2],
        ["policy", 3, "actions", 1],
    ]


def test_it_takes_a_permission_of_its_own(server: Server) -> None:
    answer = simulate(server, token=a_token_with(server, base=BaseRole.WRITER))
    assert answer.code == "FORBIDDEN"
    assert answer.errors[0]["extensions"]["denied"] == [{"action": "simulatePolicy", "resource": "acct"}]
    assert not simulate(server, token=a_token_with(server, base=BaseRole.ADMIN)).errors


def test_what_a_policy_says_of_a_thing_without_tags_can_be_asked(server: Server) -> None:
    resources = [f"{PLACE}:segment/sim-a{end}" for end in ("", ";", ";eap")]
    requests = [{"action": "updateRules", "resource": resource} for resource in resources]
    told = simulate(server, requests=requests)["simulatePolicy"]
    assert [(decision["resource"], decision["allowed"]) for decision in told] == [
        (resources[2], True),
        (resources[0], False),
        (resources[2], True),
    ]
