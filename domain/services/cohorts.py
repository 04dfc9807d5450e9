"""Cohorts: what external tools say of them, and which segments are theirs."""

import hashlib
import re
import secrets
from collections.abc import Collection, Sequence
from dataclasses import dataclass, replace
from urllib.parse import urlsplit

from domain.errors import AlreadyExistsError, InvalidInputError, NotFoundError, Violation
from domain.evaluation.snapshot import Snapshot
from domain.instructions.limits import COHORTS_LIMIT, URL_CHARACTERS, text_violations, too_long, too_many
from domain.keys import KEY_LENGTH_LIMIT, EnvironmentRef, context_key_problem, key_violation
from domain.model.contexts import is_context_kind
from domain.model.lists import ListCounts
from domain.model.segments import Segment, SyncSource, new_list_uid
from domain.model.targeting import DEFAULT_CONTEXT_KIND
from domain.services.list_files import FileReading

_NOT_KEY_CHARACTERS = re.compile(r"[^A-Za-z0-9._-]+")
_HASH_LENGTH = 8


@dataclass(frozen=True, slots=True, kw_only=True)
class CohortMembers:
    """What a tool says of people, one or a million of them; for one without a key, nothing can be done."""

    user_keys: Sequence[str | None]
    cohort_id: str
    cohort_name: str
    is_member: bool
    cohort_url: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class CohortMessage:
    """What a tool says in one request, in its order: the last word of a person in a cohort holds."""

    integration: str
    members: Sequence[CohortMembers]
    context_kind: str = DEFAULT_CONTEXT_KIND
    message_id: str = ""

    def violations(self) -> list[Violation]:
        """Return what is wrong with it, whatever it is for."""
        found = [key_violation(self.integration, ("integration",))]
        if not is_context_kind(self.context_kind):
            found.append(Violation(("contextKind",), "is not a context kind"))
        found += text_violations(self.message_id, ("messageId",))
        ids = {member.cohort_id for member in self.members}
        found += too_many("cohorts of one message", len(ids), COHORTS_LIMIT, ("cohortId",))
        for id_ in sorted(ids):
            found += text_violations(id_, ("cohortId",))
        for name in sorted({member.cohort_name for member in self.members}):
            found += text_violations(name, ("cohortName",))
        for url in sorted({member.cohort_url for member in self.members}):
            found += too_long(url, URL_CHARACTERS, ("cohortUrl",))
            if not _is_link(url):
                found.append(Violation(("cohortUrl",), f"{url[:100]!r} does not begin with http:// or https://"))
        return [violation for violation in found if violation]

    def syncs(self) -> list["CohortSync"]:
        """Return what it says, cohort by cohort."""
        members: dict[str, list[CohortMembers]] = {}
        for member in self.members:
            members.setdefault(member.cohort_id, []).append(member)
        return [_sync_of(self, of_one) for of_one in members.values()]


