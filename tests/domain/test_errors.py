"""Failures that callers can act on: stable codes, and details that programs can read."""

import json

import pytest

from domain.errors import (
    AlreadyExistsError,
    DomainError,
    ErrorCode,
    ForbiddenError,
    InUseError,
    InvalidInputError,
    LimitExceededError,
    NotFoundError,
    RevisionConflictError,
    UnauthenticatedError,
    UnavailableError,
    UsedBy,
    VersionConflictError,
    Violation,
)

ERRORS: list[tuple[DomainError, ErrorCode]] = [
    (InvalidInputError([Violation(("a",), "is wrong")]), ErrorCode.BAD_USER_INPUT),
    (UnauthenticatedError("who are you?"), ErrorCode.UNAUTHENTICATED),
    (ForbiddenError("no", [("updateRules", "proj/shop")]), ErrorCode.FORBIDDEN),
    (NotFoundError("flag", "x"), ErrorCode.NOT_FOUND),
    (AlreadyExistsError("flag", "x"), ErrorCode.ALREADY_EXISTS),
    (VersionConflictError("flag", "x", expected=1, actual=2), ErrorCode.VERSION_CONFLICT),
    (RevisionConflictError("shop/production", expected=1, actual=2), ErrorCode.VERSION_CONFLICT),
    (
        InUseError("segment", "x", [UsedBy("flag", str(number), "shop/test") for number in range(7)]),
        ErrorCode.IN_USE,
    ),
    (LimitExceededError("flags", setting="FLAGS", limit=1, actual=2), ErrorCode.LIMIT_EXCEEDED),
    (UnavailableError("try again"), ErrorCode.UNAVAILABLE),
]


@pytest.mark.parametrize(("error", "code"), ERRORS)
def test_each_error_has_its_code(error: DomainError, code: ErrorCode) -> None:
    assert error.code is code


def test_every_code_belongs_to_an_error() -> None:
    assert {code for _, code in ERRORS} == set(ErrorCode)


@pytest.mark.parametrize(("error", "code"), ERRORS)
def test_messages_and_details_are_for_people_and_programs(error: DomainError, code: ErrorCode) -> None:
    assert str(error) == error.message != ""
    assert json.loads(json.dumps(dict(error.details))) == error.details, code


@pytest.mark.parametrize(
    ("path", "text"),
    [
        ((), "is wrong"),
        (("flags",), "flags: is wrong"),
        (("flags", "a", "rules", 0, "id"), "flags.a.rules[0].id: is wrong"),
        ((2, "a"), "[2].a: is wrong"),
    ],
)
def test_a_violation_names_its_place(path: tuple[str | int, ...], text: str) -> None:
    assert str(Violation(path, "is wrong")) == text


def test_the_details_hold_every_violation_and_the_message_the_first_three() -> None:
    violations = [Violation((f"v{number}",), "is wrong") for number in range(5)]
    error = InvalidInputError(violations)
    assert error.message == "v0: is wrong; v1: is wrong; v2: is wrong; and 2 more"
    assert [item["path"] for item in error.details["violations"]] == [["v0"], ["v1"], ["v2"], ["v3"], ["v4"]]


def test_three_violations_fit_the_message() -> None:
    violations = [Violation((f"v{number}",), "is wrong") for number in range(3)]
    assert InvalidInputError(violations).message == "v0: is wrong; v1: is wrong; v2: is wrong"


def test_a_message_of_ones_own_stands_alone() -> None:
    assert InvalidInputError([Violation((), "is wrong")], message="not JSON").message == "not JSON"


def test_a_conflict_names_both_versions() -> None:
    error = VersionConflictError("flag", "x", expected=1, actual=2)
    assert error.details == {"kind": "flag", "key": "x", "expectedVersion": 1, "actualVersion": 2}


def test_a_conflict_with_what_is_gone_says_so() -> None:
    assert "no longer exists" in VersionConflictError("flag", "x", expected=1, actual=None).message
