"""What an answer may cost, counted while it is made: no query holds the process for long."""

from collections.abc import Sized
from dataclasses import dataclass
from typing import TypeVar

from domain.errors import LimitExceededError

S = TypeVar("S", bound=Sized)

# So many fields of a generated function cost about as much as one that is resolved by itself.
COMPILED_FIELDS = 20
# What fields with arguments, which filter and cut pages, and those that ask a service cost, measured likewise.
SEARCH_COST = 10
SERVICE_COST = 100


@dataclass(frozen=True, slots=True)
class ExecutionLimits:
    """What the execution of one operation may take.

    Attributes:
        result_cost: What its answer may cost, as `ResultBudget` counts.
        query_seconds: How long a query may take. A mutation is never stopped half way.
        page_size: How many items a page may have.
    """

    result_cost: int = 30_000
    query_seconds: int = 30
    page_size: int = 100


class ResultBudget:
    """The cost that one operation's answer may have, and has so far.

    A field that is resolved by itself costs 1, and so does an item of a list; a field with arguments costs 10, and
    one inside others that asks a service 100 more. Of what generated functions complete (docs/adr/0015) 20 fields
    and items cost 1 together. So 30,000 take about a second of the processor at worst.
    """

    __slots__ = ("_limit", "_spent")

    def __init__(self, limit: int) -> None:
        self._limit = limit
        self._spent = 0

    def spend(self, cost: int) -> None:
        """Count what is about to be made.

        Raises:
            LimitExceededError: The answer costs too much.
        """
        self._spent += cost
        if self._spent > self._limit:
            raise LimitExceededError(
                "The answer's fields and items, as far as made",
                setting="EARLYBIRD_MAX_RESULT_COST",
                limit=self._limit,
                actual=self._spent,
            )

    def items(self, items: S, fields: int) -> S:
        """Count items that a generated function completes, each so many fields with itself, and return them.

        Raises:
            LimitExceededError: The answer costs too much.
        """
        self.spend(len(items) * fields // COMPILED_FIELDS)
        return items
