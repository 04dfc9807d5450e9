"""How long pages may be, over HTTP."""

from collections.abc import Iterator

import pytest

from tests.gql.conftest import a_flag, a_rule_on_segments, data_of
from tests.servers import Answer, Server

HERE = 'environment(project: "default", key: "production")'
PROGRAMS = f"{{ {HERE} {{ earlyAccessPrograms {{ nodes {{ %s {{ flag {{ key }} }} }} }} }} }}"


@pytest.fixture(scope="module")
def short(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """A service whose pages have three items, with a program that five flags target."""
    with Server(f"sqlite:///{tmp_path_factory.mktemp('short')}/x.db", max_page_size="3") as server:
        flags = [a_flag(f"f{n}", rules=[a_rule_on_segments("eap")]) for n in range(5)]
        server.import_flags(data_of(*flags, segments=({"key": "eap", "tags": ["eap"], "included": ["ada"]},)))
        yield server


def limit_of(answer: Answer) -> tuple[str, int, int]:
    assert answer.code == "LIMIT_EXCEEDED"
    extensions = answer.errors[0]["extensions"]
    return extensions["setting"], extensions["limit"], extensions["actual"]


@pytest.mark.parametrize(
    "query",
    [
        "{{ projects(first: {first}) {{ totalCount }} }}",
        "{{ auditLog(first: {first}) {{ nodes {{ id }} }} }}",
        "{{ members(first: {first}) {{ totalCount }} }}",
        "{{ tags(first: {first}) {{ totalCount }} }}",
        HERE.join(["{{ ", " {{ flags(first: {first}) {{ totalCount }} }} }}"]),
        HERE.join(["{{ ", " {{ contexts(first: {first}) {{ nodes {{ key }} }} }} }}"]),
        HERE.join(["{{ ", " {{ history(first: {first}) {{ nodes {{ id }} }} }} }}"]),
    ],
)
def test_a_page_is_as_long_as_the_setting_says_and_a_longer_one_is_refused_by_name(
    server: Server, short: Server, query: str
) -> None:
    for place, most in ((server, 100), (short, 3)):
        assert not place.post(query.format(first=most)).errors
        refused = place.post(query.format(first=most + 1))
        assert limit_of(refused) == ("EARLYBIRD_MAX_PAGE_SIZE", most, most + 1)


def test_of_ids_no_more_than_a_page_are_looked_up(short: Server) -> None:
    query = "query ($ids: [ID!]!) { nodes(ids: $ids) { id } }"
    [project] = short.post("{ projects { nodes { id } } }")["projects"]["nodes"]
    assert short.post(query, ids=[project["id"]] * 3)["nodes"] == [project] * 3
    assert limit_of(short.post(query, ids=[project["id"]] * 4)) == ("EARLYBIRD_MAX_PAGE_SIZE", 3, 4)


def test_where_nothing_is_said_a_page_is_no_longer_than_the_setting_says(short: Server) -> None:
    flags = short.post(f"{{ {HERE} {{ flags {{ nodes {{ key }} totalCount }} }} }}")["environment"]["flags"]
    assert (len(flags["nodes"]), flags["totalCount"]) == (3, 5)


@pytest.mark.parametrize(("field", "count"), [("usage", 3), ("usage(first: 2)", 2)])
def test_the_rules_of_a_program_are_cut_likewise(short: Server, field: str, count: int) -> None:
    [program] = short.post(PROGRAMS % field)["environment"]["earlyAccessPrograms"]["nodes"]
    assert len(program["usage"]) == count
    assert limit_of(short.post(PROGRAMS % "usage(first: 4)")) == ("EARLYBIRD_MAX_PAGE_SIZE", 3, 4)
