"""What external tools send of their cohorts, in LaunchDarkly's form and in Amplitude's own."""

from collections.abc import Iterator
from itertools import groupby
from typing import Annotated, Any

import orjson
from pydantic import BaseModel, ConfigDict, Field, StrictBool, StrictStr, TypeAdapter, ValidationError

from domain.errors import VIOLATIONS_LIMIT, InvalidInputError, Violation
from domain.model.targeting import DEFAULT_CONTEXT_KIND
from domain.services.cohorts import CohortMembers, CohortMessage

_Name = Annotated[StrictStr, Field(min_length=1)]


class _Member(BaseModel):
    """One person in LaunchDarkly's form."""

    userId: StrictStr | None = None  # noqa: N815 - the tools' name
    cohortId: _Name  # noqa: N815 - the tools' name
    cohortName: StrictStr = ""  # noqa: N815 - the tools' name
    cohortUrl: StrictStr | None = None  # noqa: N815 - the tools' name
    value: StrictBool


_MEMBERS = TypeAdapter(list[_Member])
_MEMBERS_AT_A_TIME = 1_000


class _Batch(BaseModel):
    """LaunchDarkly's form of a message."""

    model_config = ConfigDict(extra="ignore")

    environmentId: _Name  # noqa: N815 - the tools' name
    contextKind: _Name = DEFAULT_CONTEXT_KIND  # noqa: N815 - the tools' name
    batch: list[Any]  # `_members` reads it: one call for all would hold up every thread

    def to_domain(self, integration: str) -> CohortMessage:
        """Convert to the domain's message.

        Raises:
            InvalidInputError: A member is none, or there is no member at all.
        """
        if not self.batch:
            raise InvalidInputError([Violation(("batch",), "needs at least one member")])
        return CohortMessage(
            integration=integration,
            context_kind=self.contextKind,
            members=[
                CohortMembers(
                    user_keys=[member.userId or None for member in alike],
                    cohort_id=cohort_id,
                    cohort_name=name,
                    cohort_url=url or "",
                    is_member=is_member,
                )
                for (cohort_id, name, url, is_member), alike in groupby(_members(self.batch), _said_of)
            ],
        )


def _said_of(member: _Member) -> tuple[str, str, str | None, bool]:
    return (member.cohortId, member.cohortName, member.cohortUrl, member.value)


def _members(batch: list[Any]) -> Iterator[_Member]:
    """Yield the members of a batch, which are checked some at a time.

    Raises:
        InvalidInputError: Some are none.
    """
    found: list[Violation] = []
    for start in range(0, len(batch), _MEMBERS_AT_A_TIME):
        try:
            members = _MEMBERS.validate_python(batch[start : start + _MEMBERS_AT_A_TIME])
        except ValidationError as error:
            found += [
                Violation(("batch", start + int(index), *place), fault["msg"])
                for fault in error.errors(include_url=False, include_context=False, include_input=False)
                for index, *place in [fault["loc"]]
            ]
            if len(found) > VIOLATIONS_LIMIT:
                break
        else:
            yield from members
    if found:
        raise InvalidInputError(found)


class _Webhook(BaseModel):
    """Amplitude's webhook form of a message; the environment is a parameter of its URL."""

    cohort_name: StrictStr = ""
    cohort_id: _Name
    in_cohort: StrictBool
    message_id: StrictStr = ""
    contextKind: _Name | None = None  # noqa: N815 - as in LaunchDarkly's form
    users: list[dict[str, Any]]  # a model of each would take most of the second that there is for an answer

    def to_domain(self, integration: str, context_kind: str) -> CohortMessage:
        """Convert to the domain's message, about contexts of a kind unless it says itself of which.

        Raises:
            InvalidInputError: A user's id is no text.
        """
        keys = [user.get("user_id") for user in self.users]
        if found := [
            Violation(("users", index, "user_id"), "is no string")
            for index, key in enumerate(keys)
            if key is not None and not isinstance(key, str)
        ]:
            raise InvalidInputError(found)
        people = CohortMembers(
            user_keys=[key or None for key in keys],
            cohort_id=self.cohort_id,
            cohort_name=self.cohort_name,
            is_member=self.in_cohort,
        )
        return CohortMessage(
            integration=integration,
            message_id=self.message_id,
            context_kind=self.contextKind or context_kind,
            members=[people],
        )


def read_batch(body: bytes, integration: str) -> tuple[str, CohortMessage]:
    """Read a message in LaunchDarkly's form, and the environment it is for.

    Raises:
        JSONDecodeError: It is no JSON.
        ValidationError: It has another form.
        InvalidInputError: A member is none.
    """
    batch = _Batch.model_validate(orjson.loads(body))
    return batch.environmentId, batch.to_domain(integration)


def read_webhook(body: bytes, integration: str, context_kind: str = DEFAULT_CONTEXT_KIND) -> CohortMessage:
    """Read a message in Amplitude's webhook form, about contexts of a kind unless it says itself of which.

    Raises:
        ValidationError: It has another form.
        InvalidInputError: A user's id is no text.
    """
    return _Webhook.model_validate_json(body).to_domain(integration, context_kind)
