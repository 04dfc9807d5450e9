"""domain.ports.Store, sentence by sentence, over every adapter."""

import asyncio
from dataclasses import replace
from typing import Any

import pytest

from domain.access.credentials import Credential, CredentialKind
from domain.commits import ACCESS_SCOPE, Commit, Delete, Entity
from domain.errors import (
    AlreadyExistsError,
    NotFoundError,
    RevisionConflictError,
    UnavailableError,
    VersionConflictError,
)
from domain.keys import EnvironmentRef
from domain.model.flags import Flag
from domain.model.projects import Environment, Project
from domain.model.segments import Segment
from domain.model.targeting import Clause, FlagRule, Target, Targeting, Variation
from domain.ports import Store
from tests.storage.builders import (
    SHOP,
    a_commit,
    a_flag,
    a_project,
    a_segment,
    a_targeting,
    create,
    replace_at,
)
from tests.storage.conftest import OpenStore

SCOPE = str(SHOP)


async def test_what_was_saved_is_found(store: Store) -> None:
    entities: list[Any] = [
        a_project(name="Shop", tags=("a", "b")),
        Environment(project="shop", key="production"),
        a_flag(),
        a_targeting(on=True),
        a_segment(included=("ann",)),
        Credential(id="f00", kind=CredentialKind.SERVER_SDK_KEY, name="sdk", environment=SHOP),
    ]
    await store.commit(a_commit(*map(create, entities)))
    for entity in entities:
        assert await store.find(type(entity), entity.id) == entity
        assert await store.get(type(entity), entity.id) == entity


async def test_finding_what_is_not_there_gives_none(store: Store) -> None:
    await store.commit(a_commit(create(a_flag("a"))))
    assert await store.find(Flag, "shop/A") is None
    assert await store.find(Project, "shop/a") is None


async def test_getting_what_is_not_there_names_it(store: Store) -> None:
    with pytest.raises(NotFoundError, match="'shop/a'"):
        await store.get(Flag, "shop/a")


async def test_a_page_is_in_code_point_order_and_of_one_scope(store: Store) -> None:
    keys = ["b", "B", "a", "é", "a.b", "a-b", "a_b", "\U0001f600", "\uffee", "1"]
    await store.commit(a_commit(*(create(a_segment(key)) for key in keys)))
    other = EnvironmentRef("shop", "production2")
    await store.commit(a_commit(create(a_segment("other", environment=other)), create(a_targeting("other"))))
    page = await store.list_page(Segment, SCOPE, first=100)
    assert [segment.key for segment in page] == sorted(keys)
    assert await store.list_all(Segment, SCOPE) == page


async def test_a_commit_based_on_a_revision_that_has_grown_changes_nothing(store: Store) -> None:
    await store.commit(a_commit(revise=(SCOPE,)))
    stale = replace(a_commit(create(a_segment()), replace_at(7, a_flag()), revise=(SCOPE,)), based_on={SCOPE: 0})
    with pytest.raises(RevisionConflictError) as refused:
        await store.commit(stale)
    assert (refused.value.details["expectedVersion"], refused.value.details["actualVersion"]) == (0, 1)
    assert (await store.list_all(Segment, SCOPE), await store.revisions()) == ([], {SCOPE: 1})
    current = replace(a_commit(create(a_segment()), revise=(SCOPE,)), based_on={SCOPE: 1})
    assert await store.commit(current) == {SCOPE: 2}


async def test_a_page_of_none_is_empty(store: Store) -> None:
    await store.commit(a_commit(create(a_segment())))
    assert await store.list_page(Segment, SCOPE, first=0) == []
    assert await store.list_entries(None, first=0) == []


async def test_pages_follow_each_other(store: Store) -> None:
    await store.commit(a_commit(*(create(a_segment(f"s{n}")) for n in range(5))))
    first = await store.list_page(Segment, SCOPE, first=2)
    second = await store.list_page(Segment, SCOPE, first=2, after=first[-1].id)
    third = await store.list_page(Segment, SCOPE, first=2, after=second[-1].id)
    assert [s.key for s in first + second + third] == ["s0", "s1", "s2", "s3", "s4"]
    assert await store.list_page(Segment, SCOPE, first=2, after=third[-1].id) == []


