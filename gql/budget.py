"""What an answer may cost, counted while it is made: no query holds the process for long."""

from collections.abc import Sized
from dataclasses import dataclass
from math import ceil
from time import perf_counter, thread_time
from typing import Any, TypeVar

import orjson

from domain.errors import LimitExceededError

S = TypeVar("S", bound=Sized)

# So many fields of a generated function cost about as much as one that is resolved by itself.
COMPILED_FIELDS = 20
# What fields with arguments, which filter and cut pages, and those that ask a service cost, measured likewise.
SEARCH_COST = 10
SERVICE_COST = 100
# What stands around a field's name and value in JSON, and a short value: so much is counted for each unseen.
FIELD_BYTES = 12
SHORT_TEXT = 100
CHANGED = "What was changed holds: ask for less, and replace a secret that is not here. "
"""What the error says first when a mutation's answer is left out, or a part of it."""


@dataclass(frozen=True, slots=True)
class ExecutionLimits:
    """What the execution of one operation may take.

    Attributes:
        result_cost: What its answer may cost, as `ResultBudget` counts.
        query_seconds: How long a query may take. A mutation is never stopped half way.
        page_size: How many items a page may have.
        result_seconds: How long the processor may take to make its answer.
        response_bytes: How long its answer may be.
    """

    result_cost: int = 30_000
    result_seconds: int = 1
    response_bytes: int = 33_554_432
    query_seconds: int = 30
    page_size: int = 100


class ResultBudget:
    """The cost that one operation's answer may have, and has so far.

    A field that is resolved by itself costs 1, and so does an item of a list; a field with arguments costs 10, and
    one inside others that asks a service 100 more. Of what generated functions complete (docs/adr/0015) 20 fields
    and items cost 1 together. So 30,000 take about a second of the processor, where no field is dearer than most.

    Some fields are: they walk the graph of all segments, or filter thousands of rules. So the processor's time is
    counted too, of all that is done at once: then nothing else is done meanwhile. Its clock is read only when the
    wall's, which costs a tenth to read, says that it may have had too much: it never runs ahead of that.

    Values are shared while an answer is made, and written out as often as they were asked for. So names,
    JSON values and texts that are not short are counted too: what is written out is never far too long.

    Args:
        limits: What the answer may cost.
        is_of_mutation: Whether something is changed before it is answered.
    """

    __slots__ = (
        "_hint",
        "_limit",
        "_limits",
        "_seconds",
        "_since",
        "_sizes",
        "_spent",
        "_wall_end",
        "_written",
    )

    def __init__(self, limits: ExecutionLimits, *, is_of_mutation: bool = False) -> None:
        self._hint = CHANGED if is_of_mutation else ""
        self._limits = limits
        self._limit = limits.result_cost
        self._spent = 0
        self._written = 0
        self._seconds = 0.0
        self._since: float | None = None
        self._wall_end = 0.0
        # The values are kept so that no others can take their ids meanwhile.
        self._sizes: dict[int, tuple[object, int]] = {}

    def require_half(self) -> None:
        """Keep a mutation from being begun unless half of everything is left for its answer.

        So the secrets that it makes, which are answered before all else, have room there.

        Raises:
            LimitExceededError: More is spent.
        """
        limits = self._limits
        for what, setting, limit, spent in (
            ("fields and items", "EARLYBIRD_MAX_RESULT_COST", limits.result_cost, self._spent),
            ("bytes", "EARLYBIRD_MAX_RESPONSE_BYTES", limits.response_bytes, self._written),
            ("processor's seconds", "EARLYBIRD_MAX_RESULT_SECONDS", limits.result_seconds, self._seconds),
        ):
            if spent > limit / 2:
                raise LimitExceededError(
                    f"This mutation was not begun; the answer's {what} before it, with half of all for its own",
                    setting=setting,
                    limit=limit,
                    actual=ceil(spent + limit / 2),
                )

    def spend(self, cost: int) -> None:
        """Count what is about to be made.

        Raises:
            LimitExceededError: The answer costs too much.
        """
        self._spent += cost
        if self._spent > self._limit:
            raise LimitExceededError(
                f"{self._hint}The answer's fields and items, as far as made",
                setting="EARLYBIRD_MAX_RESULT_COST",
                limit=self._limit,
                actual=self._spent,
            )

    def begin(self) -> bool:
        """Begin to do something at once; tell whether it is not a part of something else.

        Raises:
            LimitExceededError: The processor has had too much to do already.
        """
        self.check_time()
        if self._since is not None:
            return False
        self._since = thread_time()
        self._wall_end = perf_counter() + self._limits.result_seconds - self._seconds
        return True

    def end(self) -> None:
        """End what was begun, and is not a part of something else."""
        if self._since is not None:
            self._seconds += thread_time() - self._since
            self._since = None

    def check_time(self) -> None:
        """Look at the clocks.

        Raises:
            LimitExceededError: The processor has had too much to do already.
        """
        if self._since is not None and perf_counter() < self._wall_end:
            return
        seconds = self._seconds if self._since is None else self._seconds + thread_time() - self._since
        if seconds > self._limits.result_seconds:
            raise LimitExceededError(
                f"{self._hint}The processor's seconds for the answer, as far as made",
                setting="EARLYBIRD_MAX_RESULT_SECONDS",
                limit=self._limits.result_seconds,
                actual=ceil(seconds),
            )

    def write(self, count: int) -> None:
        """Count bytes that the answer will have.

        Raises:
            LimitExceededError: It is too long.
        """
        self._written += count
        if self._written > self._limits.response_bytes:
            raise too_long(self._limits, self._written, hint=self._hint)

    def write_value(self, value: Any) -> None:  # noqa: ANN401 - whatever a scalar is answered as
        """Count the bytes of a text or a JSON value, which is measured once.

        Raises:
            LimitExceededError: The answer is too long.
        """
        if value.__class__ is str:
            self.write(len(value))
        elif value.__class__ is dict or value.__class__ is list:
            known = self._sizes.get(id(value))
            if known is None:
                known = self._sizes[id(value)] = (value, len(orjson.dumps(value)))
            self.write(known[1])

    def items(self, items: S, fields: int, size: int) -> S:
        """Count items that a generated function completes, and return them.

        Args:
            items: What is to be completed.
            fields: How many fields each has, with itself.
            size: The bytes of each, without its long values.

        Raises:
            LimitExceededError: The answer costs too much, or is too long.
        """
        if self._since is not None:
            self.check_time()
        self.spend(len(items) * fields // COMPILED_FIELDS)
        self.write(len(items) * size)
        return items


def too_long(limits: ExecutionLimits, size: int, *, hint: str) -> LimitExceededError:
    """Refuse an answer that is longer than it may be, with a hint before all else."""
    what, setting = f"{hint}The answer's bytes, as far as made", "EARLYBIRD_MAX_RESPONSE_BYTES"
    return LimitExceededError(what, setting=setting, limit=limits.response_bytes, actual=size)
