"""Who may do something, and what allows it, over HTTP."""

from collections.abc import Iterator
from typing import Any

import pytest

from domain.access.members import Member
from domain.access.policies import NewStatement, parse_policy
from domain.access.roles import BasePermissions, BaseRole, Grants, ProjectGrant, ProjectRole, Role
from tests.domain.access.builders import allow, deny
from tests.gql.conftest import a_flag, data_of
from tests.gql.grants import a_token_with, store_access
from tests.servers import Answer, Server

EAP = "proj/default:env/production:segment/eap-a"
WHO_CAN = """query ($a: String!, $r: String!, $f: Int, $c: String) {
  whoCan(action: $a, resource: $r, first: $f, after: $c) { totalCount pageInfo { hasNextPage endCursor }
    nodes { actor member { email } serviceToken { name } allowedBy { policy { source role project } statement { effect resources } } } } }"""
ASKING = (allow("acct", actions=["whoCan"]), allow("proj/default", actions=["viewProject"]))
MEMBERS = {
    "ann": Grants(custom_roles=("eap",), project_roles=(ProjectGrant("default", ProjectRole.VIEWER),)),
    "ben": Grants(base_role=BaseRole.READER, project_roles=(ProjectGrant("default", ProjectRole.MAINTAINER),)),
    "cyd": Grants(base_role=BaseRole.OWNER, custom_roles=("eap",)),
    "dan": Grants(custom_roles=("eap",)),  # who may not view the project
    "eve": Grants(base_role=BaseRole.READER),
}


