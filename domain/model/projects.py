"""Projects and their environments."""

from dataclasses import dataclass

from domain.keys import EnvironmentRef


@dataclass(frozen=True, slots=True, kw_only=True)
class Project:
    """Owns flags and environments.

    Attributes:
        created_ms: When it was created: what is older is of another project that had its key.
    """

    key: str
    version: int = 1
    name: str = ""
    tags: tuple[str, ...] = ()
    created_ms: int = 0

    @property
    def id(self) -> str:
        """Identify the project: its key."""
        return self.key

    @property
    def scope(self) -> str:
        """Projects stand under nothing."""
        return ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Environment:
    """Owns targeting and segments of one project. Its revision is the store's (domain.ports).

    Attributes:
        created_ms: When it was created: what is older is of another environment that had its key.
    """

    project: str
    key: str
    version: int = 1
    name: str = ""
    tags: tuple[str, ...] = ()
    created_ms: int = 0

    @property
    def id(self) -> str:
        """Identify the environment: `project/environment`."""
        return str(self.ref)

    @property
    def scope(self) -> str:
        """Name what it is listed under: its project."""
        return self.project

    @property
    def ref(self) -> EnvironmentRef:
        """The environment's full name."""
        return EnvironmentRef(self.project, self.key)
