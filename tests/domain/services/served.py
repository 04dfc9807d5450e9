"""Flags that are put into an environment, and what is served of them."""

from dataclasses import replace
from typing import Any

from domain.access.principals import Principal
from domain.commits import Commit, Save
from domain.json import Json
from domain.keys import EnvironmentRef
from domain.model.segments import Segment
from domain.services.editing import EnvironmentEditor
from domain.services.evaluation import ContextEvaluations, Where
from domain.services.import_plan import ImportMode
from domain.services.imports import ImportService
from domain.services.setup import PRODUCTION
from domain.services.snapshots import SnapshotService

ADA: Json = {"kind": "user", "key": "ada"}
WHERE = Where(PRODUCTION)


def a_flag(key: str, *, served: Json = True, segment: str | None = None, **more: Json) -> dict[str, Any]:
    clause = {"attribute": "", "op": "segmentMatch", "values": [segment]}
    rules = [{"clauses": [clause], "variation": 0}] if segment else []
    fallthrough = {"variation": 1 if segment else 0}
    return {
        "key": key,
        "on": True,
        "variations": [served, False],
        "rules": rules,
        "fallthrough": fallthrough,
        **more,
    }


def a_list(key: str) -> dict[str, Any]:
    return {"key": key, "unbounded": True}


async def put(
    snapshots: SnapshotService,
    owner: Principal,
    *flags: dict[str, Any],
    lists: tuple[str, ...] = (),
    environment: EnvironmentRef = PRODUCTION,
) -> None:
    data = {"flags": {f["key"]: f for f in flags}, "segments": {key: a_list(key) for key in lists}}
    imports = ImportService(snapshots.store, EnvironmentEditor(snapshots.store, snapshots))
    await imports.import_flag_data(owner, environment, data, ImportMode.REPLACE)
    segments = [await snapshots.store.get(Segment, f"{environment}/{key}") for key in lists]
    loaded = [
        Save(replace(segment, generation=1, version=segment.version + 1), segment.version)
        for segment in segments
        if segment.generation is None
    ]
    if loaded:
        revise = frozenset({str(environment)})
        await snapshots.commit(Commit(writes=tuple(loaded), revise=revise, entry=None))


def served(answer: ContextEvaluations) -> dict[str, Json]:
    return {evaluation.flag_key: evaluation.value for evaluation in answer.evaluations}
