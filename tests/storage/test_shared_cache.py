"""The shared cache: what one process computed others have, and Redis can do no harm, whatever becomes of it."""

import asyncio
import sys
import time
from collections.abc import AsyncIterator, Callable, Iterator, Sequence
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from domain.clock import now_ms
from domain.errors import InvalidInputError
from domain.evaluation.results import BigSegmentsStatus
from domain.evaluation.subject import Membership
from storage.cache import FAILURES_IN_A_ROW, REDIS_SECONDS, RETRY_SECONDS, RedisTexts
from storage.shared_cache import KEPT_MS, MEMBERSHIPS
from tests.storage.caches import PATIENT_SECONDS, Machine, Work, get, started
from tests.storage.redis_server import RedisServer

BOUNDED_SECONDS = 1.0  # much more than REDIS_SECONDS, for busy machines; less than any time-out of a driver
BACK_SECONDS = 10.0


@pytest.fixture
def own() -> Iterator[RedisServer]:
    """A server of the test's own, which may come to harm."""
    with RedisServer() as server:
        yield server


@pytest.fixture
async def machines() -> AsyncIterator[Callable[..., Machine]]:
    made: list[Machine] = []

    def make(server: RedisServer, namespace: str | None = None, **options: Any) -> Machine:
        made.append(Machine(server.url, namespace, **options))
        return made[-1]

    yield make
    for machine in made:
        await machine.close()


Machines = Callable[..., Machine]


async def test_what_one_process_computed_others_need_not(redis_server: RedisServer, machines: Machines) -> None:
    first, second, stranger = (machines(redis_server, name) for name in ("same", "same", "other"))
    work = Work()
    assert await get(first.cache, work, "a", "b") == ["a1", "b1"]
    await first.written()
    assert await get(second.cache, work, "a", "c", "b") == ["a1", "c2", "b1"]
    assert await get(second.cache, work, "a", "b") == ["a1", "b1"]
    assert await get(stranger.cache, work, "a") == ["a3"]
    assert work.runs == [["a", "b"], ["c"], ["a"]]
    shared = second.cache.statistics.shared
    assert shared is not None
    assert (shared.hits, shared.misses, shared.is_away) == (2, 1, False)


async def test_values_go_from_redis_at_their_end_and_others_after_an_hour(
    redis_server: RedisServer, machines: Machines
) -> None:
    machine = machines(redis_server, "ends")
    now = now_ms()
    ends = {"short": now + 5_000, "long": now + 10 * KEPT_MS, "ever": None, "over": now}
    for key, end in ends.items():
        await get(machine.cache, Work(valid_until_ms=end), key)
    await machine.written()
    with redis_server.client() as client:
        left = {key: client.pttl(f"ends:unit:{key}") for key in ends}
    assert 0 < left["short"] <= 5_000
    assert KEPT_MS - 5_000 < left["long"] <= KEPT_MS
    assert KEPT_MS - 5_000 < left["ever"] <= KEPT_MS
    assert left["over"] == -2  # there is no such key


async def test_a_value_past_its_end_is_not_believed_though_redis_has_it(
    redis_server: RedisServer, machines: Machines
) -> None:
    with redis_server.client() as client:
        client.set("late:unit:a", b'[%d, 1, "late"]' % now_ms())
        client.set("late:unit:b", b'[%d, 1, "early"]' % (now_ms() + 60_000))
    assert await get(machines(redis_server, "late").cache, Work(), "a", "b") == ["a1", "early"]


@pytest.mark.parametrize(
    "junk",
    [
        b"",
        b"junk",
        b"\xff\x00",
        b"[]",
        b"7",
        b"null",
        b"[1, 2]",
        b'["a", 1, 1]',
        b'[null, "a", 1]',
        b"[null, -1, 1]",
    ],
)
async def test_junk_is_not_there_and_is_written_over(
    redis_server: RedisServer, machines: Machines, junk: bytes
) -> None:
    machine = machines(redis_server)
    key = f"{machine.namespace}:unit:a"
    with redis_server.client() as client:
        client.set(key, junk)
        assert await get(machine.cache, Work(), "a") == ["a1"]
        await machine.written()
        assert client.get(key) == b'[null,0,"a1"]'


async def test_keys_of_another_type_are_not_there(redis_server: RedisServer, machines: Machines) -> None:
    machine = machines(redis_server)
    with redis_server.client() as client:
        client.lpush(f"{machine.namespace}:unit:a", "x")
    assert await get(machine.cache, Work(), "a") == ["a1"]


