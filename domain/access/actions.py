"""Actions: what policies allow and deny, by the type of the resource, in LaunchDarkly's names (semantics 3.4).

Those of features that are not here yet are known too, so that policies can be taken over as they are.
"""

from collections.abc import Iterable, Mapping
from enum import StrEnum

from domain.access.resources import ACCOUNT


class AccountAction(StrEnum):
    """What is done to the service itself. Of a project the log is seen with it; this is to see all of the log."""

    VIEW_AUDIT_LOG = "viewAuditLog"
    VIEW_CACHE_STATISTICS = "viewCacheStatistics"
    VIEW_METRICS = "viewMetrics"
    WHO_CAN = "whoCan"
    SIMULATE_POLICY = "simulatePolicy"


class ProjectAction(StrEnum):
    """What is done to projects; whoever may view one sees all that is in it."""

    VIEW = "viewProject"
    CREATE = "createProject"
    DELETE = "deleteProject"
    UPDATE_NAME = "updateProjectName"
    UPDATE_TAGS = "updateTags"


class EnvironmentAction(StrEnum):
    """What is done to environments; the API key is the server SDK key, the mobile key the client one."""

    CREATE = "createEnvironment"
    DELETE = "deleteEnvironment"
    UPDATE_NAME = "updateName"
    UPDATE_TAGS = "updateTags"
    UPDATE_API_KEY = "updateApiKey"
    UPDATE_MOBILE_KEY = "updateMobileKey"
    UPDATE_COLOR = "updateColor"
    UPDATE_TTL = "updateTtl"
    UPDATE_SECURE_MODE = "updateSecureMode"
    UPDATE_REQUIRE_COMMENTS = "updateRequireComments"
    UPDATE_CONFIRM_CHANGES = "updateConfirmChanges"


class FlagAction(StrEnum):
    """What is done to flags, as each environment sees them."""

    CREATE = "createFlag"
    CLONE = "cloneFlag"
    DELETE = "deleteFlag"
    UPDATE_ON = "updateOn"
    UPDATE_NAME = "updateName"
    UPDATE_DESCRIPTION = "updateDescription"
    UPDATE_TAGS = "updateTags"
    UPDATE_TEMPORARY = "updateTemporary"
    UPDATE_PREREQUISITES = "updatePrerequisites"
    UPDATE_TARGETS = "updateTargets"
    UPDATE_RULES = "updateRules"
    UPDATE_FALLTHROUGH = "updateFallthrough"
    UPDATE_OFF_VARIATION = "updateOffVariation"
    UPDATE_VARIATIONS = "updateFlagVariations"
    UPDATE_DEFAULT_VARIATIONS = "updateFlagDefaultVariations"
    UPDATE_MAINTAINER = "updateMaintainer"
    UPDATE_CUSTOM_PROPERTIES = "updateFlagCustomProperties"
    UPDATE_CLIENT_SIDE_AVAILABILITY = "updateClientSideFlagAvailability"
    UPDATE_EXPIRING_TARGETS = "updateExpiringTargets"
    UPDATE_EXPIRING_RULES = "updateExpiringRules"
    UPDATE_TRACK_EVENTS = "updateTrackEvents"
    UPDATE_FALLTHROUGH_TRACK_EVENTS = "updateFlagFallthroughTrackEvents"
    UPDATE_SALT = "updateFlagSalt"
    UPDATE_ARCHIVED = "updateGlobalArchived"
    UPDATE_DEPRECATED = "updateDeprecated"
    UPDATE_SCHEDULED_CHANGES = "updateScheduledChanges"
    COPY_FROM = "copyFlagConfigFrom"
    COPY_TO = "copyFlagConfigTo"
    UPDATE_FEATURE_WORKFLOWS = "updateFeatureWorkflows"
    UPDATE_TRIGGERS = "updateTriggers"
    CREATE_APPROVAL_REQUEST = "createApprovalRequest"
    UPDATE_APPROVAL_REQUEST = "updateApprovalRequest"
    DELETE_APPROVAL_REQUEST = "deleteApprovalRequest"
    REVIEW_APPROVAL_REQUEST = "reviewApprovalRequest"
    APPLY_APPROVAL_REQUEST = "applyApprovalRequest"


class SegmentAction(StrEnum):
    """What is done to segments; whatever changes the members of a large list updates what is included."""

    CREATE = "createSegment"
    DELETE = "deleteSegment"
    UPDATE_NAME = "updateName"
    UPDATE_DESCRIPTION = "updateDescription"
    UPDATE_TAGS = "updateTags"
    UPDATE_INCLUDED = "updateIncluded"
    UPDATE_EXCLUDED = "updateExcluded"
    UPDATE_RULES = "updateRules"
    UPDATE_EXPIRING_RULES = "updateExpiringRules"
    UPDATE_EXPIRING_TARGETS = "updateExpiringTargets"
    UPDATE_SCHEDULED_CHANGES = "updateScheduledChanges"
    CREATE_APPROVAL_REQUEST = "createApprovalRequest"
    UPDATE_APPROVAL_REQUEST = "updateApprovalRequest"
    DELETE_APPROVAL_REQUEST = "deleteApprovalRequest"
    REVIEW_APPROVAL_REQUEST = "reviewApprovalRequest"
    APPLY_APPROVAL_REQUEST = "applyApprovalRequest"


class ContextKindAction(StrEnum):
    """What is done to context kinds."""

    CREATE = "createContextKind"
    UPDATE = "updateContextKind"


class RoleAction(StrEnum):
    """What is done to custom roles; the policy includes the base permissions."""

    VIEW = "viewRole"
    CREATE = "createRole"
    DELETE = "deleteRole"
    UPDATE_NAME = "updateName"
    UPDATE_DESCRIPTION = "updateDescription"
    UPDATE_POLICY = "updatePolicy"
    UPDATE_MEMBERS = "updateMembers"


class MemberAction(StrEnum):
    """What is done to members."""

    VIEW = "viewMember"
    CREATE = "createMember"
    DELETE = "deleteMember"
    UPDATE_NAME = "updateName"
    UPDATE_EMAIL = "updateEmail"
    UPDATE_ROLE = "updateRole"
    UPDATE_CUSTOM_ROLE = "updateCustomRole"
    UPDATE_PROJECT_ROLES = "updateProjectRoles"


class TokenAction(StrEnum):
    """What is done to access tokens, a member's or a service's; what one may do is given as it is created."""

    VIEW = "viewAccessToken"
    CREATE = "createAccessToken"
    DELETE = "deleteAccessToken"
    UPDATE_NAME = "updateAccessTokenName"
    RESET = "resetAccessToken"


def _names(actions: Iterable[StrEnum]) -> tuple[str, ...]:
    return tuple(action.value for action in actions)


ACTIONS: Mapping[str, tuple[str, ...]] = {
    ACCOUNT: _names(AccountAction),
    "proj": _names(ProjectAction),
    "proj:env": _names(EnvironmentAction),
    "proj:env:flag": _names(FlagAction),
    "proj:env:segment": _names(SegmentAction),
    "proj:context-kind": _names(ContextKindAction),
    "role": _names(RoleAction),
    "member": _names(MemberAction),
    "member:token": _names(TokenAction),
    "service-token": _names(TokenAction),
}
"""The actions that there are, by the type of resource, in the order above."""
