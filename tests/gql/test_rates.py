import time
from pathlib import Path

import httpx
import pytest

from domain.access.credentials import Credential, CredentialKind
from domain.access.principals import ANONYMOUS, Principal
from domain.keys import EnvironmentRef
from gql.answers import RefusedRequestError
from gql.rates import KNOWN_CALLERS, RequestRate, rate_name
from tests.servers import Server

PROJECTS = "{ projects { totalCount } }"


class Clock:
    now = 100.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


def taken(rate: RequestRate, name: str = "ada", tries: int = 50) -> int:
    """How many of so many requests at one instant are let through."""
    done = 0
    for _ in range(tries):
        try:
            rate.take(name)
        except RefusedRequestError:
            continue
        done += 1
    return done


def test_a_second_s_requests_may_come_at_once_and_are_made_good_by_the_time_that_passes(clock: Clock) -> None:
    rate = RequestRate(10, clock)
    assert taken(rate) == 10
    clock.now += 0.3
    assert taken(rate) == 3
    clock.now += 100
    assert taken(rate) == 10


def test_each_caller_has_a_bucket(clock: Clock) -> None:
    rate = RequestRate(3, clock)
    assert taken(rate, "ada") == taken(rate, "grace") == 3


def test_one_request_a_second_is_one_a_second(clock: Clock) -> None:
    rate = RequestRate(1, clock)
    assert taken(rate) == 1
    clock.now += 0.9
    assert taken(rate) == 0
    clock.now += 0.1
    assert taken(rate) == 1


def test_the_buckets_known_are_bounded_and_those_in_use_stay(clock: Clock) -> None:
    rate = RequestRate(2, clock)
    taken(rate, "busy")
    for number in range(KNOWN_CALLERS * 2):
        rate.take(f"client-{number}")
        assert number % 1_000 or taken(rate, "busy") == 0
    assert len(rate._full_at) == KNOWN_CALLERS  # noqa: SLF001 - that nothing grows cannot be seen from outside


def test_a_secret_has_one_bucket_but_a_client_s_key_one_for_each_client() -> None:
    def principal(kind: CredentialKind) -> Principal:
        key = Credential(id="the-id", kind=kind, name="n", environment=EnvironmentRef("p", "e"))
        return Principal(actor="sdk-key/n", credential=key)

    server_key, client_key = principal(CredentialKind.SERVER_SDK_KEY), principal(CredentialKind.CLIENT_SDK_KEY)
    assert rate_name(server_key, "10.0.0.1") == rate_name(server_key, "10.0.0.2")
    assert rate_name(client_key, "10.0.0.1") != rate_name(client_key, "10.0.0.2")
    assert rate_name(ANONYMOUS, "10.0.0.1") != rate_name(ANONYMOUS, "10.0.0.2")


def test_over_http_who_asks_too_often_is_told_when_to_come_again(tmp_path: Path) -> None:
    with Server(f"sqlite:///{tmp_path}/x.db", max_requests_per_second="5") as server:
        answers = [server.post(PROJECTS) for _ in range(20)]
        refused = [answer for answer in answers if answer.response.status_code == httpx.codes.TOO_MANY_REQUESTS]
        assert len(answers) - len(refused) >= 5
        assert refused[0].errors[0]["extensions"] == {
            "code": "LIMIT_EXCEEDED",
            "setting": "EARLYBIRD_MAX_REQUESTS_PER_SECOND",
            "limit": 5,
            "actual": 6,
        }
        assert refused[0].response.headers["retry-after"] == "1"
        time.sleep(1)
        assert server.post(PROJECTS)["projects"]["totalCount"] == 1


def test_over_http_guessing_secrets_is_slowed_down_and_does_not_hinder_those_who_have_one(tmp_path: Path) -> None:
    with Server(f"sqlite:///{tmp_path}/x.db", max_requests_per_second="5") as server:
        guesses = [server.post(PROJECTS, token=f"guess-{n}").response.status_code for n in range(20)]
        assert set(guesses) == {httpx.codes.UNAUTHORIZED, httpx.codes.TOO_MANY_REQUESTS}
        assert server.post(PROJECTS)["projects"]["totalCount"] == 1


def test_over_http_other_routes_are_within_the_rate_too(tmp_path: Path) -> None:
    with Server(f"sqlite:///{tmp_path}/x.db", max_requests_per_second="2") as server:
        headers = {"Authorization": f"Bearer {server.token}"}

        def ask() -> int:
            return server.client.get("/api/v2/versions", headers=headers).status_code

        assert httpx.codes.TOO_MANY_REQUESTS in {ask() for _ in range(10)}
        assert server.client.get("/healthz").status_code == httpx.codes.OK


def test_by_default_there_is_no_rate(server: Server) -> None:
    answers = {server.post("{ __typename }").response.status_code for _ in range(200)}
    assert answers == {httpx.codes.OK}
