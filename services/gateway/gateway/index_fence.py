"""Write fence of a tenant's index: no cached answer outlives the documents that it was made from.

Answers are cached (:mod:`gateway.answers.cache`). The start and the end of each write to a tenant's index
are recorded in Redis. Each of these steps deletes all cached answers of the tenant. Between them, no gateway
stores or returns a cached answer.

If the start cannot be recorded, nothing is written, because stale answers would stay cached. The end of a
failed write is not recorded, because Qdrant may still execute a call that timed out here. The entry of such a
write expires, like the entry of a gateway that died.
"""

import asyncio
import uuid
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import structlog
from servicekit.deadline import suspend_deadline
from servicekit.errors import BackendError, BackendUnavailable
from tenancy.model import Tenant
from tenancy.names import build_answers_key, build_changes_key

from .redis import TenantRedis

__all__ = ["STATE_SCRIPT", "IndexWriteFence", "list_fence_keys"]

WRITE_TIMEOUT_SECONDS = 600
"""Longest duration of a write: a document of 10,000 chunks takes about ten seconds."""

FENCE_TTL_SECONDS = 900
"""Time to live of a write's entry. It exceeds the duration of a write and of its last call to Qdrant."""

STATE_SCRIPT = """
local clock = redis.call('TIME')
local now = clock[1] * 1000 + math.floor(clock[2] / 1000)
local is_writing = redis.call('ZCOUNT', KEYS[2], now, '+inf') > 0
"""
"""Start of a script that is run with :func:`list_fence_keys`; it sets ``is_writing`` during a write."""

_BEGIN = f"""{STATE_SCRIPT}
redis.call('UNLINK', KEYS[1])
redis.call('ZREMRANGEBYSCORE', KEYS[2], '-inf', now - 1)
redis.call('ZADD', KEYS[2], now + ARGV[2] * 1000, ARGV[1])
redis.call('EXPIRE', KEYS[2], ARGV[2])
"""


class IndexWriteFence:
    """Deletes and blocks cached answers around writes to tenants' indexes."""

    def __init__(self, redis: TenantRedis) -> None:
        self._redis = redis
        self._begin = redis.register_script("begin-index-write", _BEGIN)
        self._log = structlog.get_logger("gateway.index_fence")

    @asynccontextmanager
    async def fence_write(self, tenant: Tenant) -> AsyncIterator[None]:
        """Block cached answers around a write to the tenant's index, which happens inside the block.

        Raises
        ------
        BackendUnavailable, BackendRefused
            The start could not be recorded: the block was not entered, and nothing may be written.
        BackendUnavailable
            The write took longer than ten minutes.
        """
        write = uuid.uuid4().hex
        await self._begin.run(tenant, list_fence_keys(tenant), write, FENCE_TTL_SECONDS)
        limit = asyncio.timeout(WRITE_TIMEOUT_SECONDS)
        try:
            async with limit:
                yield
        except TimeoutError as exc:
            if not limit.expired():
                raise
            raise BackendUnavailable(
                "qdrant", "write-index", f"it took more than {WRITE_TIMEOUT_SECONDS} seconds"
            ) from exc
        await self._end(tenant, write)

    async def _end(self, tenant: Tenant, write: str) -> None:
        answers, writes = list_fence_keys(tenant)
        try:
            # Delete the answers a second time: if the entry has expired, gateways may have cached some.
            with suspend_deadline():
                await self._redis.execute(
                    tenant, "end-index-write", ("UNLINK", answers), ("ZREM", writes, write)
                )
        except BackendError as exc:
            self._log.warning(
                "Cannot end an index write; no answer is cached until its entry expires", error=str(exc)
            )


def list_fence_keys(tenant: Tenant) -> list[str]:
    """Return the Redis keys of a tenant's cached answers and of its index writes under way."""
    return [build_answers_key(tenant.id, tenant.uid), build_changes_key(tenant.id, tenant.uid)]