@given(st.sampled_from(BigSegmentsStatus), st.dictionaries(st.text(st.characters(codec="utf-8")), st.booleans()))
def test_memberships_are_read_as_they_were_written(status: BigSegmentsStatus, listed: dict[str, bool]) -> None:
    membership = Membership(status, listed)
    assert MEMBERSHIPS.decode(MEMBERSHIPS.encode(membership)) == membership


@pytest.mark.parametrize(
    "json",
    [
        None,
        1,
        "ab",
        [],
        ["HEALTHY"],
        ["GOOD", {}],
        ["HEALTHY", []],
        ["HEALTHY", {"a": 1}],
        ["HEALTHY", {"a": None}],
        [[], {}],
    ],
)
def test_no_other_json_is_a_membership(json: Any) -> None:
    with pytest.raises((ValueError, TypeError)):
        MEMBERSHIPS.decode(json)


async def test_one_read_and_one_run_for_all_who_ask_at_a_time(
    redis_server: RedisServer, machines: Machines
) -> None:
    machine, work = machines(redis_server), Work()
    work.may_end.clear()
    waiting = [asyncio.create_task(get(machine.cache, work, "a")) for _ in range(50)]
    await started(work)
    work.may_end.set()
    assert await asyncio.gather(*waiting) == [["a1"]] * 50
    shared = machine.cache.statistics.shared
    assert shared is not None
    assert shared.misses == 1


async def test_many_thousand_keys_come_in_several_questions(redis_server: RedisServer, machines: Machines) -> None:
    first, second = (machines(redis_server, "many", max_entries=10) for _ in range(2))
    keys = [f"key-{number}" for number in range(2_500)]
    await get(first.cache, Work(), *keys)
    await first.written()
    work = Work()
    assert await get(second.cache, work, *keys) == [f"{key}1" for key in keys]
    assert work.runs == []
    assert second.cache.statistics.entries == 10


async def bounded(machine: Machine, key: str) -> None:
    """Ask for a value: it is right, and soon there."""
    began = time.monotonic()
    assert await get(machine.cache, Work(), key) == [f"{key}1"]
    assert time.monotonic() - began < BOUNDED_SECONDS


def is_away(machine: Machine) -> bool:
    shared = machine.cache.statistics.shared
    assert shared is not None
    return shared.is_away


async def eventually(ask: Callable[[], bool]) -> None:
    async with asyncio.timeout(BACK_SECONDS):
        while not ask():  # noqa: ASYNC110 - what is waited for is a fact, not an event
            await asyncio.sleep(0.01)


