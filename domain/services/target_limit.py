"""How many individual targets a segment, or a flag in an environment, may have."""

from collections.abc import Iterable
from dataclasses import dataclass

from domain.errors import LimitExceededError
from domain.instructions.flag_targets import EditFlagTargets
from domain.instructions.segments import EditTargets


@dataclass(frozen=True, slots=True)
class TargetLimit:
    """The limit of the settings; an import may bring more, which an edit may keep and not add to."""

    most: int

    def check_input(self, instructions: Iterable[object]) -> None:
        """Refuse at once what is too long to be applied, or compared, while others wait.

        Raises:
            LimitExceededError: An instruction names more targets than a thing may have.
        """
        for instruction in instructions:
            if isinstance(instruction, EditTargets | EditFlagTargets):
                self.check(len(instruction.keys))

    def check(self, count: int, before: int = 0) -> None:
        """Refuse more targets than there may be, or were before.

        Raises:
            LimitExceededError: There are.
        """
        if count > max(self.most, before):
            raise LimitExceededError(
                "individual targets (the large list of a segment takes any number)",
                setting="EARLYBIRD_MAX_TARGETS",
                limit=self.most,
                actual=count,
            )
