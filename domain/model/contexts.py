"""Contexts: who is asking (LaunchDarkly semantics 1.3). A Context that exists is valid."""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field

from domain.errors import InputPath, InvalidInputError, LimitExceededError, Violation
from domain.json import Json, json_extent
from domain.model.attribute_references import parse_reference
from domain.model.targeting import DEFAULT_CONTEXT_KIND

_KIND = re.compile(r"[A-Za-z0-9._-]+")
_OLD_USER_TEXTS = ("name", "firstName", "lastName", "email", "country", "avatar", "ip")
_NOT_CUSTOM = frozenset({"kind", "key", "name", "anonymous", "_meta"})


@dataclass(frozen=True, slots=True)
class Context:
    """One or several individual contexts, by kind.

    Attributes:
        individuals: For each kind its attributes: always `kind`, `key` and `anonymous`, never null values.
        private_attributes: For each kind the references of the attributes that must not be kept or shown.
    """

    individuals: Mapping[str, Mapping[str, Json]]
    private_attributes: Mapping[str, tuple[str, ...]] = field(default_factory=dict)

    @property
    def fully_qualified_key(self) -> str:
        """Name the context uniquely: `key` for a user, `kind:key` otherwise, joined and sorted for several."""
        if len(self.individuals) == 1 and DEFAULT_CONTEXT_KIND in self.individuals:
            return str(self.individuals[DEFAULT_CONTEXT_KIND]["key"])
        return ":".join(
            f"{kind}:{str(attributes['key']).replace('%', '%25').replace(':', '%3A')}"
            for kind, attributes in sorted(self.individuals.items())
        )


@dataclass(frozen=True, slots=True)
class ContextLimits:
    """What is read as a context at all.

    Attributes:
        size: Characters of its names and strings, and one for each value in it; of a default too.
        depth: Objects and lists inside one another, with the context itself.
    """

    size: int = 65_536
    depth: int = 100

    def check(self, data: Json) -> int:
        """Refuse what is too large to be a context, and return its size.

        Raises:
            LimitExceededError: It is too long, or else nested too deep.
        """
        size, depth = json_extent(data, self.size)
        for name, actual, limit in (("SIZE", size, self.size), ("DEPTH", depth, self.depth)):
            if actual > limit:
                setting = f"EARLYBIRD_MAX_CONTEXT_{name}"
                raise LimitExceededError(
                    f"the context's {name.lower()}, as far as counted", setting=setting, limit=limit, actual=actual
                )
        return size

    def check_default(self, data: Json) -> None:
        """Refuse a default, which is held to a context's size.

        Raises:
            LimitExceededError: It is too long.
        """
        size, _ = json_extent(data, self.size)
        if size > self.size:
            setting = "EARLYBIRD_MAX_CONTEXT_SIZE"
            raise LimitExceededError(
                "the default's size, as far as counted", setting=setting, limit=self.size, actual=size
            )


def parse_context(data: Json, path: InputPath = ("context",)) -> Context:
    """Read a context from LaunchDarkly's JSON: of one kind, of several (`multi`), or an old user without a kind.

    Raises:
        InvalidInputError: With every violation, at its path below `path`.
    """
    violations: list[Violation] = []
    individuals: dict[str, Mapping[str, Json]] = {}
    private: dict[str, tuple[str, ...]] = {}
    if not isinstance(data, dict):
        violations.append(Violation(path, "a context is an object"))
    elif "kind" not in data:
        individuals[DEFAULT_CONTEXT_KIND] = _old_user(data, path, private, violations)
    elif data["kind"] == "multi":
        kinds = [kind for kind in data if kind != "kind"]
        if not kinds:
            violations.append(Violation(path, "a context of several kinds needs at least one"))
        for kind in kinds:
            _check_kind(kind, (*path, kind), violations)
            individuals[kind] = _individual(kind, data[kind], (*path, kind), private, violations)
    else:
        kind = data["kind"]
        _check_kind(kind, (*path, "kind"), violations)
        individuals[str(kind)] = _individual(str(kind), data, path, private, violations)
    if violations:
        raise InvalidInputError(violations)
    return Context(individuals, private)


