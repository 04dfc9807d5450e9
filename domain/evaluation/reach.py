"""Reach: which large lists the evaluation of flags may ask for, through prerequisites and nested segments."""

from collections.abc import Iterable, Mapping

from domain.evaluation.usage import UsageIndex
from domain.model.flags import EnvironmentFlag
from domain.model.segments import Segment


class ListReach:
    """What each flag of an environment reaches, found when it is first asked for.

    Args:
        flags: The flags that are evaluated, by key.
        lists: The large lists, by the keys of their segments.
        usage: What rules name.
    """

    def __init__(
        self, flags: Mapping[str, EnvironmentFlag], lists: Mapping[str, Segment], usage: UsageIndex
    ) -> None:
        self._flags = flags
        self._lists = lists
        self._usage = usage
        self._of_flag: dict[str, frozenset[str]] = {}

    def lists_of(self, flag_keys: Iterable[str]) -> list[Segment]:
        """Return the large lists that flags may ask for, in the order of keys; more than they do, never less."""
        reached: set[str] = set()
        for key in flag_keys:
            if key in self._flags:
                if key not in self._of_flag:
                    self._of_flag[key] = self._follow(key)
                reached |= self._of_flag[key]
        return [self._lists[key] for key in sorted(reached)]

    def _follow(self, flag_key: str) -> frozenset[str]:
        flags = {flag_key}
        waiting = [flag_key]
        for key in waiting:
            for prerequisite in self._flags[key].targeting.prerequisites:
                if prerequisite.key in self._flags and prerequisite.key not in flags:
                    flags.add(prerequisite.key)
                    waiting.append(prerequisite.key)
        segments: set[str] = set()
        named = [reference.segment for key in flags for reference in self._usage.rules_of_flags.by_user[key]]
        for key in named:
            if key not in segments:
                segments.add(key)
                named += [reference.segment for reference in self._usage.rules_of_segments.by_user.get(key, ())]
        return frozenset(segments & self._lists.keys())