@pytest.mark.parametrize("harm", ["kill", "pause"])
async def test_redis_away_or_hanging_costs_little_and_is_taken_up_again(
    own: RedisServer,
    machines: Machines,
    harm: str,
    caplog: pytest.LogCaptureFixture,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    machine, other = machines(own, "harm", seconds=REDIS_SECONDS), machines(own, "harm")
    await bounded(machine, "before")
    getattr(own, harm)()
    async with asyncio.TaskGroup() as group:
        for number in range(100):
            group.create_task(bounded(machine, f"at-once-{number}"))
    for number in range(20):
        await bounded(machine, f"later-{number}")
    assert is_away(machine)
    began = time.monotonic()
    for number in range(100):
        await bounded(machine, f"away-{number}")
    assert time.monotonic() - began < 50 * REDIS_SECONDS  # nobody waits for it any more
    own.start() if harm == "kill" else own.resume()
    await eventually(lambda: not is_away(machine))
    assert "the shared cache is away" in caplog.text
    assert "the shared cache is back" in caplog.text
    monkeypatch.setattr(machine.texts, "_seconds", PATIENT_SECONDS)  # a busy machine may write as long as it takes
    await get(machine.cache, Work(), "after")
    await machine.written()
    assert await get(other.cache, Work(), "after") == ["after1"]
    shared = other.cache.statistics.shared
    assert shared is not None
    assert shared.hits == 1


async def test_connections_that_redis_closed_are_opened_again(own: RedisServer, machines: Machines) -> None:
    machine = machines(own)
    await bounded(machine, "a")
    await machine.written()
    with own.client() as client:
        client.client_kill_filter(skipme=True, _type="normal")
    for key in "bc":
        await bounded(machine, key)
        await machine.written()
    assert not is_away(machine)


async def test_a_redis_that_is_emptied_or_full_costs_only_its_hits(
    own: RedisServer, machines: Machines, caplog: pytest.LogCaptureFixture
) -> None:
    machine, other = (machines(own, "emptied") for _ in range(2))
    with own.client() as client:
        for number in range(50):
            await bounded(machine, f"a{number}")
            await machine.written()
            client.flushall()
            await bounded(other, f"a{number}")
        for time_ in range(2):
            client.config_set("maxmemory", "1")
            for number in range(10):
                await bounded(machine, f"b{time_}{number}")
                await machine.written()
            client.config_set("maxmemory", "0")
            await bounded(machine, f"c{time_}")
            await machine.written()
    assert caplog.text.count("the shared cache takes no values: OutOfMemoryError") == 2, "once each time"
    shared = machine.cache.statistics.shared
    assert shared is not None
    assert shared.write_failures == 20
    assert not is_away(machine)


async def test_one_that_is_away_from_the_start_is_known_to_be_before_anybody_asks_it(machines: Machines) -> None:
    server = RedisServer()  # not started
    machine = machines(server)
    assert not is_away(machine)
    await machine.texts.look()
    assert is_away(machine)
    with server:
        await eventually(lambda: not is_away(machine))
        await machine.texts.look()
        assert not is_away(machine)


async def test_it_is_not_connected_to_before_it_is_asked_nor_after_it_was_closed(machines: Machines) -> None:
    server = RedisServer()  # not started
    machine = machines(server)
    await bounded(machine, "a")
    await machine.close()
    for key in "bcdef":
        await bounded(machine, key)
    await asyncio.sleep(2 * RETRY_SECONDS)
    assert machine.cache.statistics.entries == 6


@pytest.mark.parametrize(
    "url",
    ["", "localhost:6379", "http://x", "sqlite:///x", "redis://host:port/0", "redis://h/0?max_connections=many"],
)
def test_other_urls_are_refused_in_words_without_their_secrets(url: str) -> None:
    with pytest.raises(InvalidInputError, match="redis://"):
        RedisTexts(url, namespace="")


def test_without_the_package_redis_it_is_refused_in_words(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "redis.asyncio", None)
    with pytest.raises(InvalidInputError, match=r"earlybird\[redis\]"):
        RedisTexts("redis://localhost", namespace="")


async def test_what_fails_together_counts_once(
    own: RedisServer, machines: Machines, monkeypatch: pytest.MonkeyPatch
) -> None:
    machine = machines(own)
    await bounded(machine, "before")
    await machine.written()
    own.pause()
    monkeypatch.setattr(machine.texts, "_seconds", REDIS_SECONDS)  # only now, so that no busy machine fails before
    async with asyncio.TaskGroup() as group:
        for number in range(10):
            group.create_task(bounded(machine, f"at-once-{number}"))
    assert not is_away(machine)
    own.resume()


async def test_many_thousand_keys_are_waited_for_no_longer_than_one(monkeypatch: pytest.MonkeyPatch) -> None:
    texts = RedisTexts("redis://127.0.0.1:1", namespace="slow", seconds=0.1)
    questions: list[int] = []

    async def multi_get(keys: Sequence[str]) -> list[bytes]:
        questions.append(len(keys))
        await asyncio.sleep(0.06)
        return [b"text"] * len(keys)

    monkeypatch.setattr(texts._redis, "multi_get", multi_get)  # noqa: SLF001 - as a Redis that is slow answers
    for _ in range(FAILURES_IN_A_ROW):
        found = await texts.read([f"key-{number}" for number in range(20_000)])
        assert len(found) <= 1_000
    assert len(questions) <= 2 * FAILURES_IN_A_ROW


async def test_one_that_is_slow_is_asked_no_more_until_it_is_quick(
    own: RedisServer, machines: Machines, monkeypatch: pytest.MonkeyPatch
) -> None:
    machine = machines(own)
    await get(machine.cache, Work(), "first")  # connects
    monkeypatch.setattr(machine.texts, "_slow_seconds", 0.0)
    for number in range(FAILURES_IN_A_ROW):
        assert await get(machine.cache, Work(), f"{number}") == [f"{number}1"]
        await machine.written()
    assert is_away(machine)
    await asyncio.sleep(3 * RETRY_SECONDS)
    assert is_away(machine)
    monkeypatch.undo()
    await eventually(lambda: not is_away(machine))
