"""Random environments in LaunchDarkly's JSON, each from a seed; and any small JSON value."""

import random
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, TypeVar

from hypothesis import strategies as st

from domain.evaluation.results import BigSegmentsStatus
from domain.evaluation.subject import Membership
from domain.json import Json

T = TypeVar("T")
Object = dict[str, Json]

KINDS = ("user", "org", "device")
KEYS = ("ann", "bob", "cat", "eve", "7", "a:b%c")
_NAMES = ("email", "age", "tags", "address", "anonymous", "name", "attr/a", "/name", "flag")
_REFERENCES = (
    "key", "kind", "email", "age", "tags", "address", "anonymous", "name", "missing", "/email", "/address/city",
    "/address/7", "/address/zip/code", "/tags/0", "/attr~1a", "attr/a", "/email/x",
)  # fmt: skip # reads as a table, one case or group a line
_BAD_REFERENCES = ("", "/", "//", "/email/", "/address//city", "/a~2", "/a~")
TEXTS = (
    "", "a", "b", "abc", "ABC", "a@example.com", "b@example.org", "99", "99.0", "true", "1512543600000", "é",
    "2017-12-06T00:00:00.000-07:00", "2017-12-06T07:00:00Z", "2017-12-06T07:00:00.5Z", "2017-12-06",
    "2017-12-06T07:00:00", "2016-02-29T23:59:59+14:00", "2", "2.0", "2.0.0", "2.0.1", "2.0.0-rc.1", "2-rc", "2.1-rc.2",
    "2.0.0-rc.10", "2.0.0-rc", "2.0.0-1", "2.0.0-alpha+b", "2.0.0+build.7", "v2.0.0", "02.0.0", "2.0.0.0", "2.0.0-01",
)  # fmt: skip # reads as a table, one case or group a line
NUMBERS = (0, 1, -1, 7, 99, 99.5, -0.5, 1512543600000, 1512543600001, 0.1, 10**12)
PATTERNS = ("a", "^a", "c$", "example", "^.*@example\\.(com|org)$", "[", "(a", "^$", "9+", "\\.", "[A-C]{3}")
_OPERATORS = (
    "in", "in", "in", "startsWith", "endsWith", "contains", "matches", "lessThan", "lessThanOrEqual", "greaterThan",
    "greaterThanOrEqual", "before", "after", "semVerEqual", "semVerLessThan", "semVerGreaterThan", "unknown", "",
)  # fmt: skip # reads as a table, one case or group a line
_SALTS = ("", "salt", "x.y")


@dataclass(frozen=True, slots=True)
class World:
    """An environment's flag data, contexts to ask for, and what a store of large lists knows."""

    data: dict[str, dict[str, Any]]
    contexts: tuple[Object, ...]
    memberships: Mapping[str, Membership]


def random_world(rng: random.Random, *, shared: bool = False) -> World:
    """Make a world.

    Args:
        rng: Where chance comes from.
        shared: Leave out what LaunchDarkly's Python SDK evaluates differently from its Go SDK.
    """
    return _WorldMaker(rng, shared=shared).make()


def seeds() -> st.SearchStrategy[int]:
    """Draw seeds of worlds: as choices of hypothesis, worlds would be too large."""
    return st.integers(0, 2**32)


