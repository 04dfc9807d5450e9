"""A secret that a mutation makes is answered, whatever else is asked for in the same document, over HTTP."""

from collections.abc import Iterator
from typing import Any

import pytest
from graphql import get_named_type, is_nullable_type
from strawberry.schema.schema_converter import GraphQLCoreConverter

from gql.schema import build_schema
from tests.servers import Answer, Server

COST = 150
BYTES = 30_000
PRODUCTION = '{project: "default", environment: "production"}'
MUTATIONS = {
    "createAccessToken": ('name: "%s", isService: true, baseRole: READER', "accessToken", "secret"),
    "resetAccessToken": ('accessTokenId: "%s", gracePeriodSeconds: 60', "accessToken", "secret"),
    "rotateSdkKey": (f"environment: {PRODUCTION}, kind: SERVER_SDK_KEY, comment: %s", "sdkKey", "secret"),
    "createProject": ('name: "%s"', "project", "sdkKeys { environmentKey kind secret }"),
    "createEnvironment": (
        'project: "default", name: "%s"',
        "environment",
        "sdkKeys { environmentKey kind secret }",
    ),
}
DEAR = {
    "EARLYBIRD_MAX_RESULT_COST": [f"a{n}: id" for n in range(60)],  # beside 100 for the thing itself
    "EARLYBIRD_MAX_RESPONSE_BYTES": [f"{'n' * 3_000}{n}: id" for n in range(11)],
}
HOLDS = "What was changed holds"


