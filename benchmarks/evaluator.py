"""Rows E1 and E2: the evaluator against LaunchDarkly's Python SDK, on the same data in the same process.

Both sides take ready contexts, as the SDK's calls do: reading a context's JSON is outside for both, preparing it
for evaluation (`snapshot.subject`) is inside ours. Rounds alternate, and medians are compared. Before anything is
measured, both sides must agree on every answer. Run it with `python -m benchmarks.evaluator`.
"""

import gc
import json
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from statistics import median
from typing import Any

import ldclient
from ldclient.config import Config
from ldclient.integrations import Files

from benchmarks.dataset import CONTEXTS, contexts, flag_data
from benchmarks.rows import Row, table
from domain.evaluation.snapshot import Snapshot
from domain.flag_data import read_flag_data
from domain.keys import EnvironmentRef
from domain.model.contexts import parse_context
from domain.model.flags import EnvironmentFlag

ROUNDS = 40
CONTEXTS_A_ROUND = 100


class Sides:
    """Both evaluators over the same data. A run over some of the contexts returns how many units it did."""

    def __init__(self, data: dict[str, Any], users: list[dict[str, Any]], oracle: ldclient.LDClient) -> None:
        self.users = users
        self.snapshot = snapshot_of(data)
        self.oracle = oracle
        self.our_contexts = [parse_context(user) for user in users]
        self.their_contexts = [ldclient.Context.from_dict(user) for user in users]
        self.subjects = [self.snapshot.subject(context) for context in self.our_contexts]
        self.keys = list(self.snapshot.flags)
        self.some_keys = self.keys[::5]

    def check_agreement(self) -> None:
        """Stop unless both sides give the same answers."""
        for ours, theirs in zip(self.our_contexts, self.their_contexts, strict=True):
            for answer in self.snapshot.evaluate_all(self.keys, self.snapshot.subject(ours)):
                detail = self.oracle.variation_detail(answer.flag_key, theirs, None)
                one = (answer.value, answer.variation_index, answer.reason.kind.value)
                if one != (detail.value, detail.variation_index, detail.reason["kind"]):
                    message = f"for {ours}: ours {answer}, theirs {detail}"
                    raise SystemExit(message)

    def all_ours(self, part: slice) -> int:
        """Evaluate all flags for each context."""
        for context in self.our_contexts[part]:
            self.snapshot.evaluate_all(self.keys, self.snapshot.subject(context))
        return len(self.keys) * CONTEXTS_A_ROUND

    def all_theirs(self, part: slice) -> int:
        """Do the same with the SDK."""
        for context in self.their_contexts[part]:
            self.oracle.all_flags_state(context)
        return len(self.keys) * CONTEXTS_A_ROUND

    def one_ours(self, part: slice) -> int:
        """Evaluate single flags, each as if the context were new."""
        for context in self.our_contexts[part]:
            for key in self.some_keys:
                self.snapshot.evaluate(key, self.snapshot.subject(context))
        return len(self.some_keys) * CONTEXTS_A_ROUND

    def one_theirs(self, part: slice) -> int:
        """Do the same with the SDK."""
        for context in self.their_contexts[part]:
            for key in self.some_keys:
                self.oracle.variation_detail(key, context, None)
        return len(self.some_keys) * CONTEXTS_A_ROUND

    def parse(self, part: slice) -> int:
        """Read contexts."""
        for user in self.users[part]:
            parse_context(user)
        return CONTEXTS_A_ROUND

    def prepare(self, part: slice) -> int:
        """Prepare contexts."""
        for context in self.our_contexts[part]:
            self.snapshot.subject(context)
        return CONTEXTS_A_ROUND

    def all_decided(self, part: slice) -> int:
        """Evaluate all flags for contexts whose segments are decided."""
        for subject in self.subjects[part]:
            self.snapshot.evaluate_all(self.keys, subject)
        return len(self.keys) * CONTEXTS_A_ROUND


def measure(rounds: int = ROUNDS) -> list[Row]:
    """Measure both rows, and what ours are made of."""
    data = flag_data()
    with oracle(data) as sdk:
        sides = Sides(data, contexts(), sdk)
        sides.check_agreement()
        all_flags = _rounds(rounds, sides.all_ours, sides.all_theirs)
        one_flag = _rounds(rounds, sides.one_ours, sides.one_theirs)
    sides.all_decided(slice(None))
    alone = {
        "E1, E2: reading a context's JSON (in neither)": sides.parse,
        "E1, E2: preparing a context (in E2; a 50th of it in E1)": sides.prepare,
        "E1 all flags, segments decided, per evaluation": sides.all_decided,
    }
    return [
        Row.faster("E1 all flags for one context, per evaluation", "`all_flags_state`", *all_flags, times=12),
        Row.faster("E2 one flag", "`variation_detail`", *one_flag, times=10),
        *(Row(name=name, ours=_rounds(rounds, run)[0]) for name, run in alone.items()),
    ]


def _rounds(rounds: int, *runs: Callable[[slice], int]) -> list[float]:
    """Run each in turn, round after round over other contexts; return the medians of microseconds per unit."""
    times: list[list[float]] = [[] for _ in runs]
    for number in range(-1, rounds):  # the round before the first only warms up
        start = number * CONTEXTS_A_ROUND % CONTEXTS
        for run, found in zip(runs, times, strict=True):
            gc.collect()
            began = time.perf_counter()
            units = run(slice(start, start + CONTEXTS_A_ROUND))
            if number >= 0:
                found.append((time.perf_counter() - began) / units * 1e6)
    return [median(found) for found in times]


def snapshot_of(data: dict[str, Any]) -> Snapshot:
    """Compile flag data."""
    environment = EnvironmentRef("benchmark", "standard")
    read = read_flag_data(data, environment)
    flags = {key: EnvironmentFlag(item.flag, item.targeting) for key, item in read.flags.items()}
    return Snapshot(environment, 1, flags, {key: item.segment for key, item in read.segments.items()})


@contextmanager
def oracle(data: dict[str, Any]) -> Iterator[ldclient.LDClient]:
    """Start the SDK on the data, from a file, without events and without a network."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "flags.json"
        path.write_text(json.dumps(data))
        source = Files.new_data_source(paths=[str(path)])
        config = Config("sdk-key", update_processor_class=source, send_events=False, diagnostic_opt_out=True)
        client = ldclient.LDClient(config, start_wait=10)
        try:
            yield client
        finally:
            client.close()  # type: ignore[no-untyped-call]  # the SDK's


if __name__ == "__main__":
    print(table(measure()))
