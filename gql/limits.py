"""Which documents are executed at all: each is parsed and counted once, then kept by its text.

Counting precedes validation and looks at each fragment once: its cost grows with the text, never with what
the text expands to.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, fields
from functools import lru_cache, wraps
from graphlib import CycleError, TopologicalSorter
from typing import Any, NamedTuple, ParamSpec, TypeVar, cast

from graphql import (
    DocumentNode,
    FieldNode,
    FragmentDefinitionNode,
    FragmentSpreadNode,
    GraphQLError,
    GraphQLSyntaxError,
    InlineFragmentNode,
    OperationDefinitionNode,
    Source,
    Token,
    TokenKind,
)
from graphql.language import Lexer
from graphql.language.parser import MAX_NESTING_DEPTH, Parser

from domain.errors import LimitExceededError

P = ParamSpec("P")
T = TypeVar("T")

# A document of the default tokens takes up to 1 MB when parsed; one that is short, at most half as much.
KEPT_DOCUMENTS = 128
KEPT_LONG_DOCUMENTS = 16
_LONG = 2_000
# A chain of fragments doubles its count at each link; JSON numbers end at 64 bits.
COUNT_CEILING = 1_000_000_000
# The parser goes no deeper; no limit is higher.
DEEPEST = MAX_NESTING_DEPTH
_INTROSPECTION = frozenset({"__schema", "__type"})
# To find what may have been meant, a name is compared with all others of its place.
MOST_SUGGESTIONS = 5


@dataclass(frozen=True, slots=True)
class DocumentLimits:
    """What a document may contain; counts are of its worst operation with all fragments spread out.

    The defaults admit the introspection query of every common client. The setting of `max_depth` is
    `EARLYBIRD_MAX_QUERY_DEPTH`, and so on.

    Attributes:
        max_characters: Code points of the text, white space and comments included.
        max_tokens: Lexical tokens of the text.
        max_depth: Fields inside one another.
        max_fields: Fields in all.
        max_aliases: Fields that bear an alias.
        max_directives: Uses of directives.
        max_root_fields: Fields of the operation itself.
        max_introspections: Uses of `__schema` and `__type`, each of which may list the whole schema.
        max_input_values: Items of lists and fields of input objects in the variables.
        max_variables_size: Characters of names and strings, and values, of the variables that the document uses
            several times, as often as it does. The default has room for a context of the default size in each of
            the root fields.
    """

    max_characters: int = 50_000
    max_tokens: int = 2_000
    max_depth: int = 20
    max_fields: int = 1_000
    max_aliases: int = 100
    max_directives: int = 100
    max_root_fields: int = 50
    max_introspections: int = 1
    max_input_values: int = 100_000
    max_variables_size: int = 4_000_000

    def violations(self, counts: dict[str, int]) -> list[LimitExceededError]:
        """List each of the counts, named like the limits without `max_`, that is over its limit."""
        return [
            LimitExceededError(
                f"The query's {name.replace('_', ' ')}",
                setting=f"EARLYBIRD_MAX_QUERY_{name.upper()}",
                limit=limit,
                actual=counts[name],
            )
            for name, limit in ((f.name.removeprefix("max_"), getattr(self, f.name)) for f in fields(self))
            if counts.get(name, 0) > limit
        ]


@dataclass(frozen=True, slots=True)
class Disclosure:
    """What a document can learn of the schema.

    Attributes:
        introspection: Whether it may ask for the schema.
        suggestions: Whether errors say what it may have meant.
    """

    introspection: bool = True
    suggestions: bool = True


class _Counts(NamedTuple):
    depth: int
    fields: int
    aliases: int
    directives: int
    root_fields: int
    introspections: int


def document_counts(document: DocumentNode) -> dict[str, int]:
    """Count what the document's worst operation holds with all its fragments spread out.

    Returns:
        Counts up to `COUNT_CEILING`, by name. Where fragments form a cycle, which validation refuses, those of
        the worst definition with nothing spread out.
    """
    surveys = {
        definition.name.value: _survey(definition)
        for definition in document.definitions
        if isinstance(definition, FragmentDefinitionNode)
    }
    operations = [
        _survey(definition)
        for definition in document.definitions
        if isinstance(definition, OperationDefinitionNode)
    ]
    graph = {name: {spread for spread, _ in spreads} for name, (_, spreads) in surveys.items()}
    expanded: dict[str, _Counts] = {}
    try:
        for name in TopologicalSorter(graph).static_order():
            if name in surveys:  # an unknown fragment is validation's to report
                expanded[name] = _expand(*surveys[name], expanded)
        counts = [_expand(*operation, expanded) for operation in operations]
    except CycleError:
        counts = [own for own, _ in (*surveys.values(), *operations)]
    return dict(zip(_Counts._fields, map(max, zip(*counts, strict=True)), strict=False))


def _survey(
    definition: OperationDefinitionNode | FragmentDefinitionNode,
) -> tuple[_Counts, list[tuple[str, int]]]:
    """Count what stands in the definition itself, and list its spreads with the depth each stands at."""
    depth = field_count = aliases = root_fields = introspections = 0
    directives = len(definition.directives or ())
    spreads: list[tuple[str, int]] = []
    pending = [(definition.selection_set, 0)]
    while pending:
        selection_set, above = pending.pop()
        for selection in selection_set.selections:
            directives += len(selection.directives or ())
            if isinstance(selection, FragmentSpreadNode):
                spreads.append((selection.name.value, above))
                continue
            level = above
            if isinstance(selection, FieldNode):
                level = above + 1
                depth = max(depth, level)
                field_count += 1
                aliases += selection.alias is not None
                root_fields += above == 0
                introspections += selection.name.value in _INTROSPECTION
            if isinstance(selection, FieldNode | InlineFragmentNode) and selection.selection_set:
                pending.append((selection.selection_set, level))
    return _Counts(depth, field_count, aliases, directives, root_fields, introspections), spreads


def _expand(own: _Counts, spreads: list[tuple[str, int]], expanded: dict[str, _Counts]) -> _Counts:
    """Add to a definition's own counts those of the fragments it spreads."""
    depth, field_count, aliases, directives, root_fields, introspections = own
    for name, above in spreads:
        if (fragment := expanded.get(name)) is not None:
            depth = max(depth, above + fragment.depth)
            field_count += fragment.fields
            aliases += fragment.aliases
            directives += fragment.directives
            root_fields += 0 if above else fragment.root_fields
            introspections += fragment.introspections
    counts = (depth, field_count, aliases, directives, root_fields, introspections)
    return _Counts(*(min(count, COUNT_CEILING) for count in counts))


