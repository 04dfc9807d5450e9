"""Custom roles: read, create, change and delete them."""

from collections.abc import Sequence
from dataclasses import dataclass, replace

from domain.access.actions import RoleAction
from domain.access.policies import NewStatement
from domain.access.principals import Principal
from domain.access.roles import BasePermissions, BaseRole, Role
from domain.access.seen import SeenRole
from domain.access.sight import AccessSight
from domain.access.suggestions import Suggestions, suggestions
from domain.commits import Delete, Save
from domain.errors import AlreadyExistsError, InUseError, UsedBy, UsedByToken, Violation
from domain.instructions.details import description_violations, name_violations, new_name_violations
from domain.keys import key_from_name
from domain.pages import Page, PageRequest, cut_page
from domain.services.access import AccessService
from domain.services.access_editing import AccessEdit, AccessEditor, seen_at
from domain.services.edits import Decision, below_input
from domain.services.grants import read_policy


@dataclass(frozen=True, slots=True, kw_only=True)
class NewRole:
    """A custom role to be created; without a key the name gives it."""

    name: str
    key: str | None = None
    description: str = ""
    base_permissions: BasePermissions = BasePermissions.READER
    policy: Sequence[NewStatement] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class RoleEdit:
    """What is to be done to a custom role; None leaves what is there.

    Attributes:
        expected_version: The version that the caller saw; None if any will do.
    """

    name: str | None = None
    description: str | None = None
    base_permissions: BasePermissions | None = None
    policy: Sequence[NewStatement] | None = None
    expected_version: int | None = None
    comment: str = ""

    def apply(self, role: Role, suggestions: Suggestions) -> Role:
        """Return a role with the edit.

        Raises:
            InvalidInputError: With every violation.
        """
        found: list[Violation] = []
        if self.name is not None:
            found += name_violations(self.name, ("name",))
        after = replace(
            role,
            name=role.name if self.name is None else self.name,
            description=role.description if self.description is None else self.description,
            base_permissions=self.base_permissions or role.base_permissions,
            policy=role.policy if self.policy is None else read_policy(self.policy, found, suggestions),
        )
        found += description_violations(after.description, ("description",))
        if found:
            raise below_input(found)
        return after


class RoleService:
    """Reads and changes custom roles.

    Args:
        access: The directory.
        editor: Makes the changes.
        suggests: Whether it says which actions somebody may have meant.
    """

    def __init__(self, access: AccessService, editor: AccessEditor, *, suggests: bool) -> None:
        self._access = access
        self._suggests = suggests
        self._editor = editor

    async def roles(self, principal: Principal, query: str | None, page: PageRequest) -> Page[SeenRole]:
        """Page through the custom roles whose key or name has a text in it, by key.

        Raises:
            DomainError: As `AccessService.sight` and `cut_page` say.
        """
        sight = await self._access.sight(principal)
        text = (query or "").casefold()
        roles = [role for role in sight.roles() if text in role.key.casefold() or text in role.name.casefold()]
        return cut_page(roles, page, lambda role: role.key)

    async def role(self, principal: Principal, key: str) -> SeenRole | None:
        """Find a custom role, by key.

        Raises:
            DomainError: As `AccessService.sight` says.
        """
        return (await self._access.sight(principal)).role(key)

    async def create(self, principal: Principal, new: NewRole, comment: str = "") -> SeenRole:
        """Create a custom role.

        Raises:
            InvalidInputError: With every violation.
            AlreadyExistsError: There is one with this key.
            DomainError: As `AccessEditor.edit` says.
        """
        key = key_from_name(new.name) if new.key is None else new.key

        def decide(sight: AccessSight) -> Decision[Role]:
            found = _name_violations(new, key)
            found += description_violations(new.description, ("description",))
            policy = read_policy(new.policy, found, suggestions(wanted=self._suggests))
            if found:
                raise below_input(found)
            created = Role(
                key=key,
                name=new.name,
                description=new.description,
                base_permissions=new.base_permissions,
                policy=policy,
            )
            if key in sight.directory.roles:
                sight.principal.authorize(RoleAction.CREATE, created.resource)  # or is not told that there is one
                raise AlreadyExistsError("role", key)
            return Decision([Save(created, None)], created)

        edit = AccessEdit(action="createRole", resource=_resource(key), decide=decide, comment=comment)
        _, created = await self._editor.edit(principal, edit)
        return SeenRole(created)

    async def update(self, principal: Principal, key: str, change: RoleEdit) -> SeenRole:
        """Change a custom role; whoever has it may what it says from then on.

        Raises:
            InvalidInputError: With every violation.
            NotFoundError: There is no such role.
            VersionConflictError: It is not at the version expected.
            DomainError: As `AccessEditor.edit` says.
        """

        def decide(sight: AccessSight) -> Decision[Role]:
            before = seen_at(sight.role(key), "role", key, change.expected_version).role
            after = change.apply(before, suggestions(wanted=self._suggests))
            if after == before:
                return Decision((), before)
            after = replace(after, version=before.version + 1)
            return Decision([Save(after, before.version)], after)

        edit = AccessEdit(action="updateRole", resource=_resource(key), decide=decide, comment=change.comment)
        _, after = await self._editor.edit(principal, edit)
        return SeenRole(after)

    async def delete(
        self, principal: Principal, key: str, *, expected_version: int | None = None, comment: str = ""
    ) -> str:
        """Delete a custom role that nobody has; return the id that it had.

        Raises:
            NotFoundError: There is no such role.
            VersionConflictError: It is not at the version expected.
            InUseError: Members or access tokens have it.
            DomainError: As `AccessEditor.edit` says.
        """

        def decide(sight: AccessSight) -> Decision[None]:
            role = seen_at(sight.role(key), "role", key, expected_version).role
            if holders := _holders(sight, key):
                sight.principal.authorize(RoleAction.DELETE, role.resource)  # or is not told whose it is
                users = _users(sight, key)
                raise InUseError("role", key, users, has_others=holders != {user.key for user in users})
            return Decision([Delete(role)])

        edit = AccessEdit(action="deleteRole", resource=_resource(key), decide=decide, comment=comment)
        await self._editor.edit(principal, edit)
        return key


def _holders(sight: AccessSight, key: str) -> set[str]:
    """Return who has a role, by email or public id, whoever sees him."""
    members, tokens = sight.directory.members.values(), sight.directory.credentials.values()
    found = {member.email for member in members if key in member.grants.custom_roles}
    return found | {token.public_id for token in tokens if token.grants and key in token.grants.custom_roles}


def _name_violations(new: NewRole, key: str) -> list[Violation]:
    found = new_name_violations(new.name, new.key)
    if not found and key.upper().replace("-", "_") in BaseRole.__members__:
        path = ("name",) if new.key is None else ("key",)
        found.append(Violation(path, f"{key!r} is a base role"))
    return found


def _users(sight: AccessSight, key: str) -> list[UsedBy]:
    """Return who is seen to have a role."""
    members = [UsedBy("member", m.email) for m in sight.members() if key in m.member.grants.custom_roles]
    return members + [
        UsedByToken(
            "accessToken", token.id, name=token.name, member=None if token.member is None else token.member.email
        )
        for token in sight.tokens()
        if token.credential.grants and key in token.credential.grants.custom_roles
    ]


def _resource(key: str) -> str:
    """Name a role in the words of policies."""
    return f"role/{key}"
