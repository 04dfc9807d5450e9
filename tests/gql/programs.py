"""Early access programs over HTTP: flags that target their segments, and the list of those."""

from typing import Any

from tests.gql import flags
from tests.servers import Server

ANN = {"kind": "user", "key": "ann"}
BOB = {"kind": "user", "key": "bob"}


def target(server: Server, name: str, *segment_keys: str) -> str:
    """Create a flag that is on and serves true to those in any of some segments, and nobody else; return its key."""
    key: str = flags.create(server, name)["createFlag"]["flags"][0]["key"]
    clause = {"op": "segmentMatch", "values": list(segment_keys)}
    rule = {"addRule": {"description": f"EAP: {name}", "clauses": [clause], "serve": {"variation": 0}}}
    flags.updated(server, key, rule, {"updateFallthrough": {"variation": 1}}, {"turnOn": True})
    return key


def listed(server: Server, arguments: str = "") -> list[dict[str, Any]]:
    """Read the Segments list."""
    query = f"""{{ environment(project: "default", key: "production") {{ segments{arguments} {{
        nodes {{ key name kind tags description memberCount }} }} }} }}"""
    nodes: list[dict[str, Any]] = server.post(query)["environment"]["segments"]["nodes"]
    return nodes
