"""Creating, changing and deleting environments."""

from typing import Annotated

import strawberry

from domain.services.catalog import EnvironmentCatalog
from domain.services.environments import CreatedEnvironment
from gql.context import Info
from gql.environment_ref import EnvironmentRefInput
from gql.environments import EnvironmentView
from gql.nodes import global_id
from gql.places import NewEnvironmentInput, NewSdkKeyView, UpdatePlaceInput


@strawberry.input(description="An environment to create.")
class CreateEnvironmentInput(NewEnvironmentInput):
    """Input for domain.services.places.NewPlace."""

    project: str = strawberry.field(description="The project's key.")
    comment: str = strawberry.field(default="", description="Why, for the audit log.")


@strawberry.input(description="Changes of an environment's details, all or none.")
class UpdateEnvironmentInput(UpdatePlaceInput):
    """Input for domain.services.places.PlaceEdit."""

    environment: EnvironmentRefInput = strawberry.field(description="Which.")


@strawberry.input(description="An environment to delete.")
class DeleteEnvironmentInput:
    """Input for the deletion of an environment."""

    environment: EnvironmentRefInput = strawberry.field(description="Which.")
    expected_version: int | None = strawberry.field(
        default=None, description="The version you saw; another one is refused. Null takes any."
    )
    comment: str = strawberry.field(default="", description="Why, for the audit log.")


async def _created(root: strawberry.Parent[CreatedEnvironment], info: Info) -> EnvironmentCatalog | None:
    return await info.context.services.catalog.environment(info.context.principal, root.environment.ref)


@strawberry.type(description="A created environment.")
class CreateEnvironmentPayload:
    """View of domain.services.environments.CreatedEnvironment."""

    environment = strawberry.field(
        resolver=_created,
        graphql_type=EnvironmentView | None,
        description="The environment; null where a part of it that was asked for fails: the secrets stay.",
    )
    sdk_keys: list[NewSdkKeyView] = strawberry.field(description="Its SDK keys; the secrets are shown this once.")


def _environment(root: strawberry.Parent[EnvironmentCatalog]) -> EnvironmentCatalog:
    return root


@strawberry.type(description="A changed environment.")
class UpdateEnvironmentPayload:
    """View of domain.services.catalog.EnvironmentCatalog."""

    environment = strawberry.field(
        resolver=_environment, graphql_type=EnvironmentView | None, description="The environment after the change."
    )


def _deleted_id(root: strawberry.Parent[str]) -> strawberry.ID:
    return global_id("Environment", root)


@strawberry.type(description="A deleted environment.")
class DeleteEnvironmentPayload:
    """View of the id that an environment had."""

    deleted_environment_id: strawberry.ID = strawberry.field(
        resolver=_deleted_id, description="The global id that it had."
    )


@strawberry.type
class EnvironmentsMutation:
    """The mutations of environments."""

    @strawberry.mutation(
        graphql_type=CreateEnvironmentPayload | None,
        description="Create an environment. It has all flags of its project, off, and SDK keys of its own.",
    )
    async def create_environment(
        self,
        info: Info,
        input: Annotated[CreateEnvironmentInput, strawberry.argument(description="The environment.")],  # noqa: A002 - GraphQL's name
    ) -> CreatedEnvironment:
        """Ask the environment service."""
        return await info.context.services.environments.create(
            info.context.principal, input.project, input.to_domain(), input.comment
        )

    @strawberry.mutation(
        graphql_type=UpdateEnvironmentPayload | None,
        description="Change an environment's name and tags by instructions, all or none.",
    )
    async def update_environment(
        self,
        info: Info,
        input: Annotated[UpdateEnvironmentInput, strawberry.argument(description="The changes.")],  # noqa: A002 - GraphQL's name
    ) -> EnvironmentCatalog:
        """Ask the environment service."""
        return await info.context.services.environments.update(
            info.context.principal, input.environment.to_domain(), input.to_domain()
        )

    @strawberry.mutation(
        graphql_type=DeleteEnvironmentPayload | None,
        description="Delete an environment with its targeting, its segments and their members, and its SDK keys, "
        "for good. A flag that no other environment has goes with it. The last one of a project is refused.",
    )
    async def delete_environment(
        self,
        info: Info,
        input: Annotated[DeleteEnvironmentInput, strawberry.argument(description="Which.")],  # noqa: A002 - GraphQL's name
    ) -> str:
        """Ask the environment service."""
        return await info.context.services.environments.delete(
            info.context.principal,
            input.environment.to_domain(),
            expected_version=input.expected_version,
            comment=input.comment,
        )
