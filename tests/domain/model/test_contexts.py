"""Contexts (LaunchDarkly semantics 1.3)."""

import pytest

from domain.errors import InvalidInputError
from domain.json import Json
from domain.model.contexts import Context, parse_context

ROOT = ("context",)


def violations_of(data: Json) -> list[tuple[str | int, ...]]:
    """Return the paths of what is wrong, below the root."""
    with pytest.raises(InvalidInputError) as caught:
        parse_context(data)
    assert all(violation.path[:1] == ROOT for violation in caught.value.violations)
    return [violation.path[1:] for violation in caught.value.violations]


# One kind


def test_a_context_has_kind_key_and_attributes() -> None:
    context = parse_context(
        {"kind": "org", "key": "acme", "name": "Acme", "size": 3, "tags": ["a"], "in": {"a": 1}}
    )
    assert context == Context(
        {
            "org": {
                "kind": "org", "key": "acme", "name": "Acme", "size": 3, "tags": ["a"], "in": {"a": 1}, "anonymous": False,
            }
        }
    )  # fmt: skip # reads as a table, one case or group a line


def test_null_attributes_vanish() -> None:
    assert parse_context({"kind": "user", "key": "a", "tier": None, "name": None}) == parse_context(
        {"kind": "user", "key": "a"}
    )


@pytest.mark.parametrize("anonymous", [True, False])
def test_a_context_may_be_anonymous(anonymous: bool) -> None:
    context = parse_context({"kind": "user", "key": "a", "anonymous": anonymous})
    assert context.individuals["user"]["anonymous"] is anonymous


@pytest.mark.parametrize("kind", ["a", "A-z_0.9", "0", "User"])
def test_a_kind_is_letters_digits_and_a_few_marks(kind: str) -> None:
    assert list(parse_context({"kind": kind, "key": "a"}).individuals) == [kind]


@pytest.mark.parametrize("kind", [None, "", "kind", "a b", "a/b", "é", "a\n", 1, True, [], {}])
def test_any_other_kind_is_refused(kind: Json) -> None:
    assert ("kind",) in violations_of({"kind": kind, "key": "a"})


@pytest.mark.parametrize("key", [None, "", 1, True, [], {}])
def test_a_key_is_a_non_empty_string(key: Json) -> None:
    assert violations_of({"kind": "user", "key": key}) == [("key",)]


def test_a_key_must_be_there() -> None:
    assert violations_of({"kind": "user"}) == [("key",)]


def test_a_key_may_hold_anything() -> None:
    assert parse_context({"kind": "user", "key": " é:%/\n"}).individuals["user"]["key"] == " é:%/\n"


@pytest.mark.parametrize("name", [1, True, [], {}])
def test_a_name_is_a_string(name: Json) -> None:
    assert violations_of({"kind": "user", "key": "a", "name": name}) == [("name",)]


@pytest.mark.parametrize("anonymous", [None, 0, 1, "true"])
def test_anonymous_is_true_or_false_and_not_null(anonymous: Json) -> None:
    assert violations_of({"kind": "user", "key": "a", "anonymous": anonymous}) == [("anonymous",)]


@pytest.mark.parametrize("data", [None, 1, True, "a", [], [{"kind": "user", "key": "a"}]])
def test_a_context_is_an_object(data: Json) -> None:
    assert violations_of(data) == [()]


def test_all_violations_are_told_at_once() -> None:
    data: Json = {"kind": "a b", "key": "", "name": 1, "anonymous": 2, "_meta": 3}
    assert violations_of(data) == [("kind",), ("key",), ("name",), ("anonymous",), ("_meta",)]


def test_violations_stand_below_the_given_path() -> None:
    with pytest.raises(InvalidInputError, match=r"contexts\[2\]\.key: a key is a non-empty string"):
        parse_context({"kind": "user"}, ("contexts", 2))


# Private attributes


def test_meta_names_private_attributes_and_is_no_attribute() -> None:
    context = parse_context({"kind": "user", "key": "a", "_meta": {"privateAttributes": ["email", "/a/b"]}})
    assert context.private_attributes == {"user": ("email", "/a/b")}
    assert "_meta" not in context.individuals["user"]


def test_invalid_references_are_not_private() -> None:
    context = parse_context({"kind": "user", "key": "a", "_meta": {"privateAttributes": ["", "//", "/a~2", "ok"]}})
    assert context.private_attributes == {"user": ("ok",)}


@pytest.mark.parametrize("meta", [None, {}, {"privateAttributes": None}, {"privateAttributes": []}, {"other": 1}])
def test_empty_meta_is_no_meta(meta: Json) -> None:
    assert not any(parse_context({"kind": "user", "key": "a", "_meta": meta}).private_attributes.values())


@pytest.mark.parametrize(
    ("meta", "path"),
    [
        ([], ("_meta",)),
        ("a", ("_meta",)),
        ({"privateAttributes": "a"}, ("_meta", "privateAttributes")),
        ({"privateAttributes": [1]}, ("_meta", "privateAttributes")),
    ],
)
def test_meta_of_a_wrong_type_is_refused(meta: Json, path: tuple[str, ...]) -> None:
    assert violations_of({"kind": "user", "key": "a", "_meta": meta}) == [path]


# Several kinds


