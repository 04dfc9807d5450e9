"""The guide's two policies over HTTP, and every way round them; and what one may not view does not exist."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import pytest

from domain.access.members import Member
from domain.access.roles import BaseRole, Grants
from tests.domain.access.builders import allow, deny
from tests.gql.conftest import a_flag, a_rule_on_segments, data_of
from tests.gql.grants import a_token, a_token_with, store_access
from tests.gql.lists import put
from tests.gql.syncs import a_batch, send
from tests.servers import Answer, Server

PLACE = {"project": "default", "environment": "production"}
TEST = {"project": "default", "environment": "test"}
VIEWING = allow("proj/default", actions=["viewProject"])
BY_NAME = allow("proj/*:env/*:segment/eap-*")
BY_TAG = allow("proj/*:env/*:segment/*;eap")
STATE = """{ project(key: "default") { name tags version environments { nodes { key name ownTags version
  flags(archived: null) { nodes { key name tags version on } }
  segments { nodes { key name tags version memberCount rules { clauses { values } } } } } } } }"""


@dataclass
class Holder:
    """Somebody whose token has one of the guide's policies, and may view the project `default`."""

    service: Server
    token: str

    def mutate(self, name: str, /, **wish: Any) -> Answer:
        kind = f"{name[0].upper()}{name[1:]}Input"
        query = f"mutation ($i: {kind}!) {{ {name}(input: $i) {{ __typename }} }}"
        return self.service.post(query, token=self.token, i=wish)

    def update(self, segment: str, *instructions: dict[str, Any]) -> Answer:
        return self.mutate("updateSegment", environment=PLACE, segmentKey=segment, instructions=list(instructions))

    def is_denied(self, answer: Answer, *denied: str) -> None:
        """Check that a refusal names these actions, each with its resource but for tags, and no others."""
        assert answer.code == "FORBIDDEN", answer.errors
        listed = answer.errors[0]["extensions"]["denied"]
        assert {f"{item['action']} {item['resource'].partition(';')[0]}" for item in listed} == set(denied)
        assert listed[0]["action"] in answer.errors[0]["message"]
        assert listed[0]["resource"] in answer.errors[0]["message"]


