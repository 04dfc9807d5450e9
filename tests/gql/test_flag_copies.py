"""Copying a flag's targeting between environments over HTTP."""

from typing import Any

import pytest

from tests.gql.conftest import a_flag, a_rule_on_segments, data_of
from tests.gql.flags import ADA, PRODUCTION, TEST, create, mutate, updated, value, violations
from tests.servers import Answer, Server

PAYLOAD = """revision skipped { part key reason segments } flag { version on offVariation targets { variation values }
    contextTargets { contextKind values } prerequisites { key variation } rules { id serves { variation { index } } }
    fallthrough { variation { index } weight } }"""
CLAUSE = {"attribute": "plan", "op": "in", "values": ["pro"]}
RULE = {"id": "by-plan", "clauses": [CLAUSE], "variation": 0}


pytestmark = pytest.mark.usefixtures("empty")


def copy(
    server: Server, source: dict[str, str] = TEST, target: dict[str, str] = PRODUCTION, **wish: Any
) -> Answer:
    return mutate(
        server, "copyFlagTargeting", PAYLOAD, **{"source": source, "target": target, "flagKey": "f", **wish}
    )


def copied(server: Server, **wish: Any) -> dict[str, Any]:
    found: dict[str, Any] = copy(server, **wish)["copyFlagTargeting"]
    return found


def in_test(server: Server, *flags: dict[str, Any], segments: tuple[dict[str, Any], ...] = ()) -> None:
    """Make flags that are off in production, and as they are given in test."""
    for flag in flags:
        create(server, flag["key"])
    server.import_flags(data_of(*flags, segments=segments), environment="test", mode="MERGE")


def test_everything_is_copied_but_the_salt(server: Server) -> None:
    rollout = {"variations": [{"variation": 0, "weight": 40000}, {"variation": 1, "weight": 60000}]}
    source = a_flag(
        "f",
        salt="of-the-test",
        rules=[RULE],
        fallthrough={"rollout": rollout},
        offVariation=0,
        targets=[{"variation": 1, "values": ["ada"]}],
        contextTargets=[
            {"contextKind": "user", "variation": 1, "values": []},
            {"contextKind": "org", "variation": 0, "values": ["acme"]},
        ],
        prerequisites=[{"key": "other", "variation": 0}],
    )
    in_test(server, a_flag("other"), source)
    server.import_flags(data_of(a_flag("other"), a_flag("f", on=False, salt="kept")), mode="MERGE")
    found = copied(server)
    assert found["skipped"] == []
    flag = found["flag"]
    assert (flag["on"], flag["offVariation"], flag["version"]) == (True, 0, 3)
    assert flag["targets"] == [{"variation": 1, "values": ["ada"]}]
    assert flag["contextTargets"][1] == {"contextKind": "org", "values": ["acme"]}
    assert flag["prerequisites"] == [{"key": "other", "variation": 0}]
    assert [rule["id"] for rule in flag["rules"]] == ["by-plan"]
    assert [share["weight"] for share in flag["fallthrough"]] == [40000, 60000]
    assert (value(server, "f"), value(server, "f", {**ADA, "key": "b", "plan": "pro"})) == (False, True)
    # By the target's own salt a context falls where it would have fallen before.
    buckets = [value(server, "f", {"key": f"u{n}"}) for n in range(20)]
    assert set(buckets) == {True, False}
    alone = a_flag("f", salt="kept", fallthrough={"rollout": rollout})
    server.import_flags(data_of(alone), mode="REPLACE")
    assert [value(server, "f", {"key": f"u{n}"}) for n in range(20)] == buckets


@pytest.mark.parametrize("parts", [None, ["RULES"]])
def test_a_flag_that_an_import_brought_to_one_environment_is_new_in_the_other(
    server: Server, parts: list[str] | None
) -> None:
    server.import_flags(data_of(a_flag("f", rules=[RULE], salt="of-the-test")), environment="test", mode="MERGE")
    assert server.evaluate("f", ADA)["evaluate"]["reason"]["errorKind"] == "FLAG_NOT_FOUND"
    found = copied(server, **({} if parts is None else {"include": parts}))
    assert (found["flag"]["on"], found["flag"]["version"]) == (parts is None, 1)
    assert [rule["id"] for rule in found["flag"]["rules"]] == ["by-plan"]
    assert server.evaluate("f", ADA)["evaluate"]["reason"]["kind"] == ("FALLTHROUGH" if parts is None else "OFF")
    query = """{ auditLog(first: 1) { nodes { action revisions { scope }
        changes { kind entityId versionBefore versionAfter } } } }"""
    [entry] = server.post(query)["auditLog"]["nodes"]
    assert entry["action"] == "copyFlagTargeting"
    assert entry["changes"] == [
        {"kind": "targeting", "entityId": "default/production/f", "versionBefore": None, "versionAfter": 1}
    ]
    assert "default/production" in {revision["scope"] for revision in entry["revisions"]}
    assert copied(server, include=["ON"])["flag"]["on"]


