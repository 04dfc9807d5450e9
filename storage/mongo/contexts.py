"""Contexts that were met: one document each, whose id is environment, kind and key, so in the order of pages."""

from collections.abc import Collection, Iterator
from typing import Any

from pymongo import ReplaceOne
from pymongo.errors import BulkWriteError

from domain.keys import EnvironmentRef
from domain.model.seen_contexts import ContextFilter, SeenContext
from storage.codec import Document, decode, encode
from storage.mongo.client import Database, is_duplicate

CONTEXTS = "contexts"
_CHUNK = 1_000
"""How many contexts one question names."""
_SEPARATOR, _AFTER_SEPARATOR = "\n", "\v"


class Contexts:
    """The collection of contexts. Methods raise the driver's errors."""

    def __init__(self, database: Database) -> None:
        self._contexts = database[CONTEXTS]

    async def create_indexes(self) -> None:
        """Create the indexes that are not there."""
        await self._contexts.create_index([("address", 1), ("_id", 1)])
        await self._contexts.create_index([("last_seen", 1)])

    async def remember(self, contexts: Collection[SeenContext]) -> None:
        """See Store.remember_contexts."""
        try:
            writes = [ReplaceOne({"_id": _id(context)}, _stored(context), upsert=True) for context in contexts]
            if writes:
                await self._contexts.bulk_write(writes, ordered=False)
        except BulkWriteError as error:  # another process met the same context at this moment
            if not is_duplicate(error):
                raise

    async def list_page(
        self, environment: EnvironmentRef, wanted: ContextFilter, *, first: int, after: str
    ) -> list[SeenContext]:
        """See Store.list_contexts."""
        conditions: dict[str, Any] = {"_id": _range(environment, after)}
        if wanted.kinds is not None:
            conditions["kind"] = {"$in": list(wanted.kinds)}
        if wanted.folded_query:
            place = {"$indexOfBytes": ["$search", {"$literal": wanted.folded_query}]}
            conditions["$expr"] = {"$gte": [place, 0]}
        if first == 0:
            return []
        cursor = self._contexts.find(conditions, {"document": 1}).sort("_id", 1).limit(first)
        return [_context(found) for found in await cursor.to_list(None)]

    async def among(
        self,
        environment: EnvironmentRef,
        kind: str,
        *,
        keys: Collection[str],
        emails: Collection[str],
        per_email: int,
    ) -> list[SeenContext]:
        """See Store.contexts_among."""
        found = await self._found("_id", [_name(environment, kind, key) for key in keys])
        counts = await self.count(environment, kind, emails)
        few = [_name(environment, kind, email) for email, count in counts.items() if 0 < count <= per_email]
        found |= await self._found("address", few)
        for email, count in counts.items():
            if count > per_email:
                cursor = self._contexts.find({"address": _name(environment, kind, email)}, {"document": 1})
                first = await cursor.sort("_id", 1).limit(per_email).to_list(None)
                found |= {each["_id"]: _context(each) for each in first}
        return list(found.values())

    async def count(self, environment: EnvironmentRef, kind: str, emails: Collection[str]) -> dict[str, int]:
        """See Store.count_contexts."""
        asked = {_name(environment, kind, email): email for email in emails}
        counts = dict.fromkeys(emails, 0)
        for addresses in _chunks(list(asked)):
            wanted: list[Document] = [
                {"$match": {"address": {"$in": addresses}}},
                {"$group": {"_id": "$address", "count": {"$sum": 1}}},
            ]
            for group in await self._contexts.aggregate(wanted).to_list(None):
                counts[asked[group["_id"]]] = group["count"]
        return counts

    async def _found(self, field: str, names: list[str]) -> dict[str, SeenContext]:
        """Return the contexts that have one of the names in a field, by id."""
        found: dict[str, SeenContext] = {}
        for asked in _chunks(names):
            cursor = self._contexts.find({field: {"$in": asked}}, {"document": 1})
            found |= {each["_id"]: _context(each) for each in await cursor.to_list(None)}
        return found

    async def forget(self, environment: EnvironmentRef | None, before_ms: int | None) -> None:
        """See Store.forget_contexts."""
        age = {} if before_ms is None else {"last_seen": {"$lt": before_ms}}
        conditions: dict[str, Any] = {**age}
        if environment is not None:
            conditions["_id"] = _range(environment, "")
        while found := await self._contexts.find(conditions, {"_id": 1}).limit(_CHUNK).to_list(None):
            await self._contexts.delete_many({"_id": {"$in": [each["_id"] for each in found]}, **age})


def _chunks(names: list[str]) -> Iterator[list[str]]:
    for begin in range(0, len(names), _CHUNK):
        yield names[begin : begin + _CHUNK]


def _range(environment: EnvironmentRef, after: str) -> dict[str, str]:
    """Return the ids of an environment's contexts after one; no environment's name holds a separator."""
    return {"$gt": f"{environment}{_SEPARATOR}{after}", "$lt": f"{environment}{_AFTER_SEPARATOR}"}


def _name(environment: EnvironmentRef, kind: str, name: str) -> str:
    return f"{environment}{_SEPARATOR}{kind}{_SEPARATOR}{name}"


def _id(context: SeenContext) -> str:
    return _name(context.environment, context.kind, context.key)


def _stored(context: SeenContext) -> Document:
    document: Document = {
        "_id": _id(context),
        "kind": context.kind,
        "search": context.search_text,
        "last_seen": context.last_seen_ms,
        "document": encode(context),
    }
    if context.folded_email is not None:
        document["address"] = _name(context.environment, context.kind, context.folded_email)
    return document


def _context(found: Document) -> SeenContext:
    return decode(SeenContext, found["document"])
