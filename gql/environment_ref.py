"""How clients name an environment."""

import strawberry

from domain.keys import EnvironmentRef


@strawberry.input(name="EnvironmentRef", description="An environment's full name.")
class EnvironmentRefInput:
    """Input for domain.keys.EnvironmentRef."""

    project: str = strawberry.field(description="The project's key.")
    environment: str = strawberry.field(description="The environment's key.")

    def to_domain(self) -> EnvironmentRef:
        """Convert to the domain's name."""
        return EnvironmentRef(self.project, self.environment)


def environment_or_none(ref: EnvironmentRefInput | None) -> EnvironmentRef | None:
    """Convert an optional one."""
    return None if ref is None else ref.to_domain()
