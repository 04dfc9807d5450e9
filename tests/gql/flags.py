"""Flags over HTTP: created, changed and evaluated as a client does."""

from typing import Any

from tests.servers import Answer, Server

PRODUCTION = {"project": "default", "environment": "production"}
TEST = {"project": "default", "environment": "test"}
ADA = {"kind": "user", "key": "ada"}
FLAG = """{ key name description tags version on offVariation archived variations { index value name }
    targets { variation values } contextTargets { contextKind variation values } prerequisites { key variation }
    rules { id description clauses { attribute op values } serves { variation { index } weight } rollout { bucketBy } }
    fallthrough { variation { index } weight } }"""


def mutate(server: Server, mutation: str, selection: str, /, **wish: Any) -> Answer:
    title = mutation[0].upper() + mutation[1:]
    return server.post(f"mutation ($i: {title}Input!) {{ {mutation}(input: $i) {{ {selection} }} }}", i=wish)


def create(server: Server, name: str, **properties: Any) -> Answer:
    return mutate(server, "createFlag", f"flags {FLAG}", project="default", name=name, **properties)


def update(server: Server, key: str, *instructions: dict[str, Any], **properties: Any) -> Answer:
    wish = {"environment": PRODUCTION, "flagKey": key, "instructions": list(instructions), **properties}
    return mutate(server, "updateFlagTargeting", f"revision flag {FLAG}", **wish)


def updated(server: Server, key: str, *instructions: dict[str, Any]) -> dict[str, Any]:
    flag: dict[str, Any] = update(server, key, *instructions)["updateFlagTargeting"]["flag"]
    return flag


def target(
    server: Server, *instructions: dict[str, Any], environment: str = "production", key: str = "flag"
) -> None:
    ref = {"project": "default", "environment": environment}
    wish = {"environment": ref, "flagKey": key, "instructions": list(instructions)}
    assert mutate(server, "updateFlagTargeting", "revision", **wish)["updateFlagTargeting"]


def value(server: Server, key: str, context: dict[str, Any] = ADA, **variables: Any) -> Any:
    return server.evaluate(key, context, **variables)["evaluate"]["value"]


def violations(answer: Answer) -> dict[str, str]:
    assert answer.code == "BAD_USER_INPUT"
    found = answer.errors[0]["extensions"]["violations"]
    return {".".join(map(str, v["path"])): v["message"] for v in found}
