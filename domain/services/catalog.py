"""Reads projects, environments, flags, segments and tags. What is in an environment comes from its snapshot."""

from collections import Counter
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from typing import TypeAlias

from domain.access.principals import Principal
from domain.errors import InvalidInputError, Violation
from domain.evaluation.snapshot import Snapshot
from domain.evaluation.usage import EarlyAccessProgram, EnvironmentSegment
from domain.keys import EnvironmentRef
from domain.model.flags import EnvironmentFlag
from domain.model.projects import Environment, Project
from domain.model.segments import SegmentKind
from domain.pages import PAGE_SIZE_LIMIT, Page, PageRequest, cut_page
from domain.ports import Store
from domain.services.snapshots import SnapshotService


@dataclass(frozen=True, slots=True)
class TagUse:
    """A tag, and how many flags and segments of an environment bear it."""

    name: str
    flag_count: int
    segment_count: int


@dataclass(frozen=True, slots=True, kw_only=True)
class FlagFilter:
    """Which flags are wanted; None means that the property does not matter.

    Attributes:
        query: A part of the key or name, in any case.
        tags: At least one of these.
        uses_segment: Refers to this segment, directly or through others.
    """

    query: str | None = None
    tags: Collection[str] | None = None
    on: bool | None = None
    archived: bool | None = None
    uses_segment: str | None = None

    def select(self, snapshot: Snapshot) -> list[EnvironmentFlag]:
        """Return the flags that pass, by key."""
        using = None if self.uses_segment is None else snapshot.usage.flags_using(self.uses_segment)
        return [
            flag
            for flag in snapshot.flags.values()
            if _speaks_of(flag, self.query, self.tags)
            and self.on in {None, flag.on}
            and self.archived in {None, flag.archived}
            and (using is None or flag.key in using)
        ]


@dataclass(frozen=True, slots=True, kw_only=True)
class SegmentFilter:
    """Which segments are wanted; None means that the property does not matter.

    Attributes:
        query: A part of the key or name, in any case.
        tags: At least one of these.
        used: Whether a flag or another segment refers to it.
    """

    query: str | None = None
    tags: Collection[str] | None = None
    kinds: Collection[SegmentKind] | None = None
    used: bool | None = None

    def select(self, snapshot: Snapshot) -> list[EnvironmentSegment]:
        """Return the segments that pass, by key."""
        return [
            segment
            for segment in snapshot.segments.values()
            if _speaks_of(segment, self.query, self.tags)
            and (self.kinds is None or segment.kind in self.kinds)
            and self.used in {None, segment.is_used}
        ]


def _speaks_of(
    thing: EnvironmentFlag | EnvironmentSegment, query: str | None, tags: Collection[str] | None
) -> bool:
    text = (query or "").casefold()
    return (text in thing.key.casefold() or text in thing.name.casefold()) and (
        tags is None or not set(tags).isdisjoint(thing.tags)
    )


def _is_named_a_program(segment: EnvironmentSegment) -> bool:
    return segment.name.casefold().startswith("eap:") or segment.key.startswith("eap-")


@dataclass(frozen=True, slots=True)
class EnvironmentCatalog:
    """An environment and everything in it, at one revision."""

    environment: Environment
    snapshot: Snapshot

    @property
    def id(self) -> str:
        """Identify the environment."""
        return self.environment.id

    @property
    def key(self) -> str:
        """The environment's key."""
        return self.environment.key

    @property
    def name(self) -> str:
        """The environment's name."""
        return self.environment.name

    @property
    def own_tags(self) -> tuple[str, ...]:
        """The environment's own tags, sorted."""
        return self.environment.tags

    @property
    def version(self) -> int:
        """Grows with every change of its details."""
        return self.environment.version

    @property
    def revision(self) -> int:
        """Grows by one with every change to what is evaluated."""
        return self.snapshot.revision

    def flag(self, key: str) -> EnvironmentFlag | None:
        """Find a flag."""
        return self.snapshot.flags.get(key)

    def flags(self, wanted: FlagFilter, page: PageRequest) -> Page[EnvironmentFlag]:
        """Page through the flags, by key."""
        return cut_page(wanted.select(self.snapshot), page, lambda flag: flag.key)

    def segment(self, key: str) -> EnvironmentSegment | None:
        """Find a segment."""
        return self.snapshot.segments.get(key)

    def segments(self, wanted: SegmentFilter, page: PageRequest) -> Page[EnvironmentSegment]:
        """Page through the segments, by key."""
        return cut_page(wanted.select(self.snapshot), page, lambda segment: segment.key)

    def early_access_programs(
        self, tag: str, page: PageRequest, *, by_name: bool = False, active: bool | None = None
    ) -> Page[EarlyAccessProgram]:
        """Page through the early access programs, by key.

        Args:
            tag: The tag that makes a segment one.
            page: Which part is wanted.
            by_name: Whether a name that begins with `eap:`, or a key with `eap-`, makes a segment one too.
            active: Only those that a flag that is on targets, or only those that none does.
        """
        programs = [
            segment.program
            for segment in self.snapshot.segments.values()
            if tag in segment.tags or (by_name and _is_named_a_program(segment))
        ]
        wanted = [program for program in programs if active in {None, program.active}]
        return cut_page(wanted, page, lambda program: program.segment.key)

    def tags(self, query: str | None, page: PageRequest) -> Page[TagUse]:
        """Page through the tags that flags (archived ones not counted) and segments bear, by name."""
        flags = Counter(tag for flag in self.snapshot.flags.values() if not flag.archived for tag in flag.tags)
        segments = Counter(tag for segment in self.snapshot.segments.values() for tag in segment.tags)
        text = (query or "").casefold()
        uses = [
            TagUse(tag, flags[tag], segments[tag])
            for tag in sorted(flags.keys() | segments.keys())
            if text in tag.casefold()
        ]
        return cut_page(uses, page, lambda use: use.name)


