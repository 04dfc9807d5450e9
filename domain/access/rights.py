"""Rights: what the policies that somebody has allow together, and where he has each of them from."""

from collections.abc import Iterable
from dataclasses import dataclass
from enum import Enum

from domain.access.policies import Policy, Statement
from domain.access.resources import Resource


class PolicySource(Enum):
    """Where somebody has a policy from."""

    BASE_ROLE = "BASE_ROLE"
    CUSTOM_ROLE = "CUSTOM_ROLE"
    PROJECT_ROLE = "PROJECT_ROLE"
    ACCESS_TOKEN = "ACCESS_TOKEN"  # noqa: S105 - the name of a source, not a secret
    MEMBERSHIP = "MEMBERSHIP"


@dataclass(frozen=True, slots=True, kw_only=True)
class GrantedPolicy:
    """A policy that somebody has.

    Attributes:
        role: The role that it is of: a custom role's key, a base or project role's name; None if it is of none.
        project: The key of the project that a project role is for.
    """

    source: PolicySource
    role: str | None = None
    project: str | None = None
    policy: Policy

    @property
    def statements(self) -> tuple[Statement, ...]:
        """What it says."""
        return self.policy.statements


@dataclass(frozen=True, slots=True)
class Allowance:
    """What allows somebody something: the first statement of a policy that does."""

    policy: GrantedPolicy
    statement: Statement


@dataclass(frozen=True, slots=True)
class Rights:
    """What several policies allow together: across them the more permissive wins."""

    granted: tuple[GrantedPolicy, ...] = ()

    @property
    def policies(self) -> tuple[Policy, ...]:
        """The policies alone."""
        return tuple(granted.policy for granted in self.granted)

    def allow(self, action: str, resource: Resource) -> bool:
        """Tell whether any of the policies allows an action on a resource."""
        return any(policy.decide(action, resource).allows for policy in self.policies)

    def allowed_among(self, actions: tuple[str, ...], resource: Resource) -> frozenset[str]:
        """Return those of some actions that `allow` allows on a resource."""
        return frozenset().union(*(policy.allowed_among(actions, resource) for policy in self.policies))

    def allowances(self, action: str, resource: Resource) -> Iterable[Allowance]:
        """Return what allows an action on a resource: for each of the policies that do, the statement."""
        for granted in self.granted:
            decision = granted.policy.decide(action, resource)
            if decision.allows and decision.statement is not None:
                yield Allowance(granted, granted.statements[decision.statement])
