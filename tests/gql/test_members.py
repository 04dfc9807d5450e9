"""Members over HTTP: who sees whom."""

from collections.abc import Iterator
from typing import Any

import pytest

from domain.access.members import Member
from domain.access.roles import BaseRole, Grants, ProjectGrant, ProjectRole, Role
from tests.domain.access.builders import a_policy, allow, deny
from tests.gql.api import denied, node_id, violations
from tests.gql.grants import a_token, a_token_with, change, entries_of, store_access
from tests.servers import Server

MEMBER = """id email name baseRole version customRoles { key } projectRoles { project role }
  accessTokens { totalCount nodes { name isService member { email } } }"""
MEMBERS = (
    f"query ($q: String, $r: String) {{ members(query: $q, role: $r) {{ totalCount nodes {{ {MEMBER} }} }} }}"
)


@pytest.fixture(scope="module")
def service(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """A service with two members, of which one has roles and a token."""
    folder = tmp_path_factory.mktemp("members")
    with Server(f"sqlite:///{folder}/earlybird.db") as running:
        roles = [Role(key=key, policy=a_policy(allow("proj/*"))) for key in ("eap", "hidden")]
        grants = Grants(
            base_role=BaseRole.WRITER,
            custom_roles=("eap", "hidden", "gone"),
            project_roles=(ProjectGrant("default", ProjectRole.VIEWER), ProjectGrant("gone", ProjectRole.VIEWER)),
        )
        ann = Member(id="ann", email="Ann@acme.com", name="Ann", grants=grants)
        store_access(running, *roles, ann, Member(id="bob", email="bob@acme.com", name="Bob"))
        a_token(running, name="laptop", member_id="ann")
        yield running


def listed(service: Server, token: str | None = None, **variables: Any) -> Any:
    return service.post(MEMBERS, token=token, **variables)["members"]


def test_an_owner_sees_members_with_their_roles_and_tokens(service: Server) -> None:
    found = listed(service)
    assert found["totalCount"] == 2
    assert found["nodes"][0] == {
        "id": node_id("Member", "ann"),
        "email": "Ann@acme.com",
        "name": "Ann",
        "baseRole": "WRITER",
        "version": 1,
        "customRoles": [{"key": "eap"}, {"key": "hidden"}],
        "projectRoles": [{"project": "default", "role": "VIEWER"}],
        "accessTokens": {
            "totalCount": 1,
            "nodes": [{"name": "laptop", "isService": False, "member": {"email": "Ann@acme.com"}}],
        },
    }
    assert [node["email"] for node in listed(service, q="BO")["nodes"]] == ["bob@acme.com"]
    assert [node["email"] for node in listed(service, r="eap")["nodes"]] == ["Ann@acme.com"]
    query = "query ($e: String!, $i: ID!) { member(email: $e) { name } node(id: $i) { ... on Member { name } } }"
    both = service.post(query, e=" ANN@ACME.COM", i=node_id("Member", "ann"))
    assert both.data == {"member": {"name": "Ann"}, "node": {"name": "Ann"}}
    assert service.post(query, e="eve@acme.com", i=node_id("Member", "eve")).data == {"member": None, "node": None}


def test_pages_of_members_follow_their_emails(service: Server) -> None:
    query = """query ($a: String) { members(first: 1, after: $a) { nodes { name }
      pageInfo { hasNextPage endCursor } } }"""
    first = service.post(query)["members"]
    assert (first["nodes"], first["pageInfo"]["hasNextPage"]) == ([{"name": "Ann"}], True)
    second = service.post(query, a=first["pageInfo"]["endCursor"])["members"]
    assert (second["nodes"], second["pageInfo"]["hasNextPage"]) == ([{"name": "Bob"}], False)


def test_what_one_may_not_view_of_members_is_not_there(service: Server) -> None:
    blind = a_token_with(
        service,
        [
            allow("member/*", actions=["viewMember"]),
            deny("member/bob@acme.com", actions=["*"]),
            allow("role/eap", actions=["viewRole"]),
        ],
    )
    [ann] = listed(service, blind)["nodes"]
    assert (ann["email"], ann["customRoles"], ann["projectRoles"]) == ("Ann@acme.com", [{"key": "eap"}], [])
    assert ann["accessTokens"] == {"totalCount": 0, "nodes": []}
    assert listed(service, blind)["totalCount"] == 1
    assert listed(service, blind, r="hidden") == {"totalCount": 0, "nodes": []}
    query = 'query ($i: ID!) { member(email: "bob@acme.com") { name } node(id: $i) { id } }'
    assert service.post(query, token=blind, i=node_id("Member", "bob")).data == {"member": None, "node": None}


@pytest.mark.parametrize("root", ["members", "roles", "accessTokens"])
def test_who_shows_nothing_or_may_nothing_sees_nobody(service: Server, root: str) -> None:
    query = f"{{ {root} {{ totalCount }} }}"
    assert service.post(query, token="").code == "UNAUTHENTICATED"
    assert service.post(query, token=a_token_with(service))[root] == {"totalCount": 0}


def test_a_member_is_created_changed_given_roles_and_deleted(service: Server) -> None:
    roles = {"customRoles": ["eap", "eap"], "projectRoles": [{"project": "default", "role": "DEVELOPER"}]}
    wish = {"email": " Kim@acme.com ", "name": "Kim", "comment": "new", **roles}
    kim = change(service, "createMember", f"member {{ {MEMBER} }}", **wish)["createMember"]["member"]
    assert kim | {"id": "", "accessTokens": {}} == {
        "id": "",
        "email": "kim@acme.com",
        "name": "Kim",
        "baseRole": "NO_ACCESS",
        "version": 1,
        "customRoles": [{"key": "eap"}],
        "projectRoles": [{"project": "default", "role": "DEVELOPER"}],
        "accessTokens": {},
    }
    details = {"memberEmail": "kim@acme.com", "email": "kim@x.edu", "name": "K"}
    changed = change(service, "updateMember", f"member {{ {MEMBER} }}", **details)["updateMember"]["member"]
    assert changed == {**kim, "email": "kim@x.edu", "name": "K", "version": 2}
    given = {"memberEmail": "KIM@X.EDU", "baseRole": "READER", "customRoles": [], "expectedVersion": 2}
    assigned = change(service, "assignRoles", f"member {{ {MEMBER} }}", **given)["assignRoles"]["member"]
    assert assigned == {**changed, "baseRole": "READER", "customRoles": [], "version": 3}
    assert change(service, "assignRoles", "member { id }", **given).code == "VERSION_CONFLICT"
    again = {**given, "expectedVersion": 3}
    assert change(service, "assignRoles", "member { version }", **again)["assignRoles"]["member"]["version"] == 3
    gone = {"memberEmail": "kim@x.edu", "expectedVersion": 3, "comment": "left"}
    deleted = change(service, "deleteMember", "deletedMemberId", **gone)["deleteMember"]
    assert deleted == {"deletedMemberId": kim["id"]}
    assert change(service, "deleteMember", "deletedMemberId", **gone).code == "NOT_FOUND"
    [created] = [entry for entry in entries_of(service, "createMember") if entry["comment"] == "new"]
    assert (created["actor"], created["resource"]) == ("token/first-owner", "member/kim@acme.com")
    [entry] = entries_of(service, "assignRoles")
    assert entry["resource"] == "member/kim@x.edu"
    assert entry["changes"][0]["fields"] == [
        {"path": "baseRole", "before": "NO_ACCESS", "after": "READER"},
        {"path": "customRoles", "before": ["eap"], "after": []},
    ]


def test_an_email_is_one_member_s_in_any_case(service: Server) -> None:
    assert change(service, "createMember", "member { id }", email="ANN@acme.com").code == "ALREADY_EXISTS"
    taken = {"memberEmail": "bob@acme.com", "email": "Ann@Acme.com"}
    assert change(service, "updateMember", "member { id }", **taken).code == "ALREADY_EXISTS"
    own = {"memberEmail": "bob@acme.com", "email": "Bob@acme.com"}
    assert change(service, "updateMember", "member { email }", **own)["updateMember"]["member"] == {
        "email": "bob@acme.com"
    }
    stranger = a_token_with(service)  # who is not told that there is one
    refused = change(service, "createMember", "member { id }", token=stranger, email="ann@acme.com")
    assert denied(refused) == {"createMember member/ann@acme.com;no_access"}


def test_an_email_is_kept_as_it_is_written_but_for_case(service: Server) -> None:
    made = change(service, "createMember", "member { email }", email="Jo@Straße.example")
    assert made["createMember"]["member"] == {"email": "jo@straße.example"}
    wish = {"memberEmail": "jo@straße.example", "email": "Groß@straße.example"}
    changed = change(service, "updateMember", "member { email }", **wish)
    assert changed["updateMember"]["member"] == {"email": "groß@straße.example"}
    same = change(service, "createMember", "member { id }", email="GROSS@STRASSE.example")
    assert same.code == "ALREADY_EXISTS"
    own = a_token_with(service, [allow("member/groß@straße.example", actions=["viewMember"])])
    assert [node["email"] for node in listed(service, own)["nodes"]] == ["groß@straße.example"]


@pytest.mark.parametrize("written", ["carol@acme.com", "Carol@Acme.com"])
def test_a_policy_means_a_member_in_whatever_case_it_is_written(service: Server, written: str) -> None:
    change(service, "createMember", "member { id }", email="Carol@Acme.com")
    denying = [
        allow("member/*", actions=["viewMember", "updateName"]),
        deny(f"member/{written}", actions=["updateName"]),
    ]
    wish = {"memberEmail": "carol@acme.com", "name": "Karl"}
    refused = change(service, "updateMember", "member { id }", token=a_token_with(service, denying), **wish)
    assert denied(refused) == {"updateName member/carol@acme.com;no_access"}
    of_one = a_token_with(service, [allow(f"member/{written}", actions=["viewMember"])])
    assert [node["email"] for node in listed(service, of_one)["nodes"]] == ["carol@acme.com"]


def test_roles_and_projects_that_are_not_there_are_all_named(service: Server) -> None:
    roles = {
        "customRoles": ["eap", "nope"],
        "projectRoles": [{"project": "default", "role": "VIEWER"}, {"project": "nope", "role": "VIEWER"}],
    }
    answer = change(service, "createMember", "member { id }", email="no email", name="n" * 257, **roles)
    assert violations(answer) == [
        ["input", "email"],
        ["input", "name"],
        ["input", "customRoles", 1],
        ["input", "projectRoles", 1, "project"],
    ]
    hidden = [
        allow("member/*", actions=["viewMember", "updateCustomRole"]),
        allow("role/eap", actions=["viewRole"]),
    ]
    wish = {"memberEmail": "ann@acme.com", "customRoles": ["hidden"]}
    refused = change(service, "assignRoles", "member { id }", token=a_token_with(service, hidden), **wish)
    assert violations(refused) == [["input", "customRoles", 0]]


def test_a_member_s_tokens_go_with_him_and_need_no_more(service: Server) -> None:
    store_access(service, Member(id="eve", email="eve@acme.com", grants=Grants(base_role=BaseRole.READER)))
    secret = a_token(service, name="eve's", public_id="eves", member_id="eve")
    assert service.post("{ __typename }", token=secret).data
    leaver = a_token_with(service, [allow("member/*", actions=["viewMember", "deleteMember"])])
    gone = change(service, "deleteMember", "deletedMemberId", token=leaver, memberEmail="eve@acme.com")
    assert not gone.errors
    assert service.post("{ __typename }", token=secret).code == "UNAUTHENTICATED"
    [entry] = [
        entry for entry in entries_of(service, "deleteMember") if entry["resource"] == "member/eve@acme.com"
    ]
    assert [(item["kind"], item["entityId"]) for item in entry["changes"]] == [
        ("member", "eve"),
        ("credential", "eve's"),
    ]


MANAGING = [
    allow("member/*", actions=["*"]),
    allow("role/*", actions=["viewRole", "updateMembers"]),
    allow("proj/default", actions=["viewProject"]),
]


@pytest.mark.parametrize(
    ("roles", "lacked"),
    [
        ({"baseRole": "OWNER"}, "createRole role/*"),
        ({"baseRole": "ADMIN"}, "createRole role/*"),
        ({"baseRole": "WRITER"}, "updateOn proj/*:env/*:flag/*"),
        ({"baseRole": "READER"}, "viewProject proj/*"),
        ({"customRoles": ["eap"]}, "deleteProject proj/*"),
        (
            {"projectRoles": [{"project": "default", "role": "DEVELOPER"}]},
            "updateIncluded proj/default:env/*:segment/*",
        ),
    ],
)
def test_nobody_gives_roles_that_allow_more_than_his_own(
    service: Server, roles: dict[str, Any], lacked: str
) -> None:
    manager = a_token_with(service, MANAGING)
    before = listed(service)
    new = change(service, "createMember", "member { id }", token=manager, email="more@acme.com", **roles)
    assert lacked in denied(new)
    old = change(service, "assignRoles", "member { id }", token=manager, memberEmail="bob@acme.com", **roles)
    assert lacked in denied(old)
    assert listed(service) == before


def test_what_one_has_one_may_give_and_anything_may_be_taken_away(service: Server) -> None:
    manager = a_token_with(service, MANAGING)
    viewer = {"projectRoles": [{"project": "default", "role": "VIEWER"}]}
    new = change(service, "createMember", "member { id }", token=manager, email="less@acme.com", **viewer)
    assert not new.errors
    store_access(service, Member(id="max", email="max@acme.com", grants=Grants(base_role=BaseRole.ADMIN)))
    less = change(
        service,
        "assignRoles",
        "member { baseRole }",
        token=manager,
        memberEmail="max@acme.com",
        baseRole="NO_ACCESS",
    )
    assert less["assignRoles"]["member"] == {"baseRole": "NO_ACCESS"}
    admin = a_token_with(service, base=BaseRole.ADMIN)
    for role, code in (("ADMIN", None), ("OWNER", "FORBIDDEN")):
        answer = change(
            service, "createMember", "member { id }", token=admin, email=f"{role}@acme.com", baseRole=role
        )
        assert (answer.code if answer.errors else None) == code
