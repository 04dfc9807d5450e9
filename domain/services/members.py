"""Members: read, create, change and delete them, and say what they may do."""

from dataclasses import dataclass, replace

from domain.access.actions import MemberAction
from domain.access.members import Member, email_violation, kept_email
from domain.access.principals import Principal
from domain.access.roles import Grants
from domain.access.seen import SeenMember
from domain.access.sight import AccessSight
from domain.commits import Delete, Save
from domain.errors import AlreadyExistsError, Violation
from domain.instructions.limits import text_violations
from domain.pages import Page, PageRequest, cut_page
from domain.services.access import AccessService
from domain.services.access_editing import AccessEdit, AccessEditor, seen_at
from domain.services.edits import Decision, below_input
from domain.services.grants import NewGrants


@dataclass(frozen=True, slots=True, kw_only=True)
class MemberFilter:
    """Which members are wanted; None means that the property does not matter.

    Attributes:
        query: A part of the email or name, in any case.
        role: The key of a custom role that they have.
    """

    query: str | None = None
    role: str | None = None

    def select(self, sight: AccessSight) -> list[SeenMember]:
        """Return those that pass, by email."""
        text = (self.query or "").casefold()
        return [
            member
            for member in sight.members()
            if (text in member.email.casefold() or text in member.name.casefold())
            and (self.role is None or self.role in {role.key for role in member.custom_roles})
        ]


@dataclass(frozen=True, slots=True, kw_only=True)
class NewMember:
    """A member to be created."""

    email: str
    name: str = ""
    grants: NewGrants = NewGrants()


@dataclass(frozen=True, slots=True, kw_only=True)
class MemberEdit:
    """What is to be done to a member; None leaves what is there.

    Attributes:
        expected_version: The version that the caller saw; None if any will do.
    """

    email: str | None = None
    name: str | None = None
    grants: NewGrants = NewGrants()
    expected_version: int | None = None
    comment: str = ""


class MemberService:
    """Reads and changes members."""

    def __init__(self, access: AccessService, editor: AccessEditor) -> None:
        self._access = access
        self._editor = editor

    async def members(self, principal: Principal, wanted: MemberFilter, page: PageRequest) -> Page[SeenMember]:
        """Page through the members, by email.

        Raises:
            DomainError: As `AccessService.sight` and `cut_page` say.
        """
        sight = await self._access.sight(principal)
        return cut_page(wanted.select(sight), page, lambda member: member.sort_key)

    async def member(self, principal: Principal, email: str) -> SeenMember | None:
        """Find a member, by email in any case.

        Raises:
            DomainError: As `AccessService.sight` says.
        """
        return (await self._access.sight(principal)).member_with(email)

    async def create(self, principal: Principal, new: NewMember, comment: str = "") -> SeenMember:
        """Create a member.

        Raises:
            InvalidInputError: With every violation.
            AlreadyExistsError: There is one with this email.
            DomainError: As `AccessEditor.edit` says.
        """
        blank = Member(email=kept_email(new.email), name=new.name)

        def decide(sight: AccessSight) -> Decision[Member]:
            if found := [*_violations(blank), *new.grants.violations(sight)]:
                raise below_input(found)
            created = replace(blank, grants=new.grants.applied_to(Grants(), sight))
            _refuse_taken(created, MemberAction.CREATE, sight)
            return Decision([Save(created, None)], created)

        edit = AccessEdit(action="createMember", resource=_resource(blank), decide=decide, comment=comment)
        sight, created = await self._editor.edit(principal, edit)
        return SeenMember(created, sight)

    async def update(self, principal: Principal, email: str, change: MemberEdit) -> SeenMember:
        """Change a member's email and name.

        Raises:
            AlreadyExistsError: Another one has this email.
            DomainError: As `_edit` says.
        """
        return await self._edit(principal, "updateMember", email, change)

    async def assign_roles(self, principal: Principal, email: str, change: MemberEdit) -> SeenMember:
        """Change a member's roles: those that are given are replaced.

        Raises:
            DomainError: As `_edit` says.
        """
        return await self._edit(principal, "assignRoles", email, change)

    async def delete(
        self, principal: Principal, email: str, *, expected_version: int | None = None, comment: str = ""
    ) -> str:
        """Delete a member with his access tokens; return the id that he had.

        Raises:
            NotFoundError: There is no such member.
            VersionConflictError: He is not at the version expected.
            DomainError: As `AccessEditor.edit` says.
        """
        member = await self._found(principal, email)

        def decide(sight: AccessSight) -> Decision[None]:
            known = seen_at(sight.member(member.id), "member", email, expected_version).member
            tokens = [c for c in sight.directory.credentials.values() if c.member_id == known.id]
            return Decision([Delete(known), *map(Delete, tokens)])

        edit = AccessEdit(action="deleteMember", resource=_resource(member), decide=decide, comment=comment)
        await self._editor.edit(principal, edit)
        return member.id

    async def _edit(self, principal: Principal, action: str, email: str, change: MemberEdit) -> SeenMember:
        """Make an edit of a member.

        Raises:
            InvalidInputError: With every violation.
            NotFoundError: There is no such member.
            VersionConflictError: He is not at the version expected.
            DomainError: As `AccessEditor.edit` says.
        """
        member = await self._found(principal, email)

        def decide(sight: AccessSight) -> Decision[Member]:
            before = seen_at(sight.member(member.id), "member", email, change.expected_version).member
            after = replace(
                before,
                email=before.email if change.email is None else kept_email(change.email),
                name=before.name if change.name is None else change.name,
                grants=change.grants.applied_to(before.grants, sight),
            )
            if found := [*_violations(after), *change.grants.violations(sight)]:
                raise below_input(found)
            _refuse_taken(after, MemberAction.UPDATE_EMAIL, sight)
            if after == before:
                return Decision((), before)
            after = replace(after, version=before.version + 1)
            return Decision([Save(after, before.version)], after)

        edit = AccessEdit(action=action, resource=_resource(member), decide=decide, comment=change.comment)
        sight, after = await self._editor.edit(principal, edit)
        return SeenMember(after, sight)

    async def _found(self, principal: Principal, email: str) -> Member:
        """Find a member who is to be changed.

        Raises:
            NotFoundError: There is none with this email.
            DomainError: As `AccessService.sight` says.
        """
        sight = await self._access.sight(principal)
        return seen_at(sight.member_with(email), "member", email).member


def _violations(member: Member) -> list[Violation]:
    wrong = email_violation(member.email, ("email",))
    return [*([wrong] if wrong else []), *text_violations(member.name, ("name",))]


def _refuse_taken(member: Member, action: str, sight: AccessSight) -> None:
    """Refuse an email that another member has; who may not give it is not told that.

    Raises:
        ForbiddenError: He may not.
        AlreadyExistsError: There is another member with it.
    """
    other = sight.directory.member_with(member.email)
    if other is not None and other.id != member.id:
        sight.principal.authorize(action, member.resource)
        raise AlreadyExistsError("member", member.email)


def _resource(member: Member) -> str:
    """Name a member in the words of policies."""
    return f"member/{member.email}"
