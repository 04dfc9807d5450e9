"""Large lists over HTTP: made, filled, changed and looked at as a client does."""

from typing import Any

import httpx

from tests.gql.conftest import a_flag, a_rule_on_segments, data_of
from tests.gql.flags import PRODUCTION
from tests.servers import TOKEN, Answer, Server

CREATE = "mutation ($input: CreateSegmentInput!) { createSegment(input: $input) { segment { kind memberCount } } }"
START = """mutation ($input: StartSegmentImportInput!) {
  startSegmentImport(input: $input) { uploadUrl segmentImport { id state generation } } }"""
LIST = """query ($key: String!, $member: String!) { environment(project: "default", key: "production") {
  segment(key: $key) { kind memberCount version largeList { generation previousGeneration memberKind
    hasMember(key: $member) members(first: 3) { nodes totalCount pageInfo { hasNextPage endCursor } }
    imports { id state mode error counts { lines added already removed duplicates malformed } } } } } }"""
EVALUATE = """query ($key: String!, $context: JSON!) { evaluate(
  environment: {project: "default", environment: "production"}, flagKey: $key, context: $context) {
  value reason { kind bigSegmentsStatus } } }"""


def create(server: Server, key: str, kind: str = "user") -> None:
    new = {"environment": PRODUCTION, "name": key, "key": key, "largeList": {"contextKind": kind}}
    assert server.post(CREATE, input=new)["createSegment"]["segment"]["kind"] == "LARGE_LIST"


def delete(server: Server, key: str) -> None:
    text = "mutation ($input: DeleteSegmentInput!) { deleteSegment(input: $input) { revision } }"
    assert server.post(text, input={"environment": PRODUCTION, "segmentKey": key})["deleteSegment"]


def start(server: Server, key: str, mode: str = "MERGE", **options: Any) -> Answer:
    return server.post(START, input={"environment": PRODUCTION, "segmentKey": key, "mode": mode, **options})


def put(url: str, content: bytes | str, token: str = TOKEN, media_type: str = "text/csv") -> httpx.Response:
    headers = {"Authorization": f"Bearer {token}", "Content-Type": media_type}
    return httpx.put(url, content=content, headers=headers, timeout=120)


def load(server: Server, key: str, content: bytes | str, mode: str = "MERGE", **options: Any) -> dict[str, Any]:
    url = start(server, key, mode, **options)["startSegmentImport"]["uploadUrl"]
    answer = put(url, content)
    assert answer.status_code == 200, answer.text
    report: dict[str, Any] = answer.json()
    return report


def look(server: Server, key: str, member: str = "ann") -> dict[str, Any]:
    found = server.post(LIST, key=key, member=member)["environment"]["segment"]
    return {**found, **(found.pop("largeList") or {})}


def edit(server: Server, mutation: str, key: str, keys: list[str] | None = None, **options: bool) -> Answer:
    kind = f"{mutation[0].upper()}{mutation[1:]}Input"
    text = f"mutation ($input: {kind}!) {{ {mutation}(input: $input) {{ segment {{ memberCount }} revision }} }}"
    given = {
        "environment": PRODUCTION,
        "segmentKey": key,
        **({"keys": keys} if keys is not None else {}),
        **options,
    }
    return server.post(text, input=given)


def value(server: Server, flag: str, context: dict[str, Any]) -> Any:
    return server.post(EVALUATE, key=flag, context=context)["evaluate"]["value"]


def target(server: Server, flag: str, segment: str) -> None:
    rule = a_rule_on_segments(segment)
    server.import_flags(data_of(a_flag(flag, rules=[rule], fallthrough={"variation": 1})), mode="MERGE")
