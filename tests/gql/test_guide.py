"""The guide to early access programs, walked over HTTP: each test is what a section says, and proves its effect.

What a section promises is read back from evaluation, since that is what the people of a program meet.
"""

from typing import Any

import pytest

from tests.gql import flags, lists, segments, syncs
from tests.gql.programs import ANN, BOB, listed, target
from tests.servers import Server

PROGRAM = {"description": "Early access to the new dashboard.", "tags": ["eap"]}
OPTED_IN = {"contextKind": "user", "attribute": "eap-opt-in", "op": "in", "values": ["yes"]}


pytestmark = pytest.mark.usefixtures("empty")


def opted_in(*values: str) -> dict[str, Any]:
    return {**ANN, "eap-opt-in": values[0] if len(values) == 1 else list(values)}


def programs(server: Server, arguments: str = "") -> dict[str, dict[str, Any]]:
    """Read the programs by the keys of their segments."""
    query = f"""{{ environment(project: "default", key: "production") {{ earlyAccessPrograms{arguments} {{ nodes {{
        active flagCount segment {{ key kind memberCount }}
        usage {{ flag {{ key }} on rule {{ description }} negated path {{ key }}
          serves {{ variation {{ value }} weight }} }}
        variations {{ flag {{ key }} variations {{ value }} }} }} }} }} }}"""
    nodes = server.post(query)["environment"]["earlyAccessPrograms"]["nodes"]
    return {node["segment"]["key"]: node for node in nodes}


def four_programs(server: Server) -> dict[str, str]:
    """Create a program of each kind with Ann in it; return the kinds by key."""
    syncs.send(server, "amplitude", syncs.a_batch("beta", {"ann": True}))
    segments.updated(server, "amplitude-beta", {"addTags": ["eap"]})
    segments.create(server, "eap: Large", largeList={"contextKind": "user"}, **PROGRAM)
    lists.load(server, "eap-large", "ann\n")
    rule = {"addRule": {"clauses": [OPTED_IN]}}
    segments.create(server, "eap: Ruled", instructions=[rule], **PROGRAM)
    included = {"addTargets": {"list": "INCLUDED", "keys": ["ann"]}}
    segments.create(server, "eap: Individuals", instructions=[included], **PROGRAM)
    return {
        "amplitude-beta": "SYNCED",
        "eap-individuals": "INDIVIDUAL_TARGETS",
        "eap-large": "LARGE_LIST",
        "eap-ruled": "RULE_BASED",
    }


# Decide on a segment type


def test_there_are_four_ways_and_an_eap_tag_makes_them_easy_to_search_for(server: Server) -> None:
    kinds = four_programs(server)
    segments.create(server, "Something else")
    assert {found["key"]: found["kind"] for found in listed(server, '(tags: ["eap"])')} == kinds
    assert len(listed(server)) == 5


# Segments synced with an external tool


@pytest.mark.parametrize("tool", ["amplitude", "segment-audiences"])
def test_a_cohort_appears_automatically_in_the_list_and_can_be_tagged(server: Server, tool: str) -> None:
    assert syncs.send(server, tool, syncs.a_batch("beta", {"ann": True, "cat": True})).status_code == 204
    (found,) = listed(server)
    assert (found["key"], found["name"], found["kind"], found["tags"]) == (
        f"{tool}-beta",
        "Cohort beta",
        "SYNCED",
        [],
    )
    segments.updated(server, f"{tool}-beta", {"addTags": ["eap"]}, {"updateDescription": "Their beta."})
    (found,) = listed(server, '(tags: ["eap"])')
    assert (found["description"], found["memberCount"]) == ("Their beta.", 2)
    flag = target(server, "Dashboard", f"{tool}-beta")
    assert flags.value(server, flag, ANN) is True
    assert flags.value(server, flag, BOB) is False


def test_changes_in_the_external_tool_sync_automatically(server: Server) -> None:
    syncs.send(server, "amplitude", syncs.a_batch("beta", {"ann": True}))
    segments.updated(server, "amplitude-beta", {"addTags": ["eap"]})
    flag = target(server, "Dashboard", "amplitude-beta")
    syncs.send(server, "amplitude", syncs.a_batch("beta", {"ann": False, "bob": True}))
    assert flags.value(server, flag, ANN) is False
    assert flags.value(server, flag, BOB) is True
    assert listed(server)[0]["tags"] == ["eap"], "what was set here outlives what the tool says"


