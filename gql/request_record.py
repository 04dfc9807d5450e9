"""What the log tells of a request, noted where it is known while the request is answered."""

from collections.abc import Iterable
from contextvars import ContextVar
from dataclasses import dataclass, field

NOBODY_LEFT = 499


@dataclass(slots=True)
class RequestRecord:
    """What the log tells of a request.

    Attributes:
        operation: The type of the operation that it asked for, if it came so far.
        codes: The codes of the errors that it was answered.
        status: The status that it was answered; 499 if nobody was left to answer.
    """

    request_id: str
    operation: str | None = None
    codes: set[str] = field(default_factory=set)
    status: int = NOBODY_LEFT


current_record: ContextVar[RequestRecord | None] = ContextVar("request", default=None)


def note_operation(operation: str) -> None:
    """Tell the log which type of operation the request asks for."""
    if (record := current_record.get()) is not None:
        record.operation = operation


def note_errors(codes: Iterable[str]) -> None:
    """Tell the log which errors the request is answered."""
    if (record := current_record.get()) is not None:
        record.codes.update(codes)
