"""The schema as a contract."""

import inspect
from collections.abc import Iterator
from dataclasses import fields, is_dataclass
from enum import Enum
from pathlib import Path

import pytest
from graphql import (
    GraphQLEnumType,
    GraphQLInputObjectType,
    GraphQLInterfaceType,
    GraphQLObjectType,
    GraphQLSchema,
    get_named_type,
    is_non_null_type,
    is_object_type,
)
from strawberry.types import get_object_definition

from domain.access.credentials import NewSdkKey
from domain.access.policies import Statement
from domain.access.principals import Principal
from domain.access.rights import Allowance, GrantedPolicy, Rights
from domain.access.roles import ProjectGrant
from domain.access.seen import SeenMember, SeenRole, SeenSdkKey, SeenToken
from domain.evaluation.dependencies import FlagSegmentNode
from domain.evaluation.results import Evaluation, EvaluationReason
from domain.evaluation.snapshot import SegmentMembership
from domain.evaluation.usage import (
    EarlyAccessProgram,
    EnvironmentSegment,
    FlagVariations,
    SegmentUsage,
    SegmentUsageNode,
)
from domain.keys import EnvironmentRef
from domain.model.changes import (
    ActingToken,
    AuditEntry,
    EntityChange,
    FieldChange,
    RuleChange,
    ScopeRevision,
    TargetsChange,
)
from domain.model.flags import DefaultVariations, EnvironmentFlag, IndexedVariation, ServedVariation, ServingRule
from domain.model.lists import ListChange, ListCounts, MalformedLine
from domain.model.projects import Project
from domain.model.seen_contexts import SeenContext
from domain.model.segments import ScheduledRemoval, Segment, SegmentRule, SyncSource, TargetedContext
from domain.model.targeting import Clause, ClientSideAvailability, Prerequisite, Rollout, Target
from domain.pages import Edge, Page, PageInfo
from domain.ports import CacheStatistics, SharedStatistics
from domain.services.access_tokens import TokenWithSecret
from domain.services.caches import UnitStatistics
from domain.services.catalog import EnvironmentCatalog, TagUse
from domain.services.contexts import TargetResolution
from domain.services.environments import CreatedEnvironment
from domain.services.evaluation import BatchEvaluation, ContextEvaluations
from domain.services.flag_copies import CopiedFlag, SkippedPart
from domain.services.flags import ChangedFlag, ChangedFlags
from domain.services.import_plan import ImportedItem
from domain.services.imports import ImportCounts, ImportReport
from domain.services.list_effects import ChangedList
from domain.services.permissions import PermissionDecision, PermissionHolder, SimulatedDecision
from domain.services.projects import CreatedProject
from domain.services.sdk_keys import SdkKeyWithSecret
from domain.services.segments import BulkEditedSegment, ChangedSegment, DeletedSegment, TargetCounts
from gql.schema import build_schema

SCHEMA = build_schema()

DOMAIN_CLASSES = {
    "CreateAccessTokenPayload": TokenWithSecret,
    "ResetAccessTokenPayload": TokenWithSecret,
    "RotateSdkKeyPayload": SdkKeyWithSecret,
    "AccessToken": SeenToken,
    "Member": SeenMember,
    "ProjectRoleGrant": ProjectGrant,
    "Role": SeenRole,
    "SdkKey": SeenSdkKey,
    "Allowance": Allowance,
    "EnvironmentName": EnvironmentRef,
    "GrantedPolicy": GrantedPolicy,
    "PermissionDecision": PermissionDecision,
    "PermissionHolder": PermissionHolder,
    "PolicyStatement": Statement,
    "Rights": Rights,
    "SimulatedDecision": SimulatedDecision,
    "Viewer": Principal,
    "BulkEditSegmentTargetsPayload": BulkEditedSegment,
    "CancelSegmentImportPayload": ListChange,
    "LargeList": Segment,
    "MalformedLine": MalformedLine,
    "SegmentImport": ListChange,
    "SegmentImportCounts": ListCounts,
    "AddSegmentMembersPayload": ChangedList,
    "RemoveSegmentMembersPayload": ChangedList,
    "RestoreSegmentMembersPayload": ChangedList,
    "StartSegmentImportPayload": ListChange,
    "SyncSource": SyncSource,
    "CreateSegmentPayload": ChangedSegment,
    "AuditEntry": AuditEntry,
    "ActingToken": ActingToken,
    "EntityChange": EntityChange,
    "FieldChange": FieldChange,
    "RuleChange": RuleChange,
    "ScopeRevision": ScopeRevision,
    "TargetsChange": TargetsChange,
    "ArchiveFlagPayload": ChangedFlags,
    "DefaultVariations": DefaultVariations,
    "DeprecateFlagPayload": ChangedFlags,
    "RestoreDeprecatedFlagPayload": ChangedFlags,
    "CopyFlagTargetingPayload": CopiedFlag,
    "SkippedPart": SkippedPart,
    "CreateFlagPayload": ChangedFlags,
    "DeleteSegmentPayload": DeletedSegment,
    "RestoreFlagPayload": ChangedFlags,
    "UpdateFlagTargetingPayload": ChangedFlag,
    "UpdateFlagPayload": ChangedFlags,
    "UpdateSegmentPayload": ChangedSegment,
    "CreateEnvironmentPayload": CreatedEnvironment,
    "CreateProjectPayload": CreatedProject,
    "NewSdkKey": NewSdkKey,
    "BatchEvaluation": BatchEvaluation,
    "Clause": Clause,
    "ClientSideAvailability": ClientSideAvailability,
    "CachedUnit": UnitStatistics,
    "CacheStatistics": CacheStatistics,
    "SharedCacheStatistics": SharedStatistics,
    "ContextEvaluations": ContextEvaluations,
    "EarlyAccessProgram": EarlyAccessProgram,
    "Environment": EnvironmentCatalog,
    "Evaluation": Evaluation,
    "EvaluationReason": EvaluationReason,
    "Flag": EnvironmentFlag,
    "FlagRule": ServingRule,
    "FlagSegmentNode": FlagSegmentNode,
    "FlagTarget": Target,
    "ImportCounts": ImportCounts,
    "ImportFlagDataPayload": ImportReport,
    "ImportedItem": ImportedItem,
    "PageInfo": PageInfo,
    "Prerequisite": Prerequisite,
    "Project": Project,
    "Rollout": Rollout,
    "FlagVariations": FlagVariations,
    "Segment": EnvironmentSegment,
    "SegmentMembership": SegmentMembership,
    "SegmentRule": SegmentRule,
    "SegmentUsage": SegmentUsage,
    "SegmentUsageNode": SegmentUsageNode,
    "ServedVariation": ServedVariation,
    "Tag": TagUse,
    "TargetCounts": TargetCounts,
    "Context": SeenContext,
    "TargetResolution": TargetResolution,
    "Target": TargetedContext,
    "ScheduledRemoval": ScheduledRemoval,
    "Variation": IndexedVariation,
}


