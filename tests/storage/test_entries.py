"""The audit log of domain.ports.Store, sentence by sentence, over every adapter."""

from dataclasses import replace
from typing import Any

from domain.access.credentials import Credential, CredentialKind
from domain.commits import ACCESS_SCOPE, Delete
from domain.model.changes import ChangesPage, EntityChange, EntryFilter, FieldChange
from domain.ports import Store
from tests.storage.builders import (
    SHOP,
    a_commit,
    a_flag,
    a_project,
    a_segment,
    a_targeting,
    an_entry,
    create,
    replace_at,
)

SCOPE = str(SHOP)


async def test_the_entry_holds_the_revisions_that_the_change_produced(store: Store) -> None:
    await store.commit(a_commit(revise=("a.b", SCOPE)))
    entry = an_entry(scope=SCOPE, comment="why", summary={"$flags": {"a.b": [1, True, None]}})
    await store.commit(a_commit(revise=(SCOPE,), entry=entry))
    assert await store.list_entries(SCOPE, first=1) == [replace(entry, revisions={SCOPE: 2})]


async def test_entries_are_listed_newest_first_in_pages(store: Store) -> None:
    entries = [an_entry(id=f"{n:03}", scope=SCOPE if n % 2 else "") for n in range(6)]
    for entry in entries:
        await store.commit(a_commit(entry=entry))

    async def ids(scope: str | None, *, first: int, before: str = "") -> list[str]:
        return [entry.id for entry in await store.list_entries(scope, first=first, before=before)]

    assert await ids(None, first=4) == ["005", "004", "003", "002"]
    assert await ids(None, first=4, before="002") == ["001", "000"]
    assert await ids(SCOPE, first=2) == ["005", "003"]
    assert await ids(SCOPE, first=2, before="003") == ["001"]
    assert await ids("", first=10) == ["004", "002", "000"]


async def found(store: Store, **wanted: Any) -> list[str]:
    return [entry.id for entry in await store.list_entries(None, first=10, wanted=EntryFilter(**wanted))]


async def test_an_entry_is_found_by_everything_that_its_change_touched(store: Store) -> None:
    secret = Credential(id="f00", kind=CredentialKind.SERVER_SDK_KEY, name="sdk", environment=SHOP)
    writes = (create(a_flag("a")), create(a_targeting("a")), create(a_segment("s")), create(secret))
    await store.commit(a_commit(*writes, revise=(SCOPE, ACCESS_SCOPE), entry=an_entry(id="1")))
    change = replace_at(1, a_flag("a", version=2))
    await store.commit(a_commit(change, revise=(SCOPE, "shop/test"), entry=an_entry(id="2")))
    await store.commit(a_commit(Delete(a_segment("s")), revise=(SCOPE,), entry=an_entry(id="3")))
    await store.commit(a_commit(create(a_project("blog")), entry=an_entry(id="4")))
    change = replace_at(1, a_targeting("a", version=2))
    await store.commit(a_commit(change, revise=(SCOPE, "shop/test"), entry=an_entry(id="5", scope=SCOPE)))
    await store.commit(a_commit(revise=(SCOPE, "shop/test"), entry=an_entry(id="6", scope="shop/test")))
    assert await found(store, subjects=["flag/shop/a"]) == ["2", "1"]
    assert await found(store, subjects=[f"targeting/{SCOPE}/a"]) == ["5", "1"]
    assert await found(store, subjects=[f"targeting/{SCOPE}/a", "flag/shop/a"]) == ["5", "2", "1"]
    assert await found(store, subjects=[f"segment/{SCOPE}/s"]) == ["3", "1"]
    assert await found(store, subjects=[f"environment/{SCOPE}"]) == ["5", "3", "2", "1"]
    assert await found(store, subjects=[f"revision/{SCOPE}"]) == ["6"]
    assert await found(store, subjects=["environment/shop/test"]) == ["6", "2"]
    assert await found(store, subjects=["revision/shop/test"]) == ["5"]
    assert await found(store, subjects=["project/shop"]) == ["6", "5", "3", "2", "1"]
    assert await found(store, subjects=["project/blog"]) == ["4"]
    assert await found(store, subjects=[f"credential/{secret.public_id}"]) == ["1"]
    assert await found(store, subjects=["credential/f00"]) == [], "a hash of a secret"
    assert await found(store, subjects=["flag/shop"]) == []
    assert await found(store, subjects=[]) == []
    many = [f"project/blog-{n}" for n in range(1_000)]
    assert await found(store, subjects=[*many, "project/blog", "flag/shop/a"]) == ["4", "2", "1"]
    pages = [
        await store.list_entries(None, first=1, before=before, wanted=EntryFilter(subjects=["flag/shop/a"]))
        for before in ("", "2", "1")
    ]
    assert [[entry.id for entry in page] for page in pages] == [["2"], ["1"], []]


