"""Large lists: how their members change, one generation after the other (LaunchDarkly semantics 2.7)."""

from dataclasses import dataclass
from enum import Enum

from domain.keys import EnvironmentRef
from domain.model.segments import list_id_of

START_IMPORT = "startSegmentImport"
"""What asks for a change from a file; others take no longer than a request, and are waited for."""


class ListMode(Enum):
    """What becomes of a list's members when keys are given."""

    MERGE = "MERGE"
    OVERWRITE = "OVERWRITE"
    REMOVE = "REMOVE"
    RESTORE = "RESTORE"


class ListFileMode(Enum):
    """What becomes of a list's members when a file comes in: what single keys do too."""

    MERGE = "MERGE"
    OVERWRITE = "OVERWRITE"
    REMOVE = "REMOVE"

    @property
    def list_mode(self) -> ListMode:
        """The same among all ways to change a list."""
        return ListMode(self.value)


class ListChangeState(Enum):
    """How far a change of a list has come."""

    WAITING = "WAITING"
    RUNNING = "RUNNING"
    CANCELLING = "CANCELLING"
    COMPLETED = "COMPLETED"
    FAILED = "FAILED"
    CANCELLED = "CANCELLED"


@dataclass(frozen=True, slots=True)
class MalformedLine:
    """A line of a file that was left out, counted from 1, and why."""

    line: int
    message: str


@dataclass(frozen=True, slots=True, kw_only=True)
class ListCounts:
    """What a change read and did.

    Attributes:
        lines: Lines that were not blank; of a sync, people.
        added: Keys that were not members.
        already: Keys that were members and stay.
        removed: Members that are none any more.
        duplicates: Keys that came again.
        malformed: Lines that were left out.
        malformed_lines: The first hundred of those.
        skipped: People of a sync that had no key.
    """

    lines: int = 0
    added: int = 0
    already: int = 0
    removed: int = 0
    duplicates: int = 0
    malformed: int = 0
    malformed_lines: tuple[MalformedLine, ...] = ()
    skipped: int = 0

    @property
    def change_nothing(self) -> bool:
        """Whether the members are who they were."""
        return not self.added and not self.removed


@dataclass(frozen=True, slots=True, kw_only=True)
class ListChange:
    """A change of a large list: it makes the list's next generation, which takes effect at one instant.

    Attributes:
        generation: The generation that it makes, unless nothing was to change; a number is never used twice.
        action: What asked for it, in the API's word.
        is_unchanged: Whether it completed, and found that nothing was to change.
        acknowledge_removal: Whether it may remove most of a list that flags use.
        actor: The name that the audit log gives who began it.
        owner: Who began it, and alone may upload its file: see `Principal.id`.
        beat_ms: When its process last gave a sign of life, in epoch milliseconds.
        error: Why it failed, from when it is being undone on.
        message_id: What the tool that sent it calls it; "" if it did not say.
        list_uid: Which of the lists that segments with this key had, one after the other: see `Segment`.
    """

    environment: EnvironmentRef
    segment_key: str
    generation: int
    mode: ListMode
    state: ListChangeState
    actor: str
    owner: str = ""
    action: str = START_IMPORT
    comment: str = ""
    acknowledge_removal: bool = False
    started_ms: int = 0
    beat_ms: int = 0
    finished_ms: int | None = None
    counts: ListCounts = ListCounts()
    error: str | None = None
    message_id: str = ""
    is_unchanged: bool = False
    list_uid: str = ""
    version: int = 1

    @property
    def id(self) -> str:
        """Identify it by its list and its generation, in the order of generations."""
        return f"{self.scope}/{self.generation:010d}"

    @property
    def scope(self) -> str:
        """Name what it is listed under: its list."""
        return list_id_of(self.segment_id, self.list_uid)

    @property
    def segment_id(self) -> str:
        """The id of its segment."""
        return f"{self.environment}/{self.segment_key}"

    @property
    def is_from_file(self) -> bool:
        """Whether it is made from a file, which may be long in coming."""
        return self.action == START_IMPORT

    @property
    def is_running(self) -> bool:
        """Whether a process is at work on it."""
        return self.state in {ListChangeState.RUNNING, ListChangeState.CANCELLING}

    @property
    def is_open(self) -> bool:
        """Whether it still has the list to itself: it may take effect, or is being undone."""
        return self.finished_ms is None