def graphql_schema() -> GraphQLSchema:
    return SCHEMA._schema  # noqa: SLF001 - Strawberry has no public name for it


def described() -> Iterator[tuple[str, str | None]]:
    """Everything of ours that can bear a description."""
    for name, graphql_type in graphql_schema().type_map.items():
        if name.startswith("__") or name in {"String", "Int", "Float", "Boolean", "ID"}:
            continue
        yield name, graphql_type.description
        if isinstance(graphql_type, GraphQLEnumType):
            for value_name, value in graphql_type.values.items():
                yield f"{name}.{value_name}", value.description
        if isinstance(graphql_type, GraphQLObjectType | GraphQLInterfaceType | GraphQLInputObjectType):
            for field_name, field in graphql_type.fields.items():
                yield f"{name}.{field_name}", field.description
                for argument_name, argument in getattr(field, "args", {}).items():
                    yield f"{name}.{field_name}({argument_name})", argument.description


def test_everything_is_described() -> None:
    assert [name for name, description in described() if not description] == []


def test_the_committed_schema_is_the_one_the_code_prints() -> None:
    assert Path("schema.graphql").read_text() == SCHEMA.as_str() + "\n"


def plain_fields() -> Iterator[tuple[str, str]]:
    """The fields that are read from the domain object as they are."""
    for name, graphql_type in graphql_schema().type_map.items():
        if not isinstance(graphql_type, GraphQLObjectType) or name.startswith("__"):
            continue
        definition = graphql_type.extensions["strawberry-definition"]
        for field in definition.fields:
            if field.base_resolver is None:
                yield name, field.python_name


def domain_class(type_name: str) -> type:
    for suffix, generic in (("Connection", Page), ("Edge", Edge)):
        if type_name.endswith(suffix):
            return generic
    return DOMAIN_CLASSES[type_name]


def attributes(cls: type) -> set[str]:
    names = {name for name, _ in inspect.getmembers(cls)}
    return names | ({field.name for field in fields(cls)} if is_dataclass(cls) else set())


@pytest.mark.parametrize(("type_name", "field"), list(plain_fields()))
def test_each_plain_field_of_a_view_exists_on_its_domain_class(type_name: str, field: str) -> None:
    assert field in attributes(domain_class(type_name))


def test_each_enum_of_the_schema_is_a_domain_enum() -> None:
    enums = [
        graphql_type.extensions["strawberry-definition"].wrapped_cls
        for name, graphql_type in graphql_schema().type_map.items()
        if isinstance(graphql_type, GraphQLEnumType) and not name.startswith("__")
    ]
    assert enums
    assert all(issubclass(enum, Enum) and enum.__module__.startswith("domain.") for enum in enums)


def test_each_mutation_takes_one_input_named_after_it() -> None:
    mutations = graphql_schema().mutation_type
    assert mutations is not None
    for name, field in mutations.fields.items():
        title = name[0].upper() + name[1:]
        assert list(field.args) == ["input"]
        assert str(field.args["input"].type) == f"{title}Input!"
        # One that fails must not take the answers of those before it away.
        assert str(field.type) == f"{title}Payload"


def test_what_fails_below_a_payload_leaves_the_rest_of_it() -> None:
    """Only so the path of an error tells that the answer failed, and not the change."""
    strict = [
        f"{name}.{field_name}"
        for name, payload in graphql_schema().type_map.items()
        if name.endswith("Payload") and isinstance(payload, GraphQLObjectType)
        for field_name, field in payload.fields.items()
        if is_object_type(get_named_type(field.type)) and is_non_null_type(field.type)
    ]
    # Secrets, which are of nothing but what cannot fail.
    assert strict == ["CreateEnvironmentPayload.sdkKeys", "CreateProjectPayload.sdkKeys"]


def test_views_are_not_written_into_domain_classes() -> None:
    assert all(get_object_definition(cls) is None for cls in DOMAIN_CLASSES.values())