async def test_an_entity_that_is_there_throughout_is_on_one_page_whatever_is_written(store: Store) -> None:
    stays = [f"s{n:02}" for n in range(0, 20, 2)]
    await store.commit(a_commit(*(create(a_segment(key)) for key in stays)))
    seen: list[str] = []
    after = ""
    while page := await store.list_page(Segment, SCOPE, first=3, after=after):
        seen += [segment.key for segment in page]
        after = page[-1].id
        number = len(seen)
        await store.commit(
            a_commit(
                create(a_segment(f"s{number:02}-before")),
                create(a_segment(f"s{number * 2 + 1:02}-after")),
                replace_at(1, a_segment(stays[0], version=1, name=str(number))),
            )
        )
    assert [key for key in seen if key in stays] == stays


async def test_a_commit_of_many_things_changes_all_of_them(store: Store) -> None:
    await store.commit(a_commit(create(a_flag("a")), create(a_flag("b"))))
    await store.commit(
        a_commit(
            replace_at(1, a_flag("a", version=2, name="A")),
            Delete(a_flag("b")),
            create(a_flag("c")),
            create(a_targeting("a")),
        )
    )
    assert [flag.key for flag in await store.list_all(Flag, "shop")] == ["a", "c"]
    assert (await store.get(Flag, "shop/a")).name == "A"
    assert await store.find(Targeting, f"{SCOPE}/a")


async def test_creating_what_is_there_is_refused(store: Store) -> None:
    await store.commit(a_commit(create(a_flag("a"))))
    with pytest.raises(AlreadyExistsError, match="'shop/a'"):
        await store.commit(a_commit(create(a_flag("a", name="other"))))
    assert (await store.get(Flag, "shop/a")).name == ""


async def test_saving_over_another_version_is_refused_with_both_versions(store: Store) -> None:
    await store.commit(a_commit(create(a_flag("a", version=7))))
    with pytest.raises(VersionConflictError) as caught:
        await store.commit(a_commit(replace_at(6, a_flag("a", version=7))))
    assert caught.value.details["expectedVersion"] == 6
    assert caught.value.details["actualVersion"] == 7


async def test_saving_over_what_is_gone_is_refused(store: Store) -> None:
    with pytest.raises(VersionConflictError) as caught:
        await store.commit(a_commit(replace_at(6, a_flag("a", version=7))))
    assert caught.value.details["actualVersion"] is None


async def test_deleting_another_version_is_refused(store: Store) -> None:
    await store.commit(a_commit(create(a_flag("a", version=3))))
    with pytest.raises(VersionConflictError):
        await store.commit(a_commit(Delete(a_flag("a", version=2))))
    with pytest.raises(VersionConflictError):
        await store.commit(a_commit(Delete(a_flag("b"))))
    assert await store.find(Flag, "shop/a")


async def test_what_was_deleted_can_be_created_again(store: Store) -> None:
    await store.commit(a_commit(create(a_flag("a", version=3))))
    await store.commit(a_commit(Delete(a_flag("a", version=3))))
    await store.commit(a_commit(create(a_flag("a"))))
    assert (await store.get(Flag, "shop/a")).version == 1


async def test_one_bad_write_among_many_changes_nothing(store: Store) -> None:
    await store.commit(a_commit(create(a_flag("a")), create(a_flag("b")), revise=(SCOPE,)))
    bad = a_commit(
        create(a_flag("c")),
        replace_at(1, a_flag("a", version=2)),
        Delete(a_flag("b")),
        replace_at(5, a_targeting("a", version=6)),
        revise=(SCOPE, "new"),
    )
    with pytest.raises(VersionConflictError):
        await store.commit(bad)
    assert await store.list_all(Flag, "shop") == [a_flag("a"), a_flag("b")]
    assert await store.revisions() == {SCOPE: 1}
    assert bad.entry is not None
    assert bad.entry.id not in [entry.id for entry in await store.list_entries(None, first=10)]


async def test_a_commit_after_a_refused_one_is_applied(store: Store) -> None:
    with pytest.raises(VersionConflictError):
        await store.commit(a_commit(replace_at(1, a_flag("a", version=2))))
    assert await store.commit(a_commit(create(a_flag("a")), revise=(SCOPE,))) == {SCOPE: 1}


