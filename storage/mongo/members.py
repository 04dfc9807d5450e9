"""Members of large lists: one document per key and the generations it is in, from `since` to before `until`.

List and key are one field, so that one index with one part finds any number of keys in any number of lists.
"""

from collections.abc import AsyncIterator, Collection, Mapping
from math import inf
from typing import Any

from pymongo import InsertOne
from pymongo.errors import BulkWriteError

from storage.mongo.client import Database, is_duplicate

MEMBERS = "members"
CHUNK = 1_000
"""How many members one question or write names: a slow server too has to answer before the driver gives up."""
_SEPARATOR, _AFTER_SEPARATOR = "\n", "\v"


class Members:
    """The collection of members. Methods raise the driver's errors."""

    def __init__(self, database: Database) -> None:
        self._members = database[MEMBERS]

    async def create_indexes(self) -> None:
        """Create the indexes that are not there."""
        await self._members.create_index([("member", 1), ("since", 1)], unique=True)
        await self._members.create_index([("list", 1), ("since", 1)])
        await self._members.create_index([("list", 1), ("until", 1)])

    async def add(self, list_id: str, generation: int, keys: Collection[str]) -> None:
        """See Store.add_members."""
        for names in _chunks(_names(list_id, keys)):
            inserts = [InsertOne({"member": name, "list": list_id, "since": generation}) for name in names]
            try:
                await self._members.bulk_write(inserts, ordered=False)
            except BulkWriteError as error:
                if not is_duplicate(error):
                    raise

    async def remove(self, list_id: str, generation: int, keys: Collection[str]) -> None:
        """See Store.remove_members."""
        for names in _chunks(_names(list_id, keys)):
            members = {"member": {"$in": names}, "until": None}
            await self._members.update_many(members, {"$set": {"until": generation}})

    async def discard(self, list_id: str, generation: int) -> None:
        """See Store.discard_members; -1 forgets the list."""
        left = {"list": list_id, "until": {"$gt": generation}}
        async for ids in self._found(left):
            await self._members.update_many({"_id": {"$in": ids}}, {"$unset": {"until": 1}})
        async for ids in self._found({"list": list_id, "since": {"$gt": generation}}):
            await self._members.delete_many({"_id": {"$in": ids}})

    async def purge(self, list_id: str, generation: int) -> None:
        """See Store.purge_members."""
        async for ids in self._found({"list": list_id, "until": {"$lte": generation}}):
            await self._members.delete_many({"_id": {"$in": ids}})

    async def _found(self, wanted: Mapping[str, Any]) -> AsyncIterator[list[Any]]:
        """Yield ids of members, few enough for one write, until no such member is left."""
        while ids := [
            member["_id"] for member in await self._members.find(wanted, {"_id": 1}).limit(CHUNK).to_list(None)
        ]:
            yield ids

    async def list_keys(self, list_id: str, generation: int, *, first: int, after: str) -> list[str]:
        """See Store.list_members."""
        [begin] = _names(list_id, [after])
        wanted = {
            "member": {"$gt": begin, "$lt": list_id + _AFTER_SEPARATOR},
            "since": {"$lte": generation},
            "$or": [{"until": None}, {"until": {"$gt": generation}}],
        }
        cursor = self._members.find(wanted, {"_id": 0, "member": 1}).sort("member", 1).limit(first)
        return [_split(found["member"])[1] for found in await cursor.to_list(None)]

    async def list_ids(self) -> list[str]:
        """See Store.list_ids."""
        return [str(list_id) for list_id in await self._members.distinct("list")]

    async def among(self, generations: Mapping[str, int], keys: Collection[str]) -> frozenset[tuple[str, str]]:
        """See Store.members_among."""
        names = [name for list_id in generations for name in _names(list_id, keys)]
        found: list[dict[str, Any]] = []
        for chunk in _chunks(names):
            found += await self._members.find({"member": {"$in": chunk}}, {"_id": 0}).to_list(None)
        return frozenset(
            _split(member["member"])
            for member in found
            if member["since"] <= generations[member["list"]] < member.get("until", inf)
        )


def _chunks(names: list[str]) -> list[list[str]]:
    return [names[begin : begin + CHUNK] for begin in range(0, len(names), CHUNK)]


def _names(list_id: str, keys: Collection[str]) -> list[str]:
    """Name members of a list; no list's id holds the separator."""
    return [f"{list_id}{_SEPARATOR}{key}" for key in keys]


def _split(name: str) -> tuple[str, str]:
    list_id, _, key = name.partition(_SEPARATOR)
    return list_id, key
