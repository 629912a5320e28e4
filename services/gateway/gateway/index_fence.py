"""Changes of what can be found, announced before they begin: no answer outlives what it was drawn from.

Answers are kept to be given again (:mod:`gateway.answers.cache`). Whoever changes a tenant's index says so in
Redis, before and after. Both times all kept answers of the tenant are thrown away, and in between no gateway
keeps one or gives one.

A change that cannot be announced does not happen: its answers would stay. One that failed is not said to be
over, because Qdrant may still do what we no longer wait for. It runs out by itself, as does the change of a
gateway that died.
"""

import asyncio
import uuid
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import structlog
from servicekit.deadline import without_deadline
from servicekit.errors import RemoteError, RemoteUnavailable
from tenancy.model import Tenant
from tenancy.names import answers_key, changes_key

from .redis import TenantRedis

__all__ = ["STATE", "IndexChanges", "keys"]

CHANGE_SECONDS = 600
"""Longest that a change may take: a document of 10,000 chunks takes about ten seconds."""

RUN_OUT_SECONDS = 900
"""When a change is over of which nothing was heard: later than it may take, and than its last call to Qdrant
can arrive."""

STATE = """
local clock = redis.call('TIME')
local now = clock[1] * 1000 + math.floor(clock[2] / 1000)
local changing = redis.call('ZCOUNT', KEYS[2], now, '+inf') > 0
"""
"""Begin of a script that is run with :func:`keys`: ``changing`` tells whether a change is under way."""

_BEGIN = f"""{STATE}
redis.call('UNLINK', KEYS[1])
redis.call('ZREMRANGEBYSCORE', KEYS[2], '-inf', now - 1)
redis.call('ZADD', KEYS[2], now + ARGV[2] * 1000, ARGV[1])
redis.call('EXPIRE', KEYS[2], ARGV[2])
"""


class IndexChanges:
    """Announces changes of tenants' indexes."""

    def __init__(self, redis: TenantRedis) -> None:
        self._redis = redis
        self._begin = redis.script("begin-change", _BEGIN)
        self._log = structlog.get_logger("gateway.index_fence")

    @asynccontextmanager
    async def announce(self, tenant: Tenant) -> AsyncIterator[None]:
        """Let the tenant's index be changed inside the block.

        Raises
        ------
        RemoteUnavailable, RemoteRefused
            Redis cannot be told: the block was not entered, and nothing may be changed.
        RemoteUnavailable
            The change took longer than ten minutes.
        """
        change = uuid.uuid4().hex
        await self._begin.run(tenant, keys(tenant), change, RUN_OUT_SECONDS)
        limit = asyncio.timeout(CHANGE_SECONDS)
        try:
            async with limit:
                yield
        except TimeoutError as exc:
            if not limit.expired():
                raise
            raise RemoteUnavailable(
                "qdrant", "change-index", f"it took more than {CHANGE_SECONDS} seconds"
            ) from exc
        await self._end(tenant, change)

    async def _end(self, tenant: Tenant, change: str) -> None:
        answers, changes = keys(tenant)
        try:
            # Once more: a change that has run out meanwhile kept nobody from keeping answers.
            with without_deadline():
                await self._redis.execute(
                    tenant, "end-change", ("UNLINK", answers), ("ZREM", changes, change)
                )
        except RemoteError as exc:
            self._log.warning("Cannot end a change; no answer is kept until it runs out", error=str(exc))


def keys(tenant: Tenant) -> list[str]:
    """Return the keys of a script about a tenant's kept answers: the answers, and changes under way."""
    return [answers_key(tenant.id, tenant.uid), changes_key(tenant.id, tenant.uid)]
