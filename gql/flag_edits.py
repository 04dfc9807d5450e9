"""Creating, targeting, archiving, deprecating and deleting flags."""

from typing import Annotated

import strawberry

from domain.model.flags import ChosenDefaults, EnvironmentFlag
from domain.model.targeting import ClientSideAvailability
from domain.services.catalog import EnvironmentCatalog
from domain.services.flags import ChangedFlag, ChangedFlags, FlagEdit, TargetingEdit, WholeFlag
from domain.services.new_flags import NewFlag
from gql.containing import owning_environment
from gql.context import Info
from gql.environment_ref import EnvironmentRefInput
from gql.environments import EnvironmentView
from gql.flag_detail_instructions import DefaultVariationsInput, FlagDetailInstructionInput, VariationInput
from gql.flag_instructions import FlagInstructionInput
from gql.flags import FlagView
from gql.nodes import global_id


@strawberry.input(description="A flag to create, in every environment of its project.")
class CreateFlagInput:
    """Input for domain.services.new_flags.NewFlag."""

    project: str = strawberry.field(description="The project's key.")
    name: str = strawberry.field(description="The name that people read.")
    key: str | None = strawberry.field(
        default=None, description="The key; null derives it from the name. It never changes."
    )
    description: str = strawberry.field(default="", description="What it is for.")
    tags: list[str] = strawberry.field(default_factory=list, description="Its tags.")
    variations: list[VariationInput] | None = strawberry.field(
        default=None, description="The values it can serve, each once; null means true and false."
    )
    defaults: DefaultVariationsInput | None = strawberry.field(
        default=None, description="What it begins with here, and later in environments where it is new."
    )
    temporary: bool = strawberry.field(default=False, description="Whether it is to be removed one day.")
    client_side: bool = strawberry.field(default=False, description="Whether client SDK keys may see it.")
    comment: str = strawberry.field(default="", description="Why, for the audit log.")

    def to_domain(self) -> NewFlag:
        """Convert to the domain's wish."""
        boolean = [VariationInput(value=True), VariationInput(value=False)]
        variations = boolean if self.variations is None else self.variations
        return NewFlag(
            project=self.project,
            name=self.name,
            key=self.key,
            description=self.description,
            tags=self.tags,
            variations=[variation.to_domain() for variation in variations],
            defaults=ChosenDefaults() if self.defaults is None else self.defaults.to_domain(),
            temporary=self.temporary,
            client_side_availability=ClientSideAvailability(using_environment_id=self.client_side),
            comment=self.comment,
        )


@strawberry.input(description="Changes of a flag in every environment of its project, all or none.")
class UpdateFlagInput:
    """Input for domain.services.flags.FlagEdit."""

    project: str = strawberry.field(description="The project's key.")
    flag_key: str = strawberry.field(description="Which flag.")
    instructions: list[FlagDetailInstructionInput] = strawberry.field(description="The changes, in their order.")
    expected_version: int | None = strawberry.field(
        default=None, description="The `projectVersion` you saw; another one is refused. Null takes any."
    )
    comment: str = strawberry.field(default="", description="Why, for the audit log.")

    def to_domain(self) -> FlagEdit:
        """Convert to the domain's wish."""
        return FlagEdit(
            project=self.project,
            flag_key=self.flag_key,
            instructions=[instruction.to_domain() for instruction in self.instructions],
            expected_version=self.expected_version,
            comment=self.comment,
        )


@strawberry.input(description="Changes of a flag's targeting in one environment, all or none.")
class UpdateFlagTargetingInput:
    """Input for domain.services.flags.TargetingEdit."""

    environment: EnvironmentRefInput = strawberry.field(description="Where.")
    flag_key: str = strawberry.field(description="Which flag.")
    instructions: list[FlagInstructionInput] = strawberry.field(description="The changes, in their order.")
    expected_version: int | None = strawberry.field(
        default=None, description="The version you saw; another one is refused. Null takes any."
    )
    comment: str = strawberry.field(default="", description="Why, for the audit log.")

    def to_domain(self) -> TargetingEdit:
        """Convert to the domain's wish."""
        return TargetingEdit(
            flag_key=self.flag_key,
            instructions=[instruction.to_domain() for instruction in self.instructions],
            expected_version=self.expected_version,
            comment=self.comment,
        )