CatalogNode: TypeAlias = Project | EnvironmentCatalog | EnvironmentFlag | EnvironmentSegment


def _nothing(_key: str) -> None:
    return None


class CatalogService:
    """The reading roots of the graph."""

    def __init__(self, store: Store, snapshots: SnapshotService) -> None:
        self._store = store
        self._snapshots = snapshots

    async def project(self, principal: Principal, key: str) -> Project | None:
        """Find a project.

        Raises:
            DomainError: As `Principal.require_management` says.
        """
        principal.require_management("viewProject", f"proj/{key}")
        return await self._store.find(Project, key)

    async def projects(self, principal: Principal, page: PageRequest) -> Page[Project]:
        """Page through all projects, by key.

        Raises:
            DomainError: As `Principal.require_management` says.
        """
        principal.require_management("viewProject", "proj/*")
        return cut_page(await self._store.list_all(Project, ""), page, lambda project: project.key)

    async def environment(self, principal: Principal, ref: EnvironmentRef) -> EnvironmentCatalog | None:
        """Find an environment with everything in it.

        Raises:
            DomainError: As `Principal.require_management` says.
        """
        principal.require_management("viewEnvironment", f"proj/{ref.project}:env/{ref.environment}")
        environment = await self._store.find(Environment, str(ref))
        return None if environment is None else await self._catalog(environment)

    async def environments(
        self, principal: Principal, project: str, page: PageRequest
    ) -> Page[EnvironmentCatalog]:
        """Page through a project's environments, by key.

        Raises:
            DomainError: As `Principal.require_management` says.
        """
        principal.require_management("viewEnvironment", f"proj/{project}:env/*")
        environments: Sequence[Environment] = await self._store.list_all(Environment, project)
        catalogs = [await self._catalog(environment) for environment in environments]
        return cut_page(catalogs, page, lambda catalog: catalog.key)

    async def node(self, principal: Principal, type_name: str, entity_id: str) -> CatalogNode | None:
        """Find anything that has a global id, by the name of its type and its own id.

        Raises:
            DomainError: As `Principal.require_management` says.
        """
        project, _, rest = entity_id.partition("/")
        if type_name == "Project":
            return await self.project(principal, entity_id)
        environment_key, _, key = rest.partition("/")
        catalog = await self.environment(principal, EnvironmentRef(project, environment_key))
        if catalog is None or type_name == "Environment":
            return catalog
        return {"Flag": catalog.flag, "Segment": catalog.segment}.get(type_name, _nothing)(key)

    async def nodes(self, principal: Principal, ids: Sequence[tuple[str, str]]) -> list[CatalogNode | None]:
        """Find several at once, in the order asked.

        Raises:
            InvalidInputError: More than a page of them.
            DomainError: As `Principal.require_management` says.
        """
        if len(ids) > PAGE_SIZE_LIMIT:
            raise InvalidInputError([Violation(("ids",), f"at most {PAGE_SIZE_LIMIT} at once")])
        return [await self.node(principal, type_name, entity_id) for type_name, entity_id in ids]

    async def _catalog(self, environment: Environment) -> EnvironmentCatalog:
        return EnvironmentCatalog(environment, await self._snapshots.get(environment.ref))
