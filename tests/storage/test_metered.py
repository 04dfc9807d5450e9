"""The meter before the store: every question of every adapter is timed, and failures of the store are told apart."""

import inspect

import pytest

from domain.commits import Commit, Save
from domain.errors import NotFoundError, UnavailableError
from domain.model.changes import AuditEntry
from domain.model.projects import Project
from domain.ports import Store
from storage.metered import metered


class Meter:
    def __init__(self) -> None:
        self.calls: list[tuple[str, bool]] = []
        self.commits: list[Commit] = []

    def count_store_call(self, method: str, seconds: float, *, failed: bool) -> None:
        assert 0 <= seconds < 10
        self.calls.append((method, failed))

    def count_commit(self, commit: Commit) -> None:
        self.commits.append(commit)


@pytest.fixture
def meter() -> Meter:
    return Meter()


async def test_questions_are_timed_and_answered_as_before(store: Store, meter: Meter) -> None:
    before = metered(store, meter)
    project = Project(key="p", name="P")
    entry = AuditEntry(actor="a", action="createProject", resource="p")
    commit = Commit(writes=(Save(project, None),), revise=frozenset({"s"}), entry=entry)
    assert await before.commit(commit) == {"s": 1}
    assert await before.find(Project, "p") == project
    assert [found.key for found in await before.list_page(Project, "", first=10)] == ["p"]
    assert meter.calls == [("commit", False), ("find", False), ("list_page", False)]
    assert meter.commits == [commit]


async def test_only_what_the_store_did_not_answer_is_a_failure(store: Store, meter: Meter) -> None:
    before = metered(store, meter)
    with pytest.raises(NotFoundError):
        await before.get(Project, "nowhere")
    await before.close()
    with pytest.raises(UnavailableError):
        await before.ping()
    with pytest.raises(UnavailableError):
        await before.commit(Commit(writes=(Save(Project(key="p", name="P"), None),), entry=None))
    assert meter.calls == [("get", False), ("close", False), ("ping", True), ("commit", True)]
    assert meter.commits == []


async def test_every_question_of_the_port_is_timed_and_the_feed_is_not(store: Store, meter: Meter) -> None:
    before = metered(store, meter)
    questions = {name for name, member in vars(Store).items() if inspect.iscoroutinefunction(member)}
    questions.remove("commit")  # seen above
    assert len(questions) > 15
    for name in questions:
        with pytest.raises(TypeError):
            await getattr(before, name)(no_such_argument=True)
    assert sorted(meter.calls) == sorted((name, True) for name in questions)
    feed = before.watch_revisions()
    assert isinstance(await anext(feed), dict)
    await feed.aclose()