@strawberry.input(description="A flag to archive.")
class ArchiveFlagInput:
    """Input for domain.services.flags.WholeFlag."""

    project: str = strawberry.field(description="The project's key.")
    flag_key: str = strawberry.field(description="Which flag.")
    expected_version: int | None = strawberry.field(
        default=None, description="The `projectVersion` you saw; another one is refused. Null takes any."
    )
    comment: str = strawberry.field(default="", description="Why, for the audit log.")

    def to_domain(self) -> WholeFlag:
        """Convert to the domain's wish."""
        return WholeFlag(
            project=self.project,
            key=self.flag_key,
            expected_version=self.expected_version,
            comment=self.comment,
        )


@strawberry.input(description="A flag to restore.")
class RestoreFlagInput(ArchiveFlagInput):
    """Input for domain.services.flags.WholeFlag."""


@strawberry.input(description="A flag to deprecate.")
class DeprecateFlagInput(ArchiveFlagInput):
    """Input for domain.services.flags.WholeFlag."""


@strawberry.input(description="A deprecated flag to restore.")
class RestoreDeprecatedFlagInput(ArchiveFlagInput):
    """Input for domain.services.flags.WholeFlag."""


@strawberry.input(description="A flag to delete.")
class DeleteFlagInput(ArchiveFlagInput):
    """Input for domain.services.flags.WholeFlag."""


@strawberry.type(description="A created flag.")
class CreateFlagPayload:
    """View of domain.services.flags.ChangedFlags."""

    flags: list[FlagView] | None = strawberry.field(description="The flag, as each environment sees it.")


@strawberry.type(description="A changed flag.")
class UpdateFlagPayload:
    """View of domain.services.flags.ChangedFlags."""

    flags: list[FlagView] | None = strawberry.field(description="The flag, as each environment sees it.")


@strawberry.type(description="An archived flag.")
class ArchiveFlagPayload:
    """View of domain.services.flags.ChangedFlags."""

    flags: list[FlagView] | None = strawberry.field(description="The flag, as each environment sees it.")


@strawberry.type(description="A restored flag.")
class RestoreFlagPayload:
    """View of domain.services.flags.ChangedFlags."""

    flags: list[FlagView] | None = strawberry.field(description="The flag, as each environment sees it.")


@strawberry.type(description="A deprecated flag.")
class DeprecateFlagPayload:
    """View of domain.services.flags.ChangedFlags."""

    flags: list[FlagView] | None = strawberry.field(description="The flag, as each environment sees it.")


@strawberry.type(description="A restored flag.")
class RestoreDeprecatedFlagPayload:
    """View of domain.services.flags.ChangedFlags."""

    flags: list[FlagView] | None = strawberry.field(description="The flag, as each environment sees it.")


@strawberry.type(description="A changed flag.")
class UpdateFlagTargetingPayload:
    """View of domain.services.flags.ChangedFlag."""

    flag: FlagView | None = strawberry.field(description="The flag after the change.")
    revision: int = strawberry.field(description="The environment's revision with the change.")


def _deleted_ids(root: strawberry.Parent[list[EnvironmentFlag]]) -> list[strawberry.ID]:
    return [global_id("Flag", flag.id) for flag in root]


def _environments(root: strawberry.Parent[list[EnvironmentFlag]], info: Info) -> list[EnvironmentCatalog]:
    return [owning_environment(flag, info) for flag in root]


@strawberry.type(description="A deleted flag.")
class DeleteFlagPayload:
    """View of a flag as each environment saw it."""

    deleted_flag_ids: list[strawberry.ID] = strawberry.field(
        resolver=_deleted_ids, description="The global ids that it had, one for each environment."
    )
    environments = strawberry.field(
        resolver=_environments,
        graphql_type=list[EnvironmentView] | None,
        description="The environments that it was deleted from, in the order of `deletedFlagIds`.",
    )


