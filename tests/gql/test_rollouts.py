"""Rollouts of flags, written and read over HTTP."""

from typing import Any

import pytest

from tests.gql.flags import PRODUCTION, create, mutate, update
from tests.servers import Server

OPTED_IN = {"attribute": "eap-opt-in", "op": "in", "values": ["yes"]}


pytestmark = pytest.mark.usefixtures("empty")


def test_a_rollout_is_read_as_it_was_written_by_a_rule_and_by_the_fallthrough(server: Server) -> None:
    create(server, "f")
    split = "kind contextKind bucketBy seed"
    shares = "variation { index } weight untracked"
    read = f"""flag {{ fallthrough {{ {shares} }} fallthroughRollout {{ {split} }}
        rules {{ serves {{ {shares} }} rollout {{ {split} }} }} }}"""
    weights = [
        {"variation": 0, "weight": 30000, "untracked": True},
        {"variation": 1, "weight": 70000, "untracked": False},
    ]
    how = {"kind": "EXPERIMENT", "contextKind": "org", "bucketBy": "plan", "seed": 2**62 + 1}
    rollout = {"rollout": {"variations": weights, **how}}
    wish = {"environment": PRODUCTION, "flagKey": "f"}
    rule = {"addRule": {"clauses": [OPTED_IN], "serve": rollout}}
    instructions = [rule, {"updateFallthrough": rollout}]
    flag = mutate(server, "updateFlagTargeting", read, **wish, instructions=instructions)["updateFlagTargeting"][
        "flag"
    ]
    written = [{**share, "variation": {"index": share["variation"]}} for share in weights]
    assert flag["rules"] == [{"serves": written, "rollout": how}]
    assert (flag["fallthrough"], flag["fallthroughRollout"]) == (written, how)
    alone = [{"updateFallthrough": {"variation": 1}}]
    flag = mutate(server, "updateFlagTargeting", read, **wish, instructions=alone)["updateFlagTargeting"]["flag"]
    assert flag["fallthroughRollout"] is None
    assert flag["fallthrough"] == [{"variation": {"index": 1}, "weight": 100000, "untracked": False}]


@pytest.mark.parametrize("seed", [2**63, -(2**63), 0.5, 1e300, True, "7", [7]])
def test_a_seed_that_flag_data_cannot_hold_is_refused(server: Server, seed: Any) -> None:
    create(server, "f")
    rollout = {"variations": [{"variation": 0, "weight": 100000}], "seed": seed}
    assert update(server, "f", {"updateFallthrough": {"rollout": rollout}}).code == "BAD_USER_INPUT"


@pytest.mark.parametrize("seed", ["0", "-9223372036854775807", "61.0"])
def test_a_seed_is_a_whole_number_in_a_document_too(server: Server, seed: str) -> None:
    create(server, "f")
    mutation = f"""mutation {{ updateFlagTargeting(input: {{
        environment: {{project: "default", environment: "production"}}, flagKey: "f", instructions: [
        {{updateFallthrough: {{rollout: {{variations: [{{variation: 0, weight: 100000}}], seed: {seed}}}}}}}]}}) {{
        flag {{ fallthroughRollout {{ seed }} }} }} }}"""
    answered = server.post(mutation)["updateFlagTargeting"]["flag"]["fallthroughRollout"]["seed"]
    assert (answered, type(answered)) == (int(float(seed)) if "." in seed else int(seed), int)
