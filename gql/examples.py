"""Example data for a new store: a file of flag data, or a folder with one, members of large lists and cohorts.

flag-data.json               flags and segments
members/<segment>.csv        the keys of a large list
cohorts/<integration>.json   what an external tool sends, as to /api/v2/segment-targets/<integration>
"""

from dataclasses import dataclass
from pathlib import Path

import orjson
from pydantic import ValidationError

from domain.access.principals import Principal
from domain.errors import InvalidInputError, Violation
from domain.flag_data import read_flag_data
from domain.json import Json
from domain.model.lists import ListMode
from domain.services.cohorts import CohortMessage
from domain.services.import_plan import ImportMode
from domain.services.imports import ImportService
from domain.services.list_changes import NewListChange
from domain.services.lists import ListService
from domain.services.setup import PRODUCTION
from domain.services.syncs import SyncService
from gql.cohort_messages import read_batch


@dataclass(frozen=True, slots=True)
class Examples:
    """Example data, read and checked.

    Attributes:
        members: Files of keys, by the segment that they are of.
    """

    flag_data: Json
    members: dict[str, Path]
    cohorts: list[CohortMessage]

    async def load(self, owner: Principal, imports: ImportService, lists: ListService, syncs: SyncService) -> None:
        """Bring the data into default/production as their owners would.

        Raises:
            DomainError: As the services say.
        """
        for message in self.cohorts:
            await syncs.take_in(owner, PRODUCTION, message)
        await imports.import_flag_data(owner, PRODUCTION, self.flag_data, ImportMode.MERGE)
        for segment_key, path in self.members.items():
            new = NewListChange(segment_key=segment_key, mode=ListMode.MERGE)
            change = await lists.start(owner, PRODUCTION, new)
            with path.open("rb") as file:
                await lists.upload(owner, change.id, file)


NO_EXAMPLES = Examples({}, {}, [])


def read_examples(path: str | None) -> Examples:
    """Read what a new store is to hold, and check it, before anything is stored.

    Raises:
        InvalidInputError: It cannot be read, or breaks rules.
    """
    if path is None:
        return NO_EXAMPLES
    place = Path(path)
    try:
        if not place.is_dir():
            return Examples(_flag_data(place), {}, [])
        return Examples(
            _flag_data(place / "flag-data.json"),
            {file.stem: file for file in sorted(place.glob("members/*.csv"))},
            [read_batch(file.read_bytes(), file.stem)[1] for file in sorted(place.glob("cohorts/*.json"))],
        )
    except (OSError, orjson.JSONDecodeError, ValidationError) as error:
        raise InvalidInputError([Violation((), f"{path}: {error}")]) from error


def _flag_data(file: Path) -> Json:
    data: Json = orjson.loads(file.read_bytes())
    read_flag_data(data, PRODUCTION)
    return data
