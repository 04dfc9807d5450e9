"""SDK keys over HTTP: what is shown of them, and to whom."""

from typing import Any

from tests.domain.access.builders import allow
from tests.gql.grants import a_token_with
from tests.servers import Server

KEYS = """query ($p: String!) { environment(project: $p, key: "production") {
  sdkKeys { id kind name createdAt expiresAt } } }"""
CREATE_PROJECT = "mutation ($i: CreateProjectInput!) { createProject(input: $i) { sdkKeys { secret } } }"


def keys_of(server: Server, project: str, token: str | None = None) -> Any:
    return server.post(KEYS, token=token, p=project)["environment"]["sdkKeys"]


def test_an_environment_shows_its_keys_but_not_their_secrets(server: Server) -> None:
    assert keys_of(server, "default") == []
    assert not server.post(CREATE_PROJECT, i={"name": "keys"}).errors
    found = keys_of(server, "keys")
    assert [(key["kind"], key["name"], key["expiresAt"]) for key in found] == [
        ("SERVER_SDK_KEY", "production-server", None),
        ("CLIENT_SDK_KEY", "production-client", None),
    ]
    assert all(key["createdAt"].startswith("20") for key in found)
    node = "query ($i: ID!) { node(id: $i) { ... on SdkKey { name } } }"
    assert server.post(node, i=found[1]["id"])["node"] == {"name": "production-client"}


def test_keys_of_a_project_that_one_may_not_view_are_not_there(server: Server) -> None:
    assert not server.post(CREATE_PROJECT, i={"name": "hidden keys"}).errors
    [key, _] = keys_of(server, "hidden-keys")
    blind = a_token_with(server, [allow("proj/default", actions=["viewProject"])])
    assert keys_of(server, "default", blind) == []
    node = "query ($i: ID!) { node(id: $i) { id } }"
    assert server.post(node, token=blind, i=key["id"]).data == {"node": None}
