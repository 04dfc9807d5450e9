"""Who asks learns who he is and what he may do, over HTTP; and what he is told is what the gate lets pass."""

import base64
import time
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from domain.access.actions import ACTIONS
from domain.access.members import Member
from domain.access.roles import BaseRole, Grants, ProjectGrant, ProjectRole
from tests.domain.access.builders import a_policy, allow, deny
from tests.gql.conftest import a_flag, data_of
from tests.gql.grants import a_token, a_token_with, store_access
from tests.servers import Server

HERE = 'environment(project: "default", key: "production")'
VIEWING = allow("proj/default", actions=["viewProject"])
BY_TAG = allow("proj/*:env/*:segment/*;eap")
UPDATE_SEGMENT = "mutation ($i: UpdateSegmentInput!) { updateSegment(input: $i) { segment { viewerCan } } }"
SEGMENTS = (
    {"key": "a", "tags": ["eap"]},
    {"key": "b", "tags": ["other"]},
)
WHOLE = """{ viewer { actor kind member { email } accessToken { name } sdkKey { kind }
  evaluatesOnlyIn { project environment } rights { policies { source role project
  statements { effect resources notResources actions notActions } } } } }"""
CAN = "query ($a: String!, $r: String!) { viewer { can(action: $a, resource: $r) } }"


