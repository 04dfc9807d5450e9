"""The guide to rule-based segments, walked over HTTP: each test is what a section says, and proves its effect.

What a section promises is read back from evaluation, since that is what those in a segment meet.
"""

import time
from typing import Any

import pytest

from tests.gql import flags, segments
from tests.gql.moments import in_seconds, same_moment
from tests.gql.programs import ANN, BOB, listed, target
from tests.servers import Server

EDU = {"contextKind": "user", "attribute": "email", "op": "endsWith", "values": [".edu"]}
ENTERPRISE = {"contextKind": "user", "attribute": "tier", "op": "in", "values": ["enterprise"]}
STUDENT = {"kind": "user", "key": "stu", "email": "stu@college.edu"}
PEOPLE = [{"kind": "user", "key": f"user-{n}", "tier": "enterprise"} for n in range(200)]


pytestmark = pytest.mark.usefixtures("empty")


def individuals(which: str, *keys: str, **more: Any) -> dict[str, Any]:
    return {"addTargets": {"list": which, "keys": list(keys), **more}}


def matching(*segment_keys: str, negate: bool = False) -> dict[str, Any]:
    return {"op": "segmentMatch", "values": list(segment_keys), "negate": negate}


def membership(server: Server, segment_key: str, context: dict[str, Any]) -> dict[str, Any]:
    query = """query ($e: EnvironmentRef, $c: JSON!) { segmentMemberships(environment: $e, context: $c) {
        segment { key } isMember reason ruleIndex ruleId } }"""
    found = server.post(query, e=segments.PRODUCTION, c=context)["segmentMemberships"]
    (one,) = [membership for membership in found if membership.pop("segment")["key"] == segment_key]
    return dict(one)


def served(server: Server, flag_key: str, people: list[dict[str, Any]]) -> set[str]:
    """Return the keys of those who are served true."""
    query = """query ($e: EnvironmentRef, $c: [JSON!]!, $f: [String!]) {
        evaluateBatch(environment: $e, contexts: $c, flagKeys: $f) { results { evaluations { value } } } }"""
    results = server.post(query, e=segments.PRODUCTION, c=people, f=[flag_key])["evaluateBatch"]["results"]
    values = [result["evaluations"][0]["value"] for result in results]
    return {person["key"] for person, value in zip(people, values, strict=True) if value is True}


# Overview


def test_when_the_rules_change_they_change_in_the_segment_only_and_all_flags_follow(server: Server) -> None:
    rule = {"addRule": {"clauses": [EDU]}}
    created = segments.create(server, "Schools", instructions=[rule])["createSegment"]["segment"]
    keys = [target(server, name, "schools") for name in ("One", "Other")]
    assert [flags.value(server, key, STUDENT) for key in keys] == [True, True]
    place = {"ruleId": created["rules"][0]["id"], "clauseIndex": 0}
    segments.updated(server, "schools", {"updateClause": {**place, "clause": {**EDU, "values": [".ac.uk"]}}})
    assert [flags.value(server, key, STUDENT) for key in keys] == [False, False]
    british = {**STUDENT, "email": "stu@college.ac.uk"}
    assert [flags.value(server, key, british) for key in keys] == [True, True]


# Creating rule-based segments


def test_a_segment_is_created_with_a_name_a_key_from_it_a_description_and_tags(server: Server) -> None:
    details = {"description": "Whose e-mail ends in .edu", "tags": ["growth", "schools"]}
    segments.create(server, "Schools & Universities", **details)
    segments.create(server, "Schools", key="schools.v2")
    from_name, by_hand = listed(server)
    assert (by_hand["key"], by_hand["description"], by_hand["tags"]) == ("schools.v2", "", [])
    assert from_name["key"] == "schools-universities"
    assert {name: from_name[name] for name in details} == details
    flag = target(server, "Dashboard", "schools-universities")
    assert flags.value(server, flag, STUDENT) is False, "no targets and no rules: nobody is in it"


# Targeting individual contexts


def test_individuals_are_included_and_excluded_before_any_rule(server: Server) -> None:
    segments.create(server, "Schools", instructions=[{"addRule": {"clauses": [EDU]}}])
    flag = target(server, "Dashboard", "schools")
    excluded = {**BOB, "email": "bob@college.edu"}
    segments.updated(server, "schools", individuals("INCLUDED", "ann"), individuals("EXCLUDED", "bob"))
    assert flags.value(server, flag, ANN) is True, "though no rule matches, and she was never encountered"
    assert flags.value(server, flag, excluded) is False, "though a rule matches"
    assert flags.value(server, flag, STUDENT) is True
    assert membership(server, "schools", ANN)["reason"] == "TARGET"


