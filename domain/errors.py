"""Every failure that a caller can act on, with its stable code. Anything else is a fault of ours."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from enum import Enum
from typing import Any, ClassVar, TypeAlias

InputPath: TypeAlias = tuple[str | int, ...]
"""Where something stands in an input: names of fields and arguments, and places in lists."""

VIOLATIONS_LIMIT = 1_000
"""How many violations an error lists; more would help nobody."""


NAME_SHOWN = 256
"""How many characters of a name an error repeats: as many as a key may have."""


def quoted(name: object) -> str:
    """Return a name in quotes, or another value that was given as JSON, as far as an error repeats it."""
    text = repr(name[: NAME_SHOWN + 1]) if isinstance(name, str) else json.dumps(name, ensure_ascii=False)
    return text if len(text) <= NAME_SHOWN + 2 else f"{text[: NAME_SHOWN + 1]}…"


class ErrorCode(Enum):
    """The stable codes that clients branch on."""

    BAD_USER_INPUT = "BAD_USER_INPUT"
    UNAUTHENTICATED = "UNAUTHENTICATED"
    FORBIDDEN = "FORBIDDEN"
    NOT_FOUND = "NOT_FOUND"
    ALREADY_EXISTS = "ALREADY_EXISTS"
    VERSION_CONFLICT = "VERSION_CONFLICT"
    IN_USE = "IN_USE"
    LIMIT_EXCEEDED = "LIMIT_EXCEEDED"
    UNAVAILABLE = "UNAVAILABLE"


@dataclass(frozen=True, slots=True)
class Violation:
    """One thing wrong with an input.

    Attributes:
        path: Where, from the input's root: names and list indexes, `("flags", "a", "rules", 0)`.
        message: What is wrong there, as a phrase that follows the path.
    """

    path: InputPath
    message: str

    def __str__(self) -> str:
        """Render `flags.a.rules[0]: message`."""
        place = ""
        for step in self.path:
            place += f"[{step}]" if isinstance(step, int) else f".{step}" if place else step
        return f"{place}: {self.message}" if place else self.message


class DomainError(Exception):
    """A failure that the caller can act on.

    Attributes:
        code: The stable code of the class.
        details: What a program needs to act on it, in JSON types.
    """

    code: ClassVar[ErrorCode]

    def __init__(self, message: str, *, details: Mapping[str, Any] | None = None) -> None:
        super().__init__(message)
        self.message = message
        self.details: Mapping[str, Any] = details or {}


class InvalidInputError(DomainError):
    """The input breaks rules; all violations are listed, up to a limit, and nothing was stored.

    Args:
        violations: All of them.
        message: What to say in place of the first violations.
        conflicts: The contexts, by kind and key, that would be both included and excluded, if that is a violation.
    """

    code = ErrorCode.BAD_USER_INPUT

    def __init__(
        self,
        violations: Sequence[Violation],
        *,
        message: str | None = None,
        conflicts: Sequence[tuple[str, str]] = (),
    ) -> None:
        text = message or "; ".join(str(violation) for violation in violations[:3])
        if message is None and len(violations) > 3:  # noqa: PLR2004 - three fit in one readable line
            text += f"; and {len(violations) - 3} more"
        self.violations = tuple(violations[:VIOLATIONS_LIMIT])
        if len(violations) > VIOLATIONS_LIMIT:
            rest = Violation((), f"there are more than {VIOLATIONS_LIMIT} violations; the rest is not listed")
            self.violations += (rest,)
        details = {"violations": [{"path": list(v.path), "message": v.message} for v in self.violations]}
        if conflicts:
            shown = conflicts[:VIOLATIONS_LIMIT]
            details["conflicts"] = [{"contextKind": kind, "key": key} for kind, key in shown]
        super().__init__(text, details=details)


class ImportOverError(InvalidInputError):
    """The import of a file is over, or has its file already: it takes none."""


class UnauthenticatedError(DomainError):
    """No secret came with the request, or one that is not known here."""

    code = ErrorCode.UNAUTHENTICATED


class ForbiddenError(DomainError):
    """The caller is known and may not do this; names the actions, each with its resource, up to a limit.

    Args:
        message: What is refused.
        denied: The actions with their resources, as far as the caller may view these; none if no policy could
            allow it.
        has_others: Whether there are some that he may not view.
    """

    code = ErrorCode.FORBIDDEN

    def __init__(self, message: str, denied: Sequence[tuple[str, str]] = (), *, has_others: bool = False) -> None:
        names = ", ".join(f"{action} on {resource}" for action, resource in denied[:5])
        more = f" and {len(denied) - 5} more" if len(denied) > 5 else ""  # noqa: PLR2004 - as many as fit in a line
        if has_others:
            more += f"{' and ' if denied else ''}what you may not view"
        listed = denied[:VIOLATIONS_LIMIT]
        super().__init__(
            f"{message}: {names}{more}" if denied or has_others else message,
            details={"denied": [{"action": action, "resource": resource} for action, resource in listed]},
        )


class NotFoundError(DomainError):
    """What the input names does not exist (or not for this caller)."""

    code = ErrorCode.NOT_FOUND

    def __init__(self, kind: str, key: str, *, environment: str | None = None) -> None:
        place = "" if environment is None else f" in {environment}"
        details = {"kind": kind, "key": key[:NAME_SHOWN]}
        super().__init__(f"{kind} {quoted(key)} does not exist{place}", details=details)


class AlreadyExistsError(DomainError):
    """What the input would create exists already."""

    code = ErrorCode.ALREADY_EXISTS

    def __init__(self, kind: str, key: str) -> None:
        super().__init__(f"{kind} {key!r} already exists", details={"kind": kind, "key": key})


class VersionConflictError(DomainError):
    """The thing has changed since the caller saw it; names both versions."""

    code = ErrorCode.VERSION_CONFLICT

    def __init__(self, kind: str, key: str, *, expected: int, actual: int | None) -> None:
        super().__init__(
            f"{kind} {key!r} is at version {actual}, not {expected}"
            if actual is not None
            else f"{kind} {key!r} at version {expected} no longer exists",
            details={"kind": kind, "key": key, "expectedVersion": expected, "actualVersion": actual},
        )


class RevisionConflictError(DomainError):
    """The environment changed while the change was being decided; deciding again may do."""

    code = ErrorCode.VERSION_CONFLICT

    def __init__(self, scope: str, *, expected: int, actual: int) -> None:
        super().__init__(
            f"{scope} is at revision {actual}, not {expected}",
            details={"kind": "revision", "key": scope, "expectedVersion": expected, "actualVersion": actual},
        )


@dataclass(frozen=True, slots=True)
class UsedBy:
    """What uses a thing, and so keeps it.

    Attributes:
        environment: Where it does, `project/environment`; None for what is in none.
        archived: Whether it is, or belongs to, an archived flag, which lists show only if they are asked to.
    """

    kind: str
    key: str
    environment: str | None = None
    archived: bool = False

    def __str__(self) -> str:
        """Render `flag 'key' in project/environment (archived)`."""
        place = f" in {self.environment}" if self.environment else ""
        return f"{self.kind} {self.key!r}{place}{' (archived)' if self.archived else ''}"


@dataclass(frozen=True, slots=True, kw_only=True)
class UsedByToken(UsedBy):
    """An access token that uses a thing: its key tells people nothing.

    Attributes:
        name: Its name.
        member: The email of the member whose it is; None for a service's, and of whom the caller may not view.
    """

    name: str
    member: str | None

    def __str__(self) -> str:
        """Render `accessToken 'name' of ann@acme.com`."""
        return f"{self.kind} {self.name!r}{f' of {self.member}' if self.member else ''}"


class InUseError(DomainError):
    """What the input would remove is used; names the users, as far as they exist for the caller.

    Args:
        kind: What would be removed.
        key: Its key.
        users: Those that the caller may view.
        has_others: Whether there are some that he may not view.
    """

    code = ErrorCode.IN_USE

    def __init__(self, kind: str, key: str, users: Sequence[UsedBy], *, has_others: bool = False) -> None:
        names = ", ".join(map(str, users[:5])) or "what you may not view"
        more = f" and {len(users) - 5} more" if len(users) > 5 else ""  # noqa: PLR2004 - as many as fit in a line
        if users and has_others:
            more += " and others that you may not view"
        super().__init__(
            f"{kind} {key!r} is used by {names}{more}",
            details={"kind": kind, "key": key, "users": [asdict(user) for user in users]},
        )


class LimitExceededError(DomainError):
    """A limit of the settings is exceeded; names the setting, the limit and the amount."""

    code = ErrorCode.LIMIT_EXCEEDED

    def __init__(self, what: str, *, setting: str, limit: int, actual: int) -> None:
        super().__init__(
            f"{what}: {actual} exceeds the limit of {limit} (setting {setting})",
            details={"setting": setting, "limit": limit, "actual": actual},
        )


class UnavailableError(DomainError):
    """The store cannot be reached in time; nothing was changed, or it is not known to be; try again."""

    code = ErrorCode.UNAVAILABLE
