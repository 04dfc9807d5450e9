"""What an edit may write at most, over HTTP; what an import brought beyond that stays."""

from typing import Any

import pytest

from tests.gql.conftest import a_flag, data_of
from tests.gql.flags import PRODUCTION, violations
from tests.servers import Answer, Server

SEGMENT = {"environment": PRODUCTION, "segmentKey": "s"}
FLAG = {"environment": PRODUCTION, "flagKey": "f"}
PROJECT_FLAG = {"project": "default", "flagKey": "f"}
CLAUSE = {"attribute": "tier", "op": "in", "values": ["gold"]}
RULE = {"clauses": [CLAUSE]}
SERVING = {**RULE, "serve": {"variation": 0}}
IMPORTED = {"clauses": [CLAUSE], "variation": 0}
SHARES = [{"variation": 0, "weight": 0}] * 100 + [{"variation": 0, "weight": 100_000}]
TAGS = [f"t{n}" for n in range(101)]
LONG = "x" * 4_097
BOOLEAN = {"value": True}


def mutate(server: Server, mutation: str, wish: dict[str, Any]) -> Answer:
    title = mutation[0].upper() + mutation[1:]
    return server.post(f"mutation ($i: {title}Input!) {{ {mutation}(input: $i) {{ __typename }} }}", i=wish)


@pytest.fixture(scope="module")
def full(server: Server) -> None:
    """A flag and a segment that hold as much as they may."""
    server.import_flags({})
    segment = {
        "key": "s",
        "tags": TAGS[:100],
        "rules": [{"id": "first", "clauses": [CLAUSE] * 100}, *[{"clauses": [CLAUSE]}] * 999],
    }
    flag = a_flag(
        "f",
        variations=[*range(100)],
        rules=[{**IMPORTED, "id": "long", "clauses": [{**CLAUSE, "values": [*range(5_000)]}]}, *[IMPORTED] * 999],
    )
    assert not server.import_flags(data_of(flag, segments=(segment,))).errors


def instructed(*instructions: dict[str, Any]) -> dict[str, Any]:
    return {"instructions": list(instructions)}


