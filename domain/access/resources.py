"""Resources: what is acted on, and the specifiers by which policies name them (LaunchDarkly semantics 3.4).

A specifier names things of one type: `proj/*` names projects, and nothing that is in them.
"""

import re
from collections.abc import Collection
from dataclasses import dataclass, field
from functools import lru_cache
from itertools import repeat
from typing import NoReturn

from domain.errors import InputPath, InvalidInputError, Violation

SPECIFIER_LENGTH_LIMIT = 2_000
WILDCARDS_LIMIT = 10
"""How many `*` a key, a tag or an action may have: each is another look for a part of a name."""
TAGS_LIMIT = 100
"""How many tags a level may name: things bear no more."""
ACCOUNT = "acct"
"""The one resource without a key: the service itself."""
RESOURCE_TYPES = (
    ACCOUNT,
    "proj",
    "proj:env",
    "proj:env:flag",
    "proj:env:segment",
    "proj:context-kind",
    "role",
    "member",
    "member:token",
    "service-token",
)
"""The types of things, each by the types of its levels."""
_NO_KEY_CHARACTER = re.compile(r"[^A-Za-z0-9._*-]")


@dataclass(frozen=True, slots=True)
class Level:
    """One level of a resource: a thing by its key, with its tags."""

    type: str
    key: str = ""
    tags: frozenset[str] = frozenset()

    def __str__(self) -> str:
        """Render `env/production;critical`."""
        tags = f";{','.join(sorted(self.tags))}" if self.tags else ""
        return f"{self.type}/{self.key}{tags}" if self.key else self.type


@dataclass(frozen=True, slots=True)
class Resource:
    """A thing with what it is in, from the outermost on: each level as it is, its tags too."""

    levels: tuple[Level, ...]

    def __str__(self) -> str:
        """Render it as a specifier that names it and no other: `proj/shop:env/production;critical:flag/f;beta`."""
        return ":".join(map(str, self.levels))

    @property
    def type(self) -> str:
        """Its type, one of RESOURCE_TYPES."""
        return ":".join(level.type for level in self.levels)

    @property
    def outermost(self) -> "Resource":
        """What it is in, or itself if it is in nothing."""
        return Resource(self.levels[:1])

    def child(self, type_name: str, key: str, tags: Collection[str] = ()) -> "Resource":
        """Return something that is in it."""
        return Resource((*self.levels, Level(type_name, key, frozenset(tags))))


def resource_of(type_name: str, key: str = "", tags: Collection[str] = ()) -> Resource:
    """Return a resource that is in no other."""
    return Resource((Level(type_name, key, frozenset(tags)),))


@dataclass(frozen=True, slots=True)
class Glob:
    """A pattern of names: `*` stands for any characters, or none; all else for itself, case and all."""

    text: str
    _first: str = field(init=False, repr=False, compare=False)
    _middle: tuple[str, ...] = field(init=False, repr=False, compare=False)
    _last: str | None = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        """Split the text once, however often it is asked; `_last` is None if there is no `*`."""
        first, *others = self.text.split("*")
        object.__setattr__(self, "_first", first)
        object.__setattr__(self, "_middle", tuple(part for part in others[:-1] if part))
        object.__setattr__(self, "_last", others[-1] if others else None)

    @property
    def has_wildcard(self) -> bool:
        """Whether it may name several."""
        return self._last is not None

    def matches(self, name: str) -> bool:
        """Tell whether it names `name`. Each part is looked for once, so no pattern makes this slow."""
        if self._last is None:
            return name == self._first
        if self.text == "*":
            return True
        if not (name.startswith(self._first) and name.endswith(self._last)):
            return False
        at, end = len(self._first), len(name) - len(self._last)
        for part in self._middle:
            found = name.find(part, at, end)
            if found < 0:
                return False
            at = found + len(part)
        return at <= end

    def overlaps(self, other: "Glob") -> bool:
        """Tell whether there is a name that both name: any two parts fit between beginnings and ends that do."""
        if "*" not in self.text:
            return other.matches(self.text)
        if "*" not in other.text:
            return self.matches(other.text)
        (first, *_, last), (other_first, *_, other_last) = self.text.split("*"), other.text.split("*")
        return (first.startswith(other_first) or other_first.startswith(first)) and (
            last.endswith(other_last) or other_last.endswith(last)
        )