# Large list-based segments


@pytest.mark.parametrize("kind", ["user", "customer"])
def test_a_csv_file_without_a_header_row_populates_the_segment(server: Server, kind: str) -> None:
    segments.create(server, "eap: New dashboard", largeList={"contextKind": kind}, **PROGRAM)
    (found,) = listed(server)
    assert (found["key"], found["kind"], found["memberCount"]) == ("eap-new-dashboard", "LARGE_LIST", 0)
    report = lists.load(server, "eap-new-dashboard", "ann,Ann,a@x.edu\ncat,Cat,c@x.edu\n")
    assert (report["added"], report["memberCount"]) == (2, 2)
    flag = target(server, "Dashboard", "eap-new-dashboard")
    assert flags.value(server, flag, {"kind": kind, "key": "ann"}) is True
    assert flags.value(server, flag, {"kind": kind, "key": "bob"}) is False
    assert flags.value(server, flag, {"kind": "device", "key": "ann"}) is False, "all are of one context kind"


def test_overwrite_replaces_all_existing_contexts(server: Server) -> None:
    segments.create(server, "eap: Large", largeList={"contextKind": "user"}, **PROGRAM)
    lists.load(server, "eap-large", "ann\n")
    flag = target(server, "Dashboard", "eap-large")
    lists.load(server, "eap-large", "bob\n", "OVERWRITE", acknowledgeRemoval=True)
    assert (flags.value(server, flag, ANN), flags.value(server, flag, BOB)) == (False, True)


def test_merge_adds_to_the_existing_contexts(server: Server) -> None:
    segments.create(server, "eap: Large", largeList={"contextKind": "user"}, **PROGRAM)
    lists.load(server, "eap-large", "ann\n")
    flag = target(server, "Dashboard", "eap-large")
    lists.load(server, "eap-large", "bob\n")
    assert (flags.value(server, flag, ANN), flags.value(server, flag, BOB)) == (True, True)


# Rule-based segments


def test_all_contexts_that_match_the_rule_are_included(server: Server) -> None:
    """A rule of one criterion takes all who opted in; a second one beside it narrows it."""
    segments.create(server, "eap: New dashboard", **PROGRAM)
    flag = target(server, "Dashboard", "eap-new-dashboard")
    assert flags.value(server, flag, opted_in("yes")) is False, "no targets and no rules: nobody is in it"
    rule = {"addRule": {"description": "Opted in", "clauses": [OPTED_IN]}}
    segment = segments.updated(server, "eap-new-dashboard", rule)
    assert (segment["kind"], segment["rules"][0]["weight"]) == ("RULE_BASED", None)
    assert flags.value(server, flag, opted_in("yes")) is True
    assert flags.value(server, flag, opted_in("no")) is False
    assert flags.value(server, flag, ANN) is False
    beside = {"contextKind": "user", "attribute": "tier", "op": "in", "values": ["premium"]}
    more = {"addClauses": {"ruleId": segment["rules"][0]["id"], "clauses": [beside]}}
    segments.updated(server, "eap-new-dashboard", more)
    assert flags.value(server, flag, opted_in("yes")) is False
    assert flags.value(server, flag, {**opted_in("yes"), "tier": "premium"}) is True


def test_an_array_of_values_puts_a_customer_in_several_programs(server: Server) -> None:
    keys = []
    for program in ("eap1", "eap2"):
        rule = {"addRule": {"clauses": [{**OPTED_IN, "values": [program]}]}}
        segments.create(server, f"eap: {program}", instructions=[rule], **PROGRAM)
        keys.append(target(server, f"Feature of {program}", f"eap-{program}"))
    served = [
        [flags.value(server, key, context) for key in keys]
        for context in (opted_in("eap1"), opted_in("eap2"), opted_in("eap1", "eap2"), ANN)
    ]
    assert served == [[True, False], [False, True], [True, True], [False, False]]


