"""Answer cache in Redis: one tenant's answers to the same question while no document changes.

A tenant's answers are one hash in Redis, stored with the version of the index that they were generated from.
Every change of the index deletes the hash (:mod:`gateway.index_fence`), and the next lookup creates a new
version. An answer is stored only under the version that its lookup returned.

The hash expires a fixed time after its first lookup; use does not extend it.
"""

import hashlib
import json
import uuid
from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

import structlog
from pydantic import TypeAdapter, ValidationError
from servicekit.errors import BackendError
from tenancy.model import Tenant

from ..index_fence import STATE_SCRIPT, list_fence_keys
from ..redis import TenantRedis
from .service import Answer

__all__ = ["AnswerCache", "CacheLookup", "CacheOutcome", "CacheSlot", "build_cache_key"]

MAX_ANSWERS = 1000
"""Maximum number of answers of one tenant. At 2 kB each, a thousand busy tenants use 2 GB."""

MAX_ANSWER_BYTES = 32 * 1024
"""Maximum size of an answer with its citations; larger answers are not stored."""

FORMAT_VERSION = 2
"""Version of the answer format; increase it to invalidate all cached answers when the format changes."""

# The version is random, so no deleted version is used again. A change of the index removes it.
_GET = f"""{STATE_SCRIPT}
if is_writing then return {{false, false}} end
local version = redis.call('HGET', KEYS[1], 'version')
if not version then
  version = ARGV[2]
  redis.call('HSET', KEYS[1], 'version', version)
  redis.call('EXPIRE', KEYS[1], ARGV[3])
end
return {{version, redis.call('HGET', KEYS[1], ARGV[1])}}
"""

_PUT = """
if redis.call('HGET', KEYS[1], 'version') ~= ARGV[2] then return end
if redis.call('HLEN', KEYS[1]) <= tonumber(ARGV[4]) then redis.call('HSET', KEYS[1], ARGV[1], ARGV[3]) end
"""

_ANSWER = TypeAdapter(Answer)


class CacheOutcome(StrEnum):
    """Outcome of a cache lookup."""

    HIT = "hit"
    MISS = "miss"
    BYPASS = "bypass"
    """The request does not allow the cache, or the index is being changed."""
    UNAVAILABLE = "unavailable"
    """Redis does not answer, or the stored answer cannot be parsed."""


@dataclass(frozen=True)
class CacheSlot:
    """Key and index version under which an answer may be stored."""

    key: str
    version: str


@dataclass(frozen=True)
class CacheLookup:
    """Result of a cache lookup. Without ``slot`` the new answer must not be stored."""

    outcome: CacheOutcome
    answer: Answer | None = None
    slot: CacheSlot | None = None


class AnswerCache:
    """Stores each tenant's answers in Redis.

    Parameters
    ----------
    seconds
        Maximum lifetime of answers; 0 disables the cache.
    """

    def __init__(self, redis: TenantRedis, *, seconds: int) -> None:
        self._seconds = seconds
        self._get = redis.register_script("get-answer", _GET)
        self._put = redis.register_script("put-answer", _PUT)
        self._log = structlog.get_logger("gateway.answers")

    async def get(self, tenant: Tenant, key: str) -> CacheLookup:
        """Return the result of a cache lookup. A failure of Redis is an outcome and raises nothing.

        Parameters
        ----------
        key
            See :func:`build_cache_key`.
        """
        if not self._seconds:
            return CacheLookup(CacheOutcome.BYPASS)
        try:
            version, stored = await self._get.run(
                tenant, list_fence_keys(tenant), key, uuid.uuid4().hex, self._seconds
            )
        except BackendError as exc:
            self._log.warning("Cannot read a cached answer", error=str(exc))
            return CacheLookup(CacheOutcome.UNAVAILABLE)
        if not version:
            return CacheLookup(CacheOutcome.BYPASS)
        slot = CacheSlot(key, version)
        if not stored:
            return CacheLookup(CacheOutcome.MISS, slot=slot)
        try:
            answer = _ANSWER.validate_json(stored)
        except ValidationError as exc:
            # The message of the exception would contain the stored text.
            self._log.warning("Cannot parse a cached answer", errors=exc.error_count())
            return CacheLookup(CacheOutcome.UNAVAILABLE, slot=slot)
        return CacheLookup(CacheOutcome.HIT, answer, slot)

    async def put(self, tenant: Tenant, slot: CacheSlot, answer: Answer) -> None:
        """Store an answer unless the index has changed since the lookup that returned the slot.

        A failure of Redis is logged and not raised, because the caller already has the answer.
        """
        text = _ANSWER.dump_json(answer).decode()
        if len(text.encode()) > MAX_ANSWER_BYTES:
            return
        try:
            await self._put.run(tenant, list_fence_keys(tenant), slot.key, slot.version, text, MAX_ANSWERS)
        except BackendError as exc:
            self._log.warning("Cannot cache an answer", error=str(exc))


def build_cache_key(inputs: Mapping[str, Any]) -> str:
    """Return the cache key: a hash of every input of an answer except the index."""
    text = json.dumps([FORMAT_VERSION, dict(inputs)], sort_keys=True, ensure_ascii=False)
    return hashlib.sha256(text.encode()).hexdigest()
