"""LaunchDarkly's flag data JSON, in and out: the format that its SDKs' file data source reads.

Some properties go beyond it and are ignored by SDKs: `name`, `description` and `tags` of flags and segments, and
`archived` of flags. The deprecation of a flag and its chosen default variations are not in the data: an import
leaves them as they are, but for a default variation that the flag has no more.
"""

from domain.flag_data.reading import FlagData, ReadFlag, ReadSegment, read_flag_data
from domain.flag_data.writing import write_flag, write_flag_data, write_segment, write_targeting

__all__ = [
    "FlagData",
    "ReadFlag",
    "ReadSegment",
    "read_flag_data",
    "write_flag",
    "write_flag_data",
    "write_segment",
    "write_targeting",
]