@pytest.fixture(scope="module")
def service(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    with Server(f"sqlite:///{tmp_path_factory.mktemp('viewer')}/x.db") as running:
        data = data_of(a_flag("f", tags=["beta"]), segments=SEGMENTS)
        for environment in ("production", "test"):
            assert not running.import_flags(data, environment=environment).errors
        create = 'mutation { createProject(input: {name: "hidden", tags: ["hush"]}) { project { id } } }'
        assert not running.post(create).errors
        yield running


@pytest.fixture(scope="module")
def holder(service: Server) -> str:
    return a_token_with(service, [VIEWING, BY_TAG, allow("proj/*;hush:env/*")])


@pytest.fixture
def can(service: Server, holder: str) -> Callable[[str, str], bool]:
    def ask(action: str, resource: str) -> bool:
        allowed: bool = service.post(CAN, token=holder, a=action, r=resource)["viewer"]["can"]
        return allowed

    return ask


def test_the_first_owner_is_told_his_name_and_his_role(service: Server) -> None:
    viewer = service.post(WHOLE)["viewer"]
    assert (viewer["actor"], viewer["kind"]) == ("token/first-owner", "SERVICE_TOKEN")
    [rights] = viewer["rights"]
    [policy] = rights["policies"]
    assert (policy["source"], policy["role"], policy["project"]) == ("BASE_ROLE", "OWNER", None)
    assert "acct" in policy["statements"][0]["resources"]
    assert policy["statements"][0]["actions"] == ["*"]


def test_the_policy_of_a_custom_role_is_told_as_it_was_written(service: Server, holder: str) -> None:
    viewer = service.post(WHOLE, token=holder)["viewer"]
    [rights] = viewer["rights"]
    base, custom = rights["policies"]
    assert (base["role"], base["statements"]) == ("NO_ACCESS", [])
    assert (custom["source"], custom["role"]) == ("CUSTOM_ROLE", viewer["actor"].removeprefix("token/"))
    assert custom["statements"][1] == {
        "effect": "ALLOW",
        "resources": ["proj/*:env/*:segment/*;eap"],
        "notResources": None,
        "actions": ["*"],
        "notActions": None,
    }


def test_a_member_is_told_of_himself_though_he_may_view_no_members_and_of_the_token_he_shows(
    service: Server,
) -> None:
    grants = Grants(project_roles=(ProjectGrant("default", ProjectRole.DEVELOPER),))
    ann = Member(id="ann", email="ann@acme.com", grants=grants)
    store_access(service, ann)
    policy = a_policy(
        allow("proj/default"), allow("proj/*:env/*:segment/a", actions=["updateRules", "deleteSegment"])
    )
    for name, restriction in (("whole", None), ("part", policy)):
        token = a_token(service, name=name, member_id=ann.id, policy=restriction)
        viewer = service.post(WHOLE, token=token)["viewer"]
        assert (viewer["actor"], viewer["kind"]) == ("member/ann@acme.com", "MEMBER")
        assert (viewer["member"], viewer["accessToken"]) == ({"email": "ann@acme.com"}, {"name": name})
        assert [[policy["source"] for policy in rights["policies"]] for rights in viewer["rights"]] == [
            ["BASE_ROLE", "PROJECT_ROLE", "MEMBERSHIP"],
            ["ACCESS_TOKEN"],
        ][: 1 if restriction is None else 2]
        told = things(service, token)
        developer = [action for action in ACTIONS["proj:env:segment"] if action != "deleteSegment"]
        assert (told["a"], told["b"]) == ((developer, developer) if restriction is None else (["updateRules"], []))


def test_nobody_and_sdk_keys_are_told_that_they_may_nothing(
    service: Server, secrets: tuple[Server, dict[str, str]]
) -> None:
    nothing: dict[str, Any] = {
        "member": None,
        "accessToken": None,
        "sdkKey": None,
        "evaluatesOnlyIn": None,
        "rights": [],
    }
    nobody = {**nothing, "actor": "anonymous", "kind": "ANONYMOUS"}
    assert service.post(WHOLE, token="")["viewer"] == nobody
    assert service.post(CAN, token="", a="viewProject", r="proj/default")["viewer"] == {"can": False}
    with_keys, printed = secrets
    for name in ("server", "client"):
        key = printed[f"{name} SDK key, production"]
        viewer = {
            **nothing,
            "actor": f"token/production-{name}",
            "kind": "SDK_KEY",
            "sdkKey": {"kind": f"{name.upper()}_SDK_KEY"},
            "evaluatesOnlyIn": {"project": "default", "environment": "production"},
        }
        assert with_keys.post(WHOLE, token=key)["viewer"] == viewer
        assert with_keys.post(CAN, token=key, a="viewProject", r="proj/default")["viewer"] == {"can": False}


def test_the_tags_that_a_thing_has_count_unless_others_are_named(can: Callable[[str, str], bool]) -> None:
    place = "proj/default:env/production:segment"
    assert can("updateRules", f"{place}/a")
    assert not can("updateRules", f"{place}/b")
    assert can("updateRules", f"{place}/b;eap")
    assert not can("updateRules", f"{place}/a;other")
    assert not can("updateRules", f"{place}/a;")
    assert can("updateRules", "proj/default:env/production;:segment/a")  # of which the segment's own tags are left
    assert not can("updateRules", f"{place}/new")
    assert can("updateRules", f"{place}/new;eap")
    assert not can("updateOn", "proj/default:env/production:flag/f;eap")
    assert not can("updateRules", "proj/default:env/gone:segment/a")


def test_the_tags_of_a_project_that_one_may_not_view_do_not_count_and_nothing_can_be_done_there(
    can: Callable[[str, str], bool],
) -> None:
    assert not can("updateName", "proj/hidden:env/production")
    assert not can("updateName", "proj/hidden;hush:env/production")


def test_no_tag_is_told_of_what_one_may_not_view(service: Server, holder: str) -> None:
    query = "query ($r: [PermissionRequest!]!) { viewer { decisions(requests: $r) { resource } } }"
    store_access(service, Member(id="boss", email="boss@acme.com", grants=Grants(base_role=BaseRole.OWNER)))
    token = service.post("{ viewer { accessToken { id } } }", token=holder)["viewer"]["accessToken"]["id"]
    own = base64.b64decode(token).decode().removeprefix("AccessToken:")
    wanted = [
        {"action": "updateName", "resource": "proj/hidden:env/production"},
        {"action": "deleteProject", "resource": "proj/hidden"},
        {"action": "updateRole", "resource": "member/boss@acme.com"},
        {"action": "updateAccessTokenName", "resource": f"service-token/{own}"},
    ]

    def told(secret: str | None) -> list[str]:
        decisions = service.post(query, token=secret, r=wanted)["viewer"]["decisions"]
        return [decision["resource"] for decision in decisions]

    named = [request["resource"] for request in wanted]
    assert told(holder) == [*named[:3], f"{named[3]};no_access"]
    deadline = time.monotonic() + 5
    while told(None)[2] == named[2] and time.monotonic() < deadline:  # another process made the member
        time.sleep(0.02)
    assert told(None) == [
        "proj/hidden;hush:env/production",
        "proj/hidden;hush",
        "member/boss@acme.com;owner",
        f"{named[3]};no_access",
    ]
    assert told("") == named


def test_several_permissions_are_asked_for_at_once_and_every_fault_is_told(service: Server, holder: str) -> None:
    query = (
        """query ($r: [PermissionRequest!]!) { viewer { decisions(requests: $r) { action resource allowed } } }"""
    )
    segment = "proj/default:env/production:segment/a"
    wanted = [
        {"action": "updateRules", "resource": segment},
        {"action": "viewProject", "resource": "proj/default"},
        {"action": "deleteProject", "resource": "proj/default"},
    ]
    assert service.post(query, token=holder, r=wanted)["viewer"]["decisions"] == [
        {"action": "updateRules", "resource": f"{segment};eap", "allowed": True},
        {"action": "viewProject", "resource": "proj/default", "allowed": True},
        {"action": "deleteProject", "resource": "proj/default", "allowed": False},
    ]
    faulty = [
        wanted[0],
        {"action": "update*", "resource": segment},
        {"action": "updateOn", "resource": segment},
        {"action": "updateRules", "resource": "proj/default:env/*:segment/a"},
    ]
    answer = service.post(query, token=holder, r=faulty)
    assert answer.code == "BAD_USER_INPUT"
    violations = answer.errors[0]["extensions"]["violations"]
    assert [violation["path"] for violation in violations] == [
        ["requests", 1, "action"],
        ["requests", 2, "action"],
        ["requests", 3, "resource"],
    ]
    assert violations[0]["message"].startswith("'update*' is no action on things of the type 'proj:env:segment'")
    assert "100 are the most" in service.post(query, token=holder, r=[wanted[0]] * 101).errors[0]["message"]
    long = {"action": "viewProject", "resource": f"proj/{'a' * 250}"}
    assert "would be 25500 characters" in service.post(query, token=holder, r=[long] * 100).errors[0]["message"]


THINGS = f"""{{ project(key: "default") {{ viewerCan }} {HERE} {{ viewerCan
  flag(key: "f") {{ viewerCan }} segments {{ nodes {{ key viewerCan }} }} }} }}"""


def things(service: Server, token: str | None = None) -> dict[str, Any]:
    answer = service.post(THINGS, token=token)
    here = answer["environment"]
    return {
        "project": answer["project"]["viewerCan"],
        "environment": here["viewerCan"],
        "flag": here["flag"]["viewerCan"],
        **{node["key"]: node["viewerCan"] for node in here["segments"]["nodes"]},
    }


def test_each_thing_tells_what_the_viewer_may_do_to_it(service: Server, holder: str) -> None:
    assert things(service) == {
        "project": [*ACTIONS["proj"]],
        "environment": [*ACTIONS["proj:env"]],
        "flag": [*ACTIONS["proj:env:flag"]],
        "a": [*ACTIONS["proj:env:segment"]],
        "b": [*ACTIONS["proj:env:segment"]],
    }
    assert things(service, holder) == {
        "project": ["viewProject"],
        "environment": [],
        "flag": [],
        "a": [*ACTIONS["proj:env:segment"]],
        "b": [],
    }


def test_flags_tell_it_of_the_environment_that_they_are_seen_in(service: Server) -> None:
    token = a_token_with(
        service,
        [VIEWING, allow("proj/default:env/production:flag/*;beta", actions=["updateOn", "updateName"])],
    )
    query = """{ project(key: "default") { environments { nodes { key flags { nodes { viewerCan } } } } } }"""
    nodes = service.post(query, token=token)["project"]["environments"]["nodes"]
    assert {node["key"]: [flag["viewerCan"] for flag in node["flags"]["nodes"]] for node in nodes} == {
        "production": [["updateOn", "updateName"]],
        "test": [[]],
    }


def test_what_a_tag_brings_is_told_beside_the_change_that_brought_it(service: Server) -> None:
    token = a_token_with(
        service,
        [VIEWING, allow("proj/*:env/*:segment/b"), deny("proj/*:env/*:segment/*;calm", actions=["updateRules"])],
    )
    edit = {
        "environment": {"project": "default", "environment": "production"},
        "segmentKey": "b",
        "instructions": [{"addTags": ["calm"]}],
    }
    told = service.post(UPDATE_SEGMENT, token=token, i=edit)["updateSegment"]["segment"]["viewerCan"]
    assert told == [action for action in ACTIONS["proj:env:segment"] if action != "updateRules"]


def test_readers_may_view_a_project_and_do_nothing_to_what_is_in_it(service: Server) -> None:
    reader = things(service, a_token_with(service, base=BaseRole.READER))
    assert reader == {"project": ["viewProject"], "environment": [], "flag": [], "a": [], "b": []}


def test_nothing_can_be_done_in_a_project_that_one_may_not_view_whether_it_is_there_or_not(
    service: Server,
) -> None:
    everything = ("proj/*", "proj/*:env/*", "proj/*:env/*:segment/*")
    token = a_token_with(service, [allow(*everything), deny("proj/*;hush", actions=["viewProject"])])
    query = "query ($r: [PermissionRequest!]!) { viewer { decisions(requests: $r) { resource allowed } } }"

    def decided(project: str) -> list[bool]:
        wanted = [
            {"action": "viewProject", "resource": f"proj/{project}"},
            {"action": "deleteProject", "resource": f"proj/{project};loud"},
            {"action": "updateName", "resource": f"proj/{project}:env/production"},
            {"action": "createSegment", "resource": f"proj/{project};:env/production:segment/new;x"},
        ]
        found = service.post(query, token=token, r=wanted)["viewer"]["decisions"]
        for asked, answer in zip(wanted, found, strict=True):
            can = service.post(CAN, token=token, a=asked["action"], r=asked["resource"])["viewer"]["can"]
            assert can is answer["allowed"]
            assert "hush" not in answer["resource"]
        return [answer["allowed"] for answer in found]

    assert decided("default") == [True] * 4
    assert decided("hidden") == decided("nowhere") == [False] * 4
    assert service.post(CAN, token=token, a="createProject", r="proj/nowhere")["viewer"] == {"can": True}
