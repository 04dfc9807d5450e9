"""What a change needs: the permissions for it, from each thing as it was and as it becomes.

Every way to change something ends in writes, so what is needed is read from these, and from nothing else. What
comes, or goes, with the place that it is in needs no more than the place does, and that its tags may be set.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from operator import attrgetter
from typing import TypeAlias

from domain.access.actions import (
    EnvironmentAction,
    FlagAction,
    MemberAction,
    ProjectAction,
    RoleAction,
    SegmentAction,
    TokenAction,
)
from domain.access.credentials import Credential, CredentialKind
from domain.access.directory import AccessDirectory, environment_resource, project_resource
from domain.access.members import Member
from domain.access.principals import Permission
from domain.access.resources import Resource, resource_of
from domain.access.roles import Grants, Role
from domain.access.uses import CredentialUse
from domain.commits import Delete, Entity, Save
from domain.keys import EnvironmentRef
from domain.model.changes import ChangesPage
from domain.model.flags import Flag
from domain.model.lists import ListChange
from domain.model.projects import Environment, Project
from domain.model.segments import Segment
from domain.model.syncs import AcceptedSync, AppliedSync
from domain.model.targeting import Targeting


@dataclass(frozen=True, slots=True)
class Change:
    """A thing before and after a change: None where it is not there."""

    before: Entity | None
    after: Entity | None

    @property
    def entity(self) -> Entity:
        """The thing, as it becomes or as it was."""
        return self.after or self.before  # type: ignore[return-value]  # one of them is there

    @property
    def comes_or_goes(self) -> bool:
        """Whether the thing is created or deleted."""
        return self.before is None or self.after is None


def change_of(write: Save | Delete, find_before: Callable[[Entity], Entity | None]) -> Change:
    """Return what a write changes; `find_before` returns what is stored in an entity's place."""
    entity = write.entity
    if isinstance(write, Delete):
        return Change(entity, None)
    return Change(None if write.expected_version is None else find_before(entity), entity)


@dataclass(frozen=True, slots=True)
class Surroundings:
    """Where the resource of a thing takes its keys and tags from, at one moment; flags are by id."""

    directory: AccessDirectory
    flags: Mapping[str, Flag]

    def with_changes(self, changes: Sequence[Change]) -> "Surroundings":
        """Return them as they become."""
        flags = {c.after.id: c.after for c in changes if isinstance(c.after, Flag)}
        return Surroundings(directory_with(self.directory, changes), {**self.flags, **flags})

    def environment(self, ref: EnvironmentRef) -> Resource:
        """Return an environment as policies name it."""
        place = self.directory.environments[str(ref)]
        return environment_resource(self.directory.projects[ref.project], place)

    def flag(self, ref: EnvironmentRef, key: str) -> Resource:
        """Return a flag of an environment as policies name it."""
        return self.environment(ref).child("flag", key, self.flags[f"{ref.project}/{key}"].tags)

    def resources(self, thing: Entity) -> list[Resource]:
        """Return a thing as policies name it: what is true of a flag everywhere is so in each environment."""
        match thing:
            case Project():
                found = [project_resource(thing)]
            case Environment():
                found = [environment_resource(self.directory.projects[thing.project], thing)]
            case Flag():
                places = self.directory.environments.values()
                found = [self.flag(place.ref, thing.key) for place in places if place.project == thing.project]
            case Targeting():
                found = [self.flag(thing.environment, thing.flag_key)]
            case Segment():
                found = [self.environment(thing.environment).child("segment", thing.key, thing.tags)]
            case Credential(environment=EnvironmentRef() as ref):
                found = [self.environment(ref)]
            case Credential():
                found = [thing.resource(self.directory.member_of(thing))]
            case Member() | Role():
                found = [thing.resource]
            case ListChange() | AcceptedSync() | AppliedSync() | CredentialUse() | ChangesPage():
                found = []
        return found


def directory_with(directory: AccessDirectory, changes: Sequence[Change]) -> AccessDirectory:
    """Return a directory as it becomes with changes."""

    def apply(known: Mapping[str, Entity], kind: type[Entity]) -> dict[str, Entity]:
        ours = [change for change in changes if isinstance(change.entity, kind)]
        gone = {change.before.id for change in ours if change.before is not None}
        left = {id_: entity for id_, entity in known.items() if id_ not in gone} if gone else dict(known)
        return left | {change.after.id: change.after for change in ours if change.after is not None}

    kinds: dict[str, type[Entity]] = {
        "projects": Project,
        "environments": Environment,
        "credentials": Credential,
        "members": Member,
        "roles": Role,
    }
    changed = {
        name: apply(getattr(directory, name), kind)
        for name, kind in kinds.items()
        if any(isinstance(change.entity, kind) for change in changes)
    }
    if not changed:
        return directory
    return replace(directory, **changed, _principals={}, _shown={}, _secrets={})  # type: ignore[arg-type]  # by name


Fields: TypeAlias = Mapping[str, str]

