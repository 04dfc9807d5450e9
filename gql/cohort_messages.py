"""What external tools send of their cohorts, in LaunchDarkly's form and in Amplitude's own."""

from typing import Annotated, Any

from pydantic import BaseModel, ConfigDict, Field, StrictBool, StrictStr

from domain.errors import InvalidInputError, Violation
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


class _Batch(BaseModel):
    """LaunchDarkly's form of a message."""

    model_config = ConfigDict(extra="ignore")

    environmentId: _Name  # noqa: N815 - the tools' name
    contextKind: _Name = DEFAULT_CONTEXT_KIND  # noqa: N815 - the tools' name
    batch: list[_Member] = Field(min_length=1)

    def to_domain(self, integration: str) -> CohortMessage:
        """Convert to the domain's message."""
        return CohortMessage(
            integration=integration,
            context_kind=self.contextKind,
            members=[
                CohortMembers(
                    user_keys=[member.userId or None],
                    cohort_id=member.cohortId,
                    cohort_name=member.cohortName,
                    cohort_url=member.cohortUrl or "",
                    is_member=member.value,
                )
                for member in self.batch
            ],
        )


class _Webhook(BaseModel):
    """Amplitude's webhook form of a message; the environment is a parameter of its URL."""

    cohort_name: StrictStr = ""
    cohort_id: _Name
    in_cohort: StrictBool
    message_id: StrictStr = ""
    users: list[dict[str, Any]]  # a model of each would take most of the second that there is for an answer

    def to_domain(self, integration: str) -> CohortMessage:
        """Convert to the domain's message.

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
        return CohortMessage(integration=integration, message_id=self.message_id, members=[people] if keys else [])


def read_batch(body: bytes, integration: str) -> tuple[str, CohortMessage]:
    """Read a message in LaunchDarkly's form, and the environment it is for.

    Raises:
        ValidationError: It has another form.
    """
    batch = _Batch.model_validate_json(body)
    return batch.environmentId, batch.to_domain(integration)


def read_webhook(body: bytes, integration: str) -> CohortMessage:
    """Read a message in Amplitude's webhook form.

    Raises:
        ValidationError: It has another form.
        InvalidInputError: A user's id is no text.
    """
    return _Webhook.model_validate_json(body).to_domain(integration)