def test_only_the_parts_asked_for_are_copied(server: Server) -> None:
    in_test(server, a_flag("f", rules=[RULE], offVariation=0))
    flag = copied(server, include=["RULES", "OFF_VARIATION"])["flag"]
    assert (flag["on"], flag["offVariation"], len(flag["rules"])) == (False, 0, 1)


def test_what_the_target_lacks_is_refused_and_named_and_nothing_changes(server: Server) -> None:
    rules = [a_rule_on_segments("beta", "here"), a_rule_on_segments("here"), a_rule_on_segments("gone", "beta")]
    segments = tuple({"key": key, "version": 1} for key in ("beta", "here", "gone"))
    in_test(server, a_flag("f", rules=rules), segments=segments)
    server.import_flags(data_of(segments=({"key": "here", "version": 1},)), mode="MERGE")
    answer = copy(server)
    assert violations(answer) == {
        "input.source.rules.on-beta-here": "there is no segment 'beta' in default/production",
        "input.source.rules.on-gone-beta": "there is no segment 'beta', 'gone' in default/production",
    }
    assert updated(server, "f")["version"] == 1
    found = copied(server, skipMissing=True)
    assert [rule["id"] for rule in found["flag"]["rules"]] == ["on-here"]
    assert [(s["part"], s["key"], s["segments"]) for s in found["skipped"]] == [
        ("RULES", "on-beta-here", ["beta"]),
        ("RULES", "on-gone-beta", ["beta", "gone"]),
    ]


def test_variations_that_are_others_in_the_target_are_not_served_there(server: Server) -> None:
    create(server, "f")
    create(server, "g")
    own = a_flag(
        "f",
        variations=[True, "other", "third"],
        offVariation=1,
        fallthrough={"variation": 2},
        rules=[RULE, {**RULE, "id": "third", "variation": 2}],
        targets=[{"variation": 1, "values": ["ada"]}],
        prerequisites=[{"key": "g", "variation": 1}, {"key": "only-here", "variation": 0}],
    )
    g = a_flag("g", variations=[True, "mine"])
    server.import_flags(data_of(own, g, a_flag("only-here")), environment="test", mode="MERGE")
    before = updated(server, "f", {"turnOff": True})
    assert set(violations(copy(server))) == {
        "input.source.prerequisites.g",
        "input.source.prerequisites.only-here",
        "input.source.targets",
        "input.source.rules.third",
        "input.source.fallthrough",
        "input.source.offVariation",
    }
    flag = copied(server, skipMissing=True)["flag"]
    assert [rule["id"] for rule in flag["rules"]] == ["by-plan"]
    assert (flag["prerequisites"], flag["targets"], flag["on"]) == ([], [], True)
    assert flag["fallthrough"] == before["fallthrough"]
    assert flag["offVariation"] == before["offVariation"]


def test_a_copy_has_no_more_targets_than_an_edit_may_write(server: Server) -> None:
    keys = [f"user-{number}" for number in range(15_001)]
    in_test(server, a_flag("f", rules=[RULE], targets=[{"variation": 1, "values": keys}]))
    for answer in (copy(server), copy(server, skipMissing=True)):
        assert (answer.code, "EARLYBIRD_MAX_TARGETS" in answer.errors[0]["message"]) == ("LIMIT_EXCEEDED", True)
    assert updated(server, "f")["version"] == 1
    assert copied(server, include=["RULES"])["flag"]["targets"] == []
    # As an edit may keep what an import brought, so may a copy.
    many = [{"variation": 1, "values": keys}]
    server.import_flags(data_of(a_flag("f", targets=many)), mode="MERGE")
    assert len(copied(server)["flag"]["targets"][0]["values"]) == len(keys)


def test_what_no_edit_could_write_is_refused_or_left_out(server: Server) -> None:
    def rule(name: str, serves: dict[str, Any] | None = None, **clause: Any) -> dict[str, Any]:
        return {"id": name, "clauses": [CLAUSE | clause]} | ({"variation": 0} if serves is None else serves)

    weights = {"rollout": {"variations": [{"variation": 0, "weight": 7}]}}
    bad = [
        rule("pattern", op="matches", values=["("]),
        rule("operator", op="resembles"),
        {"id": "everybody", "clauses": [], "variation": 0},
        rule("nothing", {}),
        rule("short", weights),
        rule("empty", values=[]),
        rule("attribute", attribute="", contextKind="user"),
    ]
    targets = [{"variation": 0, "values": ["x" * 1_025]}]
    in_test(server, a_flag("f", rules=[*bad, RULE], fallthrough={}, targets=targets))
    before = updated(server, "f", {"turnOn": True})
    assert before["version"] == 2
    refused = violations(copy(server))
    rules = {f"input.source.rules.{one['id']}" for one in bad}
    assert set(refused) == rules | {"input.source.fallthrough", "input.source.targets"}
    assert refused["input.source.rules.pattern"] == "clauses.0.values.0: '(' can never match with matches"
    assert refused["input.source.fallthrough"] == "needs a variation or a rollout"
    assert updated(server, "f")["version"] == 2
    found = copied(server, skipMissing=True)
    assert [one["id"] for one in found["flag"]["rules"]] == ["by-plan"]
    assert {(left["part"], left["key"]) for left in found["skipped"]} == {
        *(("RULES", one["id"]) for one in bad),
        ("FALLTHROUGH", None),
        ("TARGETS", None),
    }
    assert (found["flag"]["targets"], found["flag"]["fallthrough"]) == ([], before["fallthrough"])
    assert value(server, "f", ADA) is not None, "it serves on as it served"