def test_the_context_kind_is_user_by_default_and_may_be_others(server: Server) -> None:
    segments.create(server, "Kinds")
    flag = target(server, "Dashboard", "kinds")
    more = [individuals("INCLUDED", "acme", contextKind=kind) for kind in ("org", "device")]
    segment = segments.updated(server, "kinds", individuals("INCLUDED", "ann"), *more)
    assert segments.targets(segment) == ["device:acme", "org:acme", "user:ann"]
    answers = {
        kind: flags.value(server, flag, {"kind": kind, "key": "acme"}) for kind in ("org", "device", "user")
    }
    assert answers == {"org": True, "device": True, "user": False}
    segment = segments.updated(server, "kinds", individuals("EXCLUDED", "acme"))
    assert segments.targets(segment, "excluded") == ["user:acme"], (
        "the same key of another kind is another context"
    )


def test_the_same_context_cannot_be_both_included_and_excluded(server: Server) -> None:
    segments.create(server, "Both", instructions=[individuals("INCLUDED", "ann")])
    flag = target(server, "Dashboard", "both")
    ((_, message),) = segments.violations(segments.update(server, "both", individuals("EXCLUDED", "bob", "ann")))
    assert "user:ann" in message
    assert segments.targets(segments.updated(server, "both"), "excluded") == []
    assert flags.value(server, flag, ANN) is True


@pytest.mark.parametrize("which", ["INCLUDED", "EXCLUDED"])
def test_clear_removes_all_of_one_list(server: Server, which: str) -> None:
    segments.create(server, "Cleared", instructions=[{"addRule": {"clauses": [EDU]}}])
    flag = target(server, "Dashboard", "cleared")
    out = {**BOB, "email": "bob@college.edu"}
    segments.updated(server, "cleared", individuals("INCLUDED", "ann"), individuals("EXCLUDED", "bob"))
    segments.updated(server, "cleared", {"clearTargets": {"list": which}})
    assert flags.value(server, flag, ANN) is (which == "EXCLUDED")
    assert flags.value(server, flag, out) is (which == "EXCLUDED")


# Bulk editing individual contexts


def test_many_are_added_removed_and_replaced_of_one_context_kind_at_a_time(server: Server) -> None:
    segments.create(server, "Bulk", instructions=[individuals("INCLUDED", "acme", contextKind="org")])
    flag = target(server, "Dashboard", "bulk")
    keys = [person["key"] for person in PEOPLE]
    segments.updated(server, "bulk", individuals("INCLUDED", *keys))
    assert served(server, flag, PEOPLE) == set(keys)
    segments.updated(server, "bulk", {"removeTargets": {"list": "INCLUDED", "keys": keys[:50]}})
    assert served(server, flag, PEOPLE) == set(keys[50:])
    segments.updated(server, "bulk", {"replaceTargets": {"list": "INCLUDED", "keys": keys[:3]}})
    assert served(server, flag, PEOPLE) == set(keys[:3])
    assert flags.value(server, flag, {"kind": "org", "key": "acme"}) is True


def test_a_text_of_keys_and_emails_is_looked_up_and_then_added_removed_or_put_in_place(server: Server) -> None:
    """Sandy's address means two contexts, one of which is chosen; a key that was never met is added as it is."""
    segments.create(server, "Bulk", instructions=[individuals("INCLUDED", "ann", "bulk-old")])
    flag = target(server, "Dashboard", "bulk")
    sandys = [{"kind": "user", "key": f"bulk-sandy-{n}", "email": "sandy@bulk.test"} for n in (1, 2)]
    served(server, flag, [*sandys, {"kind": "user", "key": "bulk-met"}])
    text = "bulk-met, SANDY@bulk.test\nbulk-unmet,bulk-met\n ann"
    found = resolved(server, text)
    assert [(entry["input"], entry["status"], entry["key"], entry["current"]) for entry in found] == [
        ("bulk-met", "MATCHED", "bulk-met", None),
        ("SANDY@bulk.test", "AMBIGUOUS", None, None),
        ("bulk-unmet", "UNKNOWN", "bulk-unmet", None),
        ("ann", found[3]["status"], "ann", "INCLUDED"),
    ]
    candidates = [context["key"] for context in found[1]["contexts"]]
    assert candidates == ["bulk-sandy-1", "bulk-sandy-2"]
    chosen = [entry["key"] for entry in found if entry["key"]] + candidates[1:]
    assert bulk_edited(server, "ADD", chosen) == {"added": 3, "removed": 0, "unchanged": 1}
    people = [{"kind": "user", "key": key} for key in [*chosen, "bulk-old", "bulk-sandy-1"]]
    assert served(server, flag, people) == {*chosen, "bulk-old"}
    assert bulk_edited(server, "REMOVE", ["bulk-met", "nobody"]) == {"added": 0, "removed": 1, "unchanged": 1}
    assert served(server, flag, people) == {*chosen, "bulk-old"} - {"bulk-met"}
    assert bulk_edited(server, "REPLACE", ["bulk-met", "ann"]) == {"added": 1, "removed": 3, "unchanged": 1}
    assert served(server, flag, people) == {"bulk-met", "ann"}


