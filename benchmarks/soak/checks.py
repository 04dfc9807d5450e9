"""What must hold: a sample of answers equals those of a fresh service, and nothing acknowledged is missing.

The fresh service is a process of its own on the same store, which caches nothing. Nobody writes meanwhile, but
readers go on.
"""

import random
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from datetime import datetime

from benchmarks.soak.client import Api, Tally
from benchmarks.soak.questions import (
    OWNER,
    OWNERS_PLACE,
    PEOPLE_ASKED,
    Question,
    evaluation_questions,
    management_questions,
)
from benchmarks.soak.writers import SegmentEdits, Writer
from tests.servers import Server

CONTEXTS_SAMPLED = 20
CONNECTIONS = 2
CLEANED_UP_SECONDS = 3.0
CATCH_UP = """query ($revision: Int) { evaluateFlags(PLACE context: {kind: "user", key: "anybody"}, flagKeys: [],
    atLeastRevision: $revision) { revision } }"""
AUDIT = """query ($action: String!, $since: DateTime!, $after: String) {
    auditLog(action: $action, since: $since, first: 100, after: $after) {
        nodes { id } pageInfo { hasNextPage endCursor } } }"""


@dataclass(frozen=True, slots=True)
class Checker:
    """Checks one service.

    Attributes:
        secrets: By who has them.
    """

    server: Server
    secrets: Mapping[str, str]
    writers: Sequence[Writer]
    tally: Tally

    def check(self) -> None:
        """Hold the writers up, and compare the service with a fresh one, and both with what was acknowledged."""
        with ExitStack() as held:
            for writer in self.writers:
                held.enter_context(writer.lock)
            wait_for_guests_to_go(self.writers)
            with fresh_service(self.server) as fresh:
                with self._api(fresh, OWNER) as api:
                    revision = catch_up(api, OWNER, None)
                self._compare(fresh, revision)
                self.check_acknowledged(fresh, "fresh", revision)
                self.check_acknowledged(self.server, "under soak", revision)
                self.tally.count("checks")

    def check_acknowledged(self, server: Server, name: str, revision: int | None = None) -> None:
        """Find what was acknowledged and is missing."""
        with self._api(server, OWNER) as api:
            catch_up(api, OWNER, revision)
            for writer in self.writers:
                for fault in writer.missing(api):
                    self.tally.fault(f"missing in the service that is {name}: {fault}")

    def check_audit_log(self, since: datetime) -> None:
        """Compare the entries of the audit log with what was acknowledged."""
        with self._api(self.server, OWNER) as api:
            for writer in self.writers:
                found = count_entries(api, writer.action, since)
                least, most = writer.acknowledged, writer.acknowledged + writer.retried
                if not least <= found <= most:
                    wanted = f"{least}" if least == most else f"{least} to {most}"
                    self.tally.fault(f"the audit log has {found} entries of {writer.action} instead of {wanted}")

    def _compare(self, fresh: Server, revision: int) -> None:
        sample = list(self._sample())
        with ExitStack() as opened:
            apis = {who: opened.enter_context(self._api(fresh, who)) for who in self.secrets}
            right = [question.ask(apis[question.who]) for question in sample]
        for _ in range(CONNECTIONS):  # each may reach another process
            with ExitStack() as opened:
                apis = {who: opened.enter_context(self._api(self.server, who)) for who in self.secrets}
                for who, api in apis.items():
                    catch_up(api, who, revision)
                for _ in range(2):  # the second answer may come from a cache that the first one filled
                    for question, answer in zip(sample, right, strict=True):
                        self._compare_one(question, apis[question.who], answer)

    def _compare_one(self, question: Question, api: Api, right: object) -> None:
        found = question.ask(api)
        self.tally.count("answers compared")
        if found != right:
            self.tally.fault(f"{question.kind} {question.variables}: {difference(found, right)}")

    def _sample(self) -> Iterator[Question]:
        for number in random.sample(range(PEOPLE_ASKED), CONTEXTS_SAMPLED):
            for who in self.secrets:
                yield from evaluation_questions(who, number)
        yield from management_questions()

    def _api(self, server: Server, who: str) -> Api:
        return Api(server.port, self.secrets[who])


def difference(found: object, right: object, path: str = "") -> str:
    """Tell where two answers first differ."""
    if isinstance(found, dict) and isinstance(right, dict) and found.keys() == right.keys():
        pairs = [(key, found[key], right[key]) for key in found]
    elif isinstance(found, list) and isinstance(right, list) and len(found) == len(right):
        pairs = [(str(index), *pair) for index, pair in enumerate(zip(found, right, strict=True))]
    else:
        return f"{path.lstrip('.')} is {found} instead of {right}"
    return next(difference(ours, theirs, f"{path}.{key}") for key, ours, theirs in pairs if ours != theirs)


def catch_up(api: Api, who: str, revision: int | None) -> int:
    """Bring the process that a connection reaches to a revision; return the one that it has then."""
    query = CATCH_UP.replace("PLACE ", OWNERS_PLACE if who == OWNER else "")
    found: int = api.ask(query, revision=revision)["evaluateFlags"]["revision"]
    return found


def wait_for_guests_to_go(writers: Sequence[Writer]) -> None:
    """Wait until scheduled removals are over and cleaned up: they are changes, too."""
    ends = [writer.expires_at for writer in writers if isinstance(writer, SegmentEdits)]
    time.sleep(max(0.0, *(end + CLEANED_UP_SECONDS - time.monotonic() for end in ends)))


@contextmanager
def fresh_service(server: Server) -> Iterator[Server]:
    """Start a service on the same store that caches nothing and remembers nobody."""
    with Server(server.store, token=server.token, cache_entries="0", context_retention_days="0") as fresh:
        yield fresh


def count_entries(api: Api, action: str, since: datetime) -> int:
    """Count the entries of the audit log with an action."""
    after, found = None, 0
    while True:
        page = api.ask(AUDIT, action=action, since=since.isoformat(), after=after)["auditLog"]
        found += len(page["nodes"])
        after = page["pageInfo"]["endCursor"]
        if not page["pageInfo"]["hasNextPage"]:
            return found
