"""What readers ask, each as those who may: the answers of a sample of it must equal those of a fresh service."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from benchmarks.dataset import contexts
from benchmarks.soak.client import Api
from benchmarks.soak.writers import LIST_KEYS, PEOPLE

PEOPLE_ASKED = 1_000
OWNER, SERVER_SIDE, CLIENT_SIDE = "owner token", "server SDK key, production", "client SDK key, production"
EVALUATION = "{ flagKey value variationIndex reason { kind ruleIndex ruleId bigSegmentsStatus } }"
FIELDS = {
    "evaluate": f"evaluate(PLACE flagKey: $flag, context: $context, default: null) {EVALUATION}",
    "evaluateFlags": f"""evaluateFlags(PLACE context: $context) {{
        contextKey validUntil evaluations {EVALUATION} }}""",
    "evaluateBatch": f"""evaluateBatch(PLACE contexts: [$context, {{kind: "user", key: "{PEOPLE[0]}"}}]) {{
        validUntil results {{ contextKey evaluations {EVALUATION} }} }}""",
    "segmentMemberships": """segmentMemberships(PLACE context: $context) {
        segment { key } isMember reason ruleIndex bigSegmentsStatus }""",
}
OWNERS_PLACE = 'environment: {project: "default", environment: "production"}, '
MANAGEMENT = {
    "earlyAccessPrograms": """{ environment(project: "default", key: "production") { earlyAccessPrograms {
        nodes { segment { key memberCount } flagCount variations { flag { key } variations { value } } } } } }""",
    "usage": """{ environment(project: "default", key: "production") { segment(key: "segment-0") { usage {
        flagCount flags(first: 20) { nodes { flag { key } rule { id } serves { weight } } } } } } }""",
    "flags": """{ environment(project: "default", key: "production") { flags(first: 50) {
        nodes { key on version } } } }""",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Question:
    """One request: whose secret it is sent with, and what it asks."""

    kind: str
    who: str
    query: str
    variables: dict[str, Any]

    def ask(self, api: Api) -> dict[str, Any]:
        """Ask it.

        Raises:
            RefusedError: It was answered with an error.
        """
        return api.ask(self.query, **self.variables)


def evaluation_questions(who: str, number: int) -> Iterator[Question]:
    """Ask all evaluation fields for one context, as one of those who may."""
    for field, text in FIELDS.items():
        if field == "segmentMemberships" and who == CLIENT_SIDE:
            continue
        variables: dict[str, Any] = {"context": a_context(number)}
        parameters = "$context: JSON!"
        if field == "evaluate":
            variables["flag"] = f"flag-{number % 50}"
            parameters += ", $flag: String!"
        place = OWNERS_PLACE if who == OWNER else ""
        query = f"query ({parameters}) {{ {text.replace('PLACE ', place)} }}"
        yield Question(kind=f"{field}, {who}", who=who, query=query, variables=variables)


def management_questions() -> Iterator[Question]:
    """Ask as dashboards do."""
    for name, query in MANAGEMENT.items():
        yield Question(kind=name, who=OWNER, query=query, variables={})


def a_context(number: int) -> dict[str, Any]:
    """Return one of the contexts that are asked about: users, people of segments, and members of lists."""
    place = number % PEOPLE_ASKED
    if number % 3 == 0:
        return {"kind": "user", "key": f"member-{place * (LIST_KEYS // PEOPLE_ASKED)}"}
    if number % 3 == 1:
        return {"kind": "user", "key": PEOPLE[place % len(PEOPLE)]}
    return _USERS[place]


_USERS = contexts(PEOPLE_ASKED)