@lru_cache(maxsize=1_000)
def _names_one(pattern: str, names: frozenset[str]) -> bool:
    """Tell whether a pattern names any of some names; once, in however many specifiers it stands."""
    return any(map(Glob(pattern).matches, names))


@dataclass(frozen=True, slots=True)
class LevelSpecifier:
    """Names things by a glob of their keys, and globs of tags: they bear a tag for each."""

    type: str
    key: Glob
    tags: tuple[Glob, ...]
    _plain_tags: frozenset[str] = field(init=False, repr=False, compare=False)
    _tag_patterns: tuple[str, ...] = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        """Tell tags and patterns of tags apart; tags are looked for together."""
        patterns = [tag.text for tag in self.tags if tag.has_wildcard]
        object.__setattr__(self, "_plain_tags", frozenset(tag.text for tag in self.tags).difference(patterns))
        object.__setattr__(self, "_tag_patterns", tuple(patterns))

    def matches(self, level: Level) -> bool:
        """Tell whether it names a thing."""
        if self.type != level.type or not self.key.matches(level.key) or not self._plain_tags <= level.tags:
            return False
        return not self._tag_patterns or all(map(_names_one, self._tag_patterns, repeat(level.tags)))

    def as_level(self) -> Level:
        """Return a level whose key and tags are the globs: what names it names all that they name, and no less."""
        return Level(self.type, self.key.text, frozenset(glob.text for glob in self.tags))


@dataclass(frozen=True, slots=True)
class ResourceSpecifier:
    """Names things of one type: by their keys and tags, and by those of what they are in."""

    levels: tuple[LevelSpecifier, ...]

    def __str__(self) -> str:
        """Render it as it was written."""
        return ":".join(map(_level_text, self.levels))

    @property
    def type(self) -> str:
        """The type of what it names, one of RESOURCE_TYPES."""
        return ":".join(level.type for level in self.levels)

    @property
    def names_all(self) -> bool:
        """Whether it names all things of its type."""
        return all(level.key.text in {"*", ""} and not level.tags for level in self.levels)

    def matches(self, resource: Resource) -> bool:
        """Tell whether it names a thing."""
        if len(self.levels) != len(resource.levels):
            return False
        return all(map(LevelSpecifier.matches, reversed(self.levels), reversed(resource.levels)))

    def as_resource(self) -> Resource:
        """Return a resource that stands for all that it names."""
        return Resource(tuple(level.as_level() for level in self.levels))

    def includes(self, other: "ResourceSpecifier") -> bool:
        """Tell whether it names all that another one names."""
        return self.matches(other.as_resource())

    def overlaps(self, other: "ResourceSpecifier") -> bool:
        """Tell whether there may be something that both name: with whatever tags they ask for."""
        return self.type == other.type and all(
            level.key.overlaps(others.key) for level, others in zip(self.levels, other.levels, strict=True)
        )


def parse_specifier(
    text: str, path: InputPath = (), *, may_lack_tags: bool = False, is_new: bool = False
) -> ResourceSpecifier:
    """Parse `proj/*:env/production;critical:segment/beta-*;tag1,tag2`.

    Args:
        text: The text.
        path: Where it stands.
        may_lack_tags: Whether a level may name no tags: `segment/beta;`.
        is_new: Whether it is being written: then what no key or tag can be is refused, since it names nothing.

    Raises:
        InvalidInputError: It is none; the violation is at `path`, and names the character.
    """
    if len(text) > SPECIFIER_LENGTH_LIMIT:
        _refuse(path, f"has more than {SPECIFIER_LENGTH_LIMIT} characters")
    levels: list[LevelSpecifier] = []
    at = 0
    for level in text.split(":"):
        parsed = _parse_level(level.removesuffix(";") if may_lack_tags else level, at, path)
        if is_new:
            _refuse_impossible(parsed, at, path)
        levels.append(parsed)
        at += len(level) + 1
    specifier = ResourceSpecifier(tuple(levels))
    if specifier.type not in RESOURCE_TYPES:
        known = ", ".join(map(repr, RESOURCE_TYPES))
        _refuse(path, f"names things of the type {specifier.type[:60]!r}, and the types are {known}")
    return specifier