@dataclass(frozen=True, slots=True, kw_only=True)
class Cohort:
    """What is said of a cohort itself."""

    source: SyncSource
    name: str
    context_kind: str

    @property
    def possible_keys(self) -> list[str]:
        """The keys that its segment may have: one that reads well, if it is short enough, and one of its own."""
        integration, cohort_id = self.source.integration, self.source.cohort_id
        plain = _NOT_KEY_CHARACTERS.sub("-", f"{integration}-{cohort_id}")
        suffix = "-" + hashlib.sha256(f"{integration}/{cohort_id}".encode()).hexdigest()[:_HASH_LENGTH]
        own = plain[: KEY_LENGTH_LIMIT - len(suffix)] + suffix
        return [plain, own] if len(plain) <= KEY_LENGTH_LIMIT else [own]

    def key_in(self, snapshot: Snapshot, taken: Collection[str] = ()) -> str:
        """Return the key that its segment has in an environment, or is to have: none that others are to take.

        Raises:
            InvalidInputError: Others have the keys that it may have, or its members are of another kind.
        """
        for key in self.keys_owned_in(snapshot):
            kind = snapshot.segments[key].segment.member_kind
            if kind != self.context_kind:
                text = f"the segment {key!r} has members of the kind {kind!r}"
                raise InvalidInputError([Violation(("contextKind",), text)])
            return key
        for key in self.possible_keys:
            if key not in snapshot.segments and key not in taken:
                return key
        text = f"the segment {self.possible_keys[-1]!r} is not this cohort's"
        raise InvalidInputError([Violation(("cohortId",), text)])

    def keys_owned_in(self, snapshot: Snapshot) -> list[str]:
        """Return the key of its segment in an environment; none if it has none there."""
        keys = (key for key in self.possible_keys if key in snapshot.segments)
        return [key for key in keys if self._owns(snapshot.segments[key].segment)]

    def check_key(self, snapshot: Snapshot, key: str) -> None:
        """Refuse a key that is not its segment's any more.

        Raises:
            AlreadyExistsError: Others took the key, or its segment has another one meanwhile.
            InvalidInputError: As `key_in` says.
        """
        if self.key_in(snapshot) != key:
            raise AlreadyExistsError("segment", key)

    def new_segment(self, environment: EnvironmentRef, key: str) -> Segment:
        """Return its segment as it begins."""
        return Segment(
            environment=environment,
            key=key,
            name=self.name or key,
            salt=secrets.token_hex(8),
            unbounded=True,
            unbounded_context_kind=self.context_kind,
            list_uid=new_list_uid(),
            sync_source=self.source,
        )

    def updated(self, segment: Segment) -> Segment:
        """Return its segment with what is said of the cohort now."""
        known = segment.sync_source.cohort_url if segment.sync_source else ""
        source = replace(self.source, cohort_url=self.source.cohort_url or known)
        return replace(segment, name=self.name or segment.name, sync_source=source)

    def _owns(self, segment: Segment) -> bool:
        owner = segment.sync_source
        ours = self.source
        return owner is not None and (owner.integration, owner.cohort_id) == (ours.integration, ours.cohort_id)


@dataclass(frozen=True, slots=True, kw_only=True)
class CohortSync:
    """What a message says of one cohort.

    Attributes:
        joined: Keys that are in.
        left: Keys that are out.
        read: How many people it names, and which of them were left out.
        message_id: What tells the message from the tool's others; "" if nothing does.
    """

    cohort: Cohort
    joined: frozenset[str]
    left: frozenset[str]
    read: ListCounts
    message_id: str = ""


def _sync_of(message: CohortMessage, members: Sequence[CohortMembers]) -> CohortSync:
    joined: set[str] = set()
    left: set[str] = set()
    reading = FileReading()
    repeated = 0
    for people in members:
        keys = [key for key in people.user_keys if key is not None and not context_key_problem(key)]
        if len(keys) < len(people.user_keys):
            _note_left_out(people, reading)
        reading.lines += len(people.user_keys)
        repeated += len(keys)
        now, before = (joined, left) if people.is_member else (left, joined)
        now.update(keys)
        before.difference_update(keys)
    reading.duplicates = repeated - len(joined) - len(left)
    source = SyncSource(
        integration=message.integration,
        cohort_id=members[-1].cohort_id,
        cohort_url=_last_given([people.cohort_url for people in members]),
    )
    name = _last_given([people.cohort_name for people in members])
    return CohortSync(
        cohort=Cohort(source=source, name=name, context_kind=message.context_kind),
        joined=frozenset(joined),
        left=frozenset(left),
        read=reading.counts,
        message_id=message.message_id,
    )


def _last_given(texts: Sequence[str]) -> str:
    """Return the last that says something: tools need not say it with every person."""
    return next((text for text in reversed(texts) if text), "")


def _note_left_out(people: CohortMembers, reading: FileReading) -> None:
    """Note who has no key, and whose is malformed; a person's place in the message counts as a line."""
    for place, key in enumerate(people.user_keys, reading.lines + 1):
        if key is None:
            reading.skipped += 1
        elif problem := context_key_problem(key):
            reading.refuse(place, f"its key {problem}")


def _is_link(url: str) -> bool:
    """Tell whether a browser may be led there; "" leads nowhere."""
    try:
        return not url or urlsplit(url).scheme in {"http", "https"}
    except ValueError:
        return False


def environment_of(text: str) -> EnvironmentRef:
    """Read the id that tools are given for an environment: `project/environment`.

    Raises:
        NotFoundError: It is none.
    """
    project, separator, environment = text.partition("/")
    if not separator:
        raise NotFoundError("environment", text)
    return EnvironmentRef(project, environment)
