"""Segments over HTTP: created and changed as a client does."""

from typing import Any

from tests.servers import Answer, Server

PRODUCTION = {"project": "default", "environment": "production"}
SEGMENT = """{ key name description tags version kind memberCount
    rules { id description weight bucketBy rolloutContextKind clauses { contextKind attribute op values negate } }
    included { nodes { contextKind key } } excluded { nodes { contextKind key } } }"""


def create(server: Server, name: str, **properties: Any) -> Answer:
    query = f"mutation ($i: CreateSegmentInput!) {{ createSegment(input: $i) {{ revision segment {SEGMENT} }} }}"
    return server.post(query, i={"environment": PRODUCTION, "name": name, **properties})


def update(server: Server, key: str, *instructions: dict[str, Any], **properties: Any) -> Answer:
    query = f"mutation ($i: UpdateSegmentInput!) {{ updateSegment(input: $i) {{ revision segment {SEGMENT} }} }}"
    wish = {"environment": PRODUCTION, "segmentKey": key, "instructions": list(instructions), **properties}
    return server.post(query, i=wish)


def updated(server: Server, key: str, *instructions: dict[str, Any]) -> dict[str, Any]:
    segment: dict[str, Any] = update(server, key, *instructions)["updateSegment"]["segment"]
    return segment


def targets(segment: dict[str, Any], which: str = "included") -> list[str]:
    return [f"{c['contextKind']}:{c['key']}" for c in segment[which]["nodes"]]


def violations(answer: Answer) -> list[tuple[str, str]]:
    assert answer.code == "BAD_USER_INPUT"
    found = answer.errors[0]["extensions"]["violations"]
    return [(".".join(map(str, v["path"])), v["message"]) for v in found]


def bulk_edit(server: Server, action: str, keys: list[str], which: str = "INCLUDED", **properties: Any) -> Answer:
    query = """mutation ($i: BulkEditSegmentTargetsInput!) { bulkEditSegmentTargets(input: $i) { revision
      counts { added removed unchanged } segment { version included { nodes { contextKind key } }
        excluded { nodes { contextKind key } } } } }"""
    wish = {"environment": PRODUCTION, "segmentKey": "s", "list": which, "action": action, "keys": keys}
    return server.post(query, i=wish | properties)