def test_a_context_may_have_several_kinds() -> None:
    context = parse_context({"kind": "multi", "user": {"key": "ann", "tier": "free"}, "org": {"key": "acme"}})
    assert context.individuals == {
        "user": {"kind": "user", "key": "ann", "tier": "free", "anonymous": False},
        "org": {"kind": "org", "key": "acme", "anonymous": False},
    }


def test_one_kind_among_several_is_that_context_alone() -> None:
    assert parse_context({"kind": "multi", "org": {"key": "acme"}}) == parse_context(
        {"kind": "org", "key": "acme"}
    )


def test_each_kind_has_its_own_private_attributes() -> None:
    context = parse_context(
        {"kind": "multi", "user": {"key": "a", "_meta": {"privateAttributes": ["x"]}}, "org": {"key": "b"}}
    )
    assert context.private_attributes == {"user": ("x",)}


def test_several_kinds_are_at_least_one() -> None:
    assert violations_of({"kind": "multi"}) == [()]


@pytest.mark.parametrize("kind", ["multi", "a b", ""])
def test_a_bad_kind_among_several_is_refused(kind: str) -> None:
    assert violations_of({"kind": "multi", kind: {"key": "a"}}) == [(kind,)]


@pytest.mark.parametrize("individual", [None, "ann", 1, []])
def test_each_of_several_is_an_object(individual: Json) -> None:
    assert violations_of({"kind": "multi", "user": individual}) == [("user",)]


def test_all_violations_of_all_kinds_are_told_at_once() -> None:
    data: Json = {"kind": "multi", "user": {"name": 1}, "org": 2, "a b": {"key": "a"}, "ok": {"key": "a"}}
    assert violations_of(data) == [("user", "key"), ("user", "name"), ("org",), ("a b",)]


# Old users


def test_an_old_user_has_no_kind() -> None:
    context = parse_context(
        {"key": "ann", "email": "a@example.com", "ip": "::1", "custom": {"tier": "free", "n": [1]}}
    )
    assert context.individuals == {
        "user": {
            "kind": "user", "key": "ann", "email": "a@example.com", "ip": "::1", "tier": "free", "n": [1],
            "anonymous": False,
        }
    }  # fmt: skip # reads as a table, one case or group a line


def test_an_old_users_key_may_be_empty() -> None:
    assert parse_context({"key": ""}).individuals["user"]["key"] == ""


@pytest.mark.parametrize("data", [{}, {"key": None}, {"key": 1}, {"name": "Ann"}])
def test_an_old_users_key_is_a_string(data: Json) -> None:
    assert violations_of(data) == [("key",)]


NAMES = ("name", "firstName", "lastName", "email", "country", "avatar", "ip")


@pytest.mark.parametrize("name", NAMES)
def test_an_old_users_attributes_are_strings_or_null(name: str) -> None:
    assert parse_context({"key": "a", name: "x"}).individuals["user"][name] == "x"
    assert name not in parse_context({"key": "a", name: None}).individuals["user"]
    assert violations_of({"key": "a", name: 1}) == [(name,)]


@pytest.mark.parametrize(("anonymous", "expected"), [(True, True), (False, False), (None, False)])
def test_an_old_users_anonymous_may_be_null(anonymous: bool | None, expected: bool) -> None:
    assert parse_context({"key": "a", "anonymous": anonymous}).individuals["user"]["anonymous"] is expected


def test_unknown_and_retired_properties_of_an_old_user_are_ignored() -> None:
    assert parse_context({"key": "a", "tier": "free", "secondary": "x"}) == parse_context({"key": "a"})


@pytest.mark.parametrize("name", ["kind", "key", "name", "anonymous", "_meta"])
def test_builtin_names_among_custom_attributes_are_ignored(name: str) -> None:
    assert parse_context({"key": "a", "custom": {name: "x"}}) == parse_context({"key": "a"})


def test_null_custom_attributes_vanish() -> None:
    assert parse_context({"key": "a", "custom": {"tier": None}}) == parse_context({"key": "a", "custom": None})


def test_an_old_users_private_attributes_are_literal_names() -> None:
    context = parse_context({"key": "a", "privateAttributeNames": ["email", "/a~b/c"]})
    assert context.private_attributes == {"user": ("email", "/~1a~0b~1c")}


def test_all_violations_of_an_old_user_are_told_at_once() -> None:
    data: Json = {"key": 1, "custom": [], "email": 2, "anonymous": "yes", "privateAttributeNames": [3]}
    expected = [("key",), ("custom",), ("email",), ("anonymous",), ("privateAttributeNames",)]
    assert violations_of(data) == expected


# Fully qualified keys


@pytest.mark.parametrize(
    ("data", "key"),
    [
        ({"kind": "user", "key": "a:b%c"}, "a:b%c"),
        ({"key": "old"}, "old"),
        ({"kind": "org", "key": "acme"}, "org:acme"),
        ({"kind": "org", "key": "a:b%c"}, "org:a%3Ab%25c"),
        ({"kind": "org", "key": "%3A"}, "org:%253A"),
        ({"kind": "multi", "user": {"key": "a:b"}}, "a:b"),
        ({"kind": "multi", "user": {"key": "ann"}, "org": {"key": "acme"}}, "org:acme:user:ann"),
        ({"kind": "multi", "b": {"key": "x:%"}, "a": {"key": "y"}}, "a:y:b:x%3A%25"),
    ],
)
def test_the_fully_qualified_key(data: Json, key: str) -> None:
    assert parse_context(data).fully_qualified_key == key