def parse_resource(text: str, path: InputPath = ()) -> Resource:
    """Parse the name of one thing, `proj/shop:env/production;critical:segment/vips`: a specifier without `*`.

    A level may say that it bears no tags: `segment/vips;`; see `says_tags`.

    Raises:
        InvalidInputError: It is none, or could name several; the violation is at `path`.
    """
    if "*" in text:
        _refuse(path, f"has '*' at character {text.index('*') + 1}, and is to name one thing")
    levels = parse_specifier(text, path, may_lack_tags=True).levels
    return Resource(tuple(Level(of.type, of.key.text, frozenset(tag.text for tag in of.tags)) for of in levels))


def says_tags(text: str) -> list[bool]:
    """Tell of each level of a thing's name whether it says which tags it bears, be it none."""
    return [";" in level for level in text.split(":")]


def _parse_level(text: str, start: int, path: InputPath) -> LevelSpecifier:
    for index, character in enumerate(text):
        if character.isspace() or not character.isprintable():
            _refuse(path, f"has {character!r} at character {start + index + 1}, which no key or tag has")
    name, has_tags, tags = text.partition(";")
    type_name, has_key, key = name.partition("/")
    if name == ACCOUNT and not has_tags:
        return LevelSpecifier(ACCOUNT, Glob(""), ())
    if not (type_name and has_key and key):
        _refuse(path, f"needs a type and a key, as in 'proj/*', at character {start + 1}")
    at = start + len(type_name) + 1
    if "/" in key or "," in key:
        offset = next(index for index, character in enumerate(key) if character in "/,")
        _refuse(path, f"has {key[offset]!r} at character {at + offset + 1}, which no key has")
    at += len(key) + 1
    # Emails are the same in any case, and those of members are folded; the tags of who has roles are these.
    is_folded = type_name in {"member", "service-token"}
    globs: list[Glob] = []
    for tag in tags.split(",") if has_tags else ():
        if not tag or ";" in tag or "/" in tag:
            _refuse(path, f"needs a tag at character {at + 1}")
        globs.append(Glob(tag.casefold() if is_folded else tag))
        at += len(tag) + 1
    if len(globs) > TAGS_LIMIT:
        _refuse(path, f"names {len(globs)} tags of one level, and {TAGS_LIMIT} are the most")
    if any(name.count("*") > WILDCARDS_LIMIT for name in (key, *(glob.text for glob in globs))):
        _refuse(path, f"has more than {WILDCARDS_LIMIT} '*' in a key or a tag")
    return LevelSpecifier(type_name, Glob(key.casefold() if type_name == "member" else key), tuple(globs))


def _refuse_impossible(level: LevelSpecifier, start: int, path: InputPath) -> None:
    """Refuse a key or a tag with a character that none has; emails may have others."""
    at = start + len(level.type) + 2
    texts = [level.key.text, *(tag.text for tag in level.tags)]
    for index, text in enumerate(texts):
        is_email = level.type == "member" and not index
        if not is_email and (found := _NO_KEY_CHARACTER.search(text)):
            what = "tag" if index else "key"
            _refuse(path, f"has {found.group()!r} at character {at + found.start()}, which no {what} has")
        at += len(text) + 1


def _level_text(level: LevelSpecifier) -> str:
    tags = f";{','.join(glob.text for glob in level.tags)}" if level.tags else ""
    return f"{level.type}/{level.key.text}{tags}" if level.key.text else level.type


def _refuse(path: InputPath, message: str) -> NoReturn:
    raise InvalidInputError([Violation(path, message)])
