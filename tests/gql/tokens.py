"""Access tokens over HTTP: made, listed and tried as a client does."""

import base64
import time
from typing import Any

from tests.gql.grants import change
from tests.servers import Server

TOKEN = """id name isService member { email } baseRole customRoles { key } projectRoles { project role }
  policy { effect actions resources } createdAt expiresAt version"""
TOKENS = f"""query ($s: Boolean, $m: String, $r: String) {{
  accessTokens(isService: $s, memberEmail: $m, role: $r) {{ totalCount nodes {{ {TOKEN} }} }} }}"""


def listed(service: Server, token: str | None = None, **variables: Any) -> Any:
    found = service.post(TOKENS, token=token, **variables)["accessTokens"]
    assert found["totalCount"] == len(found["nodes"])
    return found["nodes"]


def names(nodes: list[dict[str, Any]]) -> list[str]:
    return [node["name"] for node in nodes]


MADE = f"accessToken {{ {TOKEN} }} secret"
VIEW = {"effect": "ALLOW", "resources": ["proj/default"], "actions": ["viewProject"]}


def made(service: Server, token: Any = None, **wish: Any) -> Any:
    return change(service, "createAccessToken", MADE, token=token, **wish)["createAccessToken"]


def lives(service: Server, secret: str) -> bool:
    answer = service.post("{ __typename }", token=secret)
    assert not answer.errors or answer.code == "UNAUTHENTICATED"
    return not answer.errors


def once_it_is_dead(service: Server, secret: str) -> None:
    """Wait for the end of a secret: it comes by the clock."""
    deadline = time.monotonic() + 20
    while lives(service, secret):
        assert time.monotonic() < deadline
        time.sleep(0.05)


def sees_project(service: Server, secret: str) -> bool:
    return service.post('{ project(key: "default") { key } }', token=secret)["project"] is not None


def member_id(service: Server, email: str) -> str:
    found = service.post("query ($e: String!) { member(email: $e) { id } }", e=email)["member"]["id"]
    return base64.urlsafe_b64decode(found).decode().partition(":")[2]