class _WorldMaker:
    """Makes one world. Where `shared` holds, a comment names the case of semantics 2.9 that is left out."""

    def __init__(self, rng: random.Random, *, shared: bool) -> None:
        self.rng = rng
        self.shared = shared
        self.flag_keys = [f"flag{index}" for index in range(rng.randint(1, 5))]
        self.segment_keys = [f"segment{index}" for index in range(rng.randint(1, 5))]
        self.guaranteed = [kind for kind in KINDS if self.chance(0.5)]
        """Kinds that every context of this world has."""

    def make(self) -> World:
        memberships = self.memberships()
        statuses = {membership.status for membership in memberships.values()}
        # 2.7: Python reports the last status, not the worst, so a shared world has one.
        may_have_no_generation = not self.shared or statuses == {BigSegmentsStatus.NOT_CONFIGURED}
        segments = {
            key: self.segment(key, may_have_no_generation=may_have_no_generation) for key in self.segment_keys
        }
        flags = {key: self.flag(key) for key in self.flag_keys}
        # 2.9, prerequisite with invalid bucketBy: only this flag has one, and it is nobody's prerequisite.
        flags["broken"] = self.flag("broken", may_bucket_badly=True)
        contexts = tuple(self.context() for _ in range(self.rng.randint(1, 4)))
        return World({"flags": flags, "segments": segments}, contexts, memberships)

    def chance(self, probability: float) -> bool:
        return self.rng.random() < probability

    def pick(self, values: Sequence[T]) -> T:
        return values[int(self.rng.random() * len(values))]

    def some(self, values: Sequence[T], most: int = 3) -> list[T]:
        return [self.pick(values) for _ in range(int(self.rng.random() * (most + 1)))]

    def memberships(self) -> dict[str, Membership]:
        one = self.pick(list(BigSegmentsStatus))
        found = {}
        for key in KEYS:
            status = one if self.shared else self.pick(list(BigSegmentsStatus))
            listed = {
                f"{segment}.g{generation}": self.chance(0.5)
                for segment in self.segment_keys
                for generation in (1, 2)
                if self.chance(0.5)
            }
            if self.shared or self.chance(0.9):
                found[key] = Membership(status, listed)
        return found

    def value(self) -> Json:
        pools: Sequence[Sequence[Json]] = (TEXTS, TEXTS, NUMBERS, (True, False))
        return self.pick(self.pick(pools))

    def context_value(self) -> Json:
        roll = self.rng.random()
        if roll < 0.7:
            return self.value()
        if roll < 0.85:
            return [self.element() for _ in range(self.rng.randint(0, 3))]
        if roll < 0.9:
            return None
        return {"city": self.value(), "7": self.value(), "zip": {"code": self.value()}}

    def element(self) -> Json:
        elements: Sequence[Json] = (self.value(), None, [self.value()], {"city": 1})
        return self.pick(elements)

    def individual(self) -> Object:
        attributes: Object = {"key": self.pick(KEYS)}
        for name in _NAMES:
            if self.chance(0.5):
                attributes[name] = self.context_value()
        # 2.9, bucketBy value 3.0: a shared world buckets by anything but `ratio`.
        if self.chance(0.5):
            attributes["ratio"] = self.pick((1.0, 2.0, 0.5, 99.0))
        if self.chance(0.5):
            attributes["name"] = self.pick(TEXTS)
        else:
            attributes.pop("name", None)
        attributes.pop("anonymous", None)
        if self.chance(0.3):
            attributes["anonymous"] = self.chance(0.5)
        return attributes

    def context(self) -> Object:
        kinds = list(self.guaranteed)
        while not kinds or self.chance(0.3):
            kind = self.pick(KINDS)
            if kind not in kinds:
                kinds.append(kind)
        if len(kinds) == 1 and self.chance(0.8):
            return {"kind": kinds[0], **self.individual()}
        return {"kind": "multi", **{kind: self.individual() for kind in kinds}}

    def kind(self, *, guaranteed: bool = False) -> str | None:
        """Pick a context kind, or its absence; where it matters to a shared world, one that contexts have."""
        if guaranteed and self.shared:
            return self.pick([*self.guaranteed, *([None] if "user" in self.guaranteed else [])])
        return self.pick((None, None, "", *KINDS))

    def clause(self) -> Object:
        if self.chance(0.3):
            keys: Sequence[Json] = (*self.segment_keys, *self.segment_keys, "nowhere", 7)
            values = [self.pick(keys), self.pick(keys)]
            return {"attribute": "", "op": "segmentMatch", "values": values, "negate": self.chance(0.2)}
        kind = self.kind()
        # 2.9, attribute "/kind" with contextKind.
        references = (*_REFERENCES, *_NAMES, "ratio", *(() if self.shared else ("/kind",)))
        attribute = self.pick(references)
        # Python looks for the context before the reference, so in a shared world it must be there.
        if self.chance(0.03) and (not self.shared or (kind or "user") in self.guaranteed):
            attribute = self.pick(_BAD_REFERENCES)
        op = self.pick(_OPERATORS)
        pool = PATTERNS if op == "matches" and self.chance(0.9) else None
        values = [self.pick(pool) if pool else self.clause_value(op) for _ in range(self.rng.randint(0, 3))]
        # Go drops fractions of milliseconds, Python does not: no moment of a shared world is near those of contexts.
        if self.shared and op in {"before", "after"}:
            values = [value for value in values if not isinstance(value, int | float) or value > 1_000]
        if attribute in {"key", "kind"}:
            values = [*values, *self.some((*KEYS, *KINDS))]
        clause: Object = {"attribute": attribute, "op": op, "values": values, "negate": self.chance(0.3)}
        if kind is not None:
            clause["contextKind"] = kind
        return clause

    def clause_value(self, op: str) -> Json:
        # 2.9, `in` with object or array values, or null.
        if (not self.shared or op != "in") and self.chance(0.1):
            return self.pick((None, ["a"], {"city": 1}))
        return self.value()

    def rollout(self, variations: int, *, may_bucket_badly: bool) -> Object:
        kind = self.kind()
        bad = self.chance(0.1) and may_bucket_badly
        if bad and self.shared and self.guaranteed:
            kind = self.kind(guaranteed=True)
        weights = [self.pick((0, 1, 20_000, 50_000, 100_000, -5)) for _ in range(self.rng.randint(1, 3))]
        # 2.9, rollout contextKind absent, first weight 0 (or less).
        if self.shared and (kind or "user") not in self.guaranteed:
            weights[0] = self.pick((1, 20_000, 100_000))
        shares: list[Json] = [
            {
                "variation": self.pick((*range(variations), *range(variations), -1, variations))
                if self.chance(0.1)
                else self.rng.randrange(variations),
                "weight": weight,
                **({"untracked": True} if self.chance(0.3) else {}),
            }
            for weight in weights
        ]
        rollout: Object = {"variations": [] if self.chance(0.03) else shares}
        if kind is not None:
            rollout["contextKind"] = kind
        if self.chance(0.4):
            rollout["kind"] = self.pick(("experiment", "experiment", "rollout"))
        if self.chance(0.5):
            rollout["bucketBy"] = self.pick(_REFERENCES if self.shared else (*_REFERENCES, "ratio"))
        if bad and (not self.shared or self.guaranteed):
            rollout["bucketBy"] = self.pick(_BAD_REFERENCES[1:])
        if self.chance(0.3):
            rollout["seed"] = self.pick((0, 61, -4))
        return rollout

    def serves(self, variations: int, *, may_bucket_badly: bool) -> Object:
        serves: Object = {}
        if self.chance(0.5):
            serves["variation"] = self.index(variations)
        if not serves or self.chance(0.05):
            serves["rollout"] = self.rollout(variations, may_bucket_badly=may_bucket_badly)
        return {} if self.chance(0.02) else serves

    def index(self, variations: int) -> int:
        return self.pick((-1, variations, variations + 5)) if self.chance(0.04) else self.rng.randrange(variations)

    def flag(self, key: str, *, may_bucket_badly: bool = False) -> Object:
        values: list[Json] = self.rng.sample(
            [True, False, "a", 1, 2.5, None, ["x"], {"y": [1]}], self.rng.randint(1, 4)
        )
        count = len(values)
        bad = not self.shared or may_bucket_badly
        flag: Object = {
            "key": key,
            "version": self.rng.randint(1, 9),
            "on": self.chance(0.85),
            "variations": values,
            "fallthrough": self.serves(count, may_bucket_badly=bad),
            "salt": self.pick(_SALTS),
            "prerequisites": self.prerequisites(),
            "targets": [self.target(count) for _ in range(self.pick((0, 0, 1, 2)))],
            "contextTargets": [self.context_target(count) for _ in range(self.pick((0, 0, 1, 3)))],
            "rules": [self.rule(index, count, may_bucket_badly=bad) for index in range(self.pick((0, 1, 2, 3)))],
        }
        if self.chance(0.8):
            flag["offVariation"] = self.index(count)
        return flag

    def prerequisites(self) -> list[Json]:
        keys = self.some((*self.flag_keys, "nowhere"), 2) if self.chance(0.5) else []
        return [{"key": key, "variation": self.pick((0, 0, 0, 1, 2))} for key in keys]

    def target(self, variations: int) -> Object:
        return {"variation": self.index(variations), "values": self.some(KEYS)}

    def context_target(self, variations: int) -> Object:
        kind = self.kind()
        target = self.target(variations)
        # 2.9, contextTargets `user` entry with its own values.
        if self.shared and (kind or "user") == "user":
            target["values"] = []
        if kind is not None:
            target["contextKind"] = kind
        return target

    def rule(self, index: int, variations: int, *, may_bucket_badly: bool) -> Object:
        return {
            **({"id": self.pick(("", f"rule{index}"))} if self.chance(0.7) else {}),
            "clauses": [self.clause() for _ in range(self.pick((0, 1, 1, 1, 2, 2)))],
            **self.serves(variations, may_bucket_badly=may_bucket_badly),
        }

    def segment(self, key: str, *, may_have_no_generation: bool) -> Object:
        segment: Object = {
            "key": key,
            "version": 1,
            "salt": self.pick(_SALTS),
            "included": self.some(KEYS, 1),
            "excluded": self.some(KEYS, 2),
            "includedContexts": [self.segment_target() for _ in range(self.pick((0, 0, 1, 2)))],
            "excludedContexts": [self.segment_target() for _ in range(self.pick((0, 0, 1, 2)))],
            "rules": [self.segment_rule() for _ in range(self.pick((0, 1, 1, 2)))],
        }
        if self.chance(0.3):
            segment["unbounded"] = True
            kind = self.kind()
            if kind is not None:
                segment["unboundedContextKind"] = kind
            if not may_have_no_generation or self.chance(0.8):
                segment["generation"] = self.pick((1, 2))
        return segment

    def segment_target(self) -> Object:
        # 2.9, includedContexts of kind user, single user context.
        kind = self.pick(("org", "device")) if self.shared else self.kind()
        target: Object = {"values": self.some(KEYS, 2)}
        if kind is not None:
            target["contextKind"] = kind
        return target

    def segment_rule(self) -> Object:
        rule: Object = {"clauses": [self.clause() for _ in range(self.pick((0, 1, 1, 1, 2)))]}
        # 2.9, segment rule with weight, rolloutContextKind absent from context.
        if self.chance(0.4) and (self.guaranteed or not self.shared):
            rule["weight"] = self.pick((0, 1, 20_000, 50_000, 100_000, -5))
            kind = self.kind(guaranteed=True)
            if kind is not None:
                rule["rolloutContextKind"] = kind
            if self.chance(0.5):
                rule["bucketBy"] = self.pick(_REFERENCES)
            if self.chance(0.04):
                rule["bucketBy"] = self.pick(_BAD_REFERENCES[1:])
        return rule


JSON = st.recursive(
    st.none() | st.booleans() | st.integers(-3, 3) | st.floats(-3, 3) | st.text('a,"[]', max_size=3),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text("ab", max_size=2), inner, max_size=3),
    max_leaves=8,
)