def is_context_kind(kind: str) -> bool:
    """Tell whether a string may be the kind of an individual context."""
    return _KIND.fullmatch(kind) is not None and kind not in {"kind", "multi"}


def _check_kind(kind: Json, path: InputPath, violations: list[Violation]) -> None:
    if not isinstance(kind, str) or not is_context_kind(kind):
        violations.append(
            Violation(path, "a kind is letters, digits, '.', '_' or '-', and neither 'kind' nor 'multi'")
        )


def _individual(
    kind: str, data: Json, path: InputPath, private: dict[str, tuple[str, ...]], violations: list[Violation]
) -> dict[str, Json]:
    if not isinstance(data, dict):
        violations.append(Violation(path, "a context is an object"))
        return {}
    attributes = {name: value for name, value in data.items() if value is not None}
    meta = attributes.pop("_meta", None)
    attributes["kind"] = kind
    key = attributes.get("key")
    if not isinstance(key, str) or not key:
        violations.append(Violation((*path, "key"), "a key is a non-empty string"))
    if not isinstance(attributes.get("name", ""), str):
        violations.append(Violation((*path, "name"), "a name is a string"))
    if not isinstance(data.get("anonymous", False), bool):
        violations.append(Violation((*path, "anonymous"), "anonymous is true or false"))
    attributes.setdefault("anonymous", False)
    if meta is not None:
        private[kind] = _private_attributes(meta, (*path, "_meta"), violations)
    return attributes


def _private_attributes(meta: Json, path: InputPath, violations: list[Violation]) -> tuple[str, ...]:
    if not isinstance(meta, dict):
        violations.append(Violation(path, "_meta is an object"))
        return ()
    references = meta.get("privateAttributes")
    if references is None:
        return ()
    if not isinstance(references, list) or not all(isinstance(item, str) for item in references):
        violations.append(Violation((*path, "privateAttributes"), "a list of attribute references"))
        return ()
    return tuple(reference for reference in references if parse_reference(reference) is not None)


def _old_user(
    data: Mapping[str, Json], path: InputPath, private: dict[str, tuple[str, ...]], violations: list[Violation]
) -> dict[str, Json]:
    """Read a user of the old format, whose key may be empty; unknown properties are ignored."""
    if not isinstance(data.get("key"), str):
        message = "a key is a string" if "key" in data else "a context has a kind and a key"
        violations.append(Violation((*path, "key"), message))
    attributes: dict[str, Json] = {}
    custom = data.get("custom")
    if isinstance(custom, dict):
        attributes.update(
            (name, value) for name, value in custom.items() if name not in _NOT_CUSTOM and value is not None
        )
    elif custom is not None:
        violations.append(Violation((*path, "custom"), "custom is an object"))
    for name in _OLD_USER_TEXTS:
        value = data.get(name)
        if isinstance(value, str):
            attributes[name] = value
        elif value is not None:
            violations.append(Violation((*path, name), f"{name} is a string or null"))
    anonymous = data.get("anonymous")
    if not isinstance(anonymous, bool | None):
        violations.append(Violation((*path, "anonymous"), "anonymous is true, false or null"))
    names = data.get("privateAttributeNames")
    if isinstance(names, list) and all(isinstance(name, str) for name in names):
        private[DEFAULT_CONTEXT_KIND] = tuple(_escape(name) for name in names)
    elif names is not None:
        violations.append(Violation((*path, "privateAttributeNames"), "a list of attribute names"))
    return {
        **attributes,
        "kind": DEFAULT_CONTEXT_KIND,
        "key": data.get("key"),
        "anonymous": anonymous or False,
    }


def _escape(name: str) -> str:
    """Turn a literal name into the reference that means it."""
    return "/" + name.replace("~", "~0").replace("/", "~1") if name.startswith("/") else name
