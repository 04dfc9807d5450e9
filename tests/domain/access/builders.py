"""Resources and policies for tests."""

from collections.abc import Collection, Sequence

from hypothesis import assume
from hypothesis import strategies as st

from domain.access.actions import ACTIONS
from domain.access.policies import TAG_PATTERNS_LIMIT, Effect, NewStatement, Policy, parse_policy
from domain.access.resources import RESOURCE_TYPES, Level, Resource, resource_of
from domain.access.rights import GrantedPolicy, PolicySource, Rights

NAMES = st.text("abcAB0._-", min_size=1, max_size=5)
TAGS = st.frozensets(NAMES, max_size=3)
ALL_ACTIONS = sorted({action for actions in ACTIONS.values() for action in actions})


def a_segment_of(  # noqa: PLR0913 - builders take everything by name, with defaults
    project: str = "shop",
    environment: str = "production",
    segment: str = "eap-a",
    *,
    tags: Collection[str] = (),
    environment_tags: Collection[str] = (),
    project_tags: Collection[str] = (),
) -> Resource:
    return (
        resource_of("proj", project, project_tags)
        .child("env", environment, environment_tags)
        .child("segment", segment, tags)
    )


def allow(*resources: str, actions: Sequence[str] = ("*",)) -> NewStatement:
    return NewStatement(effect=Effect.ALLOW, resources=resources, actions=actions)


def deny(*resources: str, actions: Sequence[str] = ("*",)) -> NewStatement:
    return NewStatement(effect=Effect.DENY, resources=resources, actions=actions)


def a_policy(*statements: NewStatement) -> Policy:
    return parse_policy(statements)


def rights_of(*granted: Policy) -> Rights:
    """What policies of custom roles allow."""
    return Rights(tuple(GrantedPolicy(source=PolicySource.CUSTOM_ROLE, policy=policy) for policy in granted))


@st.composite
def resources(draw: st.DrawFn) -> Resource:
    """Things of any type; emails of members are folded, and so are base roles, which members and services bear."""
    types = draw(st.sampled_from(RESOURCE_TYPES))
    if types == "acct":
        return resource_of("acct")
    return Resource(
        tuple(
            Level(
                name,
                draw(NAMES.map(str.lower) if name == "member" else NAMES),
                frozenset(map(str.lower, tags)) if name in {"member", "service-token"} else tags,
            )
            for name, tags in ((name, draw(TAGS)) for name in types.split(":"))
        )
    )


@st.composite
def specifiers_of(draw: st.DrawFn, resource: Resource) -> str:
    """Specifiers that name a thing: parts of keys and tags become globs, and some tags are left out."""

    def glob(name: str) -> str:
        start, end = sorted((draw(st.integers(0, len(name))), draw(st.integers(0, len(name)))))
        return draw(st.sampled_from([name, f"{name[:start]}*{name[end:]}", f"*{name[start:end]}*"]))

    texts: list[str] = []
    for level in resource.levels:
        tags = draw(st.lists(st.sampled_from(sorted(level.tags)), max_size=3)) if level.tags else []
        suffix = f";{','.join(map(glob, tags))}" if tags else ""
        texts.append(f"{level.type}/{glob(level.key)}{suffix}" if level.key else level.type)
    return ":".join(texts)


def a_drawn_policy(statements: Sequence[NewStatement]) -> Policy:
    """A policy of drawn statements; no more tags with `*` are drawn than one may list."""
    texts = [text for new in statements for text in (*(new.resources or ()), *(new.not_resources or ()))]
    tags = [tag for text in texts for level in text.split(":") for tag in level.partition(";")[2].split(",")]
    assume(sum("*" in tag for tag in tags) <= TAG_PATTERNS_LIMIT)
    return parse_policy(statements)


@st.composite
def policies(draw: st.DrawFn) -> Policy:
    """Policies about things that `resources` draws."""
    statements: list[NewStatement] = []
    for _ in range(draw(st.integers(0, 4))):
        things = draw(st.lists(resources(), min_size=1, max_size=2))
        texts = [draw(specifiers_of(thing)) for thing in things]
        actions = ["*"]
        if draw(st.booleans()):
            types = [":".join(level.type for level in thing.levels) for thing in things]
            actions = draw(st.lists(st.sampled_from(sorted(ACTIONS[types[0]])), min_size=1, max_size=3))
        is_about = draw(st.booleans())
        statements.append(
            NewStatement(
                effect=draw(st.sampled_from(Effect)),
                resources=texts if is_about else None,
                not_resources=None if is_about else texts,
                actions=actions,
            )
        )
    return a_drawn_policy(statements)
