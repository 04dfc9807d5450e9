"""What external tools send for synced segments."""

import time
from typing import Any

import httpx

from tests.gql.lists import LIST
from tests.gql.segments import update
from tests.servers import TOKEN, Server

PATH = "/api/v2/segment-targets/"


def send(server: Server, integration: str, body: Any, token: str = TOKEN, query: str = "") -> httpx.Response:
    headers = {"Authorization": token}
    return server.client.post(f"{PATH}{integration}{query}", json=body, headers=headers)


def a_batch(cohort: str, people: dict[str | None, bool], **fields: Any) -> dict[str, Any]:
    members = [
        {"cohortId": cohort, "cohortName": f"Cohort {cohort[:9]}", "cohortUrl": "https://x.test/c", "value": is_in}
        | ({} if person is None else {"userId": person})
        for person, is_in in people.items()
    ]
    return {"environmentId": "default/production", "batch": members, **fields}


def say(server: Server, cohort: str, message_id: str | None, people: list[Any], *, is_in: bool = True) -> None:
    """Send Amplitude's webhook form of a message."""
    body = {"cohort_name": "Web", "cohort_id": cohort, "in_cohort": is_in} | (
        {} if message_id is None else {"message_id": message_id}
    )
    body["users"] = [{"user_id": person} for person in people]
    assert send(server, "amplitude", body, query="?environmentId=default/production").status_code == 204


def once_it_has(server: Server, key: str, completed: int) -> dict[str, Any]:
    """Look a list up when so many changes are completed: messages are applied after the answer."""
    deadline = time.monotonic() + 30
    while True:
        segment = server.post(LIST, key=key, member="ann")["environment"]["segment"]
        states = [change["state"] for change in segment["largeList"]["imports"]] if segment else []
        if states.count("COMPLETED") == completed:
            update(server, key)  # changes nothing, and is answered once what is stored is served
            segment = server.post(LIST, key=key, member="ann")["environment"]["segment"]
            return {**segment, **segment["largeList"]}
        assert time.monotonic() < deadline, states
        time.sleep(0.02)


def synced(server: Server, integration: str) -> dict[str, tuple[str, int]]:
    """Read an integration's segments: the cohort and the number of members by key."""
    query = """{ environment(project: "default", key: "production") { segments(first: 100) { nodes {
        key memberCount largeList { syncSource { integration cohortId } } } } } }"""
    segments = server.post(query)["environment"]["segments"]["nodes"]
    sources = [(segment, (segment["largeList"] or {}).get("syncSource")) for segment in segments]
    return {
        segment["key"]: (source["cohortId"], segment["memberCount"])
        for segment, source in sources
        if source and source["integration"] == integration
    }