def test_the_existing_rule_is_edited_and_a_new_one_added(server: Server) -> None:
    rule = {"addRule": {"clauses": [OPTED_IN]}}
    created = segments.create(server, "eap: Ruled", instructions=[rule], **PROGRAM)["createSegment"]["segment"]
    flag = target(server, "Dashboard", "eap-ruled")
    place = {"ruleId": created["rules"][0]["id"], "clauseIndex": 0}
    segments.updated(server, "eap-ruled", {"addValuesToClause": {**place, "values": ["maybe"]}})
    assert flags.value(server, flag, opted_in("maybe")) is True
    invited = {"contextKind": "user", "attribute": "email", "op": "endsWith", "values": [".edu"]}
    segments.updated(server, "eap-ruled", {"addRule": {"clauses": [invited]}})
    assert flags.value(server, flag, {**ANN, "email": "ann@x.edu"}) is True
    segments.updated(server, "eap-ruled", {"removeValuesFromClause": {**place, "values": ["maybe"]}})
    assert flags.value(server, flag, opted_in("maybe")) is False


# Segments with individual targets


def test_contexts_are_included_or_excluded_though_never_encountered(server: Server) -> None:
    segments.create(server, "eap: Small", **PROGRAM)
    flag = target(server, "Dashboard", "eap-small")
    segment = segments.updated(
        server,
        "eap-small",
        {"addTargets": {"list": "INCLUDED", "keys": ["ann"]}},
        {"addTargets": {"list": "EXCLUDED", "keys": ["bob"]}},
    )
    assert (segment["kind"], segment["memberCount"]) == ("INDIVIDUAL_TARGETS", 1)
    assert (flags.value(server, flag, ANN), flags.value(server, flag, BOB)) == (True, False)


def test_context_kinds_other_than_user_may_be_added(server: Server) -> None:
    segments.create(server, "eap: Small", **PROGRAM)
    flag = target(server, "Dashboard", "eap-small")
    added = {"addTargets": {"list": "INCLUDED", "contextKind": "customer", "keys": ["acme"]}}
    segments.updated(server, "eap-small", added)
    assert flags.value(server, flag, {"kind": "customer", "key": "acme"}) is True
    assert flags.value(server, flag, {"kind": "user", "key": "acme"}) is False


def test_the_settings_of_a_segment_can_be_edited_further(server: Server) -> None:
    segments.create(server, "Small")
    wishes = ({"updateName": "eap: Small"}, {"updateDescription": "By hand."})
    segment = segments.updated(server, "small", *wishes, {"addTags": ["eap"]})
    assert (segment["key"], segment["name"], segment["description"]) == ("small", "eap: Small", "By hand.")
    assert [found["key"] for found in listed(server, '(tags: ["eap"])')] == ["small"]


def test_members_are_viewed_added_and_removed(server: Server) -> None:
    start = {"addTargets": {"list": "INCLUDED", "keys": ["ann"]}}
    segments.create(server, "eap: Small", instructions=[start], **PROGRAM)
    flag = target(server, "Dashboard", "eap-small")
    segment = segments.updated(server, "eap-small", {"addTargets": {"list": "INCLUDED", "keys": ["bob"]}})
    assert segments.targets(segment) == ["user:ann", "user:bob"]
    assert flags.value(server, flag, BOB) is True
    segment = segments.updated(server, "eap-small", {"removeTargets": {"list": "INCLUDED", "keys": ["ann"]}})
    assert segments.targets(segment) == ["user:bob"]
    assert flags.value(server, flag, ANN) is False


# Target segments in your EAP-related flags


def test_a_rule_between_existing_rules_serves_a_variation_to_those_in_the_segments(server: Server) -> None:
    """The rule may be made while the flag is off, has a name with EAP in it, and names several segments."""
    four_programs(server)
    flags.create(server, "Layout", variations=[{"value": text} for text in ("old", "new", "first", "last")])
    staff = {"attribute": "staff", "op": "in", "values": [True]}
    everybody = {"attribute": "key", "op": "startsWith", "values": [""]}
    flag = flags.updated(
        server,
        "layout",
        {"addRule": {"clauses": [staff], "serve": {"variation": 2}}},
        {"addRule": {"clauses": [everybody], "serve": {"variation": 3}}},
    )
    clause = {"op": "segmentMatch", "values": ["eap-individuals", "eap-ruled"]}
    rule = {
        "description": "EAP: Layout",
        "clauses": [clause],
        "serve": {"variation": 1},
        "beforeRuleId": flag["rules"][1]["id"],
    }
    flag = flags.updated(server, "layout", {"addRule": rule}, {"updateOffVariation": {"variation": 0}})
    assert [r["description"] for r in flag["rules"]] == ["", "EAP: Layout", ""]
    assert flags.value(server, "layout", ANN) == "old"
    flags.updated(server, "layout", {"turnOn": True})
    assert flags.value(server, "layout", {**ANN, "staff": True}) == "first"
    assert flags.value(server, "layout", ANN) == "new"
    assert flags.value(server, "layout", {**BOB, "eap-opt-in": "yes"}) == "new"
    assert flags.value(server, "layout", BOB) == "last"


