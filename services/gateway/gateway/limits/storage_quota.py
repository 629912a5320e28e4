"""Documents and bytes that a tenant has stored, held against its quota.

S3 is the truth. Redis holds a copy of it, filled from a listing and thrown away after 15 minutes: a check
costs no listing, and whatever makes the two differ (an upload that failed half-way, an object that somebody
put there by hand) is forgotten by then.
"""

import uuid
from collections.abc import Awaitable, Callable, Mapping
from typing import Any

from servicekit.errors import RemoteError
from servicekit.locks import KeyedLocks
from tenancy.model import Tenant
from tenancy.names import document_sizes_key

from ..metrics import REFUSED
from ..problems import LimitsUnavailable, QuotaExceeded
from ..redis import TenantRedis

__all__ = ["Stock"]

KEEP_SECONDS = 15 * 60
"""How long the copy lives, from its filling on, however often it is used."""

BATCH = 5_000
"""Documents written at once: a few milliseconds of Redis, in which nobody else is served."""

# The field `bytes` is their sum; it is there even when no document is. A document's field is `d:` and its id.
_ADMIT = """
local sum = redis.call('HGET', KEYS[1], 'bytes')
if not sum then return {'absent', 0} end
local size, documents, storage = tonumber(ARGV[2]), tonumber(ARGV[3]), tonumber(ARGV[4])
local stored, bytes = redis.call('HLEN', KEYS[1]) - 1, tonumber(sum)
local before = redis.call('HGET', KEYS[1], ARGV[1])
local growth = size - tonumber(before or 0)
if not before and stored + 1 > documents then return {'documents', stored} end
-- A document that becomes smaller is welcome even where a lowered quota is exceeded already.
if growth > 0 and bytes + growth > storage then return {'storage', bytes} end
redis.call('HSET', KEYS[1], ARGV[1], size)
redis.call('HINCRBY', KEYS[1], 'bytes', growth)
return {'admitted', 0}
"""

_FORGET = """
local size = redis.call('HGET', KEYS[1], ARGV[1])
if size then
  redis.call('HDEL', KEYS[1], ARGV[1])
  redis.call('HINCRBY', KEYS[1], 'bytes', -size)
end
"""


class Stock:
    """Holds a Tenant to its ``documents`` and its ``storage``."""

    def __init__(self, redis: TenantRedis) -> None:
        self._redis = redis
        self._admit = redis.script("admit-document", _ADMIT)
        self._forget = redis.script("forget-document", _FORGET)
        self._filling = KeyedLocks()

    async def admit(
        self,
        tenant: Tenant,
        document_id: str,
        size: int,
        list_stored: Callable[[], Awaitable[Mapping[str, int]]],
    ) -> None:
        """Take the room for a document, all or nothing. One that is stored already is replaced.

        If storing it fails afterwards, :meth:`forget` it.

        Parameters
        ----------
        size
            Its bytes.
        list_stored
            Lists what is stored: bytes by document id. Called when there is no copy, once for all who wait.

        Raises
        ------
        QuotaExceeded
            There is no room: nothing was taken.
        LimitsUnavailable
            Redis is away. Nothing is stored that is not counted.
        """
        quota = tenant.spec.quota
        arguments = (_field(document_id), size, quota.documents, quota.storage_bytes)
        try:
            answer, used = await self._try(tenant, *arguments)
            if answer == "absent":
                async with self._filling[tenant.id]:
                    # Somebody else may have filled it while this one waited.
                    answer, used = await self._try(tenant, *arguments)
                    if answer == "absent":
                        await self._fill(tenant, await list_stored())
                        answer, used = await self._try(tenant, *arguments)
        except RemoteError as exc:
            if exc.system != "redis":
                raise
            raise _unavailable() from exc
        if answer == "absent":  # Redis was emptied this very moment
            raise _unavailable()
        if answer == "documents":
            raise _exceeded("documents", quota.documents, used, "documents")
        if answer == "storage":
            raise _exceeded("storage", quota.storage_bytes, used, f"bytes; this document has {size}")

    async def count(self, tenant: Tenant, list_stored: Callable[[], Awaitable[Mapping[str, int]]]) -> int:
        """Return the number of documents that a tenant has stored.

        Parameters
        ----------
        list_stored
            As for :meth:`admit`.

        Raises
        ------
        LimitsUnavailable
            Redis is unavailable.
        """
        key = document_sizes_key(tenant.id, tenant.uid)
        try:
            (fields,) = await self._redis.execute(tenant, "count-documents", ("HLEN", key))
            if not fields:
                async with self._filling[tenant.id]:
                    await self._fill(tenant, await list_stored())
                (fields,) = await self._redis.execute(tenant, "count-documents", ("HLEN", key))
        except RemoteError as exc:
            if exc.system != "redis":
                raise
            raise _unavailable() from exc
        return max(int(fields) - 1, 0)  # one field is the sum

    async def forget(self, tenant: Tenant, document_id: str) -> None:
        """Give back the room of a document that is not stored (any more).

        Raises
        ------
        LimitsUnavailable
            Redis is away. Its copy is out of date then, for 15 minutes at most.
        """
        try:
            await self._forget.run(tenant, [document_sizes_key(tenant.id, tenant.uid)], _field(document_id))
        except RemoteError as exc:
            raise _unavailable() from exc

    async def _try(self, tenant: Tenant, *arguments: int | str) -> tuple[str, int]:
        answer, used = await self._admit.run(tenant, [document_sizes_key(tenant.id, tenant.uid)], *arguments)
        return answer, used

    async def _fill(self, tenant: Tenant, stored: Mapping[str, int]) -> None:
        """Write a copy beside, batch by batch, and put it in place in one step unless one is there."""
        key = f"{document_sizes_key(tenant.id, tenant.uid)}:{uuid.uuid4().hex}"
        first: list[tuple[Any, ...]] = [
            ("HSET", key, "bytes", sum(stored.values())),
            ("EXPIRE", key, KEEP_SECONDS),
        ]
        await self._redis.execute(tenant, "fill-stock", *first)
        documents = list(stored.items())
        for start in range(0, len(documents), BATCH):
            fields = [
                word
                for document_id, size in documents[start : start + BATCH]
                for word in (_field(document_id), size)
            ]
            await self._redis.execute(tenant, "fill-stock", ("HSET", key, *fields))
        (placed,) = await self._redis.execute(
            tenant, "fill-stock", ("RENAMENX", key, document_sizes_key(tenant.id, tenant.uid))
        )
        if not placed:
            await self._redis.execute(tenant, "fill-stock", ("UNLINK", key))


def _field(document_id: str) -> str:
    return f"d:{document_id}"


def _exceeded(name: str, limit: int, used: int, unit: str) -> QuotaExceeded:
    REFUSED.labels(name).inc()
    return QuotaExceeded(
        f"The tenant may store {limit} and has stored {used} {unit}. Delete documents, or ask for more.",
        quota=name,
        limit=limit,
        used=used,
    )


def _unavailable() -> LimitsUnavailable:
    return LimitsUnavailable("What the tenant stores cannot be counted right now. Try again in a moment.")
