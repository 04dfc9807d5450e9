"""What the viewer may do to a thing of the graph: the field that each of them has."""

import strawberry

from domain.services.permissions import CatalogThing
from gql.context import Info


def viewer_can(root: strawberry.Parent[CatalogThing], info: Info) -> list[str]:
    """Ask the permission service, which has what it needs in memory."""
    return info.context.services.permissions.actions_on(info.context.principal, root)