async def test_revisions_grow_by_one_and_only_those_asked_for(store: Store) -> None:
    assert await store.commit(a_commit(revise=(SCOPE, "shop/test.eu$1"))) == {SCOPE: 1, "shop/test.eu$1": 1}
    assert await store.commit(a_commit(revise=(SCOPE, ACCESS_SCOPE))) == {SCOPE: 2, ACCESS_SCOPE: 1}
    assert await store.commit(a_commit(create(a_flag()))) == {}
    assert await store.revisions() == {SCOPE: 2, "shop/test.eu$1": 1, ACCESS_SCOPE: 1}


async def test_an_environment_without_changes_has_revision_0(store: Store) -> None:
    state = await store.load_environment(SHOP)
    assert (state.environment, state.revision, dict(state.flags), dict(state.segments)) == (SHOP, 0, {}, {})


async def test_an_environment_has_the_flags_with_targeting_in_it_and_its_segments(store: Store) -> None:
    other = EnvironmentRef("shop", "test")
    await store.commit(
        a_commit(
            *(create(a_flag(key)) for key in "abc"),
            create(a_targeting("a", on=True)),
            create(a_targeting("c")),
            create(a_targeting("b", environment=other)),
            create(replace(a_flag("a", name="not this one"), project="blog")),
            create(a_segment("s")),
            create(a_segment("t", environment=other)),
            revise=(SCOPE,),
        )
    )
    state = await store.load_environment(SHOP)
    assert state.revision == 1
    assert {key: (flag.flag, flag.targeting) for key, flag in state.flags.items()} == {
        "a": (a_flag("a"), a_targeting("a", on=True)),
        "c": (a_flag("c"), a_targeting("c")),
    }
    assert state.segments == {"s": a_segment("s")}


async def test_what_did_not_change_is_loaded_as_the_same_object(store: Store, open_another: OpenStore) -> None:
    writer = await open_another()
    first: list[Entity] = [a_flag("same"), a_targeting("same"), a_segment("same")]
    changing: list[Entity] = [a_flag("f"), a_targeting("f"), a_segment("s")]
    await writer.commit(a_commit(*map(create, [*first, *changing]), revise=(SCOPE,)))
    before = await store.load_environment(SHOP)
    await writer.commit(a_commit(*map(Delete, changing), revise=(SCOPE,)))
    # Created again, they have the versions that they had.
    others: list[Entity] = [a_flag("f", name="other"), a_targeting("f", on=True), a_segment("s", name="other")]
    await writer.commit(a_commit(*map(create, others), revise=(SCOPE,)))
    after = await store.load_environment(SHOP)
    assert after.flags["same"].flag is before.flags["same"].flag
    assert after.flags["same"].targeting is before.flags["same"].targeting
    assert after.segments["same"] is before.segments["same"]
    assert [after.flags["f"].flag, after.flags["f"].targeting, after.segments["s"]] == others


async def test_a_reader_never_sees_half_a_commit(store: Store, open_another: OpenStore) -> None:
    """Each commit writes its number everywhere; whoever reads sees one number, and never an older one."""
    writer = await open_another()

    def numbered(number: int, expected: int | None) -> Commit:
        version = number + 1
        return a_commit(
            *(
                replace(create(a_segment(f"s{n}", version=version, name=str(number))), expected_version=expected)
                for n in range(4)
            ),
            replace(create(a_flag(version=version, name=str(number))), expected_version=expected),
            replace(create(a_targeting(version=version, salt=str(number))), expected_version=expected),
            revise=(SCOPE,),
        )

    await store.commit(numbered(0, None))
    acknowledged = 0

    async def write() -> None:
        nonlocal acknowledged
        for number in range(1, 16):
            await writer.commit(numbered(number, number))
            acknowledged = number

    async def read() -> None:
        while acknowledged < 15:
            at_least = acknowledged
            state = await store.load_environment(SHOP)
            flag = state.flags["new-checkout"]
            numbers = {segment.name for segment in state.segments.values()} | {flag.name, flag.targeting.salt}
            assert numbers == {str(state.revision - 1)}
            assert state.revision - 1 >= at_least
            assert len({segment.name for segment in await store.list_all(Segment, SCOPE)}) == 1

    async with asyncio.TaskGroup() as group:
        group.create_task(write())
        group.create_task(read())
        group.create_task(read())


