"""The standard data set of every benchmark: seeded, so that each run and each runner has the same.

50 flags, each with 2 individual targets, a rule on two of the 20 segments, a rule of two attribute clauses, and
a 20/80 rollout for the rest. Each segment has 50 included keys, 1 excluded, a rule on `eap-opt-in` and a 50 % rule
on an email ending. 1,000 users with email, tier, country and `eap-opt-in`.
"""

import random
from typing import Any

FLAGS, SEGMENTS, CONTEXTS = 50, 20, 1_000
_SEED = 20_261_122
_TIERS = ("free", "team", "business", "enterprise")
_COUNTRIES = ("at", "br", "ch", "de", "fr", "in", "jp", "us")
_DOMAINS = ("example.com", "example.org", "example.net", "mail.example.com")


def flag_data(*, flags: int = FLAGS, segments: int = SEGMENTS) -> dict[str, Any]:
    """Make the environment, as LaunchDarkly's flag data JSON."""
    rng = random.Random(_SEED)  # noqa: S311 - repeatable, not secret
    segment_keys = [f"segment-{number}" for number in range(segments)]
    return {
        "flags": {f"flag-{n}": _flag(f"flag-{n}", rng.sample(segment_keys, 2), rng) for n in range(flags)},
        "segments": {key: _segment(key, rng) for key in segment_keys},
    }


def contexts(count: int = CONTEXTS) -> list[dict[str, Any]]:
    """Make the users, as context JSON."""
    rng = random.Random(_SEED + 1)  # noqa: S311 - repeatable, not secret
    return [
        {
            "kind": "user",
            "key": _user_key(number),
            "email": f"{_user_key(number)}@{rng.choice(_DOMAINS)}",
            "tier": rng.choice(_TIERS),
            "country": rng.choice(_COUNTRIES),
            "eap-opt-in": rng.random() < 0.1,  # noqa: PLR2004 - one in ten takes part
        }
        for number in range(count)
    ]


def _user_key(number: int) -> str:
    return f"user-{number:06d}"


def _flag(key: str, segments: list[str], rng: random.Random) -> dict[str, Any]:
    return {
        "key": key,
        "version": 1,
        "on": True,
        "variations": [True, False],
        "offVariation": 1,
        "salt": f"{key}-salt",
        "prerequisites": [],
        "targets": [
            {"variation": variation, "values": [_user_key(rng.randrange(CONTEXTS))]} for variation in (0, 1)
        ],
        "contextTargets": [],
        "rules": [
            {"id": f"{key}-segments", "variation": 0, "clauses": [_clause("", "segmentMatch", segments)]},
            {
                "id": f"{key}-attributes",
                "variation": 0,
                "clauses": [
                    _clause("tier", "in", rng.sample(_TIERS, 2)),
                    _clause("country", "in", rng.sample(_COUNTRIES, 2)),
                ],
            },
        ],
        "fallthrough": {
            "rollout": {"variations": [{"variation": 0, "weight": 20_000}, {"variation": 1, "weight": 80_000}]}
        },
    }


def _segment(key: str, rng: random.Random) -> dict[str, Any]:
    members = [_user_key(number) for number in rng.sample(range(CONTEXTS), 51)]
    return {
        "key": key,
        "version": 1,
        "salt": f"{key}-salt",
        "included": members[1:],
        "excluded": members[:1],
        "rules": [
            {"id": f"{key}-opt-in", "clauses": [_clause("eap-opt-in", "in", [True])]},
            {
                "id": f"{key}-email",
                "clauses": [_clause("email", "endsWith", [f"@{rng.choice(_DOMAINS)}"])],
                "weight": 50_000,
            },
        ],
    }


def _clause(attribute: str, op: str, values: list[Any]) -> dict[str, Any]:
    return {"attribute": attribute, "op": op, "values": values, "negate": False}