TOO_MUCH: list[tuple[str, dict[str, Any], str, str]] = [
    ("updateSegment", SEGMENT | instructed({"addRule": RULE}), "instructions.0.addRule", "1001 rules"),
    (
        "updateSegment",
        SEGMENT | instructed({"addClauses": {"ruleId": "first", "clauses": [CLAUSE]}}),
        "instructions.0.addClauses.clauses",
        "101 clauses",
    ),
    ("updateSegment", SEGMENT | instructed({"addTags": ["more"]}), "instructions.0.addTags", "101 tags"),
    ("updateSegment", SEGMENT | instructed({"updateName": "x" * 257}), "instructions.0.updateName", "257"),
    (
        "updateSegment",
        SEGMENT | instructed({"updateDescription": LONG}),
        "instructions.0.updateDescription",
        "4097",
    ),
    ("updateSegment", SEGMENT | instructed(*[{"addTags": ["t1"]}] * 201), "instructions", "201 instructions"),
    ("updateSegment", SEGMENT | {"comment": LONG} | instructed(), "comment", "4097"),
    (
        "updateSegment",
        SEGMENT | instructed({"updateRule": {"ruleId": "first", "description": LONG}}),
        "instructions.0.updateRule.description",
        "4097",
    ),
    (
        "updateFlagTargeting",
        FLAG | instructed({"addRule": SERVING}),
        "instructions.0.addRule",
        "1001 rules",
    ),
    (
        "updateFlagTargeting",
        FLAG | instructed({"replaceRules": [SERVING] * 1_001}),
        "instructions.0.replaceRules",
        "1001 rules",
    ),
    (
        "updateFlagTargeting",
        FLAG | instructed({"replaceRules": [{**SERVING, "clauses": [CLAUSE] * 101}]}),
        "instructions.0.replaceRules.0.clauses",
        "101 clauses",
    ),
    (
        "updateFlagTargeting",
        FLAG | instructed({"replaceRules": [{**SERVING, "description": LONG}]}),
        "instructions.0.replaceRules.0.description",
        "4097",
    ),
    (
        "updateFlagTargeting",
        FLAG | instructed({"addValuesToClause": {"ruleId": "long", "clauseIndex": 0, "values": ["more"]}}),
        "instructions.0.addValuesToClause.values",
        "5001 values",
    ),
    (
        "updateFlagTargeting",
        FLAG | instructed({"removeValuesFromClause": {"ruleId": "long", "clauseIndex": 0, "values": [0] * 5_001}}),
        "instructions.0.removeValuesFromClause.values",
        "5001 values",
    ),
    (
        "updateFlagTargeting",
        FLAG
        | instructed(
            {"updateClause": {"ruleId": "long", "clauseIndex": 0, "clause": {**CLAUSE, "values": [0] * 5_001}}}
        ),
        "instructions.0.updateClause.clause.values",
        "5001 values",
    ),
    (
        "updateFlagTargeting",
        FLAG | instructed({"updateFallthrough": {"rollout": {"variations": SHARES}}}),
        "instructions.0.updateFallthrough.rollout.variations",
        "101 shares",
    ),
    (
        "updateFlagTargeting",
        FLAG | instructed({"addPrerequisites": [{"key": f"p{n}", "variation": 0} for n in range(101)]}),
        "instructions.0.addPrerequisites",
        "101 prerequisites",
    ),
    (
        "updateFlag",
        PROJECT_FLAG | instructed({"addVariation": BOOLEAN}),
        "instructions.0.addVariation",
        "101 variations",
    ),
    (
        "updateFlag",
        PROJECT_FLAG | instructed({"addVariation": {**BOOLEAN, "name": "x" * 257, "description": LONG}}),
        "instructions.0.addVariation.name",
        "257",
    ),
    (
        "createFlag",
        {"project": "default", "name": "n", "variations": [BOOLEAN] * 101},
        "variations",
        "101 variations",
    ),
    (
        "createFlag",
        {"project": "default", "name": "n", "variations": [{**BOOLEAN, "description": LONG}]},
        "variations.0.description",
        "4097",
    ),
    ("createFlag", {"project": "default", "name": "n", "description": LONG}, "description", "4097"),
    ("createFlag", {"project": "default", "name": "n", "tags": TAGS}, "tags", "101 tags"),
    ("createSegment", {"environment": PRODUCTION, "key": "n", "name": "x" * 257}, "name", "257"),
    ("createSegment", {"environment": PRODUCTION, "name": "n", "description": LONG}, "description", "4097"),
    ("createSegment", {"environment": PRODUCTION, "name": "n", "tags": TAGS}, "tags", "101 tags"),
    ("createProject", {"key": "n", "name": "x" * 257}, "name", "257"),
    ("createProject", {"name": "n", "comment": LONG}, "comment", "4097"),
    ("createEnvironment", {"project": "default", "name": "n", "tags": TAGS}, "tags", "101 tags"),
    ("createEnvironment", {"project": "default", "name": "n", "comment": LONG}, "comment", "4097"),
    ("updateProject", {"project": "default", "comment": LONG} | instructed({"addTags": ["t"]}), "comment", "4097"),
]


@pytest.mark.usefixtures("full")
@pytest.mark.parametrize(("mutation", "wish", "path", "amount"), TOO_MUCH)
def test_what_exceeds_a_limit_is_refused_where_it_stands(
    server: Server, mutation: str, wish: dict[str, Any], path: str, amount: str
) -> None:
    found = violations(mutate(server, mutation, wish))
    message = found[f"input.{path}"]
    assert amount in message
    assert "at most" in message


UNSEEN: list[tuple[str, dict[str, Any], str]] = [
    ("createSegment", {"environment": PRODUCTION, "key": "n", "name": "n\0l"}, "name"),
    ("updateSegment", SEGMENT | instructed({"updateName": "two\nlines"}), "instructions.0.updateName"),
    ("createProject", {"key": "n", "name": "\x1b[31mred"}, "name"),
    (
        "updateFlag",
        PROJECT_FLAG | instructed({"renameVariation": {"index": 0, "name": "n\0l"}}),
        "instructions.0.renameVariation.name",
    ),
]


@pytest.mark.usefixtures("full")
@pytest.mark.parametrize(("mutation", "wish", "path"), UNSEEN)
def test_names_hold_no_control_characters(server: Server, mutation: str, wish: dict[str, Any], path: str) -> None:
    assert violations(mutate(server, mutation, wish)) == {f"input.{path}": "holds a control character"}