@pytest.fixture(scope="module", params=DEAR)
def limited(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[tuple[Server, str]]:
    """A service whose answers may cost little, or be short, and the setting that says so."""
    settings = {"max_result_cost": str(COST)} if "COST" in request.param else {"max_response_bytes": str(BYTES)}
    with Server(f"sqlite:///{tmp_path_factory.mktemp('limited')}/x.db", **settings) as running:
        yield running, request.param


def create(name: str, selection: str) -> str:
    return f'createAccessToken(input: {{name: "{name}", isService: true, baseRole: READER}}) {{ {selection} }}'


def all_of(setting: str) -> str:
    return " ".join(DEAR[setting])


def names(server: Server) -> list[str]:
    nodes = server.post("{ accessTokens(first: 20) { nodes { name } } }")["accessTokens"]["nodes"]
    return [node["name"] for node in nodes]


def secrets_in(payload: dict[str, Any]) -> list[str]:
    return [payload["secret"]] if "secret" in payload else [key["secret"] for key in payload["sdkKeys"]]


def settings_of(answer: Answer) -> set[str]:
    return {error["extensions"]["setting"] for error in answer.errors}


@pytest.mark.parametrize("mutation", MUTATIONS)
def test_what_is_asked_beside_a_secret_takes_none_of_its_room(limited: tuple[Server, str], mutation: str) -> None:
    server, setting = limited
    wish, part, secret = MUTATIONS[mutation]
    if mutation == "resetAccessToken":
        made = server.post(f"mutation {{ {create('reset', 'accessToken { id }')} }}")
        of = made["createAccessToken"]["accessToken"]["id"]
    else:
        of = '""' if mutation == "rotateSdkKey" else f"{mutation} beside"
    answer = server.post(
        f"mutation {{ {mutation}(input: {{{wish % of}}}) {{ {part} {{ {all_of(setting)} }} {secret} }} }}"
    )
    assert settings_of(answer) == {setting}
    assert [error["path"][:2] for error in answer.errors] == [[mutation, part]]
    assert answer.errors[0]["message"].startswith(HOLDS)
    assert answer.data is not None
    payload = answer.data[mutation]
    assert payload[part] is None
    for one in secrets_in(payload):
        assert server.post("{ __typename }", token=one)["__typename"] == "Query"


def test_whatever_shows_a_secret_completes_all_else_after_it() -> None:
    schema = build_schema()._schema  # noqa: SLF001 - Strawberry has no public name for it
    assert schema.mutation_type
    payloads = {get_named_type(field.type) for field in schema.mutation_type.fields.values()}
    showing = {payload.name: payload.fields for payload in payloads if set(payload.fields) & {"secret", "sdkKeys"}}
    assert len(showing) == len(MUTATIONS)
    for name, fields in showing.items():
        for key in fields.keys() - {"secret", "sdkKeys"}:
            definition = fields[key].extensions[GraphQLCoreConverter.DEFINITION_BACKREF]
            assert (is_nullable_type(fields[key].type), definition.is_async) == (True, True), f"{name}.{key}"


def test_a_mutation_is_not_begun_when_those_before_it_left_no_room_for_a_secret(
    limited: tuple[Server, str],
) -> None:
    server, setting = limited
    dear = f"accessToken {{ {all_of(setting)} }}"
    answer = server.post(f"mutation {{ {create('first', dear)} second: {create('second', 'secret')} }}")
    assert settings_of(answer) == {setting}
    first, second = answer.errors
    assert first["message"].startswith(HOLDS)
    assert (second["path"], second["message"][:27]) == (["second"], "This mutation was not begun")
    assert second["extensions"]["actual"] > second["extensions"]["limit"]
    assert answer.data == {"createAccessToken": {"accessToken": None}, "second": None}
    assert "first" in names(server)
    assert "second" not in names(server)


def test_a_mutation_is_not_begun_after_answers_that_took_more_than_half(limited: tuple[Server, str]) -> None:
    server, setting = limited
    some = " ".join(DEAR[setting][:6])  # 3,000 bytes each, or 100 and 6 in all
    first = create("half", f"accessToken {{ {some} }}")
    answer = server.post(f"mutation {{ {first} other: {create('other half', 'secret')} }}")
    assert (answer.code, settings_of(answer), answer.errors[0]["path"]) == ("LIMIT_EXCEEDED", {setting}, ["other"])
    assert answer.data is not None
    assert answer.data["createAccessToken"]["accessToken"]
    assert "half" in names(server)
    assert "other half" not in names(server)


def test_a_secret_after_answers_that_took_less_than_half_is_answered(limited: tuple[Server, str]) -> None:
    server, setting = limited
    some = " ".join(DEAR[setting][: len(DEAR[setting]) // 3])
    before = f'createSegment(input: {{environment: {PRODUCTION}, name: "s"}}) {{ segment {{ {some} }} }}'
    dear = f"accessToken {{ {all_of(setting)} }} secret"
    answer = server.post(f"mutation {{ {before} {create('third', dear)} }}")
    assert settings_of(answer) == {setting}
    assert [error["path"] for error in answer.errors] == [["createAccessToken", "accessToken"]]
    assert answer.data is not None
    assert answer.data["createSegment"]["segment"]
    assert server.post("{ __typename }", token=answer.data["createAccessToken"]["secret"])["__typename"] == "Query"


@pytest.mark.parametrize("limited", ["EARLYBIRD_MAX_RESPONSE_BYTES"], indirect=True)
def test_where_a_whole_answer_is_too_long_the_error_says_that_what_was_changed_holds(
    limited: tuple[Server, str],
) -> None:
    """Only as it is written out: characters are counted while it is made, and many of these take two bytes."""
    server, _ = limited
    name = "ü" * 200
    many = " ".join(f"a{n}: name" for n in range(90))
    query = f"mutation {{ {create(name, f'secret accessToken {{ {many} }}')} }}"
    answer = server.post(query)
    assert (answer.code, answer.data) == ("LIMIT_EXCEEDED", None)
    assert answer.errors[0]["message"].startswith(HOLDS)
    assert name in names(server)
    reading = server.post(f"{{ accessTokens {{ nodes {{ {many} }} }} }}")
    assert reading.code == "LIMIT_EXCEEDED"
    assert HOLDS not in reading.errors[0]["message"]
