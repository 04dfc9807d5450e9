"""What answers of the API say, in the words of the tests."""

import base64

from tests.servers import Answer


def node_id(type_name: str, entity_id: str) -> str:
    return base64.urlsafe_b64encode(f"{type_name}:{entity_id}".encode()).decode()


def violations(answer: Answer) -> list[list[str | int]]:
    assert answer.code == "BAD_USER_INPUT", answer.errors
    return [violation["path"] for violation in answer.errors[0]["extensions"]["violations"]]


def denied(answer: Answer) -> set[str]:
    assert answer.code == "FORBIDDEN", answer.errors
    return {f"{item['action']} {item['resource']}" for item in answer.errors[0]["extensions"]["denied"]}