NEEDED: Mapping[type[Entity], Fields] = {
    Project: {
        "name": ProjectAction.UPDATE_NAME,
        "tags": ProjectAction.UPDATE_TAGS,
        "created_ms": ProjectAction.CREATE,
    },
    Environment: {
        "name": EnvironmentAction.UPDATE_NAME,
        "tags": EnvironmentAction.UPDATE_TAGS,
        "created_ms": EnvironmentAction.CREATE,
    },
    Flag: {
        "name": FlagAction.UPDATE_NAME,
        "description": FlagAction.UPDATE_DESCRIPTION,
        "tags": FlagAction.UPDATE_TAGS,
        "variations": FlagAction.UPDATE_VARIATIONS,
        "defaults": FlagAction.UPDATE_DEFAULT_VARIATIONS,
        "temporary": FlagAction.UPDATE_TEMPORARY,
        "client_side_availability": FlagAction.UPDATE_CLIENT_SIDE_AVAILABILITY,
        "archived": FlagAction.UPDATE_ARCHIVED,
        "deprecated": FlagAction.UPDATE_DEPRECATED,
    },
    Targeting: {
        "on": FlagAction.UPDATE_ON,
        "prerequisites": FlagAction.UPDATE_PREREQUISITES,
        "targets": FlagAction.UPDATE_TARGETS,
        "context_targets": FlagAction.UPDATE_TARGETS,
        "rules": FlagAction.UPDATE_RULES,
        "fallthrough": FlagAction.UPDATE_FALLTHROUGH,
        "off_variation": FlagAction.UPDATE_OFF_VARIATION,
        "salt": FlagAction.UPDATE_SALT,
        "track_events": FlagAction.UPDATE_TRACK_EVENTS,
        "track_events_fallthrough": FlagAction.UPDATE_FALLTHROUGH_TRACK_EVENTS,
        "debug_events_until_ms": FlagAction.UPDATE_TRACK_EVENTS,
        "sampling_ratio": FlagAction.UPDATE_TRACK_EVENTS,
        "exclude_from_summaries": FlagAction.UPDATE_TRACK_EVENTS,
        "migration": FlagAction.UPDATE_VARIATIONS,
        "variations": FlagAction.UPDATE_VARIATIONS,
        "client_side_availability": FlagAction.UPDATE_CLIENT_SIDE_AVAILABILITY,
    },
    Segment: {
        "name": SegmentAction.UPDATE_NAME,
        "description": SegmentAction.UPDATE_DESCRIPTION,
        "tags": SegmentAction.UPDATE_TAGS,
        "included": SegmentAction.UPDATE_INCLUDED,
        "included_contexts": SegmentAction.UPDATE_INCLUDED,
        "excluded": SegmentAction.UPDATE_EXCLUDED,
        "excluded_contexts": SegmentAction.UPDATE_EXCLUDED,
        "rules": SegmentAction.UPDATE_RULES,
        "salt": SegmentAction.UPDATE_RULES,
        "unbounded": SegmentAction.UPDATE_INCLUDED,
        "unbounded_context_kind": SegmentAction.UPDATE_INCLUDED,
        "list_uid": SegmentAction.UPDATE_INCLUDED,
        "generation": SegmentAction.UPDATE_INCLUDED,
        "list_size": SegmentAction.UPDATE_INCLUDED,
        "previous_generation": SegmentAction.UPDATE_INCLUDED,
        "previous_list_size": SegmentAction.UPDATE_INCLUDED,
        "sync_source": SegmentAction.UPDATE_INCLUDED,
        "removals": SegmentAction.UPDATE_EXPIRING_TARGETS,
    },
    Member: {
        "email": MemberAction.UPDATE_EMAIL,
        "name": MemberAction.UPDATE_NAME,
        "grants.base_role": MemberAction.UPDATE_ROLE,
        "grants.custom_roles": MemberAction.UPDATE_CUSTOM_ROLE,
        "grants.project_roles": MemberAction.UPDATE_PROJECT_ROLES,
    },
    Role: {
        "name": RoleAction.UPDATE_NAME,
        "description": RoleAction.UPDATE_DESCRIPTION,
        "base_permissions": RoleAction.UPDATE_POLICY,
        "policy": RoleAction.UPDATE_POLICY,
    },
    # What a token may do is given as it is created, so to change that is to create another.
    Credential: {
        "name": TokenAction.UPDATE_NAME,
        "public_id": TokenAction.CREATE,
        "member_id": TokenAction.CREATE,
        "grants": TokenAction.CREATE,
        "policy": TokenAction.CREATE,
        "created_ms": TokenAction.CREATE,
        "expires_ms": TokenAction.RESET,
        "superseded": TokenAction.RESET,
        "manages_tokens": TokenAction.CREATE,
    },
}
"""The action that a change of a field needs; what is not here identifies the thing, or counts its versions."""

_HOLD_JSON = {"variations", "rules"}
"""The fields of those that hold values of JSON, however deep."""