def test_what_an_import_brought_beyond_the_limits_stays_and_may_shrink(server: Server) -> None:
    long = {**CLAUSE, "values": [*range(5_010)]}
    rules: list[dict[str, Any]] = [{"id": f"r{n}", "clauses": [long, *[CLAUSE] * 100]} for n in range(2)]
    rules += [{"id": f"r{n}", "clauses": [CLAUSE]} for n in range(2, 1_002)]
    segment = {"key": "s", "tags": [*TAGS, "more"], "rules": rules}
    assert not server.import_flags(data_of(segments=(segment,))).errors
    shrinking: list[dict[str, Any]] = [
        {"removeRules": ["r1001"]},
        {"removeClauses": {"ruleId": "r0", "clauseIndexes": [100]}},
        {"removeValuesFromClause": {"ruleId": "r1", "clauseIndex": 0, "values": [1, 2]}},
        {"addValuesToClause": {"ruleId": "r1", "clauseIndex": 0, "values": [3]}},
        {"updateRule": {"ruleId": "r0", "description": "long"}},
        {"addTags": ["more"]},
        {"removeTags": ["more"]},
    ]
    assert not mutate(server, "updateSegment", SEGMENT | instructed(*shrinking)).errors


def test_more_targets_of_a_flag_than_the_limit_are_refused_and_the_way_out_is_named(server: Server) -> None:
    def add(variation: int, keys: list[str]) -> Answer:
        adding = {"addTargets": {"variation": variation, "keys": keys}}
        return mutate(server, "updateFlagTargeting", FLAG | instructed(adding))

    server.import_flags(data_of(a_flag("f")))
    keys = [f"u{n}" for n in range(15_001)]
    for answer in (add(0, keys), [add(0, keys[:10_000]), add(1, keys[10_000:])][1]):
        assert answer.code == "LIMIT_EXCEEDED"
        assert answer.errors[0]["extensions"] == {
            "code": "LIMIT_EXCEEDED",
            "setting": "EARLYBIRD_MAX_TARGETS",
            "limit": 15_000,
            "actual": 15_001,
        }
        assert "large list" in answer.errors[0]["message"]
    assert not add(1, keys[10_000:15_000]).errors


def test_targets_that_an_import_brought_beyond_the_limit_stay(server: Server) -> None:
    flag = a_flag("f", targets=[{"variation": 0, "values": [f"u{n}" for n in range(15_010)]}])
    assert not server.import_flags(data_of(flag)).errors
    moved = [
        {"removeTargets": {"variation": 0, "keys": ["u1", "u2"]}},
        {"addTargets": {"variation": 1, "keys": ["u1", "u2"]}},
    ]
    assert not mutate(server, "updateFlagTargeting", FLAG | instructed(*moved)).errors
    more = {"addTargets": {"variation": 1, "keys": ["more"]}}
    assert mutate(server, "updateFlagTargeting", FLAG | instructed(more)).code == "LIMIT_EXCEEDED"


def matching(*numbers: int) -> dict[str, Any]:
    clause = {"attribute": "email", "op": "matches", "values": [f"^user{number}@" for number in numbers]}
    return {"clauses": [clause]}


@pytest.mark.parametrize("mutation", ["updateSegment", "updateFlagTargeting"])
def test_regular_expressions_are_bounded_in_an_edit_and_in_a_thing(server: Server, mutation: str) -> None:
    """To compile one takes some twenty microseconds, in which nobody is served."""
    server.import_flags({})
    assert not server.import_flags(data_of(a_flag("f"), segments=({"key": "s"},))).errors
    place, serving = (SEGMENT, {}) if mutation == "updateSegment" else (FLAG, {"serve": {"variation": 0}})
    half, more = ({"addRule": matching(*numbers) | serving} for numbers in (range(1_000), range(1_001)))
    assert violations(mutate(server, mutation, place | instructed(half, more))) == {
        "input.instructions.1.addRule.clauses.0.values": (
            "at most 2000 regular expressions are allowed in one edit"
        )
    }
    assert not mutate(server, mutation, place | instructed(half)).errors
    assert violations(mutate(server, mutation, place | instructed(more))) == {
        "input.instructions": "would be 2001 regular expressions in all rules: at most 2000 are allowed"
    }
    assert not mutate(server, mutation, place | instructed(half)).errors
