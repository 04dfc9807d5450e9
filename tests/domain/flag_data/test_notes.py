"""What is noted of flag data that is read."""

from typing import Any

from tests.domain.flag_data.reading import FLAG_PROPERTIES, SEGMENT_PROPERTIES, read_flag, read_segment


def test_properties_that_nobody_knows_are_ignored_and_noted() -> None:
    flag, segment = read_flag(rule=[], On=True), read_segment(members=[])
    assert flag.notes == ("ignored the property 'On'", "ignored the property 'rule'")
    assert segment.notes == ("ignored the property 'members'",)
    assert flag.targeting.on is False


def test_operators_that_nobody_knows_are_kept_and_noted() -> None:
    rules: list[Any] = [{"clauses": [{"op": "sortOf"}, {"op": "in"}, {"op": "segmentMatch"}]}]
    flag, segment = read_flag(rules=rules), read_segment(rules=rules)
    assert [clause.op for clause in flag.targeting.rules[0].clauses] == ["sortOf", "in", "segmentMatch"]
    assert flag.notes == segment.notes == ("kept the operator 'sortOf', which is unknown and never matches",)


def test_rules_that_share_an_id_are_noted() -> None:
    rules: list[Any] = [{"id": id_, "clauses": [], "variation": 0} for id_ in ("x", "y", "", "x", "")]
    note = "kept 2 rules with the id 'x': edits call each by its place, as in '#0'"
    assert read_flag(rules=rules, variations=[1]).notes == (note,)
    assert note in read_segment(rules=rules).notes


def test_known_properties_are_not_noted() -> None:
    assert read_flag(**dict.fromkeys(FLAG_PROPERTIES)).notes == ()
    assert read_segment(**dict.fromkeys(SEGMENT_PROPERTIES)).notes == ()
