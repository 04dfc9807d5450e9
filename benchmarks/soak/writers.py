"""Those who write. Each knows what was acknowledged of its own things, and what must therefore be there.

A write that is refused as UNAVAILABLE is repeated as it is: whether it came through then does not matter. Where
the answer names a revision, the write is read back at that, from whichever process the request reaches.
"""

import time
from abc import ABC, abstractmethod
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from threading import Lock
from typing import Any

from benchmarks.soak.client import PLACE, Api, RefusedError, Tally

FLAGS = [f"edited-{number}" for number in range(10)]
PEOPLE = [f"person-{number}" for number in range(20)]
LIST_KEYS = 20_000
TRIES = 10
EXPIRY_SECONDS = 2.0
VALUES = """query ($keys: [String!], $context: JSON!, $revision: Int) { evaluateFlags(
    environment: {project: "default", environment: "production"}, flagKeys: $keys, context: $context,
    atLeastRevision: $revision) { evaluations { flagKey value } } }"""
TARGETING = "mutation ($input: UpdateFlagTargetingInput!) { updateFlagTargeting(input: $input) { revision } }"
SEGMENT = "mutation ($input: UpdateSegmentInput!) { updateSegment(input: $input) { revision } }"
IMPORT = "mutation ($input: ImportFlagDataInput!) { importFlagData(input: $input) { revision } }"
START = "mutation ($input: StartSegmentImportInput!) { startSegmentImport(input: $input) { uploadUrl } }"


def seed() -> dict[str, Any]:
    """Make the flags and segments that the writers write to, as flag data."""
    edited = {key: a_flag(key, on=False) for key in FLAGS}
    on_segments = {f"on-{key}": a_flag(f"on-{key}", segment=key) for key in ("edited", "imported-list")}
    return {
        "flags": {**edited, **on_segments, "imported": a_flag("imported")},
        "segments": {
            "edited": {"key": "edited", "tags": ["eap"]},
            "imported-list": {"key": "imported-list", "tags": ["eap"], "unbounded": True},
        },
    }


def a_flag(key: str, *, on: bool = True, segment: str | None = None, value: object = True) -> dict[str, Any]:
    """Make a flag that serves a value when on, or to a segment only."""
    clause = {"attribute": "", "op": "segmentMatch", "values": [segment]}
    return {
        "key": key,
        "on": on,
        "variations": [value, False],
        "offVariation": 1,
        "fallthrough": {"variation": 0 if segment is None else 1},
        "rules": [] if segment is None else [{"id": "segment", "clauses": [clause], "variation": 0}],
        "clientSideAvailability": {"usingEnvironmentId": True, "usingMobileKey": True},
    }


class Writer(ABC):
    """One that writes by itself, and can be held up with its lock.

    Attributes:
        action: What its writes are called in the audit log.
        acknowledged: How many were.
        retried: How many tries were refused before.
    """

    action: str

    def __init__(self) -> None:
        self.lock = Lock()
        self.acknowledged = 0
        self.retried = 0

    @abstractmethod
    def write(self, api: Api, number: int) -> int | None:
        """Make a change; return the revision, where the answer tells it. The same number changes the same.

        Raises:
            RefusedError: It was not acknowledged.
        """

    @abstractmethod
    def accept(self, number: int) -> None:
        """Take down what holds since the change was acknowledged."""

    @abstractmethod
    def expected(self) -> Mapping[str, Mapping[str, object]]:
        """Return what flags must serve, by context key."""

    def step(self, api: Api, number: int, tally: Tally) -> None:
        """Write until it is acknowledged, and read it back."""
        for _ in range(TRIES):
            try:
                revision = self.write(api, number)
            except RefusedError as error:
                if error.code != "UNAVAILABLE":
                    raise
                tally.refuse(self.action, error)
                self.retried += 1
            else:
                break
        else:
            tally.fault(f"{self.action}: refused {TRIES} times over")
            return
        self.acknowledged += 1
        self.accept(number)
        tally.count(self.action)
        if revision is not None:
            for fault in self.missing(api, revision, most=3):
                tally.fault(f"not read back: {fault}")

    def missing(self, api: Api, revision: int | None = None, most: int | None = None) -> list[str]:
        """Tell what was acknowledged and is not served."""
        found = []
        for person, values in list(self.expected().items())[:most]:
            context = {"kind": "user", "key": person}
            answer = api.ask(VALUES, keys=list(values), context=context, revision=revision)
            served = {item["flagKey"]: item["value"] for item in answer["evaluateFlags"]["evaluations"]}
            if served != values:
                wrong = {key: served[key] for key in values if served[key] != values[key]}
                found.append(f"{self.action}: for {person} {wrong} instead of {values}")
        return found


class FlagEdits(Writer):
    """Turns flags on and off."""

    action = "updateFlagTargeting"

    def __init__(self) -> None:
        super().__init__()
        self._on = dict.fromkeys(FLAGS, False)

    def write(self, api: Api, number: int) -> int | None:
        """Turn one flag to what it is not."""
        key = FLAGS[number % len(FLAGS)]
        wish = {
            "environment": PLACE,
            "flagKey": key,
            "instructions": [{"turnOff" if self._on[key] else "turnOn": True}],
        }
        revision: int = api.ask(TARGETING, input=wish)["updateFlagTargeting"]["revision"]
        return revision

    def accept(self, number: int) -> None:
        """Know it."""
        key = FLAGS[number % len(FLAGS)]
        self._on[key] = not self._on[key]

    def expected(self) -> Mapping[str, Mapping[str, object]]:
        """Everybody is served whether a flag is on."""
        return {"anybody": self._on}


