"""Who did something, over HTTP: the names of members and tokens are for whoever may view these."""

from collections.abc import Iterator
from typing import Any

import pytest

from domain.access.members import Member
from domain.access.roles import BaseRole, Grants
from tests.domain.access.builders import allow, deny
from tests.gql.grants import a_token, a_token_with, change, store_access
from tests.servers import Server

ANN, CI = "member/ann@acme.com", "token/ci"
LOG = "query ($a: String) { auditLog(actor: $a, first: 100) { nodes { actor action } } }"
IMPORTS = """{ environment(project: "default", key: "production") { history(first: 50) { nodes { actor } }
  segment(key: "list") { largeList { imports { id actor } } history(first: 50) { nodes { actor } } } } }"""
VIEWING = allow("proj/*", actions=["viewProject"])
LISTS = allow("proj/*:env/*:segment/*", actions=["updateIncluded"])


@pytest.fixture(scope="module")
def service(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """A service where a member and a service token, both writers, made a list and began to fill it."""
    with Server(f"sqlite:///{tmp_path_factory.mktemp('actors')}/earlybird.db") as running:
        writer = Grants(base_role=BaseRole.WRITER)
        store_access(running, Member(id="ann", email="ann@acme.com", grants=writer))
        place = {"project": "default", "environment": "production"}
        wish = {"environment": place, "name": "list", "largeList": {"contextKind": "user"}}
        ann, ci = a_token(running, name="laptop", member_id="ann"), a_token(running, name="ci", grants=writer)
        assert not change(running, "createSegment", "revision", token=ann, **wish).errors
        add = {"environment": place, "segmentKey": "list", "keys": ["joe"]}
        assert not change(running, "addSegmentMembers", "revision", token=ci, **add).errors
        start = {"environment": place, "segmentKey": "list", "mode": "MERGE"}
        assert not change(running, "startSegmentImport", "uploadUrl", token=ann, **start).errors
        yield running


def actors(service: Server, token: str | None = None, actor: str | None = None) -> set[str]:
    nodes = service.post(LOG, token=token, a=actor)["auditLog"]["nodes"]
    return {node["actor"] for node in nodes if node["action"] not in {"test", "setUp"}}


def everywhere(service: Server, token: str | None = None) -> set[str]:
    found = service.post(IMPORTS, token=token)["environment"]
    entries = [*found["history"]["nodes"], *found["segment"]["history"]["nodes"]]
    return {thing["actor"] for thing in [*entries, *found["segment"]["largeList"]["imports"]]} - {"system"}


def test_who_may_not_view_somebody_sees_no_name_of_his_and_finds_nothing_by_it(service: Server) -> None:
    stranger = a_token_with(service, [VIEWING])
    assert {ANN, CI} <= actors(service)
    assert actors(service, stranger) == everywhere(service, stranger) == {"member", "token"}
    for actor in (ANN, CI, "member/eve@acme.com", "token/eve", "member", "token"):
        assert actors(service, stranger, actor) == set()
    assert (actors(service, actor=ANN), actors(service, actor=CI)) == ({ANN}, {CI})


@pytest.mark.parametrize(
    ("viewing", "seen"),
    [
        (allow("member/*", actions=["viewMember"]), {ANN, "token"}),
        (allow("member/*;writer", actions=["viewMember"]), {ANN, "token"}),
        (allow("member/bob@*", actions=["viewMember"]), {"member", "token"}),
        (allow("service-token/*;writer", actions=["viewAccessToken"]), {"member", CI}),
        (allow("member/*", "service-token/*", actions=["view*"]), {ANN, CI}),
    ],
)
def test_who_may_view_somebody_sees_what_he_did(service: Server, viewing: Any, seen: set[str]) -> None:
    token = a_token_with(service, [VIEWING, viewing])
    assert actors(service, token) - {"token/first-owner"} == everywhere(service, token) == seen
    assert actors(service, token, ANN) == {ANN} & seen


def test_everybody_sees_himself(service: Server) -> None:
    blind = [VIEWING, LISTS, deny("member/*", actions=["viewMember"])]
    from_inside = a_token_with(service, blind)
    place = {"project": "default", "environment": "production"}
    [open_import] = service.post(IMPORTS)["environment"]["segment"]["largeList"]["imports"][:1]
    cancelled = change(
        service,
        "cancelSegmentImport",
        "segmentImport { actor state }",
        token=from_inside,
        importId=open_import["id"],
    )
    assert cancelled["cancelSegmentImport"]["segmentImport"] == {"actor": "member", "state": "CANCELLED"}
    by_id = "query ($i: ID!) { segmentImport(id: $i) { actor } }"
    assert service.post(by_id, token=from_inside, i=open_import["id"])["segmentImport"] == {"actor": "member"}
    assert service.post(by_id, i=open_import["id"])["segmentImport"] == {"actor": ANN}, "it is stored as it was"
    add = {"environment": place, "segmentKey": "list", "keys": ["jim"]}
    assert not change(service, "addSegmentMembers", "revision", token=from_inside, **add).errors
    own = service.post("{ viewer { actor } }", token=from_inside)["viewer"]["actor"]
    assert own in everywhere(service, from_inside)
    assert actors(service, from_inside, own) == {own}


def test_who_is_gone_is_nobody_whom_everybody_may_view(service: Server) -> None:
    store_access(service, Member(id="bob", email="bob@acme.com", grants=Grants(base_role=BaseRole.WRITER)))
    bob = a_token(service, name="bob's", member_id="bob")
    add = {"environment": {"project": "default", "environment": "test"}, "name": "bobs"}
    assert not change(service, "createSegment", "revision", token=bob, **add).errors
    assert not change(service, "deleteMember", "__typename", memberEmail="bob@acme.com").errors
    stranger = a_token_with(service, [VIEWING])
    viewer = a_token_with(service, [VIEWING, allow("member/bob@*", actions=["viewMember"])])
    for principal, seen in ((stranger, set()), (viewer, {"member/bob@acme.com"})):
        assert actors(service, principal, "member/bob@acme.com") == seen


def test_how_often_who_may_do_what_changed_is_told_to_whoever_may_view_members(service: Server) -> None:
    assert not change(service, "createProject", "project { id }", name="counted").errors
    ways = """query ($p: String!) { auditLog(project: $p, action: "createProject") { nodes { revisions { scope } } }
      project(key: $p) { history { nodes { revisions { scope } } } } }"""

    def scopes(token: str | None) -> list[list[str]]:
        answer = service.post(ways, token=token, p="counted")
        pages = (answer["auditLog"], answer["project"]["history"])
        return [[one["scope"] for entry in page["nodes"] for one in entry["revisions"]] for page in pages]

    assert all("access" in told for told in scopes(None))
    assert all("access" in told for told in scopes(a_token_with(service, base=BaseRole.READER)))
    stranger = scopes(a_token_with(service, [VIEWING]))
    assert stranger == [[scope for scope in told if scope != "access"] for told in scopes(None)]
    assert all(stranger)