def resolved(server: Server, text: str) -> list[dict[str, Any]]:
    """Look up a text, once the contexts that were met have been remembered."""
    query = """query ($t: String!) { environment(project: "default", key: "production") {
        contexts(query: "bulk-") { nodes { key } }
        resolveTargets(text: $t, segment: "bulk") { input status key current contexts { key } } } }"""
    give_up = time.monotonic() + 10
    while True:
        environment = server.post(query, t=text)["environment"]
        if len(environment["contexts"]["nodes"]) == 3:
            found: list[dict[str, Any]] = environment["resolveTargets"]
            return found
        assert time.monotonic() < give_up
        time.sleep(0.1)


def bulk_edited(server: Server, action: str, keys: list[str]) -> dict[str, int]:
    mutation = """mutation ($input: BulkEditSegmentTargetsInput!) { bulkEditSegmentTargets(input: $input) {
        counts { added removed unchanged } } }"""
    edit = {"environment": segments.PRODUCTION, "segmentKey": "bulk", "list": "INCLUDED", "action": action}
    counts: dict[str, int] = server.post(mutation, input={**edit, "keys": keys})["bulkEditSegmentTargets"][
        "counts"
    ]
    return counts


# Scheduling context removal from segments


def test_a_removal_is_scheduled_for_existing_contexts_or_with_the_add(server: Server) -> None:
    segments.create(server, "Trial", instructions=[individuals("INCLUDED", "ann")])
    flag = target(server, "Dashboard", "trial")
    soon, later = in_seconds(0.5), in_seconds(3600)
    segments.updated(
        server,
        "trial",
        {"scheduleRemoval": {"list": "INCLUDED", "keys": ["ann"], "removeAt": soon}},
        individuals("INCLUDED", "bob", removeAt=later),
        individuals("INCLUDED", "stu"),
    )
    query = """{ environment(project: "default", key: "production") { segment(key: "trial") {
        scheduledRemovals { nodes { list contextKind key removeAt } } } } }"""
    removals = server.post(query)["environment"]["segment"]["scheduledRemovals"]["nodes"]
    assert [(r["list"], r["contextKind"], r["key"]) for r in removals] == [
        ("INCLUDED", "user", "ann"),
        ("INCLUDED", "user", "bob"),
    ]
    assert same_moment(removals[0]["removeAt"], soon)
    assert same_moment(removals[1]["removeAt"], later)
    assert flags.value(server, flag, ANN) is True
    time.sleep(0.6)
    assert [flags.value(server, flag, context) for context in (ANN, BOB, STUDENT)] == [False, True, True]


def test_an_exclusion_ends_too_and_the_rules_decide_again(server: Server) -> None:
    segments.create(server, "Schools", instructions=[{"addRule": {"clauses": [EDU]}}])
    flag = target(server, "Dashboard", "schools")
    segments.updated(server, "schools", individuals("EXCLUDED", "stu", removeAt=in_seconds(0.5)))
    assert flags.value(server, flag, STUDENT) is False
    time.sleep(0.6)
    assert flags.value(server, flag, STUDENT) is True


# Targeting contexts with rules


def test_a_rule_targets_those_in_segments_or_not_in_them(server: Server) -> None:
    for name, key in (("Friends", "ann"), ("Family", "bob")):
        segments.create(server, name, instructions=[individuals("INCLUDED", key)])
    in_either = {"addRule": {"clauses": [matching("friends", "family")]}}
    segments.create(server, "Near", instructions=[in_either])
    in_neither = {"addRule": {"clauses": [matching("friends", "family", negate=True)]}}
    segments.create(server, "Far", instructions=[in_neither])
    near, far = target(server, "Near ones", "near"), target(server, "Far ones", "far")
    answers = [(flags.value(server, near, c), flags.value(server, far, c)) for c in (ANN, BOB, STUDENT)]
    assert answers == [(True, False), (True, False), (False, True)]


