"""The directory: who may do what, as it stands at one revision of `ACCESS_SCOPE`. Who asks is looked up here."""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import TypeAlias

from domain.access.credentials import Credential
from domain.access.members import Member, fold_email
from domain.access.principals import Permission, Principal
from domain.access.resources import Resource, resource_of
from domain.access.rights import Rights
from domain.access.roles import BaseRole, Role
from domain.keys import EnvironmentRef
from domain.model.projects import Environment, Project

AccessEntity: TypeAlias = Project | Environment | Credential | Member | Role


def project_resource(project: Project) -> Resource:
    """Return a project as policies name it."""
    return resource_of("proj", project.key, project.tags)


def environment_resource(project: Project, environment: Environment) -> Resource:
    """Return an environment as policies name it."""
    return project_resource(project).child("env", environment.key, environment.tags)


@dataclass(frozen=True, slots=True, kw_only=True)
class AccessDirectory:
    """All that concerns access, by id. It never changes; a new revision has a new one."""

    revision: int = 0
    projects: Mapping[str, Project] = field(default_factory=dict)
    environments: Mapping[str, Environment] = field(default_factory=dict)
    credentials: Mapping[str, Credential] = field(default_factory=dict)
    members: Mapping[str, Member] = field(default_factory=dict)
    roles: Mapping[str, Role] = field(default_factory=dict)
    _principals: dict[str, Principal | None] = field(default_factory=dict, compare=False)
    _shown: dict[tuple[str, str], bool] = field(default_factory=dict, compare=False)
    _secrets: dict[str, list[Credential]] = field(default_factory=dict, compare=False)

    def principal(self, credential_id: str, now_ms: int) -> Principal | None:
        """Return who shows a credential; None if there is none of this id, or it opens nothing any more."""
        credential = self.credentials.get(credential_id)
        if credential is None or credential.is_expired(now_ms):
            return None
        if credential_id not in self._principals:
            self._principals[credential_id] = self._principal_of(credential)
        return self._principals[credential_id]

    def shows(self, project: str, principal: Principal) -> bool:
        """Tell whether a project exists for a principal.

        Each request with an access token asks this, so the answer is kept for the principals of this directory.
        """
        if project not in self.projects:
            return False
        secret = "" if principal.credential is None else principal.credential.id
        if self._principals.get(secret) is not principal:
            return principal.may_view(project_resource(self.projects[project]))
        if (asked := (secret, project)) not in self._shown:
            self._shown[asked] = principal.may_view(project_resource(self.projects[project]))
        return self._shown[asked]

    def can(self, principal: Principal, wanted: Permission) -> bool:
        """Tell whether somebody may do something, to what exists for him, by a secret that was not replaced.

        What is in a project exists for him if that is there, and he may view it as it is and as it is named.
        """
        if not principal.may(wanted.action, wanted.resource) or (principal.is_replaced and wanted.gives_access):
            return False
        project = wanted.resource.outermost
        return not wanted.needs_sight or (
            self.shows(project.levels[0].key, principal) and principal.may_view(project)
        )

    def holders(self, now_ms: int) -> list[Principal]:
        """Return everybody with roles, members and service tokens, by the names that the audit log gives them."""
        found = [self._principal_of_member(member) for member in self.members.values()]
        services = [
            token.id for token in self.credentials.values() if token.is_of_service and not token.superseded
        ]
        found += [principal for id_ in services if (principal := self.principal(id_, now_ms)) is not None]
        return sorted(found, key=lambda principal: principal.actor)

    def owns(self, credential: Credential) -> bool:
        """Tell whether an access token may do everything: by its own roles, if it has any, and by its member's."""
        member = self.member_of(credential)
        is_orphan = credential.member_id is not None and member is None
        if is_orphan or credential.policy is not None:
            return False
        grants = [holder.grants for holder in (credential, member) if holder is not None]
        return {found.base_role for found in grants if found is not None} == {BaseRole.OWNER}

    def stored(self, entity: object) -> AccessEntity | None:
        """Return what is in the place of an entity, or None."""
        kinds: Mapping[type, Mapping[str, AccessEntity]] = {
            Project: self.projects,
            Environment: self.environments,
            Credential: self.credentials,
            Member: self.members,
            Role: self.roles,
        }
        return kinds.get(type(entity), {}).get(getattr(entity, "id", ""))

    def member_of(self, credential: Credential) -> Member | None:
        """Return whose token it is, if it is a member's who is there."""
        return None if credential.member_id is None else self.members.get(credential.member_id)

    def member_with(self, email: str) -> Member | None:
        """Find a member, by email in any case."""
        folded = fold_email(email)
        return next((member for member in self.members.values() if fold_email(member.email) == folded), None)

    def secrets_of(self, public_id: str) -> list[Credential]:
        """Return the secrets of an access token or SDK key, by its public id: its own, and those that it had."""
        if not self._secrets:
            for credential in self.credentials.values():
                self._secrets.setdefault(credential.public_id, []).append(credential)
        return self._secrets.get(public_id, [])

    def has_other_service_token(self, token: Credential) -> bool:
        """Tell whether another service's token has the name of one, in any case."""
        return any(
            other.is_of_service and other.public_id != token.public_id
            for other in self.credentials.values()
            if other.name.casefold() == token.name.casefold()
        )

    def project(self, key: str) -> Resource | None:
        """Return a project as policies name it."""
        found = self.projects.get(key)
        return None if found is None else project_resource(found)

    def environment(self, ref: EnvironmentRef) -> Resource | None:
        """Return an environment as policies name it."""
        project, found = self.projects.get(ref.project), self.environments.get(str(ref))
        return None if project is None or found is None else environment_resource(project, found)

    def _principal_of(self, credential: Credential) -> Principal | None:
        if not credential.is_access_token:
            return Principal(actor=f"token/{credential.name}", credential=credential)
        own = credential.own_rights(self.roles)
        if credential.is_of_service:
            return Principal(actor=f"token/{credential.name}", credential=credential, rights=(own,))
        member = self.member_of(credential)
        if member is None:  # whose member is gone opens nothing
            return None
        whole = self._principal_of_member(member)
        if not credential.is_restricted:
            return replace(whole, credential=credential)
        # Policies tell members apart by their base roles: of another one its maker may not do the same.
        is_as_made = credential.grants is not None and credential.grants.base_role is member.grants.base_role
        if credential.manages_tokens and is_as_made:
            own = Rights((*own.granted, member.membership))
        return replace(whole, credential=credential, rights=(*whole.rights, own))

    def _principal_of_member(self, member: Member) -> Principal:
        """Return a member with all that he may do, whichever token he shows."""
        name = f"member/{member.id}"  # which is no credential's id
        known = self._principals.get(name)
        if known is None:
            rights = member.rights(self.roles)
            known = Principal(actor=f"member/{member.email}", member=member, rights=(rights,))
            self._principals[name] = known
        return known