@pytest.fixture(scope="module")
def service(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    folder = tmp_path_factory.mktemp("access")
    with Server(f"sqlite:///{folder}/earlybird.db") as running:
        yield running


@pytest.fixture(scope="module")
def by_name(service: Server) -> Holder:
    return Holder(service, a_token_with(service, [VIEWING, BY_NAME]))


@pytest.fixture(scope="module")
def by_tag(service: Server) -> Holder:
    return Holder(service, a_token_with(service, [VIEWING, BY_TAG]))


@pytest.fixture
def owner(service: Server) -> Holder:
    return Holder(service, service.token or "")


@pytest.fixture
def shop(service: Server, owner: Holder) -> Callable[[], Any]:
    """A project with one segment of each kind inside both policies, and others outside; returns what is stored."""
    flag = a_flag("gate", rules=[a_rule_on_segments("vips", "eap-a")])
    for environment in ("production", "test"):
        eap = {"key": "eap-a", "included": ["bob"], "tags": ["eap"]}
        spare = [{"key": "spare"}] if environment == "test" else []
        segments: tuple[dict[str, Any], ...] = ({"key": "vips", "included": ["ann"]}, eap, *spare)
        service.import_flags(
            data_of(flag | {"on": environment == "production"}, segments=segments), environment=environment
        )
    for key, tags in (("eap-list", ["eap"]), ("list", [])):
        large = {"contextKind": "user"}
        created = owner.mutate("createSegment", environment=PLACE, name=key, key=key, tags=tags, largeList=large)
        assert not created.errors
    return lambda: service.post(STATE)["project"]


def of_segments(*keys: str) -> dict[str, Any]:
    clause = {"op": "segmentMatch", "values": list(keys)}
    return {"addRule": {"clauses": [clause]}}


def keys_into(target_list: str, *keys: str) -> dict[str, Any]:
    return {"addTargets": {"list": target_list, "keys": list(keys)}}


INCLUDE = keys_into("INCLUDED", "eve")
VIPS = "proj/default:env/production:segment/vips"
EAP_A = "proj/default:env/production:segment/eap-a"
GATE = "proj/default:env/production:flag/gate"
GATES = (GATE, "proj/default:env/test:flag/gate")


def outside(state: Any) -> Any:
    """Take what is inside both policies out of what is stored."""
    for environment in state["environments"]["nodes"]:
        nodes = environment["segments"]["nodes"]
        environment["segments"]["nodes"] = [node for node in nodes if not node["key"].startswith("eap-")]
    return state


@pytest.mark.parametrize("policy", ["by_name", "by_tag"])
def test_a_holder_edits_his_segments_and_nothing_else_changes(
    policy: str, shop: Callable[[], Any], request: pytest.FixtureRequest
) -> None:
    holder: Holder = request.getfixturevalue(policy)
    before = outside(shop())
    for answer in (
        holder.update("eap-a", INCLUDE, {"updateName": "eap: A"}, {"addTags": ["more"]}, of_segments("vips")),
        holder.mutate("createSegment", environment=TEST, name="eap: new", tags=["eap"]),
        holder.mutate("deleteSegment", environment=TEST, segmentKey="eap-new"),
        holder.mutate("addSegmentMembers", environment=PLACE, segmentKey="eap-list", keys=["a"]),
        holder.mutate(
            "bulkEditSegmentTargets",
            environment=PLACE,
            segmentKey="eap-a",
            action="REPLACE",
            list="INCLUDED",
            keys=["zoe"],
        ),
        holder.mutate(
            "importFlagData",
            environment=PLACE,
            data={"segments": {"eap-a": {"key": "eap-a", "included": ["kim"], "tags": ["eap"]}}},
        ),
    ):
        assert not answer.errors
    assert outside(shop()) == before


ATTEMPTS: dict[str, tuple[str, dict[str, Any], set[str]]] = {
    "tag a foreign segment": (
        "updateSegment",
        {"environment": PLACE, "segmentKey": "vips", "instructions": [{"addTags": ["eap"]}]},
        {f"updateTags {VIPS}"},
    ),
    "tag it and change it at once": (
        "updateSegment",
        {"environment": PLACE, "segmentKey": "vips", "instructions": [{"addTags": ["eap"]}, INCLUDE]},
        {f"updateTags {VIPS}", f"updateIncluded {VIPS}"},
    ),
    "rename a foreign segment into the convention": (
        "updateSegment",
        {"environment": PLACE, "segmentKey": "vips", "instructions": [{"updateName": "eap-vips"}]},
        {f"updateName {VIPS}"},
    ),
    "put his own into a foreign segment": (
        "updateSegment",
        {"environment": PLACE, "segmentKey": "vips", "instructions": [of_segments("eap-a")]},
        {f"updateRules {VIPS}"},
    ),
    "edit foreign targets in bulk": (
        "bulkEditSegmentTargets",
        {"environment": PLACE, "segmentKey": "vips", "action": "ADD", "list": "EXCLUDED", "keys": ["eve"]},
        {f"updateExcluded {VIPS}"},
    ),
    "delete a foreign segment": (
        "deleteSegment",
        {"environment": TEST, "segmentKey": "spare"},
        {"deleteSegment proj/default:env/test:segment/spare"},
    ),
    "create a foreign segment": (
        "createSegment",
        {"environment": PLACE, "name": "new"},
        {"createSegment proj/default:env/production:segment/new"},
    ),
    "import over a foreign segment, and his own": (
        "importFlagData",
        {
            "environment": PLACE,
            "data": {
                "segments": {
                    "vips": {"key": "vips", "included": ["eve"], "tags": ["eap"]},
                    "eap-a": {"key": "eap-a", "included": ["eve"], "tags": ["eap"]},
                }
            },
        },
        {f"updateIncluded {VIPS}", f"updateTags {VIPS}"},
    ),
    "import a foreign segment": (
        "importFlagData",
        {"environment": PLACE, "data": {"segments": {"fresh": {"key": "fresh"}}}},
        {"createSegment proj/default:env/production:segment/fresh"},
    ),
    "import a flag": (
        "importFlagData",
        {"environment": PLACE, "data": {"flagValues": {"fresh": True}}},
        {"createFlag proj/default:env/production:flag/fresh"},
    ),
    "delete what is foreign by an import": (
        "importFlagData",
        {
            "environment": TEST,
            "data": {"segments": {"eap-a": {"key": "eap-a", "included": ["bob"], "tags": ["eap"]}}},
            "mode": "REPLACE",
        },
        {
            "deleteFlag proj/default:env/test:flag/gate",
            "deleteSegment proj/default:env/test:segment/spare",
            "deleteSegment proj/default:env/test:segment/vips",
        },
    ),
    "copy targeting": (
        "copyFlagTargeting",
        {"source": PLACE, "target": TEST, "flagKey": "gate", "include": ["ON"]},
        {f"copyFlagConfigFrom {GATES[0]}", f"copyFlagConfigTo {GATES[1]}", f"updateOn {GATES[1]}"},
    ),
    "load a foreign list": (
        "startSegmentImport",
        {"environment": PLACE, "segmentKey": "list", "mode": "MERGE"},
        {"updateIncluded proj/default:env/production:segment/list"},
    ),
    "add to a foreign list": (
        "addSegmentMembers",
        {"environment": PLACE, "segmentKey": "list", "keys": ["eve"]},
        {"updateIncluded proj/default:env/production:segment/list"},
    ),
    "turn a flag off and retarget it": (
        "updateFlagTargeting",
        {
            "environment": PLACE,
            "flagKey": "gate",
            "instructions": [{"turnOff": True}, {"removeRules": ["on-vips-eap-a"]}],
        },
        {f"updateOn {GATE}", f"updateRules {GATE}"},
    ),
    "rename and tag a flag": (
        "updateFlag",
        {"project": "default", "flagKey": "gate", "instructions": [{"updateName": "x"}, {"addTags": ["eap"]}]},
        {f"{action} {gate}" for action in ("updateName", "updateTags") for gate in GATES},
    ),
    "archive a flag": (
        "archiveFlag",
        {"project": "default", "flagKey": "gate"},
        {f"updateGlobalArchived {gate}" for gate in GATES},
    ),
    "deprecate a flag": (
        "deprecateFlag",
        {"project": "default", "flagKey": "gate"},
        {f"updateDeprecated {gate}" for gate in GATES},
    ),
    "delete a flag": (
        "deleteFlag",
        {"project": "default", "flagKey": "gate"},
        {f"deleteFlag {gate}" for gate in GATES},
    ),
    "create a flag": (
        "createFlag",
        {"project": "default", "name": "new"},
        {f"createFlag proj/default:env/{key}:flag/new" for key in ("production", "test")},
    ),
    "tag the environment": (
        "updateEnvironment",
        {"environment": PLACE, "instructions": [{"addTags": ["eap"]}]},
        {"updateTags proj/default:env/production"},
    ),
    "create an environment": (
        "createEnvironment",
        {"project": "default", "name": "eap-x"},
        {"createEnvironment proj/default:env/eap-x"},
    ),
    "delete an environment": (
        "deleteEnvironment",
        {"environment": TEST},
        {"deleteEnvironment proj/default:env/test"},
    ),
    "rename the project": (
        "updateProject",
        {"project": "default", "instructions": [{"updateName": "eap"}, {"addTags": ["eap"]}]},
        {"updateProjectName proj/default", "updateTags proj/default"},
    ),
    "create a project": ("createProject", {"name": "eap-x"}, {"createProject proj/eap-x"}),
    "delete the project": ("deleteProject", {"project": "default"}, {"deleteProject proj/default"}),
}


@pytest.mark.parametrize("policy", ["by_name", "by_tag"])
@pytest.mark.parametrize("attempt", ATTEMPTS)
def test_no_way_leads_out_of_a_policy(
    policy: str, attempt: str, shop: Callable[[], Any], request: pytest.FixtureRequest
) -> None:
    holder: Holder = request.getfixturevalue(policy)
    name, wish, denied = ATTEMPTS[attempt]
    before = shop()
    holder.is_denied(holder.mutate(name, **wish), *denied)
    assert shop() == before


def test_a_tag_s_policy_gives_nothing_away_and_a_name_s_knows_no_tags(
    by_tag: Holder, by_name: Holder, shop: Callable[[], Any]
) -> None:
    before = shop()
    by_tag.is_denied(by_tag.update("eap-a", {"removeTags": ["eap"]}), f"updateTags {EAP_A}")
    by_tag.is_denied(
        by_tag.mutate("createSegment", environment=PLACE, name="eap-x"),
        "createSegment proj/default:env/production:segment/eap-x",
    )
    by_name.is_denied(
        by_name.mutate("createSegment", environment=PLACE, name="x", tags=["eap"]),
        "createSegment proj/default:env/production:segment/x",
        "updateTags proj/default:env/production:segment/x",
    )
    assert shop() == before
    assert not by_name.update("eap-a", {"removeTags": ["eap"]}).errors
    by_tag.is_denied(by_tag.update("eap-a", INCLUDE), f"updateIncluded {EAP_A}")


def test_who_may_not_set_tags_creates_nothing_with_tags(service: Server, shop: Callable[[], Any]) -> None:
    everything = allow("proj/*", "proj/*:env/*", "proj/*:env/*:flag/*", "proj/*:env/*:segment/*")
    no_tags = deny(*(everything.resources or ()), actions=["updateTags"])
    maker = Holder(service, a_token_with(service, [everything, no_tags]))
    before = shop()
    tagged = {"name": "New", "tags": ["eap"]}
    here = "proj/default:env/production"
    at_new = "updateTags proj/new"
    maker.is_denied(maker.mutate("createSegment", environment=PLACE, **tagged), f"updateTags {here}:segment/new")
    for_all = [f"updateTags proj/default:env/{environment}:flag/new" for environment in ("production", "test")]
    maker.is_denied(maker.mutate("createFlag", project="default", **tagged), *for_all)
    maker.is_denied(
        maker.mutate("createEnvironment", project="default", **tagged), "updateTags proj/default:env/new"
    )
    maker.is_denied(maker.mutate("createProject", **tagged), at_new)
    within = [{"name": "Production", "tags": ["eap"]}]
    maker.is_denied(maker.mutate("createProject", name="New", environments=within), f"{at_new}:env/production")
    data = data_of(a_flag("new", tags=["eap"]), segments=({"key": "new", "tags": ["eap"]},))
    imported = {"environment": PLACE, "data": data, "mode": "MERGE"}
    maker.is_denied(maker.mutate("importFlagData", **imported), f"updateTags {here}:segment/new", *for_all)
    assert shop() == before
    assert not maker.mutate("createSegment", environment=PLACE, name="New").errors


def test_a_sync_creates_no_foreign_segment_and_needs_what_launchdarkly_says(
    service: Server, by_name: Holder, by_tag: Holder, shop: Callable[[], Any]
) -> None:
    before = shop()
    for holder in (by_name, by_tag):
        refused = send(service, "amplitude", a_batch("vip", {"ann": True}), token=holder.token)
        assert refused.status_code == 403
        assert "createSegment on proj/default:env/production:segment/amplitude-vip" in refused.text
    assert shop() == before
    actions = ["createSegment", "updateIncluded"]
    tool = a_token_with(service, [VIEWING, allow("proj/*:env/*:segment/amplitude-*", actions=actions)])
    for name in ("First", "Second"):
        batch = a_batch("vip", {"ann": True})
        batch["batch"][0]["cohortName"] = name
        assert send(service, "amplitude", batch, token=tool).status_code == 204
    assert send(service, "amplitude", a_batch("eap", {"ann": True}), token=by_name.token).status_code == 403


def test_an_upload_is_for_who_began_it_whatever_he_is_called_since(service: Server, owner: Holder) -> None:
    writer = Grants(base_role=BaseRole.WRITER)
    store_access(service, Member(id="ann", email="ann@acme.com", grants=writer))
    ann = Holder(service, a_token(service, name="ann's", member_id="ann"))
    owner.mutate("createSegment", environment=PLACE, name="moved", largeList={"contextKind": "user"})
    query = "mutation ($i: StartSegmentImportInput!) { startSegmentImport(input: $i) { uploadUrl } }"
    wish = {"environment": PLACE, "segmentKey": "moved", "mode": "MERGE"}
    url = service.post(query, token=ann.token, i=wish)["startSegmentImport"]["uploadUrl"]
    assert not owner.mutate("updateMember", memberEmail="ann@acme.com", email="ann@new.com").errors
    store_access(service, Member(id="eve", email="ann@acme.com", grants=writer))
    eve = a_token(service, name="eve's", member_id="eve")
    refused = put(url, "eve\n", token=eve).json()
    assert refused["errors"][0]["extensions"]["code"] == "FORBIDDEN"
    assert put(url, "ann\n", token=ann.token).status_code == 200


def test_an_upload_is_for_who_began_it_and_still_may(service: Server, by_name: Holder, by_tag: Holder) -> None:
    large = {"contextKind": "user"}
    owner = Holder(service, service.token or "")
    owner.mutate("createSegment", environment=PLACE, name="eap-up", tags=["eap"], largeList=large)
    query = """mutation ($i: StartSegmentImportInput!) { startSegmentImport(input: $i) {
        uploadUrl segmentImport { id } } }"""
    wish = {"environment": PLACE, "segmentKey": "eap-up", "mode": "MERGE"}
    started = service.post(query, token=by_tag.token, i=wish)["startSegmentImport"]
    for other in (by_name.token, owner.token):
        refused = put(started["uploadUrl"], "eve\n", token=other).json()
        assert refused["errors"][0]["extensions"]["code"] == "FORBIDDEN"
        assert refused["errors"][0]["extensions"]["denied"] == []
        assert refused["errors"][0]["message"].startswith("only who began an import may upload its file")
    owner.update("eap-up", {"removeTags": ["eap"]})
    refused = put(started["uploadUrl"], "eve\n", token=by_tag.token).json()
    assert "updateIncluded on proj/default:env/production:segment/eap-up" in refused["errors"][0]["message"]
    cancelled = by_tag.mutate("cancelSegmentImport", importId=started["segmentImport"]["id"])
    by_tag.is_denied(cancelled, "updateIncluded proj/default:env/production:segment/eap-up")
    owner.update("eap-up", {"addTags": ["eap"]})
    assert put(started["uploadUrl"], "eve\n", token=by_tag.token).status_code == 200