@strawberry.type
class FlagsMutation:
    """The mutations of flags."""

    @strawberry.mutation(
        graphql_type=CreateFlagPayload | None,
        description="Create a flag in every environment of a project: off, with its default variations.",
    )
    async def create_flag(
        self,
        info: Info,
        input: Annotated[CreateFlagInput, strawberry.argument(description="The flag.")],  # noqa: A002 - GraphQL's name
    ) -> ChangedFlags:
        """Ask the flag service."""
        return await info.context.services.flags.create(info.context.principal, input.to_domain())

    @strawberry.mutation(
        graphql_type=UpdateFlagPayload | None,
        description="Change a flag in every environment of its project by instructions, all or none: its name, "
        "description, tags, variations, and who may see it.",
    )
    async def update_flag(
        self,
        info: Info,
        input: Annotated[UpdateFlagInput, strawberry.argument(description="The changes.")],  # noqa: A002 - GraphQL's name
    ) -> ChangedFlags:
        """Ask the flag service."""
        return await info.context.services.flags.update(info.context.principal, input.to_domain())

    @strawberry.mutation(
        graphql_type=UpdateFlagTargetingPayload | None,
        description="Change a flag's targeting in one environment by instructions, all or none.",
    )
    async def update_flag_targeting(
        self,
        info: Info,
        input: Annotated[UpdateFlagTargetingInput, strawberry.argument(description="The changes.")],  # noqa: A002 - GraphQL's name
    ) -> ChangedFlag:
        """Ask the flag service."""
        return await info.context.services.flags.update_targeting(
            info.context.principal, input.environment.to_domain(), input.to_domain()
        )

    @strawberry.mutation(
        graphql_type=ArchiveFlagPayload | None,
        description="Archive a flag: it then evaluates as an unknown one, everywhere. A prerequisite of others is "
        "refused (IN_USE), with its users.",
    )
    async def archive_flag(
        self,
        info: Info,
        input: Annotated[ArchiveFlagInput, strawberry.argument(description="Which.")],  # noqa: A002 - GraphQL's name
    ) -> ChangedFlags:
        """Ask the flag service."""
        return await info.context.services.flags.archive(info.context.principal, input.to_domain())

    @strawberry.mutation(
        graphql_type=RestoreFlagPayload | None, description="Restore an archived flag, as it was."
    )
    async def restore_flag(
        self,
        info: Info,
        input: Annotated[RestoreFlagInput, strawberry.argument(description="Which.")],  # noqa: A002 - GraphQL's name
    ) -> ChangedFlags:
        """Ask the flag service."""
        return await info.context.services.flags.restore(info.context.principal, input.to_domain())

    @strawberry.mutation(
        graphql_type=DeprecateFlagPayload | None,
        description="Deprecate a flag: it is not to be used any more. It evaluates as before, and lists of flags "
        "hide it unless they are asked for it.",
    )
    async def deprecate_flag(
        self,
        info: Info,
        input: Annotated[DeprecateFlagInput, strawberry.argument(description="Which.")],  # noqa: A002 - GraphQL's name
    ) -> ChangedFlags:
        """Ask the flag service."""
        return await info.context.services.flags.deprecate(info.context.principal, input.to_domain())

    @strawberry.mutation(
        graphql_type=RestoreDeprecatedFlagPayload | None, description="Restore a deprecated flag, as it was."
    )
    async def restore_deprecated_flag(
        self,
        info: Info,
        input: Annotated[RestoreDeprecatedFlagInput, strawberry.argument(description="Which.")],  # noqa: A002 - GraphQL's name
    ) -> ChangedFlags:
        """Ask the flag service."""
        return await info.context.services.flags.restore_deprecated(info.context.principal, input.to_domain())

    @strawberry.mutation(
        graphql_type=DeleteFlagPayload | None,
        description="Delete a flag from every environment, for good. A prerequisite of others is refused "
        "(IN_USE), with its users.",
    )
    async def delete_flag(
        self,
        info: Info,
        input: Annotated[DeleteFlagInput, strawberry.argument(description="Which.")],  # noqa: A002 - GraphQL's name
    ) -> list[EnvironmentFlag]:
        """Ask the flag service."""
        return await info.context.services.flags.delete(info.context.principal, input.to_domain())
