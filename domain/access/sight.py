"""The directory as somebody sees it: what he may not view is not there."""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass

from domain.access.actions import MemberAction, RoleAction, TokenAction
from domain.access.credentials import Credential
from domain.access.directory import AccessDirectory
from domain.access.members import Member, fold_email
from domain.access.principals import Principal
from domain.access.resources import resource_of
from domain.access.rights import GrantedPolicy, PolicySource
from domain.access.roles import Grants, ProjectGrant
from domain.access.seen import AccessNode, SeenMember, SeenRole, SeenSdkKey, SeenToken
from domain.access.uses import CredentialUses
from domain.keys import EnvironmentRef
from domain.model.changes import ActingToken, AuditEntry


@dataclass(frozen=True, slots=True)
class AccessSight:
    """What somebody may view of a directory, and when what is in it was used."""

    directory: AccessDirectory
    principal: Principal
    uses: CredentialUses

    def members(self) -> list[SeenMember]:
        """Return the members, by email."""
        found = (self.member(member_id) for member_id in self.directory.members)
        return sorted((member for member in found if member), key=lambda member: member.sort_key)

    def member(self, member_id: str | None) -> SeenMember | None:
        """Find a member, by id."""
        found = self.directory.members.get(member_id or "")
        own = self.principal.member
        is_own = found is not None and own is not None and own.id == found.id  # everybody sees himself
        if found is None or not (is_own or self.principal.may(MemberAction.VIEW, found.resource)):
            return None
        return SeenMember(found, self)

    def member_with(self, email: str) -> SeenMember | None:
        """Find a member, by email."""
        found = self.directory.member_with(email)
        return None if found is None else self.member(found.id)

    def roles(self) -> list[SeenRole]:
        """Return the custom roles, by key."""
        return self.roles_among(sorted(self.directory.roles))

    def roles_among(self, keys: Iterable[str]) -> list[SeenRole]:
        """Return the custom roles of some keys, in their order."""
        return [role for key in keys if (role := self.role(key)) is not None]

    def role(self, key: str) -> SeenRole | None:
        """Find a custom role, by key."""
        found = self.directory.roles.get(key)
        if found is None or not self.principal.may(RoleAction.VIEW, found.resource):
            return None
        return SeenRole(found)

    def tokens(self) -> list[SeenToken]:
        """Return the access tokens, by name."""
        return self._tokens(self.directory.credentials.values())

    def tokens_of(self, member: Member) -> list[SeenToken]:
        """Return a member's access tokens, by name."""
        return self._tokens(c for c in self.directory.credentials.values() if c.member_id == member.id)

    def token(self, public_id: str) -> SeenToken | None:
        """Find an access token, by its public id."""
        return next(iter(self._tokens(self.directory.secrets_of(public_id))), None)

    def sdk_keys(self, environment: EnvironmentRef) -> list[SeenSdkKey]:
        """Return the SDK keys of an environment, those of servers first; none if it is not seen."""
        if not self.sees_project(environment.project):
            return []
        found = [c for c in self.directory.credentials.values() if c.environment == environment]
        return sorted((SeenSdkKey(c, self) for c in found), key=lambda key: key.sort_key)

    def sdk_key(self, public_id: str) -> SeenSdkKey | None:
        """Find an SDK key, by its public id."""
        for found in self.directory.secrets_of(public_id):
            if found.environment is not None and self.sees_project(found.environment.project):
                return SeenSdkKey(found, self)
        return None

    def node(self, type_name: str, entity_id: str) -> AccessNode | None:
        """Find what has a global id, by the name of its type, one of `ACCESS_NODES`, and its own id."""
        return ACCESS_NODES[type_name](self, entity_id)

    def hides(self, type_name: str, entity_id: str) -> bool:
        """Tell whether there is something with a global id that is not seen: what is gone is not hidden."""
        entities = {"Member": self.directory.members, "Role": self.directory.roles}.get(type_name)
        is_there = self.directory.secrets_of(entity_id) if entities is None else entity_id in entities
        return bool(is_there) and self.node(type_name, entity_id) is None

    @property
    def own_member(self) -> SeenMember | None:
        """The member who looks: everybody sees himself."""
        member = self.principal.member
        return None if member is None else SeenMember(member, self)

    @property
    def own_token(self) -> SeenToken | None:
        """The access token that is shown."""
        shown = self.principal.credential
        return None if shown is None or not shown.is_access_token else SeenToken(shown, self)

    @property
    def own_sdk_key(self) -> SeenSdkKey | None:
        """The SDK key that is shown."""
        shown = self.principal.credential
        return None if shown is None or shown.is_access_token else SeenSdkKey(shown, self)

    def acting_token(self, entry: AuditEntry) -> ActingToken | None:
        """Return by which access token a change was made; one that is gone is seen as it would be without tags."""
        token = entry.access_token
        if token is None:
            return None
        if found := self.directory.secrets_of(token.id):
            is_seen = self._sees_token(SeenToken(found[0], self))
        else:
            kind, _, email = entry.actor.partition("/")
            service = resource_of("service-token", token.id)
            resource = (
                resource_of("member", fold_email(email)).child("token", token.id) if kind == "member" else service
            )
            is_seen = self.principal.may(TokenAction.VIEW, resource)
        return token if is_seen else None

    def project_roles(self, grants: Grants) -> list[ProjectGrant]:
        """Return the project roles of grants, those of projects that are seen."""
        return [grant for grant in grants.project_roles if self.sees_project(grant.project)]

    def sees_project(self, key: str) -> bool:
        """Tell whether a project is there."""
        return self.directory.shows(key, self.principal)

    def sees_policy(self, granted: GrantedPolicy) -> bool:
        """Tell whether it may be known what a policy says that somebody has: its role, or its project, is seen."""
        match granted.source:
            case PolicySource.CUSTOM_ROLE:
                return self.role(granted.role or "") is not None
            case PolicySource.PROJECT_ROLE:
                return self.sees_project(granted.project or "")
        return True

    def _tokens(self, credentials: Iterable[Credential]) -> list[SeenToken]:
        found = [SeenToken(c, self) for c in credentials if c.is_access_token and not c.superseded]
        return sorted(filter(self._sees_token, found), key=lambda token: token.sort_key)

    def _sees_token(self, token: SeenToken) -> bool:
        member = self.directory.member_of(token.credential)
        is_orphan = member is None and not token.is_service
        return not is_orphan and self.principal.may(TokenAction.VIEW, token.credential.resource(member))


ACCESS_NODES: Mapping[str, Callable[[AccessSight, str], AccessNode | None]] = {
    "Member": AccessSight.member,
    "Role": AccessSight.role,
    "AccessToken": AccessSight.token,
    "SdkKey": AccessSight.sdk_key,
}
"""How things that concern access are found, by the names of their types in the graph."""
