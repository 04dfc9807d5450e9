"""Reads projects, environments, flags, segments and tags. What is in an environment comes from its snapshot."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, TypeAlias

from domain.access.directory import project_resource
from domain.access.principals import Principal
from domain.access.seen import AccessNode
from domain.access.sight import ACCESS_NODES
from domain.evaluation.dependencies import FlagSegmentNode, segment_dependencies
from domain.evaluation.snapshot import Snapshot
from domain.evaluation.usage import EarlyAccessProgram, EnvironmentSegment
from domain.keys import EnvironmentRef
from domain.model.flags import EnvironmentFlag
from domain.model.projects import Environment, Project
from domain.pages import Page, PageRequest, cut_ordered_page, cut_page
from domain.ports import Store
from domain.services.filters import FlagFilter, PlaceFilter, SegmentFilter
from domain.services.snapshots import SnapshotService


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
        """Page through the flags, in the order that is wanted."""
        return cut_ordered_page(wanted.select(self.snapshot), page)

    def segment(self, key: str) -> EnvironmentSegment | None:
        """Find a segment."""
        return self.snapshot.segments.get(key)

    def segments(self, wanted: SegmentFilter, page: PageRequest) -> Page[EnvironmentSegment]:
        """Page through the segments, in the order that is wanted."""
        return cut_ordered_page(wanted.select(self.snapshot), page)

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

    def tags(self, query: str | None, page: PageRequest) -> "Page[TagUse]":
        """Page through the tags that the environment and what is in it bear, by name."""
        return tags_in([], [self], query, page)


@dataclass(frozen=True, slots=True)
class TagUse:
    """A tag, with what bears it in some places; archived flags do not count.

    Attributes:
        flags: As each environment sees them, by environment and key.
    """

    name: str
    projects: list[Project] = field(default_factory=list)
    environments: list[EnvironmentCatalog] = field(default_factory=list)
    flags: list[EnvironmentFlag] = field(default_factory=list)
    segments: list[EnvironmentSegment] = field(default_factory=list)

    @property
    def project_count(self) -> int:
        """How many projects bear it."""
        return len(self.projects)

    @property
    def environment_count(self) -> int:
        """How many environments bear it themselves."""
        return len(self.environments)

    @property
    def flag_count(self) -> int:
        """How many flags bear it, each once however many environments see it."""
        return len({flag.flag.id for flag in self.flags})

    @property
    def segment_count(self) -> int:
        """How many segments bear it."""
        return len(self.segments)


def tags_in(
    projects: Sequence[Project], catalogs: Sequence[EnvironmentCatalog], query: str | None, page: PageRequest
) -> Page[TagUse]:
    """Page through the tags that projects, environments and what is in those bear, by name."""
    uses: dict[str, TagUse] = {}
    bearers: list[tuple[str, Sequence[Any]]] = [
        ("projects", [(project, project.tags) for project in projects]),
        ("environments", [(catalog, catalog.own_tags) for catalog in catalogs]),
        ("flags", [(flag, flag.tags) for here in catalogs for flag in here.snapshot.live_flags.values()]),
        (
            "segments",
            [(found, found.tags) for here in catalogs for found in here.snapshot.segments.values()],
        ),
    ]
    for kind, things in bearers:
        for thing, tags in sorted(things, key=lambda pair: pair[0].id):
            for tag in tags:
                getattr(uses.setdefault(tag, TagUse(tag)), kind).append(thing)
    text = (query or "").casefold()
    return cut_page([uses[tag] for tag in sorted(uses) if text in tag.casefold()], page, lambda use: use.name)


CatalogNode: TypeAlias = Project | EnvironmentCatalog | EnvironmentFlag | EnvironmentSegment | AccessNode


def _nothing(_key: str) -> None:
    return None


class CatalogService:
    """The reading roots of the graph."""

    def __init__(self, store: Store, snapshots: SnapshotService) -> None:
        self._store = store
        self._snapshots = snapshots
        self._access = snapshots.access

    async def project(self, principal: Principal, key: str) -> Project | None:
        """Find a project.

        Raises:
            DomainError: As `AccessService.sees` says.
        """
        if not await self._access.sees(principal, key):
            return None
        if (found := await self._store.find(Project, key)) is not None:
            await self._access.catch_up([found])
        return found

    async def projects(self, principal: Principal, wanted: PlaceFilter, page: PageRequest) -> Page[Project]:
        """Page through the projects, in the order that is wanted.

        Raises:
            DomainError: As `AccessService.sees` says.
        """
        return cut_ordered_page(wanted.select(await self._projects(principal)), page)

    async def environment(self, principal: Principal, ref: EnvironmentRef) -> EnvironmentCatalog | None:
        """Find an environment with everything in it.

        Raises:
            DomainError: As `AccessService.sees` says.
        """
        if not await self._access.sees(principal, ref):
            return None
        environment = await self._store.find(Environment, str(ref))
        return None if environment is None else await self._catalog(environment)

    async def environments(
        self, principal: Principal, project: str, wanted: PlaceFilter, page: PageRequest
    ) -> Page[EnvironmentCatalog]:
        """Page through a project's environments, in the order that is wanted.

        Raises:
            DomainError: As `AccessService.sees` says.
        """
        if not await self._access.sees(principal, project):
            return cut_page([], page, lambda catalog: catalog.key)
        environments = wanted.select(await self._store.list_all(Environment, project))
        catalogs = [await self._catalog(environment) for environment in environments]
        return cut_ordered_page(catalogs, page)

    async def tags(
        self, principal: Principal, project: str | None, query: str | None, page: PageRequest
    ) -> Page[TagUse]:
        """Page through the tags that anything in a project, or in all of them, bears, by name.

        Raises:
            DomainError: As `AccessService.sees` says.
        """
        projects = await self._projects(principal)
        if project is not None:
            projects = [found for found in projects if found.key == project]
        catalogs = [
            await self._catalog(environment)
            for found in projects
            for environment in await self._store.list_all(Environment, found.key)
        ]
        return tags_in(projects, catalogs, query, page)

    async def node(self, principal: Principal, type_name: str, entity_id: str) -> CatalogNode | None:
        """Find anything that has a global id, by the name of its type and its own id.

        Raises:
            DomainError: As `AccessService.sees` and `sight` say.
        """
        if type_name in ACCESS_NODES:
            sight = await self._access.sight(principal)
            return sight.node(type_name, entity_id)
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
            DomainError: As `node` says.
        """
        return [await self.node(principal, type_name, entity_id) for type_name, entity_id in ids]

    def environment_of(self, principal: Principal, ref: EnvironmentRef) -> EnvironmentCatalog:
        """Return the environment of something that a principal has found in it, as it is served now: no I/O.

        Raises:
            DomainError: As `AccessService.environment` and `SnapshotService.current` say.
        """
        return EnvironmentCatalog(self._access.environment(principal, ref), self._snapshots.current(ref))

    def project_of(self, principal: Principal, environment: EnvironmentCatalog) -> Project:
        """Return the project of an environment that a principal has found: no I/O.

        Raises:
            DomainError: As `AccessService.project` says.
        """
        return self._access.project(principal, environment.environment.project)

    async def segments_of(
        self, principal: Principal, flag: EnvironmentFlag, page: PageRequest, *, transitive: bool
    ) -> Page[FlagSegmentNode]:
        """Page through the segments that a flag's rules depend on, by rule and segment.

        Raises:
            DomainError: As `AccessService.sees` says.
        """
        await self._access.require_sight(principal, flag.environment)
        snapshot = await self._snapshots.get(flag.environment)
        nodes = segment_dependencies(flag, snapshot.segments, transitive=transitive)
        return cut_page(nodes, page, lambda node: node.sort_key)

    async def _projects(self, principal: Principal) -> list[Project]:
        """Return the projects that exist for a principal, by key."""
        principal.require_management()
        projects = await self._store.list_all(Project, "")
        await self._access.catch_up(projects)
        return [project for project in projects if principal.may_view(project_resource(project))]

    async def _catalog(self, environment: Environment) -> EnvironmentCatalog:
        await self._access.catch_up([environment])
        return EnvironmentCatalog(environment, await self._snapshots.get(environment.ref))
