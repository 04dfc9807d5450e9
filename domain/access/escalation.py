"""Privilege escalation is prevented: nobody gives more than he has, by a role, a policy or a secret he is shown.

What policies allow is compared by what they say, for every resource that there could be. Where it cannot be told
that somebody has something, he has it not.
"""

from collections.abc import Sequence
from functools import lru_cache

from domain.access.actions import ACTIONS
from domain.access.credentials import Credential
from domain.access.directory import AccessDirectory
from domain.access.members import Member
from domain.access.needs import Change
from domain.access.policies import Effect, Policy, Statement, known_specifier
from domain.access.principals import Permission, Principal
from domain.access.resources import Resource, ResourceSpecifier
from domain.access.rights import GrantedPolicy, Rights
from domain.access.roles import EVERYTHING, OWNER_GRANTS, BaseRole, Role, base_role_policy
from domain.errors import VIOLATIONS_LIMIT


def escalations(
    changes: Sequence[Change], directory: AccessDirectory, principal: Principal
) -> list[tuple[GrantedPolicy, Sequence[Permission]]]:
    """Return the policies that changes would give, each with what who makes them has not of it.

    That is a list of actions, each on all that a specifier names.

    Args:
        changes: The changes.
        directory: Who may do what with the changes.
        principal: Who makes them.
    """
    found: list[tuple[GrantedPolicy, Sequence[Permission]]] = []
    for change in changes:
        given = _given(change, directory)
        for own in _limits(change, principal):
            found += ((granted, lacks) for granted in given if (lacks := uncovered(own, granted.policy)))
    return found


def _limits(change: Change, principal: Principal) -> Sequence[Rights]:
    """Return what limits what somebody may give by a change: a token of his own never does more than he."""
    match change.after, principal.member:
        case Credential(member_id=str() as member_id), Member(id=own_id) if member_id == own_id:
            return principal.rights[1:]
    return principal.rights


def _given(change: Change, directory: AccessDirectory) -> Sequence[GrantedPolicy]:
    """Return the policies that a change gives to somebody."""
    match change.before, change.after:
        case before, Role() as role:
            is_same = isinstance(before, Role) and before.whole_policy == role.whole_policy
            return [] if is_same else [role.granted]
        case before, Member() as member:
            old = before.grants.rights(directory.roles).policies if isinstance(before, Member) else ()
            return [given for given in member.grants.rights(directory.roles).granted if given.policy not in old]
        case before, Credential(is_access_token=True) as token:
            # Who makes a change by which a secret comes is shown it.
            is_same = isinstance(before, Credential) and _opened_by(before) == _opened_by(token)
            return [] if is_same else _token_policies(token, directory)
    return []


def _opened_by(token: Credential) -> tuple[object, ...]:
    return token.id, token.member_id, token.grants, token.policy


def _token_policies(token: Credential, directory: AccessDirectory) -> Sequence[GrantedPolicy]:
    """Return what a token allows itself: everything if it is not restricted, since its member may have it later.

    That a member may manage tokens, none of which may do more, is left out.
    """
    if token.member_id is not None and not token.is_restricted:
        return OWNER_GRANTS.rights({}).granted
    return token.own_rights(directory.roles).granted


def uncovered(rights: Rights, policy: Policy) -> list[Permission]:
    """Return what a policy allows and rights do not, each an action on all that a specifier names."""
    if policy in rights.policies or base_role_policy(BaseRole.OWNER) in rights.policies:
        return []
    found: dict[Permission, None] = {}
    owned = rights.policies
    for statement in policy.statements:
        for specifier in _specifiers(statement) if statement.effect is Effect.ALLOW else ():
            if len(found) > VIOLATIONS_LIMIT:  # no error lists more
                return list(found)
            wanted = _actions(statement, specifier.type)
            for own in owned:
                if not wanted:
                    break
                wanted -= _allowed(own, specifier, policy)
            if wanted:
                wanted -= _actions_of(policy, Effect.DENY, specifier)
            resource = specifier.as_resource()
            found |= dict.fromkeys(Permission(action, resource) for action in sorted(wanted))
    return list(found)


def _allowed(own: Policy, specifier: ResourceSpecifier, given: Policy) -> set[str]:
    """Return the actions that a policy allows on all that a specifier names, but for what both policies deny."""
    denied: set[str] = set()
    for statement in own.statements:
        is_about_some = statement.effect is Effect.DENY and _is_about_some(statement, specifier)
        if is_about_some and statement not in given.statements:
            denied |= _actions(statement, specifier.type)
    return _actions_of(own, Effect.ALLOW, specifier) - denied


def _actions_of(policy: Policy, effect: Effect, specifier: ResourceSpecifier) -> set[str]:
    """Return the actions to which statements of a policy do something on all that a specifier names."""
    found: set[str] = set()
    everything = specifier.as_resource()
    for statement in policy.statements:
        if statement.effect is effect and _is_about_all(statement, specifier, everything):
            found |= _actions(statement, specifier.type)
    return found


def _actions(statement: Statement, type_name: str) -> frozenset[str]:
    return _known_actions(statement.actions, statement.not_actions, type_name)


@lru_cache(maxsize=1_000)
def _known_actions(actions: tuple[str, ...], not_actions: tuple[str, ...], type_name: str) -> frozenset[str]:
    """Return which of a type's actions a statement names; once for all of its resources."""
    statement = Statement(effect=Effect.ALLOW, actions=actions, not_actions=not_actions)
    return frozenset(action for action in ACTIONS[type_name] if statement.names_action(action))


def _is_about_all(statement: Statement, specifier: ResourceSpecifier, everything: Resource) -> bool:
    """Tell whether a statement is about all that a specifier names, for some actions; a resource stands for it."""
    if statement.resources:
        return any(known_specifier(text).matches(everything) for text in statement.resources)
    return not any(known_specifier(text).overlaps(specifier) for text in statement.not_resources)


def _is_about_some(statement: Statement, specifier: ResourceSpecifier) -> bool:
    """Tell whether a statement may be about something that a specifier names, for some actions."""
    if statement.resources:
        return any(known_specifier(text).overlaps(specifier) for text in statement.resources)
    return not any(known_specifier(text).includes(specifier) for text in statement.not_resources)


def _specifiers(statement: Statement) -> list[ResourceSpecifier]:
    """Return what a statement is about at most."""
    return [known_specifier(text) for text in statement.resources or EVERYTHING]
