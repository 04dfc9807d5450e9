"""Contexts that were met: what Store promises of them, on every adapter."""

from typing import Any

import pytest

from domain.keys import EnvironmentRef
from domain.model.seen_contexts import ContextFilter, SeenContext
from domain.ports import Store
from tests.storage.builders import SHOP
from tests.storage.conftest import OpenStore

OTHER = EnvironmentRef("shop", "production2")
"""Its name begins as SHOP's does."""


def met(
    key: str, kind: str = "user", *, at: int = 5, where: EnvironmentRef = SHOP, **attributes: Any
) -> SeenContext:
    return SeenContext(environment=where, kind=kind, key=key, attributes=attributes, last_seen_ms=at)


async def listed(store: Store, where: EnvironmentRef = SHOP, **wanted: Any) -> list[str]:
    found = await store.list_contexts(where, ContextFilter(**wanted), first=1000)
    return [f"{context.kind}:{context.key}" for context in found]


async def test_a_context_is_read_as_it_was_written(store: Store) -> None:
    attributes: dict[str, Any] = {
        "name": "Ada",
        "email": "ada@x.test",
        "a.b$": {"$c": [1, 1.5, True, None, 2**70, "é😀"]},
    }
    context = met("k,'\"\né😀", **attributes)
    await store.remember_contexts([context])
    assert await store.list_contexts(SHOP, first=10) == [context]
    assert await store.contexts_among(SHOP, "user", keys=[context.key], emails=[], per_email=9) == [context]


async def test_a_context_takes_the_place_of_what_was_known_of_it(store: Store) -> None:
    await store.remember_contexts([met("a", email="old@x.test"), met("a", "org"), met("a", where=OTHER)])
    await store.remember_contexts([met("a", at=9, name="New")])
    assert await store.list_contexts(SHOP, first=10) == [met("a", "org"), met("a", at=9, name="New")]
    assert await store.contexts_among(SHOP, "user", keys=[], emails=["old@x.test"], per_email=9) == []
    assert await store.list_contexts(OTHER, first=10) == [met("a", where=OTHER)]
    await store.remember_contexts([])


async def test_contexts_are_paged_by_kind_and_key_by_code_points(store: Store) -> None:
    contexts = [
        met(key, kind) for kind in ("org", "org-x", "user", "Z") for key in ("b", "a", "é", "😀", "B", "a b")
    ]
    await store.remember_contexts(contexts)
    expected = sorted(contexts, key=lambda context: (context.kind, context.key))
    found: list[SeenContext] = []
    while page := await store.list_contexts(SHOP, first=5, after=found[-1].sort_key if found else ""):
        found += page
    assert found == expected
    assert await store.list_contexts(SHOP, first=0) == []


@pytest.mark.parametrize(
    ("wanted", "keys"),
    [
        ({"query": "ADA"}, ["org:ada", "user:1"]),
        ({"query": "x.test"}, ["user:1", "user:2"]),
        ({"query": "STRASSE"}, ["user:3"]),
        ({"query": "%"}, ["user:%_.*"]),
        ({"query": "_.*"}, ["user:%_.*"]),
        ({"query": "$search"}, []),
        ({"query": ""}, ["org:ada", "user:%_.*", "user:1", "user:2", "user:3"]),
        ({"kinds": ["org"]}, ["org:ada"]),
        ({"kinds": ["org", "user"], "query": "a"}, ["org:ada", "user:1", "user:3"]),
        ({"kinds": []}, []),
    ],
)
async def test_contexts_are_found_by_a_part_of_key_name_or_email_in_any_case(
    store: Store, wanted: dict[str, Any], keys: list[str]
) -> None:
    await store.remember_contexts(
        [
            met("1", name="Ada Lovelace", email="Countess@x.TEST"),
            met("2", email="bob@X.test", name=7),
            met("3", name="Straße"),
            met("%_.*", city="ada"),
            met("ada", "org"),
            met("ada", where=OTHER),
        ]
    )
    assert await listed(store, **wanted) == keys


async def test_keys_and_emails_are_looked_up_together_each_context_once(store: Store) -> None:
    people = [met(f"u{n}", email=f"U{n}@x.test") for n in range(2_500)]
    await store.remember_contexts([*people, met("twin", email="u1@X.test")])
    await store.remember_contexts([met("u1", "org", email="u1@x.test"), met("u1", where=OTHER)])
    keys = [f"u{n}" for n in range(0, 2_500, 2)]
    found = await store.contexts_among(
        SHOP, "user", keys=[*keys, "nobody"], emails=["u1@x.test", "u2@x.test"], per_email=9
    )
    assert sorted(context.key for context in found) == sorted([*keys, "u1", "twin"])
    assert {context.kind for context in found} == {"user"}
    assert await store.contexts_among(SHOP, "user", keys=[], emails=[], per_email=9) == []


async def test_of_an_email_that_many_have_the_first_are_read_and_all_are_counted(store: Store) -> None:
    mates = [met(key, email="All@x.test") for key in ("é", "b", "😀", "a", "Z")]
    await store.remember_contexts([*mates, met("pair-2", email="two@x.test"), met("pair-1", email="two@x.test")])
    await store.remember_contexts([met("a", "org", email="all@x.test"), met("a", email="all@x.test", where=OTHER)])
    emails = ["all@x.test", "two@x.test", "nobody@x.test"]
    found = await store.contexts_among(SHOP, "user", keys=["😀", "a"], emails=emails, per_email=2)
    assert sorted(context.key for context in found) == ["Z", "a", "pair-1", "pair-2", "😀"]
    assert await store.count_contexts(SHOP, "user", emails=emails) == dict(zip(emails, (5, 2, 0), strict=True))
    assert await store.count_contexts(SHOP, "user", emails=[]) == {}


async def test_old_contexts_are_forgotten_and_those_of_one_environment(store: Store) -> None:
    await store.remember_contexts([met("old", at=4), met("new", at=5), met("old", at=4, where=OTHER)])
    await store.forget_contexts(SHOP, before_ms=5)
    assert (await listed(store), await listed(store, OTHER)) == (["user:new"], ["user:old"])
    await store.forget_contexts(None, before_ms=5)
    assert (await listed(store), await listed(store, OTHER)) == (["user:new"], [])
    await store.remember_contexts([met("kept", where=OTHER), *(met(str(number)) for number in range(1_100))])
    await store.forget_contexts(SHOP)
    assert (await listed(store), await listed(store, OTHER)) == ([], ["user:kept"])


async def test_contexts_are_no_commits(store: Store, open_another: OpenStore) -> None:
    await store.remember_contexts([met("a")])
    assert await store.revisions() == {}
    assert await store.list_entries(None, first=10) == []
    await store.close()
    assert await listed(await open_another()) == ["user:a"]