def test_what_the_target_has_too_may_stay_though_no_edit_could_write_it(server: Server) -> None:
    bad = {"id": "pattern", "clauses": [CLAUSE | {"op": "matches", "values": ["("]}], "variation": 0}
    flag = a_flag("f", rules=[bad], fallthrough={}, targets=[{"variation": 0, "values": ["x" * 1_025]}])
    in_test(server, flag | {"rules": [bad, RULE]})
    server.import_flags(data_of(flag), mode="MERGE")
    found = copied(server)
    assert ([one["id"] for one in found["flag"]["rules"]], found["skipped"]) == (["pattern", "by-plan"], [])


def test_a_copy_has_no_more_rules_prerequisites_and_patterns_than_an_edit_may_write(server: Server) -> None:
    others = [a_flag(f"p{number}") for number in range(101)]
    prerequisites = [{"key": other["key"], "variation": 0} for other in others]
    in_test(server, *others, a_flag("f", rules=[RULE] * 1_001, prerequisites=prerequisites))
    assert violations(copy(server)) == {
        "input.source.prerequisites": "would be 101 prerequisites: at most 100 are allowed",
        "input.source.rules": "would be 1001 rules: at most 1000 are allowed",
    }
    flag = copied(server, skipMissing=True)["flag"]
    assert (flag["rules"], flag["prerequisites"]) == ([], [])


def test_a_circle_of_prerequisites_is_refused_even_when_told_to_go_on(server: Server) -> None:
    in_test(server, a_flag("f", prerequisites=[{"key": "g", "variation": 0}]), a_flag("g"))
    updated(server, "g", {"addPrerequisites": [{"key": "f", "variation": 0}]})
    answer = copy(server, skipMissing=True)
    assert violations(answer)["input.source.prerequisites.g"].endswith("f -> g -> f")
    assert updated(server, "f")["version"] == 1


def test_a_copy_is_one_entry_that_names_its_source_and_copying_again_none(server: Server) -> None:
    in_test(server, a_flag("f", rules=[RULE]))
    first = copied(server, comment="promoted")
    assert copied(server)["revision"] == first["revision"]
    log = "{ auditLog(first: 2) { nodes { action resource comment summary changes { entityId rules { ruleId kind } } } } }"
    newest, older = server.post(log)["auditLog"]["nodes"]
    assert older["action"] == "importFlagData"
    assert (newest["action"], newest["comment"]) == ("copyFlagTargeting", "promoted")
    assert newest["resource"] == "proj/default:env/production:flag/f"
    assert newest["summary"]["source"] == "default/test"
    assert newest["changes"] == [
        {"entityId": "default/production/f", "rules": [{"ruleId": "by-plan", "kind": "ADDED"}]}
    ]


def test_a_copy_is_held_to_the_version_in_the_target(server: Server) -> None:
    in_test(server, a_flag("f", version=5))
    refused = copy(server, expectedVersion=5)
    assert (refused.code, refused.errors[0]["extensions"]["actualVersion"]) == ("VERSION_CONFLICT", 1)
    assert copied(server, expectedVersion=1)["flag"]["version"] == 2


def test_both_environments_must_be_there_and_be_two_of_one_project(server: Server) -> None:
    create(server, "f")
    for target in (TEST, {"project": "another", "environment": "production"}):
        assert list(violations(copy(server, target=target))) == ["input.target"]
    nowhere = {"project": "default", "environment": "nowhere"}
    assert copy(server, target=nowhere).code == "NOT_FOUND"
    assert copy(server, source=nowhere).code == "NOT_FOUND"
    server.import_flags(data_of(a_flag("only-in-test")), environment="test", mode="MERGE")
    for wish in (
        {"flagKey": "only-in-test", "expectedVersion": 1},
        {"flagKey": "nowhere", "target": TEST, "source": PRODUCTION},
    ):
        answer = copy(server, **wish)
        assert answer.code == "NOT_FOUND"
        assert answer.errors[0]["message"].endswith("does not exist in default/production")
    assert value(server, "f", ADA) is False
