"""Creating, changing and deleting projects."""

from typing import Annotated

import strawberry

from domain.model.projects import Project
from domain.services.places import NewPlace
from domain.services.projects import FIRST_ENVIRONMENTS, CreatedProject
from gql.context import Info
from gql.environments import ProjectView
from gql.nodes import global_id
from gql.places import NewEnvironmentInput, NewSdkKeyView, UpdatePlaceInput


@strawberry.input(description="A project to create.")
class CreateProjectInput:
    """Input for domain.services.places.NewPlace."""

    name: str = strawberry.field(description="The name that people read.")
    key: str | None = strawberry.field(
        default=None, description="The key; null derives it from the name. It never changes."
    )
    tags: list[str] = strawberry.field(default_factory=list, description="Its tags.")
    environments: list[NewEnvironmentInput] | None = strawberry.field(
        default=None, description="Its first environments; null means Production and Test."
    )
    comment: str = strawberry.field(default="", description="Why, for the audit log.")

    def to_domain(self) -> NewPlace:
        """Convert to the domain's wish."""
        return NewPlace(name=self.name, key=self.key, tags=self.tags)

    def environments_to_domain(self) -> list[NewPlace]:
        """Convert the environments."""
        given = self.environments
        return list(FIRST_ENVIRONMENTS) if given is None else [environment.to_domain() for environment in given]


@strawberry.input(description="Changes of a project's details, all or none.")
class UpdateProjectInput(UpdatePlaceInput):
    """Input for domain.services.places.PlaceEdit."""

    project: str = strawberry.field(description="The project's key.")


@strawberry.input(description="A project to delete.")
class DeleteProjectInput:
    """Input for the deletion of a project."""

    project: str = strawberry.field(description="The project's key.")
    expected_version: int | None = strawberry.field(
        default=None, description="The version you saw; another one is refused. Null takes any."
    )
    comment: str = strawberry.field(default="", description="Why, for the audit log.")


async def _created(root: strawberry.Parent[CreatedProject]) -> Project:
    """Return the project when its secrets are answered: what is asked of the project takes none of their room."""
    return root.project


@strawberry.type(description="A created project.")
class CreateProjectPayload:
    """View of domain.services.projects.CreatedProject."""

    project = strawberry.field(
        resolver=_created,
        graphql_type=ProjectView | None,
        description="The project; null where a part of it that was asked for fails: the secrets stay.",
    )
    sdk_keys: list[NewSdkKeyView] = strawberry.field(
        description="The SDK keys of its environments: their secrets are shown this once."
    )


def _project(root: strawberry.Parent[Project]) -> Project:
    return root


@strawberry.type(description="A changed project.")
class UpdateProjectPayload:
    """View of domain.model.projects.Project."""

    project = strawberry.field(
        resolver=_project, graphql_type=ProjectView | None, description="The project after the change."
    )


def _deleted_id(root: strawberry.Parent[str]) -> strawberry.ID:
    return global_id("Project", root)


@strawberry.type(description="A deleted project.")
class DeleteProjectPayload:
    """View of the id that a project had."""

    deleted_project_id: strawberry.ID = strawberry.field(
        resolver=_deleted_id, description="The global id that it had."
    )


@strawberry.type
class ProjectsMutation:
    """The mutations of projects."""

    @strawberry.mutation(
        graphql_type=CreateProjectPayload | None, description="Create a project with its first environments."
    )
    async def create_project(
        self,
        info: Info,
        input: Annotated[CreateProjectInput, strawberry.argument(description="The project.")],  # noqa: A002 - GraphQL's name
    ) -> CreatedProject:
        """Ask the project service."""
        return await info.context.services.projects.create(
            info.context.principal, input.to_domain(), input.environments_to_domain(), input.comment
        )

    @strawberry.mutation(
        graphql_type=UpdateProjectPayload | None,
        description="Change a project's name and tags by instructions, all or none.",
    )
    async def update_project(
        self,
        info: Info,
        input: Annotated[UpdateProjectInput, strawberry.argument(description="The changes.")],  # noqa: A002 - GraphQL's name
    ) -> Project:
        """Ask the project service."""
        return await info.context.services.projects.update(
            info.context.principal, input.project, input.to_domain()
        )

    @strawberry.mutation(
        graphql_type=DeleteProjectPayload | None,
        description="Delete a project with its flags, its environments and everything in those, for good.",
    )
    async def delete_project(
        self,
        info: Info,
        input: Annotated[DeleteProjectInput, strawberry.argument(description="Which.")],  # noqa: A002 - GraphQL's name
    ) -> str:
        """Ask the project service."""
        return await info.context.services.projects.delete(
            info.context.principal,
            input.project,
            expected_version=input.expected_version,
            comment=input.comment,
        )
