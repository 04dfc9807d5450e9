"""Actors: the names that changes bear. Those of members and service tokens are for whoever may view these."""

from collections.abc import Iterable, Mapping

from domain.access.actions import MemberAction, TokenAction
from domain.access.directory import AccessDirectory
from domain.access.members import fold_email
from domain.access.principals import OPERATOR, Principal
from domain.access.resources import resource_of

_KINDS = ("member", "token")


def seen_actors(actors: Iterable[str], principal: Principal, directory: AccessDirectory) -> Mapping[str, str]:
    """Return, by the names of actors, what somebody sees of them: of whom he may not view, `member` or `token`.

    Whoever is gone, or has another email now, is viewed as a member of that email would be, or as a token whose id
    is its name. Everybody sees himself, and the service and its operator are nobody's secret.
    """
    found = {actor: actor for actor in actors}
    kinds = {actor: actor.partition("/") for actor in found if not _is_open(actor, principal)}
    if not kinds:
        return found
    emails = {fold_email(name) for kind, _, name in kinds.values() if kind == "member"}
    members = {folded: m for m in directory.members.values() if (folded := fold_email(m.email)) in emails}
    names = {name for kind, _, name in kinds.values() if kind == "token"}
    tokens = {c.name: c for c in directory.credentials.values() if c.is_of_service and c.name in names}
    for actor, (kind, _, name) in kinds.items():
        if kind == "member":
            member = members.get(fold_email(name))
            resource = resource_of("member", fold_email(name)) if member is None else member.resource
            is_seen = principal.may(MemberAction.VIEW, resource)
        else:
            token = tokens.get(name)
            resource = resource_of("service-token", name) if token is None else token.resource(None)
            is_seen = principal.may(TokenAction.VIEW, resource)
        found[actor] = actor if is_seen else kind
    return found


def _is_open(actor: str, principal: Principal) -> bool:
    kind, separator, _ = actor.partition("/")
    return actor in {principal.actor, OPERATOR.actor} or not separator or kind not in _KINDS