@pytest.fixture(scope="module")
def service(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """A service with members, and one service token: the owner's."""
    with Server(f"sqlite:///{tmp_path_factory.mktemp('who')}/x.db") as running:
        data = data_of(a_flag("f"), segments=({"key": "eap-a", "tags": ["eap"]}, {"key": "vips"}))
        assert not running.import_flags(data).errors
        policy = parse_policy([allow("proj/*:env/*:segment/*;eap")])
        role = Role(key="eap", name="EAP", base_permissions=BasePermissions.NO_ACCESS, policy=policy)
        members = [Member(email=f"{name}@acme.com", grants=grants) for name, grants in MEMBERS.items()]

        store_access(running, role, *members)
        a_token_with(running)  # which is known here when they are
        yield running


def a_token(service: Server, *statements: NewStatement) -> str:
    return a_token_with(service, [*ASKING, *statements])


def ask(service: Server, action: str = "updateRules", resource: str = EAP, **variables: Any) -> Answer:
    return service.post(WHO_CAN, a=action, r=resource, **variables)


def actors(answer: Answer) -> list[str]:
    return [node["actor"] for node in answer["whoCan"]["nodes"]]


def test_those_who_may_do_it_and_see_it_are_listed_with_every_policy_that_allows_it(service: Server) -> None:
    found = ask(service)["whoCan"]["nodes"]
    nodes = {node["actor"]: node["allowedBy"] for node in found}
    holders = {node["actor"]: (node["member"], node["serviceToken"]) for node in found}
    assert holders["member/ann@acme.com"] == ({"email": "ann@acme.com"}, None)
    assert holders["token/first-owner"] == (None, {"name": "first-owner"})
    assert [name for name in nodes if name.startswith("member/")] == [
        "member/ann@acme.com",
        "member/ben@acme.com",
        "member/cyd@acme.com",
    ]
    by_role = {
        "policy": {"source": "CUSTOM_ROLE", "role": "eap", "project": None},
        "statement": {"effect": "ALLOW", "resources": ["proj/*:env/*:segment/*;eap"]},
    }
    assert nodes["member/ann@acme.com"] == [by_role]
    assert [allowed["policy"] for allowed in nodes["member/ben@acme.com"]] == [
        {"source": "PROJECT_ROLE", "role": "MAINTAINER", "project": "default"}
    ]
    assert [allowed["policy"]["role"] for allowed in nodes["member/cyd@acme.com"]] == ["OWNER", "eap"]


def test_the_tags_that_the_thing_has_decide_unless_others_are_named(service: Server) -> None:
    place = "proj/default:env/production:segment"
    assert "member/ann@acme.com" not in actors(ask(service, resource=f"{place}/vips"))
    assert "member/ann@acme.com" in actors(ask(service, resource=f"{place}/vips;eap"))
    assert "member/ann@acme.com" not in actors(ask(service, resource=f"{place}/eap-a;later"))


def test_the_base_role_of_a_member_counts_as_its_tag(service: Server) -> None:
    admin = a_token_with(service, base=BaseRole.ADMIN)
    can = 'query ($r: String!) { viewer { can(action: "updateRole", resource: $r) } }'
    told = {name: service.post(can, token=admin, r=f"member/{name}@acme.com")["viewer"]["can"] for name in MEMBERS}
    assert told == {"ann": True, "ben": True, "cyd": False, "dan": True, "eve": True}


def test_pages_continue_after_the_last_one_listed(service: Server) -> None:
    whole = actors(ask(service))
    found: list[str] = []
    cursor = None
    for _ in whole:
        answer = ask(service, f=1, c=cursor)
        assert answer["whoCan"]["totalCount"] == len(whole)
        found += actors(answer)
        cursor = answer["whoCan"]["pageInfo"]["endCursor"]
    assert found == whole
    assert not answer["whoCan"]["pageInfo"]["hasNextPage"]


def test_whom_one_may_not_view_is_absent_and_so_is_what_a_role_says_that_one_may_not_view(service: Server) -> None:
    nobody = a_token(service)
    assert actors(ask(service, token=nobody)) == []
    assert ask(service, token=nobody)["whoCan"]["totalCount"] == 0
    few = a_token(service, allow("member/*"), deny("member/*;owner"))
    nodes = ask(service, token=few)["whoCan"]["nodes"]
    assert [(node["actor"], len(node["allowedBy"])) for node in nodes] == [
        ("member/ann@acme.com", 0),
        ("member/ben@acme.com", 1),
    ]
    with_role = a_token(service, allow("member/ann@acme.com", "role/eap"))
    assert len(ask(service, token=with_role)["whoCan"]["nodes"][0]["allowedBy"]) == 1


def test_who_can_do_something_in_a_project_that_one_may_not_view_is_not_told_as_if_there_were_none(
    service: Server,
) -> None:
    permissions = [allow("acct", actions=["whoCan"]), allow("member/*"), allow("role/*")]
    outside = a_token_with(service, permissions)
    for project in ("default", "gone"):
        resource = EAP.replace("default", project)
        answer = ask(service, resource=resource, token=outside)
        assert answer.code == "NOT_FOUND"
        assert answer.errors[0]["message"] == f"project '{project}' does not exist"
    assert ask(service, "createProject", "proj/new")["whoCan"]["totalCount"] > 0
    assert "member/cyd@acme.com" in actors(ask(service, "createRole", "role/new", token=outside))


def test_it_takes_a_permission_of_its_own(service: Server) -> None:
    for token in (a_token_with(service, base=BaseRole.WRITER), a_token_with(service, [allow("member/*")])):
        answer = ask(service, token=token)
        assert answer.code == "FORBIDDEN"
        assert answer.errors[0]["extensions"]["denied"] == [{"action": "whoCan", "resource": "acct"}]
    assert ask(service, token="").code == "UNAUTHENTICATED"


@pytest.mark.parametrize(
    ("action", "resource", "path", "message"),
    [
        ("updateRule", EAP, ["action"], "Did you mean 'updateRules'"),
        ("updateOn", EAP, ["action"], "'updateOn' is no action on things of the type 'proj:env:segment'"),
        ("*", EAP, ["action"], "'*' is no action on things of the type 'proj:env:segment'"),
        ("updateRules", "proj/*:env/e:segment/s", ["resource"], "has '*' at character 6"),
        ("updateRules", "segment/s", ["resource"], "names things of the type 'segment'"),
    ],
)
def test_a_fault_is_told_with_its_place(
    service: Server, action: str, resource: str, path: list[str], message: str
) -> None:
    answer = ask(service, action, resource)
    assert answer.code == "BAD_USER_INPUT"
    [violation] = answer.errors[0]["extensions"]["violations"]
    assert violation["path"] == path
    assert message in violation["message"]


def test_who_can_do_it_to_a_thing_without_its_tags_can_be_asked(service: Server) -> None:
    assert "member/ann@acme.com" in actors(ask(service))
    assert "member/ann@acme.com" not in actors(ask(service, resource=f"{EAP};"))