def kept_by_text(position: int) -> Callable[[Callable[P, T]], Callable[P, T]]:
    """Keep what a function makes of documents: of many that are short, and of few that are long.

    Args:
        position: Where among its arguments the text is.
    """

    def keeping(make: Callable[P, T]) -> Callable[P, T]:
        of_short, of_long = lru_cache(KEPT_DOCUMENTS)(make), lru_cache(KEPT_LONG_DOCUMENTS)(make)

        @wraps(make)
        def kept(*arguments: Any) -> T:  # noqa: ANN401 - as the function has them
            return (of_short if len(arguments[position]) <= _LONG else of_long)(*arguments)

        return cast("Callable[P, T]", kept)

    return keeping


@kept_by_text(0)
def admitted_document(text: str, limits: DocumentLimits) -> DocumentNode:
    """Parse a document that is within the limits; the same text gives the same object again.

    Raises:
        GraphQLError: `LIMIT_EXCEEDED`, with every violation under `violations`.
        GraphQLSyntaxError: The text is no document.
    """
    _refuse(limits.violations({"characters": len(text)}))
    source = Source(text)
    # Comments count apart from tokens, and fill as much memory.
    most = limits.max_tokens
    parser = Parser(source, lexer=_Lexer(source), max_lexical_tokens=most, max_comments=most)
    try:
        document = parser.parse_document()
    except GraphQLSyntaxError as error:
        if error.message.endswith("Parsing aborted."):  # words are all that tells its own limits
            _refuse(limits.violations({"tokens": limits.max_tokens + 1}))
        raise
    except RecursionError:  # literals are counted by nothing else
        raise limit_error(limits.violations({"depth": DEEPEST + 1})) from None
    _refuse(limits.violations(document_counts(document)))
    return document


class _Token(Token):
    """A token that does not know the one before it: linked to and fro, all are kept until cycles are collected."""

    __slots__ = ()

    @property
    def prev(self) -> Token | None:
        """Nothing."""
        return None

    @prev.setter
    def prev(self, token: Token | None) -> None:
        """Forget it."""


class _Lexer(Lexer):
    """Reads tokens that hold no others behind the parser, so that documents go when nobody holds them any more."""

    def advance(self) -> Token:
        """Go on to the next token."""
        token = super().advance()
        if self.last_token is not token:  # as at the end
            self.last_token.next = None
        return token

    def create_token(self, kind: TokenKind, start: int, end: int, value: str | None = None) -> Token:
        """Create a token."""
        return _Token(kind, start, end, self.line, 1 + start - self.line_start, value)


def shortened(text: str, most: int) -> str:
    """Return a text as it is, or as much of it as fits into so many characters."""
    return text if len(text) <= most else f"{text[: most - 1]}…"


def refuse_variables(limits: DocumentLimits, *, values: int, size: int) -> None:
    """Refuse variables that hold too many values, or become too large where they are used.

    Raises:
        GraphQLError: `LIMIT_EXCEEDED`.
    """
    if values > limits.max_input_values or size > limits.max_variables_size:  # most requests need no list
        _refuse(limits.violations({"input_values": values, "variables_size": size}))


def _refuse(violations: list[LimitExceededError]) -> None:
    if violations:
        raise limit_error(violations)


def limit_error(violations: Sequence[LimitExceededError]) -> GraphQLError:
    """Make one error of all limits that are exceeded."""
    return GraphQLError(
        "; ".join(violation.message for violation in violations),
        extensions={
            "code": violations[0].code.value,
            **violations[0].details,
            "violations": [dict(violation.details) for violation in violations],
        },
    )