class SegmentEdits(Writer):
    """Adds people to a segment and removes them; now and then one for two seconds only."""

    action = "updateSegment"

    def __init__(self) -> None:
        super().__init__()
        self._members = dict.fromkeys(PEOPLE, False)
        self.expires_at = 0.0

    def write(self, api: Api, number: int) -> int | None:
        """Let one person come or go."""
        if number % 10 == 0:
            end = datetime.now(UTC) + timedelta(seconds=EXPIRY_SECONDS)
            self.expires_at = time.monotonic() + EXPIRY_SECONDS
            targets = {"list": "INCLUDED", "keys": [f"guest-{number}"], "removeAt": end.isoformat()}
            instruction = {"addTargets": targets}
        else:
            person = PEOPLE[number % len(PEOPLE)]
            name = "removeTargets" if self._members[person] else "addTargets"
            instruction = {name: {"list": "INCLUDED", "keys": [person]}}
        wish = {"environment": PLACE, "segmentKey": "edited", "instructions": [instruction]}
        revision: int = api.ask(SEGMENT, input=wish)["updateSegment"]["revision"]
        return revision

    def accept(self, number: int) -> None:
        """Know it; guests are gone before anybody looks."""
        if number % 10:
            person = PEOPLE[number % len(PEOPLE)]
            self._members[person] = not self._members[person]

    def expected(self) -> Mapping[str, Mapping[str, object]]:
        """Members are served true."""
        return {person: {"on-edited": is_in} for person, is_in in self._members.items()}


class FlagImports(Writer):
    """Imports a flag that serves the import's number."""

    action = "importFlagData"

    def __init__(self) -> None:
        super().__init__()
        self._value: object = True

    def write(self, api: Api, number: int) -> int | None:
        """Import the flag."""
        data = {"flags": {"imported": a_flag("imported", value=number)}}
        wish = {"environment": PLACE, "data": data, "mode": "MERGE"}
        revision: int = api.ask(IMPORT, input=wish)["importFlagData"]["revision"]
        return revision

    def accept(self, number: int) -> None:
        """Know it."""
        self._value = number

    def expected(self) -> Mapping[str, Mapping[str, object]]:
        """Everybody is served the number."""
        return {"anybody": {"imported": self._value}}


class ListImports(Writer):
    """Overwrites a large list by two thirds of its keys, another third missing each time."""

    action = "startSegmentImport"

    def __init__(self) -> None:
        super().__init__()
        self._number: int | None = None

    def write(self, api: Api, number: int) -> int | None:
        """Import a file."""
        wish = {
            "environment": PLACE,
            "segmentKey": "imported-list",
            "mode": "OVERWRITE",
            "acknowledgeRemoval": True,
        }
        url = api.ask(START, input=wish)["startSegmentImport"]["uploadUrl"]
        content = "".join(f"{key}\n" for key in self._keys(number)).encode()
        api.send("PUT", url, content=content, headers={"Content-Type": "text/csv"})
        return None

    def accept(self, number: int) -> None:
        """Know it."""
        self._number = number

    def expected(self) -> Mapping[str, Mapping[str, object]]:
        """Members are served true; some of each third are asked about."""
        if self._number is None:
            return {}
        members = set(self._keys(self._number))
        some = [f"member-{number}" for number in range(0, LIST_KEYS, LIST_KEYS // 10)]
        return {key: {"on-imported-list": key in members} for key in some}

    def missing(self, api: Api, revision: int | None = None, most: int | None = None) -> list[str]:
        """Compare all members, too."""
        found = super().missing(api, revision, most)
        if self._number is not None:
            members = set(api.send("GET", "/segment-exports/default/production/imported-list").text.split())
            wrong = members ^ set(self._keys(self._number))
            found += [f"{self.action}: {len(wrong)} keys are members and should not, or the reverse"] * bool(wrong)
        return found

    def _keys(self, number: int) -> list[str]:
        return [f"member-{key}" for key in range(LIST_KEYS) if key % 3 != number % 3]


class Syncs(Writer):
    """Sends a cohort's changes as Amplitude does."""

    action = "syncSegment"

    def __init__(self) -> None:
        super().__init__()
        self._members = dict.fromkeys(PEOPLE, False)

    def write(self, api: Api, number: int) -> int | None:
        """Let one person come or go."""
        person = PEOPLE[number % len(PEOPLE)]
        member = {"cohortId": "soak", "cohortName": "Soak", "userId": person, "value": not self._members[person]}
        batch = {"environmentId": "default/production", "batch": [member]}
        api.send("POST", "/api/v2/segment-targets/amplitude", json=batch)
        return None

    def accept(self, number: int) -> None:
        """Know it."""
        person = PEOPLE[number % len(PEOPLE)]
        self._members[person] = not self._members[person]

    def expected(self) -> Mapping[str, Mapping[str, object]]:
        """Members are served true."""
        return {person: {"on-amplitude-soak": is_in} for person, is_in in self._members.items()}