_CREATED_AND_DELETED: Mapping[type[Entity], tuple[str, str]] = {
    Project: (ProjectAction.CREATE, ProjectAction.DELETE),
    Environment: (EnvironmentAction.CREATE, EnvironmentAction.DELETE),
    # A flag is in an environment when it has targeting there.
    Targeting: (FlagAction.CREATE, FlagAction.DELETE),
    Segment: (SegmentAction.CREATE, SegmentAction.DELETE),
    Member: (MemberAction.CREATE, MemberAction.DELETE),
    Role: (RoleAction.CREATE, RoleAction.DELETE),
    Credential: (TokenAction.CREATE, TokenAction.DELETE),
}


def needs(changes: Sequence[Change], before: Surroundings) -> list[Permission]:
    """Return what is needed for changes that are made together, each permission once."""
    after = before.with_changes(changes)
    places = {
        change.entity.id
        for change in changes
        if change.comes_or_goes and isinstance(change.entity, Project | Environment)
    } | {change.before.id for change in changes if isinstance(change.before, Member) and change.after is None}
    found: dict[Permission, None] = {}
    for change in _with_resets(changes):
        actions = _with_more(change, [] if _is_in(change.entity, places) else _actions(change))
        for action in actions:
            for thing, surroundings in ((change.before, before), (change.after, after)):
                resources = [] if thing is None else surroundings.resources(thing)
                found |= dict.fromkeys(Permission(action, resource) for resource in resources)
        found |= dict.fromkeys(_of_roles(change))
    return list(found)


def _of_roles(change: Change) -> list[Permission]:
    """Return what is needed of the custom roles that a member or a service gets or loses; what goes, unasked."""
    if change.after is None:
        return []
    keys = _custom_roles(change.before) ^ _custom_roles(change.after)
    return [Permission(RoleAction.UPDATE_MEMBERS, resource_of("role", key)) for key in sorted(keys)]


def _custom_roles(holder: Entity | None) -> frozenset[str]:
    """Return the custom roles of a member or a service; those of a member's token give him no more than he has."""
    match holder:
        case Member(grants=grants) | Credential(is_of_service=True, grants=Grants() as grants):
            return frozenset(grants.custom_roles)
    return frozenset()


def _with_resets(changes: Sequence[Change]) -> list[Change]:
    """Return changes with a new secret of an access token, which is another credential, as one change of that."""
    tokens = [c.before for c in changes if isinstance(c.before, Credential)]
    olds = {token.public_id: token for token in tokens if not token.superseded}
    news = {c.after.public_id for c in changes if c.before is None and isinstance(c.after, Credential)}
    found: list[Change] = []
    for change in changes:
        match change:
            case Change(None, Credential() as new) if new.public_id in olds:
                found.append(Change(olds[new.public_id], new))
            case Change(Credential() as old, None) if old.public_id in news:
                pass
            case _:
                found.append(change)
    return found


def _is_in(thing: Entity, places: set[str]) -> bool:
    """Tell whether a thing comes, or goes, with a place that it is in, or with the member whose token it is."""
    if isinstance(thing, Credential) and thing.member_id in places:
        return True
    return thing.scope in places or thing.scope.partition("/")[0] in places


def _with_more(change: Change, actions: Iterable[str]) -> list[str]:
    """Return actions, and those that what is new needs beside: to create is not to tag, nor to manage tokens."""
    before, after = change.before, change.after
    if before is None and isinstance(after, Project | Environment | Flag | Segment) and after.tags:
        return [*actions, NEEDED[type(after)]["tags"]]
    is_shown = isinstance(after, Credential) and (before is None or before.id != after.id)
    if is_shown and isinstance(after, Credential) and after.manages_tokens:
        return list(dict.fromkeys([*actions, *TokenAction]))
    return [*actions]


def _actions(change: Change) -> Iterable[str]:
    kind = type(change.entity)
    if isinstance(change.entity, Credential) and not change.entity.is_access_token:
        is_server = change.entity.kind is CredentialKind.SERVER_SDK_KEY
        return [EnvironmentAction.UPDATE_API_KEY if is_server else EnvironmentAction.UPDATE_MOBILE_KEY]
    if change.comes_or_goes:
        created, deleted = _CREATED_AND_DELETED.get(kind, (None, None))
        action = created if change.before is None else deleted
        return [] if action is None else [action]
    before = change.before
    if isinstance(before, Segment) and isinstance(change.after, Segment):
        # A target that goes takes its scheduled removal with it.
        targets = replace(change.after, removals=before.removals).with_removals_of_targets()
        before = replace(before, removals=targets.removals)
    changed = dict.fromkeys(
        action for field, action in NEEDED.get(kind, {}).items() if _differs(field, before, change.after)
    )
    if isinstance(before, Credential) and before.id != change.entity.id:  # its secret
        changed[TokenAction.RESET] = None
    return changed


def _differs(field: str, before: object, after: object) -> bool:
    """Tell whether a field differs; as JSON too, if it holds some: for Python `True == 1`."""
    old, new = map(attrgetter(field), (before, after))
    return old is not new and (old != new or (field in _HOLD_JSON and repr(old) != repr(new)))
