"""Specifiers name what LaunchDarkly's do (semantics 3.4)."""

import fnmatch
import time
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from domain.access.resources import Glob, Resource, parse_resource, parse_specifier, resource_of, says_tags
from domain.errors import InvalidInputError
from tests.domain.access.builders import a_segment_of, resources, specifiers_of

SEGMENT = a_segment_of(tags=["eap", "Blue"], environment_tags=["critical"], project_tags=["web"])


@pytest.mark.parametrize(
    ("specifier", "is_named"),
    [
        ("proj/*:env/*:segment/eap-*", True),
        ("proj/*:env/*:segment/*;eap", True),
        ("proj/*:env/*:segment/*;eap,Blue", True),
        ("proj/*:env/*:segment/*;Blue,eap", True),
        ("proj/*:env/*:segment/*;eap,green", False),  # tags are ANDed
        ("proj/*:env/*:segment/*;blue", False),  # case counts
        ("proj/*:env/*:segment/EAP-*", False),
        ("proj/*:env/*:segment/*;e*", True),
        ("proj/*:env/*;critical:segment/*", True),
        ("proj/*:env/*;calm:segment/*", False),
        ("proj/*;web:env/production;critical:segment/eap-a;eap", True),
        ("proj/shop:env/production:segment/eap-a", True),
        ("proj/sho:env/production:segment/eap-a", False),
        ("proj/shop:env/production:segment/eap", False),
        ("proj/*:env/*:flag/*", False),
        ("proj/*:env/*", False),
        ("proj/*", False),  # the project itself, not what is in it
        ("acct", False),
    ],
)
def test_a_specifier_names_things_of_its_type_by_key_and_tags(specifier: str, is_named: bool) -> None:
    assert parse_specifier(specifier).matches(SEGMENT) is is_named


def test_a_project_s_specifier_names_the_project_alone() -> None:
    assert parse_specifier("proj/*").matches(resource_of("proj", "shop"))
    assert not parse_specifier("proj/*").matches(resource_of("proj", "shop").child("env", "test"))
    assert parse_specifier("acct").matches(resource_of("acct"))


def test_base_roles_are_named_in_any_case_as_the_api_writes_them() -> None:
    writer = resource_of("member", "ann@acme.com", ["writer"])
    assert parse_specifier("member/*;WRITER").matches(writer)
    assert parse_specifier("member/*;WR*:token/*").matches(writer.child("token", "x"))
    assert parse_specifier("service-token/*;Admin").matches(resource_of("service-token", "x", ["admin"]))


@given(st.data())
def test_a_specifier_made_from_a_thing_names_it_and_reads_as_it_was_written(data: Any) -> None:
    thing: Resource = data.draw(resources())
    text = data.draw(specifiers_of(thing))
    assert parse_specifier(text).matches(thing)
    assert str(parse_specifier(text)) == text
    assert parse_specifier(str(thing)).matches(thing)


@given(st.text("ab*", max_size=8), st.text("ab", max_size=8))
def test_a_glob_matches_as_shells_do(pattern: str, name: str) -> None:
    assert Glob(pattern).matches(name) is fnmatch.fnmatchcase(name, pattern)


def test_no_glob_takes_long() -> None:
    began = time.process_time()
    assert not Glob("*a" * 900 + "b").matches("a" * 256)
    assert not Glob("*ab" * 600 + "*").matches("a" * 256)
    assert time.process_time() - began < 0.1


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "needs a type and a key, as in 'proj/*', at character 1"),
        ("proj", "needs a type and a key, as in 'proj/*', at character 1"),
        ("proj/*:env", "needs a type and a key, as in 'proj/*', at character 8"),
        ("proj/*:env/*:segment/", "needs a type and a key, as in 'proj/*', at character 14"),
        ("proj/*:", "needs a type and a key, as in 'proj/*', at character 8"),
        ("proj/a/b", "has '/' at character 7, which no key has"),
        ("proj/a,b", "has ',' at character 7, which no key has"),
        ("proj/*:env/*;:segment/*", "needs a tag at character 14"),
        ("proj/*:env/*;a,:segment/*", "needs a tag at character 16"),
        ("proj/*;a;b", "needs a tag at character 8"),
        ("proj/*: env/*", "has ' ' at character 8, which no key or tag has"),
        ("proj/\x00", "has '\\x00' at character 6, which no key or tag has"),
        ("proj/\ud800", "has '\\ud800' at character 6, which no key or tag has"),
        ("acct;tag", "needs a type and a key, as in 'proj/*', at character 1"),
        ("proj/" + "*" * 2_000, "has more than 2000 characters"),
    ],
)
def test_a_fault_is_named_with_its_place(text: str, message: str) -> None:
    with pytest.raises(InvalidInputError) as refused:
        parse_specifier(text, ("here",))
    assert [(v.path, v.message) for v in refused.value.violations] == [(("here",), message)]


@pytest.mark.parametrize(
    "text", ["segment/*", "env/*", "proj/*:segment/*", "proj/*:env/*:flag/*:rule/*", "PROJ/*"]
)
def test_a_type_that_is_not_there_is_refused_and_the_types_are_listed(text: str) -> None:
    with pytest.raises(InvalidInputError, match="'proj:env:segment'"):
        parse_specifier(text)


@given(resources())
def test_the_name_of_a_thing_reads_as_the_thing(resource: Resource) -> None:
    assert parse_resource(str(resource)) == resource


def test_a_name_may_say_that_a_thing_has_no_tags() -> None:
    bare = "proj/shop;:env/production:segment/a;"
    assert parse_resource(bare) == parse_resource("proj/shop:env/production:segment/a")
    assert says_tags(bare) == [True, False, True]
    assert says_tags("proj/shop:env/production;t") == [False, True]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("proj/*", "has '*' at character 6, and is to name one thing"),
        ("proj/a:env/b:segment/c;t*", "has '*' at character 25, and is to name one thing"),
        ("proj/a:env", "needs a type and a key, as in 'proj/*', at character 8"),
        ("proj/a;:env/b;;", "needs a tag at character 15"),
    ],
)
def test_what_is_no_name_of_one_thing_is_refused(text: str, message: str) -> None:
    with pytest.raises(InvalidInputError) as refused:
        parse_resource(text, ("here",))
    assert [(v.path, v.message) for v in refused.value.violations] == [(("here",), message)]