def test_a_change_of_the_segment_reaches_every_flag_that_targets_it(server: Server) -> None:
    """The exact same contexts every time, for each of the four kinds, without a change of any flag."""
    kinds = four_programs(server)
    keys = [target(server, f"{word} {kind}", kind) for kind in kinds for word in ("One", "Other")]
    carl = {"kind": "user", "key": "carl", "eap-opt-in": "later"}
    assert [flags.value(server, key, carl) for key in keys] == [False] * 8
    syncs.send(server, "amplitude", syncs.a_batch("beta", {"carl": True}))
    lists.load(server, "eap-large", "carl\n")
    segments.updated(server, "eap-individuals", {"addTargets": {"list": "INCLUDED", "keys": ["carl"]}})
    later = {"addRule": {"clauses": [{**OPTED_IN, "values": ["later"]}]}}
    segments.updated(server, "eap-ruled", later)
    assert [flags.value(server, key, carl) for key in keys] == [True] * 8


# Find active EAPs


def test_a_segment_tells_how_many_flags_target_it_and_which_variations_they_serve(server: Server) -> None:
    for key in four_programs(server):
        flags.create(server, f"Plain {key}")
        target(server, f"Feature {key}", key)
        target(server, f"Sleeping {key}", key)
        flags.updated(server, f"sleeping-{key}", {"turnOff": True})
        query = """query ($key: String!) { environment(project: "default", key: "production") { segment(key: $key) {
            usage { flagCount flags { nodes { flag { key } on rule { description }
              serves { variation { value } weight } } } } } } }"""
        usage = server.post(query, key=key)["environment"]["segment"]["usage"]
        everybody = [{"variation": {"value": True}, "weight": 100000}]
        assert usage == {
            "flagCount": 2,
            "flags": {
                "nodes": [
                    {
                        "flag": {"key": f"{name.lower()}-{key}"},
                        "on": name == "Feature",
                        "rule": {"description": f"EAP: {name} {key}"},
                        "serves": everybody,
                    }
                    for name in ("Feature", "Sleeping")
                ]
            },
        }


def test_one_query_finds_the_active_programs_of_all_kinds(server: Server) -> None:
    kinds = four_programs(server)
    assert {key: found["active"] for key, found in programs(server).items()} == dict.fromkeys(kinds, False)
    for key in kinds:
        target(server, f"Feature {key}", key)
    found = programs(server, "(active: true)")
    assert {key: program["segment"]["kind"] for key, program in found.items()} == kinds
    for key, program in found.items():
        flag = {"flag": {"key": f"feature-{key}"}}
        assert program["flagCount"] == 1
        assert program["variations"] == [{**flag, "variations": [{"value": True}]}]
    flags.updated(server, "feature-eap-large", {"turnOff": True})
    flags.mutate(server, "archiveFlag", "flags { key }", project="default", flagKey="feature-eap-ruled")
    assert list(programs(server, "(active: true)")) == ["amplitude-beta", "eap-individuals"]
    assert list(programs(server, "(active: false)")) == ["eap-large", "eap-ruled"]


def test_a_program_is_active_through_another_segment_that_a_flag_targets(server: Server) -> None:
    four_programs(server)
    nested = {"addRule": {"clauses": [{"op": "segmentMatch", "values": ["eap-large"]}]}}
    segments.create(server, "All of them", instructions=[nested])
    flag = target(server, "Dashboard", "all-of-them")
    assert flags.value(server, flag, ANN) is True
    (found,) = programs(server, "(active: true)").values()
    assert found["segment"]["key"] == "eap-large"
    assert [step["key"] for step in found["usage"][0]["path"]] == ["all-of-them"]