def test_a_custom_rule_has_a_kind_an_attribute_an_operator_values_a_name_and_more_criteria(server: Server) -> None:
    domestic = {"contextKind": "org", "attribute": "/address/country", "op": "in", "values": ["AU", "NZ"]}
    rule = {"addRule": {"description": "Schools down under", "clauses": [EDU, domestic]}}
    segment = segments.create(server, "Schools", instructions=[rule])["createSegment"]["segment"]
    assert (segment["kind"], segment["rules"][0]["description"]) == ("RULE_BASED", "Schools down under")
    flag = target(server, "Dashboard", "schools")

    def both(country: str, email: str) -> dict[str, Any]:
        org = {"key": "college", "address": {"country": country}}
        return {"kind": "multi", "user": {"key": "stu", "email": email}, "org": org}

    assert flags.value(server, flag, both("NZ", "stu@college.edu")) is True
    assert flags.value(server, flag, both("DE", "stu@college.edu")) is False
    assert flags.value(server, flag, both("NZ", "stu@college.com")) is False
    assert flags.value(server, flag, STUDENT) is False, "all criteria must hold"
    segments.updated(server, "schools", {"removeRules": [segment["rules"][0]["id"]]})
    assert flags.value(server, flag, both("NZ", "stu@college.edu")) is False


def test_a_percentage_is_taken_of_the_context_kind_that_is_chosen(server: Server) -> None:
    rule = {"addRule": {"clauses": [ENTERPRISE], "rollout": {"weight": 30_000, "contextKind": "org"}}}
    created = segments.create(server, "Some", instructions=[rule])["createSegment"]["segment"]
    flag = target(server, "Dashboard", "some")

    def of(org: int, user: str) -> bool:
        person = {"key": user, "tier": "enterprise"}
        context = {"kind": "multi", "user": person, "org": {"key": f"org-{org}"}}
        return flags.value(server, flag, context) is True

    first = [of(org, "ann") for org in range(40)]
    assert 1 <= sum(first) <= 30, "30 % of 40: seldom outside by chance, once in a million"
    assert [of(org, "bob") for org in range(40)] == first, "it is the organization that counts, whoever asks"
    everyone = {"updateRule": {"ruleId": created["rules"][0]["id"], "rollout": {"weight": None}}}
    segments.updated(server, "some", everyone)
    assert all(of(org, "ann") for org in range(40))


# Understanding segment rule logic


def test_rules_are_parsed_from_top_to_bottom_in_the_order_that_they_are_given(server: Server) -> None:
    schools = {"addRule": {"description": "Schools", "clauses": [EDU]}}
    first = segments.create(server, "Both", instructions=[schools])["createSegment"]["segment"]["rules"][0]["id"]
    above = {"description": "Enterprise", "clauses": [ENTERPRISE], "beforeRuleId": first}
    segment = segments.updated(server, "both", {"addRule": above})
    assert [rule["description"] for rule in segment["rules"]] == ["Enterprise", "Schools"]
    second = segment["rules"][0]["id"]
    both = {**STUDENT, "tier": "enterprise"}
    matched = {"isMember": True, "reason": "RULE", "ruleIndex": 0}
    assert membership(server, "both", both) == {**matched, "ruleId": second}
    assert membership(server, "both", STUDENT) == {**matched, "ruleIndex": 1, "ruleId": first}
    segments.updated(server, "both", {"reorderRules": [first, second]})
    assert membership(server, "both", both) == {**matched, "ruleId": first}


# Targeting a segment in multiple flags


def test_a_percentage_of_a_segment_is_the_same_contexts_for_each_flag(server: Server) -> None:
    rule = {"addRule": {"clauses": [ENTERPRISE], "rollout": {"weight": 50_000}}}
    segments.create(server, "Half", instructions=[rule])
    keys = [target(server, name, "half") for name in ("One", "Other", "Third")]
    first, *others = [served(server, key, PEOPLE) for key in keys]
    assert 70 <= len(first) <= 130, "half of 200, give or take"
    assert others == [first, first]
    assert all(
        membership(server, "half", person)["isMember"] is (person["key"] in first) for person in PEOPLE[:20]
    )
    without = [{"kind": "user", "key": person["key"]} for person in PEOPLE]
    assert served(server, keys[0], without) == set(), "only of those who match"
