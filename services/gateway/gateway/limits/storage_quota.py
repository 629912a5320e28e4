"""Storage quota of a tenant: number of documents and bytes.

S3 is the source of truth. Redis holds a copy of the sizes, filled from a listing and deleted after 15
minutes. So a check costs no listing, and a difference to S3 (a failed upload, an object that was added
manually) lasts at most 15 minutes.
"""

import uuid
from collections.abc import Awaitable, Callable, Mapping
from typing import Any

from servicekit.errors import BackendError
from servicekit.locks import KeyedLocks
from tenancy.model import Tenant
from tenancy.names import build_storage_quota_key
from tenancy.quotas import explain_document_quota, explain_storage_quota

from ..metrics import LIMIT_EXCEEDED
from ..problems import LimitsUnavailable, QuotaExceeded
from ..redis import TenantRedis

__all__ = ["StorageQuota"]

COPY_TTL_SECONDS = 15 * 60
"""Lifetime of the copy after it was filled; use does not extend it."""

BATCH_SIZE = 5_000
"""Documents per write: each write blocks Redis for a few milliseconds."""

# The field `bytes` is the total; it always exists. The field of a document is `d:` and its id.
_RESERVE = """
local sum = redis.call('HGET', KEYS[1], 'bytes')
if not sum then return {'absent', 0} end
local size, documents, storage = tonumber(ARGV[2]), tonumber(ARGV[3]), tonumber(ARGV[4])
local stored, bytes = redis.call('HLEN', KEYS[1]) - 1, tonumber(sum)
local before = redis.call('HGET', KEYS[1], ARGV[1])
local growth = size - tonumber(before or 0)
if not before and stored + 1 > documents then return {'documents', stored} end
-- A smaller version is accepted even if the tenant exceeds a lowered quota.
if growth > 0 and bytes + growth > storage then return {'storage', bytes} end
redis.call('HSET', KEYS[1], ARGV[1], size)
redis.call('HINCRBY', KEYS[1], 'bytes', growth)
return {'reserved', 0}
"""

_RELEASE = """
local size = redis.call('HGET', KEYS[1], ARGV[1])
if size then
  redis.call('HDEL', KEYS[1], ARGV[1])
  redis.call('HINCRBY', KEYS[1], 'bytes', -size)
end
"""


class StorageQuota:
    """Enforces a Tenant's ``documents`` and ``storage`` quotas."""

    def __init__(self, redis: TenantRedis) -> None:
        self._redis = redis
        self._reserve = redis.register_script("reserve-storage", _RESERVE)
        self._release = redis.register_script("release-storage", _RELEASE)
        self._filling = KeyedLocks()

    async def reserve(
        self,
        tenant: Tenant,
        document_id: str,
        size: int,
        list_stored: Callable[[], Awaitable[Mapping[str, int]]],
    ) -> None:
        """Reserve storage for a document, all or nothing, in place of a stored document with the same id.

        Call :meth:`release` if storing the document fails afterwards.

        Parameters
        ----------
        size
            Size of the document in bytes.
        list_stored
            Function that lists the stored documents: bytes by document id. It is called only if there is no
            copy, once for all concurrent requests.

        Raises
        ------
        QuotaExceeded
            The quota does not suffice; nothing was reserved.
        LimitsUnavailable
            Redis does not answer. Storage that cannot be counted is refused.
        """
        quota = tenant.spec.quota
        arguments = (_build_field(document_id), size, quota.documents, quota.storage_bytes)
        try:
            outcome, used = await self._try_reserve(tenant, *arguments)
            if outcome == "absent":
                async with self._filling[tenant.id]:
                    # Another request may have filled the copy in the meantime.
                    outcome, used = await self._try_reserve(tenant, *arguments)
                    if outcome == "absent":
                        await self._fill(tenant, await list_stored())
                        outcome, used = await self._try_reserve(tenant, *arguments)
        except BackendError as exc:
            if exc.system != "redis":
                raise
            raise _build_unavailable() from exc
        if outcome == "absent":  # Redis lost its data in the meantime
            raise _build_unavailable()
        if outcome == "documents":
            text = explain_document_quota(limit=quota.documents, used=used)
            LIMIT_EXCEEDED.labels("documents").inc()
            raise QuotaExceeded(text, quota="documents", limit=quota.documents, used=used)
        if outcome == "storage":
            text = explain_storage_quota(limit=quota.storage_bytes, used=used, size=size)
            LIMIT_EXCEEDED.labels("storage").inc()
            raise QuotaExceeded(text, quota="storage", limit=quota.storage_bytes, used=used)

    async def count(self, tenant: Tenant, list_stored: Callable[[], Awaitable[Mapping[str, int]]]) -> int:
        """Return the number of documents that a tenant has stored.

        Parameters
        ----------
        list_stored
            As for :meth:`reserve`.

        Raises
        ------
        LimitsUnavailable
            Redis does not answer.
        """
        key = build_storage_quota_key(tenant.id, tenant.uid)
        try:
            (fields,) = await self._redis.execute(tenant, "count-documents", ("HLEN", key))
            if not fields:
                async with self._filling[tenant.id]:
                    await self._fill(tenant, await list_stored())
                (fields,) = await self._redis.execute(tenant, "count-documents", ("HLEN", key))
        except BackendError as exc:
            if exc.system != "redis":
                raise
            raise _build_unavailable() from exc
        return max(int(fields) - 1, 0)  # one field is the total

    async def release(self, tenant: Tenant, document_id: str) -> None:
        """Release the storage of a document that is not stored (any more).

        Raises
        ------
        LimitsUnavailable
            Redis does not answer. The copy is then outdated for at most 15 minutes.
        """
        try:
            await self._release.run(
                tenant, [build_storage_quota_key(tenant.id, tenant.uid)], _build_field(document_id)
            )
        except BackendError as exc:
            raise _build_unavailable() from exc

    async def _try_reserve(self, tenant: Tenant, *arguments: int | str) -> tuple[str, int]:
        outcome, used = await self._reserve.run(
            tenant, [build_storage_quota_key(tenant.id, tenant.uid)], *arguments
        )
        return outcome, used

    async def _fill(self, tenant: Tenant, stored: Mapping[str, int]) -> None:
        """Write a new copy under a temporary key in batches, and rename it unless a copy exists already."""
        key = f"{build_storage_quota_key(tenant.id, tenant.uid)}:{uuid.uuid4().hex}"
        first: list[tuple[Any, ...]] = [
            ("HSET", key, "bytes", sum(stored.values())),
            ("EXPIRE", key, COPY_TTL_SECONDS),
        ]
        await self._redis.execute(tenant, "fill-storage-quota", *first)
        documents = list(stored.items())
        for start in range(0, len(documents), BATCH_SIZE):
            fields = [
                word
                for document_id, size in documents[start : start + BATCH_SIZE]
                for word in (_build_field(document_id), size)
            ]
            await self._redis.execute(tenant, "fill-storage-quota", ("HSET", key, *fields))
        (placed,) = await self._redis.execute(
            tenant, "fill-storage-quota", ("RENAMENX", key, build_storage_quota_key(tenant.id, tenant.uid))
        )
        if not placed:
            await self._redis.execute(tenant, "fill-storage-quota", ("UNLINK", key))


def _build_field(document_id: str) -> str:
    return f"d:{document_id}"


def _build_unavailable() -> LimitsUnavailable:
    return LimitsUnavailable("The storage quota cannot be checked right now. Try again in a moment.")
