"""LaunchDarkly's own Python SDK as an independent oracle of evaluation."""

import logging
import random
from collections.abc import Mapping
from typing import Any

from ldclient.context import Context as OracleContext
from ldclient.impl.evaluator import Evaluator
from ldclient.impl.events.types import EventFactory
from ldclient.impl.model import FeatureFlag
from ldclient.impl.model import Segment as OracleSegment

from domain.json import Json
from domain.model.contexts import parse_context
from tests.builders import a_snapshot_of, reason_json
from tests.strategies import World, random_world

_EVENTS = EventFactory(with_reasons=False)
logging.getLogger("ldclient").setLevel(logging.CRITICAL)  # it warns of every missing prerequisite

Answer = tuple[Json, int | None, dict[str, Any]]


def differences(world: World) -> tuple[int, list[str]]:
    """Compare every flag for every context; return how many were compared, and what differs."""
    evaluator, oracle_flags = _oracle(world)
    snapshot = a_snapshot_of(world.data)
    compared, found = 0, []
    for context in world.contexts:
        subject = snapshot.subject(parse_context(context), world.memberships)
        oracle_context = OracleContext.from_dict(context)
        for key, flag in oracle_flags.items():
            detail: Any = evaluator.evaluate(flag, oracle_context, _EVENTS).detail
            reason = {k: v for k, v in detail.reason.items() if v not in {None, ""}}
            theirs = (detail.value, detail.variation_index, reason)
            result = snapshot.evaluate(key, subject)
            ours = (result.value, result.variation_index, reason_json(result.reason))
            compared += 1
            if not _agree(ours, theirs):
                found.append(f"{key} for {context}: ours {ours}, theirs {theirs}")
    return compared, found


def compare_random_worlds(seed: int, wanted: int) -> tuple[int, list[str]]:
    """Compare random worlds until `wanted` answers are compared."""
    rng = random.Random(seed)  # noqa: S311 - tests want repeatable chance
    compared, found = 0, []
    while compared < wanted:
        state = rng.getrandbits(64)
        count, differing = differences(random_world(random.Random(state), shared=True))  # noqa: S311 - same
        compared += count
        found += [f"world {state}: {difference}" for difference in differing]
    return compared, found


def _agree(ours: Answer, theirs: Answer) -> bool:
    if ours == theirs:
        return repr(ours[0]) == repr(theirs[0])
    # 2.9, bigSegmentsStatus when the result is an ERROR: present in ours, absent in theirs.
    value, index, reason = ours
    without_status = {k: v for k, v in reason.items() if k != "bigSegmentsStatus"}
    return reason["kind"] == "ERROR" and (value, index, without_status) == theirs


def _oracle(world: World) -> tuple[Evaluator, Mapping[str, Any]]:
    flags = {key: FeatureFlag(flag) for key, flag in world.data["flags"].items()}
    segments = {key: OracleSegment(segment) for key, segment in world.data["segments"].items()}

    def membership(key: str) -> tuple[dict[str, bool], str]:
        known = world.memberships[key]
        return dict(known.listed), known.status.value

    evaluator = Evaluator(flags.get, segments.get, membership)
    return evaluator, flags
