"""Small valid things for storage to hold, and commits of them."""

from typing import Any, TypeAlias

from domain.commits import Commit, Delete, Entity, Save
from domain.json import Json
from domain.keys import EnvironmentRef
from domain.model.changes import AuditEntry
from domain.model.flags import Flag
from domain.model.projects import Project
from domain.model.segments import Segment
from domain.model.targeting import Targeting, Variation

SHOP = EnvironmentRef("shop", "production")
Write: TypeAlias = Save | Delete


def a_project(key: str = "shop", **fields: Any) -> Project:
    return Project(key=key, **fields)


def a_flag(key: str = "new-checkout", *, values: tuple[Json, ...] = (True, False), **fields: Any) -> Flag:
    return Flag(project=SHOP.project, key=key, variations=tuple(map(Variation, values)), **fields)


def a_targeting(key: str = "new-checkout", **fields: Any) -> Targeting:
    return Targeting(**{"environment": SHOP, "flag_key": key, **fields})


def a_segment(key: str = "beta", **fields: Any) -> Segment:
    return Segment(**{"environment": SHOP, "key": key, **fields})


def an_entry(**fields: Any) -> AuditEntry:
    return AuditEntry(**{"actor": "token/ann", "action": "test", "resource": "shop", **fields})


def create(entity: Entity) -> Save:
    return Save(entity, None)


def replace_at(version: int, entity: Entity) -> Save:
    return Save(entity, version)


def a_commit(*writes: Write, revise: tuple[str, ...] = (), entry: AuditEntry | None = None) -> Commit:
    return Commit(writes=writes, revise=frozenset(revise), entry=entry or an_entry())