async def test_commits_of_many_callers_all_hold(store: Store, open_another: OpenStore) -> None:
    stores = [store, await open_another()]
    async with asyncio.TaskGroup() as group:
        for n in range(20):
            commit = a_commit(create(a_segment(f"s{n}")), revise=(SCOPE,))
            group.create_task(stores[n % 2].commit(commit))
    assert await store.revisions() == {SCOPE: 20}
    assert len(await store.list_all(Segment, SCOPE)) == 20


async def test_one_of_many_that_create_the_same_wins(store: Store, open_another: OpenStore) -> None:
    stores = [store, await open_another()]
    outcomes = await asyncio.gather(
        *(stores[n % 2].commit(a_commit(create(a_flag(name=str(n))), revise=(SCOPE,))) for n in range(6)),
        return_exceptions=True,
    )
    assert sum(outcome == {SCOPE: 1} for outcome in outcomes) == 1
    assert sum(isinstance(outcome, AlreadyExistsError) for outcome in outcomes) == 5


async def test_a_commit_whose_caller_is_cancelled_holds_entirely_or_not_at_all(store: Store) -> None:
    for n in range(6):
        task = asyncio.ensure_future(store.commit(a_commit(create(a_flag(f"f{n}")), create(a_segment(f"f{n}")))))
        await asyncio.sleep(n * 0.002)
        task.cancel()
    async with asyncio.timeout(5):  # nobody has to wait out a lease
        await store.commit(a_commit(create(a_flag("last")), create(a_segment("last"))))
    flags = await store.list_all(Flag, "shop")
    assert [flag.key for flag in flags] == [segment.key for segment in await store.list_all(Segment, SCOPE)]
    assert flags[-1].key == "last"


async def test_odd_values_come_back_as_they_were(store: Store) -> None:
    values = (True, 1, 1.5, 2**70, {"a.b": {"$set": {"": "\0"}}}, "é\u0301\U0001f600", None, [1, [True]])
    flag = a_flag(values=values, name="$a.b\0", description="\u2028", tags=("A", "a"))
    rule = FlagRule(id="r", clauses=(Clause(op="in", attribute="/a/b", values=values),))
    targets = (Target(variation=0, values=tuple(f"user-{n}" for n in range(15_000))),)
    targeting = a_targeting(targets=targets, rules=(rule,), variations=(Variation({"$where": 1}),))
    segment = a_segment(included=("A", "a", "a.b", "$a", "a\0b", ""))
    await store.commit(a_commit(create(flag), create(targeting), create(segment), revise=(SCOPE,)))
    state = await store.load_environment(SHOP)
    assert state.flags[flag.key].flag == flag
    assert [type(v.value) for v in state.flags[flag.key].flag.variations] == [type(value) for value in values]
    assert state.flags[flag.key].targeting == targeting
    assert state.segments[segment.key] == segment


async def test_another_store_sees_what_was_acknowledged(store: Store, open_another: OpenStore) -> None:
    other = await open_another()
    for n in range(5):
        await store.commit(a_commit(create(a_flag(f"f{n}")), revise=(SCOPE,)))
        assert await other.find(Flag, f"shop/f{n}")
        assert (await other.load_environment(SHOP)).revision == n + 1


async def test_a_store_that_is_opened_again_has_everything(store: Store, open_another: OpenStore) -> None:
    await store.commit(a_commit(create(a_flag(name="kept")), revise=(SCOPE,)))
    await store.close()
    again = await open_another()
    assert (await again.get(Flag, "shop/new-checkout")).name == "kept"
    assert await again.revisions() == {SCOPE: 1}
    assert len(await again.list_entries(None, first=10)) == 1


async def test_a_closed_store_is_unavailable(store: Store) -> None:
    await store.close()
    with pytest.raises(UnavailableError):
        await store.ping()
    with pytest.raises(UnavailableError):
        await store.find(Flag, "shop/a")
    with pytest.raises(UnavailableError):
        await store.commit(a_commit(create(a_flag())))
    with pytest.raises(UnavailableError):
        await anext(store.watch_revisions())


async def test_a_store_answers_a_ping(store: Store) -> None:
    await store.ping()