async def test_the_latest_entries_on_each_of_many_sets_of_subjects_are_those_that_a_list_of_each_has(
    store: Store,
) -> None:
    for number in range(8):
        segments = [a_segment(f"{key}{number}") for key in "abc"[: 1 + number % 3]]
        writes = [create(a_project(f"p{number}")), *map(create, segments)]
        await store.commit(a_commit(*writes, revise=(SCOPE,), entry=an_entry(id=f"{number:03}")))
    sets: list[list[str]] = [
        [f"environment/{SCOPE}"],
        ["project/p1", f"segment/{SCOPE}/c5"],
        [],
        ["project/p1"],
        ["project/gone"],
        *([f"segment/{SCOPE}/a{number}"] for number in range(8)),
        *(["project/p7", f"segment/{SCOPE}/b{number}"] for number in range(87)),
    ]
    for first, before in ((1, ""), (3, "006"), (100, ""), (0, "")):
        listed = [
            await store.list_entries(None, first=first, before=before, wanted=EntryFilter(subjects=subjects))
            for subjects in sets
        ]
        assert await store.latest_entries(sets, first=first, before=before) == listed
    assert await store.latest_entries([], first=1) == []


async def test_what_an_entry_has_no_room_for_is_found_by_its_page_and_is_nothing_that_was_touched(
    store: Store,
) -> None:
    shortened = FieldChange(path="$a.b", before=[1, True], after={"x": None}, is_shortened=True)
    change = EntityChange(kind="flag", entity_id="shop/a", version_after=1, fields=(shortened,))
    pages = [ChangesPage(entry_id="1", number=number, changes=(change,)) for number in range(2)]
    entry = an_entry(id="1", page_starts=("flag/shop/a", "flag/shop/b"))
    await store.commit(a_commit(*map(create, pages), entry=entry))
    assert await store.get(ChangesPage, ChangesPage.id_of("1", 1)) == pages[1]
    assert await store.list_all(ChangesPage, "1") == pages
    assert (await store.list_entries(None, first=1))[0].page_starts == entry.page_starts
    assert await found(store, subjects=[f"changespage/{page.id}" for page in pages] + ["project/1"]) == []


async def test_what_touched_a_subject_counts_from_a_moment_on_that_is_its_own(store: Store) -> None:
    at = [f"{ms * 1_000_000:016x}-a" for ms in range(4)]
    for ms, entry_id in enumerate(at):
        writes = [create(a_project(f"{name}{ms}")) for name in "ab"] if ms else [create(a_project("b"))]
        await store.commit(a_commit(*writes, revise=(SCOPE,), entry=an_entry(id=entry_id, scope=SCOPE)))
    subjects = ["project/a2", "project/b", "project/none", f"environment/{SCOPE}"]

    async def those(**wanted: Any) -> list[int]:
        return [at.index(entry_id) for entry_id in await found(store, subjects=subjects, **wanted)]

    assert await those() == [3, 2, 1, 0]
    assert await those(subjects_since_ms={f"environment/{SCOPE}": 4}) == [2, 0]
    assert await those(subjects_since_ms={f"environment/{SCOPE}": 3, "project/a2": 3}) == [3, 0]
    assert await those(subjects_since_ms={f"environment/{SCOPE}": 1, "project/b": 1}) == [3, 2, 1]
    assert await those(subjects_since_ms={f"environment/{SCOPE}": 1}, since_ms=2, until_ms=3) == [2]
    assert await found(store, subjects=[], subjects_since_ms={"project/b": 0}) == []
    page = EntryFilter(subjects=subjects, subjects_since_ms={f"environment/{SCOPE}": 2})
    assert [e.id for e in await store.list_entries(None, first=1, before=at[3], wanted=page)] == [at[2]]


async def test_an_entry_is_found_by_actor_action_and_time(store: Store) -> None:
    def at(ms: int, more: str = "-a") -> str:
        return f"{ms * 1_000_000:016x}{more}"

    one, two, three = at(5), at(7, "-b"), at(7, "-c")
    await store.commit(a_commit(create(a_flag("a")), entry=an_entry(id=one, actor="token/ann", action="x")))
    await store.commit(a_commit(create(a_flag("b")), entry=an_entry(id=two, actor="token/bob", action="x")))
    await store.commit(a_commit(create(a_flag("c")), entry=an_entry(id=three, actor="token/ann", action="y")))
    assert await found(store, actor="token/ann") == [three, one]
    assert await found(store, action="x") == [two, one]
    assert await found(store, actor="token/ann", action="x") == [one]
    assert await found(store, since_ms=6) == await found(store, since_ms=7) == [three, two]
    assert await found(store, until_ms=7) == [one]
    assert await found(store, since_ms=8) == await found(store, until_ms=5) == []
    assert await found(store, since_ms=5, until_ms=8, actor="token/bob", subjects=["project/shop"]) == [two]
    assert await found(store, subjects=["flag/shop/a", "flag/shop/c"], action="y") == [three]
