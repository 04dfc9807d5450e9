"""Flag data that tests read."""

import pytest

from domain.errors import InvalidInputError
from domain.flag_data import FlagData, ReadFlag, ReadSegment, read_flag_data
from domain.json import Json
from tests.builders import ENVIRONMENT

FLAG_PROPERTIES = (
    "key", "version", "deleted", "on", "variations", "offVariation", "fallthrough", "prerequisites", "targets",
    "contextTargets", "rules", "salt", "trackEvents", "trackEventsFallthrough", "debugEventsUntilDate",
    "clientSideAvailability", "clientSide", "samplingRatio", "excludeFromSummaries", "migration", "name",
    "description", "tags",
)  # fmt: skip # reads as a table, one case or group a line
SEGMENT_PROPERTIES = (
    "key", "version", "deleted", "salt", "included", "excluded", "includedContexts", "excludedContexts", "rules",
    "unbounded", "unboundedContextKind", "generation", "name", "description", "tags",
)  # fmt: skip # reads as a table, one case or group a line


def read(data: Json) -> FlagData:
    return read_flag_data(data, ENVIRONMENT)


def read_flag(**properties: Json) -> ReadFlag:
    return read({"flags": {"flag": properties}}).flags["flag"]


def read_segment(**properties: Json) -> ReadSegment:
    return read({"segments": {"segment": properties}}).segments["segment"]


def violations_of(data: Json, path: tuple[str | int, ...] = ()) -> list[str]:
    with pytest.raises(InvalidInputError) as caught:
        read_flag_data(data, ENVIRONMENT, path)
    return [str(violation) for violation in caught.value.violations]
