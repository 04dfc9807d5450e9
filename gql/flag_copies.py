"""Copying a flag's targeting between environments."""

from typing import Annotated

import strawberry

from domain.services.flag_copies import CopiedFlag, FlagCopy, TargetingPart
from gql.context import Info
from gql.enums import register_enum
from gql.environment_ref import EnvironmentRefInput
from gql.flags import FlagView

register_enum(
    TargetingPart,
    "A part of a flag's targeting that is copied, or not, for itself.",
    {
        TargetingPart.ON: "Whether it is on.",
        TargetingPart.PREREQUISITES: "What other flags must serve first.",
        TargetingPart.TARGETS: "The individual targets, of every kind.",
        TargetingPart.RULES: "The rules.",
        TargetingPart.FALLTHROUGH: "What is served when nothing else matches.",
        TargetingPart.OFF_VARIATION: "What is served when it is off.",
    },
)


@strawberry.input(description="A copy of a flag's targeting, from one environment of its project to another.")
class CopyFlagTargetingInput:
    """Input for domain.services.flag_copies.FlagCopy."""

    source: EnvironmentRefInput = strawberry.field(description="Where from.")
    target: EnvironmentRefInput = strawberry.field(description="Where to.")
    flag_key: str = strawberry.field(description="Which flag.")
    expected_version: int | None = strawberry.field(
        default=None, description="The version in the target that you saw; another one is refused. Null takes any."
    )
    include: list[TargetingPart] | None = strawberry.field(
        default=None, description="Which parts; the others stay as they are in the target. Null copies all."
    )
    skip_missing: bool = strawberry.field(
        default=False,
        description="Whether to leave out what names a segment, a flag or a variation that the target lacks, and "
        "what came with an import and no edit could write, and to list it as `skipped`. Otherwise it is refused, "
        "and nothing changes.",
    )
    comment: str = strawberry.field(default="", description="Why, for the audit log.")

    def to_domain(self) -> FlagCopy:
        """Convert to the domain's wish."""
        return FlagCopy(
            source=self.source.to_domain(),
            target=self.target.to_domain(),
            flag_key=self.flag_key,
            expected_version=self.expected_version,
            include=tuple(TargetingPart) if self.include is None else tuple(dict.fromkeys(self.include)),
            skip_missing=self.skip_missing,
            comment=self.comment,
        )


@strawberry.type(name="SkippedPart", description="What was left out of a copy.")
class SkippedPartView:
    """View of domain.services.flag_copies.SkippedPart."""

    part: TargetingPart = strawberry.field(
        description="The part. Of rules and prerequisites the one named by `key` is left out; any other part "
        "stays what it was in the target."
    )
    key: str | None = strawberry.field(
        description="The rule's id in the source (`#0` is the first, if it has none), or the prerequisite's flag."
    )
    reason: str = strawberry.field(description="What the target lacks, or why no edit could write it.")
    segments: list[str] = strawberry.field(description="The keys of the segments that the target lacks.")


@strawberry.type(description="A flag whose targeting was copied.")
class CopyFlagTargetingPayload:
    """View of domain.services.flag_copies.CopiedFlag."""

    flag: FlagView | None = strawberry.field(description="The flag after the copy, as the target sees it.")
    revision: int = strawberry.field(description="The target's revision with the copy.")
    skipped: list[SkippedPartView] | None = strawberry.field(description="What was left out, and why.")


@strawberry.type
class FlagCopiesMutation:
    """The mutation that copies targeting."""

    @strawberry.mutation(
        graphql_type=CopyFlagTargetingPayload | None,
        description="Copy a flag's targeting from one environment of its project to another. The salt stays the "
        "target's own, so that a rollout splits there as it did. A flag that an import brought to the source only "
        "is new in the target: off, but for the parts that are copied.",
    )
    async def copy_flag_targeting(
        self,
        info: Info,
        input: Annotated[CopyFlagTargetingInput, strawberry.argument(description="The copy.")],  # noqa: A002 - GraphQL's name
    ) -> CopiedFlag:
        """Ask the service of copies."""
        return await info.context.services.flag_copies.copy(info.context.principal, input.to_domain())
